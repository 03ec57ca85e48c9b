package node

import (
	"net/url"
	"testing"
)

func TestForwardOfAFarm(t *testing.T) {
	off, down, out, drain := Standing{Off: true}, Standing{Down: true}, Standing{Out: true}, Standing{Drain: true}
	both := Standing{Off: true, Down: true, Why: "night"}
	for _, row := range []struct {
		what    string
		farm    Standing
		members []Standing
		nodes   []State
		want    string // where to
		why     string
	}{
		{"a farm that is off", off, []Standing{{}}, nil, "maintenance", "it is off"},
		{"a farm that is down", down, []Standing{{}}, nil, "sorry", "it is down"},
		{"off goes before down", both, []Standing{{}}, nil, "maintenance", "it is off: night"},
		{
			"a farm with candidates, of which none was chosen",
			Standing{},
			[]Standing{{}, off},
			nil, "sorry",
			"none of its 1 candidates is left",
		},
		{"members that are all off", Standing{}, []Standing{off, both}, nil, "maintenance", "all its members are off or drain"},
		{"members that are off or down", Standing{}, []Standing{off, down}, nil, "sorry", "none of its members is fit"},
		{"members that are off or drain", Standing{}, []Standing{off, drain}, nil, "maintenance", "all its members are off or drain"},
		{"members that drain or are down", Standing{}, []Standing{drain, down}, nil, "sorry", "none of its members is fit"},
		{"one member drains", Standing{}, []Standing{drain, {}}, nil, "sorry", "none of its 1 candidates is left"},
		{"members that are all out", Standing{}, []Standing{out, out}, nil, "sorry", "none of its members is fit"},
		{"a farm without members", Standing{}, nil, nil, "sorry", "none of its members is fit"},
		{"nodes that all drain", Standing{}, nil, []State{Draining, Draining}, "maintenance", "all its members are off or drain"},
		{
			"a node that drains and one that leaves",
			Standing{},
			nil,
			[]State{Draining, Leaving},
			"sorry",
			"none of its members is fit",
		},
		{
			"a node that drains and a physical that is off",
			Standing{},
			[]Standing{off},
			[]State{Draining},
			"maintenance",
			"all its members are off or drain",
		},
	} {
		p := Parts{Taken: start(), Live: NewLiveSet(), Farms: []FarmInfo{{
			Name: "web", Standing: row.farm,
			Forwards: Forwards{Off: Forward{Farm: "maintenance"}, Down: Forward{Farm: "sorry"}},
		}}}
		for i, s := range row.members {
			p.Physicals = append(p.Physicals, Physical{
				Farm: "web", Name: string(rune('a' + i)), URL: &url.URL{Scheme: "http", Host: "app:80"}, Standing: s,
			})
		}
		for i, s := range row.nodes {
			n := newNode(byte(i+1), "www", "web")
			n.State = s
			p.Nodes = append(p.Nodes, n)
		}
		to, why := NewSnapshot(p).Farm("web").Forward()
		if to.Farm != row.want || why != row.why {
			t.Errorf("%s: goes to %q since %q, want %q since %q", row.what, to.Farm, why, row.want, row.why)
		}
	}
}

// A farm has no forward unless it names one for that very cause.
func TestForwardOfTheOtherCause(t *testing.T) {
	f := &Farm{FarmInfo: FarmInfo{
		Standing: Standing{Off: true}, Forwards: Forwards{Down: Forward{Farm: "sorry"}},
	}}
	if to, _ := f.Forward(); !to.IsZero() {
		t.Errorf("a farm that is off goes to its forward for down: %+v", to)
	}
}
