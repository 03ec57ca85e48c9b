package proxy

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"syscall"
	"time"
)

// wire holds the connections to members. It lasts until a reload changes one of its limits.
type wire struct {
	limits  wireLimits
	agents  *http.Transport // to other agents, over hops
	servers *http.Transport // to web servers: our own origins, physicals, nodes that only announce
}

// How long an idle connection is kept. Shorter than what the other end keeps it for: agents 60 s by default, Apache 5
// s.
const (
	idleAgents  = 30 * time.Second
	idleServers = 4 * time.Second
)

// Others, each for one member.
const (
	maxIdle         = 1024      // idle connections
	maxResponseHead = 256 << 10 // bytes
	waitForContinue = time.Second
)

// wireLimits are what all connections of a wire have in common.
type wireLimits struct {
	from                  netip.Addr // of connections to agents
	connect, responseHead time.Duration
}

func newWire(cfg *Config, l wireLimits) *wire {
	transport := func(from netip.Addr, idle time.Duration, dial dialFunc) *http.Transport {
		if cfg.Dial != nil {
			dial = cfg.Dial
		}
		d := &dialer{dial: dial, from: from, timeout: l.connect, tls: cfg.TLS}
		var http1 http.Protocols
		http1.SetHTTP1(true)
		return &http.Transport{
			DialContext: d.plain, DialTLSContext: d.secure, Protocols: &http1,
			MaxIdleConnsPerHost: maxIdle, IdleConnTimeout: idle, ResponseHeaderTimeout: l.responseHead,
			ExpectContinueTimeout: waitForContinue, MaxResponseHeaderBytes: maxResponseHead,
			DisableCompression: true, // bodies pass as they are
		}
	}
	return &wire{
		limits:  l,
		agents:  transport(l.from, idleAgents, dialAgent),
		servers: transport(netip.Addr{}, idleServers, dialServer),
	}
}

func (w *wire) closeIdle() {
	w.agents.CloseIdleConnections()
	w.servers.CloseIdleConnections()
}

// dialFunc makes a TCP connection from an address, if it is valid, to host:port.
type dialFunc func(ctx context.Context, from netip.Addr, addr string) (net.Conn, error)

// dialer makes connections for one http.Transport.
type dialer struct {
	dial    dialFunc
	from    netip.Addr
	timeout time.Duration
	tls     *tls.Config
}

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

func (d *dialer) plain(ctx context.Context, _, addr string) (net.Conn, error) {
	return d.connect(ctx, addr, func(_ context.Context, c net.Conn) (net.Conn, error) { return c, nil })
}

func (d *dialer) secure(ctx context.Context, _, addr string) (net.Conn, error) {
	return d.connect(ctx, addr, func(ctx context.Context, c net.Conn) (net.Conn, error) {
		cfg := d.tls.Clone()
		if cfg == nil {
			cfg = &tls.Config{}
		}
		if cfg.ServerName == "" {
			cfg.ServerName, _, _ = net.SplitHostPort(addr)
		}
		cfg.NextProtos = []string{"http/1.1"}
		t := tls.Client(c, cfg)
		return t, t.HandshakeContext(ctx)
	})
}

// connect makes a connection, and tells the member's record of it.
func (d *dialer) connect(
	ctx context.Context, addr string, secure func(context.Context, net.Conn) (net.Conn, error),
) (net.Conn, error) {
	limited, cancel := context.WithTimeout(ctx, d.timeout)
	defer cancel()
	conn, err := d.dial(limited, d.from, addr)
	if err == nil {
		raw := conn
		if conn, err = secure(limited, raw); err != nil {
			_ = raw.Close()
		}
	}
	if ho, ok := ctx.Value(handoverKey{}).(*handover); ok && ctx.Err() == nil && !lacksResources(err) {
		ho.dialled(err)
	}
	if err != nil {
		return nil, &dialError{err}
	}
	return conn, nil
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

// dialServer connects to a web server.
func dialServer(ctx context.Context, _ netip.Addr, addr string) (net.Conn, error) {
	var d net.Dialer
	return d.DialContext(ctx, "tcp", addr)
}
