//go:build linux

package lab

import (
	"path/filepath"
	"testing"
)

func TestLockIsHeldByOne(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	first, err := lockFile(path, t.Logf)
	if err != nil {
		t.Fatal(err)
	}
	waits, got := make(chan bool), make(chan error)
	go func() {
		second, err := lockFile(path, func(string, ...any) { close(waits) })
		if err == nil {
			second.Close()
		}
		got <- err
	}()
	select {
	case <-waits:
	case err := <-got:
		t.Fatalf("the second did not wait: %v", err)
	}
	first.Close()
	if err := <-got; err != nil {
		t.Error(err)
	}
}

func TestLockBelongsToTheTestWithItsSubtests(t *testing.T) {
	Lock(t)
	t.Run("taken again by a subtest", func(t *testing.T) { Lock(t) })
	h := machine.held["TestLockBelongsToTheTestWithItsSubtests"]
	if h.count != 1 {
		t.Fatalf("held %d times after the subtest, want 1", h.count)
	}
	Lock(t)
	if h.count != 2 {
		t.Errorf("held %d times, want 2", h.count)
	}
}
