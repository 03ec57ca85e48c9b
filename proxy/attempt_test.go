package proxy

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"backhand/gossip/node"
)

const deadAddr = "10.0.0.66:80" // nobody listens

func TestDeadMemberThenLiveOne(t *testing.T) {
	inLab(t, func(t *testing.T, l *lab) {
		l.addNode("dead", deadAddr, "web")
		l.addPhysical("web", "p", "http://127.0.0.1:8080")
		l.serve("127.0.0.1:8080", http.HandlerFunc(echo))
		l.agent("front", frontAddr, l.toWeb("order dead p"))
		got := l.send("POST /?a=1;b=2 HTTP/1.1\nHost: x\nTransfer-Encoding: chunked\nTrailer: X-Sum\n\n5\nhello\n0\nX-Sum: 42\n\n")
		if !strings.HasPrefix(got.body, "POST /?a=1;b=2\n") || !strings.Contains(got.body, "\nhello\n") || len(field(got.body, "X-Sum")) != 1 {
			t.Errorf("the second member sees:\n%s", got.body)
		}
		if strings.Contains(got.body, "Backhand-Hop") {
			t.Errorf("a physical sees the hop field that was meant for a node:\n%s", got.body)
		}
		if o := l.outcome(); o.Attempts != 2 || o.Member.Name != "p" || o.Err != nil {
			t.Errorf("outcome %+v", o)
		}
		dead := l.liveOf("web", "dead")
		if !dead.Unreachable(time.Now()) || dead.Failed() != 1 || dead.Outstanding() != 0 {
			t.Errorf("the dead member: unreachable %v, failed %d, outstanding %d", dead.Unreachable(time.Now()), dead.Failed(), dead.Outstanding())
		}
		if p := l.liveOf("web", "p"); p.Failed() != 0 || p.Outstanding() != 0 || p.Chosen() != 1 {
			t.Errorf("the live member: failed %d, outstanding %d, chosen %d", p.Failed(), p.Outstanding(), p.Chosen())
		}
		// It is put last now, so that a chain that takes them as they come does not ask it.
		l.handler["front"].SetSite(l.toWeb())
		if l.get("/"); l.outcome().Attempts != 1 {
			t.Error("the dead member was asked again within a second")
		}
	})
}

func TestConnectionsThatCannotBeMade(t *testing.T) {
	inLab(t, func(t *testing.T, l *lab) {
		for i, name := range []string{"d1", "d2", "d3", "d4"} {
			l.addNode(name, fmt.Sprintf("10.0.0.%d:80", 60+i), "web")
		}
		l.net.dark["10.0.0.63:80"] = true // d4
		l.addPhysical("tls", "p", "https://127.0.0.1:8443")
		l.serve("127.0.0.1:8443", named("no TLS")) // the handshake fails
		h := l.agent("front", frontAddr, &Site{})
		for _, tc := range []struct {
			what, farm string
			chain      []string
			status     int
			attempts   int
			took       time.Duration
			reason     string
		}{
			{"as many as tries", "web", []string{"order d1 d2 d3 d4"}, 502, 3, 0, "connect"},
			{"no more than there are", "web", []string{"order d1"}, 502, 1, 0, "connect"},
			{"in time", "web", []string{"order d4"}, 504, 1, time.Second, "connect_timeout"},
			{"TLS counts as part of it", "tls", nil, 502, 1, 0, "connect"},
		} {
			h.SetSite(&Site{Routes: l.routes(Route{Farm: tc.farm, Chain: l.chain(tc.chain...)})})
			got := l.get("/")
			o := l.outcome()
			if got.StatusCode != tc.status || o.Attempts != tc.attempts || o.Took != tc.took || o.Reason != tc.reason {
				t.Errorf("%s: %d after %d attempts and %v, %q (%v)", tc.what, got.StatusCode, o.Attempts, o.Took, o.Reason, o.Err)
			}
			if strings.Contains(got.body, "10.0") || !strings.Contains(got.body, `"`+tc.farm+`"`) {
				t.Errorf("%s: the client reads %q", tc.what, got.body)
			}
		}
	})
}

