package proxy

import (
	"bufio"
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"backhand/candidacy"
	"backhand/gossip/node"
)

// What members, clients and mistakes of our own must not bring about.

// The part of a head that a member sent before it broke off is not taken for the beginning of another member's.
func TestHeadThatBreaksOffLeavesNothingBehind(t *testing.T) {
	inLab(t, func(t *testing.T, l *lab) {
		l.addPhysical("web", "half", "http://127.0.0.1:8080")
		l.addPhysical("web", "whole", "http://127.0.0.1:8081")
		l.rawMember("127.0.0.1:8080", func(_ int, c net.Conn, r *bufio.Reader) {
			_, _ = http.ReadRequest(r)
			_, _ = io.WriteString(c, "HTTP/1.1 201 Created\r\nSet-Cookie: s=of-somebody\r\nX-A")
		})
		l.rawMember("127.0.0.1:8081", func(_ int, c net.Conn, r *bufio.Reader) {
			_, _ = http.ReadRequest(r)
			_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-Filler: "+strings.Repeat("x", 60)+"\r\n\r\nhi")
		})
		l.agent("front", frontAddr, l.toWeb("order half whole"))
		for range 20 { // which buffer is given out again is chance
			got := l.get("/")
			if got.StatusCode != 200 || got.body != "hi" || got.Header.Get("Set-Cookie") != "" || got.Header.Get("X-Filler") == "" {
				t.Fatalf("%s, fields %v, body %q", got.Status, got.Header, got.body)
			}
		}
	})
}

// A member that switches protocols unasked, while the request's body is still on its way, ends that.
func TestSwitchUnaskedEndsTheBody(t *testing.T) {
	inLab(t, func(t *testing.T, l *lab) {
		l.addPhysical("web", "p", "http://127.0.0.1:8080")
		l.rawMember("127.0.0.1:8080", func(_ int, c net.Conn, r *bufio.Reader) {
			_, _ = http.ReadRequest(r)
			_, _ = io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
			_, _ = io.Copy(io.Discard, r)
		})
		h := l.agent("front", frontAddr, l.toWeb())
		c := l.conn(clientAddr, frontAddr)
		_, _ = io.WriteString(c, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\nhello")
		if got := l.read(c, "POST"); got.StatusCode != 502 {
			t.Errorf("answered %s", got.Status)
		}
		synctest.Wait()
		if n := h.InFlight(); n != 0 {
			t.Errorf("%d requests are under way", n)
		}
		go func() { _, _ = io.WriteString(c, strings.Repeat("x", 1000)) }() // is read by one goroutine only
		synctest.Wait()
		_ = c.Close()
	})
}

// A mistake of ours in the middle of a request leaves nothing counted as under way, and no connection open.
func TestMistakeInARequestLeavesNothingCounted(t *testing.T) {
	inLab(t, func(t *testing.T, l *lab) {
		l.addPhysical("web", "p", "http://127.0.0.1:8080")
		l.serve("127.0.0.1:8080", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			if r.URL.Path == "/long" {
				<-r.Context().Done()
			}
		}))
		snap := l.snapshot("front")
		var at string
		oops := func(where string) {
			if at == where {
				panic("oops")
			}
		}
		o := origin("web", "127.0.0.1:8080")
		step := candidacy.Spec{Name: "oops", Make: func(*candidacy.Args) candidacy.Step {
			return candidacy.Step{Run: func(_ *candidacy.Request, in []*node.Member) []*node.Member { oops("choose"); return in }}
		}}
		chain, errs := candidacy.NewRegistry(step).Parse([]string{"oops"})
		if errs != nil {
			t.Fatal(errs)
		}
		var reads atomic.Int32
		h := New(Config{
			Self: idOf("front"), Dial: l.net.dial, Done: func(*Outcome) { oops("done") },
			Snapshot: func() *node.Snapshot { return snap },
			Now: func() time.Time {
				if at == "now" && strings.Contains(string(debug.Stack()), "(*exchange)") && reads.Add(1) == 3 {
					oops("now")
				}
				if at == "pump" && strings.Contains(string(debug.Stack()), "(*pump).read") {
					oops("pump")
				}
				return time.Now()
			},
		}, &Site{Origins: []*Origin{o}, Routes: l.routes(Route{Path: "/", Farm: "web", Chain: chain})})
		l.listen(frontAddr, h, ServerConfig{})
		t.Cleanup(h.members.closeIdle)
		for _, at = range []string{"choose", "done", "now", "pump"} {
			reads.Store(0)
			c := l.conn(clientAddr, frontAddr)
			text := "PUT / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"
			if at != "pump" {
				text += "0\r\n\r\n"
			}
			go func() { _, _ = io.WriteString(c, text) }()
			_, _ = io.Copy(io.Discard, c)
			synctest.Wait()
			live := l.liveOf("web", "p")
			if h.InFlight() != 0 || h.again.Load() != 0 || live.Outstanding() != 0 {
				t.Errorf("after a mistake in %s: %d under way, %d again, %d outstanding", at, h.InFlight(), h.again.Load(), live.Outstanding())
			}
		}
		h.members.closeIdle()
		for _, st := range h.members.stats() {
			if st.open != 0 {
				t.Errorf("%d connections to %s are counted as open", st.open, st.addr)
			}
		}
	})
}

