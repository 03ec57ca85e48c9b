package proxy

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"backhand/gossip/node"
)

// refuses is a node that sends back at once whatever it is asked, without a look at the body.
func refuses(w http.ResponseWriter, _ *http.Request) {
	_ = http.NewResponseController(w).EnableFullDuplex()
	w.Header().Set("Backhand-Refused", "busy")
	w.Header().Set("Connection", "close")
	w.WriteHeader(503)
}

const pausingPost = "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n3\r\nabc\r\n"

// A refusal is acted on while the client is silent in the middle of its body.
func TestRefusalWhileTheClientPauses(t *testing.T) {
	inLab(t, func(t *testing.T, l *lab) {
		for i, name := range []string{"one", "two", "three"} {
			l.addNode(name, fmt.Sprintf("10.0.0.%d:80", 2+i), "web")
		}
		l.serve("10.0.0.2:80", http.HandlerFunc(refuses))
		l.serve("10.0.0.3:80", http.HandlerFunc(refuses))
		l.serve("10.0.0.4:80", http.HandlerFunc(echo))
		l.agent("front", frontAddr, l.toWeb("order one two three"))
		c := l.conn(clientAddr, frontAddr)
		write(t, c, pausingPost)
		time.Sleep(time.Second) // of the bubble; net/http waits 50 ms whether the refusing members take the rest
		if l.net.dialled("10.0.0.4:80") != 1 {
			t.Error("the third member was not asked while the client was silent")
		}
		write(t, c, "3\r\ndef\r\n")
		write(t, c, "0\r\nX-Sum: 42\r\n\r\n")
		got := l.read(c, "POST")
		if got.StatusCode != 200 || !strings.Contains(got.body, "\nabcdef\n") || len(field(got.body, "X-Sum")) != 1 {
			t.Errorf("%d, the third member sees\n%s", got.StatusCode, got.body)
		}
		if o := l.outcome(); o.Refusals != 2 || o.Attempts != 1 || o.Took != time.Second || o.Err != nil {
			t.Errorf("%d refusals, %d attempts, took %v, %v", o.Refusals, o.Attempts, o.Took, o.Err)
		}
	})
}