// That this host has nothing left to dial with says nothing of the members, nor of our own origin.
func TestConnectionsForWhichThereIsNothingLeft(t *testing.T) {
	for _, lack := range []error{syscall.EMFILE, syscall.ENFILE, syscall.EADDRNOTAVAIL, syscall.ENOBUFS, syscall.ENOMEM} {
		inLab(t, func(t *testing.T, l *lab) {
			l.addNode("front", frontAddr, "own")
			l.addNode("one", "10.0.0.2:80", "web")
			l.addNode("two", "10.0.0.3:80", "web")
			own := origin("own", "127.0.0.1:8080")
			blamed := 0
			own.ConnectFailed = func() { blamed++ }
			h := l.agent("front", frontAddr, &Site{Origins: []*Origin{own}, Routes: l.routes(
				Route{Path: "/", Farm: "web", Chain: l.chain("order one two")},
				Route{Path: "/own", Farm: "own", Chain: l.chain("order front")},
			)})
			dials := 0
			h.members.cfg.Dial = func(context.Context, netip.Addr, string) (net.Conn, error) {
				dials++
				return nil, &net.OpError{Op: "dial", Err: lack}
			}
			h.SetSite(&Site{Origins: []*Origin{own}, Routes: h.site.Load().Routes, Connect: time.Minute}) // dials anew
			for i, target := range []string{"/", "/own"} {
				got := l.get(target)
				if got.StatusCode != 503 || got.Header.Get("Retry-After") != "1" || !strings.Contains(got.body, "nothing left") {
					t.Errorf("%v: %s: %d %q", lack, target, got.StatusCode, got.body)
				}
				if o := l.outcome(); o.Reason != "resources" || o.Attempts != 1 || dials != i+1 || !errors.Is(o.Err, lack) {
					t.Errorf("%v: %s: %q after %d attempts and %d dials, %v", lack, target, o.Reason, o.Attempts, dials, o.Err)
				}
			}
			// The agent before us may know another member.
			hopField := "Backhand-Hop: " + string(hop{idOf("one"), "own", netip.MustParseAddr(clientAddr), "http"}.append(nil))
			got := l.sendTo(frontAddr, "10.0.0.2", request("GET", "/own", hopField))
			if got.StatusCode != 503 || got.Header.Get("Backhand-Refused") != "busy" {
				t.Errorf("%v: on a hop: %d, refused %q", lack, got.StatusCode, got.Header.Get("Backhand-Refused"))
			}
			time.Sleep(time.Second)
			var m node.Service
			if own.Meter.Read(&m, time.Now()); m.Errors != 0 || m.InFlight != 0 || m.Served != 0 || m.Refusals != 1 || blamed != 0 {
				t.Errorf("%v: the meter says %+v, the origin was blamed %d times", lack, m, blamed)
			}
			for farm, name := range map[string]string{"web": "one", "own": "front"} {
				if live := l.liveOf(farm, name); live.Failed() != 0 || live.Outstanding() != 0 || live.Unreachable(time.Now()) {
					t.Errorf("%v: %s: failed %d, outstanding %d", lack, name, live.Failed(), live.Outstanding())
				}
			}
		})
	}
}

