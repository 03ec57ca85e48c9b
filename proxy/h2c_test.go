package proxy

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"backhand/gossip/node"
)

// Members that speak HTTP/2 in plain text: what net/http's server gets and gives. Frames as they should not be are in
// h2c_frames_test.go.

const h2cAddr = "10.0.0.20:8080"

// serveH2C runs a web server that speaks HTTP/2 only.
func (l *lab) serveH2C(addr string, h http.Handler) *http.Server {
	l.t.Helper()
	srv := &http.Server{Handler: h, Protocols: onlyH2C}
	ln := l.net.listen(addr)
	go func() { _ = srv.Serve(ln) }()
	l.t.Cleanup(func() { _ = srv.Close() })
	return srv
}

// inH2C runs a test with a front whose only member is a server that speaks HTTP/2. Clients speak HTTP/1.1 to it, or
// HTTP/2 by tr.
func inH2C(t *testing.T, member http.HandlerFunc, f func(t *testing.T, l *lab, tr *http.Transport)) {
	t.Helper()
	inLab(t, func(t *testing.T, l *lab) {
		l.serveH2C(h2cAddr, member)
		l.addPhysical("web", "p", "h2c://"+h2cAddr)
		s := l.toWeb()
		s.ClientIdle, s.ResponseHead, s.ResponseIdle = 10*time.Second, 30*time.Second, 20*time.Second
		l.agent("front", frontAddr, s)
		f(t, l, l.h2())
	})
}

// h2 is a client that speaks HTTP/2 with the front.
func (l *lab) h2() *http.Transport {
	tr := &http.Transport{Protocols: onlyH2C, DisableCompression: true, DialContext: l.dialFront}
	l.t.Cleanup(tr.CloseIdleConnections)
	return tr
}

func (l *lab) dialFront(ctx context.Context, _, _ string) (net.Conn, error) {
	return l.net.dial(ctx, netip.MustParseAddr(clientAddr), frontAddr)
}

func TestH2CRequestAndResponse(t *testing.T) {
	member := func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Proto", r.Proto)
		w.Header()["X-Two"] = []string{"a", "b"}
		w.Header().Set("Link", "</x>")
		w.WriteHeader(http.StatusEarlyHints)
		w.Header().Del("Link")
		echo(w, r)
	}
	inH2C(t, member, func(t *testing.T, l *lab, _ *http.Transport) {
		c := l.conn(clientAddr, frontAddr)
		go func() {
			_, _ = io.WriteString(c, strings.ReplaceAll("POST //a%20b/./c?x=1&y HTTP/1.1\nHost: Example.com:81\nCookie: a=1; b=2\n"+
				"X-Forwarded-For: 203.0.113.9\nConnection: X-Hop, TE, close\nX-Hop: 1\nTE: trailers, gzip\nKeep-Alive: 5\nVia: 1.0 other\n"+
				"Accept: a\nAccept: b\nTransfer-Encoding: chunked\nTrailer: X-Sum\n\n5\nhello\n0\nX-Sum: 7\nX-Late: 8\n\n", "\n", "\r\n"))
		}()
		var b bytes.Buffer
		_, _ = io.Copy(&b, c)
		hints, rest, _ := strings.Cut(b.String(), "\r\n\r\n")
		if hints != "HTTP/1.1 103 Early Hints\r\nLink: </x>" && !strings.HasPrefix(hints, "HTTP/1.1 103 Early Hints\r\n") {
			t.Errorf("first there came %q", hints)
		}
		for _, want := range []string{
			"HTTP/1.1 200 OK\r\n", "X-Proto: HTTP/2.0\r\n", "X-Two: a\r\nX-Two: b\r\n", "\r\nVia: 2.0 backhand-", "Date: ",
			"POST //a%20b/./c?x=1&y\n", "Host: Example.com:81\n", "Cookie: a=1; b=2\n", "X-Forwarded-For: " + clientAddr + "\n",
			"Te: trailers\n", "Via: 1.0 other\nVia: 1.1 backhand-", "Accept: a\nAccept: b\n", "\n\nhello\n", "X-Sum: 7\n",
		} {
			if !strings.Contains(rest, want) {
				t.Errorf("there is no %q in\n%s", want, rest)
			}
		}
		for _, not := range []string{"X-Hop", "Keep-Alive", "Content-Length: 5", "User-Agent", "Accept-Encoding", "203.0.113.9"} {
			if strings.Contains(rest, not) {
				t.Errorf("there is %q in\n%s", not, rest)
			}
		}
		if o := l.outcome(); o.Status != 200 || o.Err != nil || o.Attempts != 1 || o.Wait > time.Second {
			t.Errorf("outcome: %+v", o)
		}
	})
}

