package proxy_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	coder "github.com/coder/websocket"
	gorilla "github.com/gorilla/websocket"

	"backhand/proxy"
)

// serverAt runs a web server in Go.
func serverAt(t *testing.T, h http.Handler) *url.URL {
	t.Helper()
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	return &url.URL{Scheme: "http", Host: srv.Listener.Addr().String()}
}

// secureClients dial wss.
var secureClients = map[string]func(t *testing.T, front string, cfg *tls.Config) talker{
	"coder": func(t *testing.T, front string, cfg *tls.Config) talker {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		t.Cleanup(cancel)
		tr := &http.Transport{TLSClientConfig: cfg}
		t.Cleanup(tr.CloseIdleConnections)
		c, _, err := coder.Dial(ctx, "wss://"+front+"/chat", &coder.DialOptions{HTTPClient: &http.Client{Transport: tr}})
		if err != nil {
			t.Fatal(err)
		}
		c.SetReadLimit(most)
		t.Cleanup(func() { _ = c.CloseNow() })
		return &coderTalker{ctx, c}
	},
	"gorilla": func(t *testing.T, front string, cfg *tls.Config) talker {
		t.Helper()
		d := gorilla.Dialer{TLSClientConfig: cfg, HandshakeTimeout: patience}
		c, _, err := d.Dial("wss://"+front+"/chat", nil)
		if err != nil {
			t.Fatal(err)
		}
		_ = c.SetReadDeadline(time.Now().Add(20 * time.Second))
		t.Cleanup(func() { _ = c.Close() })
		return &gorillaTalker{c}
	},
}

// Over one agent and over two, in plain text and over TLS, messages in fragments come back, and the goodbye passes.
func TestWebSocketWays(t *testing.T) {
	for way, start := range ways {
		for server, handler := range servers {
			t.Run(way+", "+server, func(t *testing.T) {
				t.Parallel()
				at := serverAt(t, handler(t))
				front := start(t, at, proxy.ServerConfig{})
				for client, dial := range clients {
					t.Run(client, func(t *testing.T) { talkAndLeave(t, dial(t, front)) })
				}
				cfg, trust := testTLS(t)
				front = start(t, at, proxy.ServerConfig{TLS: cfg})
				for client, dial := range secureClients {
					t.Run(client+" over TLS", func(t *testing.T) { talkAndLeave(t, dial(t, front, trust)) })
				}
			})
		}
	}
}

func talkAndLeave(t *testing.T, c talker) {
	t.Helper()
	for _, size := range []int{0, 5, 70_000, 1 << 20} {
		for _, fragments := range []int{1, 7} {
			message := strings.Repeat("abcdefg", size/7+1)[:size]
			if err := c.say(true, []byte(message), fragments); err != nil {
				t.Fatal(err)
			}
			if text, got, err := c.hear(); err != nil || !text || string(got) != message {
				t.Fatalf("of %d bytes in %d fragments %d came back, %v", size, fragments, len(got), err)
			}
		}
	}
	sayGoodbye(t, c)
}

// Both ends may talk in one piece with the handshake: the client behind its request, before it knows the answer, the
// server behind its 101. What one has said before it closes its direction arrives.
func TestBytesBehindTheHandshake(t *testing.T) {
	for way, start := range ways {
		for _, secure := range []bool{false, true} {
			name := way
			if secure {
				name += ", TLS"
			}
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				at := serverAt(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
					c, brw, err := http.NewResponseController(w).Hijack()
					if err != nil {
						t.Error(err)
						return
					}
					defer c.Close()
					_, _ = io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\nfrom the server;")
					b, _ := io.ReadAll(brw)
					_, _ = io.WriteString(c, "heard "+string(b))
				}))
				cfg, trust := testTLS(t)
				if !secure {
					cfg = nil
				}
				nc, err := net.Dial("tcp", start(t, at, proxy.ServerConfig{TLS: cfg}))
				if err != nil {
					t.Fatal(err)
				}
				if secure {
					nc = tls.Client(nc, trust)
				}
				defer nc.Close()
				_ = nc.SetDeadline(time.Now().Add(patience))
				_, _ = io.WriteString(nc, "GET /chat HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nfrom the client;")
				r := bufio.NewReader(nc)
				res, err := http.ReadResponse(r, nil)
				if err != nil || res.StatusCode != 101 {
					t.Fatalf("%+v, %v", res, err)
				}
				if s, err := r.ReadString(';'); s != "from the server;" {
					t.Errorf("behind the 101 came %q, %v", s, err)
				}
				_, _ = io.WriteString(nc, "more")
				if err := nc.(interface{ CloseWrite() error }).CloseWrite(); err != nil {
					t.Error(err)
				}
				if b, err := io.ReadAll(r); string(b) != "heard from the client;more" {
					t.Errorf("at last came %q, %v", b, err)
				}
			})
		}
	}
}