func TestRefusals(t *testing.T) {
	big := strings.Repeat("x", 100<<10)
	inLab(t, func(t *testing.T, l *lab) {
		l.addNode("front", frontAddr)
		for i, name := range []string{"full1", "full2", "full3", "full4", "proud"} {
			addr := fmt.Sprintf("10.0.0.%d:80", 10+i)
			l.addNode(name, addr, "web")
			l.serve(addr, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				_, _ = io.Copy(io.Discard, r.Body) // later than it could
				if name == "proud" {
					w.Header().Set("Backhand-Refused", "hop")
					w.WriteHeader(421)
					return
				}
				w.Header().Set("Backhand-Refused", "busy")
				w.WriteHeader(503)
			}))
		}
		var served atomic.Int64
		l.addNode("ok", "10.0.0.20:80", "web")
		l.serve("10.0.0.20:80", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			b, _ := io.ReadAll(r.Body)
			served.Add(1)
			fmt.Fprintf(w, "%s %d", r.Method, len(b))
		}))
		h := l.agent("front", frontAddr, &Site{})
		post := func(body string) string {
			return fmt.Sprintf("POST / HTTP/1.1\nHost: x\nContent-Length: %d\n\n%s", len(body), body)
		}
		chunked := func(body string) string {
			return fmt.Sprintf("POST / HTTP/1.1\nHost: x\nTransfer-Encoding: chunked\n\n%x\n%s\n0\n\n", len(body), body)
		}
		for _, tc := range []struct {
			what, chain, request string
			status               int
			body                 string
			refusals, attempts   int
		}{
			{"a refusal goes on", "order full1 ok", post("12345"), 200, "POST 5", 1, 1},
			{"a chunked body is kept as it passes", "order full1 full2 ok", chunked("12345"), 200, "POST 5", 2, 1},
			{"without a body", "order full1 full2 ok", request("DELETE", "/"), 200, "DELETE 0", 2, 1},
			{"as many as tries", "order full1 full2 full3 ok", post("12345"), 503, "take no requests", 3, 0},
			{"nobody else", "order full1", post("12345"), 503, "take no requests", 1, 0},
			{"a body that is too long", "order full1 ok", post(big), 503, "too long to be sent again", 1, 0},
			{"a chunked body that is too long", "order full1 ok", chunked(big), 503, "too long to be sent again", 1, 0},
			{"a long body to one who takes it", "order ok", post(big), 200, "POST 102400", 0, 1},
			{"a node that does not believe us is passed over", "order proud ok", post("1"), 200, "POST 1", 1, 1},
			{"and if there is no other", "order proud", post("1"), 502, "do not accept", 1, 0},
			{"refusals and dead ones", "order dead full1 ok", post("12"), 200, "POST 2", 1, 1},
		} {
			served.Store(0)
			h.SetSite(l.toWeb(tc.chain))
			got := l.send(tc.request)
			o := l.outcome()
			if got.StatusCode != tc.status || !strings.Contains(got.body, tc.body) || o.Refusals != tc.refusals || o.Attempts != tc.attempts {
				t.Errorf("%s: %d %q after %d refusals and %d attempts (%v)", tc.what, got.StatusCode, got.body, o.Refusals, o.Attempts, o.Err)
			}
			if n := served.Load(); n > 1 || (n == 1) != (tc.status == 200) {
				t.Errorf("%s: it was served %d times", tc.what, n)
			}
			if got.Header.Get("Backhand-Refused") != "" {
				t.Errorf("%s: the client sees the refusal", tc.what)
			}
		}
		full := l.liveOf("web", "full1")
		if full.Failed() != 0 || full.Refused() != 8 || full.Outstanding() != 0 {
			t.Errorf("full1: failed %d, refused %d, outstanding %d; want 0, 8, 0", full.Failed(), full.Refused(), full.Outstanding())
		}
	})
}

