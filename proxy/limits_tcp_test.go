package proxy

import (
	"bufio"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"backhand/gossip/node"
)

// onLoopback is a front over real sockets, with one physical behind it.
type onLoopback struct {
	h    *Handler
	srv  *Server
	addr string
	live *node.Live
	done chan *Outcome
}

func newOnLoopback(t *testing.T, s *Site, member func(net.Conn)) *onLoopback {
	t.Helper()
	before := runtime.NumGoroutine()
	t.Cleanup(func() { noneLeft(t, before) })
	origin := listenLoopback(t, member)
	snap := node.NewSnapshot(node.Parts{Taken: time.Now(), Live: node.NewLiveSet(), Physicals: []node.Physical{
		{Farm: "web", Name: "p", URL: mustURL("http://" + origin.Addr().String())},
	}})
	routes, err := NewRoutes([]Route{{Farm: "web", Chain: anyChain(t)}})
	if err != nil {
		t.Fatal(err)
	}
	s.Routes = routes
	o := &onLoopback{live: snap.Farm("web").Members[0].Live, done: make(chan *Outcome, 10)}
	o.h = New(Config{Snapshot: func() *node.Snapshot { return snap }, Done: func(out *Outcome) {
		select {
		case o.done <- out.Clone():
		default:
		}
	}}, s)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	o.srv, o.addr = o.h.NewServer(ServerConfig{}), ln.Addr().String()
	var wg sync.WaitGroup
	wg.Go(func() { _ = o.srv.Serve(ln) })
	t.Cleanup(func() { _ = o.srv.Close(); wg.Wait(); o.h.members.closeIdle() })
	return o
}

// noneLeft waits until there are no more goroutines than before.
func noneLeft(t *testing.T, before int) {
	t.Helper()
	for until := time.Now().Add(5 * time.Second); runtime.NumGoroutine() > before; runtime.Gosched() {
		if time.Now().After(until) {
			buf := make([]byte, 1<<20)
			t.Errorf("%d goroutines, %d before:\n%s", runtime.NumGoroutine(), before, buf[:runtime.Stack(buf, true)])
			return
		}
	}
}

// dial connects with a small receive buffer.
func (o *onLoopback) dial(t *testing.T) *net.TCPConn {
	t.Helper()
	d := net.Dialer{Control: func(_, _ string, c syscall.RawConn) error {
		return c.Control(func(fd uintptr) { _ = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, 16<<10) })
	}}
	c, err := d.Dial("tcp", o.addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c.(*net.TCPConn)
}

// outcome returns the next outcome.
func (o *onLoopback) outcome(t *testing.T) *Outcome {
	t.Helper()
	select {
	case out := <-o.done:
		return out
	case <-time.After(20 * time.Second):
		t.Fatal("no outcome within 20 s")
		return nil
	}
}

const large = 50 << 20

// sendsLarge answers every request by 50 MiB, with a length or in chunks.
func sendsLarge(chunked bool) func(net.Conn) {
	part := strings.Repeat("x", 64<<10)
	return func(c net.Conn) {
		r := bufio.NewReader(c)
		for {
			if _, err := http.ReadRequest(r); err != nil {
				return
			}
			head := fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n", large)
			if chunked {
				head = fmt.Sprintf("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n", large)
			}
			_, err := io.WriteString(c, head)
			for i := 0; i < large && err == nil; i += len(part) {
				_, err = io.WriteString(c, part)
			}
			if chunked && err == nil {
				_, err = io.WriteString(c, "\r\n0\r\n\r\n")
			}
			if err != nil {
				return
			}
		}
	}
}

