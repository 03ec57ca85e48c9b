package gossip

import (
	"slices"
	"strings"
	"testing"

	"backhand/gossip/node"
	"backhand/gossip/wire"
)

// with gives a beat labels: "rack=r1 gpu=".
func with(labels string, b *wire.Beat) *wire.Beat {
	for l := range strings.FieldsSeq(labels) {
		key, value, _ := strings.Cut(l, "=")
		b.Node.Labels = append(b.Node.Labels, node.Label{Key: key, Value: value})
	}
	return b
}

// labelsOf returns those of the one node of the table, as with takes them.
func labelsOf(t *testing.T, table *Table) string {
	t.Helper()
	nodes := table.AppendNodes(nil)
	if len(nodes) != 1 {
		t.Fatalf("%d nodes, want 1", len(nodes))
	}
	var words []string
	for _, l := range nodes[0].Labels {
		words = append(words, l.Key+"="+l.Value)
	}
	return strings.Join(words, " ")
}

func TestLabelsAreThoseOfTheLastFirstPart(t *testing.T) {
	for _, row := range []struct {
		name  string
		beats []*wire.Beat
		want  string
	}{
		{"a node that has none", []*wire.Beat{beat(1, 1)}, ""},
		{"a node that has two", []*wire.Beat{with("gpu= rack=r1", beat(1, 1))}, "gpu= rack=r1"},
		{"they change", []*wire.Beat{with("rack=r1", beat(1, 1)), with("rack=r2", beat(1, 2))}, "rack=r2"},
		{"they are taken away", []*wire.Beat{with("rack=r1", beat(1, 1)), beat(1, 2)}, ""},
		{"a replay brings none back", []*wire.Beat{beat(1, 2), with("rack=r1", beat(1, 1))}, ""},
		{"the first part comes last", []*wire.Beat{part(1, 1, 2, 2, "b"), with("rack=r1", part(1, 1, 1, 2, "a"))}, "rack=r1"},
		{"a part without them takes none away", []*wire.Beat{
			with("rack=r1", part(1, 1, 1, 2, "a")), part(1, 1, 2, 2, "b"), part(1, 2, 2, 2, "b"),
		}, "rack=r1"},
		{"the first part of the next beat does", []*wire.Beat{
			with("rack=r1", part(1, 1, 1, 2, "a")), part(1, 2, 2, 2, "b"), part(1, 2, 1, 2, "a"),
		}, ""},
		{"a new start has none of the old", []*wire.Beat{with("rack=r1", beat(1, 1)), part(2, 1, 2, 2, "b")}, ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			table := NewTable(selfID, selfBoot)
			for _, b := range row.beats {
				table.Observe(b, from, start)
			}
			if got := labelsOf(t, table); got != row.want {
				t.Errorf("%q, want %q", got, row.want)
			}
		})
	}
}

// The parser uses the memory of a beat again, and what was published is read by anybody.
func TestPublishedLabelsNeverChange(t *testing.T) {
	table := NewTable(selfID, selfBoot)
	b := with("gpu= rack=r1", beat(1, 1))
	table.Observe(b, from, start)
	before := table.AppendNodes(nil)[0]
	want := slices.Clone(before.Labels)
	b.Node.Labels[1].Value = "r9"
	if !slices.Equal(before.Labels, want) {
		t.Fatalf("%v with the beat's memory, want %v", before.Labels, want)
	}
	b.Node.Sequence = 2
	table.Observe(b, from, start)
	if !slices.Equal(before.Labels, want) {
		t.Errorf("%v after the next beat, want %v", before.Labels, want)
	}
	if got := labelsOf(t, table); got != "gpu= rack=r9" {
		t.Errorf("%q", got)
	}
	b.Node.Sequence = 3
	if got := testing.AllocsPerRun(100, func() {
		table.Observe(b, from, start)
		b.Node.Sequence++
	}); got != 0 {
		t.Errorf("%v allocations for a beat whose labels did not change", got)
	}
}
