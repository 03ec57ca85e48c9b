package proxy

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"backhand/proxy/h1"
)

// A member whose address is h2c:// is spoken to in HTTP/2 with prior knowledge (RFC 9113, section 3.3). It is net/http
// that speaks it, one http.ClientConn for each connection: that repeats no request on its own, as an http.Transport
// does. To the rest of the engine a stream is a connection (h2cStream): it takes one of the member's places, of which
// there are Reach.Conns, and is never idle.

// What bounds a member in HTTP/2. The window of a connection is left as wide as net/http makes it: a narrow one would let
// clients that read slowly hold up the others.
const (
	h2cHead   = 1 << 20   // bytes of a head, as HTTP/2 counts them; the codec refuses what the site's limits do not allow
	h2cWindow = 256 << 10 // bytes of a stream that nobody has read yet
)

// A connection from which nothing is heard is asked by PING whether there is somebody. Servers of gRPC take more than one
// in 5 min amiss; a host that is gone is noticed earlier by TCP (dialLasting).
const (
	h2cPingAfter = 6 * time.Minute
	h2cPingWait  = 15 * time.Second
	h2cWriteWait = time.Minute // for which a connection may take nothing of what we send
)

// h2cConns are the connections to one member that speaks HTTP/2.
type h2cConns struct {
	mu     sync.Mutex
	conns  []*h2cConn
	making *h2cDial // nil: none is being made
}

// h2cConn is one of them.
type h2cConn struct {
	*http.ClientConn
	begun   atomic.Int64 // streams, since it was made
	active  atomic.Int64 // of them, those that have not ended
	retired atomic.Bool  // closed when there is no stream any more
}

// h2cDial is a connection that is being made, for all who wait for it. It goes on if they go away.
type h2cDial struct {
	done chan struct{} // closed when err holds
	err  error
}

// openStream returns a stream on one of the connections. If there is none with room, one is made; made says that this was
// done for this request. Errors are ctx's own, errQueueFull, or of the dial.
func (p *pool) openStream(ctx context.Context, s *poolSettings, hdr []byte) (st *h2cStream, made bool, err error) {
	if hdr != nil { // it is for one client's connection only
		c, err := p.dialH2C(ctx, s, hdr)
		if err != nil {
			return nil, false, err
		}
		c.retired.Store(true)
		if st = c.stream(); st == nil {
			_ = c.Close()
			return nil, false, errQueueFull
		}
		return st, true, nil
	}
	ctx, cancel := context.WithTimeoutCause(ctx, s.connect+s.queue, errQueueFull)
	defer cancel()
	for {
		st, making, mine := p.streamOrDial(s)
		if st != nil {
			return st, made, nil
		}
		made = made || mine
		select {
		case <-making.done:
		case <-ctx.Done():
			return nil, false, context.Cause(ctx)
		}
		if making.err != nil {
			return nil, false, making.err
		}
	}
}

// streamOrDial returns a stream, or the connection that is being made; mine says that this has just begun.
func (p *pool) streamOrDial(s *poolSettings) (st *h2cStream, making *h2cDial, mine bool) {
	h := &p.h2
	h.mu.Lock()
	defer h.mu.Unlock()
	h.prune()
	for _, c := range h.conns { // the first ones are used, so that the last ones fall idle
		if st := c.stream(); st != nil {
			return st, nil, false
		}
	}
	if h.making == nil {
		mine = true
		h.making = &h2cDial{done: make(chan struct{})}
		go p.makeH2C(s, h.making)
	}
	return nil, h.making, mine
}

func (p *pool) makeH2C(s *poolSettings, d *h2cDial) {
	c, err := p.dialH2C(context.Background(), s, nil)
	h := &p.h2
	h.mu.Lock()
	h.making, d.err = nil, err
	if err == nil {
		h.conns = append(h.conns, c)
	}
	h.mu.Unlock()
	close(d.done)
}

// dialH2C makes a connection.
func (p *pool) dialH2C(ctx context.Context, s *poolSettings, hdr []byte) (*h2cConn, error) {
	limited, cancel := context.WithTimeout(ctx, s.connect)
	defer cancel()
	nc, err := p.dial(limited, s, hdr)
	if err != nil {
		return nil, err
	}
	settled := newSettling(nc)
	stop := context.AfterFunc(limited, func() { _ = nc.Close() })
	defer stop()
	// It is the Transport of this connection alone, since what it says of idle ones belongs to the pool.
	t := &http.Transport{
		DialContext:            func(context.Context, string, string) (net.Conn, error) { return settled, nil },
		DisableCompression:     true,
		IdleConnTimeout:        s.idle,
		MaxResponseHeaderBytes: h2cHead,
		Protocols:              new(http.Protocols),
		HTTP2: &http.HTTP2Config{
			MaxReceiveBufferPerStream: h2cWindow,
			SendPingTimeout:           h2cPingAfter, PingTimeout: h2cPingWait, WriteByteTimeout: h2cWriteWait,
		},
	}
	t.Protocols.SetUnencryptedHTTP2(true)
	cc, err := t.NewClientConn(limited, "http", p.addr)
	if err == nil {
		if err = settled.wait(limited); err == nil {
			return &h2cConn{ClientConn: cc}, nil
		}
		_ = cc.Close()
	}
	_ = nc.Close()
	return nil, fmt.Errorf("HTTP/2 with %s: %w", p.addr, err)
}