// loopbackFront is a front before these physicals, over real sockets.
func loopbackFront(t *testing.T, cfg ServerConfig, site *Site, members ...net.Addr) (*Handler, string) {
	t.Helper()
	routes, err := NewRoutes([]Route{{Farm: "web", Chain: anyChain(t)}})
	if err != nil {
		t.Fatal(err)
	}
	site.Routes = routes
	parts := node.Parts{Taken: time.Now(), Live: node.NewLiveSet()}
	for i, m := range members {
		parts.Physicals = append(parts.Physicals, node.Physical{
			Farm: "web", Name: string(rune('a' + i)), URL: mustURL("http://" + m.String()),
		})
	}
	snap := node.NewSnapshot(parts)
	h := New(Config{Snapshot: func() *node.Snapshot { return snap }}, site)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	srv := h.NewServer(cfg)
	var wg sync.WaitGroup
	wg.Go(func() { _ = srv.Serve(ln) })
	t.Cleanup(func() { _ = srv.Close(); wg.Wait(); h.members.closeIdle() })
	return h, ln.Addr().String()
}

// A response that ends with its connection, and is broken off, does not look complete over TLS either.
func TestBrokenOffOverTLSIsNoEnd(t *testing.T) {
	server, client := keyPair(t)
	member := listenLoopback(t, func(c net.Conn) {
		_, _ = http.ReadRequest(bufio.NewReader(c))
		_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
	})
	_, addr := loopbackFront(t, ServerConfig{TLS: server}, &Site{}, member.Addr())
	c, err := tls.Dial("tcp", addr, client)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_, _ = io.WriteString(c, "GET / HTTP/1.0\r\nHost: x\r\n\r\n")
	if b, err := io.ReadAll(c); err == nil {
		t.Errorf("read %q, and that is all", b)
	}
}

