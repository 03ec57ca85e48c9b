package proxy

import (
	"bytes"
	"context"
	"crypto/tls"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"backhand/proxy/h1"
)

// Connections that speak HTTP/2, and those of HTTP/1 that ask for a page of ours, are net/http's. Each has an
// http.Server of its own: so it has the limits and times of the site as it was when the connection began, can be told
// to go alone, and is served by the goroutine that accepted it.
//
// What bounds an attacker in HTTP/2: MaxConcurrentStreams is the number of handlers that run at once for a connection,
// whether their streams were reset meanwhile or not, and four times as many may wait; then the connection is closed
// (rapid reset, CVE-2023-44487). MaxHeaderBytes bounds a head, whether it comes in one frame or in CONTINUATION frames
// without end (CVE-2023-45288), and what HPACK makes of it. MaxReadFrameSize is the memory of one frame, and
// MaxReceiveBufferPerConnection that of all bodies of a connection which nobody has read yet. WriteByteTimeout ends a
// connection that takes nothing from us, whatever its streams do.
const (
	mostStreams       = 250
	frameSize         = 16 << 10
	bodiesPerConn     = 1 << 20
	bodiesPerStream   = 256 << 10
	headSlack         = 4 << 10 // for what our codec counts and HTTP/2 does not: it is our codec that refuses a head
	fieldOverhead     = 32      // by which HTTP/2 counts each field as larger (RFC 9113, section 6.5.2)
	http2PrefaceBegin = "PRI * HTTP/2"
)

// netHTTP is a connection that net/http serves.
type netHTTP struct {
	s     *Server
	a     arrival
	conn  *served  // what net/http closes
	ln    *oneConn // which net/http gets it from
	http2 bool
	http  http.Server
	shut  chan struct{} // closed when net/http has closed the connection

	mu     sync.Mutex
	active int  // requests
	pages  int  // of them, those that a page of ours answers
	over   bool // no request may begin any more
	last   chan struct{}
}

// toNetHTTP has net/http serve the connection, once its goroutine is through with it: one that begins with the preface of
// HTTP/2, or whose next request is for a page of ours. The bytes that were read from it already are copied.
func (s *Server) toNetHTTP(t *tracked, early []byte) {
	n := &netHTTP{s: s, a: t.a, shut: make(chan struct{})}
	nc := t.nc
	tc, _ := nc.(*tls.Conn)
	switch {
	case tc != nil && isHTTP2(nc):
		n.http2 = true
		n.conn = tc.NetConn().(*served)
	case tc != nil:
		n.conn = newServed(tc, bytes.Clone(early), t.client)
		nc = servedTLS{n.conn, tc}
	default:
		n.http2 = bytes.HasPrefix(early, []byte(http2PrefaceBegin))
		n.conn = newServed(nc, bytes.Clone(early), t.client)
		nc = n.conn
	}
	t.idle.Store(isBusy)
	_ = nc.SetDeadline(time.Time{})
	n.ln = &oneConn{addr: nc.LocalAddr(), conn: make(chan net.Conn, 1), done: make(chan struct{})}
	n.ln.conn <- nc
	n.conn.onClose = func() { close(n.shut); _ = n.ln.Close() }
	n.configure(s.h.site.Load())
	t.handed = n
	t.http.Store(n)
}

// configure sets up the http.Server.
func (n *netHTTP) configure(st *site) {
	head, fields := h1.DefaultHead, h1.DefaultFields
	if st.Limits != nil && st.Limits.Head > 0 {
		head = st.Limits.Head
	}
	if st.Limits != nil && st.Limits.Fields > 0 {
		fields = st.Limits.Fields
	}
	n.http.Handler = n
	n.http.ErrorLog = n.s.http
	n.http.ReadHeaderTimeout, n.http.IdleTimeout = st.ClientHead, st.KeepAlive
	n.http.MaxHeaderBytes = head + fieldOverhead*fields + headSlack
	n.http.DisableGeneralOptionsHandler = true
	n.http.Protocols = new(http.Protocols)
	n.http.Protocols.SetHTTP1(!n.http2)
	n.http.Protocols.SetHTTP2(n.http2)
	n.http.Protocols.SetUnencryptedHTTP2(n.http2)
	n.http.HTTP2 = &http.HTTP2Config{
		MaxConcurrentStreams: mostStreams, MaxReadFrameSize: frameSize,
		MaxReceiveBufferPerConnection: bodiesPerConn, MaxReceiveBufferPerStream: bodiesPerStream,
		WriteByteTimeout: st.ClientIdle + st.ClientIdle/4, // after the deadlines of its streams
		CountError:       func(string) { n.s.badHTTP2.Add(1) },
	}
}

