package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"syscall"
)

// launcher is the command by which this program starts another one in its place: bound to a core, in a cgroup, and so
// that it ends when the benchmark does. What follows is CORE, CGROUP or "", and the command.
const launcher = "launch"

func launch(args []string) error {
	if len(args) < 3 {
		return fmt.Errorf("%s: want a core, a cgroup and a command", launcher)
	}
	runtime.LockOSThread() // this one becomes the program's
	core, err := strconv.Atoi(args[0])
	if err != nil {
		return err
	}
	if err := pin(0, core); err != nil {
		return err
	}
	if group := args[1]; group != "" {
		if err := os.WriteFile(filepath.Join(group, "cgroup.procs"), []byte(strconv.Itoa(os.Getpid())), 0); err != nil {
			return err
		}
	}
	const prSetPdeathsig = 1
	if _, _, e := syscall.RawSyscall(syscall.SYS_PRCTL, prSetPdeathsig, uintptr(syscall.SIGTERM), 0); e != 0 {
		return fmt.Errorf("prctl: %w", e)
	}
	allowFiles(openFiles)
	path, err := exec.LookPath(args[2])
	if err != nil {
		return err
	}
	return fmt.Errorf("%s: %w", path, syscall.Exec(path, args[2:], os.Environ()))
}
