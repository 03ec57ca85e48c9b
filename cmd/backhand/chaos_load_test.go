//go:build linux

package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"backhand/gossip/gossiptest/lab"
)

// chaosKind is a kind of request.
type chaosKind struct {
	name, method, path string
	body               int  // bytes of the request's
	chunked            bool // the request's body has no length
	again              bool // it may run twice, and can be sent twice: it must not fail
}

var chaosKinds = []chaosKind{
	{"GET", "GET", "/small?100", 0, false, true},
	{"GET, chunked", "GET", "/chunks?5000", 0, false, true},
	{"HEAD", "HEAD", "/small?100", 0, false, true},
	{"PUT", "PUT", "/small?100", 2000, false, true},
	{"POST", "POST", "/small?100", 300, false, false},
	{"upload", "POST", "/small?100", 300 << 10, true, false},
	{"upload with a length", "POST", "/chunks?100", 200 << 10, false, false},
	{"download", "GET", "/long?1048576", 0, false, true},
	{"download, chunked", "GET", "/chunks?1048576", 0, false, true},
}

// chaosResult is what became of a request.
type chaosResult struct {
	at, end time.Time
	kind    *chaosKind
	how     string // the client's way of asking
	id      string
	status  int    // 0: no head came
	err     error  // why it did not go well; with a status: the body broke off
	wrong   string // what must not be: a mix-up, or a truncation that looks complete
	said    string // by the front, if it answered instead of a member
}

func (r *chaosResult) target() string { return r.kind.path + "&" + r.id }

// chaosLoad asks the front for all kinds of things.
type chaosLoad struct {
	host    *lab.Host
	addr    string
	stop    context.CancelFunc
	wait    sync.WaitGroup
	ids     atomic.Int64
	mu      sync.Mutex
	results []chaosResult
}

func startChaosLoad(t *testing.T, h *lab.Host, addr string) *chaosLoad {
	ctx, cancel := context.WithCancel(t.Context())
	l := &chaosLoad{host: h, addr: addr, stop: cancel}
	t.Cleanup(func() { cancel(); l.wait.Wait() })
	for w := range 12 {
		l.wait.Go(func() { l.work(ctx, w) })
	}
	return l
}

// work asks for one thing after the other, 40 a second.
func (l *chaosLoad) work(ctx context.Context, worker int) {
	ask := &chaosClient{load: l, how: "kept"}
	switch worker % 4 {
	case 1:
		ask.how = "new"
	case 2:
		ask.how, ask.h2 = "HTTP/2", &http.Transport{DialContext: l.host.Dial, Protocols: new(http.Protocols), DisableCompression: true}
		ask.h2.Protocols.SetUnencryptedHTTP2(true)
		defer ask.h2.CloseIdleConnections()
	}
	defer ask.close()
	tick := time.NewTicker(25 * time.Millisecond)
	defer tick.Stop()
	for i := worker; ; i++ {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		r := ask.do(&chaosKinds[i%len(chaosKinds)])
		r.end = time.Now()
		l.mu.Lock()
		l.results = append(l.results, r)
		l.mu.Unlock()
	}
}

// finish stops the load and returns what became of all.
func (l *chaosLoad) finish() []chaosResult {
	l.stop()
	l.wait.Wait()
	return l.results
}

// chaosClient asks, over connections of its own. It never asks twice by itself: the front would not be blamed for what it
// loses.
type chaosClient struct {
	load *chaosLoad
	how  string
	conn net.Conn // nil: none yet
	r    *bufio.Reader
	h2   *http.Transport // nil: HTTP/1
}

func (c *chaosClient) close() {
	if c.conn != nil {
		_ = c.conn.Close()
		c.conn = nil
	}
}

func (c *chaosClient) do(kind *chaosKind) chaosResult {
	r := chaosResult{at: time.Now(), kind: kind, how: c.how, id: fmt.Sprint("id", c.load.ids.Add(1))}
	body := chaosBody(r.id, kind.body)
	if kind.body == 0 {
		body = nil
	}
	req, err := http.NewRequest(kind.method, "http://"+c.load.addr+r.target(), nil)
	if err != nil {
		r.err = err
		return r
	}
	req.Header.Set("X-Id", r.id)
	if body != nil {
		req.Body, req.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	}
	if kind.chunked {
		req.ContentLength = -1
	}
	res, err := c.ask(req)
	if err != nil {
		r.err = err
		c.close()
		return r
	}
	defer res.Body.Close()
	r.status = res.StatusCode
	got, err := io.ReadAll(res.Body)
	r.err = err
	switch {
	case r.status != http.StatusOK:
		r.said = strings.TrimSpace(string(got))
	default:
		r.wrong = c.check(&r, res, body, got)
	}
	if c.how == "new" || err != nil || res.Close {
		c.close()
	}
	return r
}