func TestH2CBodiesPassUnchanged(t *testing.T) {
	member := func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		if r.URL.Path == "/length" {
			w.Header().Set("Content-Length", fmt.Sprint(len(b)))
		}
		w.Header().Set("X-Length", fmt.Sprint(r.ContentLength))
		_, _ = w.Write(b)
	}
	inH2C(t, member, func(t *testing.T, l *lab, tr *http.Transport) {
		for name, tr := range map[string]*http.Transport{"HTTP/1.1": {DialContext: l.dialFront}, "HTTP/2": tr} {
			defer tr.CloseIdleConnections()
			for _, size := range []int{0, 1, 5000, 64 << 10, 64<<10 + 1, 3 << 20} {
				sent := bytes.Repeat([]byte("0123456"), size/7+1)[:size]
				for _, known := range []bool{true, false} {
					for _, path := range []string{"/", "/length"} {
						var body io.Reader = bytes.NewReader(sent)
						want := fmt.Sprint(size)
						if !known {
							body, want = io.NopCloser(body), "-1"
						}
						res, got := fetch(tr, newRequest(t, "PUT", path, body))
						if got != string(sent) || res.StatusCode != 200 || path == "/length" && res.ContentLength != int64(size) {
							t.Errorf("%s, %d bytes, length known %v, to %s: %d came back, %d announced, status %d: %.200s",
								name, size, known, path, len(got), res.ContentLength, res.StatusCode, got)
						}
						if got := res.Header.Get("X-Length"); got != want {
							t.Errorf("%s: of %d bytes, length known %v, the member saw %s announced", name, size, known, got)
						}
					}
				}
			}
		}
	})
}

func TestH2CResponsesWithoutBody(t *testing.T) {
	member := func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/204":
			w.WriteHeader(204)
		case "/304":
			w.Header().Set("Etag", `"x"`)
			w.WriteHeader(304)
		case "/empty":
		default:
			w.Header().Set("Content-Length", "1000")
		}
	}
	inH2C(t, member, func(t *testing.T, l *lab, _ *http.Transport) {
		for _, c := range []struct {
			method, path string
			status       int
			length       string
		}{
			{"HEAD", "/", 200, "1000"}, {"GET", "/204", 204, ""}, {"GET", "/304", 304, ""}, {"GET", "/empty", 200, "0"}, {"POST", "/empty", 200, "0"},
		} {
			r := l.send(request(c.method, c.path))
			if r.StatusCode != c.status || r.Header.Get("Content-Length") != c.length || r.body != "" || r.Close {
				t.Errorf("%s %s: %d, %v, closed %v, %q", c.method, c.path, r.StatusCode, r.Header, r.Close, r.body)
			}
		}
		if n := l.net.dialled(h2cAddr); n != 1 {
			t.Errorf("%d connections were made", n)
		}
	})
}

func TestH2CStreamsBothWays(t *testing.T) {
	member := func(w http.ResponseWriter, r *http.Request) {
		control := http.NewResponseController(w)
		w.WriteHeader(200)
		_ = control.Flush()
		for b := make([]byte, 10); ; {
			n, err := r.Body.Read(b)
			if n > 0 {
				_, _ = fmt.Fprintf(w, "<%s>", b[:n])
				_ = control.Flush()
			}
			if err != nil {
				break
			}
		}
		w.Header().Set(http.TrailerPrefix+"Grpc-Status", r.Trailer.Get("X-Sum"))
		w.Header().Set(http.TrailerPrefix+"Content-Length", "5")
	}
	inH2C(t, member, func(t *testing.T, l *lab, h2 *http.Transport) {
		h1 := &http.Transport{DialContext: l.dialFront}
		defer h1.CloseIdleConnections()
		for _, tr := range []*http.Transport{h1, h2} {
			r, w := io.Pipe()
			req := newRequest(t, "POST", "/", r)
			req.Trailer = http.Header{"X-Sum": nil}
			res, err := tr.RoundTrip(req)
			if err != nil {
				t.Fatal(err)
			}
			for range 3 {
				_, _ = io.WriteString(w, "ping")
				b := make([]byte, 6)
				if _, err := io.ReadFull(res.Body, b); err != nil || string(b) != "<ping>" {
					t.Fatalf("%q, %v", b, err)
				}
				time.Sleep(9 * time.Second) // all may be silent for a while
			}
			req.Trailer.Set("X-Sum", "12")
			_ = w.Close()
			if b, err := io.ReadAll(res.Body); len(b) > 0 || err != nil || res.Trailer.Get("Grpc-Status") != "12" || len(res.Trailer) != 1 {
				t.Errorf("%q, %v, trailers %v", b, err, res.Trailer)
			}
			_ = res.Body.Close()
			if o := l.outcome(); o.Err != nil || o.Status != 200 || o.Bytes != 18 {
				t.Errorf("outcome: %+v", o)
			}
		}
	})
}

