package gossip

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"backhand/gossip/node"
	"backhand/gossip/wire"
)

// pushing gives the farms of a beat statistics, by turns: "jobs queue", "".
func pushing(value float64, b *wire.Beat, names ...string) *wire.Beat {
	for i := range b.Node.Services {
		for name := range strings.FieldsSeq(names[i%len(names)]) {
			b.Node.Services[i].Pushed = append(b.Node.Services[i].Pushed, node.Stat{Name: name, Value: value})
		}
	}
	return b
}

// pushedOf returns those of the one node of the table, as "farm name=value …".
func pushedOf(t *testing.T, table *Table) string {
	t.Helper()
	nodes := table.AppendNodes(nil)
	if len(nodes) != 1 {
		t.Fatalf("%d nodes, want 1", len(nodes))
	}
	var words []string
	for _, s := range nodes[0].Services {
		words = append(words, s.Farm)
		for _, st := range s.Pushed {
			words = append(words, st.Name+"="+string(rune('0'+int(st.Value))))
		}
	}
	return strings.Join(words, " ")
}

func TestStatisticsAreThoseOfTheLastBeatThatToldOfTheFarm(t *testing.T) {
	for _, row := range []struct {
		name  string
		beats []*wire.Beat
		want  string
	}{
		{"none", []*wire.Beat{beat(1, 1, "a")}, "a"},
		{"of each farm its own", []*wire.Beat{pushing(1, beat(1, 1, "a", "b", "c"), "jobs queue", "", "jobs")}, "a jobs=1 queue=1 b c jobs=1"},
		{"they change", []*wire.Beat{pushing(1, beat(1, 1, "a"), "jobs"), pushing(2, beat(1, 2, "a"), "jobs")}, "a jobs=2"},
		{"they are taken away", []*wire.Beat{pushing(1, beat(1, 1, "a"), "jobs"), beat(1, 2, "a")}, "a"},
		{"a replay changes nothing", []*wire.Beat{pushing(2, beat(1, 2, "a"), "jobs"), pushing(1, beat(1, 1, "a"), "jobs")}, "a jobs=2"},
		{"a part that is missing leaves those of the beat before", []*wire.Beat{
			pushing(1, part(1, 1, 1, 2, "a"), "jobs"), pushing(1, part(1, 1, 2, 2, "b"), "jobs"), pushing(2, part(1, 2, 2, 2, "b"), "jobs"),
		}, "a jobs=1 b jobs=2"},
		{"a new start has none of the old", []*wire.Beat{pushing(1, beat(1, 1, "a"), "jobs"), beat(2, 1, "a")}, "a"},
		{"a farm that comes back has none of old", []*wire.Beat{pushing(1, beat(1, 1, "a"), "jobs"), beat(1, 2, "b"), beat(1, 3, "a")}, "a"},
	} {
		t.Run(row.name, func(t *testing.T) {
			table := NewTable(selfID, selfBoot)
			for _, b := range row.beats {
				table.Observe(b, from, start)
			}
			if got := pushedOf(t, table); got != row.want {
				t.Errorf("%q, want %q", got, row.want)
			}
		})
	}
}

// The parser uses the memory of a beat again, and what was published is read by anybody.
func TestPublishedStatisticsNeverChange(t *testing.T) {
	table := NewTable(selfID, selfBoot)
	b := pushing(1, beat(1, 1, "a", "b"), "jobs queue")
	table.Observe(b, from, start)
	before := table.AppendNodes(nil)[0]
	var want [][]node.Stat
	for _, s := range before.Services {
		want = append(want, slices.Clone(s.Pushed))
	}
	unchanged := func(when string) {
		t.Helper()
		for i, s := range before.Services {
			if diff := cmp.Diff(want[i], s.Pushed); diff != "" {
				t.Errorf("%s: %s", when, diff)
			}
		}
	}
	b.Node.Services[0].Pushed[1].Value = 9
	b.Node.Services[1].Pushed = b.Node.Services[1].Pushed[:0]
	unchanged("with the beat's memory")
	b.Node.Sequence = 2
	table.Observe(b, from, start)
	unchanged("after the next beat")
	if got := pushedOf(t, table); got != "a jobs=1 queue=9 b" {
		t.Errorf("%q", got)
	}
	b.Node.Sequence = 3
	if got := testing.AllocsPerRun(100, func() {
		table.Observe(b, from, start)
		b.Node.Sequence++
	}); got != 0 {
		t.Errorf("%v allocations for a beat whose statistics did not change", got)
	}
}

// Two nodes by turns through one parser, as they come in.
func TestStatisticsOfNodesDoNotMix(t *testing.T) {
	table, parser := NewTable(selfID, selfBoot), wire.NewParser(wire.HashCluster("web"))
	var heard wire.Beat
	for sequence := range uint64(4) {
		for i := range uint64(2) {
			n := node.Node{
				ID: id(10 + i), Boot: 1, Sequence: sequence + 1, Name: "www", Addr: lanAddr(int(i)), State: node.Up, VersionMin: 1,
				VersionMax: 1, Interval: 1e9, Services: []node.Service{{Farm: "a"}, {Farm: "b"}},
			}
			n.Services[i].Pushed = []node.Stat{{Name: "jobs", Value: float64(10*i + sequence)}}
			parts, err := wire.Append(nil, &n, wire.HashCluster("web"), nil)
			if err == nil {
				err = parser.Parse(parts[0], nil, &heard)
			}
			if err != nil {
				t.Fatal(err)
			}
			table.Observe(&heard, from, start)
		}
		for i := range uint64(2) {
			got := table.Find(id(10+i), start).Services
			want := []node.Stat{{Name: "jobs", Value: float64(10*i + sequence)}}
			if diff := cmp.Diff(want, got[i].Pushed); diff != "" || got[1-i].Pushed != nil {
				t.Errorf("beat %d of node %d: %+v", sequence, i, got)
			}
		}
	}
}

func TestReceivingABeatWithStatisticsAllocatesNothing(t *testing.T) {
	keys, _ := sealedBeats(t, 1, 1)
	g := receiving(t, keys)
	r := receiver{g: g, parser: wire.NewParser(g.cluster)}
	var beats [][]byte
	for s := range uint64(150) {
		b := pushing(3, beat(1, s+1, "a", "b"), "jobs queue.length temperature")
		n := &b.Node
		n.Addr, n.VersionMin, n.VersionMax = lanAddr(2), 1, 1
		parts, err := wire.Append(nil, n, wire.HashCluster("web"), keys)
		if err != nil {
			t.Fatal(err)
		}
		beats = append(beats, parts[0])
	}
	next := 0
	take := func() { r.take(beats[next], from); next++ }
	take()
	if n := testing.AllocsPerRun(100, take); n != 0 {
		t.Errorf("%v allocations for a beat, want none", n)
	}
	if dropped := g.Counters().Dropped; dropped != [Reasons]uint64{} {
		t.Errorf("%v were dropped", dropped)
	}
	if got := pushedOf(t, g.table); got != "a jobs=3 queue.length=3 temperature=3 b jobs=3 queue.length=3 temperature=3" {
		t.Errorf("%q", got)
	}
}
