package proxy

import (
	"bytes"
	"errors"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// keepBody is how much of a request's body is kept, in bytes, so that it can be sent once more.
const keepBody = 64 << 10

// fillFirst is for how much of a small body there is room at first, in bytes. More is made as it arrives: what a client
// announces costs it nothing.
const fillFirst = 4 << 10

// linger is how long a client may still send of a body of which nobody wants the rest, before its connection is closed.
// Closed at once, it might never read the response.
const linger = 5 * time.Second

// body is the body of a request, which may have to be sent to more than one member. A body that is announced to be
// small is read before anything is sent; of any other, the beginning is kept as it passes.
type body struct {
	in      *http.Request
	control *http.ResponseController // of the client's connection; nil: none
	idle    time.Duration            // how long the client may be silent
	turn    chan struct{}            // holds a token while the client is waited for; capacity 1

	mu      sync.Mutex // held for moments only
	kept    []byte     // the beginning, at most keepBody and one read more
	read    int64      // what the client has sent of it
	err     error      // with which it ended; io.EOF if well
	trailer http.Header
	last    *bodyReader // of the attempt that was made last; nil: there was none that reads as the client sends
	stopped bool        // the connection is net/http's again
}

func newBody(r *http.Request) *body {
	return &body{in: r, turn: make(chan struct{}, 1), trailer: maps.Clone(r.Trailer)}
}

// none reports whether there is no body.
func (b *body) none() bool {
	return b.in.ContentLength == 0 || b.in.Body == nil || b.in.Body == http.NoBody
}

// small reports whether the body is to be read before anything is sent. A client that wants to be asked for its body
// (Expect: 100-continue) is asked when a member does.
func (b *body) small() bool {
	return 0 < b.in.ContentLength && b.in.ContentLength <= keepBody && b.in.Header.Get("Expect") == ""
}

// fill reads a body that is announced to be small, so that a slow client keeps no member waiting and its own faults
// come to light first.
func (b *body) fill() error {
	if b.none() || !b.small() {
		return nil
	}
	for want := int(b.in.ContentLength); b.err == nil; {
		if len(b.kept) == cap(b.kept) {
			more := make([]byte, len(b.kept), min(want, max(fillFirst, 2*cap(b.kept))))
			copy(more, b.kept)
			b.kept = more
		}
		b.renew(b.idle)
		n, err := b.in.Body.Read(b.kept[len(b.kept):cap(b.kept)])
		b.kept = b.kept[:len(b.kept)+n]
		switch {
		case len(b.kept) == want:
			err = io.EOF
		case err == io.EOF:
			err = io.ErrUnexpectedEOF
		}
		b.took(n, err)
	}
	return b.fault()
}

// renew gives the client that long for its next byte. It must not be called later than stop: deadlines are those of
// the connection, on which the next request may come.
func (b *body) renew(d time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.stopped {
		b.setDeadline(time.Now().Add(d)) // the clock of the sockets, not that of the handler
	}
}

// setDeadline reports whether it could.
func (b *body) setDeadline(t time.Time) bool {
	return b.control != nil && !b.none() && b.control.SetReadDeadline(t) == nil
}

// took notes what a read brought.
func (b *body) took(n int, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.tookLocked(n, err)
}

func (b *body) tookLocked(n int, err error) {
	b.read += int64(n)
	b.err = err
	if err == nil {
		return
	}
	b.trailer = maps.Clone(b.in.Trailer)
	if err == io.EOF && !b.stopped {
		b.setDeadline(time.Time{}) // net/http watches the connection now, to see whether the client goes
	}
}

// replayable reports whether the body can be sent from its beginning.
func (b *body) replayable() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.read == int64(len(b.kept))
}

// fault returns what is wrong with the body, as a problem, or nil.
func (b *body) fault() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.faultLocked()
}

func (b *body) faultLocked() error {
	switch {
	case b.err == nil, b.err == io.EOF:
		return nil
	case errors.Is(b.err, os.ErrDeadlineExceeded):
		return because(clientSlow, b.err)
	case errors.Is(b.err, io.ErrUnexpectedEOF), errors.Is(b.err, io.ErrClosedPipe):
		return because(clientGone, b.err)
	}
	if _, ok := errors.AsType[net.Error](b.err); ok {
		return because(clientGone, b.err)
	}
	return because(badBody, b.err)
}

