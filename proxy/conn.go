package proxy

import (
	"bytes"
	"errors"
	"io"
	"net"
	"runtime"
	"time"

	"backhand/proxy/h1"
)

// conn is a client's connection that speaks HTTP/1. One goroutine reads its requests, one after the other, and carries
// each to its end; there is a second one only while a request's body is passed on that is too long to be kept, while
// there has been no response for watchAfter, or while the connection is a tunnel. A connection that waits for a request
// holds no buffer.
type conn struct {
	s     *Server
	t     *tracked
	now   time.Time // when the request before was over
	first bool      // no request was read yet
	last  bool      // no other request is to be read
	ended bool      // the client has closed its direction: there is no more than was read
	given bool      // the connection is net/http's now
	rests bool      // it waits for a request on a fresh stack, see restAfter
	stream
}

// restAfter is for how long a connection may be idle before another goroutine takes over the waiting: a request makes the
// stack four times as large as waiting needs it, and it would stay so until the next collection of garbage.
const restAfter = time.Second

// preface is what begins an HTTP/2 connection of a client that knows that we speak it (RFC 9113, section 3.4).
var preface = []byte("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")

// newConn returns the HTTP/1 side of a connection. early is what was read of it already.
func (s *Server) newConn(t *tracked, early []byte) *conn {
	c := &t.conn
	c.s, c.t, c.first = s, t, true
	c.begin(t.nc)
	if len(early) > 0 {
		c.in = getBuffer(len(early))
		c.in.w = copy(c.in.b, early)
	}
	return c
}

// carry serves a connection until it is over, or was handed to net/http, or rests.
func (s *Server) carry(c *conn) {
	// An idle connection waits here, with little on its stack.
	for (c.in != nil || !c.ended && c.await()) && c.next() {
	}
	if c.rests {
		c.t.resting = c
		return
	}
	putBuffer(c.in)
	c.in = nil
	if !c.given {
		_ = c.nc.Close()
		return
	}
	if c.t.handed != nil {
		c.t.handed.serve()
	}
}

// next serves one request, of which something has come. It returns whether there may be another.
func (c *conn) next() bool {
	x := c.s.h.newExchange()
	defer x.release()
	f := &x.h1
	f.begin(c, x)
	err := f.readHead()
	switch {
	case err == nil:
		c.first = false
		x.serve(f, &c.t.a)
	case err == errHTTP2:
		c.giveAway()
		return false
	case err == errNoRequest:
		return false
	default:
		c.last, f.refused = true, true
		x.refuse(f, &c.t.a, err)
	}
	f.end()
	c.now = x.now
	return !c.last
}

// giveAway leaves the connection to net/http.
//
//go:noinline
func (c *conn) giveAway() {
	early := bytes.Clone(c.in.data())
	c.given = true
	c.s.toNetHTTP(c.t, early)
}

var (
	errHTTP2     = errors.New("the client speaks HTTP/2")
	errNoRequest = errors.New("there is no other request")
)

// firstGrace is for how long a server that shuts down waits for the first request of a connection.
const firstGrace = time.Second

// await waits for the first bytes of a request, and reports whether they came. If nothing came for a while, it may want to
// be called again by another goroutine, and says so in rests.
func (c *conn) await() bool {
	c.t.idle.Store(isIdle)
	defer c.t.busy()
	now := c.now
	until := now.Add(c.s.h.site.Load().KeepAlive)
	if c.first {
		now = time.Now()
		until = now.Add(c.s.h.site.Load().ClientHead)
	}
	mayRest := !c.first && !c.rests
	c.rests = false
	for {
		if c.s.closing.Load() { // Shutdown sets it before it looks who is idle
			if !c.first {
				return false
			}
			// The first request of a new connection is most likely on its way, and its client will not send it again.
			if last := now.Add(firstGrace); last.Before(until) {
				until = last
			}
		}
		latest := until
		if rest := now.Add(restAfter); mayRest && rest.Before(until) {
			latest = rest
		}
		c.rd.by(c.nc, now, latest)
		runtime.Gosched() // others first: under load the next request is there then, and need not be looked for twice
		err := c.fill()
		if err == nil {
			return true
		}
		c.rd.passed()
		if now = time.Now(); !timedOut(err) || !now.Before(until) {
			return false
		}
		if mayRest && now.Sub(c.now) >= restAfter {
			c.rests = true
			return false
		}
	}
}

// h1Front is the client's end of an exchange over HTTP/1: the request under way on a conn.
type h1Front struct {
	c *conn
	x *exchange

	head    *buffer // in which the request's head stands as long as the exchange lasts
	out     *buffer // of the response: what was not sent yet; nil: nothing
	answer  answerState
	refused bool // it was no request, so that nobody knows what is behind it
	body    bodyReader
}

// answerState is how far the response has come.
type answerState struct {
	begun   bool
	chunked bool // for the client
	noBody  bool
	broken  bool // the client did not get all of it
	cut     bool // its end is that of the connection
}

func (f *h1Front) begin(c *conn, x *exchange) {
	f.c, f.x, f.answer, f.refused = c, x, answerState{}, false
	f.body.reset()
	c.endBy, c.reader = time.Time{}, x // of the request before
}

