package status

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"backhand/gossip/node"
)

// beset is a small cluster, and forged nodes that are sorted before all of its own but ourselves.
func beset(forged ...*node.Node) *node.Snapshot {
	red := aNode(3, "www2", "web")
	red.Services[0].Ready = false
	nodes := append(forged, aNode(1, "balancer"), aNode(2, "www1", "web"), red, aNode(4, "www3", "web"))
	s := snapshot(node.NewLiveSet(), nodes, physical("reports", "app01", "http://10.58.4.21:8080/"))
	hand(s, "web", "www2", 1, 0)
	return s
}

func TestForgedNamesPushNobodyOffThePage(t *testing.T) {
	s := beset(crowd(6000, "forged")...)
	v := NewView(s, seedInfo(), now)
	if v.Omitted != 6005-MaxRows || v.Nodes != 6004 || v.Physicals != 1 {
		t.Errorf("%d omitted, %d nodes, %d physicals", v.Omitted, v.Nodes, v.Physicals)
	}
	if d := cmp.Diff([]Count{{"up", 4}, {"leaving", 6000}, {"down", 1}}, v.States); d != "" {
		t.Errorf("all are counted, also those that are not shown:\n%s", d)
	}
	var got []string
	for _, r := range v.Rows {
		if !strings.HasPrefix(r.Name, "!") {
			got = append(got, r.Name+"/"+r.Farm+" "+string(r.State))
		}
	}
	want := []string{"balancer/ up", "www1/web up", "www2/web down", "www3/web up", "app01/reports up"}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if first, last := v.Rows[0], v.Rows[MaxRows-1]; len(v.Rows) != MaxRows || first.Entry != 0 || last.Entry != 6004 {
		t.Errorf("%d rows, entries %d to %d", len(v.Rows), first.Entry, last.Entry)
	}
}

func TestForgedNamesInAFarmOfARoutePushNobodyOffWhoIsUsed(t *testing.T) {
	v := NewView(beset(crowd(6000, "web")...), seedInfo(), now)
	for _, name := range []string{"balancer", "www2", "app01"} {
		if !slices.ContainsFunc(v.Rows, func(r Row) bool { return r.Name == name }) {
			t.Errorf("%s is not shown", name)
		}
	}
}

func TestForgedNamesPushNobodyOutOfTheFigures(t *testing.T) {
	s := beset(crowd(2000, "forged")...)
	text := scrape(t, newMetrics(func() (*node.Snapshot, Info) { return s, seedInfo() }, fixed))
	for _, series := range []string{
		`backhand_beat_lateness_seconds{id="` + id(1).String() + `",node="balancer"} 0.002`,
		`backhand_peer_age_seconds{id="` + id(3).String() + `",node="www2"} 0.5`,
		`backhand_member_up{farm="web",id="` + id(3).String() + `",member="www2"} 0`,
		`backhand_member_up{farm="web",id="` + id(4).String() + `",member="www3"} 1`,
		`backhand_member_up{farm="reports",id="",member="app01"} 1`,
		`backhand_nodes{state="leaving"} 2000`,
		fmt.Sprintf("backhand_series_omitted %d", 2*(2004-maxSeries)),
	} {
		if !strings.Contains(text, "\n"+series+"\n") {
			t.Errorf("no %s", series)
		}
	}
	if n := strings.Count(text, "\nbackhand_member_up{"); n != maxSeries {
		t.Errorf("%d members", n)
	}
	if n := strings.Count(text, "\nbackhand_beat_lateness_seconds{"); n != maxSeries {
		t.Errorf("%d nodes", n)
	}
}

func TestRanks(t *testing.T) {
	live := node.NewLiveSet()
	s := snapshot(live, []*node.Node{
		aNode(1, "self", "web", "other"), aNode(2, "idle"), aNode(3, "used", "other", "web"), aNode(4, "www", "other", "web"),
	}, physical("other", "app01", "http://h/"))
	hand(s, "other", "used", 1, 0)
	want := []string{
		"self/other 0", "self/web 0", "idle/ 4", "used/other 2", "used/web 3", "www/other 4", "www/web 3", "app01/other 1",
	}
	all := newRoster(s, []Route{{Farm: "web"}, {Farm: "nobody"}}, now)
	if d := cmp.Diff(want, ranked(all)); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff([]string{"self/other 0", "idle/ 4", "used/other 2", "www/web 3"}, ranked(all.nodes())); d != "" {
		t.Errorf("a node ranks as the best of its members:\n%s", d)
	}
	if d := cmp.Diff(append(want[:2:2], want[3:]...), ranked(all.members())); d != "" {
		t.Error(d)
	}
}

func ranked(list roster) []string {
	var out []string
	for _, e := range list {
		out = append(out, fmt.Sprintf("%s/%s %d", e.member.Name, e.member.Farm, e.rank))
	}
	return out
}

func TestTheBestRanksAreKeptInTheirOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		list := roster{}
		for i := range rapid.IntRange(0, 30).Draw(t, "size") {
			list = append(list, entry{number: i, rank: rank(rapid.IntRange(0, int(ranks)-1).Draw(t, "rank"))})
		}
		most := rapid.IntRange(0, 30).Draw(t, "most")
		want := slices.Clone(list)
		slices.SortStableFunc(want, func(a, b entry) int { return int(a.rank) - int(b.rank) })
		want = want[:min(most, len(want))]
		slices.SortFunc(want, func(a, b entry) int { return a.number - b.number })
		if got := list.keep(most); !slices.Equal(want, got) {
			t.Fatalf("kept %v, want %v", got, want)
		}
	})
}

func TestRowsThatAreCutCostAlmostNothing(t *testing.T) {
	few, many := snapshot(node.NewLiveSet(), crowd(MaxRows, "web")), snapshot(node.NewLiveSet(), crowd(16384, "web"))
	cost := func(s *node.Snapshot) float64 {
		return testing.AllocsPerRun(2, func() { NewView(s, seedInfo(), now) })
	}
	if more := cost(many) - cost(few); more > 1000 {
		t.Errorf("%d rows that are not shown cost %v allocations", 16384-MaxRows, more)
	}
}
