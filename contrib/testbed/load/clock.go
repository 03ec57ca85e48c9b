package load

import (
	"fmt"
	"os"
	"slices"
	"syscall"
	"time"
	"unsafe"
)

// clock sleeps more exactly than time.Sleep, which wakes up to a millisecond late.
type clock struct {
	file *os.File
	fd   uintptr
}

func newClock() (*clock, error) {
	const clockMonotonic = 1
	fd, _, e := syscall.RawSyscall(syscall.SYS_TIMERFD_CREATE, clockMonotonic, syscall.O_NONBLOCK|syscall.O_CLOEXEC, 0)
	if e != 0 {
		return nil, fmt.Errorf("make a timer: %w", e)
	}
	return &clock{os.NewFile(fd, "timer"), fd}, nil // the runtime polls it, since it does not block
}

func (c *clock) close() { c.file.Close() }

func (c *clock) sleep(d time.Duration) error {
	if d <= 0 {
		return nil
	}
	setting := [2]syscall.Timespec{{}, syscall.NsecToTimespec(int64(d))}
	if _, _, e := syscall.RawSyscall6(syscall.SYS_TIMERFD_SETTIME, c.fd, 0, uintptr(unsafe.Pointer(&setting)), 0, 0, 0); e != 0 {
		return fmt.Errorf("set a timer: %w", e)
	}
	var expired [8]byte
	_, err := c.file.Read(expired[:])
	return err
}

// quantile returns what a share q is below. It sorts the list.
func quantile(list []time.Duration, q float64) time.Duration {
	if len(list) == 0 {
		return 0
	}
	slices.Sort(list)
	return list[min(len(list)-1, int(q*float64(len(list))))]
}
