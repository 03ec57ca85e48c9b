package gossip

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"backhand/gossip/node"
	"backhand/gossip/wire"
)

var (
	start = time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)
	from  = netip.MustParseAddr("10.58.4.2")

	selfID = id(1)
)

const selfBoot = 1000

func id(n uint64) (id node.ID) {
	binary.BigEndian.PutUint64(id[:], n)
	return id
}

// part returns part k of n of a beat by node 2, with those farms; each farm's Served is the sequence.
func part(boot, sequence uint64, k, n uint8, farms ...string) *wire.Beat {
	b := &wire.Beat{Part: k, Parts: n, Node: node.Node{
		ID: id(2), Boot: boot, Sequence: sequence, Name: "two", State: node.Up, Interval: time.Second,
	}}
	for _, f := range farms {
		b.Node.Services = append(b.Node.Services, node.Service{Farm: f, Served: sequence})
	}
	return b
}

func beat(boot, sequence uint64, farms ...string) *wire.Beat {
	return part(boot, sequence, 1, 1, farms...)
}

func in(state node.State, b *wire.Beat) *wire.Beat {
	b.Node.State = state
	return b
}

func of(who node.ID, b *wire.Beat) *wire.Beat {
	b.Node.ID = who
	return b
}

// only returns the one node of the table, as "boot/sequence state farm@sequence …".
func only(t testing.TB, table *Table) string {
	t.Helper()
	nodes := table.AppendNodes(nil)
	if len(nodes) != 1 {
		t.Fatalf("%d nodes, want 1", len(nodes))
	}
	n := nodes[0]
	words := []string{fmt.Sprintf("%d/%d %v", n.Boot, n.Sequence, n.State)}
	for _, v := range n.Services {
		words = append(words, fmt.Sprintf("%s@%d", v.Farm, v.Served))
	}
	return strings.Join(words, " ")
}

