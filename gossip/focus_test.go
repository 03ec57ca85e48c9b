package gossip

import (
	"net/netip"
	"runtime"
	"slices"
	"testing"
	"time"

	"backhand/gossip/node"
	"backhand/gossip/wire"
)

// many returns a table of so many nodes that serve the farm web; every tenth is a front too, and every fifth serves no farm.
func many(n int) *Table {
	table := NewTable(selfID, selfBoot)
	for i := range uint64(n) {
		b := sealed(of(id(1000+i), beat(1, 1)))
		if i%5 != 0 {
			b.Node.Services = []node.Service{{Farm: "web", Ready: true, Slots: 2, Mu: 10, Average: 1}}
		}
		if i%10 == 0 {
			b.Node.Stats.Dispatched = 3
		}
		b.Node.Stats.Speed, b.Node.Stats.Load1 = 100, 2
		table.Observe(b, from, start)
	}
	return table
}

func TestSurveyListsWhoIsInFocusAndAddsUpTheOthers(t *testing.T) {
	table := many(5000)
	f := Focus{Front: node.FrontOf(selfID), Farms: map[string]int{"web": 100, "none": 7}}
	nodes, others := table.Survey(start, f)
	var distances, all []uint64
	for _, n := range nodes {
		distances = append(distances, node.Distance(f.Front, node.MemberHash(n.ID, "web")))
	}
	for _, n := range table.AppendNodes(nil) {
		if len(n.Services) > 0 {
			all = append(all, node.Distance(f.Front, node.MemberHash(n.ID, "web")))
		}
	}
	slices.Sort(distances)
	slices.Sort(all)
	if !slices.Equal(distances, all[:100]) {
		t.Errorf("%d nodes are listed, want the first 100 in our order", len(nodes))
	}
	web := others.Farms["web"]
	if others.Nodes != 4900 || others.Fronts != 500 || others.Dispatched != 1500 || others.Fastest != 100 || others.SpeedLoad != 0.02 ||
		others.States[node.Up] != 4900 || others.Keys[1] != 4900 {
		t.Errorf("the others are %+v", others)
	}
	if web.Members != 3900 || web.Candidates != 3900 || web.InFlight != 3900 || web.Capacity != 78000 || len(web.Mus) != 3900 {
		t.Errorf("the other members are %+v", web)
	}
}

func TestWhoIsAskedForIsListed(t *testing.T) {
	table := many(5000)
	f := Focus{Front: node.FrontOf(selfID)}
	lists := func(at time.Time) bool {
		nodes, others := table.Survey(at, f)
		if len(nodes)+others.Nodes != 5000 {
			t.Errorf("%d nodes are listed and %d others, want 5,000 in all", len(nodes), others.Nodes)
		}
		return slices.ContainsFunc(nodes, func(n *node.Node) bool { return n.ID == id(1007) })
	}
	if lists(start) {
		t.Error("it is listed before it was asked for")
	}
	if n := table.Find(id(1007), start); n == nil || n.ID != id(1007) || len(n.Services) != 1 {
		t.Errorf("it is found as %+v", n)
	}
	if table.Find(id(7), start) != nil {
		t.Error("a node is found that nobody heard of")
	}
	if lists(start) {
		t.Error("it is listed although no more than the least is known of it")
	}
	b := sealed(of(id(1007), beat(1, 2)))
	b.Node.Zone = "b"
	table.Observe(b, from, start)
	if !lists(start) || !lists(start.Add(wantedFor-1)) || lists(start.Add(wantedFor)) {
		t.Error("it must be listed from its next beat on for ten minutes")
	}
	if n := table.Find(id(1007), start); n.Zone != "" {
		t.Errorf("all of it is remembered: %+v", n)
	}
}

func TestWhoStandsAtAWantedAddressIsListed(t *testing.T) {
	table := many(2000)
	b := sealed(of(id(999), beat(1, 1)))
	b.Node.Addr = netip.MustParseAddrPort("10.58.4.99:8080")
	table.Observe(b, from, start)
	f := Focus{Front: node.FrontOf(selfID)}
	if nodes, _ := table.Survey(start, f); len(nodes) != 0 {
		t.Errorf("%d nodes are listed though nobody wants any", len(nodes))
	}
	f.Addrs = map[netip.Addr]bool{b.Node.Addr.Addr(): true}
	if nodes, others := table.Survey(start, f); len(nodes) != 0 || others.Nodes != 2001 {
		t.Errorf("%d nodes are listed, %d are not; want none before the next beat", len(nodes), others.Nodes)
	}
	b.Node.Sequence++
	table.Observe(b, from, start)
	nodes, others := table.Survey(start, f)
	if len(nodes) != 1 || nodes[0].ID != id(999) || others.Nodes != 2000 {
		t.Errorf("%d nodes are listed, %d are not; want the one at that address", len(nodes), others.Nodes)
	}
}

