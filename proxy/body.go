package proxy

import (
	"bytes"
	"errors"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
)

// keepBody is how much of a request's body is kept, in bytes, so that it can be sent once more.
const keepBody = 64 << 10

// body is the body of a request, which may have to be sent to more than one member. A body that is announced to be
// small is read before anything is sent; of any other, the beginning is kept as it passes.
type body struct {
	in      *http.Request
	stopped atomic.Bool

	mu   sync.Mutex // held while the client is waited for
	kept []byte     // the beginning, at most keepBody
	read int64      // what the client has sent of it
	err  error      // with which it ended; io.EOF if well
}

func newBody(r *http.Request) *body { return &body{in: r} }

// none reports whether there is no body.
func (b *body) none() bool {
	return b.in.ContentLength == 0 || b.in.Body == nil || b.in.Body == http.NoBody
}

// fill reads a body that is announced to be small, so that a slow client keeps no member waiting and its own faults
// come to light first. A client that wants to be asked for its body (Expect: 100-continue) is asked when a member does.
func (b *body) fill() error {
	if b.none() || b.in.ContentLength < 0 || b.in.ContentLength > keepBody || b.in.Header.Get("Expect") != "" {
		return nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.kept = make([]byte, b.in.ContentLength)
	n, err := io.ReadFull(b.in.Body, b.kept)
	b.kept, b.read, b.err = b.kept[:n], int64(n), io.EOF
	if err != nil {
		b.err = err
	}
	return b.faultLocked()
}

// replayable reports whether the body can be sent from its beginning.
func (b *body) replayable() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.read == int64(len(b.kept))
}

// fault returns what is wrong with the body, as a problem, or nil.
func (b *body) fault() error {
	if !b.mu.TryLock() {
		return nil // the client is still being waited for
	}
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

// stop ends all reading: net/http wants no handler to read on when it has returned.
func (b *body) stop() { b.stopped.Store(true) }

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
	r := &bodyReader{b: b, trailer: http.Header{}}
	r.copyTrailer()
	req.Body, req.Trailer = r, r.trailer
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
	b := r.b
	b.mu.Lock()
	defer b.mu.Unlock()
	if r.closed.Load() || b.stopped.Load() {
		return 0, http.ErrBodyReadAfterClose
	}
	if r.off < int64(len(b.kept)) {
		n := copy(p, b.kept[r.off:])
		r.off += int64(n)
		return n, nil
	}
	if r.off < b.read {
		return 0, becausef(refusedTooLate, "an attempt that was given up read %d bytes of the body", b.read)
	}
	if b.err != nil {
		r.copyTrailer()
		return 0, b.err
	}
	n, err := b.in.Body.Read(p)
	if b.read == int64(len(b.kept)) && len(b.kept)+n <= keepBody {
		b.kept = append(b.kept, p[:n]...)
	}
	b.read += int64(n)
	r.off = b.read
	if b.err = err; err != nil {
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
	maps.Copy(r.trailer, r.b.in.Trailer)
	removeUntrusted(r.trailer)
}

// removeUntrusted removes from trailers what a client might say only in its head, if at all.
func removeUntrusted(trailer http.Header) {
	removePrefixed(trailer, ourFields)
	removeForwarded(trailer, false)
	for name := range trailer {
		switch strings.ToLower(name) {
		case "connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade", "via":
			delete(trailer, name)
		}
	}
}