func TestObserve(t *testing.T) {
	type step struct {
		beat *wire.Beat
		want Result
	}
	for name, tc := range map[string]struct {
		steps []step
		want  string
	}{
		"the newer is taken": {[]step{{beat(1, 1, "a"), Added}, {beat(1, 2, "a"), Updated}}, "1/2 up a@2"},
		"the same is not":    {[]step{{beat(1, 1, "a"), Added}, {beat(1, 1, "a"), Replay}}, "1/1 up a@1"},
		"the older is not":   {[]step{{beat(1, 2, "a"), Added}, {beat(1, 1, "b"), Replay}}, "1/2 up a@2"},
		"a new start begins at one again": {
			[]step{{beat(1, 900, "a", "b"), Added}, {beat(2, 1, "a"), Updated}, {beat(1, 901, "b"), Replay}}, "2/1 up a@1",
		},
		"a farm that is no longer told of goes": {[]step{{beat(1, 1, "a", "b"), Added}, {beat(1, 2, "b"), Updated}}, "1/2 up b@2"},
		"parts add up in the order of the file": {
			[]step{{part(1, 1, 2, 2, "c", "d"), Added}, {part(1, 1, 1, 2, "a", "b"), Updated}}, "1/1 up a@1 b@1 c@1 d@1",
		},
		"a part twice": {[]step{{part(1, 1, 1, 2, "a"), Added}, {part(1, 1, 1, 2, "a"), Replay}}, "1/1 up a@1"},
		"farms of a part that is lost stay": {
			[]step{{part(1, 1, 1, 2, "a"), Added}, {part(1, 1, 2, 2, "b"), Updated}, {part(1, 2, 1, 2, "a"), Updated}},
			"1/2 up a@2 b@1",
		},
		"until a sequence is whole": {
			[]step{
				{part(1, 1, 1, 2, "a"), Added},
				{part(1, 1, 2, 2, "b"), Updated},
				{part(1, 2, 1, 2, "a"), Updated},
				{part(1, 3, 2, 2, "c"), Updated},
				{part(1, 3, 1, 2, "a"), Updated},
			},
			"1/3 up a@3 c@3",
		},
		"a late part of an older sequence": {
			[]step{{part(1, 1, 1, 2, "a"), Added}, {part(1, 2, 1, 2, "a"), Updated}, {part(1, 1, 2, 2, "b"), Replay}},
			"1/2 up a@2",
		},
		"farms of the start before are not kept": {
			[]step{{beat(1, 1, "a", "b"), Added}, {part(2, 1, 1, 2, "a"), Updated}}, "2/1 up a@1",
		},
		"parts that do not agree how many they are": {
			[]step{{part(1, 1, 1, 3, "a"), Added}, {part(1, 1, 2, 2, "b"), Malformed}}, "1/1 up a@1",
		},
		"a farm in two parts": {
			[]step{{part(1, 1, 1, 2, "a"), Added}, {part(1, 1, 2, 2, "b", "a"), Malformed}}, "1/1 up a@1",
		},
		"who leaves has left": {
			[]step{{in(node.Leaving, beat(1, 5)), Added}, {in(node.Up, beat(1, 6)), Updated}}, "1/6 leaving",
		},
		"until the next start": {
			[]step{{in(node.Leaving, beat(1, 5)), Added}, {in(node.Up, beat(2, 1)), Updated}}, "2/1 up",
		},
		"draining is taken back": {
			[]step{{in(node.Draining, beat(1, 5)), Added}, {in(node.Up, beat(1, 6)), Updated}}, "1/6 up",
		},
		"our own are not listed": {
			[]step{{of(selfID, beat(selfBoot, 1)), Own}, {beat(1, 1), Added}}, "1/1 up",
		},
		"nor is a clone of ours, be it younger or older": {
			[]step{{of(selfID, beat(selfBoot+1, 1)), Clone}, {of(selfID, beat(selfBoot-1, 9)), Clone}, {beat(1, 1), Added}}, "1/1 up",
		},
	} {
		t.Run(name, func(t *testing.T) {
			table := NewTable(selfID, selfBoot)
			for i, s := range tc.steps {
				if got := table.Observe(s.beat, from, start); got != s.want {
					t.Fatalf("beat %d: result %d, want %d", i+1, got, s.want)
				}
			}
			if got := only(t, table); got != tc.want {
				t.Errorf("%s, want %s", got, tc.want)
			}
		})
	}
}

func TestMoreFarmsThanANodeMayHave(t *testing.T) {
	names := func(prefix string, n int) (list []string) {
		for i := range n {
			list = append(list, fmt.Sprintf("%s%02d", prefix, i))
		}
		return list
	}
	table := NewTable(selfID, selfBoot)
	table.Observe(part(1, 1, 1, 2, names("a", 40)...), from, start)
	if got := table.Observe(part(1, 1, 2, 2, names("b", 25)...), from, start); got != Malformed {
		t.Errorf("65 farms in two parts: result %d, want Malformed", got)
	}
	// Sequences that are never whole do not pile up farms either.
	for s := range uint64(100) {
		if got := table.Observe(part(1, 2+s, 1, 2, names(fmt.Sprintf("%d-", s), 40)...), from, start); got != Updated {
			t.Fatalf("result %d", got)
		}
		n := table.AppendNodes(nil)[0]
		if len(n.Services) > node.MaxFarms || table.services != len(n.Services) {
			t.Fatalf("%d farms, counted as %d", len(n.Services), table.services)
		}
		fresh := 0
		for _, v := range n.Services {
			if v.Served == 2+s {
				fresh++
			}
		}
		if fresh != 40 {
			t.Fatalf("%d of the 40 farms told of last", fresh)
		}
	}
}

