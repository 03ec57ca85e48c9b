package proxy

import (
	"io"
	"net"
	"net/http"
	"sync"
	"time"

	"backhand/proxy/h1"
)

// What is written to the client goes to one buffer first, so that a head and a short body leave in one piece.

// inform passes an interim response on, to a client that knows of such (RFC 9110, section 15.2).
func (f *h1Front) inform(res *h1.Response) error {
	if f.x.req.Minor == 0 {
		return nil
	}
	b := f.outgoing()
	b = h1.AppendStatusLine(b, res.Status, res.Reason)
	for i := range res.Fields {
		if fd := &res.Fields[i]; passesBack(fd) {
			b = fd.Append(b)
		}
	}
	f.keep(h1.AppendEnd(b))
	return f.flush()
}

// outgoing returns what is kept to be sent, to be appended to.
func (f *h1Front) outgoing() []byte {
	if f.out == nil {
		f.out = getBuffer(ordinary)
	}
	return f.out.b[:f.out.w]
}

// keep takes what outgoing has returned, with what was appended.
func (f *h1Front) keep(b []byte) {
	f.out.b, f.out.w = b[:cap(b)], len(b)
}

// respond writes the head.
func (f *h1Front) respond(res *h1.Response, via []byte) error {
	f.answer.begun = true
	if f.c.endBy = (time.Time{}); f.x.reason == proxied && res.Status != 101 {
		f.c.endBy = f.x.total
	}
	b := f.outgoing()
	b = h1.AppendStatusLine(b, res.Status, res.Reason)
	for i := range res.Fields {
		if fd := &res.Fields[i]; passesBack(fd) {
			b = fd.Append(b)
		}
	}
	if len(via) > 0 {
		b = h1.AppendField(b, "Via", via)
	}
	b = f.appendFraming(b, res)
	f.keep(h1.AppendEnd(b))
	return nil
}

// appendFraming decides how the body ends for this client, and whether the connection lives on (RFC 9112, sections 6.3
// and 9.3).
func (f *h1Front) appendFraming(b []byte, res *h1.Response) []byte {
	a, c, req := &f.answer, f.c, &f.x.req
	a.noBody = req.MethodID == h1.MethodHead || res.Status < 200 || res.Status == 204 || res.Status == 304
	switch {
	case res.Status == 101:
		return h1.AppendField(h1.AppendField(b, "Connection", "Upgrade"), "Upgrade", res.Upgrade)
	case a.noBody:
		if res.Length >= 0 && res.Status >= 200 && res.Status != 204 {
			b = h1.AppendContentLength(b, res.Length)
		}
	case res.Framing == h1.FramingNone:
		b = h1.AppendContentLength(b, 0)
	case res.Framing == h1.FramingLength:
		b = h1.AppendContentLength(b, res.Length)
	case req.Minor >= 1:
		a.chunked = true
		b = append(b, "Transfer-Encoding: chunked\r\n"...)
	default:
		a.cut = true
	}
	c.last = c.last || a.cut || !req.Persistent() || c.s.leaving() || c.s.closing.Load()
	switch {
	case c.last:
		return append(b, "Connection: close\r\n"...)
	case req.Minor == 0:
		return append(b, "Connection: keep-alive\r\n"...)
	}
	return b
}

// write sends a part of the body, or keeps it if it is short.
func (f *h1Front) write(p []byte) error {
	if f.answer.noBody || len(p) == 0 {
		return nil
	}
	b := f.outgoing()
	const frame = len("ffffffff\r\n\r\n")
	if len(p)+frame+len(b) <= cap(b) {
		if f.answer.chunked {
			b = h1.AppendChunkHeader(b, int64(len(p)))
		}
		b = append(b, p...)
		if f.answer.chunked {
			b = h1.AppendEnd(b)
		}
		f.keep(b)
		return nil
	}
	n := 2
	if f.answer.chunked {
		b = h1.AppendChunkHeader(b, int64(len(p)))
		f.keep(b)
		f.c.pieces[2] = crlf
		n = 3
	}
	f.c.pieces[0], f.c.pieces[1] = b, p
	f.out.w = 0
	return f.sent(f.c.writePieces(n, f.x.site.ClientIdle))
}

