package proxy

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"backhand/gossip/node"
	"backhand/proxy/h1"
)

// stand is a server on a memNet, inside a synctest bubble. Any request of HTTP/1 is answered by 404, as there is no
// route, but for those below /status/.
type stand struct {
	t    *testing.T
	net  *memNet
	h    *Handler
	s    *Server
	site Site
	log  bytes.Buffer
	done chan error // what Serve returned
}

func inStand(t *testing.T, cfg ServerConfig, f func(t *testing.T, st *stand)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		st := newStand(t, cfg)
		st.start(st.net.listen(frontAddr))
		t.Cleanup(st.stop)
		f(t, st)
	})
}

func newStand(t *testing.T, cfg ServerConfig) *stand {
	st := &stand{t: t, net: newMemNet(), done: make(chan error, 1)}
	st.site = Site{StatusPath: "/status/", Status: named("status"), ClientHead: 10 * time.Second, KeepAlive: time.Minute}
	st.h = New(Config{
		Self: idOf("front"), Snapshot: func() *node.Snapshot { return node.NewSnapshot(node.Parts{Taken: time.Now()}) },
		Log: slog.New(slog.NewTextHandler(&st.log, nil)),
	}, &st.site)
	st.s = st.h.NewServer(cfg)
	return st
}

func (st *stand) start(ln net.Listener) { go func() { st.done <- st.s.Serve(ln) }() }

func (st *stand) stop() {
	st.t.Helper()
	if err := st.s.Close(); err != nil {
		st.t.Errorf("closing: %v", err)
	}
	if err := <-st.done; err != nil {
		st.t.Errorf("Serve: %v", err)
	}
	if n := st.s.Stats().Open; n != 0 {
		st.t.Errorf("%d connections are open after Close", n)
	}
}

// client is a client's connection.
type client struct {
	net.Conn
	t *testing.T
	r *bufio.Reader
}

// dial connects from that address and sends something.
func (st *stand) dial(from, first string) *client {
	st.t.Helper()
	nc, err := st.net.dial(st.t.Context(), netip.MustParseAddr(from), frontAddr)
	if err != nil {
		st.t.Fatal(err)
	}
	c := &client{nc, st.t, bufio.NewReader(nc)}
	st.t.Cleanup(func() { _ = nc.Close() })
	if first != "" {
		c.send(first)
	}
	return c
}

// send sends, as far as the server reads.
func (c *client) send(s string) {
	_ = c.SetWriteDeadline(time.Now().Add(time.Second))
	_, _ = io.WriteString(c.Conn, strings.ReplaceAll(s, "\n", "\r\n"))
}

const anyRequest = "GET /x HTTP/1.1\nHost: example.com\n\n"

// ask sends a request and returns the response's status and Connection field, or "closed".
func (c *client) ask(request string) string {
	c.t.Helper()
	c.send(request)
	return c.answer()
}

func (c *client) answer() string {
	c.t.Helper()
	res, err := http.ReadResponse(c.r, nil)
	if err != nil {
		return "closed"
	}
	b, _ := io.ReadAll(res.Body)
	out := fmt.Sprint(res.StatusCode)
	if res.Header.Get("Content-Type") == "" || strings.HasPrefix(string(b), "status") {
		out += " " + string(b)
	}
	if res.Close {
		out += " close"
	}
	return strings.TrimSpace(strings.ReplaceAll(out, "  ", " "))
}

// isClosed reports whether the server has closed the connection.
func (c *client) isClosed() bool {
	synctest.Wait()
	_ = c.SetReadDeadline(time.Now().Add(time.Millisecond))
	_, err := c.Read(make([]byte, 1))
	_ = c.SetReadDeadline(time.Time{})
	return err != nil && !errors.Is(err, context.DeadlineExceeded) && !isTimeout(err)
}

func isTimeout(err error) bool {
	ne, ok := errors.AsType[net.Error](err)
	return ok && ne.Timeout()
}

// status is the beginning of an answer.
func (c *client) status(request string) string {
	c.t.Helper()
	return strings.Fields(c.ask(request))[0]
}