func TestAge(t *testing.T) {
	b := beat(1, 1)
	b.Node.SampleAge = 10 * time.Millisecond
	table := NewTable(selfID, selfBoot)
	table.Observe(b, from, start)
	second := part(1, 2, 2, 2)
	second.Node.SampleAge = 20 * time.Millisecond
	age := func(at time.Duration) time.Duration { return table.AppendNodes(nil)[0].Age(start.Add(at)) }
	if got := age(time.Second); got != 1010*time.Millisecond {
		t.Errorf("age %v, want the second that passed and 10 ms", got)
	}
	table.Observe(second, from, start.Add(2*time.Second))
	if got := age(2 * time.Second); got != 20*time.Millisecond {
		t.Errorf("after the first part of the next: age %v, want 20ms", got)
	}
	table.Observe(part(1, 2, 1, 2), from, start.Add(5*time.Second))
	if got := age(5 * time.Second); got != 3020*time.Millisecond {
		t.Errorf("a late part makes nobody younger: age %v, want 3.02s", got)
	}
	if got := table.AppendNodes(nil)[0].From; got != from {
		t.Errorf("from %v", got)
	}
}

func TestClockSetBack(t *testing.T) {
	table := NewTable(selfID, selfBoot)
	table.Observe(beat(1, 1), from, start)
	back := start.Add(-3 * time.Hour)
	age := func(at time.Time) time.Duration { return table.AppendNodes(nil)[0].Age(at) }
	if gone := table.Expire(back); len(gone) != 0 {
		t.Fatalf("gone: %v", gone)
	}
	if got := age(back); got != 0 {
		t.Errorf("age %v, want 0", got)
	}
	if got := age(back.Add(10 * time.Second)); got != 10*time.Second {
		t.Errorf("10s later the silent node is %v old", got)
	}
	if got := table.Observe(beat(1, 2), from, back.Add(11*time.Second)); got != Updated {
		t.Errorf("result %d, want Updated: the order of beats has nothing to do with clocks", got)
	}
	table.Observe(beat(1, 3), from, back)
	if got := age(back.Add(-time.Hour)); got < 0 {
		t.Errorf("age %v", got)
	}
}

func TestExpire(t *testing.T) {
	table := NewTable(selfID, selfBoot)
	table.Observe(beat(7, 5, "a"), from, start)
	table.Observe(of(id(3), in(node.Leaving, beat(7, 9))), from, start.Add(time.Minute))
	ids := func(gone []node.ID) string { return fmt.Sprint(gone) }
	if gone := table.Expire(start.Add(Shown - 1)); len(gone) != 0 || table.Len() != 2 {
		t.Fatalf("too early: %v", gone)
	}
	if got := ids(table.Expire(start.Add(Shown))); got != ids([]node.ID{id(2)}) {
		t.Errorf("gone %s, want the silent one", got)
	}
	if got := ids(table.Expire(start.Add(Shown + time.Minute))); got != ids([]node.ID{id(3)}) {
		t.Errorf("gone %s, want the one that left", got)
	}
	if table.services != 0 {
		t.Errorf("%d farms of nobody", table.services)
	}
	later := start.Add(2 * Shown)
	for _, old := range []*wire.Beat{beat(7, 5), beat(7, 4), beat(6, 99), of(id(3), beat(7, 9))} {
		if got := table.Observe(old, from, later); got != Replay {
			t.Errorf("an old beat (%d, %d) has result %d, want Replay", old.Node.Boot, old.Node.Sequence, got)
		}
	}
	if got := table.Observe(beat(7, 6), from, later); got != Added {
		t.Errorf("the node is back: result %d, want Added", got)
	}
	if got := table.Observe(beat(7, 6), from, later); got != Replay {
		t.Errorf("result %d, want Replay", got)
	}
}

func small(nodes int) *Table {
	t := NewTable(selfID, selfBoot)
	t.maxNodes = nodes
	return t
}

func TestFullNeverTouchesTheLiving(t *testing.T) {
	table := small(3)
	for i := range uint64(3) {
		table.Observe(of(id(10+i), beat(1, 1)), from, start)
	}
	for i := range uint64(1000) {
		if got := table.Observe(of(id(100+i), beat(1, 1)), from, start.Add(30*time.Second)); got != Full {
			t.Fatalf("result %d, want Full", got)
		}
	}
	now := start.Add(roomAfter)
	table.Observe(of(id(10), beat(1, 2)), from, now)
	if got := table.Observe(of(id(100), beat(1, 1)), from, now); got != Added {
		t.Errorf("two have been silent for a minute: result %d, want Added", got)
	}
	if table.Len() != 2 || table.nodes[id(10)] == nil {
		t.Errorf("%d nodes, want the one that lives and the new one", table.Len())
	}
	if got := table.Observe(of(id(11), beat(1, 1)), from, now); got != Replay {
		t.Errorf("who made room is not forgotten: result %d, want Replay", got)
	}
}

