package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
	"unsafe"
)

const ticksPerSecond = 100 // of the times in /proc: USER_HZ, on all architectures that Go knows

type cpuSet [16]uint64 // 1,024 cores

func (s *cpuSet) bytes() uintptr { return unsafe.Sizeof(*s) }

// cores returns the cores that this thread may use.
func cores() (list []int, err error) {
	var set cpuSet
	_, _, e := syscall.RawSyscall(syscall.SYS_SCHED_GETAFFINITY, 0, set.bytes(), uintptr(unsafe.Pointer(&set)))
	if e != 0 {
		return nil, fmt.Errorf("sched_getaffinity: %w", e)
	}
	for i := range 64 * len(set) {
		if set[i/64]&(1<<(i%64)) != 0 {
			list = append(list, i)
		}
	}
	return list, nil
}

// pin binds a thread to cores; 0 is the calling one.
func pin(tid int, list ...int) error {
	var set cpuSet
	for _, core := range list {
		set[core/64] |= 1 << (core % 64)
	}
	_, _, e := syscall.RawSyscall(syscall.SYS_SCHED_SETAFFINITY, uintptr(tid), set.bytes(), uintptr(unsafe.Pointer(&set)))
	if e != 0 {
		return fmt.Errorf("cores %v: sched_setaffinity: %w", list, e)
	}
	return nil
}

// pinAll binds all threads of this program to cores; those that come later inherit it.
func pinAll(list ...int) error {
	tasks, err := os.ReadDir("/proc/self/task")
	if err != nil {
		return err
	}
	for _, t := range tasks {
		tid, err := strconv.Atoi(t.Name())
		if err != nil {
			continue
		}
		if err := pin(tid, list...); err != nil && !errors.Is(err, syscall.ESRCH) {
			return err
		}
	}
	return nil
}

// busy is how much work the machine has done since it came up, in seconds of one core. Time stolen from a virtual
// machine counts: it is work of others, too.
func busy() (seconds float64, err error) {
	text, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0, err
	}
	return parseBusy(string(text))
}

func parseBusy(stat string) (seconds float64, err error) {
	line, _, _ := strings.Cut(stat, "\n")
	f := strings.Fields(line)
	if len(f) < 9 || f[0] != "cpu" {
		return 0, fmt.Errorf("/proc/stat begins %q: want the sum of all cores", line)
	}
	for i, v := range f[1:9] {
		n, err := strconv.ParseUint(v, 10, 64)
		if err != nil {
			return 0, fmt.Errorf("/proc/stat: %w", err)
		}
		if i != 3 && i != 4 { // idle, and waiting for a disk
			seconds += float64(n) / ticksPerSecond
		}
	}
	return seconds, nil
}

// machine describes where the figures come from.
func machine() string {
	model := "unknown CPU"
	if text, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		for line := range strings.Lines(string(text)) {
			if k, v, _ := strings.Cut(line, ":"); strings.TrimSpace(k) == "model name" {
				model = strings.TrimSpace(v)
				break
			}
		}
	}
	kernel, _ := os.ReadFile("/proc/sys/kernel/osrelease")
	return fmt.Sprintf("%d × %s, %s, Linux %s", runtime.NumCPU(), model, runtime.GOARCH, strings.TrimSpace(string(kernel)))
}

// allowFiles raises the limit of open files, which children inherit, and returns it.
func allowFiles(want uint64) uint64 {
	limit := syscall.Rlimit{Cur: want, Max: want}
	if syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit) == nil {
		return want
	}
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit) != nil {
		return 0
	}
	limit.Cur = min(want, limit.Max)
	_ = syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit)
	return limit.Cur
}

// ports hands out TCP ports that are free on all of 127/8, below those that the kernel gives to connections.
type ports struct{ next int }

const firstPort, lastPort = 18101, 28100

func (p *ports) free() (int, error) {
	p.next = max(p.next, firstPort)
	for ; p.next < lastPort; p.next++ {
		ln, err := net.Listen("tcp4", fmt.Sprintf("0.0.0.0:%d", p.next)) // taken if any address is
		if err != nil {
			continue
		}
		ln.Close()
		p.next++
		return p.next - 1, nil
	}
	return 0, fmt.Errorf("no port from %d to %d is free", firstPort, lastPort)
}

// logFolder makes a folder for access logs, in memory where that can be had, so that no disk is measured.
func logFolder(tmp string) (dir, where string, err error) {
	const tmpfs = 0x01021994
	var fs syscall.Statfs_t
	if syscall.Statfs("/dev/shm", &fs) == nil && fs.Type == tmpfs {
		if dir, err := os.MkdirTemp("/dev/shm", "backhand-bench-"); err == nil {
			return dir, "tmpfs", os.Chmod(dir, 0o777|os.ModeSticky)
		}
	}
	dir = filepath.Join(tmp, "logs")
	return dir, "a file in " + tmp, errors.Join(os.Mkdir(dir, 0o700), os.Chmod(dir, 0o777|os.ModeSticky))
}

// napFor waits, and reports false if stop came first.
func napFor(d time.Duration, stop <-chan struct{}) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-stop:
		return false
	}
}