// Nor does the client wait for ever for what its silence has nothing to do with.
func TestAnswerWhileTheClientPauses(t *testing.T) {
	for _, tc := range []struct {
		what   string
		member http.HandlerFunc
		status int
	}{
		{"the only member refuses", refuses, 503},
		{"the member answers without the body", func(w http.ResponseWriter, _ *http.Request) {
			_ = http.NewResponseController(w).EnableFullDuplex()
			w.Header().Set("Connection", "close")
			w.WriteHeader(413)
			_, _ = io.WriteString(w, "too much")
			_ = http.NewResponseController(w).Flush()
			time.Sleep(3 * time.Second) // the head is not to wait for the end
		}, 413},
	} {
		inLab(t, func(t *testing.T, l *lab) {
			l.addNode("one", "10.0.0.2:80", "web")
			l.serve("10.0.0.2:80", tc.member)
			h := l.agent("front", frontAddr, l.toWeb("order one"))
			c := l.conn(clientAddr, frontAddr)
			write(t, c, pausingPost)
			r, start := bufio.NewReader(c), time.Now()
			res, err := http.ReadResponse(r, nil)
			if err != nil || res.StatusCode != tc.status || time.Since(start) > time.Second {
				t.Fatalf("%s: %+v, %v after %v", tc.what, res, err, time.Since(start))
			}
			_, _ = io.Copy(io.Discard, res.Body)
			// What comes of the body now is no request. If the connection is not closed, the next request is served.
			go func() {
				_, _ = io.WriteString(c, "3\r\ndef\r\n0\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
			}()
			rest, _ := io.ReadAll(r)
			if next := fmt.Sprintf("HTTP/1.1 %d ", tc.status); len(rest) != 0 && !strings.HasPrefix(string(rest), next) {
				t.Errorf("%s: on the same connection follows %q", tc.what, rest)
			}
			if n := l.outcomes(); n > 2 || h.InFlight() != 0 {
				t.Errorf("%s: %d outcomes, %d requests in flight", tc.what, n, h.InFlight())
			}
		})
	}
}

// A refusal whose body stays away is a refusal all the same.
func TestRefusalWithoutItsBody(t *testing.T) {
	inLab(t, func(t *testing.T, l *lab) {
		l.addNode("mute", "10.0.0.2:80", "web")
		l.addNode("two", "10.0.0.3:80", "web")
		l.rawMember("10.0.0.2:80", func(_ int, c net.Conn, r *bufio.Reader) {
			if _, err := http.ReadRequest(r); err != nil {
				return
			}
			_, _ = io.WriteString(c, "HTTP/1.1 503 Busy\r\nBackhand-Refused: busy\r\nContent-Length: 100\r\n\r\nso")
			_, _ = r.ReadByte()
		})
		l.serve("10.0.0.3:80", named("two"))
		l.agent("front", frontAddr, l.toWeb("order mute two"))
		c := l.conn(clientAddr, frontAddr)
		write(t, c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
		_ = c.SetReadDeadline(time.Now().Add(time.Hour))
		if got := l.read(c, "GET"); got.body != "two" {
			t.Errorf("%d %q", got.StatusCode, got.body)
		}
		if o := l.outcome(); o.Took != refusalBody || o.Refusals != 1 || o.Err != nil {
			t.Errorf("%d refusals, took %v, %v", o.Refusals, o.Took, o.Err)
		}
		if live := l.liveOf("web", "mute"); live.Refused() != 1 || live.Failed() != 0 || live.Outstanding() != 0 {
			t.Errorf("refused %d, failed %d, outstanding %d", live.Refused(), live.Failed(), live.Outstanding())
		}
	})
}

func TestSilentClients(t *testing.T) {
	for _, tc := range []struct {
		what, request string
		status        int
		reason        string
		took          time.Duration
		asked         uint64
	}{
		{"in a small body", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n1234", 408, "slow", time.Minute, 0},
		{"in a large body", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 99999\r\n\r\n1234", 408, "slow", time.Minute, 1},
		{"in a chunked body", pausingPost, 408, "slow", time.Minute, 1},
		{"in a body that goes nowhere", "POST /else HTTP/1.1\r\nHost: none\r\nContent-Length: 5\r\n\r\n1234", 404, "route", 0, 0},
		{"in a body that the status page gets", "POST /backhand/ HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n1234", 200, "status", 0, 0},
	} {
		inLab(t, func(t *testing.T, l *lab) {
			l.addPhysical("web", "p", "http://127.0.0.1:8080")
			l.serve("127.0.0.1:8080", http.HandlerFunc(echo))
			l.agent("front", frontAddr, &Site{
				Routes:     l.routes(Route{Host: []string{"x"}, Farm: "web", Chain: l.chain()}),
				StatusPath: "/backhand/", Status: http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}),
			})
			c, start := l.conn(clientAddr, frontAddr), time.Now()
			go func() { _, _ = io.WriteString(c, tc.request) }()
			_ = c.SetReadDeadline(start.Add(time.Hour))
			r := bufio.NewReader(c)
			res, err := http.ReadResponse(r, nil)
			if err != nil {
				t.Fatalf("%s: %v after %v", tc.what, err, time.Since(start))
			}
			_, _ = io.Copy(io.Discard, res.Body)
			if _, err := r.ReadByte(); err != io.EOF || time.Since(start) > tc.took+linger+time.Second {
				t.Errorf("%s: the connection is closed with %v after %v", tc.what, err, time.Since(start))
			}
			o, live := l.outcome(), l.liveOf("web", "p")
			if res.StatusCode != tc.status || o.Reason != tc.reason || o.Took != tc.took {
				t.Errorf("%s: %d, %q after %v (%v)", tc.what, res.StatusCode, o.Reason, o.Took, o.Err)
			}
			if live.Failed() != 0 || live.Outstanding() != 0 || live.Chosen() != tc.asked {
				t.Errorf("%s: failed %d, outstanding %d, chosen %d", tc.what, live.Failed(), live.Outstanding(), live.Chosen())
			}
		})
	}
}

// A client that is slow, but not silent, is served; so is one whose request takes long, and the next on its connection.
func TestSlowClientsAreServed(t *testing.T) {
	inLab(t, func(t *testing.T, l *lab) {
		l.addPhysical("web", "p", "http://127.0.0.1:8080")
		l.serve("127.0.0.1:8080", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			time.Sleep(5 * time.Minute)
			if r.Context().Err() != nil {
				t.Error("the origin is told that the client is gone")
			}
			for _, part := range []string{"<", string(body), ">"} {
				_, _ = io.WriteString(w, part)
				_ = http.NewResponseController(w).Flush()
				time.Sleep(5 * time.Minute)
			}
		}))
		s := l.toWeb()
		s.ResponseHead, s.KeepAlive = time.Hour, time.Hour
		l.agent("front", frontAddr, s)
		c := l.conn(clientAddr, frontAddr)
		r := bufio.NewReader(c)
		for _, head := range []string{"Content-Length: 4\r\n\r\n", "Content-Length: 4\r\nExpect: 100-continue\r\n\r\n"} {
			write(t, c, "POST / HTTP/1.1\r\nHost: x\r\n"+head)
			if strings.Contains(head, "100") {
				if res, err := http.ReadResponse(r, nil); err != nil || res.StatusCode != 100 {
					t.Fatalf("%+v, %v", res, err)
				}
			}
			for _, b := range "slow" {
				time.Sleep(50 * time.Second)
				write(t, c, string(b))
			}
			res, err := http.ReadResponse(r, nil)
			if err != nil {
				t.Fatal(err)
			}
			got := ""
			for b := make([]byte, 1); err == nil; time.Sleep(40 * time.Second) {
				var n int
				n, err = res.Body.Read(b)
				got += string(b[:n])
			}
			if got != "<slow>" || err != io.EOF || l.outcome().Err != nil {
				t.Errorf("%q, %v; outcome %v", got, err, l.outcome().Err)
			}
			time.Sleep(10 * time.Minute) // between requests nobody counts
		}
		if l.outcomes() != 2 {
			t.Errorf("%d outcomes", l.outcomes())
		}
	})
}

