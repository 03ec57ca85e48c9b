package proxy

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"time"

	"backhand/proxy/h1"
)

// httpFront is the front of a request of net/http's.
type httpFront struct {
	n       *netHTTP
	site    *site
	w       http.ResponseWriter
	r       *http.Request
	control *http.ResponseController
	headBuf *buffer // in which the exchange reads the head
	body    pausableBody
	aborted bool
	got     int64      // bytes of the body
	last    []h1.Field // trailers

	writeBy time.Time // the deadline of writing
}

func newHTTPFront(n *netHTTP, st *site, w http.ResponseWriter, r *http.Request) *httpFront {
	f := &httpFront{n: n, site: st, w: w, r: r, control: http.NewResponseController(w)}
	f.body.body = r.Body
	if r.ProtoMajor == 1 && !f.noBody() {
		_ = f.control.EnableFullDuplex() // a response may come before the end of the request's body
	}
	return f
}

// release ends what the front has started. The head is gone then.
func (f *httpFront) release() {
	unread := !f.noBody() && !f.body.done()
	f.body.stop(f.interrupt)
	if unread && f.r.ProtoMajor == 1 {
		f.closeGently()
	}
	putBuffer(f.headBuf)
	f.headBuf = nil
}

// interrupt makes a Read of the request's body return, for good.
func (f *httpFront) interrupt() {
	if f.r.ProtoMajor == 1 {
		_ = f.control.SetReadDeadline(time.Unix(1, 0)) // Close would wait for the Read
		return
	}
	_ = f.r.Body.Close()
}

// closeGently has net/http send all of the response before it closes a connection on which more of the request may come.
// That is a documented effect of this reader, and the only way that works once the head was sent.
func (f *httpFront) closeGently() {
	_ = f.control.SetReadDeadline(time.Now().Add(linger))
	tooMuch := http.MaxBytesReader(f.w, io.NopCloser(strings.NewReader("x")), 0)
	_, _ = tooMuch.Read(make([]byte, 1))
}

func (f *httpFront) noBody() bool {
	return f.r.ContentLength == 0 || f.r.Body == nil || f.r.Body == http.NoBody
}

func (f *httpFront) readBody(p []byte) (int, error) {
	if f.noBody() {
		return 0, io.EOF
	}
	n, err := f.body.Read(p)
	f.got += int64(n)
	if err == nil && f.got == f.r.ContentLength {
		err = f.bodyEnd()
	}
	if err == io.EOF && f.last == nil {
		f.last = fieldsOf(f.r.Trailer)
	}
	return n, f.bodyError(err)
}

// bodyEnd returns what comes behind a body of which all is here that was announced: io.EOF goes with the last bytes.
func (f *httpFront) bodyEnd() error {
	if len(f.r.Trailer) == 0 {
		return io.EOF // whether the stream has ended is nobody's business
	}
	_, err := f.body.Read(nil)
	return err
}

// bodyError tells a client that is gone from one that sent nonsense: of the length that it announced, or of chunks.
func (f *httpFront) bodyError(err error) error {
	switch {
	case err == nil, err == io.EOF, errors.Is(err, os.ErrDeadlineExceeded):
		return err
	case f.r.Context().Err() != nil, f.n.conn.broken.Load():
		return io.ErrUnexpectedEOF
	}
	if _, ok := errors.AsType[net.Error](err); ok || errors.Is(err, io.ErrUnexpectedEOF) {
		return io.ErrUnexpectedEOF
	}
	if f.r.ContentLength < 0 {
		return refusal("chunk_size")
	}
	return refusal("content_length")
}

// fieldsOf returns a header of net/http's as our codec has it. Names and values are valid: net/http has checked them.
func fieldsOf(h http.Header) []h1.Field {
	out := make([]h1.Field, 0, len(h))
	for name, values := range h {
		for _, v := range values {
			out = append(out, h1.Field{Name: []byte(name), Value: []byte(v), ID: h1.IDOf(name)})
		}
	}
	return out
}

func (f *httpFront) trailers() []h1.Field { return f.last }

func (f *httpFront) setBodyDeadline(t time.Time) { f.body.deadline.set(t) }

// inform passes a 1xx response on to those who understand it; 100 not, since net/http sends one to those who want it
// when their body is read.
func (f *httpFront) inform(res *h1.Response) error {
	if !f.r.ProtoAtLeast(1, 1) || res.Status == http.StatusContinue {
		return nil
	}
	h := f.w.Header()
	passFields(h, res)
	h["Content-Length"] = []string{"0"} // is not sent, but has net/http write a copy: it does so later if the client goes
	f.renew()
	f.w.WriteHeader(res.Status)
	clear(h)
	return f.gone()
}

func passFields(h http.Header, res *h1.Response) {
	for i := range res.Fields {
		if fl := &res.Fields[i]; passesBack(fl) {
			name := http.CanonicalHeaderKey(string(fl.Name))
			h[name] = append(h[name], string(fl.Value))
		}
	}
}

