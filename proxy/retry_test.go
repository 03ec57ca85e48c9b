package proxy

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// twoPhysicals makes a farm of p and q, which answer by these, and a front that asks p first.
func (l *lab) twoPhysicals(p, q func(n int, c net.Conn, r *bufio.Reader), change func(*Site, *Route)) *Handler {
	l.addPhysical("web", "p", "http://127.0.0.1:8080")
	l.addPhysical("web", "q", "http://127.0.0.1:8081")
	l.rawMember("127.0.0.1:8080", p)
	l.rawMember("127.0.0.1:8081", q)
	rt := Route{Path: "/", Farm: "web", Chain: l.chain("order p q")}
	s := &Site{}
	if change != nil {
		change(s, &rt)
	}
	s.Routes = l.routes(rt)
	return l.agent("front", frontAddr, s)
}

// says answers each request, once all of it is there, with this.
func says(status int, body string) func(int, net.Conn, *bufio.Reader) {
	return func(_ int, c net.Conn, r *bufio.Reader) {
		for {
			req, err := http.ReadRequest(r)
			if err != nil {
				return
			}
			if _, err := io.Copy(io.Discard, req.Body); err != nil {
				return
			}
			_, _ = fmt.Fprintf(c, "HTTP/1.1 %d X\r\nContent-Length: %d\r\n\r\n%s", status, len(body), body)
		}
	}
}

// swallows reads all of each request and never answers.
func swallows(_ int, _ net.Conn, r *bufio.Reader) { _, _ = io.Copy(io.Discard, r) }

// hangsUp reads a request with its body and closes the connection.
func hangsUp(_ int, _ net.Conn, r *bufio.Reader) {
	if req, err := http.ReadRequest(r); err == nil {
		_, _ = io.Copy(io.Discard, req.Body)
	}
}

func sized(method string, n int) string {
	return fmt.Sprintf("%s / HTTP/1.1\nHost: x\nContent-Length: %d\n\n%s", method, n, strings.Repeat("x", n))
}

// Who asks for it gets another member for these statuses, if the request may run twice and somebody is left.
func TestRetryOn(t *testing.T) {
	for _, tc := range []struct {
		what, request string
		status        int // of p
		other         int // of q
		want          string
		attempts      int
	}{
		{"another member answers", request("GET", "/"), 503, 200, "200 q", 2},
		{"a body that is kept goes to both", sized("PUT", 64<<10), 503, 200, "200 q", 2},
		{"a body too long to be kept passes as it is", sized("PUT", 64<<10+1), 503, 200, "503 p", 1},
		{"what must not run twice does not", sized("POST", 1), 503, 200, "503 p", 1},
		{"a status that is not named passes", request("GET", "/"), 502, 200, "502 p", 1},
		{"the last member's response passes, whatever it is", request("GET", "/"), 503, 503, "503 q", 2},
		{"a response to HEAD has no body to be thrown away", request("HEAD", "/"), 503, 200, "200 ", 2},
	} {
		inLab(t, func(t *testing.T, l *lab) {
			l.twoPhysicals(says(tc.status, "p"), says(tc.other, "q"), func(_ *Site, r *Route) { r.RetryOn = []int{503, 504} })
			got := l.send(tc.request)
			o := l.outcome()
			if s := fmt.Sprint(got.StatusCode, " ", got.body); s != tc.want && s != strings.TrimSpace(tc.want) || o.Attempts != tc.attempts {
				t.Errorf("%s: %q after %d attempts, want %q after %d", tc.what, s, o.Attempts, tc.want, tc.attempts)
			}
			failed := map[string]uint64{"p": 1}
			if tc.other >= 500 {
				failed["q"] = 1
			}
			for _, name := range []string{"p", "q"} {
				if live := l.liveOf("web", name); live.Outstanding() != 0 || live.Failed() != failed[name] {
					t.Errorf("%s: %s has %d outstanding and failed %d", tc.what, name, live.Outstanding(), live.Failed())
				}
			}
		})
	}
}

// If nobody is left, the response passes with its body, and is no problem of ours.
func TestRetryOnWithNobodyLeft(t *testing.T) {
	inLab(t, func(t *testing.T, l *lab) {
		l.twoPhysicals(says(503, "p is busy"), says(200, "q"), func(_ *Site, r *Route) {
			r.RetryOn, r.Chain = []int{503}, l.chain("order p")
		})
		got, o := l.get("/"), l.outcome()
		if got.StatusCode != 503 || got.body != "p is busy" || o.Err != nil || o.Reason != "" || o.Member.Name != "p" || o.Empty != "" {
			t.Errorf("%d %q; outcome %q, %v", got.StatusCode, got.body, o.Reason, o.Err)
		}
	})
}