func TestClientThatDoesNotRead(t *testing.T) {
	inLab(t, func(t *testing.T, l *lab) {
		l.addNode("front", frontAddr, "web")
		l.serve("127.0.0.1:8080", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			for r.Context().Err() == nil {
				_, _ = io.WriteString(w, strings.Repeat("x", 1000))
			}
		}))
		s := l.toWeb()
		own := origin("web", "127.0.0.1:8080")
		s.Origins, s.ClientIdle = []*Origin{own}, 10*time.Second
		h := l.agent("front", frontAddr, s)
		c := l.conn(clientAddr, frontAddr)
		write(t, c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
		if _, err := io.ReadFull(c, make([]byte, 5000)); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		o, live := l.outcome(), l.liveOf("web", "front")
		if o.Reason != "slow" || o.Status != 200 || o.Err == nil || o.Took != 10*time.Second || h.InFlight() != 0 {
			t.Errorf("outcome %d, %q, %v after %v; %d in flight", o.Status, o.Reason, o.Err, o.Took, h.InFlight())
		}
		if live.Failed() != 0 || live.Outstanding() != 0 {
			t.Errorf("failed %d, outstanding %d", live.Failed(), live.Outstanding())
		}
		var m node.Service
		if own.Meter.Read(&m, time.Now()); m.Errors != 0 || m.InFlight != 0 {
			t.Errorf("the meter says %+v", m)
		}
	})
}

// An upgraded connection may be silent for longer than others, but not for ever.
func TestUpgradedConnectionsMayBeSilentForLong(t *testing.T) {
	inLab(t, func(t *testing.T, l *lab) {
		l.addPhysical("web", "p", "http://127.0.0.1:8080")
		l.rawMember("127.0.0.1:8080", upper("websocket"))
		s := l.toWeb()
		s.TunnelIdle = time.Hour
		l.agent("front", frontAddr, s)
		c := l.conn(clientAddr, frontAddr)
		write(t, c, webSocket)
		r := bufio.NewReader(c)
		if res, err := http.ReadResponse(r, nil); err != nil || res.StatusCode != 101 {
			t.Fatalf("%+v, %v", res, err)
		}
		readLine(t, r, "hello")
		time.Sleep(59 * time.Minute)
		write(t, c, "one\n")
		readLine(t, r, "ONE")
		time.Sleep(59 * time.Minute)
		write(t, c, "two\n")
		readLine(t, r, "TWO")
		since := time.Now()
		if _, err := r.ReadByte(); err != io.EOF || time.Since(since) != time.Hour {
			t.Errorf("the connection ends with %v after %v of silence, want an hour", err, time.Since(since))
		}
	})
}