// A client that wants to be asked for its body is asked only by the member that takes the request.
func TestExpectContinue(t *testing.T) {
	inLab(t, func(t *testing.T, l *lab) {
		l.addNode("front", frontAddr)
		l.addNode("down", "10.0.0.2:80", "web")
		l.addNode("up", "10.0.0.3:80", "web")
		l.serve("127.0.0.1:8083", http.HandlerFunc(echo))
		l.agent("front", frontAddr, l.toWeb("order down up"))
		down := origin("web", "127.0.0.1:8082")
		down.Ready = func() (bool, string) { return false, "test" }
		l.agent("down", "10.0.0.2:80", &Site{Origins: []*Origin{down}})
		l.agent("up", "10.0.0.3:80", &Site{Origins: []*Origin{origin("web", "127.0.0.1:8083")}})
		c := l.conn(clientAddr, frontAddr)
		go func() {
			_, _ = fmt.Fprint(c, "PUT / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n")
		}()
		r := bufio.NewReader(c)
		res, err := http.ReadResponse(r, nil)
		if err != nil || res.StatusCode != 100 {
			t.Fatalf("before the body: %+v, %v", res, err)
		}
		write(t, c, "hello")
		res, err = http.ReadResponse(r, nil)
		if err != nil || res.StatusCode != 200 {
			t.Fatalf("after the body: %+v, %v", res, err)
		}
		if b, _ := io.ReadAll(res.Body); !strings.Contains(string(b), "\nhello\n") {
			t.Errorf("the origin sees\n%s", b)
		}
		if o := l.outcome(); o.Refusals != 1 || o.Took != 0 {
			t.Errorf("%d refusals, took %v", o.Refusals, o.Took)
		}
	})
}

func TestOwnOriginDown(t *testing.T) {
	inLab(t, func(t *testing.T, l *lab) {
		l.addNode("front", frontAddr, "web")
		l.addPhysical("web", "p", "http://127.0.0.1:8081")
		l.serve("127.0.0.1:8081", named("p"))
		own := origin("web", "127.0.0.1:8080")
		var failed int
		own.ConnectFailed = func() { failed++ }
		ready := true
		own.Ready = func() (bool, string) { return ready, "" }
		s := l.toWeb("withSelf", "order front p")
		s.Origins = []*Origin{own}
		h := l.agent("front", frontAddr, s)
		if got := l.send("POST / HTTP/1.1\nHost: x\nContent-Length: 2\n\nhi"); got.body != "p" || failed != 1 || l.outcome().Attempts != 2 {
			t.Errorf("a POST gets %d %q after %d attempts; %d failures were told", got.StatusCode, got.body, l.outcome().Attempts, failed)
		}
		h.SetSite(&Site{Routes: l.routes(Route{Farm: "web", Chain: l.chain("order front")}), Origins: s.Origins})
		if got := l.get("/"); got.StatusCode != 502 || failed != 2 || l.outcome().Attempts != 1 {
			t.Errorf("alone: %d after %d attempts; %d failures were told", got.StatusCode, l.outcome().Attempts, failed)
		}
		h.SetSite(s)
		if ready = false; l.get("/").body != "p" || failed != 2 || l.outcome().Attempts != 1 {
			t.Errorf("an origin that is down was asked all the same")
		}
		hopField := "Backhand-Hop: " + string(hop{idOf("www1"), "web", l.outcome().Client, "http"}.append(nil))
		l.addNode("www1", "10.0.0.2:80")
		snap := l.snapshot("front")
		h.cfg.Snapshot = func() *node.Snapshot { return snap }
		for _, ready = range []bool{true, false} {
			got := l.sendTo(frontAddr, "10.0.0.2", request("POST", "/", hopField, "Content-Length: 0"))
			if got.StatusCode != 503 || got.Header.Get("Backhand-Refused") != "origin" || !strings.Contains(got.body, "web server") {
				t.Errorf("on a hop, check says %v: %d %q %q", ready, got.StatusCode, got.Header.Get("Backhand-Refused"), got.body)
			}
		}
		time.Sleep(time.Second)
		var m node.Service
		if own.Meter.Read(&m, time.Now()); math.Round(m.Refusals) != 2 || math.Round(m.Errors) != 3 || m.Served != 0 {
			t.Errorf("the meter says %+v", m)
		}
	})
}

