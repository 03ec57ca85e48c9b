package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"

	"backhand/gossip/node"
)

// Bounds of what a command may print.
const (
	maxFigures       = node.MaxStats
	maxCommandOutput = 64 << 10
	commandLinger    = time.Second // for which what it left running may keep its output open
)

// hostFigures returns what is pushed of a host, under the names that mod_athena's own examples have for such figures, or else
// those that nodes have.
func hostFigures(s *node.Stats) map[string]float64 {
	out := map[string]float64{"load1": s.Load1, "cpu": 1 - s.CPUIdle}
	if used := s.MemUsed(); !math.IsNaN(used) {
		out["mem_used"] = used
	}
	for name, v := range out {
		out[name] = math.Round(v*1e4) / 1e4 // more than that is chance
	}
	return out
}

// commandFigures runs a command and reads what it prints. What it says on standard error goes to warn.
func commandFigures(ctx context.Context, command string, timeout time.Duration, warn io.Writer) (map[string]float64, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, "/bin/sh", "-c", command)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // what it starts ends with it
	cmd.Cancel = func() error {
		if err := syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL); !errors.Is(err, syscall.ESRCH) {
			return err
		}
		return os.ErrProcessDone
	}
	cmd.WaitDelay = commandLinger
	out := &boundedBuffer{most: maxCommandOutput}
	cmd.Stdout, cmd.Stderr = out, warn
	err := cmd.Run()
	switch {
	case out.full:
		err = fmt.Errorf("it prints more than %d bytes", maxCommandOutput)
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		err = fmt.Errorf("it was not done within %v, and was ended (--timeout gives it more)", timeout)
	case errors.Is(err, exec.ErrWaitDelay):
		err = errors.New("it has left something running that keeps its output open")
	}
	var figures map[string]float64
	if err == nil {
		figures, err = parseFigures(out.b.String())
	}
	if err != nil {
		return nil, fmt.Errorf("the command %q: %w", command, err)
	}
	return figures, nil
}

// boundedBuffer keeps so many bytes. More are an error to who writes them.
type boundedBuffer struct {
	b    bytes.Buffer
	most int
	full bool
}

var errFull = errors.New("too much output")

// Write implements [io.Writer].
func (b *boundedBuffer) Write(p []byte) (int, error) {
	if b.b.Len()+len(p) > b.most {
		b.full = true
		return 0, errFull
	}
	return b.b.Write(p)
}

// parseFigures reads lines of name=value, or of name and value with blanks between them. Empty ones, and such as begin with #, are
// none.
func parseFigures(text string) (map[string]float64, error) {
	out := map[string]float64{}
	number := 0
	for line := range strings.Lines(text) {
		number++
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		name, value, err := parseFigure(line)
		if err != nil {
			return nil, fmt.Errorf("line %d, %.40q: %w", number, line, err)
		}
		if _, twice := out[name]; twice {
			return nil, fmt.Errorf("line %d: %s is given twice", number, name)
		}
		if out[name] = value; len(out) > maxFigures {
			return nil, fmt.Errorf("line %d: want at most %d figures", number, maxFigures)
		}
	}
	return out, nil
}

// parseFigure reads name=value, or name and value with blanks between them.
func parseFigure(s string) (name string, value float64, err error) {
	name, text, ok := strings.Cut(s, "=")
	if !ok {
		name, text, _ = strings.Cut(strings.ReplaceAll(s, "\t", " "), " ")
	}
	name, text = strings.TrimSpace(name), strings.TrimSpace(text)
	if len(name) < 2 || !node.ValidStatName(name) {
		return "", 0, fmt.Errorf("want name=value, the name of 2 to %d letters, digits, dots, dashes and underscores, the first a letter",
			node.MaxStatName)
	}
	if text == "" || strings.Trim(text, "0123456789.eE+-") != "" { // ParseFloat reads inf, nan and hexadecimal numbers as well
		return "", 0, errNoNumber
	}
	value, err = strconv.ParseFloat(text, 64)
	if err != nil || value < 0 {
		return "", 0, errNoNumber
	}
	return name, math.Abs(value), nil // -0 is 0
}

var errNoNumber = errors.New("want a number from 0 up as the value, as in queue=17")
