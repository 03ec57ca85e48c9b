package proxy

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"backhand/gossip/node"
)

// originOf answers by the path, and says about load what is none of its business.
func originOf(_ int, c net.Conn, r *bufio.Reader) {
	for {
		req, err := http.ReadRequest(r)
		if err != nil {
			return
		}
		_, _ = io.Copy(io.Discard, req.Body)
		const lies = "Backhand-Load: n=77 c=77 mu=77\r\nbackhand_load: 77\r\nBackhand-Limit: 77\r\nBackhand-Proof: v1 77\r\n"
		switch req.URL.Path {
		case "/hangup":
			return
		case "/500":
			_, _ = io.WriteString(c, "HTTP/1.1 500 X\r\n"+lies+"Content-Length: 1\r\n\r\nx")
		case "/hints":
			_, _ = io.WriteString(c, "HTTP/1.1 103 X\r\n"+lies+"X: 1\r\n\r\nHTTP/1.1 200 X\r\n"+lies+"Content-Length: 1\r\n\r\nx")
		case "/chunked":
			_, _ = io.WriteString(c, "HTTP/1.1 200 X\r\n"+lies+"Trailer: Backhand-Load, X-Sum\r\nTransfer-Encoding: chunked\r\n\r\n"+
				"1\r\nx\r\n0\r\nBackhand-Load: n=1 c=1 mu=1\r\nBackhand_Limit: 1\r\nX-Sum: 1\r\n\r\n")
		case "/ws":
			_, _ = io.WriteString(c, "HTTP/1.1 101 X\r\n"+lies+"Connection: upgrade\r\nUpgrade: websocket\r\n\r\n")
		case "/named":
			_, _ = io.WriteString(c, "HTTP/1.1 200 X\r\n"+lies+"Connection: Backhand-Load\r\nContent-Length: 1\r\n\r\nx")
		default:
			_, _ = io.WriteString(c, "HTTP/1.1 200 X\r\n"+lies+"Content-Length: 1\r\n\r\nx")
		}
	}
}

// With each response an agent says how busy it is, and the front believes it; nobody else learns of it.
func TestLoadIsHeard(t *testing.T) { testLoadIsHeard(t, nil) }

func TestLoadIsHeardWithKeys(t *testing.T) {
	key := newKeyed("secret", enforce)
	testLoadIsHeard(t, map[string]Proof{"front": key, "www1": key})
}

func testLoadIsHeard(t *testing.T, proofs map[string]Proof) {
	const upgrade = "Connection: upgrade\nUpgrade: websocket"
	for _, tc := range []struct {
		what, request string
		ready         bool
		status        int
		inFlight, own float64
	}{
		{"a response, whose request counts on both sides", request("GET", "/"), true, 200, 1, 1},
		{"a response to HEAD", request("HEAD", "/"), true, 200, 1, 1},
		{"one behind another for the time being", request("GET", "/hints"), true, 200, 1, 1},
		{"one in chunks", request("GET", "/chunked", "TE: trailers", "Connection: TE"), true, 200, 1, 1},
		{"an error of the origin's", request("GET", "/500"), true, 500, 1, 1},
		{"a response whose Connection names the field", request("GET", "/named"), true, 200, 1, 1},
		{"an answer of the agent's own: the error counts as under way", request("POST", "/hangup"), true, 502, 1, 1},
		{"an upgrade, which leaves both", request("GET", "/ws", upgrade), true, 101, 0, 0},
		{"a refusal, which is in neither", request("GET", "/"), false, 503, 0, 0},
	} {
		inLab(t, func(t *testing.T, l *lab) {
			l.proofs = proofs
			_, member := twoAgents(l)
			l.rawMember("127.0.0.1:8081", originOf)
			own := origin("web", "127.0.0.1:8081")
			own.Ready = func() (bool, string) { return tc.ready, "test" }
			member.SetSite(&Site{Origins: []*Origin{own}})
			c := l.conn(clientAddr, frontAddr)
			write(t, c, strings.ReplaceAll(tc.request, "\n", "\r\n"))
			r := bufio.NewReader(c)
			for {
				res, err := http.ReadResponse(r, &http.Request{Method: strings.Fields(tc.request)[0]})
				if err != nil {
					t.Fatalf("%s: %v", tc.what, err)
				}
				if res.StatusCode != 103 && res.StatusCode != 101 {
					_, _ = io.Copy(io.Discard, res.Body)
				}
				for _, h := range []http.Header{res.Header, res.Trailer} {
					for name := range h {
						if strings.HasPrefix(strings.ToLower(name), "backhand") {
							t.Errorf("%s: the client sees %s in a response %d", tc.what, name, res.StatusCode)
						}
					}
				}
				if res.StatusCode == 103 {
					continue
				}
				if res.StatusCode != tc.status {
					t.Errorf("%s: %d, want %d", tc.what, res.StatusCode, tc.status)
				}
				break
			}
			synctest.Wait()
			h := l.liveOf("web", "www1").LastHeard()
			if h.At != time.Now().UnixNano() || h.InFlight != tc.inFlight || h.Own != tc.own || h.Slots != 4 {
				t.Errorf("%s: heard %+v, want n=%v c=4 with %v of our own", tc.what, h, tc.inFlight, tc.own)
			}
		})
	}
}