// A member that comes back is asked in its turn again at once, and the connection of a refusal is used again.
func TestConnectionsAreRemembered(t *testing.T) {
	inLab(t, func(t *testing.T, l *lab) {
		l.addNode("front", frontAddr)
		l.addNode("www1", "10.0.0.2:80", "web")
		h := l.agent("front", frontAddr, l.toWeb())
		l.get("/")
		live := l.liveOf("web", "www1")
		if !live.Unreachable(time.Now()) {
			t.Error("a member that could not be connected to is not noted")
		}
		down := origin("web", "127.0.0.1:8080")
		down.Ready = func() (bool, string) { return false, "" }
		l.agent("www1", "10.0.0.2:80", &Site{Origins: []*Origin{down}})
		before := l.net.dialled("10.0.0.2:80")
		for range 3 {
			if got := l.get("/"); got.StatusCode != 503 {
				t.Errorf("%d %q, want a refusal", got.StatusCode, got.body)
			}
		}
		if live.Unreachable(time.Now()) {
			t.Error("a member that was connected to still counts as one that cannot be")
		}
		if n := l.net.dialled("10.0.0.2:80") - before; n != 1 {
			t.Errorf("three refusals took %d connections, want 1", n)
		}
		// A reload that changes no time-out keeps connections, one that does applies to the next request.
		h.SetSite(l.toWeb())
		l.get("/")
		if n := l.net.dialled("10.0.0.2:80") - before; n != 1 {
			t.Errorf("after a reload there were %d connections, want 1", n)
		}
		s := l.toWeb()
		s.Connect = 5 * time.Second
		h.SetSite(s)
		h.members.closeIdle()
		l.net.mu.Lock()
		l.net.dark["10.0.0.2:80"] = true
		l.net.mu.Unlock()
		if l.get("/"); l.outcome().Took != 5*time.Second {
			t.Errorf("connecting was tried for %v, want 5s", l.outcome().Took)
		}
	})
}

// A request that came over a hop and never reached our origin, since the only idle connection was closed and no other came about
// in time, is not counted as served.
func TestAConnectionThatWasClosedServesNobody(t *testing.T) {
	inLab(t, func(t *testing.T, l *lab) {
		l.addNode("front", frontAddr, "own")
		l.addNode("one", "10.0.0.2:80", "own")
		own := origin("own", "127.0.0.1:8080")
		h := l.agent("front", frontAddr, &Site{Origins: []*Origin{own}, Total: time.Second})
		near, far := net.Pipe()
		defer near.Close()
		dials := 0
		h.members.cfg.Dial = func(ctx context.Context, _ netip.Addr, _ string) (net.Conn, error) {
			if dials++; dials == 1 {
				return near, nil
			}
			<-ctx.Done()
			return nil, ctx.Err()
		}
		go func() {
			defer far.Close() // after the first answer
			if _, err := http.ReadRequest(bufio.NewReader(far)); err == nil {
				_, _ = io.WriteString(far, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
			}
		}()
		hopField := "Backhand-Hop: " + string(hop{idOf("one"), "own", netip.MustParseAddr(clientAddr), "http"}.append(nil))
		for i, want := range []int{200, 504} {
			if got := l.sendTo(frontAddr, "10.0.0.2", request("GET", "/own", hopField)); got.StatusCode != want {
				t.Errorf("request %d: %d, want %d", i+1, got.StatusCode, want)
			}
			synctest.Wait()
		}
		var m node.Service
		if own.Meter.Read(&m, time.Now()); m.Served != 1 || dials != 2 {
			t.Errorf("%d were served, want 1; %d dials", m.Served, dials)
		}
	})
}

// rawMember accepts connections and hands each to f.
func (l *lab) rawMember(addr string, f func(n int, c net.Conn, r *bufio.Reader)) {
	ln := l.net.listen(addr)
	go func() {
		for n := 1; ; n++ {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				f(n, c, bufio.NewReader(c))
			}()
		}
	}()
	l.t.Cleanup(func() { _ = ln.Close() })
}