func TestConnectionServesRequestAfterRequest(t *testing.T) {
	inStand(t, ServerConfig{}, func(t *testing.T, st *stand) {
		c := st.dial(clientAddr, "")
		for range 3 {
			if got := c.status(anyRequest); got != "404" {
				t.Fatalf("answered %s", got)
			}
		}
		if got := st.s.Stats(); got.Open != 1 || got.Accepted != 1 {
			t.Errorf("stats: %+v", got)
		}
	})
}

func TestLimitsOfConnections(t *testing.T) {
	inStand(t, ServerConfig{MaxConns: 3, MaxConnsPerAddr: 2}, func(t *testing.T, st *stand) {
		a1, a2 := st.dial("192.0.2.1", ""), st.dial("192.0.2.1", "")
		if a3 := st.dial("192.0.2.1", ""); !a3.isClosed() {
			t.Error("a third from one address is let in")
		}
		b1 := st.dial("192.0.2.2", "")
		if b2 := st.dial("192.0.2.2", ""); !b2.isClosed() {
			t.Error("a fourth is let in")
		}
		for i, c := range []*client{a1, a2, b1} {
			if got := c.status(anyRequest); got != "404" {
				t.Errorf("connection %d is answered %s", i, got)
			}
		}
		want := Stats{Open: 3, Accepted: 5, RefusedConns: 1, RefusedPerAddr: 1}
		if diff := cmp.Diff(want, st.s.Stats()); diff != "" {
			t.Errorf("stats (-want +got):\n%s", diff)
		}

		_ = a1.Close()
		synctest.Wait()
		if c := st.dial("192.0.2.1", ""); c.isClosed() {
			t.Error("no connection is let in after one has gone")
		}
		st.s.SetConfig(ServerConfig{MaxConns: 1})
		if a2.status(anyRequest) != "404" {
			t.Error("lower limits cut a connection off that was there")
		}
		if c := st.dial("192.0.2.9", ""); !c.isClosed() {
			t.Error("a lower limit has no effect")
		}
		st.s.SetConfig(ServerConfig{})
		if c := st.dial("192.0.2.9", ""); c.isClosed() {
			t.Error("taking the limit away has no effect")
		}
	})
}

func TestLimitPerAddressCountsTheClientsOfAProxy(t *testing.T) {
	const from1, from2 = "PROXY TCP4 198.51.100.1 10.0.0.1 5 80\n", "PROXY TCP4 198.51.100.2 10.0.0.1 5 80\n"
	cfg := ServerConfig{MaxConnsPerAddr: 1, ProxyFrom: netip.MustParsePrefix("192.0.2.0/24").Contains}
	inStand(t, cfg, func(t *testing.T, st *stand) {
		one, two := st.dial("192.0.2.1", from1), st.dial("192.0.2.1", from2)
		if one.status(anyRequest) != "404" || two.status(anyRequest) != "404" {
			t.Error("two clients of one proxy are not let in")
		}
		if c := st.dial("192.0.2.1", from1); !c.isClosed() {
			t.Error("a second connection of a client is let in")
		}
		for range 2 {
			if c := st.dial("192.0.2.1", "PROXY UNKNOWN\n"); c.status(anyRequest) != "404" {
				t.Error("connections that the proxy opens for itself are limited")
			}
		}
		if got := st.s.Stats(); got.RefusedPerAddr != 1 || got.BadProxy != 0 {
			t.Errorf("stats: %+v", got)
		}
	})
}

func TestPROXYHeaderOfAConnection(t *testing.T) {
	const header = "PROXY TCP4 198.51.100.1 10.0.0.1 5 80\n"
	cfg := ServerConfig{ProxyFrom: netip.MustParsePrefix("192.0.2.0/24").Contains}
	for _, c := range []struct {
		name, from, first string
		want              string
		bad               uint64
	}{
		{name: "comes with the request", from: "192.0.2.1", first: header + anyRequest, want: "404"},
		{name: "is missing", from: "192.0.2.1", first: anyRequest, want: "closed", bad: 1},
		{name: "is malformed", from: "192.0.2.1", first: "PROXY TCP4 nobody\n" + anyRequest, want: "closed", bad: 1},
		{name: "stops half way", from: "192.0.2.1", first: "PROXY TCP4", want: "closed", bad: 1},
		{name: "comes from nobody of whom it is expected", from: "203.0.113.1", first: header + anyRequest, want: "400"},
		{name: "is not expected and does not come", from: "203.0.113.1", first: anyRequest, want: "404"},
	} {
		t.Run(c.name, func(t *testing.T) {
			inStand(t, cfg, func(t *testing.T, st *stand) {
				begun := time.Now()
				conn := st.dial(c.from, c.first)
				got := strings.Fields(conn.answer())[0]
				if c.want == "400" && got == "404" {
					got = "400" // the engine's stand-in does not look
				}
				if got != c.want {
					t.Errorf("answered %s, want %s", got, c.want)
				}
				if took := time.Since(begun); took > 10*time.Second {
					t.Errorf("took %v", took)
				}
				if n := st.s.Stats().BadProxy; n != c.bad {
					t.Errorf("%d bad headers are counted", n)
				}
			})
		})
	}
}