// serve serves the connection to its end, and returns when no handler runs any more.
func (n *netHTTP) serve() {
	_ = n.http.Serve(n.ln) // returns when the connection is closed, or after goAway
	if nc := n.ln.take(); nc != nil {
		_ = nc.Close() // net/http has not had it
	}
	<-n.shut
	n.wait()
}

// goAway tells the client to make no further use of a connection of HTTP/2. What it has asked for is answered.
func (n *netHTTP) goAway() {
	if !n.http2 || !n.ln.accepted.Load() {
		return // it is closed after its next response in any case
	}
	gone, cancel := context.WithCancel(context.Background())
	cancel() // do not wait
	_ = n.http.Shutdown(gone)
}

// begin counts a request. It returns false if the connection is over.
func (n *netHTTP) begin() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.over {
		return false
	}
	n.active++
	return true
}

func (n *netHTTP) end() {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.active--; n.active == 0 && n.last != nil {
		close(n.last)
	}
}

// page counts one request more, or less, that a page answers, and says so to Shutdown.
func (n *netHTTP) page(d int) {
	n.mu.Lock()
	n.pages += d
	n.mu.Unlock()
	n.s.conns.changed()
}

// onlyPages reports whether all requests are answered by pages, and there is one.
func (n *netHTTP) onlyPages() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.pages > 0 && n.pages == n.active
}

// wait lets no request begin any more and waits for those under way.
func (n *netHTTP) wait() {
	n.mu.Lock()
	n.over = true
	if n.active == 0 {
		n.mu.Unlock()
		return
	}
	n.last = make(chan struct{})
	n.mu.Unlock()
	<-n.last
}

// ServeHTTP runs the exchange for a request of net/http's.
func (n *netHTTP) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !n.begin() {
		panic(http.ErrAbortHandler)
	}
	defer n.end()
	st := n.s.h.site.Load()
	f := newHTTPFront(n, st, w, r)
	defer f.release()
	a := n.a
	if n.http2 {
		a.proto = r.Proto
	}
	head, err := f.makeHead(r)
	n.s.exchange(f, &a, st.Limits, head, err)
	if f.aborted {
		panic(http.ErrAbortHandler)
	}
}

// runExchange has the exchange answer a request, which passes the checks of our codec first.
func (s *Server) runExchange(f front, a *arrival, lim *h1.Limits, head []byte, err error) {
	x := s.h.newExchange()
	defer x.release()
	if err == nil {
		var size int
		if size, err = h1.ParseRequest(head, lim, &x.req); err == nil && size != len(head) {
			err = refusal("start_line") // what follows would be another request; cannot be, see makeHead
		}
	}
	if err != nil {
		x.refuse(f, a, err)
		return
	}
	x.serve(f, a)
}

// oneConn is a listener that accepts one connection.
type oneConn struct {
	addr     net.Addr
	conn     chan net.Conn // capacity 1
	done     chan struct{}
	once     sync.Once
	accepted atomic.Bool // net/http serves the connection
}

// Accept returns the connection, once, and then waits until the listener is closed.
func (l *oneConn) Accept() (net.Conn, error) {
	if nc := l.take(); nc != nil {
		return nc, nil
	}
	l.accepted.Store(true)
	<-l.done
	return nil, net.ErrClosed
}

// take returns the connection if nobody has it yet, or nil.
func (l *oneConn) take() net.Conn {
	select {
	case nc := <-l.conn:
		return nc
	default:
		return nil
	}
}

// Close ends Accept.
func (l *oneConn) Close() error { l.once.Do(func() { close(l.done) }); return nil }

// Addr is that of the listener at which the connection was accepted.
func (l *oneConn) Addr() net.Addr { return l.addr }

// servedTLS tells net/http of the TLS that is spoken below.
type servedTLS struct {
	*served
	tls *tls.Conn
}

// ConnectionState is for Request.TLS.
func (c servedTLS) ConnectionState() tls.ConnectionState { return c.tls.ConnectionState() }

// netHTTPLog passes on what net/http says, most of which is about clients.
type netHTTPLog struct{ s *Server }

// Write is called with a line.
func (l netHTTPLog) Write(b []byte) (int, error) {
	level := slog.LevelDebug
	if i := bytes.Index(b, []byte(": panic serving ")); i >= 0 && i < len("http2: ") {
		l.s.panics.Add(1)
		level = slog.LevelError // a mistake of ours
	}
	l.s.h.cfg.Log.Log(context.Background(), level, "net/http: "+string(bytes.TrimSpace(b)))
	return len(b), nil
}