func TestSlowNodesAreNotTakenForSilent(t *testing.T) {
	table := small(1)
	slow := beat(1, 1)
	slow.Node.Interval = time.Minute
	table.Observe(slow, from, start)
	if got := table.Observe(of(id(3), beat(1, 1)), from, start.Add(5*time.Minute)); got != Full {
		t.Errorf("result %d, want Full", got)
	}
	if got := table.Observe(of(id(3), beat(1, 1)), from, start.Add(6*time.Minute)); got != Added {
		t.Errorf("result %d, want Added", got)
	}
}

func TestFloodIsBounded(t *testing.T) {
	for _, services := range []int{120, 1000} {
		t.Run(fmt.Sprintf("room for %d farms", services), func(t *testing.T) { flood(t, services) })
	}
}

func flood(t *testing.T, services int) {
	table := small(50)
	table.maxServices = services
	rng := rand.New(rand.NewPCG(1, 2))
	now := start
	for i := range uint64(20_000) {
		now = now.Add(time.Duration(rng.IntN(200)) * time.Millisecond)
		who := id(10 + rng.Uint64N(500))
		table.Observe(of(who, beat(1, i, fmt.Sprint("farm", rng.IntN(9)), "x", "y")), from, now)
		if i%1000 == 0 {
			table.Expire(now)
		}
		farms := 0
		for _, e := range table.nodes {
			farms += len(e.farms)
		}
		switch {
		case len(table.nodes) > 50, len(table.gone) > 50, len(table.goneRing) > 50:
			t.Fatalf("%d nodes, %d gone, %d in the ring", len(table.nodes), len(table.gone), len(table.goneRing))
		case farms != table.services, farms > services:
			t.Fatalf("%d farms, counted as %d", farms, table.services)
		}
	}
	if len(table.gone) == 0 {
		t.Error("nobody went: the test is too tame")
	}
}

func TestGoneAreForgottenOldestFirst(t *testing.T) {
	table := small(2)
	now := start
	live := func(n, sequence uint64) Result { return table.Observe(of(id(n), beat(1, sequence)), from, now) }
	die := func() { now = now.Add(2 * Shown); table.Expire(now) }
	live(2, 1)
	die()
	live(3, 1)
	die()
	live(2, 2) // back, and gone again: now it went last
	die()
	live(4, 1)
	die() // makes room for itself by forgetting 3
	for n, want := range map[uint64]Result{2: Replay, 3: Added, 4: Replay} {
		if got := live(n, 1); got != want {
			t.Errorf("node %d: result %d, want %d", n, got, want)
		}
	}
}

func TestNodesNeverChange(t *testing.T) {
	table := NewTable(selfID, selfBoot)
	b := beat(1, 1, "a", "b")
	table.Observe(b, from, start)
	first := table.AppendNodes(nil)
	if again := table.AppendNodes(nil); again[0] != first[0] {
		t.Error("nothing happened, and yet there is another copy")
	}
	before := *first[0]
	before.Services = slices.Clone(before.Services)

	b.Node.Services[0].Farm = "overwritten by the next parse"
	table.Observe(beat(1, 2, "b"), from, start.Add(time.Second))
	table.Observe(beat(2, 1, "c", "d"), from, start.Add(2*time.Second))
	table.Expire(start.Add(-time.Hour))
	if diff := cmp.Diff(before, *first[0], cmpopts.EquateComparable(netip.Addr{}, netip.AddrPort{})); diff != "" {
		t.Errorf("a node that was given out changed:\n%s", diff)
	}
}

