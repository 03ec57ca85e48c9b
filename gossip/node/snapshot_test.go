package node

import (
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"
)

// newNode returns a node that is up and serves these farms, heard just now. Its address comes from its ID.
func newNode(id byte, name string, farms ...string) *Node {
	n := &Node{
		ID: ID{id}, Name: name, State: Up, Interval: time.Second, Heard: start(),
		Addr: netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, 0, id}), 80),
	}
	for _, f := range farms {
		n.Services = append(n.Services, Service{Farm: f, Ready: true})
	}
	return n
}

// with returns the node after a change.
func with(n *Node, change func(*Node)) *Node {
	change(n)
	return n
}

func parseURL(s string) *url.URL {
	u, err := url.Parse(s)
	if err != nil {
		panic(err)
	}
	return u
}

func memberNames(members []*Member) string {
	var names []string
	for _, m := range members {
		names = append(names, m.Name)
	}
	return strings.Join(names, " ")
}

func nodeNames(nodes []*Node) string {
	var names []string
	for _, n := range nodes {
		names = append(names, n.Name)
	}
	return strings.Join(names, " ")
}

func TestSnapshotSortsMembersIntoLists(t *testing.T) {
	state := func(s State) func(*Node) { return func(n *Node) { n.State = s } }
	down := func(n *Node) { n.Services[0].Ready = false }
	s := NewSnapshot(Parts{
		Taken: start(), Self: ID{9}, Live: NewLiveSet(), HighWater: 8,
		Nodes: []*Node{
			newNode(1, "www2", "web"),
			newNode(9, "www9", "web", "reports"),
			with(newNode(3, "www3", "web"), state(Draining)),
			with(newNode(4, "www4", "web"), state(Leaving)),
			with(newNode(5, "www5", "web"), down),
			with(with(newNode(6, "www6", "web"), down), state(Draining)),
			with(newNode(7, "www7", "web"), state(0)),
			with(newNode(8, "www1", "web"), func(n *Node) { n.Heard = start().Add(-time.Hour) }),
			newNode(10, "balancer"),
		},
		Physicals: []Physical{
			{Farm: "reports", Name: "b", URL: parseURL("http://b")}, {Farm: "reports", Name: "a", URL: parseURL("http://a")},
		},
	})
	if got, want := nodeNames(s.Nodes), "www9 balancer www1 www2 www3 www4 www5 www6 www7"; got != want {
		t.Errorf("nodes: %s, want %s", got, want)
	}
	if len(s.Farms) != 2 || s.Farms[0].Name != "reports" || s.Farms[1].Name != "web" || s.Farm("none") != nil {
		t.Errorf("farms: %v", s.Farms)
	}
	web, reports := s.Farm("web"), s.Farm("reports")
	for _, row := range []struct{ what, got, want string }{
		{"members of web", memberNames(web.Members), "www9 www1 www2 www3 www4 www5 www6 www7"},
		{"candidates of web: silence is byAge's business", memberNames(web.Candidates), "www9 www1 www2"},
		{"draining of web: not those whose origin is down", memberNames(web.Draining), "www3"},
		{"members of reports: physicals last, as in the file", memberNames(reports.Members), "www9 b a"},
		{"candidates of reports", memberNames(reports.Candidates), "www9 b a"},
	} {
		if row.got != row.want {
			t.Errorf("%s: %q, want %q", row.what, row.got, row.want)
		}
	}
	if web.Self != web.Members[0] || reports.Self != reports.Members[0] || !web.Self.Self || web.Members[1].Self {
		t.Error("self is not marked")
	}
	if s.Node(ID{9}) != s.Nodes[0] || s.Node(ID{99}) != nil || s.HighWater != 8 || !s.Taken.Equal(start()) {
		t.Errorf("snapshot %+v", s)
	}
}

// What drains keeps its sessions, if nothing else speaks against it.
func TestPhysicalsThatDrain(t *testing.T) {
	p := Parts{Taken: start(), Live: NewLiveSet()}
	for name, s := range map[string]Standing{
		"on": {}, "off": {Off: true}, "drain": {Drain: true, Why: "update"}, "drain,down": {Drain: true, Down: true},
		"drain,out": {Drain: true, Out: true},
	} {
		for _, farm := range []string{"web", "closed"} {
			p.Physicals = append(p.Physicals, Physical{Farm: farm, Name: name, URL: parseURL("http://a"), Standing: s})
		}
	}
	p.Farms = []FarmInfo{{Name: "closed", Standing: Standing{Off: true}}}
	s := NewSnapshot(p)
	for farm, want := range map[string][2]string{"web": {"on", "drain"}, "closed": {"", ""}} {
		f := s.Farm(farm)
		if got := [2]string{memberNames(f.Candidates), memberNames(f.Draining)}; got != want {
			t.Errorf("candidates and draining of %s: %q, want %q", farm, got, want)
		}
	}
	m := s.Farm("web").Draining[0]
	if m.Unfit() != "drain: update" || !m.Live.Since().IsZero() {
		t.Errorf("it is unfit since %q, and may be chosen since %v", m.Unfit(), m.Live.Since())
	}
}

func TestSnapshotSharesNothingWithItsParts(t *testing.T) {
	nodes := []*Node{newNode(2, "b", "web"), newNode(1, "a", "web")}
	NewSnapshot(Parts{Taken: start(), Nodes: nodes, Live: NewLiveSet()})
	if got := nodeNames(nodes); got != "b a" {
		t.Errorf("the caller's nodes became %s", got)
	}
}

