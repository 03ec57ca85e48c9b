package proxy

import (
	"net"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"
)

func TestPoolGoesByOurAddress(t *testing.T) {
	for _, row := range []struct {
		name string
		kind uint8
		want bool // the connection is used again
		from string
	}{
		{"agents believe us by it", toAgent, false, "10.0.0.1"},
		{"servers do not care", toOrigin, true, "127.0.0.1"},
	} {
		t.Run(row.name, func(t *testing.T) {
			inPoolLab(t, func(t *testing.T, l *poolLab) {
				l.dest.kind = row.kind
				held, idle := l.open(), l.opens(1)[0]
				if a := netip.MustParseAddrPort(held.nc.LocalAddr().String()).Addr(); a != netip.MustParseAddr(row.from) {
					t.Errorf("dialled from %v, want %s", a, row.from)
				}
				l.move("10.0.0.9")
				if got := l.pool().take(time.Now()) == idle; got != row.want {
					t.Errorf("the idle connection is used: %v, want %v", got, row.want)
				}
				l.pool().give(held, time.Now())
				if got := l.pool().take(time.Now()) == held; got != row.want {
					t.Errorf("the one that came back is used: %v, want %v", got, row.want)
				}
			})
		})
	}
}

func TestPoolClosesIdle(t *testing.T) {
	inPoolLab(t, func(t *testing.T, l *poolLab) {
		l.opens(2)
		c := l.open()
		l.ps.closeIdle()
		l.wantStats(1, 0, 0)
		if l.ps.timer.Stop() {
			t.Error("the timer was left running")
		}
		l.pool().give(c, time.Now())
		l.wantStats(1, 1, 0)
		time.Sleep(idleToServer)
		l.wantStats(0, 0, 0)
	})
}

func TestPoolIsForgotten(t *testing.T) {
	inPoolLab(t, func(t *testing.T, l *poolLab) {
		other := l.dest
		l.dest.addr = "10.0.0.3:80"
		p := l.pool()
		l.dest = other
		held := l.open()
		if n := len(l.ps.stats()); n != 2 {
			t.Fatalf("%d pools, want 2", n)
		}
		for range 5 { // what is in use is kept
			time.Sleep(time.Minute)
			l.wantStats(1, 0, 0)
		}
		kept := l.pool()
		kept.drop(held)
		for range 30 {
			time.Sleep(10 * time.Second)
			if l.pool() != kept {
				t.Fatal("a pool was forgotten that is asked for all the time")
			}
		}
		time.Sleep(2*forgetPool + time.Second)
		synctest.Wait()
		if s := l.ps.stats(); len(s) != 0 {
			t.Errorf("%v is left", s)
		}
		if l.ps.timer.Stop() {
			t.Error("the timer was left running")
		}
		l.net.listen("10.0.0.3:80")
		go func() { _, _ = l.net.listeners["10.0.0.3:80"].Accept() }()
		c, err := p.open(t.Context(), nil, l.tell)
		if err != nil {
			t.Fatal(err)
		}
		if p.give(c, time.Now()); p.take(time.Now()) != nil {
			t.Error("a connection became idle where no sweep finds it")
		}
	})
}

func TestPoolsOfOneAddress(t *testing.T) {
	ps := newPools(poolsConfig{})
	defer ps.closeIdle()
	seen := map[*pool]destination{}
	for _, d := range []destination{
		{addr: "a:1"}, {addr: "a:2"}, {addr: "a:1", tls: true}, {addr: "a:1", kind: toAgent}, {addr: "a:1", farm: "web"},
	} {
		p := ps.at(d, &Reach{}, time.Second)
		if other, ok := seen[p]; ok {
			t.Errorf("%v and %v share a pool", d, other)
		}
		if seen[p] = d; ps.at(d, &Reach{}, time.Second) != p {
			t.Errorf("%v got another pool the second time", d)
		}
	}
}

// A client's request that reuses a connection pays for none of this.
func TestPoolDoesNotAllocate(t *testing.T) {
	ps, d, r := benchPool(t)
	if n := testing.AllocsPerRun(100, func() {
		p := ps.at(d, r, time.Second)
		c := p.take(time.Now())
		if c.closedByPeer() {
			t.Fatal("it is closed")
		}
		p.give(c, time.Now())
	}); n != 0 {
		t.Errorf("%v allocations, want none", n)
	}
}

// benchPool returns pools with one idle connection over loopback.
func benchPool(t testing.TB) (*pools, destination, *Reach) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ln.Close() })
	ps := newPools(poolsConfig{})
	t.Cleanup(ps.closeIdle)
	d, r := destination{addr: ln.Addr().String(), kind: toAgent}, &Reach{Idle: time.Hour}
	p := ps.at(d, r, time.Second)
	c, err := p.open(t.Context(), nil, func(error) {})
	if err != nil {
		t.Fatal(err)
	}
	p.give(c, time.Now())
	return ps, d, r
}

func BenchmarkPool(b *testing.B) {
	ps, d, r := benchPool(b)
	b.Run("take and give", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			p := ps.at(d, r, time.Second)
			p.give(p.take(time.Now()), time.Now())
		}
	})
	b.Run("look", func(b *testing.B) {
		b.ReportAllocs()
		p := ps.at(d, r, time.Second)
		c := p.take(time.Now())
		for b.Loop() {
			c.closedByPeer()
		}
		p.give(c, time.Now())
	})
}
