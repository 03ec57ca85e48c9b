package proxy

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// Requests over HTTP/2 through the whole: net/http, the front, the exchange, a member.

const ownAddr = "127.0.0.1:8080"

// inHTTP2 runs a test with a front whose only member is its own origin.
func inHTTP2(t *testing.T, member http.HandlerFunc, f func(t *testing.T, l *lab, tr *http.Transport)) {
	t.Helper()
	inLab(t, func(t *testing.T, l *lab) {
		l.serve(ownAddr, member)
		l.agent("front", frontAddr, &Site{
			Origins: []*Origin{origin("web", ownAddr)}, StatusPath: "/status/", Status: named("status"), ClientIdle: 10 * time.Second,
		})
		tr := &http.Transport{Protocols: onlyH2C, DisableCompression: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return l.net.dial(ctx, netip.MustParseAddr(clientAddr), frontAddr)
		}}
		t.Cleanup(tr.CloseIdleConnections)
		f(t, l, tr)
	})
}

// fetch sends a request and reads the response. What went wrong is the body.
func fetch(tr http.RoundTripper, req *http.Request) (*http.Response, string) {
	res, err := tr.RoundTrip(req)
	if err != nil {
		return &http.Response{}, err.Error()
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		return res, fmt.Sprintf("%s, then %v", b, err)
	}
	return res, string(b)
}

func TestHTTP2ThroughTheEngine(t *testing.T) {
	inHTTP2(t, echo, func(t *testing.T, l *lab, tr *http.Transport) {
		req := newRequest(t, "POST", "/a%20b?x=1", io.NopCloser(strings.NewReader("hello")))
		req.Header = http.Header{"Cookie": {"a=1", "b=2"}, "X-Forwarded-For": {"203.0.113.66"}, "Te": {"trailers"}}
		req.Trailer = http.Header{"X-Sum": {"5"}}
		res, got := fetch(tr, req)
		for _, want := range []string{
			"POST /a%20b?x=1\n", "Host: example.com\n", "Cookie: a=1; b=2\n", "X-Forwarded-For: " + clientAddr + "\n",
			"Via: 2.0 backhand-", "\n\nhello\n", "X-Sum: 5\n",
		} {
			if !strings.Contains(got, want) {
				t.Errorf("the member did not get %q:\n%s", want, got)
			}
		}
		if res.StatusCode != 200 || res.ProtoMajor != 2 || !strings.HasPrefix(res.Header.Get("Via"), "1.1 backhand-") {
			t.Errorf("answered %d, %s, %v", res.StatusCode, res.Proto, res.Header)
		}
		if o := l.outcome(); o.Proto != "HTTP/2.0" || o.Status != 200 || o.Bytes != int64(len(got)) || o.Err != nil {
			t.Errorf("outcome: %+v", o)
		}
	})
}

func TestHTTP2BodiesPassUnchanged(t *testing.T) {
	member := func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		_, _ = w.Write(b)
	}
	inHTTP2(t, member, func(t *testing.T, l *lab, tr *http.Transport) {
		for _, size := range []int{0, 1, 5000, 64 << 10, 64<<10 + 1, 3 << 20} {
			sent := bytes.Repeat([]byte("0123456"), size/7+1)[:size]
			for _, body := range []io.Reader{bytes.NewReader(sent), io.NopCloser(bytes.NewReader(sent))} {
				if res, got := fetch(tr, newRequest(t, "PUT", "/", body)); got != string(sent) || res.StatusCode != 200 {
					t.Errorf("of %d bytes (%T) %d came back, with status %d", size, body, len(got), res.StatusCode)
				}
			}
		}
	})
}

// A streaming call, as those of gRPC are: both sides speak in turn, and the member ends with trailers.
func TestHTTP2Stream(t *testing.T) {
	member := func(w http.ResponseWriter, r *http.Request) {
		control := http.NewResponseController(w)
		_ = control.EnableFullDuplex()
		w.Header().Set("Trailer", "Grpc-Status")
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
		w.Header().Set("Grpc-Status", "0")
	}
	inHTTP2(t, member, func(t *testing.T, l *lab, tr *http.Transport) {
		r, w := io.Pipe()
		res, err := tr.RoundTrip(newRequest(t, "POST", "/", r))
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		for range 3 {
			_, _ = io.WriteString(w, "ping")
			b := make([]byte, 6)
			if _, err := io.ReadFull(res.Body, b); err != nil || string(b) != "<ping>" {
				t.Fatalf("%q, %v", b, err)
			}
		}
		_ = w.Close()
		if b, err := io.ReadAll(res.Body); len(b) > 0 || err != nil || res.Trailer.Get("Grpc-Status") != "0" {
			t.Errorf("%q, %v, trailers %v", b, err, res.Trailer)
		}
	})
}

func TestHTTP2ResponseThatBreaksOffIsNotComplete(t *testing.T) {
	member := func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "half")
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}
	inHTTP2(t, member, func(t *testing.T, l *lab, tr *http.Transport) {
		if _, got := fetch(tr, newRequest(t, "GET", "/", nil)); !strings.HasPrefix(got, "half, then ") {
			t.Errorf("read %q", got)
		}
		if o := l.outcome(); o.Err == nil {
			t.Errorf("outcome: %+v", o)
		}
	})
}

