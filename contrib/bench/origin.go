package main

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
)

const many = 100 // members of the large farm

// prepareOrigin decides where the origin listens and what it answers: four ports on 127.0.0.1, and one port on a hundred
// addresses.
func (b *bench) prepareOrigin() error {
	for i := range 5 {
		port, err := b.ports.free()
		if err != nil {
			return err
		}
		if i < 4 {
			b.four = append(b.four, netip.AddrPortFrom(loopback(0, 1), uint16(port)).String())
			continue
		}
		for d := range many {
			b.hundred = append(b.hundred, netip.AddrPortFrom(loopback(2, byte(d+1)), uint16(port)).String())
		}
	}
	rnd := rand.NewChaCha8([32]byte{1})
	random := func(n int) []byte {
		p := make([]byte, n)
		_, _ = rnd.Read(p) // it has no end
		return p
	}
	b.bodies = map[string][]byte{
		"/1k":   []byte(base64.StdEncoding.EncodeToString(random(768))),
		"/100k": random(100 << 10),
		"/10m":  random(10 << 20),
		"/post": []byte("ok"),
	}
	return nil
}

// nginxOrigin returns the command that starts the origin.
func nginxOrigin(b *bench) (command, error) {
	if _, err := exec.LookPath("nginx"); err != nil {
		return command{}, errors.New("nginx is not installed, and it is the origin too: Debian package nginx-light")
	}
	run, err := b.folder("origin")
	if err != nil {
		return command{}, err
	}
	root, err := b.folder("root")
	if err != nil {
		return command{}, err
	}
	for _, path := range []string{"/100k", "/10m"} {
		if err := os.WriteFile(filepath.Join(root, path), b.bodies[path], 0o644); err != nil {
			return command{}, err
		}
	}
	conf, err := render("origin.conf", values{
		Run: run, Root: root, Body: string(b.bodies["/1k"]), Addrs: slices.Concat(b.four, b.hundred),
	})
	return command{argv: []string{"nginx", "-e", run + "/error.log", "-c", conf}}, err
}

func (b *bench) startOrigin(ctx context.Context) error {
	c, err := b.originCommand(b)
	if err != nil {
		return err
	}
	addr, err := netip.ParseAddrPort(b.four[0])
	if err != nil {
		return err
	}
	if b.origin, err = b.startServer(ctx, "origin", addr, b.core1, []command{c}); err != nil {
		return fmt.Errorf("the origin: %w", err)
	}
	return nil
}