// What is malformed is as if nobody had said it, and counts as nobody's fault.
func TestLoadsThatAreNotBelieved(t *testing.T) {
	inLab(t, func(t *testing.T, l *lab) {
		l.addNode("front", frontAddr)
		l.addNode("www1", "10.0.0.2:80", "web")
		says := ""
		l.rawMember("10.0.0.2:80", func(_ int, c net.Conn, r *bufio.Reader) {
			for {
				if _, err := http.ReadRequest(r); err != nil {
					return
				}
				_, _ = io.WriteString(c, "HTTP/1.1 200 X\r\nContent-Length: 2\r\n"+says+"\r\nok")
			}
		})
		l.agent("front", frontAddr, l.toWeb())
		for _, tc := range []struct {
			says string
			want bool
		}{
			{"Backhand-Load: n=x c=1 mu=1\r\n", false},
			{"Backhand-Load: n=1 c=1 mu=1\r\nBackhand-Load: n=1 c=1 mu=1\r\n", false},
			{"Backhand_Load: n=1 c=1 mu=1\r\n", false},
			{"Backhand-Load:\r\n", false},
			{"Backhand-Load: n=1e999 c=1 mu=1\r\n", false},
			{"X: n=1 c=1 mu=1\r\n", false},
			{"Backhand-Load: n=3 c=1 mu=2\r\n", true},
		} {
			says = tc.says
			if got := l.get("/"); got.StatusCode != 200 || got.body != "ok" {
				t.Errorf("%q: %d %q", tc.says, got.StatusCode, got.body)
			}
			synctest.Wait()
			live := l.liveOf("web", "www1")
			if heard := live.LastHeard().At != 0; heard != tc.want || live.Failed() != 0 {
				t.Errorf("%q: heard %v, failed %d", tc.says, heard, live.Failed())
			}
		}
	})
}

// An agent says its load to another one over HTTP/2 as well, and to nobody else.
func TestLoadOverHTTP2(t *testing.T) {
	inLab(t, func(t *testing.T, l *lab) {
		twoAgents(l)
		for _, tc := range []struct{ from, want string }{{"10.0.0.1", "[n=1 c=4 mu=0]"}, {clientAddr, "[]"}} {
			tr := &http.Transport{Protocols: onlyH2C, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
				return l.net.dial(ctx, netip.MustParseAddr(tc.from), "10.0.0.2:80")
			}}
			req := newRequest(t, "GET", "/", nil)
			if tc.from != clientAddr {
				name, value, _ := strings.Cut(hopFrom("front"), ": ")
				req.Header.Set(name, value)
			}
			res, body := fetch(tr, req)
			tr.CloseIdleConnections()
			if got := fmt.Sprint(res.Header["Backhand-Load"]); got != tc.want || res.StatusCode != 200 {
				t.Errorf("from %s: %d %q, load %s, want %s", tc.from, res.StatusCode, body, got, tc.want)
			}
		}
	})
}

// Chains know how busy the own origin is as they know it of others: from its responses, those to other agents included.
func TestOwnLoadIsHeard(t *testing.T) {
	inLab(t, func(t *testing.T, l *lab) {
		l.addNode("front", frontAddr, "web")
		l.addNode("other", "10.0.0.9:80")
		l.serve("127.0.0.1:8080", named("own"))
		s := l.toWeb("order front")
		s.Origins = []*Origin{origin("web", "127.0.0.1:8080")}
		l.agent("front", frontAddr, s)
		heard := func() node.Heard { return l.liveOf("web", "front").LastHeard() }
		l.get("/")
		if h := heard(); h.InFlight != 1 || h.Own != 1 || h.Slots != 4 {
			t.Errorf("of a client's request is heard %+v", h)
		}
		time.Sleep(time.Second)
		l.sendTo(frontAddr, "10.0.0.9", request("GET", "/", hopFrom("other")))
		if h := heard(); h.InFlight != 1 || h.Own != 0 || h.At != time.Now().UnixNano() {
			t.Errorf("of another agent's request is heard %+v", h)
		}
	})
}

// The request counts on both sides until the last byte of its response was passed on, however slow its client.
func TestRequestsCountUntilTheirLastByte(t *testing.T) {
	inLab(t, func(t *testing.T, l *lab) {
		front, member := twoAgents(l)
		body := strings.Repeat("x", 1<<20)
		l.serve("127.0.0.1:8081", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			time.Sleep(100 * time.Millisecond)
			_, _ = io.WriteString(w, body)
		}))
		own := origin("web", "127.0.0.1:8081")
		member.SetSite(&Site{Origins: []*Origin{own}})
		for range 2 {
			c := l.conn(clientAddr, frontAddr)
			write(t, c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
			res, err := http.ReadResponse(bufio.NewReaderSize(c, 16), nil)
			if err != nil {
				t.Fatal(err)
			}
			buf := make([]byte, len(body)/64)
			for range 63 {
				if _, err := io.ReadFull(res.Body, buf); err != nil {
					t.Fatal(err)
				}
				time.Sleep(5 * time.Millisecond)
			}
			live := l.liveOf("web", "www1")
			if n := own.Meter.Load(time.Now()).InFlight; n != 1 || live.Outstanding() != 1 || front.InFlight() != 1 {
				t.Errorf("before the end: %v under way at the agent, %d at the front", n, live.Outstanding())
			}
			_, _ = io.Copy(io.Discard, res.Body)
			synctest.Wait()
			if n := own.Meter.Load(time.Now()).InFlight; n != 0 || live.Outstanding() != 0 || front.InFlight() != 0 {
				t.Errorf("at the end: %v under way at the agent, %d at the front", n, live.Outstanding())
			}
		}
	})
}
