//go:build linux

package lab

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

// machine is what this process holds of the machine-wide lock, by test. The lock is the machine's, so its holders are the
// process's: this cannot be passed in.
var machine = struct {
	sync.Mutex
	held map[string]*hold
}{held: map[string]*hold{}}

// hold is the lock in the hands of one test with its subtests.
type hold struct {
	sync.Mutex
	file  *os.File
	count int
}

// Lock waits until no other test on this machine holds it, in whatever package or process, and keeps it until the test
// ends. A test with real parts takes it, so that such tests do not slow each other down. [New] takes it by itself. A test
// that already has it, or whose parent has, may take it again.
func Lock(t testing.TB) {
	t.Helper()
	test, _, _ := strings.Cut(t.Name(), "/")
	machine.Lock()
	h := machine.held[test]
	if h == nil {
		h = &hold{}
		machine.held[test] = h
	}
	machine.Unlock()

	h.Lock()
	defer h.Unlock()
	if h.count == 0 {
		f, err := lockFile(filepath.Join(os.TempDir(), "backhand-test.lock"), t.Logf)
		if err != nil {
			t.Fatalf("take the lock for tests with real parts: %v", err)
		}
		h.file = f
	}
	h.count++
	t.Cleanup(h.release)
}

func (h *hold) release() {
	h.Lock()
	defer h.Unlock()
	if h.count--; h.count == 0 {
		h.file.Close() // gives the lock up
	}
}

// lockFile waits for the lock on a file that it makes if need be. The file is never removed: that would make two locks.
func lockFile(path string, logf func(string, ...any)) (*os.File, error) {
	f, err := openLock(path)
	if err != nil {
		return nil, err
	}
	err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		logf("another test with real parts is running: waiting for %s", path)
		err = unix.Flock(int(f.Fd()), unix.LOCK_EX)
	}
	for errors.Is(err, unix.EINTR) {
		err = unix.Flock(int(f.Fd()), unix.LOCK_EX)
	}
	if err != nil {
		f.Close()
		return nil, &fs.PathError{Op: "flock", Path: path, Err: err}
	}
	return f, nil
}

// openLock opens the file for reading, which is enough for the lock: many kernels refuse O_CREATE on somebody else's file
// in a sticky directory (fs.protected_regular), to root too.
func openLock(path string) (*os.File, error) {
	for {
		f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NOFOLLOW, 0)
		if !errors.Is(err, fs.ErrNotExist) {
			return f, err
		}
		f, err = os.OpenFile(path, os.O_RDONLY|os.O_CREATE|os.O_EXCL, 0o444)
		if !errors.Is(err, fs.ErrExist) {
			return f, err
		}
	}
}
