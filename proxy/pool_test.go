package proxy

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// poolLab is a member at memberAddr, on a memNet inside a bubble, and pools.
type poolLab struct {
	t     *testing.T
	net   *memNet
	ps    *pools
	reach *Reach
	dest  destination
	from  atomic.Pointer[netip.Addr] // our own address

	mu    sync.Mutex
	peers []net.Conn // the member's ends, in the order in which they came
	told  []error
}

const memberAddr = "10.0.0.2:80"

func inPoolLab(t *testing.T, f func(t *testing.T, l *poolLab)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		l := &poolLab{
			t: t, net: newMemNet(), reach: &Reach{},
			dest: destination{addr: memberAddr, kind: toOrigin, farm: "web"},
		}
		l.move("10.0.0.1")
		l.ps = newPools(poolsConfig{Dial: l.net.dial, LocalAddr: func() netip.Addr { return *l.from.Load() }})
		ln := l.net.listen(memberAddr)
		t.Cleanup(func() { _ = ln.Close() })
		go func() {
			for c, err := ln.Accept(); err == nil; c, err = ln.Accept() {
				l.mu.Lock()
				l.peers = append(l.peers, c)
				l.mu.Unlock()
			}
		}()
		f(t, l)
	})
}

func (l *poolLab) move(addr string) {
	a := netip.MustParseAddr(addr)
	l.from.Store(&a)
}

// pool is what a request asks for.
func (l *poolLab) pool() *pool { return l.ps.at(l.dest, l.reach, time.Second) }

// set is a reload.
func (l *poolLab) set(r Reach) *pool {
	l.reach = &r
	return l.pool()
}

func (l *poolLab) tell(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.told = append(l.told, err)
}

func (l *poolLab) open() *memberConn {
	l.t.Helper()
	c, err := l.pool().open(l.t.Context(), nil, l.tell)
	if err != nil {
		l.t.Fatal(err)
	}
	return c
}

// opens makes n connections and leaves them idle, one after the other.
func (l *poolLab) opens(n int) []*memberConn {
	l.t.Helper()
	var list []*memberConn
	for range n {
		list = append(list, l.open())
	}
	for _, c := range list {
		l.pool().give(c, time.Now())
	}
	return list
}

// opening is an open under way.
type opening struct{ end atomic.Pointer[opened] }

type opened struct {
	conn *memberConn
	err  error
	took time.Duration
	done bool
}

func (l *poolLab) start(ctx context.Context, hdr []byte) *opening {
	o, p, begin := &opening{}, l.pool(), time.Now()
	go func() {
		c, err := p.open(ctx, hdr, l.tell)
		o.end.Store(&opened{c, err, time.Since(begin), true})
	}()
	synctest.Wait()
	return o
}

// now returns how it stands, once all is quiet.
func (o *opening) now() opened {
	synctest.Wait()
	if e := o.end.Load(); e != nil {
		return *e
	}
	return opened{}
}

// wantStats compares open, idle and waiting, once all is quiet.
func (l *poolLab) wantStats(open, idle, waiting int) {
	l.t.Helper()
	synctest.Wait()
	want := poolStats{destination: l.dest, open: open, idle: idle, waiting: waiting}
	got := poolStats{destination: l.dest} // it may have been forgotten
	if s := l.ps.stats(); len(s) > 0 {
		got = s[0]
	}
	if d := cmp.Diff(want, got, cmp.AllowUnexported(poolStats{}, destination{})); d != "" {
		l.t.Errorf("numbers of the pool (-want +got):\n%s", d)
	}
}

// closed reports whether the nth connection that the member got has been closed.
func (l *poolLab) closed(n int) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	_ = l.peers[n].SetReadDeadline(time.Now().Add(1))
	_, err := l.peers[n].Read(make([]byte, 1))
	ne, ok := errors.AsType[net.Error](err)
	return !ok || !ne.Timeout()
}

func (l *poolLab) wantClosed(want ...bool) {
	l.t.Helper()
	synctest.Wait()
	var got []bool
	for n := range want {
		got = append(got, l.closed(n))
	}
	if !slices.Equal(got, want) {
		l.t.Errorf("connections closed: %v, want %v", got, want)
	}
}

func TestPoolGivesTheNewestIdleConnection(t *testing.T) {
	inPoolLab(t, func(t *testing.T, l *poolLab) {
		if c := l.pool().take(time.Now()); c != nil {
			t.Fatal("an empty pool gave a connection")
		}
		list := l.opens(3)
		l.wantStats(3, 3, 0)
		for i := 2; i >= 0; i-- {
			if c := l.pool().take(time.Now()); c != list[i] || c.uses != 1 {
				t.Fatalf("want connection %d, used once", i)
			}
		}
		l.wantStats(3, 0, 0)
		l.pool().give(list[0], time.Now())
		if c := l.pool().take(time.Now()); c.uses != 2 {
			t.Errorf("uses: %d, want 2", c.uses)
		}
		for _, c := range list {
			l.pool().drop(c)
			l.pool().drop(c) // the second does not count
		}
		l.wantStats(0, 0, 0)
		l.wantClosed(true, true, true)
	})
}