// What is sent again is at most three requests, or a fifth of those under way.
func TestRetryBudget(t *testing.T) {
	for _, tc := range []struct{ others, failing, again int }{
		{0, 3, 3},
		{0, 5, 3},
		{40, 10, 10}, // a fifth of 50
		{35, 15, 10},
	} {
		inLab(t, func(t *testing.T, l *lab) {
			slow := func(n int, c net.Conn, r *bufio.Reader) {
				if _, err := http.ReadRequest(r); err == nil {
					time.Sleep(30 * time.Second) // so that all are under way at once
					_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nq")
				}
			}
			h := l.twoPhysicals(hangsUpLater, slow, nil)
			site := l.toWeb("order q")
			both := l.toWeb("order p q")
			var wg sync.WaitGroup
			var ok, failed atomic.Int64
			ask := func() {
				switch got := l.get("/"); got.StatusCode {
				case 200:
					ok.Add(1)
				case 502:
					failed.Add(1)
				default:
					t.Errorf("answered %d", got.StatusCode)
				}
			}
			h.SetSite(site)
			for range tc.others {
				wg.Go(ask)
			}
			synctest.Wait()
			h.SetSite(both)
			for range tc.failing {
				wg.Go(ask)
			}
			wg.Wait()
			if int(ok.Load()) != tc.others+tc.again || int(failed.Load()) != tc.failing-tc.again {
				t.Errorf("%d under way, %d fail: %d are answered and %d not, want %d to be sent again",
					tc.others, tc.failing, ok.Load(), failed.Load(), tc.again)
			}
			synctest.Wait()
			if n := h.again.Load(); n != 0 {
				t.Errorf("%d count as sent again after all", n)
			}
			// It is free again.
			if got := l.get("/"); got.StatusCode != 200 {
				t.Errorf("afterwards: %d", got.StatusCode)
			}
		})
	}
}

// hangsUpLater is hangsUp after a second.
func hangsUpLater(_ int, _ net.Conn, r *bufio.Reader) {
	if _, err := http.ReadRequest(r); err == nil {
		time.Sleep(time.Second)
	}
}

// What was sent and not answered runs again only if that does no harm and all of the body is here.
func TestSentAgainToAnotherMember(t *testing.T) {
	chunked := func(method string, n int) string {
		return fmt.Sprintf("%s / HTTP/1.1\nHost: x\nTransfer-Encoding: chunked\n\n%x\n%s\n0\n\n", method, n, strings.Repeat("x", n))
	}
	for _, tc := range []struct {
		what, request string
		p             func(int, net.Conn, *bufio.Reader)
		status        int
		reason        string
		took          time.Duration
	}{
		{"GET on a connection that ends", request("GET", "/"), hangsUp, 200, "", 0},
		{"POST on a connection that ends", sized("POST", 3), hangsUp, 502, "closed", 0},
		{"PUT of 64 KiB", sized("PUT", 64<<10), hangsUp, 200, "", 0},
		{"PUT of 64 KiB and a byte", sized("PUT", 64<<10+1), hangsUp, 502, "closed", 0},
		{"PUT of 64 KiB in a chunk", chunked("PUT", 64<<10), hangsUp, 200, "", 0},
		{"PUT of 64 KiB and a byte in a chunk", chunked("PUT", 64<<10+1), hangsUp, 502, "closed", 0},
		{"GET that is not answered in time", request("GET", "/"), swallows, 200, "", 10 * time.Second},
		{"POST that is not answered in time", sized("POST", 3), swallows, 504, "timeout", 10 * time.Second},
		{"PUT of 64 KiB in a chunk that is not answered in time", chunked("PUT", 64<<10), swallows, 200, "", 10 * time.Second},
		{"PUT of 200 KiB that is not answered in time", sized("PUT", 200<<10), swallows, 504, "timeout", 10 * time.Second},
		{"POST in a chunk that is not answered in time", chunked("POST", 200<<10), swallows, 504, "timeout", 10 * time.Second},
	} {
		inLab(t, func(t *testing.T, l *lab) {
			l.twoPhysicals(tc.p, says(200, "q"), func(s *Site, _ *Route) { s.ResponseHead = 10 * time.Second })
			got := l.send(tc.request)
			o, p := l.outcome(), l.liveOf("web", "p")
			if got.StatusCode != tc.status || o.Reason != tc.reason || o.Took != tc.took {
				t.Errorf("%s: %d, %q after %v (%v)", tc.what, got.StatusCode, o.Reason, o.Took, o.Err)
			}
			if p.Failed() != 1 || p.Outstanding() != 0 {
				t.Errorf("%s: p failed %d, %d outstanding", tc.what, p.Failed(), p.Outstanding())
			}
		})
	}
}