func TestHTTP2ClientThatGoes(t *testing.T) {
	for _, c := range []struct {
		name string
		body func() io.Reader
	}{
		{"while it waits", func() io.Reader { return nil }},
		{"in its body", func() io.Reader {
			r, w := io.Pipe()
			go func() { _, _ = io.WriteString(w, "hello") }()
			return r
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			cut := make(chan bool, 1)
			member := func(_ http.ResponseWriter, r *http.Request) {
				_, _ = io.Copy(io.Discard, r.Body)
				<-r.Context().Done()
				cut <- true
			}
			inHTTP2(t, member, func(t *testing.T, l *lab, tr *http.Transport) {
				ctx, cancel := context.WithCancel(t.Context())
				time.AfterFunc(time.Second, cancel)
				if _, got := fetch(tr, newRequest(t, "POST", "/", c.body()).WithContext(ctx)); !strings.Contains(got, "canceled") {
					t.Errorf("answered %q", got)
				}
				time.Sleep(time.Second)
				if o := l.outcome(); o.Status != StatusClientGone || o.Reason != "client" {
					t.Errorf("outcome: %d, %s, %v", o.Status, o.Reason, o.Err)
				}
				synctest.Wait()
				select {
				case <-cut:
				default:
					t.Error("the member still works for it")
				}
			})
		})
	}
}

func TestHTTP2ClientThatSendsTooSlowly(t *testing.T) {
	inHTTP2(t, echo, func(t *testing.T, l *lab, tr *http.Transport) {
		r, w := io.Pipe()
		defer w.Close()
		req := newRequest(t, "POST", "/", r)
		req.ContentLength = 10
		go func() { _, _ = io.WriteString(w, "hello") }()
		begun := time.Now()
		res, got := fetch(tr, req)
		if took := time.Since(begun); res.StatusCode != http.StatusRequestTimeout || took > 11*time.Second {
			t.Errorf("answered %d, %q after %v", res.StatusCode, got, took)
		}
	})
}

func TestHTTP2AndPages(t *testing.T) {
	inHTTP2(t, echo, func(t *testing.T, l *lab, tr *http.Transport) {
		res, got := fetch(tr, newRequest(t, "GET", "/status/", nil))
		if o := l.outcome(); got != "status" || res.StatusCode != 200 || o.Reason != "status" || o.Bytes != 6 || o.Proto != "HTTP/2.0" {
			t.Errorf("HTTP/2: answered %d, %q, outcome %+v", res.StatusCode, got, o)
		}
		if r := l.get("/status/x"); r.body != "status" || !r.Close {
			t.Errorf("HTTP/1: answered %q, closed %v", r.body, r.Close)
		}
		if o := l.outcome(); o.Reason != "status" || o.Status != 200 || o.Bytes != 6 || o.Proto != "HTTP/1.1" || l.outcomes() != 2 {
			t.Errorf("HTTP/1: %d outcomes, the last is %+v", l.outcomes(), o)
		}
	})
}

func TestHTTP2RequestThatIsRefused(t *testing.T) {
	inHTTP2(t, echo, func(t *testing.T, l *lab, tr *http.Transport) {
		req := newRequest(t, "GET", "/", nil)
		req.Header["X"] = []string{strings.Repeat("x", 66<<10)}
		res, got := fetch(tr, req)
		if res.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
			t.Errorf("answered %d, %q", res.StatusCode, got)
		}
		if o := l.outcome(); o.Reason == "" || o.Status != 431 {
			t.Errorf("outcome: %+v", o)
		}
		if _, got := fetch(tr, newRequest(t, "GET", "/", nil)); !strings.HasPrefix(got, "GET /") {
			t.Errorf("the next request on that connection is answered %q", got)
		}
	})
}

func TestHTTP2NoOutcomeIsLostWhenAConnectionIsCutOff(t *testing.T) {
	member := func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }
	inHTTP2(t, member, func(t *testing.T, l *lab, tr *http.Transport) {
		cut := errors.New("cut")
		conns := make(chan net.Conn, 20)
		dial := tr.DialContext
		tr.DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
			c, err := dial(ctx, network, addr)
			if err == nil {
				conns <- c
			}
			return c, err
		}
		done := make(chan error, 20)
		for range cap(done) {
			req := newRequest(t, "GET", "/", nil)
			go func() {
				res, err := tr.RoundTrip(req)
				if err == nil {
					_ = res.Body.Close()
					err = cut
				}
				done <- err
			}()
		}
		synctest.Wait()
		for len(conns) > 0 {
			_ = (<-conns).Close()
		}
		for range cap(done) {
			if err := <-done; err == cut {
				t.Error("a request was answered")
			}
		}
		time.Sleep(time.Second)
		if n := l.outcomes(); n != cap(done) {
			t.Errorf("%d requests, %d outcomes", cap(done), n)
		}
	})
}