func TestPoolIdleLimit(t *testing.T) {
	for _, row := range []struct {
		name  string
		kind  uint8
		reach Reach
		limit time.Duration
	}{
		{"of an origin: 4 s", toOrigin, Reach{}, 4 * time.Second},
		{"of a physical: 4 s", toPhysical, Reach{}, 4 * time.Second},
		{"of an agent: 30 s", toAgent, Reach{}, 30 * time.Second},
		{"as set", toAgent, Reach{Idle: time.Minute}, time.Minute},
	} {
		t.Run(row.name, func(t *testing.T) {
			inPoolLab(t, func(t *testing.T, l *poolLab) {
				l.dest.kind, l.reach = row.kind, &row.reach
				list := l.opens(2)
				time.Sleep(row.limit - time.Second)
				if c := l.pool().take(time.Now()); c != list[1] {
					t.Fatal("an idle connection was not given before its time was over")
				}
				l.pool().give(list[1], time.Now())
				time.Sleep(time.Second + sweepPause)
				l.wantStats(1, 1, 0) // the sweep found the first, and left the second
				l.wantClosed(true, false)
				time.Sleep(row.limit)
				l.wantStats(0, 0, 0)
				l.wantClosed(true, true)
			})
		})
	}
}

func TestPoolDoesNotGiveWhatNoSweepFoundYet(t *testing.T) {
	inPoolLab(t, func(t *testing.T, l *poolLab) {
		l.opens(2)
		l.ps.timer.Stop()
		time.Sleep(5 * time.Second)
		if c := l.pool().take(time.Now()); c != nil {
			t.Error("a connection was given that had been idle for 5 s")
		}
		l.wantStats(0, 0, 0)
		l.wantClosed(true, true)
	})
}

func TestPoolReloadsItsLimits(t *testing.T) {
	t.Run("more connections let those in the queue make theirs", func(t *testing.T) {
		inPoolLab(t, func(t *testing.T, l *poolLab) {
			l.reach = &Reach{Conns: 1}
			l.open()
			a, b := l.start(t.Context(), nil), l.start(t.Context(), nil)
			l.set(Reach{Conns: 2})
			l.wantStats(2, 0, 1)
			if !a.now().done || b.now().done {
				t.Errorf("got %+v, %+v, want the first to be served", a.now(), b.now())
			}
			time.Sleep(time.Second)
		})
	})
	t.Run("fewer connections are closed as they come back", func(t *testing.T) {
		inPoolLab(t, func(t *testing.T, l *poolLab) {
			c := l.open()
			l.opens(2)
			l.set(Reach{Conns: 2})
			l.wantStats(2, 1, 0)
			l.wantClosed(false, true, false)
			p := l.set(Reach{Conns: 1})
			l.wantStats(1, 0, 0)
			p.give(c, time.Now())
			l.wantStats(1, 1, 0)
			p.take(time.Now())
			l.set(Reach{Conns: 2})
			c = l.open()
			l.set(Reach{Conns: 1}).give(c, time.Now())
			l.wantStats(1, 0, 0)
		})
	})
	t.Run("the same in new memory changes nothing", func(t *testing.T) {
		inPoolLab(t, func(t *testing.T, l *poolLab) {
			list := l.opens(2)
			if c := l.set(Reach{}).take(time.Now()); c != list[1] {
				t.Error("idle connections were closed")
			}
		})
	})
	t.Run("a shorter idle limit holds at once", func(t *testing.T) {
		inPoolLab(t, func(t *testing.T, l *poolLab) {
			l.opens(1)
			time.Sleep(2 * time.Second)
			if c := l.set(Reach{Idle: time.Second}).take(time.Now()); c != nil {
				t.Error("got a connection that was idle for too long")
			}
			l.wantStats(0, 0, 0)
		})
	})
}

func TestPoolReloadsHowConnectionsAreMade(t *testing.T) {
	t.Run("PROXY headers are wanted: what began without is not used", func(t *testing.T) {
		inPoolLab(t, func(t *testing.T, l *poolLab) {
			c := l.open()
			l.opens(1)
			p := l.set(Reach{ProxyProtocol: 2})
			l.wantStats(1, 0, 0)
			p.give(c, time.Now())
			l.wantStats(0, 0, 0)
			l.wantClosed(true, true)
		})
	})
	t.Run("PROXY headers are not wanted any more: what began with one is not used", func(t *testing.T) {
		inPoolLab(t, func(t *testing.T, l *poolLab) {
			l.set(Reach{ProxyProtocol: 1})
			o := l.start(t.Context(), []byte("x"))
			_, _ = l.peers[0].Read(make([]byte, 1))
			p := l.set(Reach{})
			p.give(o.now().conn, time.Now())
			l.wantStats(0, 0, 0)
			l.wantClosed(true)
		})
	})
	t.Run("another time to connect", func(t *testing.T) {
		inPoolLab(t, func(t *testing.T, l *poolLab) {
			l.opens(1)
			l.net.dark[memberAddr] = true
			l.pool().take(time.Now())
			p := l.ps.at(l.dest, l.reach, 3*time.Second)
			begin := time.Now()
			_, err := p.open(t.Context(), nil, l.tell)
			if took := time.Since(begin); err == nil || took != 3*time.Second {
				t.Errorf("%v after %v, want an error after 3 s", err, took)
			}
		})
	})
}
