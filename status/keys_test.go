package status

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"backhand/gossip/node"
)

// marks returns keys of those numbers, each with the secret that the cluster has under it.
func marks(numbers ...uint8) []node.KeyMark {
	var out []node.KeyMark
	for _, k := range numbers {
		out = append(out, node.KeyMark{ID: k, Mark: 0xbeef00 + uint32(k)})
	}
	return out
}

// sealed makes a node seal its beats with a key, 0 for none, and hold some.
func sealed(n *node.Node, key uint8, holds ...uint8) *node.Node {
	n.Key, n.Keys = key, marks(holds...)
	return n
}

// rotating is a cluster in the midst of a rotation: one node still seals with the old key, one has not got the new one, and
// one is silent.
func rotating() (*node.Snapshot, Info) {
	silent := sealed(aNode(5, "www4", "web"), 1, 1)
	silent.Heard = now.Add(-time.Minute)
	apache := aNode(6, "old1", "web")
	apache.Untrusted, apache.Interval = true, time.Second
	info := seedInfo()
	info.Unauthenticated = false
	info.Keys = &Keys{Mode: "enforce", Sealing: 2, Held: marks(1, 2)}
	info.Findings = []Finding{{
		Kind: "outage", Since: now.Add(-3 * time.Minute),
		Text: "beats do not leave eth0 for 239.255.221.20:4445: network is unreachable; bring the interface up",
	}}
	info.FindingKinds = []string{"outage", "igmp"}
	return snapshot(node.NewLiveSet(), []*node.Node{
		sealed(aNode(1, "balancer"), 1, 1), // what it said of itself is a beat old
		sealed(aNode(2, "www1", "web"), 2, 1, 2), sealed(aNode(3, "www2", "web"), 1, 1, 2), sealed(aNode(4, "www3", "web"), 1, 1, 3),
		silent, apache,
	}, physical("reports", "app01", "http://10.58.4.21:8080/")), info
}

