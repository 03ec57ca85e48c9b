package proxy

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// Whatever cost the client, or would have, is the member's failure, once; what the client did itself is not.
func TestFailures(t *testing.T) {
	get := "GET / HTTP/1.1\r\nHost: x\r\n\r\n"
	post := "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello"
	answers := func(answer string) func(int, net.Conn, *bufio.Reader) {
		return func(_ int, c net.Conn, r *bufio.Reader) {
			if req, err := http.ReadRequest(r); err == nil {
				_, _ = io.Copy(io.Discard, req.Body)
				_, _ = io.WriteString(c, answer)
			}
		}
	}
	// goesOn answers, and then says nothing more, but does not hang up.
	goesOn := func(answer string) func(int, net.Conn, *bufio.Reader) {
		return func(n int, c net.Conn, r *bufio.Reader) {
			answers(answer)(n, c, r)
			_, _ = r.ReadByte()
		}
	}
	const ok, long = "HTTP/1.1 200 X\r\nContent-Length: 2\r\n\r\nok", "HTTP/1.1 200 X\r\nContent-Length: 9\r\n\r\nok"
	for _, tc := range []struct {
		what    string
		member  func(int, net.Conn, *bufio.Reader) // nil: nobody listens
		request string
		client  func(net.Conn) // what the client does when it has written; nil: it reads to the end
		errorOn []int
		want    int
	}{
		{"an answer", answers(ok), get, nil, nil, 0},
		{"404", says(404, ""), get, nil, nil, 0},
		{"500", says(500, "x"), get, nil, nil, 1},
		{"501, which is a lasting fact", says(501, "x"), get, nil, nil, 0},
		{"502", says(502, "x"), get, nil, nil, 1},
		{"503", says(503, "x"), get, nil, nil, 1},
		{"504", says(504, "x"), get, nil, nil, 1},
		{"505", says(505, "x"), get, nil, nil, 0},
		{"500 to HEAD", says(500, ""), "HEAD / HTTP/1.1\r\nHost: x\r\n\r\n", nil, nil, 1},
		{"a status that the route names", says(501, "x"), get, nil, []int{501}, 1},
		{"a status that the route does not name", says(500, "x"), get, nil, []int{501}, 0},
		{"a status, where the route names none", says(503, "x"), get, nil, []int{}, 0},

		{"no connection", nil, get, nil, nil, 1},
		{"a connection that ends before an answer", answers(""), post, nil, nil, 1},
		{"one that ends within the head", answers("HTTP/1.1 200 X\r\nConte"), post, nil, nil, 1},
		{"one that ends within a body with a length", answers(long), get, nil, nil, 1},
		{"one that ends within a chunk", answers("HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhe"), get, nil, nil, 1},
		{"one that ends before the last chunk", answers("HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n"), get, nil, nil, 1},
		{"one that ends within an interim response", answers("HTTP/1.1 103 X\r\n\r\n"), post, nil, nil, 1},
		{"a body up to the connection's end", answers("HTTP/1.1 200 X\r\n\r\nhello"), get, nil, nil, 0},
		{"a malformed chunk", answers("HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"), get, nil, nil, 1},
		{"what is no HTTP", answers("hello\r\n\r\n"), get, nil, nil, 1},
		{"two lengths", answers("HTTP/1.1 200 X\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nok"), get, nil, nil, 1},
		{"a length that is no number", answers("HTTP/1.1 200 X\r\nContent-Length: x\r\n\r\nok"), get, nil, nil, 1},
		{"more than was announced, which nobody sees", answers(ok + "more"), get, nil, nil, 0},
		{"a protocol that nobody asked for", answers("HTTP/1.1 101 X\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n"), get, nil, nil, 1},
		{"no answer in time", swallows, get, nil, nil, 1},
		{"half a head in time", goesOn("HTTP/1.1 200 X\r\nConte"), get, nil, nil, 1},
		{"a pause in the body that is too long", goesOn(long), get, nil, nil, 1},

		{"a client that goes before the answer", swallows, get, hangUp, nil, 0},
		{"a client that goes within the answer", goesOn(long), get, readThenHangUp, nil, 0},
		{"a client that goes within an error", goesOn(strings.Replace(long, "200", "500", 1)), get, readThenHangUp, nil, 1},
		{"a client that does not read", answers("HTTP/1.1 200 X\r\nContent-Length: 9\r\n\r\n123456789"), get, waitLong, nil, 0},
		{"a client that does not send its body", swallows, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 99999\r\n\r\n", waitLong, nil, 0},
		{"a client that goes within its body", swallows, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 99999\r\n\r\nx", hangUp, nil, 0},
		{"a client whose body is malformed", swallows, "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\nzz\r\n", nil, nil, 0},
	} {
		for _, own := range []bool{false, true} {
			inLab(t, func(t *testing.T, l *lab) {
				s := &Site{ResponseHead: 10 * time.Second, ResponseIdle: 10 * time.Second, ClientIdle: 10 * time.Second}
				o := origin("web", "127.0.0.1:8080")
				who := "p"
				if own {
					l.addNode("front", frontAddr, "web")
					s.Origins, who = []*Origin{o}, "front"
				} else {
					l.addPhysical("web", "p", "http://127.0.0.1:8080")
				}
				s.Routes = l.routes(Route{Farm: "web", Chain: l.chain("order " + who), ErrorOn: tc.errorOn})
				l.agent("front", frontAddr, s)
				if tc.member != nil {
					l.rawMember("127.0.0.1:8080", tc.member)
				}
				c := l.conn(clientAddr, frontAddr)
				go func() { _, _ = io.WriteString(c, tc.request) }()
				if tc.client == nil {
					readToEnd(c, tc.request[:4])
				} else {
					tc.client(c)
				}
				out, live := l.outcome(), l.liveOf("web", who)
				if live.Failed() != uint64(tc.want) || live.Pending(time.Now(), 5*time.Second) != tc.want || live.Outstanding() != 0 {
					t.Errorf("%s (own origin: %v): failed %d, want %d; outstanding %d; outcome %d %q %v",
						tc.what, own, live.Failed(), tc.want, live.Outstanding(), out.Status, out.Reason, out.Err)
				}
				if n := o.Meter.Load(time.Now()).InFlight; own && n != float64(tc.want) {
					t.Errorf("%s: the meter counts %v, want %d error(s)", tc.what, n, tc.want)
				}
			})
		}
	}
}

// readToEnd reads a response, with those before it that are none yet.
func readToEnd(c net.Conn, method string) {
	for r := bufio.NewReader(c); ; {
		res, err := http.ReadResponse(r, &http.Request{Method: method})
		if err == nil {
			_, err = io.Copy(io.Discard, res.Body)
		}
		if err != nil || res.StatusCode >= 200 {
			return
		}
	}
}

// hangUp goes away when nothing happens any more.
func hangUp(c net.Conn) {
	synctest.Wait()
	_ = c.Close()
	time.Sleep(2 * time.Second)
}

// readThenHangUp goes away when the first bytes of the answer are there.
func readThenHangUp(c net.Conn) {
	_, _ = c.Read(make([]byte, 1))
	hangUp(c)
}

// waitLong does nothing until the front has lost its patience.
func waitLong(c net.Conn) {
	time.Sleep(10*time.Second + time.Millisecond)
	hangUp(c)
}

// On a hop, the front and the agent both count what the origin did, and neither counts a refusal.
func TestFailuresOverAHop(t *testing.T) {
	for _, tc := range []struct {
		what, path   string
		front, agent int
	}{
		{"an answer", "/", 0, 0},
		{"an error of the origin's", "/500", 1, 1},
		{"an origin that hangs up", "/hangup", 1, 1},
		{"an origin that cannot be connected to: a refusal", "/", 0, 1},
	} {
		inLab(t, func(t *testing.T, l *lab) {
			_, member := twoAgents(l)
			own := origin("web", "127.0.0.1:8081")
			if !strings.HasSuffix(tc.what, "refusal") {
				l.rawMember("127.0.0.1:8081", originOf)
			}
			member.SetSite(&Site{Origins: []*Origin{own}})
			l.send(fmt.Sprintf("POST %s HTTP/1.1\nHost: x\nContent-Length: 0\n\n", tc.path))
			synctest.Wait()
			live := l.liveOf("web", "www1")
			if live.Failed() != uint64(tc.front) || live.Pending(time.Now(), time.Second) != tc.front {
				t.Errorf("%s: the front counts %d, want %d", tc.what, live.Failed(), tc.front)
			}
			if n := own.Meter.Load(time.Now()).InFlight; n != float64(tc.agent) {
				t.Errorf("%s: the agent counts %v, want %d", tc.what, n, tc.agent)
			}
		})
	}
}

func TestErrorOnIsChecked(t *testing.T) {
	inLab(t, func(t *testing.T, l *lab) {
		for _, tc := range []struct {
			on   []int
			want string
		}{
			{nil, ""},
			{[]int{}, ""},
			{[]int{500, 599}, ""},
			{[]int{500, 499}, "route /: error_on has 499, want statuses from 500 to 599"},
			{[]int{600}, "route /: error_on has 600, want statuses from 500 to 599"},
		} {
			_, err := NewRoutes([]Route{{Farm: "web", Chain: l.chain(), ErrorOn: tc.on}})
			if got := fmt.Sprint(err); got != tc.want && (err != nil || tc.want != "") {
				t.Errorf("%v: %q, want %q", tc.on, got, tc.want)
			}
		}
	})
}