// What may run twice, and what must not, when a connection that was used before turns out to be closed.
func TestRunsTwiceOnlyIfThatDoesNoHarm(t *testing.T) {
	for _, tc := range []struct {
		request string
		times   int32
	}{
		{request("GET", "/"), 2},
		{request("DELETE", "/"), 2},
		{"PUT / HTTP/1.1\nHost: x\nContent-Length: 2\n\nhi", 2},
		{"POST / HTTP/1.1\nHost: x\nContent-Length: 2\n\nhi", 1},
		{"POST / HTTP/1.1\nHost: x\nContent-Length: 0\n\n", 1},
		{"POST / HTTP/1.1\nHost: x\nContent-Length: 2\nIdempotency-Key: 1\nX-Idempotency-Key: 2\n\nhi", 1},
		{"PATCH / HTTP/1.1\nHost: x\nContent-Length: 0\nIdempotency-Key: 1\n\n", 1},
		{"PUT / HTTP/1.1\nHost: x\nTransfer-Encoding: chunked\n\n2\nhi\n0\n\n", 2},
	} {
		inLab(t, func(t *testing.T, l *lab) {
			l.addPhysical("web", "p", "http://127.0.0.1:8080")
			var runs atomic.Int32
			l.rawMember("127.0.0.1:8080", func(n int, c net.Conn, r *bufio.Reader) {
				for i := 1; ; i++ {
					req, err := http.ReadRequest(r)
					if err != nil {
						return
					}
					_, _ = io.Copy(io.Discard, req.Body)
					if req.Header.Get("X-First") == "" {
						runs.Add(1)
						if n == 1 {
							return // the request ran; its answer is lost
						}
					}
					_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
				}
			})
			l.agent("front", frontAddr, l.toWeb())
			if got := l.get("/", "X-First: 1"); got.body != "ok" {
				t.Fatalf("the first request: %+v", got)
			}
			synctest.Wait()
			got := l.send(tc.request)
			if runs.Load() != tc.times || (got.StatusCode == 200) != (tc.times == 2) {
				t.Errorf("%q ran %d times and got %d, want %d times", tc.request, runs.Load(), got.StatusCode, tc.times)
			}
			failed := l.liveOf("web", "p").Failed()
			if o := l.outcome(); o.Attempts != 1 || tc.times == 1 && (o.Reason != "closed" || failed != 1) {
				t.Errorf("%q: outcome %q after %d attempts, %d failures", tc.request, o.Reason, o.Attempts, failed)
			}
		})
	}
}

func TestAnswersThatFail(t *testing.T) {
	for _, tc := range []struct {
		what, method string
		answer       string // what the member sends; then it closes, or waits if it is ""
		status       int
		reason       string
		took         time.Duration
	}{
		{"closed before an answer", "POST", "-", 502, "closed", 0},
		{"closed within the head", "POST", "HTTP/1.1 200 OK\r\nX: y\r\n", 502, "closed", 0},
		{"no HTTP at all", "POST", "220 mail.example ESMTP\r\n\r\n", 502, "malformed", 0},
		{"a head too long", "POST", "HTTP/1.1 200 OK\r\nX: " + strings.Repeat("x", 1<<20), 502, "malformed", 0},
		{"no answer in time", "POST", "", 504, "timeout", time.Minute},
		{"broken off in the body", "GET", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhi", 200, "broken", 0},
		{"switches unasked", "GET", "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n", 502, "malformed", 0},
	} {
		inLab(t, func(t *testing.T, l *lab) {
			l.addPhysical("web", "p", "http://127.0.0.1:8080")
			l.addPhysical("web", "other", "http://127.0.0.1:8081")
			l.serve("127.0.0.1:8081", http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Errorf("%s: another member was asked", tc.what) }))
			l.rawMember("127.0.0.1:8080", func(_ int, c net.Conn, r *bufio.Reader) {
				if _, err := http.ReadRequest(r); err != nil {
					return
				}
				if tc.answer != "-" {
					_, _ = io.WriteString(c, tc.answer)
				}
				if tc.answer == "" {
					_, _ = r.ReadByte() // until the front has had enough
				}
			})
			l.agent("front", frontAddr, l.toWeb("order p other"))
			got := l.send(request(tc.method, "/", "Content-Length: 0"))
			o, live := l.outcome(), l.liveOf("web", "p")
			if got.StatusCode != tc.status || o.Status != tc.status || o.Reason != tc.reason || o.Took != tc.took || o.Err == nil {
				t.Errorf("%s: %d; outcome %d, %q, %v, %v", tc.what, got.StatusCode, o.Status, o.Reason, o.Took, o.Err)
			}
			if live.Failed() != 1 || live.Outstanding() != 0 || live.Unreachable(time.Now()) {
				t.Errorf("%s: failed %d, outstanding %d, unreachable %v", tc.what, live.Failed(), live.Outstanding(), live.Unreachable(time.Now()))
			}
		})
	}
}

