//go:build linux

package lab

import (
	"context"
	"io"
	"net"
	"sync"
	"testing"
)

// Forward gives a program outside of the lab, such as a browser, a way in: it returns an address on the machine's
// loopback from which connections are passed on to the numeric address as seen from this host, until the test ends.
func (h *Host) Forward(t testing.TB, address string) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatalf("forward to %s at %s: %v", address, h.Name, err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			in, err := ln.Accept()
			if err != nil {
				return
			}
			wg.Go(func() { h.pass(ctx, in.(*net.TCPConn), address) })
		}
	})
	t.Cleanup(func() {
		cancel()
		ln.Close()
		wg.Wait()
	})
	return ln.Addr().String()
}

// pass copies both ways until both sides have ended, or the context has.
func (h *Host) pass(ctx context.Context, in *net.TCPConn, address string) {
	defer in.Close()
	conn, err := h.Dial(ctx, "tcp", address)
	if err != nil {
		return // the browser sees that the connection was closed
	}
	out := conn.(*net.TCPConn)
	defer out.Close()
	stop := context.AfterFunc(ctx, func() {
		in.Close()
		out.Close()
	})
	defer stop()
	var wg sync.WaitGroup
	for _, way := range [][2]*net.TCPConn{{in, out}, {out, in}} {
		wg.Go(func() {
			_, _ = io.Copy(way[1], way[0])
			_ = way[1].CloseWrite()
			_ = way[0].CloseRead()
		})
	}
	wg.Wait()
}
