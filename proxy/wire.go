package proxy

import (
	"bufio"
	"context"
	"errors"
	"io"
	"log"
	"maps"
	"net"
	"net/http"
	"net/http/httputil"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"backhand/gossip/node"
)

// What is here, in dial.go and in body.go, is all that knows how net/http works.

type (
	exchangeKey struct{}
	handoverKey struct{}
)

// exchangeOf returns the exchange to which a request that we made belongs.
func exchangeOf(ctx context.Context) *exchange { return ctx.Value(exchangeKey{}).(*exchange) }

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// newReverseProxy returns what copies heads and bodies, serves upgraded connections, and passes trailers and 1xx
// responses on.
func newReverseProxy() *httputil.ReverseProxy {
	return &httputil.ReverseProxy{
		Rewrite:        func(pr *httputil.ProxyRequest) { exchangeOf(pr.Out.Context()).rewrite(pr.Out) },
		Transport:      roundTripper(func(r *http.Request) (*http.Response, error) { return exchangeOf(r.Context()).attempts(r) }),
		ModifyResponse: func(res *http.Response) error { exchangeOf(res.Request.Context()).passOn(res); return nil },
		ErrorHandler:   func(_ http.ResponseWriter, r *http.Request, err error) { exchangeOf(r.Context()).fail(err) },
		FlushInterval:  -1, // what an origin sends early, it means to be seen early
		BufferPool:     &buffers{sync.Pool{New: func() any { return new([32 << 10]byte) }}},
		ErrorLog:       log.New(io.Discard, "", 0), // what it would say is in Outcome.Err
	}
}

type buffers struct{ pool sync.Pool }

func (b *buffers) Get() []byte  { return b.pool.Get().(*[32 << 10]byte)[:] }
func (b *buffers) Put(p []byte) { b.pool.Put((*[32 << 10]byte)(p)) }

// forward hands the request on.
func (x *exchange) forward() {
	if err := x.body.fill(); err != nil {
		x.fail(err)
		return
	}
	r := x.in.WithContext(context.WithValue(x.in.Context(), exchangeKey{}, x))
	if !x.body.none() {
		r.Body = http.NoBody // each attempt attaches its own; ReverseProxy would wait for the client to close this one
	}
	if upgrade(r) == "" && len(r.Header["Upgrade"]) > 0 {
		r.Header = withoutUpgrade(r.Header)
	}
	x.h.proxy.ServeHTTP(x.w, r)
}

// rewrite completes the head of the request that is handed on. ReverseProxy has removed hop-by-hop fields, those named
// in Connection first.
func (x *exchange) rewrite(out *http.Request) {
	setTarget(out.URL, x.raw, x.query) // ReverseProxy has thrown away a query with a semicolon
	h := out.Header
	removePrefixed(h, ourFields)
	if x.hop != nil {
		x.keepForwarded(h)
	} else {
		removeForwarded(h, contains(x.site.Trusted, x.peer))
		x.client.set(h)
	}
	addVia(h, x.in.ProtoMajor, x.in.ProtoMinor, pseudonym(x.h.cfg.Self))
	if n, limited := maxForwards(x.in); limited {
		h["Max-Forwards"] = []string{strconv.Itoa(n - 1)}
	}
}

// keepForwarded puts back what the first agent said of the client; ReverseProxy removes it in any case.
func (x *exchange) keepForwarded(h http.Header) {
	named := namedInConnection(x.in.Header)
	for _, name := range []string{"Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto"} {
		if v := x.in.Header[name]; len(v) > 0 && !named(name) {
			h[name] = v
		}
	}
}

// roundTrip sends the request to the member, and returns its response when the head is there.
func (w *wire) roundTrip(ho *handover, out *http.Request) (*http.Response, error) {
	req := out.WithContext(context.WithValue(out.Context(), handoverKey{}, ho))
	u := *out.URL
	u.Scheme, u.Host = ho.scheme, ho.addr
	req.URL = &u
	req.Header = maps.Clone(out.Header)
	ho.x.body.attach(req)
	replay(req)
	if !ho.toAgent {
		return w.servers.RoundTrip(req)
	}
	c := ho.x.client
	req.Header[fieldHop] = []string{hop{
		Sender: ho.x.h.cfg.Self, Farm: ho.member.Farm, Client: c.Client, Proto: c.Proto,
	}.String()}
	return w.agents.RoundTrip(req)
}

