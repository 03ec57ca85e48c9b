package gossip_test

import (
	"fmt"
	"os"
	"strconv"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"backhand/gossip/gossiptest"
	"backhand/gossip/gossiptest/lab"
)

// hurried returns the threads of this process that the kernel prefers.
func hurried(t *testing.T) map[int]bool {
	t.Helper()
	threads, err := os.ReadDir("/proc/self/task")
	if err != nil {
		t.Fatal(err)
	}
	all := map[int]bool{}
	for _, f := range threads {
		tid, err := strconv.Atoi(f.Name())
		if err != nil {
			t.Fatal(err)
		}
		// The system call returns 20 less the niceness.
		if p, err := unix.Getpriority(unix.PRIO_PROCESS, tid); err == nil && 20-p < 0 {
			all[tid] = true
		}
	}
	return all
}

// The announcer has a thread that goes before all others, and nobody else gets that thread when it has ended.
func TestAnnouncerHasAThreadOfItsOwn(t *testing.T) {
	lab.Need(t, "root")
	before := hurried(t) // of tests before, whose threads are about to end
	a := &agent{}
	a.run(t, a.config(1, gossiptest.NewNetwork(1).Transport(address(1))))
	fresh := func() (n int) {
		for tid := range hurried(t) {
			if !before[tid] {
				n++
			}
		}
		return n
	}
	lab.Eventually(t, 5*time.Second, func() error {
		if n := fresh(); n != 1 {
			return fmt.Errorf("%d threads are preferred, want 1", n)
		}
		return nil
	})
	a.stop()
	lab.Eventually(t, 5*time.Second, func() error {
		delete(before, os.Getpid())
		n := fresh()
		if hurried(t)[os.Getpid()] {
			n-- // Go ends no main thread; it never runs anything again
		}
		if n != 0 {
			return fmt.Errorf("%d threads are preferred, want none", n)
		}
		return nil
	})
}