// respond has net/http add nothing but Date, where a member sent none (RFC 9110, section 6.6.1).
func (f *httpFront) respond(res *h1.Response, via []byte) error {
	h := f.w.Header()
	passFields(h, res)
	if len(h["Content-Type"]) == 0 {
		h["Content-Type"] = nil // else net/http would guess one
	}
	if len(via) > 0 {
		h["Via"] = append(h["Via"], string(via))
	}
	if res.Length >= 0 {
		h["Content-Length"] = []string{strconv.FormatInt(res.Length, 10)}
	}
	f.closeAfterThis(h)
	f.renew()
	f.w.WriteHeader(res.Status)
	return f.gone()
}

// closeAfterThis says that the connection ends with this response. In HTTP/2 net/http makes GOAWAY of it, and lets the
// other streams end.
func (f *httpFront) closeAfterThis(h http.Header) {
	if f.r.ProtoMajor == 1 || f.n.s.leaving() {
		h["Connection"] = []string{"close"}
	}
}

// renew gives the client time to take what is written next. Each renewal costs in HTTP/2, so it is done ahead; taking
// the deadline away is left to net/http.
func (f *httpFront) renew() {
	now, slack := time.Now(), min(f.site.ClientIdle/8, time.Second)
	if f.writeBy.Sub(now) >= f.site.ClientIdle {
		return
	}
	f.writeBy = now.Add(f.site.ClientIdle + slack)
	_ = f.control.SetWriteDeadline(f.writeBy)
}

func (f *httpFront) write(p []byte) error {
	f.renew()
	_, err := f.w.Write(p)
	return f.writeError(err)
}

func (f *httpFront) flush() error {
	f.renew()
	return f.writeError(f.control.Flush())
}

// writeError tells a client that does not read from one that is gone.
func (f *httpFront) writeError(err error) error {
	if err != nil && !f.writeBy.IsZero() && !time.Now().Before(f.writeBy) {
		return os.ErrDeadlineExceeded
	}
	return err
}

// gone returns an error if the client is gone, for methods of net/http's that tell of none.
func (f *httpFront) gone() error { return f.r.Context().Err() }

// finish leaves it to net/http to flush when the handler returns, which is at once: so the last data and the end of the
// stream make one frame. That a client goes away after all but the last 4 KiB were flushed is not noticed.
func (f *httpFront) finish(trailers []h1.Field) error {
	h := f.w.Header()
	clear(h) // the head was written: what is here now is for the trailers
	for i := range trailers {
		name := http.TrailerPrefix + http.CanonicalHeaderKey(string(trailers[i].Name))
		h[name] = append(h[name], string(trailers[i].Value))
	}
	f.renew()
	return f.gone()
}

// abort has ServeHTTP tell net/http so.
func (f *httpFront) abort() { f.aborted = true }

// closeAfter has nothing to do: a connection of HTTP/1 is closed in any case, and in HTTP/2 the rest of a body is in
// nobody's way.
func (f *httpFront) closeAfter() {}

func (f *httpFront) watch(gone func()) (stop func()) {
	done := make(chan struct{})
	unwatch := context.AfterFunc(f.r.Context(), func() { defer close(done); gone() })
	return sync.OnceFunc(func() {
		if !unwatch() {
			<-done
		}
	})
}

// page answers by a handler. A mistake in it ends this request alone.
func (f *httpFront) page(h http.Handler) (status int, bytes int64, ok bool) {
	w := &pageWriter{f: f}
	f.n.page(1)
	defer f.n.page(-1)
	if !f.noBody() {
		_ = f.control.SetReadDeadline(time.Now().Add(f.site.ClientIdle))
	}
	f.closeAfterThis(f.w.Header())
	f.servePage(w, h)
	if w.status == 0 && !f.aborted {
		w.status = http.StatusOK
	}
	return w.status, w.bytes, true
}

func (f *httpFront) servePage(w *pageWriter, h http.Handler) {
	defer func() {
		r := recover()
		if r == nil {
			return
		}
		if r != http.ErrAbortHandler {
			f.n.s.panics.Add(1)
			f.n.s.h.cfg.Log.Error("a page could not be made by a mistake in this program; please report it",
				"path", f.r.URL.Path, "panic", r, "stack", string(debug.Stack()))
		}
		if w.status == 0 && r != http.ErrAbortHandler {
			http.Error(w, "This page could not be made.", http.StatusInternalServerError)
			return
		}
		f.abort()
	}()
	h.ServeHTTP(w, f.r)
}

// pageWriter counts what a page sends.
type pageWriter struct {
	f      *httpFront
	status int
	bytes  int64
}

// Header is that of the response.
func (w *pageWriter) Header() http.Header { return w.f.w.Header() }

// WriteHeader sends the head.
func (w *pageWriter) WriteHeader(code int) {
	if w.status == 0 && (code >= 200 || code == http.StatusSwitchingProtocols) {
		w.status = code
	}
	w.f.renew()
	w.f.w.WriteHeader(code)
}

// Write sends a part of the body.
func (w *pageWriter) Write(b []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	w.f.renew()
	n, err := w.f.w.Write(b)
	w.bytes += int64(n)
	return n, err
}

// Flush sends what was written.
func (w *pageWriter) Flush() { _ = w.FlushError() }

// FlushError sends what was written.
func (w *pageWriter) FlushError() error {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	return w.f.flush()
}

// Unwrap is for http.ResponseController.
func (w *pageWriter) Unwrap() http.ResponseWriter { return w.f.w }