var crlf = []byte("\r\n")

// sent judges what became of bytes that were sent.
func (f *h1Front) sent(err error) error {
	if err == nil {
		return nil
	}
	f.answer.broken = true
	if timedOut(err) && !f.c.endBy.IsZero() && f.x.isOver(time.Now()) {
		return because(overall, err)
	}
	return clientError(err)
}

func (f *h1Front) flush() error {
	if f.out == nil || f.out.w == 0 {
		return nil
	}
	b := f.out.b[:f.out.w]
	f.out.w = 0
	return f.sent(f.c.write(b, f.x.site.ClientIdle))
}

// finish ends the body.
func (f *h1Front) finish(trailers []h1.Field) error {
	if f.answer.chunked {
		b := h1.AppendLastChunk(f.outgoing())
		for i := range trailers {
			b = trailers[i].Append(b)
		}
		f.keep(h1.AppendEnd(b))
	}
	return f.flush()
}

// abort closes the connection before the response's end. Where closing is the end, the client is sent a reset, and none
// of TLS's own signs of an end.
func (f *h1Front) abort() {
	_ = f.flush()
	if f.answer.cut {
		socket := f.c.t.socket
		if tcp, ok := socket.(*net.TCPConn); ok {
			_ = tcp.SetLinger(0)
		}
		_ = socket.Close()
	}
	f.answer.broken = true
}

func (f *h1Front) closeAfter() { f.c.last = true }

// page leaves the request to net/http.
func (f *h1Front) page(http.Handler) (int, int64, bool) {
	c := f.c
	early := append([]byte(nil), f.head.data()...)
	c.given, c.last = true, true
	c.s.toNetHTTP(c.t, early)
	return 0, 0, false
}

// watch reads on while nothing else does. What comes is the next request, and is kept up to a buffer's size; if the
// connection ends, the client is gone, unless it has said before that this is its last request: then it may have closed
// only its own direction, and waits for the answer. (Others may, too, but those who go look just so; see halfClosed.)
func (f *h1Front) watch(gone func()) (stop func()) {
	w := &watcher{c: f.c, stopped: make(chan struct{}), done: make(chan struct{}), patient: !f.x.req.Persistent()}
	go w.run(gone)
	return w.stop
}

type watcher struct {
	c       *conn
	patient bool

	mu      sync.Mutex
	stopped chan struct{} // closed by stop
	done    chan struct{}
}

// halfClosed is for how long a client that has closed its direction gets an answer all the same: most have closed both.
const halfClosed = time.Second

func (w *watcher) run(gone func()) {
	defer close(w.done)
	c := w.c
	for w.ready() {
		err := c.fill()
		if err == nil || timedOut(err) {
			continue // there is more, or this was stopped, or an old deadline
		}
		c.ended = true
		if err == io.EOF && (w.patient || c.in != nil) {
			return // what was read are other requests
		}
		if err == io.EOF {
			w.wait()
		}
		if err != io.EOF || !w.isStopped() {
			gone()
		}
		return
	}
}

// wait gives a client that has closed its direction a little more time.
func (w *watcher) wait() {
	t := time.NewTimer(halfClosed)
	defer t.Stop()
	select {
	case <-t.C:
	case <-w.stopped:
	}
}

func (w *watcher) isStopped() bool {
	select {
	case <-w.stopped:
		return true
	default:
		return false
	}
}

// ready makes ready for another read, unless there is no room for more, or no need.
func (w *watcher) ready() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.isStopped() || w.c.in != nil && len(w.c.in.space()) == 0 {
		return false
	}
	w.c.rd.passed()
	w.c.rd.by(w.c.nc, time.Now(), time.Time{})
	return true
}

func (w *watcher) stop() {
	w.mu.Lock()
	close(w.stopped)
	_ = w.c.nc.SetReadDeadline(longAgo)
	w.mu.Unlock()
	<-w.done
	w.c.rd.passed()
}
