package origin

import (
	"fmt"
	"os"
	"runtime"
	"syscall"
)

// inside runs f in a network namespace, or as it is where none is named. A socket that f makes belongs there for good.
func inside(namespace string, f func() error) error {
	if namespace == "" {
		return f()
	}
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // for good: the thread ends with the goroutine
		err := enter(namespace)
		if err == nil {
			err = f()
		}
		done <- err
	}()
	return <-done
}

func enter(namespace string) error {
	// Package syscall was closed before there was a setns.
	number, known := map[string]uintptr{"amd64": 308, "arm64": 268}[runtime.GOARCH]
	if !known {
		return fmt.Errorf("enter a network namespace: not known how on %s", runtime.GOARCH)
	}
	ns, err := os.Open("/run/netns/" + namespace)
	if err != nil {
		return err
	}
	defer ns.Close()
	if _, _, e := syscall.RawSyscall(number, ns.Fd(), syscall.CLONE_NEWNET, 0); e != 0 {
		return fmt.Errorf("enter the network namespace %s: %w", namespace, e)
	}
	return nil
}