func TestHealthCheckByConnectingIsNoMistake(t *testing.T) {
	inStand(t, ServerConfig{ProxyFrom: func(netip.Addr) bool { return true }}, func(t *testing.T, st *stand) {
		_ = st.dial(clientAddr, "").Close()
		synctest.Wait()
		if diff := cmp.Diff(Stats{Accepted: 1}, st.s.Stats()); diff != "" {
			t.Errorf("stats (-want +got):\n%s", diff)
		}
	})
}

func TestPageKnowsTheClientOfAPROXYHeader(t *testing.T) {
	inStand(t, ServerConfig{ProxyFrom: func(netip.Addr) bool { return true }}, func(t *testing.T, st *stand) {
		st.s.exchange = func(f front, a *arrival, _ *h1.Limits, _ []byte, _ error) {
			f.page(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				fmt.Fprintf(w, "status of %s, peer %s, socket %s", r.RemoteAddr, a.peer, a.socket)
			}))
		}
		c := st.dial(clientAddr, "PROXY TCP4 198.51.100.1 10.0.0.1 5 80\n")
		got := c.ask("GET /status/ HTTP/1.1\nHost: x\n\n")
		if want := "200 status of 198.51.100.1:5, peer 198.51.100.1, socket 192.0.2.7 close"; got != want {
			t.Errorf("answered %q, want %q", got, want)
		}
	})
}

func TestShutdown(t *testing.T) {
	inStand(t, ServerConfig{}, func(t *testing.T, st *stand) {
		idle, busy, tunnel := st.dial(clientAddr, ""), st.dial(clientAddr, ""), st.dial("203.0.113.9", "")
		idle.status(anyRequest)
		busy.send("GET /x HTTP/1.1\n")
		tunnel.send("GET /x HTTP/1.1\n")
		synctest.Wait()
		for _, c := range st.s.conns.list() {
			c.upgraded.Store(c.client.Addr() == netip.MustParseAddr("203.0.113.9"))
		}
		ended := make(chan error, 1)
		go func() { ended <- st.s.Shutdown(t.Context()) }()
		synctest.Wait()
		if !idle.isClosed() {
			t.Error("an idle connection is not closed")
		}
		if _, err := st.net.dial(t.Context(), netip.Addr{}, frontAddr); err == nil {
			t.Error("the listener still accepts")
		}
		if err := <-st.done; err != nil {
			t.Errorf("Serve: %v", err)
		}
		st.done <- nil
		select {
		case err := <-ended:
			t.Fatalf("Shutdown returned before a request was answered: %v", err)
		default:
		}
		if got := busy.ask("Host: example.com\n\n"); !strings.HasPrefix(got, "404") || !strings.HasSuffix(got, "close") {
			t.Errorf("the request under way is answered %q", got)
		}
		if err := <-ended; err != nil {
			t.Errorf("Shutdown: %v", err)
		}
		if tunnel.isClosed() {
			t.Error("a tunnel was cut off")
		}
	})
}

func TestShutdownEndsWithItsContext(t *testing.T) {
	inStand(t, ServerConfig{}, func(t *testing.T, st *stand) {
		c := st.dial(clientAddr, "GET /x HTTP/1.1\n")
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		if err := st.s.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Shutdown: %v", err)
		}
		if c.isClosed() {
			t.Error("the connection was cut off")
		}
		if err := st.s.Close(); err != nil || !c.isClosed() {
			t.Errorf("Close: %v, closed: %v", err, c.isClosed())
		}
	})
}

func TestServeAfterCloseServesNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := newStand(t, ServerConfig{})
		if err := st.s.Close(); err != nil {
			t.Error(err)
		}
		ln := st.net.listen(frontAddr)
		if err := st.s.Serve(ln); err != nil {
			t.Error(err)
		}
		if _, err := ln.Accept(); !errors.Is(err, net.ErrClosed) {
			t.Errorf("the listener is open: %v", err)
		}
	})
}

func TestLeavingServerStillServes(t *testing.T) {
	inStand(t, ServerConfig{}, func(t *testing.T, st *stand) {
		old := st.dial(clientAddr, "")
		old.status(anyRequest)
		st.s.SetLeaving(true)
		for _, c := range []*client{old, st.dial(clientAddr, "")} {
			if got := c.ask(anyRequest); !strings.HasPrefix(got, "404") || !strings.HasSuffix(got, "close") {
				t.Errorf("while leaving, a request is answered %q", got)
			}
		}
		st.s.SetLeaving(false)
		if got := st.dial(clientAddr, "").ask(anyRequest); strings.HasSuffix(got, "close") {
			t.Errorf("after all, a request is answered %q", got)
		}
	})
}

// poorListener cannot accept while it has errors left.
type poorListener struct {
	net.Listener
	mu   sync.Mutex
	errs []error
	at   []time.Time
}

func (l *poorListener) Accept() (net.Conn, error) {
	l.mu.Lock()
	l.at = append(l.at, time.Now())
	if len(l.errs) > 0 {
		err := l.errs[0]
		l.errs = l.errs[1:]
		l.mu.Unlock()
		return nil, err
	}
	l.mu.Unlock()
	return l.Listener.Accept()
}

func TestAcceptErrorsAreWaitedOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := newStand(t, ServerConfig{})
		ln := &poorListener{Listener: st.net.listen(frontAddr)}
		for range 100 {
			ln.errs = append(ln.errs, &net.OpError{Op: "accept", Err: syscall.EMFILE})
		}
		st.start(ln)
		if got := st.dial(clientAddr, "").status(anyRequest); got != "404" {
			t.Errorf("answered %s", got)
		}
		synctest.Wait()
		ln.mu.Lock()
		defer ln.mu.Unlock()
		for i, want := range []time.Duration{5, 10, 20, 40, 80, 160, 320, 640, 1000, 1000} {
			if got := ln.at[i+1].Sub(ln.at[i]); got != want*time.Millisecond {
				t.Errorf("pause %d is %v, want %d ms", i, got, want)
			}
		}
		if n := st.s.Stats().AcceptErrors; n != 100 {
			t.Errorf("%d errors are counted", n)
		}
		st.stop()
		if n := strings.Count(st.log.String(), "no connection could be accepted"); n != 2 {
			t.Errorf("in a minute and a half it was logged %d times:\n%s", n, st.log.String())
		}
	})
}

func TestCloseEndsThePauseOfAccepting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := newStand(t, ServerConfig{})
		ln := &poorListener{Listener: st.net.listen(frontAddr)}
		for range 1000 {
			ln.errs = append(ln.errs, syscall.ENFILE)
		}
		st.start(ln)
		time.Sleep(time.Minute)
		begun := time.Now()
		st.stop()
		if took := time.Since(begun); took > 0 {
			t.Errorf("took %v", took)
		}
	})
}

func TestListenerThatIsBrokenEndsServe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := newStand(t, ServerConfig{})
		broken := errors.New("broken")
		err := st.s.Serve(&poorListener{Listener: st.net.listen(frontAddr), errs: []error{broken}})
		if !errors.Is(err, broken) || !strings.Contains(err.Error(), frontAddr) {
			t.Errorf("Serve: %v", err)
		}
		_ = st.s.Close()
	})
}

func TestMistakeOfOursEndsOneConnection(t *testing.T) {
	inStand(t, ServerConfig{}, func(t *testing.T, st *stand) {
		near, far := net.Pipe()
		func() {
			defer st.s.recovered(&tracked{socket: near})
			panic("oops")
		}()
		if _, err := far.Read(make([]byte, 1)); err == nil {
			t.Error("the connection is open")
		}
		if st.s.Stats().Panics != 1 || !strings.Contains(st.log.String(), "oops") {
			t.Errorf("stats %+v, log %q", st.s.Stats(), st.log.String())
		}
	})
}
