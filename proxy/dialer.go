package proxy

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"syscall"
	"time"
)

// dialFunc makes a TCP connection from an address, if it is valid, to host:port.
type dialFunc func(ctx context.Context, from netip.Addr, addr string) (net.Conn, error)

// dialError says that a connection could not be made, so that nothing was sent.
type dialError struct{ err error }

// Error names the address, as those of package net do.
func (e *dialError) Error() string { return e.err.Error() }

// Unwrap returns the error of the network.
func (e *dialError) Unwrap() error { return e.err }

// Timeout reports whether it took too long.
func (e *dialError) Timeout() bool {
	n, ok := errors.AsType[net.Error](e.err)
	return ok && n.Timeout() || errors.Is(e.err, context.DeadlineExceeded)
}

// lacksResources reports whether a connection could not be made for want of something on this host, so that it says
// nothing of the member: file descriptors, of ours or of all processes; an address or port to dial from; memory.
func lacksResources(err error) bool {
	return slices.ContainsFunc([]syscall.Errno{
		syscall.EMFILE, syscall.ENFILE, syscall.EADDRNOTAVAIL, syscall.ENOBUFS, syscall.ENOMEM,
	}, func(e syscall.Errno) bool { return errors.Is(err, e) })
}

// dialAgent connects to another agent. Agents are near: one that is silent for 3 s is gone.
func dialAgent(ctx context.Context, from netip.Addr, addr string) (net.Conn, error) {
	d := net.Dialer{
		KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: 3 * time.Second, Interval: time.Second, Count: 3},
		Control:         agentSocket,
	}
	to, err := netip.ParseAddrPort(addr)
	if err == nil && from.IsValid() && to.Addr().Is4() == from.Is4() {
		d.LocalAddr = net.TCPAddrFromAddrPort(netip.AddrPortFrom(from, 0))
	}
	return d.DialContext(ctx, "tcp", addr)
}

// dialServer connects to a web server. Of a name with several addresses, they are tried in the resolver's order.
func dialServer(ctx context.Context, _ netip.Addr, addr string) (net.Conn, error) {
	var d net.Dialer
	return d.DialContext(ctx, "tcp", addr)
}

// dialLasting connects to a web server, for a connection that carries many requests: if the host is gone, that is to be
// noticed soon.
func dialLasting(ctx context.Context, _ netip.Addr, addr string) (net.Conn, error) {
	d := net.Dialer{
		KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: 3 * time.Second, Interval: time.Second, Count: 3},
		Control:         agentSocket,
	}
	return d.DialContext(ctx, "tcp", addr)
}

// dialTLS returns the configuration with which TLS is begun, by what a Reach says. It is made once, so that its sessions
// can be resumed.
func dialTLS(given *tls.Config, addr string) *tls.Config {
	cfg := given.Clone()
	if cfg == nil {
		cfg = &tls.Config{}
	}
	if cfg.ServerName == "" {
		cfg.ServerName, _, _ = net.SplitHostPort(addr)
	}
	if cfg.ClientSessionCache == nil {
		cfg.ClientSessionCache = tls.NewLRUClientSessionCache(1)
	}
	cfg.NextProtos = []string{"http/1.1"}
	return cfg
}

// dial makes a connection within the time for it: TCP, the PROXY header, if there is one, and TLS.
func (p *pool) dial(ctx context.Context, s *poolSettings, hdr []byte) (net.Conn, error) {
	limited, cancel := context.WithTimeout(ctx, s.connect)
	defer cancel()
	dial := p.all.cfg.Dial
	if dial == nil {
		switch {
		case p.kind == toAgent:
			dial = dialAgent
		case p.h2c:
			dial = dialLasting
		default:
			dial = dialServer
		}
	}
	conn, err := dial(limited, s.from, p.addr)
	if err != nil {
		return nil, err
	}
	if err = writeWithin(limited, conn, hdr); err != nil {
		_ = conn.Close()
		return nil, fmt.Errorf("PROXY header to %s: %w", p.addr, err)
	}
	if s.client == nil {
		return conn, nil
	}
	secure := tls.Client(conn, s.client)
	if err = secure.HandshakeContext(limited); err != nil {
		_ = conn.Close()
		return nil, fmt.Errorf("TLS with %s: %w", p.addr, err)
	}
	return secure, nil
}

// writeWithin writes b before ctx ends.
func writeWithin(ctx context.Context, conn net.Conn, b []byte) error {
	if len(b) == 0 {
		return nil
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.SetWriteDeadline(time.Unix(1, 0)) })
	_, err := conn.Write(b)
	if !stop() {
		return ctx.Err() // even if it was written: from now on writing fails
	}
	return err
}

// ended returns with what a context has ended, or nil. One whose deadline has passed has ended, even if its timer is
// late: package net goes by the deadline.
func ended(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if d, ok := ctx.Deadline(); ok && !time.Now().Before(d) {
		return context.DeadlineExceeded
	}
	return nil
}
