package gossip

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// host is a host whose interfaces change under its transports.
type host struct {
	mu     sync.Mutex
	way    string
	down   error // no way
	broken error // nothing can be opened
	send   error // by the transports
	asked  int   // for the way
	opened []*pipe
}

func (h *host) set(change func(h *host)) {
	h.mu.Lock()
	defer h.mu.Unlock()
	change(h)
}

func (h *host) config() WatchConfig {
	return WatchConfig{
		Open: func() (Transport, error) {
			h.mu.Lock()
			defer h.mu.Unlock()
			if h.broken != nil {
				return nil, h.broken
			}
			if n := len(h.opened); n > 0 && !h.opened[n-1].isClosed() {
				return nil, errors.New("address already in use")
			}
			p := &pipe{host: h, in: make(chan string, 8), closed: make(chan struct{})}
			h.opened = append(h.opened, p)
			return p, nil
		},
		Way: func() (string, error) {
			h.mu.Lock()
			defer h.mu.Unlock()
			h.asked++
			return h.way, h.down
		},
	}
}

// last returns the transport that was opened last, and how many were.
func (h *host) last() (*pipe, int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.opened[len(h.opened)-1], len(h.opened)
}

// pipe is a transport into which a test puts what is to come.
type pipe struct {
	host   *host
	in     chan string
	sent   []string
	closed chan struct{}
	once   sync.Once
}

func (p *pipe) isClosed() bool {
	select {
	case <-p.closed:
		return true
	default:
		return false
	}
}

func (p *pipe) Send(b []byte) error {
	p.host.mu.Lock()
	defer p.host.mu.Unlock()
	if p.isClosed() {
		return net.ErrClosed
	}
	if p.host.send == nil {
		p.sent = append(p.sent, string(b))
	}
	return p.host.send
}

func (p *pipe) Receive(b []byte) (int, netip.AddrPort, error) {
	select {
	case <-p.closed:
		return 0, netip.AddrPort{}, net.ErrClosed
	case text := <-p.in:
		if text == "error" {
			return 0, netip.AddrPort{}, errors.New("network is down")
		}
		return copy(b, text), netip.AddrPort{}, nil
	}
}

func (p *pipe) Close() error   { p.once.Do(func() { close(p.closed) }); return nil }
func (p *pipe) String() string { return "pipe" }

// ear receives all that comes, one after the other, until the transport is closed.
type ear struct {
	mu    sync.Mutex
	heard []string
}

func listenTo(w *Watched) *ear {
	e := &ear{}
	go func() {
		b := make([]byte, 100)
		for {
			n, _, err := w.Receive(b)
			e.mu.Lock()
			if err != nil {
				e.heard = append(e.heard, err.Error())
			} else {
				e.heard = append(e.heard, string(b[:n]))
			}
			e.mu.Unlock()
			if errors.Is(err, net.ErrClosed) {
				return
			}
		}
	}()
	return e
}

func (e *ear) mustHave(t *testing.T, want ...string) {
	t.Helper()
	synctest.Wait()
	e.mu.Lock()
	defer e.mu.Unlock()
	if got := fmt.Sprint(e.heard); got != fmt.Sprint(want) {
		t.Errorf("received %v, want %v", got, want)
	}
	e.heard = nil
}

func watched(t *testing.T, h *host) (*Watched, *ear) {
	t.Helper()
	w, err := Watch(h.config())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.Close() })
	return w, listenTo(w)
}

// mustCheck looks at the host and compares what came of it.
func mustCheck(t *testing.T, w *Watched, at time.Time, news, reopened bool, wrong error) {
	t.Helper()
	got, err := w.check(at, news)
	if got != reopened || !errors.Is(err, wrong) || (err == nil) != (wrong == nil) {
		t.Errorf("reopened %v, wrong %v; want %v, %v", got, err, reopened, wrong)
	}
}

