package gossip_test

import (
	"errors"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"backhand/gossip"
	"backhand/gossip/gossiptest"
	"backhand/gossip/node"
)

// finds returns the kinds of what is wrong, and the text of the first.
func (a *agent) finds() (kinds, text string) {
	synctest.Wait()
	var all []string
	for i, f := range a.Findings(time.Now()) {
		all = append(all, f.Kind)
		if i == 0 {
			text = f.Text
		}
	}
	return strings.Join(all, " "), text
}

func (a *agent) mustFind(t *testing.T, when, want string, says ...string) {
	t.Helper()
	got, text := a.finds()
	if got != want {
		t.Errorf("%s: %v finds %q, want %q: %s", when, a.addr, got, want, text)
	}
	for _, s := range says {
		if !strings.Contains(text, s) {
			t.Errorf("%s: %q does not say %q", when, text, s)
		}
	}
}

// mustLog wants one line that the finding is there, or that it is over.
func (a *agent) mustLog(t *testing.T, kind string, began, over int) {
	t.Helper()
	lines := a.log.with("finding=" + kind)
	ended := slices.DeleteFunc(slices.Clone(lines), func(l string) bool { return !strings.Contains(l, "is over") })
	if len(lines)-len(ended) != began || len(ended) != over {
		t.Errorf("%s was logged %d times, and %d times that it is over; want %d and %d: %q",
			kind, len(lines)-len(ended), len(ended), began, over, lines)
	}
}

func TestCutOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := gossiptest.NewNetwork(1)
		a, b, c, d := join(t, network, 1), join(t, network, 2), join(t, network, 3), join(t, network, 4)
		time.Sleep(10 * time.Second)
		a.mustFind(t, "at first", "")
		cut := time.Now()
		network.Partition(addressesOf(1), addressesOf(2, 3, 4))
		time.Sleep(3500 * time.Millisecond)
		a.mustFind(t, "cut off", "alone", "all 3 peers", "TCP", "backhand doctor")
		since := a.Findings(time.Now())[0].Since
		if since.After(cut) || cut.Sub(since) > 1100*time.Millisecond {
			t.Errorf("alone since %v before the cut", cut.Sub(since))
		}
		if got := a.Suspects(time.Now()); len(got) != 3 || got[b.id] != b.addr || got[c.id] != c.addr || got[d.id] != d.addr {
			t.Errorf("suspects %v", got)
		}
		for _, other := range []*agent{b, c, d} {
			other.mustFind(t, "the others", "")
			if got := other.Suspects(time.Now()); len(got) != 0 {
				t.Errorf("%v suspects itself for the sake of %v", other.addr, got)
			}
		}
		time.Sleep(2 * time.Hour)
		a.mustFind(t, "two hours later", "alone")
		if got := a.Suspects(time.Now()); len(got) != 3 {
			t.Errorf("%d suspects two hours later, when they are listed no more", len(got))
		}
		network.Partition()
		time.Sleep(2 * time.Second)
		a.mustFind(t, "healed", "")
		a.mustLog(t, gossip.FindingAlone, 1, 1)
	})
}

func addressesOf(numbers ...byte) (list []netip.Addr) {
	for _, n := range numbers {
		list = append(list, address(n).Addr())
	}
	return list
}

// A network that loses every third beat is bad, but nobody is alone in it.
func TestLossIsNoCut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := gossiptest.NewNetwork(5)
		var all []*agent
		for n := range byte(5) {
			all = append(all, join(t, network, n+1))
		}
		time.Sleep(3 * time.Second)
		network.Set(gossiptest.Conditions{Loss: 0.3})
		time.Sleep(10 * time.Minute)
		alone := 0
		for _, a := range all {
			alone += len(a.log.with("finding=alone"))
		}
		if alone > 2 {
			t.Errorf("%d lines about being alone in 10 minutes of five nodes at a loss of 30 %%", alone)
		}
	})
}

// group4 is a group of multicast with a switch behind it, which may have forgotten us.
type group4 struct {
	gossip.Transport
	own       netip.Addr
	mute      atomic.Bool  // our own do not come back
	forgets   atomic.Int64 // so long after the join
	joined    atomic.Int64 // ns since 1970
	rejoins   atomic.Int32
	broadcast bool
}