func TestObserveAllocatesNothingForTheKnown(t *testing.T) {
	table := NewTable(selfID, selfBoot)
	b := beat(1, 1, "a", "b", "c")
	table.Observe(b, from, start)
	if got := testing.AllocsPerRun(100, func() {
		b.Node.Sequence++
		if r := table.Observe(b, from, start); r != Updated {
			t.Fatalf("result %d", r)
		}
	}); got != 0 {
		t.Errorf("%v allocations a beat, want 0", got)
	}
}

// Whatever the order in which beats come, and however often each: once all have come, the table says the same.
func TestOrderDoesNotMatter(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		beats := drawHistory(rt)
		inOrder := NewTable(selfID, selfBoot)
		for _, b := range beats {
			inOrder.Observe(b, from, start)
		}
		repeated := append(slices.Clone(beats), rapid.SliceOfN(rapid.SampledFrom(beats), 0, len(beats)).Draw(rt, "repeats")...)
		shuffled := NewTable(selfID, selfBoot)
		for _, b := range rapid.Permutation(repeated).Draw(rt, "order") {
			shuffled.Observe(b, from, start)
		}
		if diff := cmp.Diff(byID(inOrder), byID(shuffled), cmpopts.EquateComparable(netip.Addr{}, netip.AddrPort{})); diff != "" {
			rt.Fatalf("-in order +shuffled\n%s", diff)
		}
	})
}

// drawHistory returns what up to three nodes sent: whole sequences in parts, over several starts, leaving at the end of one.
func drawHistory(rt *rapid.T) (beats []*wire.Beat) {
	names := []string{"a", "b", "c", "d", "e", "f"}
	for n := range rapid.Uint64Range(1, 3).Draw(rt, "nodes") {
		for boot := range rapid.Uint64Range(1, 3).Draw(rt, "boots") {
			sequences := rapid.Uint64Range(1, 4).Draw(rt, "sequences")
			leaves := rapid.Uint64Range(1, 6).Draw(rt, "leaves at")
			for sequence := uint64(1); sequence <= sequences; sequence++ {
				farms := rapid.Permutation(names).Draw(rt, "farms")
				parts := rapid.Uint8Range(1, 3).Draw(rt, "parts")
				for k := uint8(1); k <= parts; k++ {
					b := of(id(2+n), part(boot, sequence, k, parts, farms[2*(k-1):2*k]...))
					if sequence >= leaves {
						b.Node.State = node.Leaving
					}
					beats = append(beats, b)
				}
			}
		}
	}
	return beats
}

func byID(table *Table) map[node.ID]*node.Node {
	m := map[node.ID]*node.Node{}
	for _, n := range table.AppendNodes(nil) {
		m[n.ID] = n
	}
	return m
}

// A burst of beats of made-up nodes would cost each look at the table for an hour. Those that were silent before stay: the
// page shows who is dead.
func TestOnlySoManySilentNodesAreShown(t *testing.T) {
	table := NewTable(selfID, selfBoot)
	table.Observe(of(id(7), beat(7, 1)), from, start)
	burst := start.Add(time.Second)
	for n := range uint64(3000) {
		table.Observe(of(id(1000+n), sealed(beat(7, 1))), from, burst.Add(time.Duration(n)*time.Microsecond))
	}
	if table.Expire(burst.Add(roomAfter - 1)); table.Len() != 3001 {
		t.Errorf("%d nodes, want all: they may be alive", table.Len())
	}
	after := burst.Add(roomAfter + time.Second)
	table.Observe(of(id(8), beat(7, 1)), from, after)
	table.Expire(after)
	listed := map[node.ID]bool{}
	for _, n := range table.AppendNodes(nil) {
		listed[n.ID] = true
	}
	if !listed[id(7)] || !listed[id(8)] {
		t.Errorf("the dead of before is listed: %v; the living: %v", listed[id(7)], listed[id(8)])
	}
	if len(listed) != ShownMost+1 {
		t.Errorf("%d nodes, want %d and the living one", len(listed), ShownMost)
	}
}