// A member that never reads the request is given up, charged with it.
func TestMemberThatNeverReads(t *testing.T) {
	for _, tc := range []struct {
		what, request string
		status        int
	}{
		{"a request without a body", request("GET", "/"), 200},
		{"a short body", sized("POST", 10), 504},
		{"a short body that may be sent again", sized("PUT", 10), 200},
		{"a long body", sized("PUT", 200<<10), 504},
		{"a chunked body", "PUT / HTTP/1.1\nHost: x\nTransfer-Encoding: chunked\n\n30000\n" + strings.Repeat("x", 0x30000) + "\n0\n\n", 504},
	} {
		inLab(t, func(t *testing.T, l *lab) {
			h := l.twoPhysicals(func(_ int, c net.Conn, _ *bufio.Reader) { time.Sleep(time.Hour) }, says(200, "q"), func(s *Site, _ *Route) {
				s.ResponseHead, s.ClientIdle = 10*time.Second, 20*time.Second
			})
			got := l.send(tc.request)
			o, p := l.outcome(), l.liveOf("web", "p")
			if got.StatusCode != tc.status || o.Took > 31*time.Second {
				t.Errorf("%s: %d, %q after %v (%v)", tc.what, got.StatusCode, o.Reason, o.Took, o.Err)
			}
			if p.Failed() != 1 || p.Outstanding() != 0 || h.InFlight() != 0 {
				t.Errorf("%s: p failed %d, %d outstanding", tc.what, p.Failed(), p.Outstanding())
			}
			time.Sleep(time.Hour)
		})
	}
}

// A connection that was used before may end in the middle of a body that is streamed, or right behind it.
func TestReusedConnectionEndsWhileABodyIsStreamed(t *testing.T) {
	for _, method := range []string{"PUT", "POST"} {
		for _, reads := range []int{0, 1, 70 << 10, 200 << 10} {
			inLab(t, func(t *testing.T, l *lab) {
				l.addPhysical("web", "p", "http://127.0.0.1:8080")
				var asked atomic.Int64
				l.rawMember("127.0.0.1:8080", func(n int, c net.Conn, r *bufio.Reader) {
					if _, err := http.ReadRequest(r); err != nil {
						return
					}
					_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
					if req, err := http.ReadRequest(r); err == nil {
						asked.Add(1)
						_, _ = io.CopyN(io.Discard, req.Body, int64(reads))
					}
				})
				l.agent("front", frontAddr, l.toWeb())
				if got := l.get("/"); got.body != "ok" {
					t.Fatal(got.body)
				}
				synctest.Wait() // until its connection is back in the pool
				got := l.send(fmt.Sprintf("%s / HTTP/1.1\nHost: x\nTransfer-Encoding: chunked\n\n32000\n%s\n0\n\n", method, strings.Repeat("x", 0x32000)))
				o := l.outcome()
				if got.StatusCode != 502 || o.Reason != "closed" || asked.Load() != 1 {
					t.Errorf("%s, %d bytes read: %d, %q; the member was asked %d times", method, reads, got.StatusCode, o.Reason, asked.Load())
				}
			})
		}
	}
}

// A node of which three beats did not come is not waited for any longer; with what can go nowhere else, one that missed six.
func TestSilentNodeIsGivenUp(t *testing.T) {
	for _, tc := range []struct {
		what, request string
		node          bool
		status        int
		reason        string
		from, to      time.Duration
	}{
		{"what may run twice goes on", request("GET", "/"), true, 200, "", 3 * time.Second, 5 * time.Second},
		{"what must not ends, later", sized("POST", 3), true, 504, "silent", 6 * time.Second, 8 * time.Second},
		{"so does a body that is too long to be kept", sized("PUT", 200<<10), true, 504, "silent", 6 * time.Second, 8 * time.Second},
		{"a physical has no beat", sized("POST", 3), false, 504, "timeout", time.Minute, time.Minute},
	} {
		inLab(t, func(t *testing.T, l *lab) {
			const nodeAddr = "10.0.0.2:80"
			if tc.node {
				l.addNode("n", nodeAddr, "web")
			} else {
				l.addPhysical("web", "n", "http://"+nodeAddr)
			}
			l.addPhysical("web", "q", "http://127.0.0.1:8081")
			l.rawMember(nodeAddr, swallows)
			l.rawMember("127.0.0.1:8081", says(200, "q"))
			l.agent("front", frontAddr, l.toWeb("order n q"))
			got := l.send(tc.request)
			o, n := l.outcome(), l.liveOf("web", "n")
			if got.StatusCode != tc.status || o.Reason != tc.reason || o.Took < tc.from || o.Took > tc.to {
				t.Errorf("%s: %d, %q after %v", tc.what, got.StatusCode, o.Reason, o.Took)
			}
			if n.Failed() != 1 || n.Outstanding() != 0 {
				t.Errorf("%s: it failed %d, %d outstanding", tc.what, n.Failed(), n.Outstanding())
			}
		})
	}
}