// A client that reads nothing is cut off after ClientIdle, whether its body goes through our memory or the kernel's; the
// member's connection is closed with it, and nobody is charged.
func TestClientThatReadsNothing(t *testing.T) {
	for what, chunked := range map[string]bool{"spliced": false, "copied": true} {
		t.Run(what, func(t *testing.T) {
			const idle = 400 * time.Millisecond
			o := newOnLoopback(t, &Site{ClientIdle: idle}, sendsLarge(chunked))
			c := o.dial(t)
			write(t, c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
			got := o.outcome(t)
			if got.Reason != "slow" || got.Status != 200 || got.Took < idle || got.Took > idle+3*time.Second {
				t.Errorf("outcome %d, %q (%v) after %v", got.Status, got.Reason, got.Err, got.Took)
			}
			if err := o.h.Drain(t.Context()); err != nil || o.live.Failed() != 0 || o.live.Outstanding() != 0 {
				t.Errorf("%v; failed %d, %d outstanding", err, o.live.Failed(), o.live.Outstanding())
			}
			for _, p := range o.h.members.stats() {
				if p.open != 0 {
					t.Errorf("%d connections to the member are open", p.open)
				}
			}
			if n, err := io.Copy(io.Discard, c); n >= large || err == nil && n == large {
				t.Errorf("the client read %d bytes, %v", n, err)
			}
		})
	}
}

// A client that is slow, but takes 64 KiB within ClientIdle, gets all of a body, on both ways.
func TestClientThatReadsSlowly(t *testing.T) {
	for what, chunked := range map[string]bool{"spliced": false, "copied": true} {
		t.Run(what, func(t *testing.T) {
			const idle = 400 * time.Millisecond
			o := newOnLoopback(t, &Site{ClientIdle: idle}, sendsLarge(chunked))
			c := o.dial(t)
			write(t, c, "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
			r := bufio.NewReaderSize(c, 4<<10)
			res, err := http.ReadResponse(r, nil)
			if err != nil {
				t.Fatal(err)
			}
			total := int64(0)
			tick := time.NewTicker(25 * time.Millisecond) // 512 KiB a second: 200 KiB within ClientIdle
			defer tick.Stop()
			for range 60 {
				<-tick.C
				n, err := io.CopyN(io.Discard, res.Body, 12800)
				if total += n; err != nil {
					t.Fatalf("cut off after %d bytes: %v; outcome %q", total, err, o.outcome(t).Reason)
				}
			}
			n, err := io.Copy(io.Discard, res.Body)
			if total += n; total != large || err != nil {
				t.Errorf("%d bytes, %v", total, err)
			}
			if got := o.outcome(t); got.Err != nil {
				t.Errorf("outcome %q, %v", got.Reason, got.Err)
			}
		})
	}
}

// The total time-out holds for a client that reads slowly, too.
func TestTotalTimeOutWhileTheClientReadsSlowly(t *testing.T) {
	for what, chunked := range map[string]bool{"spliced": false, "copied": true} {
		t.Run(what, func(t *testing.T) {
			const total = 500 * time.Millisecond
			o := newOnLoopback(t, &Site{ClientIdle: 20 * time.Second, Total: total}, sendsLarge(chunked))
			c := o.dial(t)
			write(t, c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
			got := o.outcome(t)
			if got.Reason != "total" || got.Took > total+3*time.Second || o.live.Failed() != 0 || o.live.Outstanding() != 0 {
				t.Errorf("outcome %d, %q (%v) after %v", got.Status, got.Reason, got.Err, got.Took)
			}
		})
	}
}

// answersSmall answers each request by 2 bytes, at the price of no allocation.
func answersSmall(c net.Conn) {
	buf := make([]byte, 64<<10)
	answer := []byte("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
	for {
		n, err := c.Read(buf)
		if err != nil || n < 4 || string(buf[n-4:n]) != "\r\n\r\n" {
			return
		}
		if _, err := c.Write(answer); err != nil {
			return
		}
	}
}

// Requests that come all at once are answered one after the other, in their order.
func TestPipelineOfAThousand(t *testing.T) {
	o := newOnLoopback(t, &Site{}, func(c net.Conn) {
		r := bufio.NewReader(c)
		for {
			req, err := http.ReadRequest(r)
			if err != nil {
				return
			}
			body, _ := io.ReadAll(req.Body)
			text := req.RequestURI + string(body)
			_, _ = fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(text), text)
		}
	})
	var all strings.Builder
	for i := range 1000 {
		switch i % 3 {
		case 0:
			fmt.Fprintf(&all, "GET /%d HTTP/1.1\r\nHost: x\r\n\r\n", i)
		case 1:
			fmt.Fprintf(&all, "POST /%d HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n%05d", i, i)
		default:
			fmt.Fprintf(&all, "PUT /%d HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n%05d\r\n0\r\n\r\n", i, i)
		}
	}
	c, err := net.Dial("tcp", o.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	go func() { _, _ = io.WriteString(c, all.String()) }()
	r := bufio.NewReader(c)
	for i := range 1000 {
		res, err := http.ReadResponse(r, nil)
		if err != nil {
			t.Fatalf("request %d: %v", i, err)
		}
		body, err := io.ReadAll(res.Body)
		want := fmt.Sprintf("/%d", i)
		if i%3 != 0 {
			want += fmt.Sprintf("%05d", i)
		}
		if err != nil || string(body) != want {
			t.Fatalf("request %d is answered by %q, %v", i, body, err)
		}
	}
}

// A connection may be used for as long as its client likes: it costs no more then than at the beginning.
func TestManyRequestsOnOneConnection(t *testing.T) {
	requests := 100_000
	info, _ := debug.ReadBuildInfo()
	race := slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"})
	if race {
		requests = 5_000
	}
	o := newOnLoopback(t, &Site{}, answersSmall)
	c, err := net.Dial("tcp", o.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	// In bursts of 20, so that it does not take long.
	burst := []byte(strings.Repeat("GET / HTTP/1.1\r\nHost: x\r\n\r\n", 20))
	answers := make([]byte, 64<<10)
	ask := func(n int) {
		t.Helper()
		for range n / 20 {
			if _, err := c.Write(burst); err != nil {
				t.Fatal(err)
			}
			for got, k := 0, 0; got < 20; {
				n, err := c.Read(answers[k:])
				if err != nil {
					t.Fatal(err)
				}
				k += n
				got = strings.Count(string(answers[:k]), "\r\n\r\nok")
			}
		}
	}
	ask(1000)
	before := inUse()
	begun := time.Now()
	ask(requests)
	took, grown := time.Since(begun), inUse()-before
	t.Logf("%d requests took %v; %d bytes more are in use", requests, took, grown)
	if grown > 256<<10 {
		t.Errorf("%d bytes more are in use after %d requests", grown, requests)
	}
	if took > 10*time.Second && !race {
		t.Errorf("%d requests took %v", requests, took)
	}
}

// inUse returns the bytes of heap and stacks in use.
func inUse() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc + m.StackInuse)
}

// What ends badly gives its buffers back, too: else each such request would cost the next one a new buffer.
func TestBuffersComeBack(t *testing.T) {
	info, _ := debug.ReadBuildInfo()
	if slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"}) {
		return // a sync.Pool forgets things at random
	}
	long := strings.Repeat("x", 40<<10)
	chunk := fmt.Sprintf("%x\r\n%s\r\n", len(long), long)
	for _, tc := range []struct{ what, request string }{
		{"well", "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"},
		{"a malformed head", "GET / HTTP/1.1\r\nHost: x\r\nX: " + long + "\r\n\x00\r\n\r\n"},
		{"a client that goes within its head", "GET / HTTP/1.1\r\nHost: x\r\nX: " + long},
		{"a client that goes within a short body", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 60000\r\n\r\n" + long},
		{"a client that goes within a long body", "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk + chunk},
		{"a malformed body", "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk + chunk + "zz\r\n"},
		{"malformed trailers", "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk + "0\r\nA: b\r\nX : y\r\n\r\n"},
		{"a member that hangs up", "POST /hangup HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 40960\r\n\r\n" + long},
		{"a response that breaks off", "GET /break HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"},
		{"a malformed response", "GET /bad HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"},
		{"a tunnel", "GET /ws HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n" + long},
	} {
		t.Run(tc.what, func(t *testing.T) {
			o := newOnLoopback(t, &Site{MaxBody: 1 << 20}, endsBadly(long))
			request := []byte(tc.request)
			buf := make([]byte, 128<<10)
			once := func() { o.talkOnce(t, request, buf) }
			const times = 60
			for range 10 {
				once()
			}
			defer debug.SetGCPercent(debug.SetGCPercent(-1)) // which empties pools
			each := uint64(math.MaxUint64)
			for range 4 { // on a busy machine a thread may find the pool of another one's core empty
				var before, after runtime.MemStats
				runtime.ReadMemStats(&before)
				for range times {
					once()
				}
				runtime.ReadMemStats(&after)
				each = min(each, (after.TotalAlloc-before.TotalAlloc)/times)
				if each <= 10<<10 { // 7 KiB are the connections'
					return
				}
			}
			t.Errorf("each takes %d bytes", each)
		})
	}
}

// endsBadly answers by the path, in ways that break off.
func endsBadly(long string) func(net.Conn) {
	scratch := sync.Pool{New: func() any { b := make([]byte, 128<<10); return &b }}
	part := []byte(long)
	return func(c net.Conn) {
		buf := scratch.Get().(*[]byte)
		defer scratch.Put(buf)
		n, _ := c.Read(*buf)
		say := func(before, after string) {
			_, _ = io.WriteString(c, before)
			_, _ = c.Write(part)
			_, _ = io.WriteString(c, after)
		}
		switch first, _, _ := strings.Cut(string((*buf)[:min(n, 20)]), " HTTP"); first {
		case "POST /hangup":
		case "GET /break":
			say("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffff\r\n", "")
		case "GET /bad":
			say("HTTP/1.1 200 OK\r\nX: ", "\r\n\x00: y\r\n\r\n")
		case "GET /ws":
			say("HTTP/1.1 101 X\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\nhi", "")
		case "GET /":
			_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
		default:
			for {
				if _, err := c.Read(*buf); err != nil {
					return
				}
			}
		}
	}
}

// talkOnce sends a request on a connection of its own, and reads to the end.
func (o *onLoopback) talkOnce(t *testing.T, request, buf []byte) {
	c, err := net.Dial("tcp", o.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_, _ = c.Write(request)
	_ = c.(*net.TCPConn).CloseWrite()
	for {
		if _, err := c.Read(buf); err != nil {
			return
		}
	}
}
