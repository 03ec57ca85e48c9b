package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// ours is the name of what is measured.
const ours = "backhand"

// clone returns the root of the clone that the working directory is in.
func clone() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		text, err := os.ReadFile(filepath.Join(dir, "go.mod"))
		if err == nil && strings.HasPrefix(string(text), "module "+ours+"\n") {
			return dir, nil
		}
		if dir == filepath.Dir(dir) {
			return "", errors.New("not in a clone of backhand: run this there, or name a binary with -backhand")
		}
		dir = filepath.Dir(dir)
	}
}

// build makes the program from the clone, and says of which commit it is.
func build(ctx context.Context, root, to string, say io.Writer) (commit string, err error) {
	c := exec.CommandContext(ctx, "go", "build", "-buildvcs=false", "-o", to, "./cmd/backhand")
	c.Dir, c.Stdout, c.Stderr = root, say, say
	c.Env = append(os.Environ(), "CGO_ENABLED=0")
	if err := c.Run(); err != nil {
		return "", fmt.Errorf("go build ./cmd/backhand in %s: %w", root, err)
	}
	out, err := exec.CommandContext(ctx, "git", "-C", root, "describe", "--always", "--dirty").Output()
	if err != nil {
		return "unknown commit", nil // no git, or no clone
	}
	return strings.TrimSpace(string(out)), nil
}

// ourSubject prepares backhand.
func (b *bench) ourSubject(r row) (subject, error) {
	v, addr, err := b.fill(r, ours)
	if err != nil {
		return subject{}, err
	}
	s := subject{name: ours, addr: addr}
	names := []string{"backhand.toml"}
	if r.hop {
		if err := b.twoHops(&v); err != nil {
			return subject{}, err
		}
		names = []string{"hop-member.toml", "hop-front.toml"}
	}
	if r.log {
		s.countIn(v.LogFile)
	}
	for _, name := range names {
		file, err := render(name, v)
		if err != nil {
			return subject{}, err
		}
		s.commands = append(s.commands, command{argv: []string{b.binary, "run", "--config", file}})
	}
	return s, nil
}

// twoHops fills in what two agents need to hear one another and nobody else.
func (b *bench) twoHops(v *values) error {
	beats, err := b.ports.free()
	if err != nil {
		return err
	}
	port, err := b.ports.free()
	if err != nil {
		return err
	}
	v.Cluster = fmt.Sprintf("bench-%016x", rand.Uint64())
	v.Group = fmt.Sprintf("239.255.221.20:%d", beats)
	v.MemberAddr = netip.AddrPortFrom(loopback(0, 2), uint16(port)).String()
	return nil
}