func TestWatchedIsReopened(t *testing.T) {
	gone := errors.New("there is no interface")
	for _, tc := range []struct {
		name   string
		change func(h *host) // of the network
		wrong  error         // is what that is
		heal   func(h *host)
	}{
		{"another address", func(h *host) { h.way = "eth0 (2) from 10.58.4.7" }, nil, nil},
		{"another interface", func(h *host) { h.way = "eth1 (3) from 10.58.4.1" }, nil, nil},
		{"gone, and back as another", func(h *host) { h.down = gone }, gone, func(h *host) {
			h.down, h.way = nil, "eth0 (9) from 10.58.4.1"
		}},
		{"down, and up as it was", func(h *host) { h.down = gone }, gone, func(h *host) { h.down = nil }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := &host{way: "eth0 (2) from 10.58.4.1"}
				w, ear := watched(t, h)
				now := time.Now()
				mustCheck(t, w, now, true, false, nil)
				h.opened[0].in <- "before"
				ear.mustHave(t, "before")
				h.set(tc.change)
				if tc.heal != nil {
					mustCheck(t, w, now, true, false, tc.wrong)
					mustCheck(t, w, now.Add(time.Minute), false, false, tc.wrong)
					h.opened[0].in <- "meanwhile"
					ear.mustHave(t, "meanwhile")
					h.set(tc.heal)
				}
				mustCheck(t, w, now.Add(2*time.Minute), true, true, nil)
				p, n := h.last()
				if n != 2 || !h.opened[0].isClosed() {
					t.Fatalf("%d were opened, and the first is closed: %v", n, h.opened[0].isClosed())
				}
				p.in <- "after"
				ear.mustHave(t, "after")
				if err := w.Send([]byte("to all")); err != nil || fmt.Sprint(p.sent) != "[to all]" {
					t.Errorf("sent %v, %v", p.sent, err)
				}
				mustCheck(t, w, now.Add(3*time.Minute), true, false, nil)
				_ = w.Close()
				ear.mustHave(t, net.ErrClosed.Error())
			})
		})
	}
}

func TestWatchedThatCannotBeReopened(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		broken := errors.New("too many open files")
		h := &host{way: "eth0"}
		w, ear := watched(t, h)
		now := time.Now()
		h.set(func(h *host) { h.way, h.broken = "eth1", broken })
		mustCheck(t, w, now, true, false, broken)
		if err := w.Send([]byte("x")); !errors.Is(err, broken) {
			t.Errorf("Send: %v, want %v", err, broken)
		}
		ear.mustHave(t) // Receive waits
		mustCheck(t, w, now.Add(900*time.Millisecond), false, false, broken)
		h.set(func(h *host) { h.broken = nil })
		mustCheck(t, w, now.Add(time.Second), false, true, nil)
		p, _ := h.last()
		p.in <- "after"
		ear.mustHave(t, "after")
		h.set(func(h *host) { h.way, h.broken = "eth2", broken })
		mustCheck(t, w, now.Add(2*time.Second), true, false, broken)
		_ = w.Close()
		ear.mustHave(t, net.ErrClosed.Error())
		if err := w.Send([]byte("x")); !errors.Is(err, net.ErrClosed) {
			t.Errorf("Send after Close: %v", err)
		}
		mustCheck(t, w, now.Add(time.Minute), true, false, net.ErrClosed)
	})
}

func TestWatchedThatFailsIsReopenedMoreAndMoreSeldom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &host{way: "eth0", send: errors.New("operation not permitted")}
		w, _ := watched(t, h)
		began := time.Now()
		var at []int // seconds at which it was opened anew
		for s := range 700 {
			now := began.Add(time.Duration(s) * time.Second)
			_ = w.Send([]byte("x"))
			if reopened, _ := w.check(now, false); reopened {
				at = append(at, s)
			}
		}
		if fmt.Sprint(at) != "[2 7 17 37 77 157 317 617]" {
			t.Errorf("opened anew at %v s", at)
		}
		h.set(func(h *host) { h.send = nil })
		_ = w.Send([]byte("x"))
		mustCheck(t, w, began.Add(time.Hour), false, false, nil)
		h.set(func(h *host) { h.send = errors.New("again") })
		for range failuresMost {
			_ = w.Send([]byte("x"))
		}
		mustCheck(t, w, began.Add(time.Hour+time.Second), false, true, nil)
	})
}

