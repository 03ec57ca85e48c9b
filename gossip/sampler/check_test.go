package sampler

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

func TestCheck(t *testing.T) {
	long := "/" + strings.Repeat("long", 50)
	hang := func(ctx context.Context, _, _ string) (net.Conn, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	for _, c := range []struct {
		name   string
		path   string // "" is a TCP connect
		origin *fake
		dial   func(context.Context, string, string) (net.Conn, error)
		good   func(int) bool
		why    string // "" is good
	}{
		{name: "a connection is enough", origin: &fake{answer: silent}},
		{name: "nobody listens", origin: &fake{err: errRefused}, why: "connect: connection refused"},
		{name: "nobody answers the connect", dial: hang, why: "connect: no answer within 1s"},
		{name: "no such name", origin: &fake{err: &net.DNSError{Err: "no such host", Name: "origin.test"}}, why: "connect: no such host"},
		{name: "200", path: "/health", origin: &fake{answer: response(200)}},
		{name: "399", path: "/health", origin: &fake{answer: response(399)}},
		{name: "204 without a body", path: "/health", origin: &fake{answer: says("HTTP/1.1 204 No Content\r\n\r\n")}},
		{name: "HTTP/1.0 until the end", path: "/health", origin: &fake{answer: says("HTTP/1.0 200 OK\r\n\r\nhello")}},
		{
			name: "a body that does not come", path: "/health",
			origin: &fake{answer: says("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n")},
		},
		{
			name: "100 and then 200", path: "/health",
			origin: &fake{answer: says("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")},
		},
		{name: "400", path: "/health", origin: &fake{answer: response(400)}, why: "GET /health: 400"},
		{name: "503", path: "/health", origin: &fake{answer: response(503)}, why: "GET /health: 503"},
		{
			name: "401, which is good here", path: "/health", good: func(s int) bool { return s == 401 },
			origin: &fake{answer: response(401)},
		},
		{
			name: "200, which is not", path: "/health", good: func(s int) bool { return s == 401 },
			origin: &fake{answer: response(200)}, why: "GET /health: 200",
		},
		{
			name: "101", path: "/health",
			origin: &fake{answer: says("HTTP/1.1 101 Switching\r\n\r\n")},
			why:    "GET /health: 101",
		},
		{
			name: "the query is asked and shown", path: "/h?a=1",
			origin: &fake{answer: response(500)},
			why:    "GET /h?a=1: 500",
		},
		{name: "refused", path: "/health", origin: &fake{err: errRefused}, why: "connect: connection refused"},
		{name: "no connection in time", path: "/health", dial: hang, why: "connect: no answer within 1s"},
		{name: "silence", path: "/health", origin: &fake{answer: silent}, why: "GET /health: no answer within 1s"},
		{
			name: "1xx without end", path: "/health", origin: &fake{answer: says(strings.Repeat("HTTP/1.1 102 X\r\n\r\n", 2000))},
			why: "GET /health: head longer than 16384 bytes",
		},
		{
			name: "answers and closes before it is asked", path: "/health",
			dial: func(context.Context, string, string) (net.Conn, error) {
				return deaf{response: strings.NewReader(overloaded)}, nil
			},
			why: "GET /health: 503",
		},
		{
			name: "closed", path: "/health",
			origin: &fake{answer: func(net.Conn) {}},
			why:    "GET /health: closed before the answer was whole",
		},
		{
			name: "half a head", path: "/health",
			origin: &fake{answer: says("HTTP/1.1 200 OK\r\nX: y\r\n")},
			why:    "GET /health: closed before the answer was whole",
		},
		{
			name: "no HTTP", path: "/health", origin: &fake{answer: says("SSH-2.0-OpenSSH_9.2\r\n\r\n")},
			why: `GET /health: malformed HTTP response "SSH-2.0-OpenSSH_9.2"`,
		},
		{
			name: "a head without end", path: "/health",
			origin: &fake{answer: says("HTTP/1.1 200 OK\r\nX: " + strings.Repeat("x", maxHead+8<<10) + "\r\n\r\n")},
			why:    `GET /health: head longer than 16384 bytes`,
		},
		{
			name: "a long path is cut, not the reason", path: long, origin: &fake{answer: silent},
			why: "GET /longlonglonglonglonglonglonglonglon...: no answer within 1s",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				dial := c.dial
				if c.origin != nil {
					dial = c.origin.Dial
				}
				o := newOrigin(t, OriginConfig{Check: c.path, Good: c.good, Dial: dial})
				began := time.Now()
				o.Probe(t.Context())
				if took := time.Since(began); took > time.Second {
					t.Errorf("the probe took %v", took)
				}
				ready, why := o.Ready()
				if ready != (c.why == "") || why != c.why || len(why) > node.MaxWhy {
					t.Errorf("Ready() = %v, %q, want %q", ready, why, c.why)
				}
			})
		})
	}
}

func TestNotReadyBeforeTheFirstCheck(t *testing.T) {
	o := newOrigin(t, OriginConfig{Farm: "web"})
	if ready, why := o.Ready(); ready || why != "not checked yet" {
		t.Errorf("Ready() = %v, %q", ready, why)
	}
	if _, _, ok := o.Busy(); ok || o.StatusError() != nil {
		t.Error("Busy and StatusError know something before the first probe")
	}
	if o.Farm() != "web" {
		t.Errorf("Farm() = %q", o.Farm())
	}
}

func TestCheckAndStatusShareTheTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		web := &fake{answer: func(c net.Conn) {
			r, err := http.ReadRequest(bufio.NewReader(c))
			if err != nil {
				return
			}
			if r.URL.Path == "/health" {
				time.Sleep(900 * time.Millisecond)
				_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
				return
			}
			silent(c)
		}}
		o := newOrigin(t, OriginConfig{Check: "/health", StatusURL: mustURL(t, "http://origin.test:8080/s"), Dial: web.Dial})
		began := time.Now()
		o.Probe(t.Context())
		if took := time.Since(began); took != time.Second {
			t.Errorf("the probe took %v, want 1s for both", took)
		}
		if ready, _ := o.Ready(); !ready || o.StatusError() == nil {
			t.Error("a slow status page made the origin down, or was read")
		}
	})
}

func FuzzWhyNot(f *testing.F) {
	f.Add("/health", "503")
	f.Add("/?ä=ö", strings.Repeat("ü", 40))
	f.Add("/"+strings.Repeat("x?é", 99), "no answer within 1s")
	f.Fuzz(func(t *testing.T, path, reason string) {
		u, err := checkPath(mustURL(t, "http://h"), path)
		if err != nil {
			return
		}
		why := whyNot(u, reason)
		if len(why) > node.MaxWhy || strings.ToValidUTF8(why, "") != why {
			t.Errorf("whyNot(%q, %q) = %q, %d bytes", path, reason, why, len(why))
		}
		if u.Host != "h" {
			t.Errorf("check %q goes to the host %q", path, u.Host)
		}
	})
}
