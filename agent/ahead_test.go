package agent

import (
	"fmt"
	"net/netip"
	"net/url"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"backhand/agent/config"
	"backhand/candidacy"
	"backhand/gossip/node"
)

func chainOf(t *testing.T, steps ...string) *candidacy.Chain {
	t.Helper()
	c, errs := candidacy.Builtin().Parse(steps)
	if errs != nil {
		t.Fatal(errs)
	}
	return c
}

// aheadNode is a node that serves farms and was heard that long ago.
func aheadNode(n byte, now time.Time, silent time.Duration, farms ...string) *node.Node {
	out := &node.Node{
		ID: node.ID{n}, Name: fmt.Sprintf("www%d", n), Addr: netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 58, 4, n}), 80),
		State: node.Up, Interval: time.Second, Heard: now.Add(-silent),
	}
	for _, f := range farms {
		out.Services = append(out.Services, node.Service{Farm: f, Ready: true, Slots: 4})
	}
	return out
}

func aheadPhysical(farm, name string, to node.Forwards) node.Physical {
	return node.Physical{Farm: farm, Name: name, URL: &url.URL{Scheme: "http", Host: "127.0.0.1:1"}, Forwards: to}
}

func toFarm(name string) node.Forward { return node.Forward{Farm: name} }

func TestChainsAreMadeReadyForTheFarmsWhereRequestsGo(t *testing.T) {
	now := time.Now()
	for _, row := range []struct {
		what  string
		farms []node.FarmInfo
		web   time.Duration // for which the only node of web is silent
		want  []string
	}{
		{"somebody is left of its own farm", []node.FarmInfo{{Name: "web", Forwards: node.Forwards{Down: toFarm("spare")}}}, 0, []string{"web"}},
		{
			"nobody of it was heard lately",
			[]node.FarmInfo{{Name: "web", Forwards: node.Forwards{Down: toFarm("spare")}}},
			time.Minute,
			[]string{"spare", "web"},
		},
		{
			"it is off", []node.FarmInfo{{
				Name: "web", Standing: node.Standing{Off: true}, Forwards: node.Forwards{Off: toFarm("spare"), Down: toFarm("other")},
			}}, 0, []string{"spare", "web"},
		},
		{
			"it leads to a farm that leads on", []node.FarmInfo{
				{Name: "web", Standing: node.Standing{Down: true}, Forwards: node.Forwards{Down: toFarm("empty")}},
				{Name: "empty", Forwards: node.Forwards{Down: toFarm("spare")}},
			}, 0, []string{"empty", "spare", "web"},
		},
		{
			"they lead in a circle", []node.FarmInfo{
				{Name: "web", Standing: node.Standing{Down: true}, Forwards: node.Forwards{Down: toFarm("empty")}},
				{Name: "empty", Forwards: node.Forwards{Down: toFarm("web")}},
			}, 0, []string{"empty", "web"},
		},
		{
			"it leads to nobody", []node.FarmInfo{{
				Name: "web", Standing: node.Standing{Down: true}, Forwards: node.Forwards{Down: toFarm("unknown")},
			}}, 0, []string{"web"},
		},
		{
			"it leads to a URL", []node.FarmInfo{{
				Name: "web", Standing: node.Standing{Down: true}, Forwards: node.Forwards{Down: node.Forward{URL: &url.URL{Scheme: "http", Host: "a"}}},
			}}, 0, []string{"web"},
		},
	} {
		s := node.NewSnapshot(node.Parts{
			Taken: now, Farms: row.farms, Live: node.NewLiveSet(),
			Nodes: []*node.Node{aheadNode(1, now, row.web, "web"), aheadNode(2, now, 0, "spare", "other")},
		})
		chain := chainOf(t, "auto")
		prepareWay(s, chain, "web", now)
		var got []string
		for _, f := range s.Farms {
			if f.Prepared[chain] != nil {
				got = append(got, f.Name)
			}
		}
		if d := cmp.Diff(row.want, got); d != "" {
			t.Errorf("%s: the chain is ready for (-want +got):\n%s", row.what, d)
		}
	}
}

// In a large cluster a farm whose nodes are not in focus has no member to choose.
func TestFocusIsOnAllFarmsThatMayBeChosenFrom(t *testing.T) {
	now := time.Now()
	subset, all := chainOf(t, "auto"), chainOf(t, "byStat stat.jobs")
	s := node.NewSnapshot(node.Parts{
		Taken: now, Live: node.NewLiveSet(),
		Nodes: []*node.Node{aheadNode(1, now, 0, "web", "spare", "last", "asked", "none")},
		Physicals: []node.Physical{
			aheadPhysical("web", "app01", node.Forwards{Off: toFarm("member")}), aheadPhysical("jobs", "app02", node.Forwards{}),
		},
		Farms: []node.FarmInfo{
			{Name: "web", Forwards: node.Forwards{Off: toFarm("spare"), Down: toFarm("unknown")}},
			{Name: "spare", Forwards: node.Forwards{Down: toFarm("last")}},
			{Name: "last", Forwards: node.Forwards{Down: toFarm("web")}},
		},
	})
	route := []config.Route{{Farm: "web", Chain: subset}}
	athena := config.Athena{Listen: []string{":4446"}, Chain: subset}
	for _, row := range []struct {
		what string
		cfg  config.Config
		want []string // nil: all nodes
	}{
		{"a route with its forwards", config.Config{Route: route}, []string{"last", "member", "spare", "unknown", "web"}},
		{"all nodes, which cookies may name", config.Config{Route: route, Cookie: new(config.Cookie)}, nil},
		{
			"farms of which programs ask, with their forwards", config.Config{
				Athena: athena, Serve: []config.Serve{{Farm: "asked"}}, Farm: []config.Farm{{Name: "last", Chain: subset}},
			}, []string{"asked", "last", "member", "spare", "unknown", "web"},
		},
		{
			"a farm without nodes, whose chain may look at all members", config.Config{
				Athena: athena, Farm: []config.Farm{{Name: "jobs", Chain: all}},
			}, []string{"jobs"},
		},
		{"a farm of nodes whose chain may look at all of them", config.Config{Athena: athena, Farm: []config.Farm{{Name: "last", Chain: all}}}, nil},
		{"farms that nobody can ask for", config.Config{Farm: []config.Farm{{Name: "last", Chain: all}}}, []string{}},
	} {
		f := focus(&row.cfg, s, node.ID{9})
		if f.All != (row.want == nil) {
			t.Errorf("%s: all nodes are in focus: %v", row.what, f.All)
			continue
		}
		got := map[string]bool{}
		for name := range f.Farms {
			got[name] = true
		}
		want := map[string]bool{}
		for _, name := range row.want {
			want[name] = true
		}
		if d := cmp.Diff(want, got); !f.All && d != "" {
			t.Errorf("%s: in focus (-want +got):\n%s", row.what, d)
		}
	}
}
