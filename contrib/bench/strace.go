package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// byCalls counts the system calls of a load, by strace. That slows the proxy down a lot; but what it does for a request
// hardly changes. Two loads, a short one and a long one, are compared, so that what connections cost does not count.
func (b *bench) byCalls(ctx context.Context, srv *server, t test, s *sample) error {
	if _, err := exec.LookPath("strace"); err != nil {
		b.note("no system calls are counted: strace is not installed: Debian package strace")
		return nil
	}
	if _, err := b.load(ctx, srv, t.spec, b.warm, s); err != nil {
		return err
	}
	short, n, err := b.traced(ctx, srv, t, b.opt.secs/2, s)
	if err != nil {
		return err
	}
	long, m, err := b.traced(ctx, srv, t, 2*b.opt.secs, s)
	if err != nil {
		return err
	}
	if m <= n || len(short) == 0 || len(long) == 0 {
		return nil
	}
	s.Calls = perRequest(short, long, m-n)
	for _, c := range s.Calls {
		s.Values["calls"] += c
	}
	return nil
}

// perRequest returns by how much the calls of the long load are more, by name, for each of the requests that it has more.
func perRequest(short, long map[string]int, requests int) map[string]float64 {
	calls := map[string]float64{}
	for name, n := range long {
		if d := n - short[name]; d > 0 {
			calls[name] = float64(d) / float64(requests)
		}
	}
	return calls
}

// traced makes a load under strace, and returns the calls and the requests. Without leave to trace there are no calls.
func (b *bench) traced(ctx context.Context, srv *server, t test, secs time.Duration, s *sample) (map[string]int, int, error) {
	pids, err := srv.account.pids()
	if err != nil {
		return nil, 0, err
	}
	tr, err := attach(ctx, pids, filepath.Join(b.dir, "strace"))
	if err != nil {
		b.note(fmt.Sprintf("no system calls are counted: %v", err))
		return nil, 0, nil
	}
	s.Load, err = b.load(ctx, srv, t.spec, secs, s)
	text, detached := tr.detach()
	return parseCalls(text), s.Load.Requests, errors.Join(err, detached)
}

// tracer is a strace that counts.
type tracer struct {
	cmd  *exec.Cmd
	out  string
	said chan error // its end
}

// attach makes strace count the calls of the processes and all their threads, from when it returns.
func attach(ctx context.Context, pids []int, out string) (*tracer, error) {
	args := []string{"-f", "-c", "-o", out}
	for _, pid := range pids {
		args = append(args, "-p", strconv.Itoa(pid))
	}
	cmd := exec.CommandContext(ctx, "strace", args...)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGINT) }
	cmd.WaitDelay = stopTime
	says, err := cmd.StderrPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	t := &tracer{cmd: cmd, out: out, said: make(chan error, 1)}
	attached := make(chan struct{})
	go func() {
		waited, last := len(pids), ""
		for lines := bufio.NewScanner(says); lines.Scan(); {
			if last = lines.Text(); strings.Contains(last, " attached") && waited > 0 {
				if waited--; waited == 0 {
					close(attached)
				}
			}
		}
		_ = cmd.Wait() // SIGINT is how it ends
		t.said <- errors.New(last)
	}()
	select {
	case <-attached:
		return t, nil
	case err := <-t.said:
		return nil, err
	case <-time.After(readyTime):
		_ = cmd.Process.Kill()
		return nil, errors.Join(errors.New("strace does not attach"), <-t.said)
	}
}

// detach ends the tracer and returns its table.
func (t *tracer) detach() (string, error) {
	if err := t.cmd.Process.Signal(syscall.SIGINT); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return "", err
	}
	<-t.said
	text, err := os.ReadFile(t.out)
	return string(text), err
}

// parseCalls reads the table of strace -c: share, seconds, microseconds a call, calls, errors if there were any, name.
func parseCalls(table string) map[string]int {
	calls := map[string]int{}
	for line := range strings.Lines(table) {
		f := strings.Fields(line)
		if len(f) < 5 || f[len(f)-1] == "total" {
			continue
		}
		if n, err := strconv.Atoi(f[3]); err == nil {
			calls[f[len(f)-1]] += n
		}
	}
	return calls
}