func (c *chaosClient) ask(req *http.Request) (*http.Response, error) {
	if c.h2 != nil {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		res, err := c.h2.RoundTrip(req.WithContext(ctx))
		if err != nil {
			cancel()
			return nil, err
		}
		context.AfterFunc(ctx, cancel)
		return res, nil
	}
	if c.conn == nil {
		conn, err := c.load.host.Dial(context.Background(), "tcp", c.load.addr)
		if err != nil {
			return nil, err
		}
		c.conn, c.r = conn, bufio.NewReader(conn)
	}
	_ = c.conn.SetDeadline(time.Now().Add(20 * time.Second))
	wrote := make(chan error, 1)
	go func() { wrote <- req.Write(c.conn) }()
	res, err := http.ReadResponse(c.r, req)
	if err != nil {
		c.close()
		return nil, errors.Join(err, <-wrote)
	}
	res.Body = &chaosReader{res.Body, wrote}
	return res, nil
}

// chaosReader waits for the end of the request before it takes the response for ended.
type chaosReader struct {
	io.ReadCloser
	wrote chan error
}

func (b *chaosReader) Close() error { return errors.Join(b.ReadCloser.Close(), <-b.wrote) }

// check returns what is wrong with a response that a member gave.
func (c *chaosClient) check(r *chaosResult, res *http.Response, sent, got []byte) string {
	if want := digest([]byte(r.kind.method), []byte(r.target()), sent); res.Header.Get("X-Request") != want {
		return fmt.Sprintf("the response is to another request, or to a part of it: %v", res.Header)
	}
	if r.err != nil || r.kind.method == http.MethodHead {
		return "" // truncated, and seen to be
	}
	sum := res.Header.Get("X-Content")
	if sum == "" {
		sum = res.Trailer.Get("X-Content")
	}
	if sum != digest(got) {
		return fmt.Sprintf("a body of %d bytes is taken for complete, or is another's: trailers %v, it begins with %.60q", len(got), res.Trailer, got)
	}
	if !bytes.HasPrefix(got, []byte("this is for request "+r.id+"\n")) {
		return fmt.Sprintf("the body is for another request: it begins with %.60q", got)
	}
	return ""
}

// chaosTunnel is an upgraded connection that talks five times a second.
type chaosTunnel struct {
	label string       // of the origin at the other end
	lines atomic.Int64 // that came back
	err   atomic.Pointer[error]
}

// openTunnels opens upgraded connections until each member holds one at least, or twenty.
func (l *chaosLoad) openTunnels(t *testing.T, labels int) []*chaosTunnel {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	t.Cleanup(func() { cancel(); wg.Wait() })
	var all []*chaosTunnel
	for seen := map[string]bool{}; len(all) < 6 || len(seen) < labels && len(all) < 20; {
		c, err := l.host.Dial(ctx, "tcp", l.addr)
		if err != nil {
			t.Fatal(err)
		}
		context.AfterFunc(ctx, func() { c.Close() })
		_, _ = fmt.Fprintf(c, "GET /talk HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
		r := bufio.NewReader(c)
		res, err := http.ReadResponse(r, nil)
		if err != nil || res.StatusCode != http.StatusSwitchingProtocols {
			t.Fatalf("no upgrade: %+v, %v", res, err)
		}
		label, err := r.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		w := &chaosTunnel{label: strings.TrimSpace(label)}
		seen[w.label] = true
		all = append(all, w)
		wg.Go(func() { w.talk(ctx, c, r) })
	}
	return all
}

func (w *chaosTunnel) talk(ctx context.Context, c net.Conn, r *bufio.Reader) {
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for n := 0; ctx.Err() == nil; n++ {
		<-tick.C
		_ = c.SetDeadline(time.Now().Add(20 * time.Second))
		_, err := fmt.Fprintln(c, n)
		var line string
		if err == nil {
			line, err = r.ReadString('\n')
		}
		if err == nil && line != fmt.Sprintln(n) {
			err = fmt.Errorf("it says %q, want %d", line, n)
		}
		if err != nil {
			w.err.Store(&err)
			return
		}
		w.lines.Add(1)
	}
}