func TestSummaryOfKeys(t *testing.T) {
	n := func(i int) *node.Node { return aNode(byte(i+1), fmt.Sprintf("www%d", i), "web") }
	all := func(key uint8, holds ...uint8) (out []*node.Node) {
		for i := range 4 {
			out = append(out, sealed(n(i), key, holds...))
		}
		return out
	}
	with := func(list []*node.Node, i int, key uint8, holds ...uint8) []*node.Node {
		list[i] = sealed(n(i), key, holds...)
		return list
	}
	keys := func(mode string, sealing uint8, holds ...uint8) *Keys {
		return &Keys{Mode: mode, Sealing: sealing, Held: marks(holds...)}
	}
	for _, row := range []struct {
		name  string
		ours  *Keys
		nodes []*node.Node
		want  []string
	}{
		{"nobody has keys", nil, all(0), nil},
		{
			"others have, and this agent has not", nil, with(all(0, 1), 2, 0),
			[]string{"2 of 4 nodes hold keys, and this agent has none: www1, www3"},
		},
		{
			"the first key is on its way", keys("receive-only", 0, 1), with(all(0, 1), 2, 0),
			[]string{"1 of 4 nodes lacks key 1: www2"},
		},
		{
			"the first key is everywhere", keys("receive-only", 0, 1), all(0, 1),
			[]string{`all 4 nodes hold key 1: key_mode may become "permissive"`},
		},
		{
			"some seal, and this agent is not among them", keys("receive-only", 0, 1), with(with(all(1, 1), 3, 0, 1), 0, 0, 1),
			[]string{"2 of 4 nodes still send unsealed: www0, www3"},
		},
		{
			"one does not seal, nor could it", keys("permissive", 1, 1), with(all(1, 1), 3, 0),
			[]string{"1 of 4 nodes lacks key 1: www3", "1 of 4 nodes still sends unsealed: www3"},
		},
		{"all seal", keys("permissive", 1, 1), all(1, 1), []string{`all 4 nodes seal: key_mode may become "enforce"`}},
		{"all is as it should be", keys("enforce", 1, 1), all(1, 1), []string{"all 4 nodes seal with key 1"}},
		{
			"the second key is on its way", keys("enforce", 1, 1, 2), with(all(1, 1), 1, 1, 1, 2),
			[]string{"2 of 4 nodes lack key 2: www2, www3"},
		},
		{
			"the second key is everywhere but here", keys("enforce", 1, 1), all(1, 1, 2),
			[]string{"3 of 4 nodes hold key 2, and this agent does not: www1, www2, www3"},
		},
		{
			"the second key is everywhere", keys("enforce", 1, 1, 2), all(1, 1, 2),
			[]string{"all 4 nodes hold key 2: it may be made the sealing one"},
		},
		{
			"two steps may be taken", keys("permissive", 1, 1, 2), all(1, 1, 2),
			[]string{"all 4 nodes hold key 2: it may be made the sealing one", `all 4 nodes seal: key_mode may become "enforce"`},
		},
		{
			"some seal with the second one, this agent among them", keys("enforce", 2, 1, 2), with(with(all(2, 1, 2), 1, 1, 1, 2), 3, 1, 1, 2),
			[]string{"2 nodes still seal with key 1: www1, www3"},
		},
		{
			"others have begun with it", keys("enforce", 1, 1, 2), all(2, 1, 2),
			[]string{"1 node still seals with key 1: www0"},
		},
		{
			"all seal with the second one", keys("enforce", 2, 1, 2), all(2, 1, 2),
			[]string{"all 4 nodes seal with key 2: key 1 may be removed"},
		},
		{
			"the first one is gone elsewhere", keys("enforce", 2, 1, 2), with(all(2, 2), 3, 2, 1, 2),
			[]string{"all 4 nodes seal with key 2: key 1 may be removed"},
		},
		{
			"the first one is gone here", keys("enforce", 2, 2), with(all(2, 2), 3, 2, 1, 2),
			[]string{"1 of 4 nodes still holds key 1: www3"},
		},
		{
			"two agree on a number and not on the secret", keys("permissive", 1, 1), func() []*node.Node {
				list := all(1, 1)
				list[2].Key, list[2].Keys = 0, []node.KeyMark{{ID: 1, Mark: 7}}
				return list
			}(),
			[]string{"1 of 4 nodes has another key 1 than this agent: www2", "1 of 4 nodes still sends unsealed: www2"},
		},
		{
			"nobody else is heard", keys("permissive", 1, 1), all(1, 1)[:1],
			[]string{"no other node is heard, so that nothing is known of the keys of others"},
		},
		{
			"a silent node is not counted, and said to be", keys("enforce", 1, 1), func() []*node.Node {
				list := all(1, 1)
				list[3].Heard, list[3].Key = now.Add(-time.Minute), 0
				return list
			}(),
			[]string{"all 3 nodes seal with key 1", "1 silent node is not counted: www3"},
		},
		{
			"one that has left, or that nobody vouches for, does not matter", keys("enforce", 1, 1), func() []*node.Node {
				list := all(1, 1)
				list[3].Heard, list[3].State, list[3].Key = now.Add(-time.Minute), node.Leaving, 0
				list[2].Untrusted, list[2].Key, list[2].Keys = true, 0, nil
				return list
			}(),
			[]string{"all 2 nodes seal with key 1"},
		},
	} {
		t.Run(row.name, func(t *testing.T) {
			v := NewView(snapshot(node.NewLiveSet(), row.nodes), Info{Keys: row.ours}, now)
			var got []string
			if v.Keys != nil {
				got = v.Keys.Summary
			}
			if d := cmp.Diff(row.want, got); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
		})
	}
}

func TestASentenceNamesOnlySome(t *testing.T) {
	var list []*node.Node
	for i := range 30 {
		list = append(list, aNode(byte(i+1), fmt.Sprintf("www%02d", i)))
	}
	list[1].Name = evil()
	list[0].Key = 1
	got := NewView(snapshot(node.NewLiveSet(), list), Info{Keys: &Keys{Mode: "permissive", Sealing: 1, Held: marks(1)}}, now).Keys.Summary
	if len(got) != 2 || !strings.HasPrefix(got[0], "29 of 30 nodes lack key 1: ") || !strings.HasSuffix(got[0], " and 21 more") || len(got[0]) > 600 {
		t.Errorf("got %q", got)
	}
	if strings.Contains(strings.Join(got, ""), "\x1b") {
		t.Error("a name is not cleaned")
	}
}

