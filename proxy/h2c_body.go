package proxy

import (
	"io"
	"net"
	"net/http"
	"sync"
	"time"

	"backhand/proxy/h1"
)

// h2cUpload is the body of a request as net/http reads it, in a goroutine of its own: all of it at once, or part by part
// as the pump brings it. When it was closed, nothing of what belongs to the exchange is touched any more.
type h2cUpload struct {
	req  *http.Request // whose Trailer is filled at the end
	pipe net.Conn      // from which parts are read; nil: all is in rest
	feed net.Conn      // its other end

	mu       sync.Mutex
	rest     []byte
	trailers http.Header
	ended    bool // nothing comes behind what was written
	closed   bool
}

// newH2CUpload returns a body that is written part by part.
func newH2CUpload() *h2cUpload {
	u := new(h2cUpload)
	u.pipe, u.feed = net.Pipe()
	return u
}

// Read is net/http's. A body that does not end as it should is an error, which resets the stream.
func (u *h2cUpload) Read(p []byte) (int, error) {
	if u.pipe == nil {
		return u.readRest(p)
	}
	n, err := u.pipe.Read(p)
	if err == io.EOF {
		err = u.end()
	}
	return n, err
}

func (u *h2cUpload) readRest(p []byte) (int, error) {
	u.mu.Lock()
	n := copy(p, u.rest)
	u.rest = u.rest[n:]
	more := len(u.rest) > 0
	u.mu.Unlock()
	if more {
		return n, nil
	}
	return n, u.end()
}

// end returns io.EOF if all of the body was there. net/http looks for trailers then.
func (u *h2cUpload) end() error {
	u.mu.Lock()
	defer u.mu.Unlock()
	if !u.ended || u.closed {
		return io.ErrUnexpectedEOF
	}
	if u.req.Trailer != nil {
		u.req.Trailer = u.trailers
	}
	return io.EOF
}

// Close is called by net/http when it wants no more, and by the stream when it ends.
func (u *h2cUpload) Close() error {
	u.mu.Lock()
	u.closed, u.rest = true, nil
	u.mu.Unlock()
	if u.pipe != nil {
		_ = u.pipe.Close()
	}
	return nil
}

// finish says that nothing comes behind what was written, but these trailers.
func (u *h2cUpload) finish(trailers http.Header) {
	u.mu.Lock()
	u.ended, u.trailers = true, trailers
	u.mu.Unlock()
	if u.feed != nil {
		_ = u.feed.Close()
	}
}

// headerOf returns fields as net/http has them.
func headerOf(fields func(yield func(*h1.Field) bool)) http.Header {
	h := http.Header{}
	for f := range fields {
		h.Add(string(f.Name), string(f.Value))
	}
	return h
}

// Write brings a part of the request's body, and returns when net/http has taken it.
func (s *h2cStream) Write(p []byte) (int, error) {
	if s.upload == nil || s.upload.feed == nil {
		return 0, net.ErrClosed
	}
	return s.upload.feed.Write(p)
}

// SetWriteDeadline is for Write.
func (s *h2cStream) SetWriteDeadline(t time.Time) error {
	if s.upload == nil || s.upload.feed == nil {
		return net.ErrClosed
	}
	return s.upload.feed.SetWriteDeadline(t)
}
