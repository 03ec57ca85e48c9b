package proxy

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"backhand/proxy/h1"
)

// ServerConfig says how the connections of one listener are served. A reload may replace it.
type ServerConfig struct {
	// NoHops is for a listener at which no hop is believed, whoever claims to send it.
	NoHops bool
	// TLS makes the listener speak TLS. NextProtos is filled in. nil: plain text.
	TLS *tls.Config
	// ProxyFrom reports whose connections begin with a header of the PROXY protocol, version 1 or 2, which says who the
	// client is. Of others such a header is no HTTP. The address of a Unix socket is 0.0.0.0. nil: nobody's.
	ProxyFrom func(netip.Addr) bool

	// MaxConns is the most connections at once. One more is accepted and closed at once, so that a health check sees it,
	// and who waits in the kernel's queue is not kept waiting. 0: no limit.
	MaxConns int
	// MaxConnsPerAddr is the most connections at once from one address: that of the client, where a PROXY header names
	// it. It does not count connections of Unix sockets, nor those that a proxy opens for itself (LOCAL). 0: no limit.
	MaxConnsPerAddr int
}

// Stats is what became of the connections of a server. All but Open only grow.
type Stats struct {
	Open     int    // now
	Accepted uint64 // those that were refused included

	RefusedConns   uint64 // closed at once: more than MaxConns
	RefusedPerAddr uint64 // closed: more than MaxConnsPerAddr
	BadProxy       uint64 // closed: no valid PROXY header came in time, where there was to be one
	BadTLS         uint64 // closed: the TLS handshake went wrong, or took too long
	BadHTTP2       uint64 // mistakes of clients in HTTP/2 that ended a stream or a connection
	AcceptErrors   uint64 // no connection could be accepted: no file descriptor, no memory
	Panics         uint64 // mistakes of ours that ended a connection
}

// Server serves the connections of one listener.
type Server struct {
	h     *Handler
	cfg   atomic.Pointer[serving]
	http  *log.Logger // of net/http
	conns connSet

	// exchange answers a request of net/http's. err is why there is no head. Tests replace it.
	exchange func(f front, a *arrival, lim *h1.Limits, head []byte, err error)

	away    atomic.Bool // SetLeaving
	closing atomic.Bool // Shutdown or Close was called
	stop    chan struct{}

	mu      sync.Mutex
	ln      net.Listener   // nil before Serve
	accepts sync.WaitGroup // Serve
	stopped bool           // stop is closed

	accepted, badProxy, badTLS, badHTTP2, acceptErrors, panics atomic.Uint64
}

// serving is a ServerConfig made ready.
type serving struct {
	ServerConfig
	tls *tls.Config
}

// NewServer returns a server that answers as h does.
func (h *Handler) NewServer(cfg ServerConfig) *Server {
	s := &Server{h: h, stop: make(chan struct{})}
	s.conns.all, s.conns.perAddr = map[*tracked]struct{}{}, map[netip.Addr]int{}
	s.conns.left = make(chan struct{}, 1)
	s.http = log.New(netHTTPLog{s}, "", 0)
	s.exchange = s.runExchange
	s.SetConfig(cfg)
	return s
}

// SetConfig replaces the configuration. Connections that are there keep theirs, also if they are more than the new
// limits let in.
func (s *Server) SetConfig(cfg ServerConfig) {
	next := &serving{ServerConfig: cfg}
	old := s.cfg.Load()
	switch {
	case cfg.TLS == nil:
	case old != nil && old.TLS == cfg.TLS:
		next.tls = old.tls // with the keys of its session tickets
	default:
		next.tls = cfg.TLS.Clone()
		next.tls.NextProtos = []string{protoHTTP2, "http/1.1"}
	}
	s.cfg.Store(next)
}

// SetLeaving says that this host is about to go, or that it stays after all. While it leaves, connections are still
// accepted, and served, but clients are told to make no further use of them: Connection: close, or GOAWAY.
func (s *Server) SetLeaving(leaving bool) {
	s.away.Store(leaving)
	if leaving {
		for _, t := range s.conns.list() {
			t.goAway()
		}
	}
}

// leaving reports whether clients are to make no further use of their connections.
func (s *Server) leaving() bool { return s.away.Load() || s.closing.Load() }

// Stats returns what became of the connections so far.
func (s *Server) Stats() Stats {
	st := Stats{
		Accepted: s.accepted.Load(), BadProxy: s.badProxy.Load(), BadTLS: s.badTLS.Load(), BadHTTP2: s.badHTTP2.Load(),
		AcceptErrors: s.acceptErrors.Load(), Panics: s.panics.Load(),
	}
	s.conns.stats(&st)
	return st
}