func TestWhoMayNotBeChosenMakesRoomInTheFocus(t *testing.T) {
	table := many(5000)
	f := Focus{Front: node.FrontOf(selfID), Farms: map[string]int{"web": 10}}
	before, _ := table.Survey(start, f)
	for i, n := range before[:3] {
		b := sealed(of(n.ID, beat(1, 2, "web")))
		b.Node.Services[0].Ready = i != 0
		if i == 1 {
			b.Node.State = node.Draining
		}
		if i < 2 {
			table.Observe(b, from, start.Add(time.Second))
		}
	}
	// All others are heard again, but for the third; and once more, now that somebody looks.
	var after []*node.Node
	for sequence := range uint64(2) {
		now := start.Add(time.Duration(6+sequence) * time.Second)
		for i := range uint64(5000) {
			e := table.nodes[id(1000+i)]
			if slices.ContainsFunc(before[:3], func(n *node.Node) bool { return n.ID == id(1000+i) }) {
				continue
			}
			b := sealed(of(id(1000+i), beat(1, 2+sequence)))
			if len(e.farms) > 0 {
				b.Node.Services = []node.Service{{Farm: "web", Ready: true}}
			}
			table.Observe(b, from, now)
		}
		after, _ = table.Survey(now.Add(time.Second), f)
	}
	if len(after) != 10 {
		t.Errorf("%d are listed, want 10", len(after))
	}
	for i, n := range before[:3] {
		if slices.ContainsFunc(after, func(o *node.Node) bool { return o.ID == n.ID }) {
			t.Errorf("node %d is still in focus", i)
		}
	}
}

func TestAllAreListedWhereThereAreFewOrAllAreWanted(t *testing.T) {
	for _, tc := range []struct {
		name  string
		nodes int
		focus Focus
	}{
		{"few", FocusFrom, Focus{Farms: map[string]int{"web": 1}}},
		{"all wanted", 2000, Focus{All: true}},
	} {
		nodes, others := many(tc.nodes).Survey(start, tc.focus)
		if len(nodes) != tc.nodes || others != nil {
			t.Errorf("%s: %d of %d are listed, and %+v others", tc.name, len(nodes), tc.nodes, others)
		}
	}
}

// sealedBeats returns what so many nodes send: of each its beats of that many sequences.
func sealedBeats(b testing.TB, nodes, sequences int) (keys *wire.Keyring, beats [][]byte) {
	keys, err := wire.NewKeyring("web", []wire.Key{wire.NewKey(1)}, wire.Enforce)
	if err != nil {
		b.Fatal(err)
	}
	for s := range sequences {
		for i := range nodes {
			n := node.Node{
				ID: id(uint64(1000 + i)), Boot: 1, Sequence: uint64(s + 1), Name: "www1234.example.com", State: node.Up, Interval: time.Second,
				VersionMin: 1, VersionMax: 1, Addr: lanAddr(i), Stats: node.Stats{CPUs: 4, Speed: 1000, Load1: 1},
				Services: []node.Service{{Farm: "web", Ready: true, Slots: 4, Mu: 20, Average: 2}},
			}
			list, err := wire.Append(nil, &n, wire.HashCluster("web"), keys)
			if err != nil {
				b.Fatal(err)
			}
			beats = append(beats, slices.Clone(list[0]))
		}
	}
	return keys, beats
}

// A beat of one of ten thousand nodes, sealed: from the datagram to the table.
func BenchmarkReceiveSealed10000(b *testing.B) {
	keys, beats := sealedBeats(b, 10000, 5)
	g := receiving(b, keys)
	r := receiver{g: g, parser: wire.NewParser(g.cluster)}
	for _, d := range beats[:10000] {
		r.take(d, from)
	}
	b.ReportAllocs()
	for n := 0; b.Loop(); n++ {
		if n%40000 == 0 && n > 0 { // the table forgets what it knows of the order
			for _, e := range g.table.nodes {
				e.last.sequence, e.sealed.sequence = 1, 1
			}
		}
		r.take(beats[10000+n%40000], from)
	}
	if taken := g.Counters(); taken.Dropped != [Reasons]uint64{} {
		b.Errorf("%v were dropped", taken.Dropped)
	}
}

func TestReceivingABeatAllocatesNothing(t *testing.T) {
	keys, beats := sealedBeats(t, 1, 200)
	g := receiving(t, keys)
	r := receiver{g: g, parser: wire.NewParser(g.cluster)}
	next := 0
	take := func() { r.take(beats[next], from); next++ }
	take()
	if n := testing.AllocsPerRun(100, take); n != 0 {
		t.Errorf("%v allocations for a beat, want none", n)
	}
	if dropped := g.Counters().Dropped; dropped != [Reasons]uint64{} {
		t.Errorf("%v were dropped", dropped)
	}
}

// What ten thousand nodes take in memory, of which two hundred are in focus.
func BenchmarkMemory10000(b *testing.B) {
	keys, beats := sealedBeats(b, 10000, 1)
	heap := func() float64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return float64(m.HeapAlloc)
	}
	for b.Loop() {
		before := heap()
		g := receiving(b, keys)
		r := receiver{g: g, parser: wire.NewParser(g.cluster)}
		for _, d := range beats {
			r.take(d, from)
		}
		nodes, others := g.Survey(time.Now(), Focus{Front: node.FrontOf(selfID), Farms: map[string]int{"web": 200}})
		b.ReportMetric((heap()-before)/10000, "B/node")
		runtime.KeepAlive(nodes)
		runtime.KeepAlive(others)
		runtime.KeepAlive(g)
	}
}

func BenchmarkSurvey10000(b *testing.B) {
	table := many(10000)
	f := Focus{Front: node.FrontOf(selfID), Farms: map[string]int{"web": 200}}
	b.ReportAllocs()
	for b.Loop() {
		table.Survey(start, f)
	}
}

func lanAddr(i int) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 58, byte(i >> 8), byte(i)}), 80)
}

// receiving returns a Gossiper that takes beats of 10.58.0.0/16.
func receiving(t testing.TB, keys *wire.Keyring) *Gossiper {
	g, err := New(Config{
		Cluster: "web", ID: selfID, Boot: selfBoot, Keys: keys, Accept: []netip.Prefix{netip.MustParsePrefix("10.58.0.0/16")},
		Describe: func(time.Time) node.Node { return node.Node{} },
	})
	if err != nil {
		t.Fatal(err)
	}
	return g
}