func newGroup(network *gossiptest.Network, n byte) *group4 {
	g := &group4{Transport: network.Transport(address(n)), own: address(n).Addr()}
	g.joined.Store(time.Now().UnixNano())
	return g
}

func (g *group4) Multicast() bool { return !g.broadcast }

func (g *group4) Rejoin() error {
	if g.broadcast {
		return errors.ErrUnsupported
	}
	g.rejoins.Add(1)
	g.joined.Store(time.Now().UnixNano())
	return nil
}

func (g *group4) Receive(b []byte) (int, netip.AddrPort, error) {
	for {
		n, from, err := g.Transport.Receive(b)
		own := from.Addr() == g.own
		lost := g.forgets.Load() != 0 && time.Now().UnixNano()-g.joined.Load() > g.forgets.Load()
		if err != nil || own && !g.mute.Load() || !own && !lost {
			return n, from, err
		}
	}
}

func TestNoLoopback(t *testing.T) {
	for name, tc := range map[string]struct {
		accept []netip.Prefix
		mute   bool
		says   string
	}{
		"a firewall": {lan, true, "firewall on this host"},
		"accept without oneself": {
			[]netip.Prefix{netip.MustParsePrefix("10.58.4.2/31")}, false, "gossip.accept does not name this host's own address 10.58.4.1",
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				network := gossiptest.NewNetwork(1)
				link := newGroup(network, 1)
				link.broadcast = tc.mute
				a := &agent{}
				cfg := a.config(1, link)
				a.run(t, cfg)
				join(t, network, 2)
				time.Sleep(10 * time.Second)
				a.mustFind(t, "well", "")
				link.mute.Store(tc.mute)
				a.SetAccept(tc.accept)
				time.Sleep(3 * time.Second)
				a.mustFind(t, "after three beats", "")
				time.Sleep(4 * time.Second)
				a.mustFind(t, "after seven", gossip.FindingLoopback, "do not come back", tc.says)
				link.mute.Store(false)
				a.SetAccept(lan)
				time.Sleep(2 * time.Second)
				a.mustFind(t, "well again", "")
				a.mustLog(t, gossip.FindingLoopback, 1, 1)
			})
		})
	}
}

func TestSwitchThatForgets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := gossiptest.NewNetwork(1)
		link := newGroup(network, 1)
		link.forgets.Store(int64(260 * time.Second))
		a := &agent{}
		a.run(t, a.config(1, link))
		for n := range byte(3) {
			join(t, network, n+2)
		}
		time.Sleep(260 * time.Second)
		a.mustFind(t, "before", "")
		worst := time.Duration(0)
		for range 4 * 3000 {
			time.Sleep(250 * time.Millisecond)
			for _, n := range a.Nodes(time.Now()) {
				worst = max(worst, n.Age(time.Now()))
			}
			if len(a.Findings(time.Now())) == 0 && time.Since(time.Unix(0, link.joined.Load())) < 10*time.Second {
				t.Fatal("the groups were joined again, but nothing is found")
			}
		}
		cures := []string{"IGMP querier", "turn IGMP snooping off", "gossip.peers"}
		a.mustFind(t, "an hour later", gossip.FindingIGMP, append(cures, "memory, from 10.58.4.1")...)
		if n := link.rejoins.Load(); n < 40 || n > 55 {
			t.Errorf("joined again %d times in 50 minutes", n)
		}
		if worst > 5*time.Second {
			t.Errorf("somebody was silent for %v", worst)
		}
		a.mustLog(t, gossip.FindingIGMP, 1, 0)
	})
}