func TestSnapshotsShareLive(t *testing.T) {
	set := NewLiveSet()
	parts := func() Parts {
		return Parts{
			Taken: start(), Live: set, Nodes: []*Node{newNode(1, "www1", "web", "reports")},
			Physicals: []Physical{{Farm: "web", Name: "app1", URL: parseURL("http://app1")}},
		}
	}
	a, b := NewSnapshot(parts()), NewSnapshot(parts())
	seen := map[*Live]bool{}
	for _, farm := range []string{"web", "reports"} {
		for i, m := range a.Farm(farm).Members {
			n := b.Farm(farm).Members[i]
			if m == n || m.Key != n.Key || m.Live == nil || m.Live != n.Live {
				t.Errorf("%s in %s: key %q and %q, live %p and %p", m.Name, farm, m.Key, n.Key, m.Live, n.Live)
			}
			seen[m.Live] = true
		}
	}
	if len(seen) != 3 {
		t.Errorf("three members have %d Live", len(seen))
	}
}

func TestPureBalancerHasNoSelfInAFarm(t *testing.T) {
	s := NewSnapshot(Parts{Taken: start(), Self: ID{9}, Live: NewLiveSet(), Nodes: []*Node{newNode(1, "www1", "web"), newNode(9, "lb")}})
	if s.Farm("web").Self != nil {
		t.Errorf("self is %v", s.Farm("web").Self)
	}
	if NewSnapshot(Parts{Live: NewLiveSet()}).Farms != nil {
		t.Error("a cluster of nobody has farms")
	}
}

func TestReplacedNodes(t *testing.T) {
	seconds := func(s float64) func(*Node) {
		return func(n *Node) {
			n.Heard = start().Add(-time.Duration(s * float64(time.Second)))
			n.Addr = netip.MustParseAddrPort("10.0.0.1:80")
		}
	}
	other := func(n *Node) { n.Addr = netip.MustParseAddrPort("10.0.0.1:81") }
	for _, row := range []struct {
		name  string
		nodes []*Node
		want  string
	}{
		{"a new ID at an address replaces the silent one", []*Node{with(newNode(1, "old"), seconds(3.1)), with(newNode(2, "new"), seconds(0))}, "new"},
		{"in whatever order", []*Node{with(newNode(2, "new"), seconds(0)), with(newNode(1, "old"), seconds(3.1))}, "new"},
		{"not before three intervals", []*Node{with(newNode(1, "old"), seconds(3)), with(newNode(2, "new"), seconds(0))}, "new old"},
		{"both stay if both are heard", []*Node{with(newNode(1, "a"), seconds(0.5)), with(newNode(2, "b"), seconds(0))}, "a b"},
		{"of two silent ones the last heard stays", []*Node{with(newNode(1, "a"), seconds(60)), with(newNode(2, "b"), seconds(50))}, "b"},
		{"a silent one that nobody replaced stays", []*Node{with(newNode(1, "a"), seconds(60))}, "a"},
		{
			"another port is another address",
			[]*Node{with(with(newNode(1, "a"), seconds(60)), other), with(newNode(2, "b"), seconds(0))},
			"a b",
		},
		{
			"three, of which two are gone",
			[]*Node{with(newNode(1, "a"), seconds(60)), with(newNode(2, "b"), seconds(0)), with(newNode(3, "c"), seconds(30))},
			"b",
		},
		{
			"nobody replaces ourselves",
			[]*Node{with(newNode(9, "self"), seconds(60)), with(newNode(2, "b"), seconds(0))},
			"self b",
		},
		{
			"old figures in a fresh beat are no silence",
			[]*Node{with(with(newNode(1, "a"), seconds(0.5)), func(n *Node) { n.SampleAge = time.Minute }), with(newNode(2, "b"), seconds(0))},
			"a b",
		},
		{
			"the silent one's own interval counts",
			[]*Node{with(with(newNode(1, "a"), seconds(5)), func(n *Node) { n.Interval = 2 * time.Second }), with(newNode(2, "b"), seconds(0))},
			"a b",
		},
	} {
		t.Run(row.name, func(t *testing.T) {
			s := NewSnapshot(Parts{Taken: start(), Self: ID{9}, Nodes: row.nodes, Live: NewLiveSet()})
			if got := nodeNames(s.Nodes); got != row.want {
				t.Errorf("left %q, want %q", got, row.want)
			}
		})
	}
}

func TestEqualNamesAreOrderedByID(t *testing.T) {
	s := NewSnapshot(Parts{Taken: start(), Live: NewLiveSet(), Nodes: []*Node{newNode(3, "www"), newNode(1, "www"), newNode(2, "www")}})
	var ids []byte
	for _, n := range s.Nodes {
		ids = append(ids, n.ID[0])
	}
	if !slices.Equal(ids, []byte{1, 2, 3}) {
		t.Errorf("IDs in the order %v", ids)
	}
}

// A snapshot is made up to twenty times a second.
func BenchmarkNewSnapshot(b *testing.B) {
	p := Parts{Taken: start(), Live: NewLiveSet()}
	for i := range 100 {
		n := newNode(1, fmt.Sprintf("www%d", i), "web")
		n.ID, n.Addr = ID{1, byte(i)}, netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, 0, byte(i)}), 80)
		p.Nodes = append(p.Nodes, n)
	}
	b.ReportAllocs()
	for b.Loop() {
		NewSnapshot(p)
	}
}