func TestNodesThatAreNotListedCount(t *testing.T) {
	others := &node.Others{}
	add := func(n int, key uint8, holds ...uint8) {
		for range n {
			n := sealed(aNode(9, "x", "web"), key, holds...)
			others.Add(n, n.Services, now)
		}
	}
	add(1000, 2, 1, 2)
	add(30, 1, 1, 2)
	add(4, 1, 1)
	silent := aNode(9, "x", "web")
	silent.Heard = now.Add(-time.Minute)
	others.Add(silent, silent.Services, now)
	s := node.NewSnapshot(node.Parts{
		Taken: now, Self: id(1), Live: node.NewLiveSet(), Others: others,
		Nodes: []*node.Node{sealed(aNode(1, "www1"), 2, 1, 2), sealed(aNode(2, "www2", "web"), 1, 1), sealed(aNode(3, "www3"), 2, 1, 2)},
	})
	info := Info{Routes: []Route{{Name: "/", Farm: "web"}}, Keys: &Keys{Mode: "enforce", Sealing: 2, Held: marks(1, 2)}}
	v := NewView(s, info, now)
	if d := cmp.Diff([]Count{{"up", 1037}, {"stale", 1}}, v.States); d != "" || v.Nodes != 1038 || v.Unlisted != 1035 || len(v.Rows) != 3 {
		t.Errorf("%d nodes, of which %d are not listed, and %d rows; states:\n%s", v.Nodes, v.Unlisted, len(v.Rows), d)
	}
	if r := v.Routes[0]; r.Members != 1036 || r.Candidates != 1035 {
		t.Errorf("the route has %d candidates of %d members", r.Candidates, r.Members)
	}
	var table strings.Builder
	const line = "\n1,035 more nodes are not listed: no chain of this agent looks at them.\n"
	if err := v.WriteTable(&table, 0); err != nil || !strings.Contains(table.String(), line) {
		t.Errorf("the table does not say what it leaves out: %v\n%s", err, &table)
	}
	text := scrape(t, newMetrics(func() (*node.Snapshot, Info) { return s, info }, fixed))
	for _, want := range []string{`backhand_nodes{state="up"} 1037`, "backhand_series_omitted 1035", "backhand_nodes_lacking_key 5"} {
		if !strings.Contains(text, "\n"+want+"\n") {
			t.Errorf("there is no %s", want)
		}
	}
	got := v.Keys
	want := &KeyView{
		Mode: "enforce", Sealing: 2, Holds: []int{1, 2}, Nodes: 1037, Other: 35, Lacking: 5,
		Summary: []string{"5 of 1,037 nodes lack key 2: www2 and 4 more", "35 nodes still seal with key 1: www2 and 34 more"},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	got = NewView(s, Info{}, now).Keys
	if want := "1,036 of 1,037 nodes hold keys, and this agent has none: www2, www3 and 1,034 more"; len(got.Summary) != 1 || got.Summary[0] != want {
		t.Errorf("without keys it says %q, want %q", got.Summary, want)
	}
}

func TestSealOfANode(t *testing.T) {
	ours := &Keys{Mode: "enforce", Sealing: 2, Held: marks(1, 2, 5)}
	for _, row := range []struct {
		name string
		node *node.Node
		ours *Keys
		want Seal
		cell string
	}{
		{"unsealed, without keys, as we are", aNode(2, "a"), nil, Seal{}, "unsealed"},
		{"unsealed, and we have keys", aNode(2, "a"), ours, Seal{Lacks: []int{1, 2, 5}}, "unsealed; lacks 1, 2, 5"},
		{"the same keys", sealed(aNode(2, "a"), 2, 1, 2, 5), ours, Seal{Key: 2, Holds: []int{1, 2, 5}}, "2"},
		{
			"some more, some less", sealed(aNode(2, "a"), 3, 2, 3, 9), ours,
			Seal{Key: 3, Holds: []int{2, 3, 9}, Lacks: []int{1, 5}, Extra: []int{3, 9}},
			"3; lacks 1, 5, also has 3, 9",
		},
		{
			"another secret", func() *node.Node { n := sealed(aNode(2, "a"), 2, 1, 2, 5); n.Keys[0].Mark++; return n }(), ours,
			Seal{Key: 2, Holds: []int{1, 2, 5}, Differs: []int{1}},
			"2; has another 1",
		},
		{"keys, and we have none", sealed(aNode(2, "a"), 0, 1), nil, Seal{Holds: []int{1}, Extra: []int{1}}, "unsealed; also has 1"},
		{"ourselves, as we are now", sealed(aNode(1, "a"), 1, 1), ours, Seal{Key: 2, Holds: []int{1, 2, 5}}, "2"},
		{"ourselves, since our last key has gone", sealed(aNode(1, "a"), 1, 1), nil, Seal{}, "unsealed"},
	} {
		t.Run(row.name, func(t *testing.T) {
			got := NewView(snapshot(node.NewLiveSet(), []*node.Node{row.node}), Info{Keys: row.ours}, now).Rows[0]
			for _, list := range []*[]int{&row.want.Holds, &row.want.Lacks, &row.want.Extra, &row.want.Differs} {
				if *list == nil {
					*list = []int{} // JSON has [] for none
				}
			}
			if d := cmp.Diff(&row.want, got.Seal); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
			if got.seal() != row.cell {
				t.Errorf("the cell is %q, want %q", got.seal(), row.cell)
			}
		})
	}
}

func TestFiguresOfKeysAndFindings(t *testing.T) {
	s, info := rotating()
	text := scrape(t, newMetrics(func() (*node.Snapshot, Info) { return s, info }, fixed))
	for _, want := range []string{
		`backhand_node_key{id="` + id(1).String() + `",node="balancer"} 2`, `backhand_node_key{id="` + id(3).String() + `",node="www2"} 1`,
		"backhand_nodes_unsealed 0", "backhand_nodes_other_key 2", "backhand_nodes_lacking_key 1", "backhand_unauthenticated 0",
		`backhand_finding{kind="outage"} 1`, `backhand_finding{kind="igmp"} 0`,
	} {
		if !strings.Contains(text, "\n"+want+"\n") {
			t.Errorf("there is no %s", want)
		}
	}
	if strings.Contains(text, `node="old1"} 0`+"\n") && strings.Contains(text, `backhand_node_key{id="`+id(6).String()) {
		t.Error("a node that nobody vouches for has a key")
	}
	text = scrape(t, newMetrics(func() (*node.Snapshot, Info) { return seedCluster(), seedInfo() }, fixed))
	if !strings.Contains(text, "\nbackhand_nodes_unsealed 6\n") || !strings.Contains(text, "\nbackhand_nodes_other_key 0\n") {
		t.Error("without keys, all that are heard send unsealed, and none with another key")
	}
}

func TestFindingsAreShown(t *testing.T) {
	info := seedInfo()
	for i := range maxFindings + 5 {
		info.Findings = append(info.Findings, Finding{Kind: "late", Text: fmt.Sprint("<b>no ", i, "\n"), Since: now.Add(-time.Hour)})
	}
	v := NewView(seedCluster(), info, now)
	if len(v.Findings) != maxFindings {
		t.Errorf("%d findings, want %d", len(v.Findings), maxFindings)
	}
	page := string(render(t, v, 0))
	if !strings.Contains(page, `<li data-kind="late">&lt;b&gt;no 3`+"\uFFFD <small>for 60 min</small></li>") {
		t.Errorf("the page does not show it as text")
	}
	var b strings.Builder
	if err := v.WriteTable(&b, 0); err != nil || !strings.Contains(b.String(), "\nfinding: <b>no 3\uFFFD (for 60 min)\n") {
		t.Errorf("the table does not show it: %v\n%s", err, b.String())
	}
}
