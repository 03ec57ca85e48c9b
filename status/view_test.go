package status

import (
	"encoding/json"
	"fmt"
	"math"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"backhand/candidacy"
	"backhand/gossip/node"
)

func TestStateOfAMember(t *testing.T) {
	tests := []struct {
		name   string
		change func(n *node.Node, s *node.Service)
		state  State
		why    string
	}{
		{"a node that is heard and ready is up", func(*node.Node, *node.Service) {}, Up, ""},
		{"six beats that are missed are borne", func(n *node.Node, _ *node.Service) { n.Heard = now.Add(-6600 * time.Millisecond) }, Up, ""},
		{
			"more than six are not", func(n *node.Node, _ *node.Service) { n.Heard = now.Add(-6700 * time.Millisecond) },
			Stale, "silent for 6.7 s",
		},
		{
			"the intervals are the node's own",
			func(n *node.Node, _ *node.Service) { n.Heard, n.Interval = now.Add(-50*time.Second), 10*time.Second }, Up, "",
		},
		{
			"a sample that was old when it was sent counts",
			func(n *node.Node, _ *node.Service) { n.SampleAge = 7 * time.Second }, Stale, "silent for 7.5 s",
		},
		{
			"one that is kept is up, and it is said why",
			func(n *node.Node, _ *node.Service) { n.Kept, n.Heard = true, now.Add(-time.Minute) }, Up,
			"silent for 60 s, and kept, since this node may be deaf itself",
		},
		{"draining", func(n *node.Node, _ *node.Service) { n.State = node.Draining }, Draining, "takes no new requests"},
		{"leaving", func(n *node.Node, _ *node.Service) { n.State = node.Leaving }, Leaving, "is about to stop"},
		{
			"one that left in good order is not stale",
			func(n *node.Node, _ *node.Service) { n.State, n.Heard = node.Leaving, now.Add(-time.Minute) },
			Left, "said that it would",
		},
		{
			"an origin that is down, with the reason",
			func(_ *node.Node, s *node.Service) { s.Ready, s.Why = false, "connection \x1b[31mrefused" },
			Down, "origin down: connection \uFFFD[31mrefused",
		},
		{"an origin that is down for no reason", func(_ *node.Node, s *node.Service) { s.Ready = false }, Down, "origin down"},
		{
			"the worst gives the word, and all of it the reason",
			func(n *node.Node, s *node.Service) {
				n.Heard, n.State, s.Ready = now.Add(-time.Minute), node.Draining, false
			},
			Stale, "silent for 60 s; takes no new requests; origin down",
		},
		{
			"a state of a later version", func(n *node.Node, _ *node.Service) { n.State = 17 },
			Unknown, "announces a state that this version does not know",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			n := aNode(2, "www1", "web")
			tt.change(n, &n.Services[0])
			r := NewView(snapshot(node.NewLiveSet(), []*node.Node{n}), Info{}, now).Rows[0]
			if r.State != tt.state || r.Why != tt.why {
				t.Errorf("state %q, why %q; want %q, %q", r.State, r.Why, tt.state, tt.why)
			}
		})
	}
}

func TestWeAreNeverStaleToOurselves(t *testing.T) {
	n := aNode(1, "balancer", "web")
	n.Heard = now.Add(-time.Hour)
	r := NewView(snapshot(node.NewLiveSet(), []*node.Node{n}), Info{}, now).Rows[0]
	if r.State != Up || r.Host.Age != 0 || !r.Self {
		t.Errorf("state %q, age %v, self %v; want up, 0, true", r.State, r.Host.Age, r.Self)
	}
}

