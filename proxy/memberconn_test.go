package proxy

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"syscall"
	"testing"
	"time"
)

// memberPair returns a connection from a pool, and the member's end of it.
func memberPair(t *testing.T, kind string) (*memberConn, net.Conn) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	cert, roots := testCert(t)
	accepted := make(chan net.Conn, 1)
	dial := func(ctx context.Context, from netip.Addr, addr string) (net.Conn, error) {
		if kind == "pipe" {
			a, b := net.Pipe()
			accepted <- b
			return a, nil
		}
		c, err := dialServer(ctx, from, addr)
		if err != nil {
			return nil, err
		}
		m, err := ln.Accept()
		if err == nil && kind == "TLS" {
			s := tls.Server(m, &tls.Config{Certificates: []tls.Certificate{cert}})
			go func() { _ = s.Handshake() }()
			m = s
		}
		accepted <- m
		return c, err
	}
	ps := newPools(poolsConfig{Dial: dial})
	d := destination{addr: ln.Addr().String(), tls: kind == "TLS", kind: toOrigin}
	p := ps.at(d, &Reach{TLS: &tls.Config{RootCAs: roots}}, 10*time.Second)
	c, err := p.open(t.Context(), nil, func(error) {})
	if err != nil {
		t.Fatal(err)
	}
	m := <-accepted
	t.Cleanup(func() { p.drop(c); _ = m.Close() })
	return c, m
}

// arrives waits until something has arrived at our end, if that is a socket.
func arrives(t *testing.T, c *memberConn) {
	t.Helper()
	below := c.nc
	if s, ok := below.(*tls.Conn); ok {
		below = s.NetConn()
	}
	sc, ok := below.(syscall.Conn)
	if !ok {
		return
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	_ = below.SetReadDeadline(time.Now().Add(10 * time.Second))
	if err := raw.Read(func(fd uintptr) bool { return peek(fd) != seenNothing }); err != nil {
		t.Fatal(err)
	}
	_ = below.SetReadDeadline(time.Time{})
}

func TestClosedByPeer(t *testing.T) {
	closes := func(m net.Conn) { _ = m.Close() }
	writes := func(m net.Conn) { go func() { _, _ = io.WriteString(m, "x") }() }
	for _, kind := range []string{"TCP", "TLS", "pipe"} {
		for _, row := range []struct {
			name string
			does func(net.Conn)
			want bool
		}{
			{"that is silent", nil, false},
			{"that closed", closes, true},
			{"that was reset", func(m net.Conn) {
				if s, ok := m.(*tls.Conn); ok {
					m = s.NetConn()
				}
				if tcp, ok := m.(*net.TCPConn); ok {
					_ = tcp.SetLinger(0)
				}
				_ = m.Close()
			}, true},
			{"that sent something", writes, true},
		} {
			t.Run(kind+" "+row.name, func(t *testing.T) {
				c, m := memberPair(t, kind)
				if kind == "TLS" { // after the first response, when tickets were read
					go func() { _, _ = io.WriteString(m, "1") }()
					if _, err := io.ReadFull(c.nc, make([]byte, 1)); err != nil {
						t.Fatal(err)
					}
				}
				c.uses = 1
				if c.closedByPeer() {
					t.Fatal("it counts as closed from the beginning")
				}
				if row.does != nil {
					row.does(m)
					arrives(t, c)
				}
				got := c.closedByPeer()
				for try := 0; kind == "pipe" && got != row.want && try < 10000; try++ {
					got = c.closedByPeer() // the other end's goroutine may not have come to it
				}
				if got != row.want {
					t.Errorf("closed: %v, want %v", got, row.want)
				}
				if row.does == nil {
					writes(m)
					if _, err := io.ReadFull(c.nc, make([]byte, 1)); err != nil {
						t.Errorf("reading after it was looked at: %v", err)
					}
				}
			})
		}
	}
}

func TestClosedByPeerOfANewTLSConnection(t *testing.T) {
	c, m := memberPair(t, "TLS")
	if err := m.(*tls.Conn).Handshake(); err != nil { // else its close would be a reset
		t.Fatal(err)
	}
	if arrives(t, c); c.closedByPeer() {
		t.Error("it counts as closed since tickets for other sessions came")
	}
}

func TestClosedByPeerReadsNothing(t *testing.T) {
	c, m := memberPair(t, "TCP")
	if c.closedByPeer() {
		t.Fatal("it is closed")
	}
	if _, err := io.WriteString(m, "x"); err != nil {
		t.Fatal(err)
	}
	arrives(t, c)
	b := make([]byte, 1)
	if !c.closedByPeer() || c.tcp == nil || c.raw == nil {
		t.Fatal("want what was sent to be seen on a TCP connection")
	}
	if n, err := c.nc.Read(b); n != 1 || err != nil {
		t.Errorf("read %d, %v, want what was looked at", n, err)
	}
	// A deadline that has passed does not hide anything.
	_ = c.nc.SetReadDeadline(time.Unix(1, 0))
	if _, err := c.nc.Read(b); !errors.Is(err, os.ErrDeadlineExceeded) || c.closedByPeer() {
		t.Errorf("%v, want the connection to be open behind its deadline", err)
	}
}
