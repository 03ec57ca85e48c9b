package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

const stopTime = 8 * time.Second // from SIGTERM to SIGKILL

// process is a program of a row. It leads a process group of its own.
type process struct {
	name  string
	role  string // of whom its CPU time is counted
	cmd   *exec.Cmd
	out   string // file of what it says
	ended chan struct{}
}

// processes are those of a row.
type processes struct {
	dir string
	all []*process
}

// start starts one more, and returns it.
func (p *processes) start(name, role string, cmd *exec.Cmd) (*process, error) {
	x := &process{name: name, role: role, cmd: cmd, out: filepath.Join(p.dir, name+".out"), ended: make(chan struct{})}
	out, err := os.Create(x.out)
	if err != nil {
		return nil, err
	}
	defer out.Close()
	cmd.Stderr = out
	if cmd.Stdout == nil {
		cmd.Stdout = out
	}
	// Apache ends its whole group. Whatever becomes of this process, none is left over.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	go func() {
		_ = cmd.Wait()
		close(x.ended)
	}()
	p.all = append(p.all, x)
	return x, nil
}

// fallen returns an error if one other than this one has ended.
func (p *processes) fallen(but *process) error {
	var errs []error
	for _, x := range p.all {
		select {
		case <-x.ended:
			if x != but {
				errs = append(errs, fmt.Errorf("%s ended (%v): %s", x.name, x.cmd.ProcessState, x.tail()))
			}
		default:
		}
	}
	return errors.Join(errs...)
}

// tail returns the end of what it said.
func (x *process) tail() string {
	text, _ := os.ReadFile(x.out)
	return strings.TrimSpace(string(text[max(0, len(text)-1000):]))
}

// stop ends them all, the fronts first, so that nobody loses what it is waiting for.
func (p *processes) stop() {
	for _, role := range []string{roleLoad, roleFronts, roleAgents, roleOrigins} {
		var wait sync.WaitGroup
		for _, x := range p.all {
			if x.role == role {
				wait.Go(x.stop)
			}
		}
		wait.Wait()
	}
	p.all = nil
}

func (x *process) stop() {
	_ = x.cmd.Process.Signal(syscall.SIGTERM) // it may have ended
	t := time.NewTimer(stopTime)
	defer t.Stop()
	select {
	case <-x.ended:
	case <-t.C:
	}
	_ = syscall.Kill(-x.cmd.Process.Pid, syscall.SIGKILL) // what is left of its group
	<-x.ended
}

const (
	roleFronts  = "fronts"
	roleAgents  = "agents" // of the members
	roleOrigins = "origins"
	roleLoad    = "load"
)

// cpuTimes returns the CPU seconds of each role, from /proc.
func (p *processes) cpuTimes() map[string]float64 {
	role, used := map[int]string{}, map[string]float64{}
	for _, x := range p.all {
		role[x.cmd.Process.Pid] = x.role
		select {
		case <-x.ended:
			used[x.role] += (x.cmd.ProcessState.UserTime() + x.cmd.ProcessState.SystemTime()).Seconds()
		default:
		}
	}
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, path := range stats {
		text, err := os.ReadFile(path)
		if err != nil {
			continue // it has just ended
		}
		if group, secs, err := parseStat(string(text)); err == nil && role[group] != "" {
			used[role[group]] += secs
		}
	}
	return used
}

// parseStat returns a process's group and CPU seconds of /proc/PID/stat. Its name may hold anything but its end.
func parseStat(text string) (group int, secs float64, err error) {
	f := strings.Fields(text[strings.LastIndexByte(text, ')')+1:])
	if len(f) < 15 {
		return 0, 0, fmt.Errorf("%q has too few fields", text)
	}
	const ticks = 100 // USER_HZ, on all architectures that Go knows
	for _, word := range f[11:15] {
		v, err := strconv.ParseFloat(word, 64)
		if err != nil {
			return 0, 0, err
		}
		secs += v / ticks
	}
	group, err = strconv.Atoi(f[2])
	return group, secs, err
}