// settling is a connection that notes when the member's SETTINGS are known, with which it must begin (RFC 9113, section
// 3.4). Until then nobody knows how many streams it takes, or whether it speaks HTTP/2 at all; so no request is sent
// before.
type settling struct {
	net.Conn
	head  [9]byte // of the first frame
	got   int     // bytes that were read
	known atomic.Bool
	once  sync.Once
	done  chan struct{} // closed when they are known, or never will be
}

func newSettling(nc net.Conn) *settling { return &settling{Conn: nc, done: make(chan struct{})} }

// Read is called again when net/http has looked at all that it got before.
func (s *settling) Read(p []byte) (int, error) {
	if s.known.Load() {
		return s.Conn.Read(p)
	}
	const settings = 4
	whole := len(s.head) + int(s.head[0])<<16 + int(s.head[1])<<8 + int(s.head[2])
	if s.got >= whole && s.head[3] == settings {
		s.known.Store(true)
		s.end()
		return s.Conn.Read(p)
	}
	n, err := s.Conn.Read(p)
	if s.got < len(s.head) {
		copy(s.head[s.got:], p[:n])
	}
	if s.got += n; err != nil {
		s.end()
	}
	return n, err
}

// Close closes the connection.
func (s *settling) Close() error {
	s.end()
	return s.Conn.Close()
}

func (s *settling) end() { s.once.Do(func() { close(s.done) }) }

// wait returns when the SETTINGS are known, or why they are not.
func (s *settling) wait(ctx context.Context) error {
	select {
	case <-s.done:
	case <-ctx.Done():
	}
	switch {
	case s.known.Load():
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	}
	return errNoHTTP2
}

var errNoHTTP2 = errors.New("it does not begin with SETTINGS: write its address with http:// if it speaks HTTP/1.1")

// stream returns a stream if there is room for another one, else nil.
func (c *h2cConn) stream() *h2cStream {
	if c.Reserve() != nil {
		return nil
	}
	c.active.Add(1)
	st := &h2cStream{conn: c, earlier: int(c.begun.Add(1) - 1), news: make(chan struct{}, 1)}
	return st
}

// ended counts the end of a stream.
func (c *h2cConn) ended() {
	if c.active.Add(-1) == 0 && c.retired.Load() {
		_ = c.Close()
	}
}

// retire lets no stream begin on the connection any more: it is not sure that there is anybody at its other end.
func (c *h2cConn) retire() {
	c.retired.Store(true)
	if c.active.Load() == 0 {
		_ = c.Close()
	}
}

// prune forgets connections that are closed, or will be. h.mu is held.
func (h *h2cConns) prune() {
	h.conns = slices.DeleteFunc(h.conns, func(c *h2cConn) bool { return c.Err() != nil || c.retired.Load() })
}

// closeIdle closes connections without streams.
func (h *h2cConns) closeIdle() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, c := range h.conns {
		if c.active.Load() == 0 {
			_ = c.Close()
		}
	}
	h.prune()
}

// empty reports whether there is no connection, and none is being made.
func (h *h2cConns) empty() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.prune()
	return len(h.conns) == 0 && h.making == nil
}

// startStream sends the request, or begins to, if its body is not all here.
func (ho *handover) startStream(head []byte, now time.Time) {
	x, s := ho.x, ho.m.h2c
	req := h2cRequest(head, &x.req)
	switch {
	case x.body.none:
		s.start(req, nil)
	case x.body.whole():
		u := &h2cUpload{rest: x.body.content()}
		u.finish(headerOf(x.requestTrailers))
		s.start(req, u)
	default:
		s.start(req, newH2CUpload())
		x.from(now, 0)
		x.startPump(ho.m)
	}
}

// h2cTries is how often a member may say that it has not touched the request, before another one is asked: it does so if
// more streams come at once than it takes, and when it ends a connection.
const h2cTries = 3

// mayTakeAnotherStream reports whether the request may be sent to the same member again, whatever the method: nothing was
// done of it.
func (ho *handover) mayTakeAnotherStream(err error, tries int) bool {
	x := ho.x
	if timedOut(err) {
		ho.m.h2c.conn.retire() // it is not sure that there is anybody
	}
	return reasonOf(err) == membersRefused && tries < h2cTries && x.body.fault() == nil && !x.gone.Load() && x.body.replayable()
}

// startBody makes ready to read the body of the response.
func (ho *handover) startBody() {
	x := ho.x
	ho.body.startAs(&x.res.Head, x.site.Limits, h1.InResponse)
	if ho.m.h2c == nil || ho.body.done() {
		return
	}
	ho.body.framing = h1.FramingClose // net/http has taken the framing off
	if x.res.Framing == h1.FramingLength && x.req.Minor > 0 && (x.req.TETrailers || x.res.Has(h1.Trailer)) {
		x.res.Framing = h1.FramingClose // trailers may come, which in HTTP/1.1 only a body in chunks can have
	}
}
