package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// lock waits until no other measurement, and no test with real parts, runs on this machine: package lab, in the module of
// backhand, takes the same one. Closing it, or the end of the process, gives it up.
func lock(ctx context.Context, say io.Writer) (io.Closer, error) {
	path := filepath.Join(os.TempDir(), "backhand-test.lock")
	// For reading, which is enough: many kernels refuse O_CREATE on somebody else's file in a sticky directory.
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NOFOLLOW, 0)
	if errors.Is(err, os.ErrNotExist) {
		f, err = os.OpenFile(path, os.O_RDONLY|os.O_CREATE|syscall.O_NOFOLLOW, 0o444)
	}
	if err != nil {
		return nil, fmt.Errorf("take the lock for measurements: %w", err)
	}
	for waits := false; ; waits = true {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return f, nil
		}
		if errors.Is(err, syscall.EWOULDBLOCK) && !waits {
			fmt.Fprintln(say, "another measurement, or a test with real parts, is running: waiting for", path)
		}
		select {
		case <-time.After(lockEvery):
		case <-ctx.Done():
			err = ctx.Err()
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) && !errors.Is(err, syscall.EINTR) {
			f.Close()
			return nil, fmt.Errorf("lock %s: %w", path, err)
		}
	}
}

const lockEvery = 200 * time.Millisecond