func TestH2CExpectContinue(t *testing.T) {
	member := func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/no" {
			w.WriteHeader(417)
			return
		}
		echo(w, r)
	}
	inH2C(t, member, func(t *testing.T, l *lab, _ *http.Transport) {
		for path, want := range map[string]int{"/": 200, "/no": 417} {
			went := false
			tr := &http.Transport{DialContext: l.dialFront, ExpectContinueTimeout: time.Hour}
			req := newRequest(t, "POST", path, strings.NewReader("hello"))
			req.Header.Set("Expect", "100-continue")
			req = req.WithContext(httptrace.WithClientTrace(req.Context(), &httptrace.ClientTrace{Got100Continue: func() { went = true }}))
			if res, got := fetch(tr, req); res.StatusCode != want || went != (want == 200) || went && !strings.Contains(got, "\nhello\n") {
				t.Errorf("%s: %d, %q; told to go on: %v", path, res.StatusCode, got, went)
			}
			tr.CloseIdleConnections()
		}
	})
}

func TestH2CIsNotUpgraded(t *testing.T) {
	inH2C(t, echo, func(t *testing.T, l *lab, _ *http.Transport) {
		r := l.get("/", "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Key: x")
		if r.StatusCode != 200 || strings.Contains(r.body, "Upgrade") || !strings.Contains(r.body, "Sec-Websocket-Key: x") {
			t.Errorf("%d\n%s", r.StatusCode, r.body)
		}
	})
}

// Many requests share a connection, which ends when it was idle; what the member allows at once is kept to, on as many
// connections as that takes.
func TestH2CConnections(t *testing.T) {
	inLab(t, func(t *testing.T, l *lab) {
		var now, most atomic.Int64
		srv := l.serveH2C(h2cAddr, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			most.Store(max(most.Load(), now.Add(1)))
			time.Sleep(time.Second)
			now.Add(-1)
			_, _ = io.WriteString(w, "fine")
		}))
		srv.HTTP2 = &http.HTTP2Config{MaxConcurrentStreams: 10}
		l.addPhysical("web", "p", "h2c://"+h2cAddr)
		s := l.toWeb()
		s.Physicals = map[string]Reach{"web": {Conns: 35, Queue: 5 * time.Second}}
		front := l.agent("front", frontAddr, s)
		many := func(n int) (failed int64) {
			var all sync.WaitGroup
			var bad atomic.Int64
			for i := range n {
				all.Go(func() {
					method := []string{"GET", "POST"}[i%2]
					if r := l.send(request(method, "/", "Connection: close")); r.StatusCode != 200 || r.body != "fine" {
						bad.Add(1)
					}
				})
			}
			all.Wait()
			synctest.Wait() // until their places are free again
			return bad.Load()
		}
		if bad := many(1); bad > 0 || l.net.dialled(h2cAddr) != 1 {
			t.Errorf("one request: %d failed, on %d connections", bad, l.net.dialled(h2cAddr))
		}
		if bad := many(10); bad > 0 || l.net.dialled(h2cAddr) != 1 {
			t.Errorf("ten requests: %d failed, on %d connections", bad, l.net.dialled(h2cAddr))
		}
		most.Store(0)
		if bad := many(100); bad > 0 || l.net.dialled(h2cAddr) > 6 || most.Load() > 35 || most.Load() < 30 {
			t.Errorf("%d of 100 requests failed, on %d connections; %d ran at once", bad, l.net.dialled(h2cAddr), most.Load())
		}
		if n := len(front.members.stats()); n != 1 {
			t.Errorf("%d pools", n)
		}
		dialled := l.net.dialled(h2cAddr)
		time.Sleep(idleToServer + time.Second)
		if bad := many(1); bad > 0 || l.net.dialled(h2cAddr) != dialled+1 {
			t.Errorf("after a pause, %d failed, on %d new connections", bad, l.net.dialled(h2cAddr)-dialled)
		}
		time.Sleep(3 * forgetPool)
		if n := len(front.members.stats()); n != 0 {
			t.Errorf("%d pools are left", n)
		}
	})
}