// replay tells net/http which requests it may send again, if a connection that was used before turns out to be closed:
// those that are idempotent (RFC 9110, section 9.2.2) and can be sent again. It takes the presence of Idempotency-Key
// for a promise, which is the client's to give, not ours to use: written in lower case, the field is one that net/http
// does not know.
func replay(req *http.Request) {
	for _, name := range []string{"Idempotency-Key", "X-Idempotency-Key"} {
		if v, ok := req.Header[name]; ok {
			delete(req.Header, name)
			req.Header[strings.ToLower(name)] = v
		}
	}
	if req.Method == http.MethodPut || req.Method == http.MethodDelete {
		req.Header["X-Idempotency-Key"] = []string{} // marks it and is not sent, see http.Transport
	}
}

// receive makes a response ready to be passed on.
func (ho *handover) receive(res *http.Response) (*http.Response, error) {
	if res.StatusCode != http.StatusSwitchingProtocols {
		res.Body = &passing{ReadCloser: res.Body, ho: ho, res: res}
		return res, nil
	}
	rw, ok := res.Body.(io.ReadWriteCloser)
	want, got := res.Request.Header.Get("Upgrade"), res.Header.Get("Upgrade")
	if !ok || want == "" || !strings.EqualFold(want, got) || !namedInConnection(res.Header)("Upgrade") {
		_ = res.Body.Close() // ReverseProxy would leave it open
		err := becausef(notHTTP, "%s switches to %q, where %q was asked for", ho.addr, got, want)
		ho.fail(notHTTP)
		return nil, err
	}
	ho.end(node.Completed, false) // what comes now is no request
	ho.x.tunnel = &tunnel{ReadWriteCloser: rw}
	res.Body = ho.x.tunnel
	return res, nil
}

// passOn completes the head of a response.
func (x *exchange) passOn(res *http.Response) {
	removePrefixed(res.Header, ourFields)
	removeUntrusted(res.Trailer)
	addVia(res.Header, res.ProtoMajor, res.ProtoMinor, pseudonym(x.h.cfg.Self))
	x.w.passes = true
}

// passing is the body of a response on its way through. ReverseProxy closes it after the last byte was written to the
// client, or after something failed.
type passing struct {
	io.ReadCloser
	ho  *handover
	res *http.Response
	err error // with which reading ended
}

// Read notes how the body ends.
func (p *passing) Read(b []byte) (int, error) {
	n, err := p.ReadCloser.Read(b)
	if err != nil {
		p.err = err
		removeUntrusted(p.res.Trailer)
	}
	return n, err
}

// Close counts the end of the request at the member.
func (p *passing) Close() error {
	err := p.ReadCloser.Close()
	x := p.ho.x
	switch {
	case p.err == io.EOF && p.res.StatusCode >= http.StatusInternalServerError:
		p.ho.end(node.Failed, false)
	case p.err == io.EOF:
		p.ho.end(node.Completed, false)
	case x.w.err != nil:
		p.ho.end(node.GaveUp, false) // see exchange.end
	case x.in.Context().Err() != nil:
		x.reason, x.out.Err = clientGone, because(clientGone, x.in.Context().Err())
		p.ho.end(node.GaveUp, false)
	default:
		x.reason, x.out.Err = brokenOff, because(brokenOff, p.err)
		p.ho.end(node.Failed, true)
	}
	return err
}

// tunnel is the member's end of a connection that was upgraded.
type tunnel struct {
	io.ReadWriteCloser
	read atomic.Int64
}

// Read counts what comes from the member.
func (t *tunnel) Read(b []byte) (int, error) {
	n, err := t.ReadWriteCloser.Read(b)
	t.read.Add(int64(n))
	return n, err
}

// CloseWrite says that the client sends no more, where the connection can say so.
func (t *tunnel) CloseWrite() error { return closeWrite(t.ReadWriteCloser) }

func closeWrite(c any) error {
	if cw, ok := c.(interface{ CloseWrite() error }); ok {
		return cw.CloseWrite()
	}
	return http.ErrNotSupported
}

