package gossip_test

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"backhand/gossip"
	"backhand/gossip/gossiptest"
	"backhand/gossip/node"
	"backhand/gossip/wire"
)

// ear collects what an agent is told.
type ear struct {
	mu    sync.Mutex
	heard []string // "payload by the last byte of the id"
	err   error    // what is said to it
}

func (e *ear) told(from node.ID, payload []byte, _ time.Time) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.heard = append(e.heard, fmt.Sprintf("%s by %d", payload, from[15]))
	return e.err
}

// notes returns what was heard up to now, in order.
func (e *ear) notes() []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.heard)
}

// mustHear waits until nothing more happens, and compares.
func (e *ear) mustHear(t *testing.T, when string, want ...string) {
	t.Helper()
	synctest.Wait()
	if got := e.notes(); !slices.Equal(got, want) {
		t.Errorf("%s: heard %q, want %q", when, got, want)
	}
}

// listener is an agent, and what it is told.
type listener struct {
	*agent
	ear ear
}

// listens starts agent n with an ear and those keys.
func listens(t *testing.T, n byte, keys *wire.Keyring, transports ...gossip.Transport) *listener {
	t.Helper()
	l := &listener{agent: &agent{}}
	cfg := l.config(n, transports...)
	cfg.Keys, cfg.Told = keys, l.ear.told
	l.run(t, cfg)
	return l
}

func (l *listener) tell(t *testing.T, text string) {
	t.Helper()
	if err := l.Tell([]byte(text)); err != nil {
		t.Fatal(err)
	}
}

func webRing(t *testing.T, mode wire.Mode, keys ...wire.Key) *wire.Keyring {
	t.Helper()
	k, err := wire.NewKeyring("web", keys, mode)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestAllOthersHearANote(t *testing.T) {
	one := wire.NewKey(1)
	for name, keys := range map[string]*wire.Keyring{
		"without keys": nil, "sealed": webRing(t, wire.Enforce, one), "in mode receive-only": webRing(t, wire.ReceiveOnly, one),
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				network := gossiptest.NewNetwork(1)
				var all []*listener
				for n := range byte(3) {
					all = append(all, listens(t, n+1, keys, network.Transport(address(n+1))))
				}
				time.Sleep(2 * time.Second)
				before := all[0].Counters().Sent
				all[0].tell(t, "app01 is down")
				all[0].tell(t, "app02 is off")
				if sent := all[0].Counters().Sent - before; sent != 2 {
					t.Errorf("%d datagrams left, want 2", sent)
				}
				all[0].ear.mustHear(t, "who tells it")
				all[1].tell(t, strings.Repeat("x", gossip.MaxNote))
				all[2].ear.mustHear(t, "the third", "app01 is down by 1", "app02 is off by 1", strings.Repeat("x", gossip.MaxNote)+" by 2")
				all[1].ear.mustHear(t, "the second", "app01 is down by 1", "app02 is off by 1")
				for _, l := range all {
					if c := l.Counters(); c.Dropped != [gossip.Reasons]uint64{} || c.SendErrors != 0 || len(l.log.with("")) != 0 {
						t.Errorf("%+v, logged %q", c, l.log.with(""))
					}
				}
			})
		})
	}
}

// copier is a transport that sends a copy to each of so many.
type copier struct {
	gossip.Transport
	copies int
}

func (c copier) Fanout() int { return c.copies }

func TestAudienceSaysWhatANoteCosts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		red, blue := gossiptest.NewNetwork(1), gossiptest.NewNetwork(2)
		a := listens(t, 1, nil, red.Transport(address(1)), copier{blue.Transport(address(1)), 7})
		if nodes, datagrams := a.Audience(); nodes != 1 || datagrams != 8 {
			t.Errorf("alone: %d nodes, %d datagrams, want 1 and 8: one for the group, 7 copies", nodes, datagrams)
		}
		listens(t, 2, nil, red.Transport(address(2)))
		listens(t, 3, nil, blue.Transport(address(3)))
		time.Sleep(2 * time.Second)
		if nodes, datagrams := a.Audience(); nodes != 3 || datagrams != 8 {
			t.Errorf("with two others: %d nodes, %d datagrams, want 3 and 8", nodes, datagrams)
		}
	})
}