func TestFaultsOfTheClient(t *testing.T) {
	for _, tc := range []struct {
		what, request string
		thenCloses    bool
		until         string // it reads this first
		status        int
		reason        string
		asked         uint64
	}{
		{"goes while it waits", "GET /wait HTTP/1.1\r\nHost: x\r\n\r\n", true, "", 499, "client", 1},
		{"goes in the middle of its small body", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nhi", true, "", 499, "client", 0},
		{"goes in the middle of its large body", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 99999\r\n\r\nhi", true, "", 499, "client", 1},
		{"sends a malformed chunk", "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", false, "read.\n", 400, "body", 0},
		{"sends a malformed chunk later", "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" + strings.Repeat("1000\r\n"+strings.Repeat("x", 4096)+"\r\n", 40) + "zz\r\n", false, "read.\n", 400, "body", 1},
		{"goes in the middle of the response", "GET /drip HTTP/1.1\r\nHost: x\r\n\r\n", true, "x\n", 200, "client", 1},
	} {
		inLab(t, func(t *testing.T, l *lab) {
			l.addNode("front", frontAddr, "web")
			l.serve("127.0.0.1:8080", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				_, _ = io.Copy(io.Discard, r.Body)
				switch r.URL.Path {
				case "/wait":
					<-r.Context().Done()
				case "/drip":
					for i := 0; r.Context().Err() == nil; i++ {
						_, _ = io.WriteString(w, strings.Repeat("x", 1000)+"\n")
						_ = http.NewResponseController(w).Flush()
						time.Sleep(time.Second)
					}
				}
			}))
			s := l.toWeb()
			own := origin("web", "127.0.0.1:8080")
			s.Origins = []*Origin{own}
			l.agent("front", frontAddr, s)
			c := l.conn(clientAddr, frontAddr)
			go func() { _, _ = io.WriteString(c, tc.request) }()
			for r := bufio.NewReader(c); tc.until != ""; {
				if line, err := r.ReadString('\n'); err != nil || strings.HasSuffix(line, tc.until) {
					break
				}
			}
			synctest.Wait()
			if tc.thenCloses {
				_ = c.Close()
			} else {
				go func() { _, _ = io.Copy(io.Discard, c) }()
			}
			time.Sleep(3 * time.Second)
			o, live := l.outcome(), l.liveOf("web", "front")
			if o.Status != tc.status || o.Reason != tc.reason || o.Err == nil {
				t.Errorf("%s: outcome %d, %q, %v", tc.what, o.Status, o.Reason, o.Err)
			}
			if live.Failed() != 0 || live.Outstanding() != 0 || live.Chosen() != tc.asked {
				t.Errorf("%s: failed %d, outstanding %d, chosen %d", tc.what, live.Failed(), live.Outstanding(), live.Chosen())
			}
			var m node.Service
			if own.Meter.Read(&m, time.Now()); m.Errors != 0 || m.Completions != 0 || m.InFlight != 0 {
				t.Errorf("%s: the meter says %+v", tc.what, m)
			}
		})
	}
}