func TestWatchedThatCannotReceiveIsReopened(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &host{way: "eth0"}
		w, ear := watched(t, h)
		now := time.Now()
		for range failuresMost {
			h.opened[0].in <- "error"
		}
		ear.mustHave(t, "network is down", "network is down", "network is down")
		mustCheck(t, w, now, false, true, nil)
		p, n := h.last()
		p.in <- "error"
		p.in <- "a beat"
		ear.mustHave(t, "network is down", "a beat")
		mustCheck(t, w, now.Add(time.Hour), false, false, nil)
		if n != 2 {
			t.Errorf("%d were opened, want 2", n)
		}
		_ = p.Close() // by itself
		synctest.Wait()
		mustCheck(t, w, now.Add(2*time.Hour), false, true, nil)
		p, _ = h.last()
		p.in <- "after"
		ear.mustHave(t, "after")
	})
}

func TestWayIsAskedForWhenThereIsNews(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &host{way: "eth0"}
		w, _ := watched(t, h)
		began := time.Now()
		for i := range 400 { // 100 s
			_, _ = w.check(began.Add(time.Duration(i)*lookEvery), false)
		}
		if h.asked != 1+20 {
			t.Errorf("asked %d times in 100 s without news, want 20 and once before", h.asked)
		}
		for range 3 {
			_, _ = w.check(began.Add(100*time.Second), true)
		}
		if h.asked != 24 {
			t.Errorf("asked %d times, want 24", h.asked)
		}
	})
}

func TestWatchRefuses(t *testing.T) {
	broken := errors.New("port taken")
	if _, err := Watch((&host{way: "eth0", broken: broken}).config()); !errors.Is(err, broken) {
		t.Errorf("%v", err)
	}
	// That there is no way now is no reason, if the sockets can be opened.
	synctest.Test(t, func(t *testing.T) {
		down := errors.New("no carrier")
		h := &host{way: "eth0", down: down}
		w, _ := watched(t, h)
		mustCheck(t, w, time.Now(), false, false, down)
		h.set(func(h *host) { h.down = nil })
		mustCheck(t, w, time.Now(), true, true, nil)
	})
}

func TestWatchedUnderLoad(t *testing.T) {
	h := &host{way: "0"}
	w, err := Watch(h.config())
	if err != nil {
		t.Fatal(err)
	}
	var ears, mouths sync.WaitGroup
	ears.Go(func() {
		b := make([]byte, 10)
		for {
			if _, _, err := w.Receive(b); errors.Is(err, net.ErrClosed) {
				return
			}
		}
	})
	stop := make(chan struct{})
	for range 2 {
		mouths.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if err := w.Send([]byte("x")); err != nil {
					t.Errorf("Send while it is opened anew: %v", err)
					return
				}
				_, _ = w.Fanout(), w.String()
			}
		})
	}
	for i := range 500 {
		h.set(func(h *host) { h.way = fmt.Sprint(i + 1) })
		if reopened, err := w.check(time.Now(), true); !reopened || err != nil {
			t.Errorf("change %d: %v, %v", i, reopened, err)
		}
	}
	close(stop)
	mouths.Wait()
	_ = w.Close()
	ears.Wait()
}

func TestWayOfSockets(t *testing.T) {
	dst := Destination{Addr: netip.MustParseAddrPort("239.255.221.20:4445"), TTL: 1}
	way, err := SocketConfig{Destination: dst, Source: netip.MustParseAddr("127.0.0.1")}.Way()
	if err != nil || way != "lo (1) from 127.0.0.1" {
		t.Errorf("%q, %v", way, err)
	}
	if _, err := (SocketConfig{Destination: dst, Interface: "nonesuch0"}).Way(); err == nil {
		t.Error("there is a way by an interface that does not exist")
	}
}

func TestNews(t *testing.T) {
	n := openNews()
	defer n.close()
	for range 10 {
		if n.any() {
			continue // somebody else changes interfaces just now
		}
		return
	}
	t.Error("there is always news")
}
