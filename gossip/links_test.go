package gossip_test

import (
	"errors"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"backhand/gossip"
	"backhand/gossip/gossiptest"
	"backhand/gossip/node"
)

func TestTwoTransportsCountOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		red, blue := gossiptest.NewNetwork(1), gossiptest.NewNetwork(2)
		both := func(n byte) *agent {
			a := &agent{}
			return a.run(t, a.config(n, red.Transport(address(n)), blue.Transport(address(n))))
		}
		a, _ := both(1), both(2)
		time.Sleep(10 * time.Second)
		red.Set(gossiptest.Conditions{Loss: 1})
		time.Sleep(time.Minute)
		if age := a.Nodes(time.Now())[0].Age(time.Now()); age > 1100*time.Millisecond {
			t.Errorf("one of two networks is down, and the peer is %v old", age)
		}
		if lines := a.log.with(""); len(lines) != 0 {
			t.Errorf("logged %q", lines)
		}
	})
}

// broken is a transport that can be made to fail.
type broken struct {
	gossip.Transport
	send, receive atomic.Bool
	closed        atomic.Int32
}

var errDown = errors.New("network is unreachable")

func (b *broken) Send(p []byte) error {
	if b.send.Load() {
		return errDown
	}
	return b.Transport.Send(p)
}

func (b *broken) Receive(p []byte) (int, netip.AddrPort, error) {
	if b.receive.Load() {
		return 0, netip.AddrPort{}, errDown
	}
	return b.Transport.Receive(p)
}

func (b *broken) Close() error {
	b.closed.Add(1)
	return b.Transport.Close()
}

func TestOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := gossiptest.NewNetwork(1)
		link := &broken{Transport: network.Transport(address(1))}
		a, b := &agent{}, join(t, network, 2)
		a.run(t, a.config(1, link))
		for round := 1; round <= 2; round++ {
			link.send.Store(true)
			time.Sleep(time.Minute)
			link.send.Store(false)
			time.Sleep(10 * time.Second)
			if down, up := len(a.log.with("do not leave")), len(a.log.with("again")); down != round || up != round {
				t.Errorf("outage %d: logged %d times that it began, %d that it ended", round, down, up)
			}
			if age := b.Nodes(time.Now())[0].Age(time.Now()); age > 1100*time.Millisecond {
				t.Errorf("after outage %d the peer is %v old", round, age)
			}
		}
		if got := a.Counters().SendErrors; got < 100 {
			t.Errorf("%d errors counted in two minutes", got)
		}
	})
}

func TestBrokenReceiveIsNoBusyLoop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := gossiptest.NewNetwork(1)
		link := &broken{Transport: network.Transport(address(1))}
		link.receive.Store(true)
		a := &agent{}
		a.run(t, a.config(1, link))
		join(t, network, 2)
		time.Sleep(10 * time.Second)
		if got := a.Counters().ReceiveErrors; got < 10 || got > 20 {
			t.Errorf("%d attempts in ten seconds", got)
		}
		if got := a.log.with("cannot be received"); len(got) != 1 {
			t.Errorf("logged %q", got)
		}
		link.receive.Store(false)
		time.Sleep(3 * time.Second)
		a.mustSee(t, "when it works again", "www2 up")
		link.receive.Store(true) // and Run must end all the same, see run
	})
}

func TestRunEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		link := &broken{Transport: gossiptest.NewNetwork(1).Transport(address(1))}
		a := &agent{}
		a.run(t, a.config(1, link))
		time.Sleep(time.Second)
		a.stop()
		if link.closed.Load() != 1 {
			t.Errorf("the transport was closed %d times", link.closed.Load())
		}
		if err := a.Run(t.Context()); err == nil {
			t.Error("a second Run did not refuse")
		}
		late := &broken{Transport: gossiptest.NewNetwork(1).Transport(address(1))}
		a.SetTransports([]gossip.Transport{late})
		if late.closed.Load() != 1 {
			t.Error("a transport that came too late stays open")
		}
	})
}

func TestSetTransports(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		red, blue := gossiptest.NewNetwork(1), gossiptest.NewNetwork(2)
		old := &broken{Transport: red.Transport(address(1))}
		kept := &broken{Transport: red.Transport(address(1))}
		added := &broken{Transport: blue.Transport(address(1))}
		a, b := &agent{}, join(t, blue, 2)
		a.run(t, a.config(1, old, kept))
		time.Sleep(time.Second)
		a.mustSee(t, "on another network", "")
		a.SetTransports([]gossip.Transport{kept, added})
		time.Sleep(2 * time.Second)
		a.mustSee(t, "on both", "www2 up")
		b.mustSee(t, "on both", "www1 up")
		if old.closed.Load() != 1 || kept.closed.Load() != 0 || added.closed.Load() != 0 {
			t.Error("not the one that went was closed, or not it alone")
		}
		a.stop()
		if kept.closed.Load() != 1 || added.closed.Load() != 1 {
			t.Error("Run left a transport open")
		}
	})
}

func TestAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &agent{}
		cfg := a.config(1)
		cfg.Describe = func(time.Time) node.Node { t.Error("asked to describe itself to nobody"); return node.Node{} }
		a.run(t, cfg)
		time.Sleep(time.Minute)
		a.Beat()
		a.Leave(t.Context())
		if c := a.Counters(); c != (gossip.Counters{}) {
			t.Errorf("%+v", c)
		}
	})
}

func TestNodeThatCannotBeAnnounced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := gossiptest.NewNetwork(1)
		a := &agent{}
		cfg := a.config(1, network.Transport(address(1)))
		describe := cfg.Describe
		var unfit atomic.Bool
		cfg.Describe = func(now time.Time) node.Node {
			n := describe(now)
			if unfit.Load() {
				n.Zone = strings.Repeat("z", 40)
			}
			return n
		}
		unfit.Store(true)
		a.run(t, cfg)
		time.Sleep(10 * time.Second)
		if got := a.log.with("cannot be announced"); len(got) != 1 || !strings.Contains(got[0], "40 bytes") {
			t.Errorf("logged %q", got)
		}
		unfit.Store(false)
		time.Sleep(2 * time.Second)
		if c := a.Counters(); c.SendErrors == 0 || c.Sent == 0 {
			t.Errorf("%+v", c)
		}
	})
}