// The time that one request has as a whole is not counted for the next one on the connection.
func TestTotalOfARequestIsNotThatOfTheNext(t *testing.T) {
	inLab(t, func(t *testing.T, l *lab) {
		l.addPhysical("web", "p", "http://127.0.0.1:8080")
		l.serve("127.0.0.1:8080", named("p"))
		s := l.toWeb()
		s.Total = 5 * time.Second
		l.agent("front", frontAddr, s)
		c := l.conn(clientAddr, frontAddr)
		_, _ = io.WriteString(c, strings.ReplaceAll(request("GET", "/"), "\n", "\r\n"))
		l.read(c, "GET")
		time.Sleep(10 * time.Second)
		_, _ = io.WriteString(c, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n")
		if got := l.read(c, "POST"); got.StatusCode != 100 {
			t.Fatalf("answered %s", got.Status)
		}
		_, _ = io.WriteString(c, "hi")
		if got := l.read(c, "POST"); got.body != "p" {
			t.Errorf("answered %s", got.Status)
		}
	})
}

// A client of HTTP/2 that goes away is to blame for that itself, however far the response has come.
func TestHTTP2ClientThatGoesIsToBlame(t *testing.T) {
	for _, way := range []string{"103", "body"} {
		t.Run(way, func(t *testing.T) {
			inHTTP2(t, nil, func(t *testing.T, l *lab, tr *http.Transport) {
				ctx, cancel := context.WithCancel(t.Context())
				l.rawMember("127.0.0.1:8081", func(_ int, c net.Conn, r *bufio.Reader) {
					_, _ = http.ReadRequest(r)
					if way == "body" {
						_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\n\r\n")
					}
					time.AfterFunc(5*time.Millisecond, cancel)
					for range 30 {
						time.Sleep(time.Millisecond)
						part := "HTTP/1.1 103 Early Hints\r\n\r\n"
						if way == "body" {
							part = strings.Repeat("x", 10000)
						}
						if _, err := io.WriteString(c, part); err != nil {
							return
						}
					}
				})
				l.addPhysical("web", "p", "http://127.0.0.1:8081")
				l.agent("front", "10.0.0.1:81", l.toWeb())
				tr.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
					return l.conn(clientAddr, "10.0.0.1:81"), nil
				}
				_, _ = fetch(tr, newRequest(t, "GET", "/", nil).WithContext(ctx))
				time.Sleep(time.Second)
				if o := l.outcome(); o.Reason != "client" {
					t.Errorf("outcome: %d, %q, %v", o.Status, o.Reason, o.Err)
				}
				if live := l.liveOf("web", "p"); live.Failed() != 0 || live.Outstanding() != 0 {
					t.Errorf("the member: failed %d, outstanding %d", live.Failed(), live.Outstanding())
				}
			})
		})
	}
}

// What a request waits for a connection is not taken from the time that the member has to answer.
func TestTimeToAnswerCountsFromTheRequest(t *testing.T) {
	inLab(t, func(t *testing.T, l *lab) {
		l.addPhysical("web", "p", "http://127.0.0.1:8080")
		l.serve("127.0.0.1:8080", http.HandlerFunc(func(http.ResponseWriter, *http.Request) { time.Sleep(700 * time.Millisecond) }))
		s := l.toWeb()
		s.ResponseHead = time.Second
		s.Physicals = map[string]Reach{"web": {Conns: 1}}
		l.agent("front", frontAddr, s)
		var wg sync.WaitGroup
		for range 2 {
			wg.Go(func() {
				if got := l.get("/"); got.StatusCode != 200 {
					t.Errorf("answered %s", got.Status)
				}
			})
		}
		wg.Wait()
	})
}

// slowDeadline is a connection on which setting a deadline takes until release is closed.
type slowDeadline struct {
	net.Conn
	begun, release chan struct{}
	set            atomic.Bool
}

func (c *slowDeadline) SetReadDeadline(time.Time) error {
	close(c.begun)
	<-c.release
	c.set.Store(true)
	return nil
}

// Shutdown interrupts who waits for a request, but not somebody whose request has come at that very moment: its body
// would be taken for one that came too slowly.
func TestShutdownDoesNotInterruptARequest(t *testing.T) {
	c := &slowDeadline{begun: make(chan struct{}), release: make(chan struct{})}
	conn := &tracked{socket: c}
	conn.idle.Store(isIdle)
	go conn.endIdle()
	<-c.begun
	go func() {
		for range 100 {
			runtime.Gosched()
		}
		close(c.release)
	}()
	if conn.busy(); !c.set.Load() {
		t.Error("a request began while Shutdown was about to interrupt the connection")
	}
	conn.endIdle() // begun would be closed again
}