func TestH2CQueueFull(t *testing.T) {
	inLab(t, func(t *testing.T, l *lab) {
		l.serveH2C(h2cAddr, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { time.Sleep(10 * time.Second) }))
		l.addPhysical("web", "p", "h2c://"+h2cAddr)
		s := l.toWeb()
		s.Physicals = map[string]Reach{"web": {Conns: 1}}
		l.agent("front", frontAddr, s)
		go l.get("/")
		synctest.Wait()
		begun := time.Now()
		if r := l.get("/"); r.StatusCode != 503 || r.Header.Get("Retry-After") == "" || time.Since(begun) != defaultQueue {
			t.Errorf("%d after %v", r.StatusCode, time.Since(begun))
		}
		if o := l.outcome(); o.Reason != "queue" {
			t.Errorf("reason %q", o.Reason)
		}
		time.Sleep(10 * time.Second)
	})
}

// An agent behind a hop hands on to an origin that speaks HTTP/2. The meter counts.
func TestH2COriginBehindAHop(t *testing.T) {
	inLab(t, func(t *testing.T, l *lab) {
		l.serveH2C("127.0.0.1:8080", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			b, _ := io.ReadAll(r.Body)
			_, _ = fmt.Fprintf(w, "%s %s %s %s", r.Proto, b, r.Header.Get("X-Forwarded-For"), r.Header.Get("Backhand-Hop"))
			w.Header().Set(http.TrailerPrefix+"X-Sum", r.Trailer.Get("X-Sum"))
		}))
		l.addNode("front", frontAddr)
		l.addNode("www1", "10.0.0.2:80", "web")
		l.agent("front", frontAddr, l.toWeb("order www1"))
		own := origin("web", "127.0.0.1:8080")
		own.URL = mustURL("h2c://127.0.0.1:8080")
		l.agent("www1", "10.0.0.2:80", &Site{Origins: []*Origin{own}})
		r := l.send("POST / HTTP/1.1\nHost: x\nConnection: TE\nTE: trailers\nTransfer-Encoding: chunked\nTrailer: X-Sum\n\n2\nhi\n0\nX-Sum: 3\n\n")
		if r.body != "HTTP/2.0 hi "+clientAddr+" " || r.Trailer.Get("X-Sum") != "3" {
			t.Errorf("%q, trailers %v, %v", r.body, r.Trailer, r.Header)
		}
		time.Sleep(time.Second)
		var m node.Service
		if own.Meter.Read(&m, time.Now()); m.InFlight != 0 || m.Completions != 1 {
			t.Errorf("the member's meter says %+v", m)
		}
	})
}

func TestH2CWithProxyHeader(t *testing.T) {
	inLab(t, func(t *testing.T, l *lab) {
		srv := &http.Server{Handler: named("fine"), Protocols: onlyH2C}
		ln := l.net.listen(h2cAddr)
		headers := make(chan string, 10)
		go func() {
			_ = srv.Serve(&headerListener{memListener: ln, headers: headers})
		}()
		t.Cleanup(func() { _ = srv.Close() })
		l.addPhysical("web", "p", "h2c://"+h2cAddr)
		s := l.toWeb()
		s.Physicals = map[string]Reach{"web": {ProxyProtocol: 1}}
		l.agent("front", frontAddr, s)
		for range 2 {
			if r := l.get("/"); r.body != "fine" {
				t.Errorf("%d %q", r.StatusCode, r.body)
			}
			if h := <-headers; !strings.HasPrefix(h, "PROXY TCP4 "+clientAddr+" ") {
				t.Errorf("the connection began with %q", h)
			}
		}
	})
}

// headerListener reads a line from each connection.
type headerListener struct {
	*memListener
	headers chan string
}

func (l *headerListener) Accept() (c net.Conn, err error) {
	if c, err = l.memListener.Accept(); err != nil {
		return nil, err
	}
	line, b := "", []byte{0}
	for !strings.HasSuffix(line, "\r\n") {
		if _, err := c.Read(b); err != nil {
			return nil, errors.Join(err, c.Close())
		}
		line += string(b)
	}
	l.headers <- line
	return c, nil
}