func TestLateFinding(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &agent{}
		cfg := a.config(1, gossiptest.NewNetwork(1).Transport(address(1)))
		describe := cfg.Describe
		var busy atomic.Int64
		cfg.Describe = func(now time.Time) node.Node {
			time.Sleep(time.Duration(busy.Load())) // as if the host were too busy to let us
			return describe(now)
		}
		a.run(t, cfg)
		busy.Store(int64(400 * time.Millisecond))
		time.Sleep(time.Minute)
		a.mustFind(t, "less than half an interval late", "")
		busy.Store(int64(700 * time.Millisecond))
		time.Sleep(3500 * time.Millisecond)
		a.mustFind(t, "two beats later", "")
		time.Sleep(3 * time.Second)
		a.mustFind(t, "some more beats later", gossip.FindingLate, "700ms", "CPU")
		if since := time.Since(a.Findings(time.Now())[0].Since); since < 5*time.Second || since > 8*time.Second {
			t.Errorf("late since %v ago", since)
		}
		busy.Store(0)
		time.Sleep(15 * time.Second)
		a.mustFind(t, "in time for a while", "")
		a.mustLog(t, gossip.FindingLate, 1, 1)
	})
}

// A host whose interface goes and comes back with another address is heard within two intervals, and hears.
func TestNetworkOfTheHostChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := gossiptest.NewNetwork(1)
		var down atomic.Bool
		var number atomic.Int32
		number.Store(1)
		errGone := errors.New(`there is no interface "eth0"`)
		link, err := gossip.Watch(gossip.WatchConfig{
			Open: func() (gossip.Transport, error) { return newGroup(network, byte(number.Load())), nil },
			Way: func() (string, error) {
				if down.Load() {
					return "", errGone
				}
				return "eth0 from " + address(byte(number.Load())).Addr().String(), nil
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		a, b := &agent{}, join(t, network, 2)
		a.run(t, a.config(1, link))
		time.Sleep(10 * time.Second)
		network.Partition(addressesOf(1), addressesOf(2)) // with the interface its sockets are dead
		down.Store(true)
		time.Sleep(6 * time.Second) // no news comes, so it is a look that finds it
		a.mustFind(t, "gone", gossip.FindingOutage, `there is no interface "eth0"`)
		network.Partition(addressesOf(1), addressesOf(2, 9))
		number.Store(9)
		down.Store(false)
		time.Sleep(2 * time.Second)
		a.mustFind(t, "back", "")
		for _, x := range []*agent{a, b} {
			if n := x.Nodes(time.Now())[0]; n.Age(time.Now()) > 1100*time.Millisecond {
				t.Errorf("%s is %v old", n.Name, n.Age(time.Now()))
			}
		}
		if from := b.Nodes(time.Now())[0].From; from != address(9).Addr() {
			t.Errorf("beats come from %v", from)
		}
		if down, up := len(a.log.with("do not leave")), len(a.log.with("leave this host again")); down != 1 || up != 1 {
			t.Errorf("logged %d times that it began, %d that it ended", down, up)
		}
	})
}

func TestCannotReceiveIsFound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := gossiptest.NewNetwork(1)
		link := &broken{Transport: network.Transport(address(1))}
		a := &agent{}
		a.run(t, a.config(1, link))
		join(t, network, 2)
		time.Sleep(5 * time.Second)
		a.mustFind(t, "well", "")
		link.receive.Store(true)
		time.Sleep(5 * time.Second)
		a.mustFind(t, "broken", gossip.FindingOutage, "cannot be received", "network is unreachable")
		link.receive.Store(false)
		time.Sleep(4 * time.Second)
		a.mustFind(t, "well again", "")
	})
}

func TestWatchedIsATransport(t *testing.T) {
	network := gossiptest.NewNetwork(1)
	gossiptest.TestTransport(t, address(1).Addr(), func(t *testing.T) gossip.Transport {
		w, err := gossip.Watch(gossip.WatchConfig{
			Open: func() (gossip.Transport, error) { return network.Transport(address(1)), nil },
			Way:  func() (string, error) { return "memory", nil },
		})
		if err != nil {
			t.Fatal(err)
		}
		return w
	})
}

func TestFindingKinds(t *testing.T) {
	want := []string{gossip.FindingOutage, gossip.FindingLoopback, gossip.FindingIGMP, gossip.FindingAlone, gossip.FindingLate, gossip.FindingClone}
	if got := gossip.FindingKinds(); !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}
