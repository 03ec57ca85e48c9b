//go:build linux

package lab

import (
	"context"
	"errors"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

func sh(script string) *exec.Cmd { return exec.Command("sh", "-c", script) }

func within(t *testing.T, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

func TestProcess(t *testing.T) {
	t.Run("what it says can be waited for", func(t *testing.T) {
		p := Start(t, sh("echo one; echo two >&2; exec cat"))
		if err := p.WaitFor(within(t, 10*time.Second), "two"); err != nil {
			t.Error(err)
		}
	})
	t.Run("one that ends without saying it is an error that shows what it said", func(t *testing.T) {
		p := Start(t, sh("echo no such file; exit 3"))
		err := p.WaitFor(within(t, 10*time.Second), "ready")
		if err == nil || !strings.Contains(err.Error(), "no such file") {
			t.Errorf("got %v", err)
		}
		if p.Wait(t.Context()) == nil || p.ExitCode() != 3 {
			t.Errorf("exit code %d, want 3", p.ExitCode())
		}
	})
	t.Run("one that still runs keeps Wait until the context ends", func(t *testing.T) {
		p := Start(t, exec.Command("sleep", "1000"))
		if err := p.Wait(within(t, time.Millisecond)); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("a signal arrives", func(t *testing.T) {
		p := Start(t, sh("trap 'echo again' USR1; trap 'exit 0' TERM; echo ready; while :; do sleep 0.05; done"))
		if err := p.WaitFor(within(t, 10*time.Second), "ready"); err != nil {
			t.Fatal(err)
		}
		if err := p.Signal(syscall.SIGUSR1); err != nil {
			t.Fatal(err)
		}
		if err := p.WaitFor(within(t, 10*time.Second), "again"); err != nil {
			t.Error(err)
		}
		p.Stop(t)
		if p.ExitCode() != 0 {
			t.Errorf("exit code %d after SIGTERM, want 0", p.ExitCode())
		}
	})
}

func TestProcessThatEndsItsGroupLeavesTheTestAlone(t *testing.T) {
	p := Start(t, sh("kill -TERM 0; sleep 1000")) // as Apache does
	if err := p.Wait(within(t, 10*time.Second)); err == nil || p.ExitCode() != -1 {
		t.Errorf("%v, want it ended by the signal", err)
	}
}

func TestUntil(t *testing.T) {
	tries := 0
	third := func() error {
		if tries++; tries < 3 {
			return errors.New("not yet")
		}
		return nil
	}
	if err := Until(t.Context(), third); err != nil || tries != 3 {
		t.Errorf("%v after %d tries, want success after 3", err, tries)
	}
	err := Until(within(t, time.Millisecond), func() error { return errors.New("www2 is still there") })
	if err == nil || !strings.Contains(err.Error(), "www2 is still there") || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, want the last error and why it ended", err)
	}
}

// Programs at hosts that end with the same test are told so together: here the last one ends only once the first was told.
func TestProgramsAtHostsEndTogether(t *testing.T) {
	Need(t, "root", "ip")
	h, first := New(t, 1).Host(1), filepath.Join(t.TempDir(), "first")
	t.Run("of two", func(t *testing.T) {
		for _, last := range []string{"touch " + first, "while [ ! -e " + first + " ]; do sleep 0.05; done"} {
			p := h.Start(t, "sh", "-c", "trap '"+last+"; exit 0' TERM; echo ready; while :; do sleep 0.05; done")
			if err := p.WaitFor(within(t, 10*time.Second), "ready"); err != nil {
				t.Fatal(err)
			}
		}
	})
}
