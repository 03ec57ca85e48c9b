//go:build linux

package lab

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// Process is a program that runs beside the test and ends with it.
type Process struct {
	cmd  *exec.Cmd
	out  output
	done chan struct{} // closed when it has ended
	err  error         // how, valid after done
	told sync.Once     // to end
}

// For how long a process may take to end after SIGTERM before it is killed, and how much of its output is logged if the
// test fails.
const (
	grace   = 15 * time.Second
	maxShow = 64 << 10
)

// Start starts the command; its standard output and error are kept together. When the test ends, the process gets
// SIGTERM, and after 15 s its process group, which is its own, SIGKILL, which is an error of the test; if the test failed,
// the output is logged. Make the command with a context that outlives the test: t.Context() ends before, and would kill it.
func Start(t testing.TB, cmd *exec.Cmd) *Process {
	t.Helper()
	p := &Process{cmd: cmd, done: make(chan struct{})}
	p.out.grown = make(chan struct{})
	cmd.Stdout, cmd.Stderr = &p.out, &p.out
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Setpgid = true // Apache ends its whole process group, which must not be that of the test
	if cmd.WaitDelay == 0 {
		cmd.WaitDelay = 5 * time.Second // for children that keep the output open
	}
	if err := cmd.Start(); err != nil {
		t.Fatalf("start %s: %v", p, err)
	}
	go func() {
		p.err = cmd.Wait()
		close(p.done)
	}()
	t.Cleanup(func() {
		p.Stop(t)
		if t.Failed() {
			t.Logf("%s, %v:\n%s", p, p.cmd.ProcessState, tail(p.Output(), maxShow))
		}
	})
	return p
}

// String returns the command line.
func (p *Process) String() string { return strings.Join(p.cmd.Args, " ") }

// Pid returns the process's id.
func (p *Process) Pid() int { return p.cmd.Process.Pid }

// Signal sends a signal. It is an error if the process has ended.
func (p *Process) Signal(s os.Signal) error { return p.cmd.Process.Signal(s) }

// tell tells the process to end, once: a second SIGTERM would have an agent drop what it still does.
func (p *Process) tell() {
	p.told.Do(func() { _ = p.Signal(syscall.SIGTERM) }) // it may have ended
}

// Stop ends the process by SIGTERM and waits for it, if it has not ended yet.
func (p *Process) Stop(t testing.TB) {
	t.Helper()
	p.tell()
	timer := time.NewTimer(grace)
	defer timer.Stop()
	select {
	case <-p.done:
	case <-timer.C:
		t.Errorf("%s did not end within %v of SIGTERM; killed", p, grace)
		_ = syscall.Kill(-p.Pid(), syscall.SIGKILL)
		<-p.done
	}
}

// Done is closed when the process has ended.
func (p *Process) Done() <-chan struct{} { return p.done }

// Wait waits until the process has ended and says how, as [exec.Cmd.Wait] does: nil is exit code 0.
func (p *Process) Wait(ctx context.Context) error {
	select {
	case <-p.done:
		return p.err
	case <-ctx.Done():
		return fmt.Errorf("%s still runs: %w", p, context.Cause(ctx))
	}
}

// ExitCode returns what the process exited with: -1 while it runs and after a deadly signal.
func (p *Process) ExitCode() int {
	select {
	case <-p.done:
		return p.cmd.ProcessState.ExitCode()
	default:
		return -1
	}
}

// Output returns what the process has written until now.
func (p *Process) Output() string {
	text, _ := p.out.read()
	return text
}

// WaitFor waits until the output contains the substring. It is an error if the process ends before.
func (p *Process) WaitFor(ctx context.Context, substring string) error {
	for {
		ended := false
		select {
		case <-p.done:
			ended = true // looked at before the output, so that its last words are seen
		default:
		}
		text, grown := p.out.read()
		if strings.Contains(text, substring) {
			return nil
		}
		if ended {
			return fmt.Errorf("%s ended (%v) without saying %q; it said:\n%s", p, p.err, substring, tail(text, maxShow))
		}
		select {
		case <-grown:
		case <-p.done:
		case <-ctx.Done():
			return fmt.Errorf("%s has not said %q: %w; it said:\n%s", p, substring, context.Cause(ctx), tail(text, maxShow))
		}
	}
}

// output keeps what is written to it and tells those who wait for more.
type output struct {
	mu    sync.Mutex
	text  bytes.Buffer
	grown chan struct{} // closed and replaced at every write
}

func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	close(o.grown)
	o.grown = make(chan struct{})
	return o.text.Write(b)
}

func (o *output) read() (text string, grown <-chan struct{}) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String(), o.grown
}

func tail(s string, most int) string {
	if len(s) <= most {
		return s
	}
	return fmt.Sprintf("[%d bytes before]", len(s)-most) + s[len(s)-most:]
}
