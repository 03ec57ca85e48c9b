package proxy

import (
	"bytes"
	"io"
	"net"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"backhand/gossip/node"
)

// plain is a front with one physical behind it that answers every GET by the same 1 KiB, over real sockets on loopback,
// and a client that has one connection to the front. Neither client nor physical allocates.
type plain struct {
	client  net.Conn
	buf     []byte
	request []byte
	want    int // bytes of the response
}

const plainGET = "GET /index.html?a=b HTTP/1.1\r\nHost: www.example.com\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64) Gecko\r\n" +
	"Accept: text/html,application/xhtml+xml\r\nAccept-Language: en-US,en;q=0.5\r\nAccept-Encoding: gzip, deflate\r\n\r\n"

func newPlain(tb testing.TB, done func(*Outcome)) *plain {
	body := strings.Repeat("x", 1024)
	answer := []byte("HTTP/1.1 200 OK\r\nDate: Sat, 01 Jan 2000 00:00:00 GMT\r\nServer: nginx\r\nContent-Type: text/html\r\n" +
		"Content-Length: 1024\r\nLast-Modified: Sat, 01 Jan 2000 00:00:00 GMT\r\n\r\n" + body)
	origin := listenLoopback(tb, func(c net.Conn) {
		buf := make([]byte, 8<<10)
		for {
			n, err := c.Read(buf)
			if err != nil || !bytes.HasSuffix(buf[:n], []byte("\r\n\r\n")) {
				return
			}
			if _, err := c.Write(answer); err != nil {
				return
			}
		}
	})
	routes, err := NewRoutes([]Route{{Farm: "web", Chain: anyChain(tb)}})
	if err != nil {
		tb.Fatal(err)
	}
	snap := node.NewSnapshot(node.Parts{Taken: time.Now(), Live: node.NewLiveSet(), Physicals: []node.Physical{
		{Farm: "web", Name: "p", URL: mustURL("http://" + origin.Addr().String())},
	}})
	h := New(Config{Snapshot: func() *node.Snapshot { return snap }, Done: done}, &Site{Routes: routes})
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	srv := h.NewServer(ServerConfig{})
	var wg sync.WaitGroup
	wg.Go(func() { _ = srv.Serve(ln) })
	tb.Cleanup(func() { _ = srv.Close(); wg.Wait(); h.members.closeIdle() })
	return newPlainClient(tb, ln.Addr().String())
}

// newPlainClient connects a client to a front, and learns how long the answer is.
func newPlainClient(tb testing.TB, front string) *plain {
	c, err := net.Dial("tcp", front)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = c.Close() })
	p := &plain{client: c, buf: make([]byte, 8<<10), request: []byte(plainGET)}
	_, _ = c.Write(p.request)
	n, err := io.ReadAtLeast(c, p.buf, 1024)
	if err != nil || !bytes.HasPrefix(p.buf, []byte("HTTP/1.1 200 OK\r\n")) {
		tb.Fatalf("%q, %v", p.buf[:n], err)
	}
	p.want = n
	return p
}

// listenLoopback serves connections on loopback until the test ends.
func listenLoopback(tb testing.TB, serve func(net.Conn)) net.Listener {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				serve(c)
			}()
		}
	}()
	tb.Cleanup(func() { _ = ln.Close() })
	return ln
}

func (p *plain) get(tb testing.TB) {
	if _, err := p.client.Write(p.request); err != nil {
		tb.Fatal(err)
	}
	if _, err := io.ReadFull(p.client, p.buf[:p.want]); err != nil {
		tb.Fatal(err)
	}
}

// On the path of a plain request nothing is allocated.
func TestPlainGETAllocatesNothing(t *testing.T) {
	p := newPlain(t, func(*Outcome) {})
	info, _ := debug.ReadBuildInfo() // with -race a sync.Pool forgets things at random
	race := slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"})
	if n := testing.AllocsPerRun(1000, func() { p.get(t) }); n != 0 && !race {
		t.Errorf("a request allocates %v times", n)
	}
}

func BenchmarkPlainGET(b *testing.B) {
	p := newPlain(b, func(*Outcome) {})
	b.ReportAllocs()
	for b.Loop() {
		p.get(b)
	}
}