// Serve serves connections until ln is closed, by Shutdown or Close, which is no error. It may be called once, and
// closes ln in any case. It does not wait for its connections: Shutdown and Close do.
func (s *Server) Serve(ln net.Listener) error {
	defer ln.Close()
	if !s.opened(ln) {
		return nil
	}
	defer s.accepts.Done()
	wait := pause{log: func(err error, times int) {
		s.h.cfg.Log.Warn("no connection could be accepted; trying again", "listen", ln.Addr().String(), "err", err,
			"times", times)
	}}
	for {
		nc, err := ln.Accept()
		switch {
		case err == nil:
			wait.over()
			s.take(nc)
		case s.closing.Load():
			return nil
		case !passes(err):
			return fmt.Errorf("accepting connections on %s: %w", ln.Addr(), err)
		default:
			s.acceptErrors.Add(1)
			if !wait.until(s.stop, err) {
				return nil
			}
		}
	}
}

// opened notes the listener. It returns false if it is not wanted any more.
func (s *Server) opened(ln net.Listener) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ln = ln
	if !s.stopped {
		s.accepts.Add(1)
	}
	return !s.stopped
}

// passes reports whether accepting may go well after an error: accept(2).
func passes(err error) bool {
	for _, e := range [...]syscall.Errno{
		syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM, // we, or this host, have too much open
		syscall.ECONNABORTED, syscall.ECONNRESET, syscall.EINTR, syscall.EAGAIN, syscall.EPERM, // the last by a firewall
		syscall.ENETDOWN, syscall.EPROTO, syscall.ENOPROTOOPT, syscall.EHOSTDOWN, syscall.EHOSTUNREACH,
		syscall.EOPNOTSUPP, syscall.ENETUNREACH, syscall.ETIMEDOUT, // of the connection, not of the listener
	} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// The waits between attempts to accept, and how often they are logged.
const (
	firstPause = 5 * time.Millisecond
	mostPause  = time.Second
	logEvery   = time.Minute
)

// pause is the waiting while nothing can be accepted.
type pause struct {
	log    func(err error, times int)
	next   time.Duration // 0: the last attempt went well
	times  int           // since it was logged
	logged time.Time
}

func (p *pause) over() { p.next = 0 }

// until waits. It returns false if stop was closed.
func (p *pause) until(stop <-chan struct{}, err error) bool {
	p.times++
	if now := time.Now(); p.logged.IsZero() || now.Sub(p.logged) >= logEvery {
		p.log(err, p.times)
		p.logged, p.times = now, 0
	}
	p.next = min(max(2*p.next, firstPause), mostPause)
	t := time.NewTimer(p.next)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-stop:
		return false
	}
}

// closeListener closes the listener, for good.
func (s *Server) closeListener() error {
	s.closing.Store(true)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopped {
		return nil
	}
	s.stopped = true
	close(s.stop)
	if s.ln == nil {
		return nil
	}
	if err := s.ln.Close(); !errors.Is(err, net.ErrClosed) {
		return err
	}
	return nil
}

// Shutdown closes the listener and idle connections, and returns when no other is left, or with ctx's error when that
// ends. Upgraded connections are not waited for, nor those on which only our own pages are open: both may stay so for
// ever.
func (s *Server) Shutdown(ctx context.Context) error {
	err := s.closeListener()
	s.accepts.Wait() // one that was accepted just now is to be waited for, too
	// A connection may be between two states when it is told, so it is told again.
	again := time.NewTimer(0)
	defer again.Stop()
	for every := 20 * time.Millisecond; ; {
		if !s.conns.waitedFor() {
			return err
		}
		select {
		case <-again.C:
			for _, t := range s.conns.list() {
				t.endIdle()
			}
			every = min(2*every, time.Second)
			again.Reset(every)
		case <-s.conns.left:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// closeWait is how long Close waits for those who serve connections that it has cut off. Such an end is noticed at once
// but for a mistake of ours, which must not keep the program from ending.
const closeWait = 5 * time.Second

// Close cuts off all connections, and returns when nobody serves them any more, or with an error after 5 s.
func (s *Server) Close() error {
	err := s.closeListener()
	for _, t := range s.conns.shut() {
		_ = t.socket.Close()
	}
	late := time.NewTimer(closeWait)
	defer late.Stop()
	again := time.NewTicker(20 * time.Millisecond) // Shutdown may take the token
	defer again.Stop()
	for {
		open := len(s.conns.list())
		if open == 0 {
			return err
		}
		select {
		case <-s.conns.left:
		case <-again.C:
		case <-late.C:
			return errors.Join(err, fmt.Errorf("%d connections that were cut off are still served", open))
		}
	}
}
