package proxy

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"backhand/gossip/node"
)

// upper is a member that switches to a protocol in which it answers every line in upper case.
func upper(protocol string) func(int, net.Conn, *bufio.Reader) {
	return func(_ int, c net.Conn, r *bufio.Reader) {
		req, err := http.ReadRequest(r)
		if err != nil {
			return
		}
		if req.Header.Get("Upgrade") == "" {
			_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nno switch")
			return
		}
		_, _ = io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nBackhand-Load: 1\r\nUpgrade: "+protocol+"\r\n\r\nhello\n")
		for {
			line, err := r.ReadString('\n')
			if err != nil {
				return
			}
			_, _ = io.WriteString(c, strings.ToUpper(line))
		}
	}
}

func readLine(t *testing.T, r *bufio.Reader, want string) {
	t.Helper()
	if got, err := r.ReadString('\n'); got != want+"\n" || err != nil {
		t.Errorf("read %q, %v; want %q", got, err, want)
	}
}

const webSocket = "GET /chat HTTP/1.1\r\nHost: x\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n\r\n"

// A connection is upgraded through two agents, past a dead member; it outlives a reload, and Drain waits for it.
func TestUpgrade(t *testing.T) {
	inLab(t, func(t *testing.T, l *lab) {
		l.addNode("front", frontAddr)
		l.addNode("dead", deadAddr, "web")
		l.addNode("www1", "10.0.0.2:80", "web")
		front := l.agent("front", frontAddr, l.toWeb("order dead www1"))
		own := origin("web", "127.0.0.1:8080")
		l.agent("www1", "10.0.0.2:80", &Site{Origins: []*Origin{own}})
		l.rawMember("127.0.0.1:8080", upper("WebSocket"))
		c := l.conn(clientAddr, frontAddr)
		// The client does not wait for the answer before it talks on.
		go func() { _, _ = io.WriteString(c, webSocket+"early\n") }()
		r := bufio.NewReader(c)
		res, err := http.ReadResponse(r, nil)
		if err != nil || res.StatusCode != 101 || res.Header.Get("Upgrade") != "WebSocket" || res.Header.Get("Backhand-Load") != "" {
			t.Fatalf("%+v, %v", res, err)
		}
		readLine(t, r, "hello")
		readLine(t, r, "EARLY")
		write(t, c, "one\n")
		readLine(t, r, "ONE")

		live := l.liveOf("web", "www1")
		if live.Outstanding() != 0 || live.Chosen() != 1 || front.InFlight() != 1 || l.outcomes() != 0 {
			t.Errorf("while it lasts: outstanding %d, chosen %d, in flight %d", live.Outstanding(), live.Chosen(), front.InFlight())
		}
		time.Sleep(time.Second)
		var m node.Service
		if own.Meter.Read(&m, time.Now()); m.InFlight != 0 || m.Completions != 1 {
			t.Errorf("the member's meter says %+v", m)
		}
		next := l.toWeb("order nobody")
		next.Connect = time.Minute
		front.SetSite(next)
		write(t, c, "two\n")
		readLine(t, r, "TWO")

		short, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if front.Drain(short) == nil {
			t.Error("Drain did not wait for the upgraded connection")
		}
		write(t, c, "three\n")
		readLine(t, r, "THREE")
		_ = c.Close()
		if err := front.Drain(t.Context()); err != nil {
			t.Error(err)
		}
		o := l.outcome()
		if o.Status != 101 || o.Err != nil || o.Bytes != int64(len("hello\nEARLY\nONE\nTWO\nTHREE\n")) || o.Attempts != 2 || o.Took < 2*time.Second {
			t.Errorf("outcome %+v", o)
		}
	})
}

func TestUpgradesThatAreNotLet(t *testing.T) {
	for _, tc := range []struct {
		what, request, protocol string
		status                  int
		body                    string
	}{
		{"WebSocket", webSocket, "websocket", 101, ""},
		{"another protocol than was asked for", webSocket, "h2c", 502, "no valid HTTP"},
		{"h2c", strings.Replace(webSocket, "websocket", "h2c", 1), "h2c", 200, "no switch"},
		{"one of several", strings.Replace(webSocket, "websocket", "websocket, h2c", 1), "h2c", 200, "no switch"},
		{"not named in Connection", strings.Replace(webSocket, ", Upgrade", "", 1), "websocket", 200, "no switch"},
		{"HTTP/1.0", strings.Replace(webSocket, "1.1", "1.0", 1), "websocket", 200, "no switch"},
		{"a POST", strings.Replace(webSocket, "GET", "POST", 1), "websocket", 200, "no switch"},
	} {
		inLab(t, func(t *testing.T, l *lab) {
			l.addPhysical("web", "p", "http://127.0.0.1:8080")
			l.rawMember("127.0.0.1:8080", upper(tc.protocol))
			l.agent("front", frontAddr, l.toWeb())
			c := l.conn(clientAddr, frontAddr)
			go func() { _, _ = io.WriteString(c, tc.request) }()
			res, err := http.ReadResponse(bufio.NewReader(c), nil)
			if err != nil || res.StatusCode != tc.status {
				t.Fatalf("%s: %+v, %v", tc.what, res, err)
			}
			if tc.status != 101 {
				if b, _ := io.ReadAll(res.Body); !strings.Contains(string(b), tc.body) {
					t.Errorf("%s: %q", tc.what, b)
				}
			}
			_ = c.Close()
			synctest.Wait()
			if live := l.liveOf("web", "p"); live.Outstanding() != 0 || (live.Failed() == 1) != (tc.status == 502) {
				t.Errorf("%s: outstanding %d, failed %d", tc.what, live.Outstanding(), live.Failed())
			}
		})
	}
}