func TestRowsAreInTheOrderOfTheSnapshot(t *testing.T) {
	v := NewView(seedCluster(), seedInfo(), now)
	var got []string
	for i, r := range v.Rows {
		if r.Entry != i {
			t.Errorf("row %d has entry %d", i, r.Entry)
		}
		got = append(got, r.Name+"/"+r.Farm)
	}
	want := []string{
		"balancer/", "www1/reports", "www1/web", "www2/web", "www3/web", "www4/web", "www5/web", "www6/web", "www7/web",
		"app01/reports", "app02/reports",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func TestSharesAreOfTheFarm(t *testing.T) {
	v := NewView(seedCluster(), seedInfo(), now)
	sum := map[string]float64{}
	for _, r := range v.Rows {
		sum[r.Farm] += r.Share
		if r.Name == "www2" && (r.Chosen != 300 || r.Outstanding != 1 || math.Abs(r.Share-300.0/998) > 1e-9) {
			t.Errorf("www2: chosen %d, under way %d, share %v", r.Chosen, r.Outstanding, r.Share)
		}
	}
	for farm, want := range map[string]float64{"web": 1, "reports": 1, "": 0} {
		if math.Abs(sum[farm]-want) > 1e-9 {
			t.Errorf("the shares of farm %q add up to %v, want %v", farm, sum[farm], want)
		}
	}
}

func TestAHostCountsOnceAsTheWorstOfItsRows(t *testing.T) {
	n := aNode(2, "www1", "a", "b", "c")
	n.Services[1].Ready = false
	v := NewView(snapshot(node.NewLiveSet(), []*node.Node{n, aNode(3, "www2", "a")}, physical("a", "x", "http://h/")), Info{}, now)
	if d := cmp.Diff([]Count{{"up", 2}, {"down", 1}}, v.States); d != "" || v.Nodes != 2 || v.Physicals != 1 {
		t.Errorf("%d nodes, %d physicals, states:\n%s", v.Nodes, v.Physicals, d)
	}
}

func TestKOfARoute(t *testing.T) {
	rate := func(n *node.Node, perSecond float64) *node.Node { n.Services[0].Arrivals = perSecond; return n }
	silent := rate(aNode(4, "www3", "web"), 1e6)
	silent.Heard = now.Add(-time.Minute)
	slow := rate(aNode(3, "www2", "web"), 2)
	slow.Interval = 2 * time.Second
	s := snapshot(node.NewLiveSet(), []*node.Node{rate(aNode(2, "www1", "web"), 10), slow, silent}, physical("reports", "app01", "http://h/"))
	s = snapshot(node.NewLiveSet(), append(s.Nodes, rate(aNode(5, "few1", "few"), 5), rate(aNode(6, "much1", "much"), 20.5), rate(aNode(7, "one1", "one"), 99)),
		physical("reports", "app01", "http://h/"), physical("few", "few2", "http://h/"), physical("much", "much2", "http://h/"))
	tests := []struct {
		name  string
		route Route
		k     string
		herd  string
		warns bool
	}{
		{"the mean over the nodes that are heard, by their own intervals", Route{Farm: "web"}, "7.00", "", false},
		{"a chain that sorts is warned of", Route{Name: "/", Farm: "web", Sorts: true}, "7.00", "herd", true},
		{"not up to five", Route{Name: "/", Farm: "few", Sorts: true}, "5.00", "", false},
		{"most of all where chance would do better", Route{Name: "/", Farm: "much", Sorts: true}, "20.5", "herd much", true},
		{"a chain that does not sort may have any", Route{Name: "/", Farm: "much"}, "20.5", "", false},
		{"and so may one that has nobody to choose from", Route{Name: "/", Farm: "one", Sorts: true}, "99.0", "", false},
		{"a farm without nodes has none", Route{Farm: "reports", Sorts: true}, none, "", false},
		{"nor has a farm that nobody serves", Route{Farm: "nobody", Sorts: true}, none, "", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			v := NewView(s, Info{Routes: []Route{tt.route}}, now)
			if got := v.Routes[0].k(); got != tt.k {
				t.Errorf("K is %s, want %s", got, tt.k)
			}
			if got := v.Routes[0].herd(); got != tt.herd {
				t.Errorf("the page shows it as %q, want %q", got, tt.herd)
			}
			warns := len(v.Warnings) == 1 && strings.Contains(v.Warnings[0], `route "/"`) && strings.Contains(v.Warnings[0], `use "auto"`)
			if warns != tt.warns || !warns && len(v.Warnings) > 0 {
				t.Errorf("warnings: %q", v.Warnings)
			}
		})
	}
}

func TestTooManyRowsAreCutOff(t *testing.T) {
	var all []node.Physical
	for i := range MaxRows + 3 {
		all = append(all, physical("f", fmt.Sprintf("app%d", i), "http://h/"))
	}
	v := NewView(snapshot(node.NewLiveSet(), nil, all...), Info{}, now)
	if len(v.Rows) != MaxRows || v.Omitted != 3 || v.Physicals != MaxRows+3 {
		t.Errorf("%d rows, %d omitted, %d physicals", len(v.Rows), v.Omitted, v.Physicals)
	}
}

func TestAViewSurvivesJSON(t *testing.T) {
	n := aNode(2, evil(), "web")
	n.Stats.Load1, n.Stats.Speed, n.Services[0].Mu = math.NaN(), math.Inf(1), math.Inf(-1)
	for name, s := range map[string]*node.Snapshot{
		"the seed cluster": seedCluster(), "nobody": snapshot(node.NewLiveSet(), nil), "farms": node.NewSnapshot(farmsParts()),
		"a hostile node": snapshot(node.NewLiveSet(), []*node.Node{n}),
	} {
		want := NewView(s, seedInfo(), now)
		text, err := json.Marshal(want)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		var got View
		if err := json.Unmarshal(text, &got); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%s:\n%s", name, d)
		}
	}
}

func TestAViewChangesNothing(t *testing.T) {
	s := seedCluster()
	before := fmt.Sprintf("%+v", s.Nodes[2].Services)
	a, b := NewView(s, seedInfo(), now), NewView(s, seedInfo(), now)
	if d := cmp.Diff(a, b); d != "" {
		t.Errorf("a second view differs:\n%s", d)
	}
	if after := fmt.Sprintf("%+v", s.Nodes[2].Services); after != before {
		t.Errorf("was %s, is %s", before, after)
	}
}