// Of each note several copies come by several ways, late and in any order, and one way loses much.
func TestANoteThatComesTwiceCountsOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		red, blue := gossiptest.NewNetwork(1), gossiptest.NewNetwork(2)
		a := listens(t, 1, nil, red.Transport(address(1)), blue.Transport(address(1)))
		b := listens(t, 2, nil, red.Transport(address(2)), blue.Transport(address(2)))
		time.Sleep(2 * time.Second)
		red.Set(gossiptest.Conditions{Loss: 0.5, Duplicate: 0.2, Delay: 100 * time.Millisecond, Jitter: 100 * time.Millisecond})
		blue.Set(gossiptest.Conditions{Duplicate: 0.5, Jitter: 300 * time.Millisecond})
		want := map[string]int{}
		for i := range 200 {
			text := fmt.Sprintf("note %d", i)
			want[text+" by 1"] = 1
			a.tell(t, text)
			time.Sleep(10 * time.Millisecond)
		}
		time.Sleep(time.Second)
		got := map[string]int{}
		for _, text := range b.ear.notes() {
			got[text]++
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("-told +heard\n%s", diff)
		}
		if c := b.Counters(); c.Dropped[gossip.DropReplay] < 100 {
			t.Errorf("%d came twice", c.Dropped[gossip.DropReplay])
		}
	})
}

func TestTellRefuses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := gossiptest.NewNetwork(1)
		a := listens(t, 1, nil, network.Transport(address(1)))
		for _, size := range []int{0, gossip.MaxNote + 1} {
			if err := a.Tell(make([]byte, size)); err == nil || !strings.Contains(err.Error(), fmt.Sprint(size)) {
				t.Errorf("%d bytes: %v", size, err)
			}
		}
		a.SetKeys(func() *wire.Keyring {
			k, err := wire.NewKeyring("another", []wire.Key{wire.NewKey(1)}, wire.Enforce)
			if err != nil {
				t.Fatal(err)
			}
			return k
		}())
		if err := a.Tell([]byte("x")); err == nil || !strings.Contains(err.Error(), "another") {
			t.Errorf("with the keys of another cluster: %v", err)
		}
	})
}

func TestTellKeepsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := gossiptest.NewNetwork(1)
		a, b := listens(t, 1, nil, network.Transport(address(1))), listens(t, 2, nil, network.Transport(address(2)))
		time.Sleep(time.Second)
		network.Set(gossiptest.Conditions{Delay: 100 * time.Millisecond})
		payload := []byte("app01 is down")
		if err := a.Tell(payload); err != nil {
			t.Fatal(err)
		}
		clear(payload)
		time.Sleep(200 * time.Millisecond)
		b.ear.mustHear(t, "after all", "app01 is down by 1")
	})
}

// Beats say that a network is down; who tells something wants to know that nobody heard it.
func TestTellWhereTheNetworkIsDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		red, blue := gossiptest.NewNetwork(1), gossiptest.NewNetwork(2)
		links := []*broken{{Transport: red.Transport(address(1))}, {Transport: blue.Transport(address(1))}}
		a, b := listens(t, 1, nil, links[0], links[1]), listens(t, 2, nil, red.Transport(address(2)), blue.Transport(address(2)))
		time.Sleep(2 * time.Second)
		before := a.Counters()
		links[0].send.Store(true)
		a.tell(t, "by one of two")
		b.ear.mustHear(t, "one is down", "by one of two by 1")
		links[1].send.Store(true)
		if err := a.Tell([]byte("by none")); !errors.Is(err, errDown) {
			t.Errorf("both are down: %v", err)
		}
		if c := a.Counters(); c.SendErrors != before.SendErrors+3 || c.Sent != before.Sent+1 {
			t.Errorf("%+v, before %+v", c, before)
		}
		if lines := a.log.with(""); len(lines) != 0 {
			t.Errorf("logged %q", lines)
		}
	})
}

func TestTellWhereNobodyListens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := gossiptest.NewNetwork(1)
		early, err := gossip.New(new(agent).config(1, network.Transport(address(1))))
		if err != nil {
			t.Fatal(err)
		}
		alone := listens(t, 2, nil)
		synctest.Wait()
		for when, g := range map[string]*gossip.Gossiper{"before Run": early, "without transports": alone.Gossiper} {
			if err := g.Tell([]byte("x")); err != nil || g.Counters() != (gossip.Counters{}) {
				t.Errorf("%s: %v, %+v", when, err, g.Counters())
			}
		}
		early.SetTransports(nil)
		a := listens(t, 3, nil, network.Transport(address(3)))
		time.Sleep(time.Second)
		a.stop()
		before := a.Counters()
		if err := a.Tell([]byte("x")); err != nil || a.Counters() != before {
			t.Errorf("after Run: %v, %+v", err, a.Counters())
		}
	})
}

func TestNotesWhereNobodyIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := gossiptest.NewNetwork(1)
		a, b := listens(t, 1, nil, network.Transport(address(1))), join(t, network, 2)
		time.Sleep(time.Second)
		a.tell(t, "x")
		synctest.Wait()
		if c := b.Counters(); c.Dropped != [gossip.Reasons]uint64{} || len(b.log.with("")) != 0 {
			t.Errorf("%+v, logged %q", c, b.log.with(""))
		}
	})
}

// What Told says is no good is counted, and said at most once a minute, with nothing in it that could end a line.
func TestAPayloadThatIsNoGood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := gossiptest.NewNetwork(1)
		a, b := listens(t, 1, nil, network.Transport(address(1))), listens(t, 2, nil, network.Transport(address(2)))
		b.ear.err = errors.New("no word of it\nlevel=ERROR")
		time.Sleep(time.Second)
		for range 10 {
			a.tell(t, "x")
		}
		synctest.Wait()
		if c := b.Counters(); c.Dropped[gossip.DropMalformed] != 10 || len(b.ear.notes()) != 10 {
			t.Errorf("%+v", c)
		}
		if lines := b.log.with(""); len(lines) != 1 || !strings.Contains(lines[0], `note of node 00000000: no word of it\nlevel`) {
			t.Errorf("logged %q", lines)
		}
	})
}

func TestNotesAfterANewStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := gossiptest.NewNetwork(1)
		a, b := listens(t, 1, nil, network.Transport(address(1))), listens(t, 2, nil, network.Transport(address(2)))
		time.Sleep(time.Second)
		for i := range 70 {
			a.tell(t, fmt.Sprint(i))
		}
		a.stop()
		again := &agent{}
		cfg := again.config(1, network.Transport(address(1)))
		cfg.Boot = 2000
		again.run(t, cfg)
		time.Sleep(time.Second)
		if err := again.Tell([]byte("I am back")); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if notes := b.ear.notes(); len(notes) != 71 || notes[70] != "I am back by 1" {
			t.Errorf("heard %d, the last %q", len(notes), notes[len(notes)-1])
		}
	})
}

// Many goroutines tell while keys are read anew and beats leave.
func TestTellAtTheSameTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := gossiptest.NewNetwork(1)
		a, b := listens(t, 1, nil, network.Transport(address(1))), listens(t, 2, nil, network.Transport(address(2)))
		time.Sleep(2 * time.Second)
		var wg sync.WaitGroup
		want := map[string]bool{}
		for i := range 4 {
			for j := range 50 {
				want[fmt.Sprintf("%d/%d by 1", i, j)] = true
			}
			wg.Go(func() {
				for j := range 50 {
					if err := a.Tell(fmt.Appendf(nil, "%d/%d", i, j)); err != nil {
						t.Error(err)
					}
					time.Sleep(time.Millisecond)
				}
			})
		}
		wg.Go(func() {
			for range 10 {
				a.SetKeys(nil)
				a.Beat()
				time.Sleep(3 * time.Millisecond)
			}
		})
		wg.Wait()
		synctest.Wait()
		got := map[string]bool{}
		for _, text := range b.ear.notes() {
			got[text] = true
		}
		if !maps.Equal(want, got) || len(b.ear.notes()) != len(want) {
			t.Errorf("heard %d different ones in %d, want %d", len(got), len(b.ear.notes()), len(want))
		}
	})
}

// What programs have pushed arrives with the farm, changes, and goes.
func TestPushedStatisticsArrive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := gossiptest.NewNetwork(1)
		a, b := join(t, network, 1), &agent{}
		cfg := b.config(2, network.Transport(address(2)))
		describe := cfg.Describe
		var mu sync.Mutex
		var pushed []node.Stat
		cfg.Describe = func(now time.Time) node.Node {
			mu.Lock()
			defer mu.Unlock()
			n := describe(now)
			n.Services = append(n.Services, node.Service{Farm: "jobs", Pushed: pushed})
			return n
		}
		b.run(t, cfg)
		for _, want := range [][]node.Stat{
			nil, {{Name: "queue", Value: 12.5}}, {{Name: "queue", Value: 3e20}, {Name: "temp", Value: 0}}, {{Name: "temp", Value: 1}}, nil,
		} {
			mu.Lock()
			pushed = want
			mu.Unlock()
			time.Sleep(1200 * time.Millisecond)
			services := a.Nodes(time.Now())[0].Services
			if services[0].Pushed != nil || !slices.Equal(services[1].Pushed, want) {
				t.Errorf("%+v, want %+v of the second farm", services, want)
			}
		}
	})
}