// responseWriter notes what the client got.
type responseWriter struct {
	http.ResponseWriter
	x      *exchange
	passes bool  // the response is a member's, to be left as it is
	status int   // 0: no head was sent
	bytes  int64 // of the body
	err    error // the first with which writing failed

	control *http.ResponseController
}

func (x *exchange) newResponseWriter(w http.ResponseWriter) *responseWriter {
	return &responseWriter{ResponseWriter: w, x: x, control: http.NewResponseController(w)}
}

// renew gives the client time to take what is written next. Taking the deadline away is left to net/http, which does so
// when the response has ended, or when the connection is given away by Hijack.
func (w *responseWriter) renew() { w.renewFor(w.x.site.ClientIdle) }

func (w *responseWriter) renewFor(d time.Duration) { _ = w.control.SetWriteDeadline(time.Now().Add(d)) }

// failed notes the first error of writing.
func (w *responseWriter) failed(err error) {
	if w.err == nil && err != nil && !errors.Is(err, http.ErrNotSupported) {
		w.err = err
	}
}

// fault returns as a problem why the client could not be written to.
func (w *responseWriter) fault() *problem {
	if errors.Is(w.err, os.ErrDeadlineExceeded) {
		return because(clientSlow, w.err)
	}
	return because(clientGone, w.err)
}

// closeAfter has the connection closed after the response. Closing it is a documented effect of the reader, and the only
// way that works when the head was sent already.
func (w *responseWriter) closeAfter() {
	tooMuch := http.MaxBytesReader(w.ResponseWriter, io.NopCloser(strings.NewReader("x")), 0)
	_, _ = tooMuch.Read(make([]byte, 1))
}

// Unwrap is for http.ResponseController.
func (w *responseWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// WriteHeader sends a head.
func (w *responseWriter) WriteHeader(code int) {
	if code < 200 && code != http.StatusSwitchingProtocols {
		w.inform(code)
		return
	}
	if w.status == 0 {
		w.status = code
	}
	if h := w.Header(); w.passes && len(h["Content-Type"]) == 0 {
		h["Content-Type"] = nil // else net/http would guess one
	}
	w.ResponseWriter.WriteHeader(code)
}

// inform passes a 1xx response on, to those who understand it; 100 not, since net/http sends one to those who want it
// when their body is read.
func (w *responseWriter) inform(code int) {
	removePrefixed(w.Header(), ourFields)
	if !w.x.in.ProtoAtLeast(1, 1) || code == http.StatusContinue {
		return
	}
	w.renew()
	w.ResponseWriter.WriteHeader(code)
}

// Write sends a part of the body.
func (w *responseWriter) Write(b []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	w.renew()
	n, err := w.ResponseWriter.Write(b)
	w.bytes += int64(n)
	w.failed(err)
	return n, err
}

// Flush sends what was written.
func (w *responseWriter) Flush() { _ = w.FlushError() }

// FlushError sends what was written.
func (w *responseWriter) FlushError() error {
	w.renew()
	err := w.control.Flush()
	w.failed(err)
	return err
}

// Hijack gives the client's connection away. What the client sent behind its request, before it was answered, is still
// to be read from it; ReverseProxy would forget it.
func (w *responseWriter) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, brw, err := w.control.Hijack()
	if err != nil {
		return nil, nil, err
	}
	w.status = http.StatusSwitchingProtocols
	if n := brw.Reader.Buffered(); n > 0 {
		early, _ := brw.Reader.Peek(n)
		conn = &earlyConn{Conn: conn, early: append([]byte{}, early...)}
	}
	return conn, brw, nil
}

// earlyConn is a connection of which some bytes were read already.
type earlyConn struct {
	net.Conn
	early []byte
}

// Read returns those first.
func (c *earlyConn) Read(b []byte) (int, error) {
	if len(c.early) == 0 {
		return c.Conn.Read(b)
	}
	n := copy(b, c.early)
	c.early = c.early[n:]
	return n, nil
}

// CloseWrite says that nothing more is sent, where the connection can say so.
func (c *earlyConn) CloseWrite() error { return closeWrite(c.Conn) }