// drawCluster returns any cluster that a snapshot can be made of, with any names.
func drawCluster(t *rapid.T) *node.Snapshot {
	farm := rapid.SampledFrom([]string{"a", "b", "c"})
	var nodes []*node.Node
	for i := range rapid.IntRange(0, 12).Draw(t, "nodes") {
		farms := rapid.SliceOfNDistinct(farm, 0, 3, rapid.ID[string]).Draw(t, "farms")
		n := aNode(byte(i+1), rapid.SampledFrom([]string{"www", "www1", "", evil()}).Draw(t, "name"), farms...)
		n.State = node.State(rapid.IntRange(0, 4).Draw(t, "state"))
		n.Heard = now.Add(-time.Duration(rapid.IntRange(-5, 100).Draw(t, "age")) * 100 * time.Millisecond)
		if rapid.Bool().Draw(t, "same address") {
			n.Addr = netip.MustParseAddrPort("10.58.4.1:80")
		}
		for j := range n.Services {
			n.Services[j].Ready = rapid.Bool().Draw(t, "ready")
		}
		nodes = append(nodes, n)
	}
	var physicals []node.Physical
	for i := range rapid.IntRange(0, 4).Draw(t, "physicals") {
		p := physical(farm.Draw(t, "farm"), fmt.Sprintf("app%d", i), "http://10.58.4.21/")
		p.Standing = drawStanding(t)
		p.Standing.Out = rapid.IntRange(0, 4).Draw(t, "out") == 0
		physicals = append(physicals, p)
	}
	s := node.NewSnapshot(node.Parts{
		Taken: now.Add(-100 * time.Millisecond), Self: id(1), Nodes: nodes, Physicals: physicals, HighWater: 8, Live: node.NewLiveSet(),
		Farms: []node.FarmInfo{{Name: "a", Standing: drawStanding(t)}},
	})
	for _, f := range s.Farms {
		for _, m := range f.Members {
			for range rapid.IntRange(0, 5).Draw(t, "chosen") {
				m.Live.Start()
			}
			if rapid.Bool().Draw(t, "unreachable") {
				m.Live.ConnectFailed(now)
			}
		}
	}
	return s
}

// drawStanding returns what may be said of a physical or a farm, most often nothing.
func drawStanding(t *rapid.T) node.Standing {
	said := rapid.IntRange(0, 9).Draw(t, "said")
	return node.Standing{Off: said == 1 || said == 2, Drain: said == 4, Down: said == 2 || said == 3, Why: rapid.SampledFrom([]string{"", "disks", evil()}).Draw(t, "why")}
}

// key tells rows of one farm apart: ids are unique among nodes, names among physicals.
func key(id, name string) string { return id + "/" + name }

// chosenFrom returns what chains of the farm start from, by the very function that the proxy calls.
func chosenFrom(f *node.Farm) []string {
	out := []string{}
	for _, m := range candidacy.AppendCandidates(nil, &candidacy.Request{Now: now, Farm: f}, nil) {
		if m.Node == nil {
			out = append(out, key("", m.Name))
		} else {
			out = append(out, key(m.Node.ID.String(), ""))
		}
	}
	slices.Sort(out)
	return out
}

func TestThePageCallsCandidateWhoeverMayBeChosen(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := drawCluster(t)
		v := NewView(s, Info{}, now)
		members := 0
		for _, f := range s.Farms {
			members += len(f.Members)
			shown := []string{}
			for _, r := range v.Rows {
				switch {
				case r.Farm != f.Name || !r.Candidate:
				case r.Physical:
					shown = append(shown, key("", r.Name))
				default:
					shown = append(shown, key(r.ID, ""))
				}
			}
			slices.Sort(shown)
			if d := cmp.Diff(chosenFrom(f), shown); d != "" {
				t.Fatalf("farm %s, may be chosen (-), shown as candidates (+):\n%s", f.Name, d)
			}
		}
		rows, idle := len(v.Rows), 0
		for _, n := range s.Nodes {
			if len(n.Services) == 0 {
				idle++
			}
		}
		if rows != members+idle {
			t.Fatalf("%d rows of %d members and %d nodes that serve nothing", rows, members, idle)
		}
	})
}

func TestUnreachableCandidatesAreShownAsLast(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := drawCluster(t)
		v := NewView(s, Info{}, now)
		for _, f := range s.Farms {
			late := 0
			for _, m := range candidacy.AppendCandidates(nil, &candidacy.Request{Now: now, Farm: f}, nil) {
				if m.Live.Unreachable(now) {
					late++
				}
			}
			shown := 0
			for _, r := range v.Rows {
				if r.Farm == f.Name && r.choice() == "last" {
					shown++
				}
			}
			if late != shown {
				t.Fatalf("farm %s: %d are put last, %d are shown so", f.Name, late, shown)
			}
		}
	})
}
