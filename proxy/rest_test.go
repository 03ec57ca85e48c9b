package proxy

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"backhand/gossip/node"
)

// thinks answers with a body of that size a tenth of a second later. Without length, it goes in chunks.
func thinks(size int, length bool) http.HandlerFunc {
	body := strings.Repeat("x", size)
	return func(w http.ResponseWriter, r *http.Request) {
		time.Sleep(100 * time.Millisecond)
		if length {
			w.Header().Set("Content-Length", strconv.Itoa(size))
		}
		_, _ = io.WriteString(w, body)
	}
}

// readSlowly takes 300 ms over a body.
func readSlowly(t *testing.T, body io.Reader, size int) {
	t.Helper()
	for range 30 {
		time.Sleep(10 * time.Millisecond)
		if _, err := io.CopyN(io.Discard, body, int64(size/30)); err != nil {
			t.Fatal(err)
		}
	}
	_, _ = io.Copy(io.Discard, body)
	synctest.Wait()
}

// A tenth of a second's work is ten requests a second, and stays so if the client takes longer to read the answer.
func TestSlowReadersMakeNoSlowOrigins(t *testing.T) {
	const size = 3 << 20
	check := func(t *testing.T, what string, m *node.Meter) {
		t.Helper()
		if mu := m.Load(time.Now()).Mu; mu < 9.5 || mu > 11.5 {
			t.Errorf("%s: one busy slot is said to complete %v requests a second, want about 10", what, mu)
		}
	}
	for _, length := range []bool{false, true} {
		inLab(t, func(t *testing.T, l *lab) {
			_, member := twoAgents(l)
			l.serve("127.0.0.1:8081", thinks(size, length))
			own := origin("web", "127.0.0.1:8081")
			member.SetSite(&Site{Origins: []*Origin{own}})
			c := l.conn(clientAddr, frontAddr)
			write(t, c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
			res, err := http.ReadResponse(bufio.NewReader(c), nil)
			if err != nil {
				t.Fatal(err)
			}
			readSlowly(t, res.Body, size)
			check(t, "over a hop", own.Meter)
		})
		inHTTP2(t, thinks(size, length), func(t *testing.T, l *lab, tr *http.Transport) {
			tr.HTTP2 = &http.HTTP2Config{MaxReceiveBufferPerStream: 64 << 10}
			res, err := tr.RoundTrip(newRequest(t, "GET", "/", nil))
			if err != nil {
				t.Fatal(err)
			}
			readSlowly(t, res.Body, size)
			check(t, "in HTTP/2", l.handler["front"].site.Load().Origins[0].Meter)
		})
	}
}

// An origin that takes its time over the body is at work.
func TestSlowOriginsAreSlow(t *testing.T) {
	inLab(t, func(t *testing.T, l *lab) {
		l.serve(ownAddr, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			for range 10 {
				_, _ = io.WriteString(w, strings.Repeat("x", 10<<10))
				time.Sleep(50 * time.Millisecond)
			}
		}))
		own := origin("web", ownAddr)
		l.agent("front", frontAddr, &Site{Origins: []*Origin{own}})
		l.get("/")
		synctest.Wait()
		if mu := own.Meter.Load(time.Now()).Mu; mu < 1.9 || mu > 2.3 {
			t.Errorf("one busy slot is said to complete %v requests a second, want about 2", mu)
		}
	})
}

// The same over real sockets, of which the kernel takes more than their reader, and where it passes long bodies on by
// itself. The clock stands still but for the minute in which nothing moves.
func TestSlowReadersOverTCP(t *testing.T) {
	const size = 64 << 20
	for what, head := range map[string]string{
		"by splice": "HTTP/1.1 200 X\r\nContent-Length: " + strconv.Itoa(size) + "\r\n\r\n",
		"by copy":   "HTTP/1.1 200 X\r\n\r\n",
	} {
		start := time.Now()
		var later atomic.Int64
		stuck := make(chan struct{})
		server := listenLoopback(t, func(c net.Conn) {
			_, _ = http.ReadRequest(bufio.NewReader(c))
			_, _ = io.WriteString(c, head)
			part := make([]byte, 1<<20)
			for sent := 0; sent < size; {
				_ = c.SetWriteDeadline(time.Now().Add(200 * time.Millisecond))
				n, err := c.Write(part[:min(len(part), size-sent)])
				sent += n
				if errors.Is(err, os.ErrDeadlineExceeded) && later.Load() == 0 {
					later.Store(int64(time.Minute))
					close(stuck)
				} else if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
					return
				}
			}
		})
		own := &Origin{Farm: "web", URL: mustURL("http://" + server.Addr().String()), Meter: node.NewMeter(4, start)}
		snap := node.NewSnapshot(node.Parts{Taken: start, Live: node.NewLiveSet()})
		h := New(Config{
			Snapshot: func() *node.Snapshot { return snap },
			Now:      func() time.Time { return time.Now().Add(time.Duration(later.Load())) },
		}, &Site{Origins: []*Origin{own}, ClientIdle: time.Hour})
		ln := serveLoopback(t, h)
		c, err := net.Dial("tcp", ln.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		write(t, c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
		<-stuck
		res, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil {
			t.Fatal(err)
		}
		if n := own.Meter.Load(h.cfg.Now()).InFlight; n != 1 {
			t.Errorf("%s: %v under way", what, n)
		}
		if n, err := io.Copy(io.Discard, res.Body); n != size || err != nil {
			t.Errorf("%s: %d bytes, %v", what, n, err)
		}
		_ = c.Close()
		if err := h.Drain(t.Context()); err != nil {
			t.Error(err)
		}
		if mu := own.Meter.Load(h.cfg.Now()).Mu; mu < 1 {
			t.Errorf("%s: one busy slot is said to complete %v requests a second: the minute counts as work", what, mu)
		}
	}
}

// serveLoopback serves clients on loopback until the test ends.
func serveLoopback(t *testing.T, h *Handler) net.Listener {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	srv := h.NewServer(ServerConfig{})
	done := make(chan struct{})
	go func() { defer close(done); _ = srv.Serve(ln) }()
	t.Cleanup(func() { _ = srv.Close(); <-done; h.members.closeIdle() })
	return ln
}