// All that was under way at a node whose host is gone goes on elsewhere, be it more than a fifth: and it is put last.
func TestAllThatASilentNodeHadGoesOn(t *testing.T) {
	inLab(t, func(t *testing.T, l *lab) {
		const nodeAddr = "10.0.0.2:80"
		l.addNode("n", nodeAddr, "web")
		l.addPhysical("web", "q", "http://127.0.0.1:8081")
		l.rawMember(nodeAddr, swallows)
		l.rawMember("127.0.0.1:8081", says(200, "q"))
		l.agent("front", frontAddr, l.toWeb("order n q"))
		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() {
				if got := l.get("/"); got.StatusCode != 200 || got.body != "q" {
					t.Errorf("%d %q, want q's answer", got.StatusCode, got.body)
				}
			})
		}
		wg.Wait()
		synctest.Wait() // all connections are idle
		if n := l.liveOf("web", "n"); n.Failed() != 20 || !n.Unreachable(time.Now()) {
			t.Errorf("it failed %d, want 20; it is put last: %v", n.Failed(), n.Unreachable(time.Now()))
		}
	})
}

// The total time-out holds in every phase, and is nobody's fault.
func TestTotalTimeOut(t *testing.T) {
	const total = 10 * time.Second
	drips := func(_ int, c net.Conn, r *bufio.Reader) {
		if _, err := http.ReadRequest(r); err != nil {
			return
		}
		_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
		for range 1000 {
			if _, err := io.WriteString(c, "x"); err != nil {
				return
			}
			time.Sleep(time.Second)
		}
	}
	slowly := func(n int) string { return fmt.Sprintf("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n", n) }
	for _, tc := range []struct {
		what, request string // a body is sent at a byte a second
		p             func(int, net.Conn, *bufio.Reader)
		body          int
		status        int
		reason        string
		failed        uint64 // if it was p that took the time, and nobody else
	}{
		{"while the head is waited for", "GET / HTTP/1.1\r\nHost: x\r\n\r\n", swallows, 0, 504, "total", 1},
		{"in the response's body", "GET / HTTP/1.1\r\nHost: x\r\n\r\n", drips, 0, 200, "total", 0},
		{"in a short body of the request", slowly(100), swallows, 100, 408, "slow", 0},
		{"in a long body of the request", slowly(100 << 10), swallows, 100, 504, "total", 0},
	} {
		inLab(t, func(t *testing.T, l *lab) {
			h := l.twoPhysicals(tc.p, says(200, "q"), func(s *Site, _ *Route) { s.Total = total })
			c := l.conn(clientAddr, frontAddr)
			write(t, c, tc.request)
			go func() {
				for range tc.body {
					time.Sleep(time.Second)
					if _, err := io.WriteString(c, "x"); err != nil {
						return
					}
				}
			}()
			start := time.Now()
			res, err := http.ReadResponse(bufio.NewReader(c), nil)
			if err != nil {
				t.Fatalf("%s: %v", tc.what, err)
			}
			_, err = io.ReadAll(res.Body)
			if (err != nil) != (tc.status == 200) || time.Since(start) != total {
				t.Errorf("%s: the body ends with %v after %v", tc.what, err, time.Since(start))
			}
			o, p := l.outcome(), l.liveOf("web", "p")
			if res.StatusCode != tc.status || o.Reason != tc.reason || o.Took != total || o.Attempts > 1 {
				t.Errorf("%s: %d, %q after %v and %d attempts", tc.what, res.StatusCode, o.Reason, o.Took, o.Attempts)
			}
			if p.Failed() != tc.failed || p.Outstanding() != 0 || h.InFlight() != 0 {
				t.Errorf("%s: p failed %d, %d outstanding, %d in flight", tc.what, p.Failed(), p.Outstanding(), h.InFlight())
			}
		})
	}
}