// stop ends all reading, and returns when there is none: net/http wants no handler to read on when it has returned, and
// may wait for ever if one does. It reports whether there may be more of the body: then the connection is not to be used
// again, since net/http may stop in the middle of the rest.
func (b *body) stop() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.stopped {
		b.stopped = true
		b.interrupt()
		if b.err == nil {
			b.setDeadline(time.Now().Add(linger))
		}
	}
	return b.last != nil && b.err != io.EOF
}

// interrupt ends the read that waits for the client, if there is one. It lets go of the lock while it waits.
func (b *body) interrupt() {
	if len(b.turn) > 0 && b.setDeadline(time.Unix(1, 0)) {
		b.mu.Unlock()
		b.turn <- struct{}{}
		<-b.turn // who takes it now finds that reading is stopped
		b.mu.Lock()
	}
}

// attach gives a request that is about to be sent the body, from its beginning, and its trailers.
func (b *body) attach(req *http.Request) {
	req.Body, req.GetBody, req.Trailer = nil, nil, nil
	if b.none() {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.err == io.EOF && b.read == int64(len(b.kept)) && b.in.ContentLength > 0 {
		req.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(b.kept)), nil }
		req.Body, _ = req.GetBody()
		return
	}
	if b.last != nil {
		b.last.closed.Store(true) // net/http closes it only when its Read has returned
	} else if b.control != nil {
		// Else net/http would wait for the client before it sends a response.
		_ = b.control.EnableFullDuplex()
	}
	b.last = &bodyReader{b: b, trailer: http.Header{}}
	b.last.copyTrailer()
	req.Body, req.Trailer = b.last, b.last.trailer
}

// bodyReader reads the body for one attempt. It may outlive the attempt: net/http gives no sign of the last Read.
type bodyReader struct {
	b       *body
	off     int64
	closed  atomic.Bool
	trailer http.Header // of this attempt alone, since each is read by another goroutine
}

// Read returns what was kept, then what the client sends.
func (r *bodyReader) Read(p []byte) (int, error) {
	if n, known, err := r.readKnown(p); known {
		return n, err
	}
	r.b.turn <- struct{}{}
	defer func() { <-r.b.turn }()
	// An attempt that was given up may have read something while we waited for our turn.
	if n, known, err := r.readKnown(p); known {
		return n, err
	}
	return r.readOn(p)
}

// readKnown returns what can be told without the client; known is false if only the client can tell.
func (r *bodyReader) readKnown(p []byte) (n int, known bool, err error) {
	b := r.b
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case r.closed.Load() || b.stopped:
		return 0, true, http.ErrBodyReadAfterClose
	case r.off < int64(len(b.kept)):
		n = copy(p, b.kept[r.off:])
		r.off += int64(n)
		return n, true, nil
	case r.off < b.read:
		return 0, true, becausef(refusedTooLate, "an attempt that was given up read %d bytes of the body", b.read)
	case b.err != nil:
		r.copyTrailer()
		return 0, true, b.err
	}
	return 0, false, nil
}

// readOn waits for the client. What comes for an attempt that was given up meanwhile is kept for the next.
func (r *bodyReader) readOn(p []byte) (int, error) {
	b := r.b
	b.renew(b.idle)
	n, err := b.in.Body.Read(p)
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.read == int64(len(b.kept)) && (len(b.kept)+n <= keepBody || r.closed.Load()) {
		b.kept = append(b.kept, p[:n]...)
	}
	b.tookLocked(n, err)
	r.off = b.read
	if err != nil {
		r.copyTrailer()
	}
	return n, err
}

// Close ends this attempt's reading. The client's body stays open for the next.
func (r *bodyReader) Close() error {
	r.closed.Store(true)
	return nil
}

// copyTrailer takes over the trailers as they are known: their names at the beginning, their values at the end.
func (r *bodyReader) copyTrailer() {
	maps.Copy(r.trailer, r.b.trailer)
	removeUntrusted(r.trailer)
}
