package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const (
	stopTime  = 5 * time.Second // from SIGTERM to SIGKILL
	readyTime = 10 * time.Second
	openFiles = 65536
)

// command is a program to start.
type command struct {
	argv []string
	env  []string // beside our own
}

// server is one or more programs on one core that together answer on addr, with their CPU time accounted.
type server struct {
	name     string
	addr     netip.AddrPort
	out      string // file of what they say
	account  account
	children []*child
	leaders  []int
}

type child struct {
	cmd   *exec.Cmd
	ended chan struct{} // closed when it has
}

// startServer starts the commands, the first first, and returns when /1k is answered.
func (b *bench) startServer(ctx context.Context, name string, addr netip.AddrPort, core int, commands []command) (*server, error) {
	s := &server{name: name, addr: addr, out: filepath.Join(b.dir, name+".out")}
	s.account = procAccount{&s.leaders}
	if b.cpuacct != "" {
		var err error
		if s.account, err = newCgroupAccount(b.cpuacct, name); err != nil {
			return nil, err
		}
	}
	for _, c := range commands {
		if err := s.start(b.self, core, c); err != nil {
			s.stop()
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	if err := s.ready(ctx); err != nil {
		s.stop()
		return nil, err
	}
	return s, nil
}

func (s *server) start(self string, core int, c command) error {
	out, err := os.OpenFile(s.out, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer out.Close()
	args := append([]string{launcher, strconv.Itoa(core), s.account.cgroup()}, c.argv...)
	cmd := exec.Command(self, args...)
	cmd.Env = append(os.Environ(), append([]string{"GOMAXPROCS=1"}, c.env...)...)
	cmd.Stdout, cmd.Stderr = out, out
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return err
	}
	ch := &child{cmd: cmd, ended: make(chan struct{})}
	go func() {
		_ = cmd.Wait()
		close(ch.ended)
	}()
	s.children = append(s.children, ch)
	s.leaders = append(s.leaders, cmd.Process.Pid)
	return nil
}

// fallen returns an error if a program has ended.
func (s *server) fallen() error {
	for _, c := range s.children {
		select {
		case <-c.ended:
			return fmt.Errorf("%s ended: %v: %s", s.name, c.cmd.ProcessState, s.tail())
		default:
		}
	}
	return nil
}

func (s *server) ready(ctx context.Context) error {
	why := errors.New("not asked")
	for end := time.Now().Add(readyTime); time.Now().Before(end); {
		if err := s.fallen(); err != nil {
			return err
		}
		var a answer
		if a, why = ask(s.addr, "/1k", 2*time.Second); why == nil && a.status == http.StatusOK {
			return nil
		}
		if why == nil {
			why = fmt.Errorf("status %d", a.status)
		}
		if !napFor(20*time.Millisecond, ctx.Done()) {
			return ctx.Err()
		}
	}
	return fmt.Errorf("%s did not answer /1k at %v within %v: %w: %s", s.name, s.addr, readyTime, why, s.tail())
}

// tail returns the end of what the programs said.
func (s *server) tail() string {
	text, _ := os.ReadFile(s.out)
	return strings.TrimSpace(string(text[max(0, len(text)-1500):]))
}

// who is a process: pids come again.
type who struct {
	pid     int
	started uint64
}

// stop ends the programs: SIGTERM, and SIGKILL for what is left then. It reports false if it had to kill.
func (s *server) stop() (gentle bool) {
	defer s.account.close()
	known := map[who]bool{}
	s.left(known)
	for _, pid := range s.leaders {
		_ = syscall.Kill(-pid, syscall.SIGTERM)
	}
	for end := time.Now().Add(stopTime); time.Now().Before(end); {
		if len(s.left(known)) == 0 {
			gentle = true
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	for _, w := range s.left(known) {
		_ = syscall.Kill(w.pid, syscall.SIGKILL)
	}
	for _, c := range s.children {
		<-c.ended
	}
	return gentle
}

// left adds the processes that are there to those known, and returns which of these still are.
func (s *server) left(known map[who]bool) (list []who) {
	pids, _ := s.account.pids()
	for _, pid := range slices.Concat(pids, s.leaders) {
		if st, err := readStat(pid); err == nil && (slices.Contains(pids, pid) || st.session == pid) {
			known[who{pid, st.started}] = true
		}
	}
	for w := range known {
		if st, err := readStat(w.pid); err == nil && st.started == w.started && st.state != 'Z' {
			list = append(list, w)
		}
	}
	return list
}