// readHead reads the request's head.
func (f *h1Front) readHead() error {
	c := f.c
	lim, most := headLimits(f.x.site)
	var until time.Time
	for {
		if c.first && !c.t.a.tls && c.in != nil {
			if b := c.in.data(); bytes.HasPrefix(b, preface) {
				return errHTTP2
			} else if len(b) < len(preface) && bytes.HasPrefix(preface, b) {
				if err := f.readMore(most, &until); err != nil {
					return err
				}
				continue
			}
		}
		n, err := h1.ParseRequest(c.in.data(), lim, &f.x.req)
		if err == nil {
			f.takeHead(n)
			return nil
		}
		if !errors.Is(err, h1.ErrIncomplete) {
			return err
		}
		if err := f.readMore(most, &until); err != nil {
			return err
		}
	}
}

// headLimits returns the limits of heads, and how large a buffer may become for one.
func headLimits(s *site) (*h1.Limits, int) {
	lim := s.Limits
	most := h1.DefaultHead
	if lim != nil && lim.Head > 0 {
		most = lim.Head
	}
	return lim, most + 16
}

// readMore reads on in the middle of a head. until is set at the first call.
func (f *h1Front) readMore(most int, until *time.Time) error {
	c := f.c
	begun := f.x.req.Begun()
	now := time.Now()
	if until.IsZero() {
		*until = now.Add(f.x.site.ClientHead)
	}
	c.compact()
	if len(c.in.space()) == 0 {
		g := c.in.grown(most)
		if g == nil {
			return errNoRequest // the codec refuses what is longer
		}
		c.in = g
		f.x.req.Reset() // what was found points to the old place, which is somebody else's now
	}
	for {
		c.rd.by(c.nc, now, *until)
		err := c.fill()
		if err == nil {
			return nil
		}
		c.rd.passed()
		now = time.Now()
		switch {
		case timedOut(err) && now.Before(*until) && (begun || c.first || !c.s.closing.Load()):
			continue
		case timedOut(err) && begun && !now.Before(*until):
			return because(headSlow, err)
		}
		return errNoRequest // who breaks off in a head, or sends nothing but empty lines, waits for no answer
	}
}

// compact moves what was read to the front of its buffer.
func (s *stream) compact() {
	if b := s.in; b.r > 0 {
		b.w = copy(b.b, b.data())
		b.r = 0
	}
}

// takeHead keeps the buffer with the head, of n bytes, for the exchange. What was read behind it goes to another one.
func (f *h1Front) takeHead(n int) {
	c := f.c
	c.least = ordinary // of what comes now, a body or that of a tunnel, there may be much
	f.head = c.in
	rest := c.in.data()[n:]
	c.in = nil
	if len(rest) > 0 {
		c.in = getBuffer(len(rest))
		c.in.w = copy(c.in.b, rest)
	}
	f.body.start(&f.x.req, f.x.site.Limits)
}

// end ends the request on the connection. What the client has not sent of its body is read, if that is not too much, so
// that the next request can be; and in any case so that the client can read the response before the connection is closed
// under it.
func (f *h1Front) end() {
	c := f.c
	if !f.x.body.none {
		c.rd.passed() // setBodyDeadline has changed it
	}
	switch {
	case f.answer.broken:
		c.last = true
	case c.given || c.t.upgraded.Load():
	case !f.body.done() && !f.skipBody():
		c.last = true
		f.linger()
	case c.last && (c.in != nil || f.refused):
		f.linger()
	}
	putBuffer(f.head)
	putBuffer(f.out)
	c.reader, c.least = nil, 0
	f.head, f.out, f.c, f.x = nil, nil, nil, nil
}

// skipBody reads the rest of the request's body. It returns false if that takes too long, is too much, or goes wrong.
func (f *h1Front) skipBody() bool {
	if f.c.last {
		return false
	}
	b := getBuffer(bulk)
	defer putBuffer(b)
	f.setBodyDeadline(time.Now().Add(linger))
	for total := 0; total < lingerMost; {
		n, err := f.readBody(b.b)
		total += n
		if err != nil {
			f.c.rd.passed()
			return err == io.EOF
		}
	}
	return false
}

// linger reads what the client still sends, for a while, after all that it gets was sent. Closed at once, with bytes
// unread, the connection would be reset, and the client might never see the response.
func (f *h1Front) linger() {
	c := f.c
	if halfClose(c.nc) != nil {
		return
	}
	if err := c.nc.SetReadDeadline(time.Now().Add(linger)); err != nil {
		return
	}
	for total := 0; total < lingerMost; {
		if c.in != nil {
			total += c.in.w - c.in.r
			c.in.r = c.in.w
			c.letGo()
		}
		if c.fill() != nil {
			return
		}
	}
}

// linger is how long a client may still send of a body of which nobody wants the rest, and lingerMost how many bytes.
const (
	linger     = 5 * time.Second
	lingerMost = 16 << 20
)

var _ front = (*h1Front)(nil)

// toldClient returns the problem that an error is with which a front sent something to its client, or nil.
func toldClient(err error) error {
	if err == nil {
		return nil
	}
	if _, ok := errors.AsType[*problem](err); ok {
		return err
	}
	return clientError(err)
}

// clientError returns why a client could not be read from or written to.
func clientError(err error) error {
	switch {
	case timedOut(err):
		return because(clientSlow, err)
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF), errors.Is(err, net.ErrClosed):
		return because(clientGone, err)
	}
	if _, ok := errors.AsType[*h1.Error](err); ok {
		return because(badBody, err)
	}
	return because(clientGone, err)
}
