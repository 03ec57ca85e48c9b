package proxy

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/netip"
	"runtime/debug"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// protoHTTP2 is the name of HTTP/2 in ALPN (RFC 9113, section 3.2).
const protoHTTP2 = "h2"

// take serves a connection that was accepted, or closes it.
func (s *Server) take(nc net.Conn) {
	s.accepted.Add(1)
	cfg := s.cfg.Load()
	t := &tracked{nc: nc, socket: nc, client: addrPortOf(nc.RemoteAddr()), local: addrPortOf(nc.LocalAddr())}
	if !s.conns.add(t, cfg.MaxConns) {
		_ = nc.Close()
		return
	}
	header := cfg.ProxyFrom != nil && cfg.ProxyFrom(t.client.Addr())
	if !header && !s.conns.count(t, cfg.MaxConnsPerAddr) {
		_ = nc.Close()
		s.conns.remove(t)
		return
	}
	go s.serve(t, cfg, header)
}

// serve serves a connection to its end.
func (s *Server) serve(t *tracked, cfg *serving, header bool) {
	defer s.leave(t)
	defer s.recovered(t)
	early, ok := s.begin(t, cfg, header)
	if !ok {
		_ = t.socket.Close()
		return
	}
	if isHTTP2(t.nc) {
		s.toNetHTTP(t, nil)
		if t.handed != nil {
			t.handed.serve()
		}
		return
	}
	s.carry(s.newConn(t, early))
}

// resume serves a connection on that rests.
func (s *Server) resume(c *conn) {
	defer s.leave(c.t)
	defer s.recovered(c.t)
	s.carry(c)
}

// leave is the end of a goroutine that served a connection: of the connection too, unless that rests.
func (s *Server) leave(t *tracked) {
	if c := t.resting; c != nil {
		t.resting = nil
		go s.resume(c)
		return
	}
	s.conns.remove(t)
}

// recovered keeps a mistake of ours from ending everybody's connections.
func (s *Server) recovered(t *tracked) {
	r := recover()
	if r == nil {
		return
	}
	s.panics.Add(1)
	s.h.cfg.Log.Error("a connection was cut off by a mistake in this program; please report it",
		"client", t.client.String(), "panic", r, "stack", string(debug.Stack()))
	_ = t.socket.Close()
}

// isHTTP2 reports whether both sides agreed on HTTP/2 in the TLS handshake. It is no part of serve, since what it asks for
// is large, and each idle connection would keep room for it on its stack.
//
//go:noinline
func isHTTP2(nc net.Conn) bool {
	c, is := nc.(*tls.Conn)
	return is && c.ConnectionState().NegotiatedProtocol == protoHTTP2
}

// begin reads what comes before HTTP: the header of the PROXY protocol, and the TLS handshake. Both together may take as
// long as a request's head. What was read beyond them is early.
func (s *Server) begin(t *tracked, cfg *serving, header bool) (early []byte, ok bool) {
	a := &t.a
	*a = arrival{socket: t.client.Addr(), tls: cfg.tls != nil, noHops: cfg.NoHops}
	if header || cfg.tls != nil {
		_ = t.socket.SetDeadline(time.Now().Add(s.h.site.Load().ClientHead))
	}
	if header {
		if early, ok = s.beginProxied(t, cfg); !ok {
			return nil, false
		}
	}
	a.peer, a.port, a.local = t.client.Addr(), t.client.Port(), t.local
	if cfg.tls != nil {
		if !s.handshake(t, cfg.tls, early) {
			return nil, false
		}
		early = nil
	}
	if header || cfg.tls != nil {
		_ = t.socket.SetDeadline(time.Time{})
	}
	return early, true
}

// beginProxied reads the header of the PROXY protocol, and counts the connection for the client that it names.
func (s *Server) beginProxied(t *tracked, cfg *serving) (early []byte, ok bool) {
	h, early, err := readProxyHeader(t.socket)
	if err != nil {
		if !errors.Is(err, errNothingSent) {
			s.badProxy.Add(1)
			s.h.cfg.Log.Debug("no PROXY header", "from", t.client.String(), "err", err)
		}
		return nil, false
	}
	if !h.client.IsValid() {
		return early, true
	}
	t.client, t.local = h.client, h.local
	return early, s.conns.count(t, cfg.MaxConnsPerAddr)
}

// handshake makes t.nc a connection of TLS.
func (s *Server) handshake(t *tracked, cfg *tls.Config, early []byte) bool {
	tc := tls.Server(newServed(t.socket, early, t.client), cfg)
	err := tc.Handshake()
	if err == nil {
		t.nc = tc
		return true
	}
	if errors.Is(err, io.EOF) {
		return false // it was opened to see whether it can be
	}
	s.badTLS.Add(1)
	s.h.cfg.Log.Debug("no TLS", "client", t.client.String(), "err", err)
	if bad, ok := errors.AsType[tls.RecordHeaderError](err); ok && bad.Conn != nil && looksLikeHTTP(bad.RecordHeader[:]) {
		tellPlain(bad.Conn)
	}
	return false
}

// looksLikeHTTP reports whether a request in plain text begins so: with a method in upper case.
func looksLikeHTTP(b []byte) bool {
	for i, c := range b {
		if c == ' ' || c == '/' {
			return i > 2
		}
		if c < 'A' || c > 'Z' {
			return false
		}
	}
	return true
}

// tellPlain tells a person who forgot the s of https.
func tellPlain(nc net.Conn) {
	const text = "This port speaks HTTPS: its addresses begin with https://.\n"
	_, _ = io.WriteString(nc, "HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Type: text/plain; charset=utf-8\r\n"+
		"Content-Length: "+strconv.Itoa(len(text))+"\r\n\r\n"+text)
	_ = halfClose(nc)
	_ = nc.SetReadDeadline(time.Now().Add(time.Second)) // closed at once, the answer might be lost
	_, _ = io.CopyN(io.Discard, nc, 64<<10)
}

// served is a connection some of whose bytes were read already, and whose other end is another than that of the socket.
type served struct {
	net.Conn
	early   []byte
	remote  net.Addr
	broken  atomic.Bool // reading came to an end
	onClose func()      // called once; nil: nothing is
	once    sync.Once
}

func newServed(nc net.Conn, early []byte, client netip.AddrPort) *served {
	s := &served{Conn: nc, early: early, remote: nc.RemoteAddr()}
	if !client.Addr().IsUnspecified() {
		s.remote = net.TCPAddrFromAddrPort(client)
	}
	return s
}

// Read returns the early bytes first.
func (c *served) Read(b []byte) (int, error) {
	if len(c.early) == 0 {
		n, err := c.Conn.Read(b)
		if err != nil {
			c.broken.Store(true)
		}
		return n, err
	}
	n := copy(b, c.early)
	if c.early = c.early[n:]; len(c.early) == 0 {
		c.early = nil
	}
	return n, nil
}

// RemoteAddr is the client's.
func (c *served) RemoteAddr() net.Addr { return c.remote }

// Close closes the connection.
func (c *served) Close() error {
	err := c.Conn.Close()
	if c.onClose != nil {
		c.once.Do(c.onClose)
	}
	return err
}

// CloseWrite says that nothing more is sent, where the connection can say so.
func (c *served) CloseWrite() error { return halfClose(c.Conn) }

func halfClose(nc net.Conn) error {
	if cw, ok := nc.(interface{ CloseWrite() error }); ok {
		return cw.CloseWrite()
	}
	return errors.ErrUnsupported
}
