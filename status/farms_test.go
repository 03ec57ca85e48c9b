package status

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"backhand/gossip/node"
)

func forwardTo(to string) node.Forward {
	u, err := url.Parse(to)
	if err != nil {
		panic(err)
	}
	return node.Forward{URL: u}
}

func before(d time.Duration) time.Time { return now.Add(-d) }

// pushed returns statistics that came two seconds ago: a name and a value each.
func pushed(figures ...any) []node.Stat {
	var out []node.Stat
	for i := 0; i < len(figures); i += 2 {
		out = append(out, node.Stat{Name: figures[i].(string), Value: figures[i+1].(float64), At: before(2 * time.Second)})
	}
	return out
}

// farmsParts are of a cluster with physicals in each of the states, farms that forward, and one that is off.
func farmsParts() node.Parts {
	www1 := aNode(2, "www1", "web")
	www1.Services[0].Pushed = []node.Stat{{Name: "sessions", Value: 12}}
	apps := []node.Physical{
		physical("batch", "app01", "http://10.58.4.21:8080/"),
		physical("reports", "app01", "http://10.58.4.21:8080/"), physical("reports", "app02", "http://10.58.4.22/"),
		physical("reports", "app03", "http://10.58.4.23/"), physical("reports", "app04", "http://10.58.4.24/"),
		physical("reports", "app05", "http://10.58.4.25/"), physical("reports", "app06", "http://10.58.4.26/"),
		physical("reports", "app07", "http://10.58.4.27/"),
	}
	for i := range 2 {
		apps[i].Stats = pushed("cpu", 0.25, "jobs", 3., "queue", 1234567.8, "sessions", 0., "threads", 120., "z", 1e15)
		apps[i].Updated = before(2 * time.Second)
	}
	apps[1].Weight, apps[1].Capacity, apps[1].Labels = 1.5, 4, []node.Label{{Key: "gpu"}, {Key: "rack", Value: "r7"}}
	apps[2].Standing = node.Standing{Off: true, Why: "new disks", Since: before(3 * time.Minute)}
	apps[2].Forwards = node.Forwards{Off: node.Forward{Farm: "spare"}, Down: forwardTo("https://bob:secret@sorry.example.org/app02?x=1")}
	apps[3].Standing = node.Standing{Down: true, Why: "check: connection refused", Since: before(4 * time.Second)}
	apps[4].Standing, apps[4].Updated = node.Standing{Out: true}, before(31*time.Second)
	apps[5].Standing = node.Standing{Out: true}
	apps[6].Standing, apps[6].Updated = node.Standing{Off: true, Down: true, Out: true, Why: "scrapped"}, before(50*time.Hour)
	apps[7].Standing = node.Standing{Drain: true, Why: "update", Since: before(10 * time.Minute)}
	return node.Parts{
		Taken: before(100 * time.Millisecond), Self: id(1), Nodes: []*node.Node{aNode(1, "balancer"), www1}, Physicals: apps, HighWater: 8,
		Live: node.NewLiveSet(),
		Farms: []node.FarmInfo{
			{Name: "batch", Standing: node.Standing{Off: true, Why: "end of the month", Since: before(26 * time.Hour)}},
			{Name: "reports", Forwards: node.Forwards{Off: forwardTo("http://sorry.example.org/"), Down: node.Forward{Farm: "spare"}}},
			{Name: "spare", Standing: node.Standing{Down: true}, Forwards: node.Forwards{Down: forwardTo("http://sorry.example.org/spare")}},
			{Name: "web"},
		},
	}
}

func farmsCluster() (*node.Snapshot, Info) {
	info := seedInfo()
	info.Warnings, info.Unauthenticated = nil, false
	info.Routes[0].Chain, info.Routes[0].Dropped = []string{"auto"}, nil
	info.Routes = append(info.Routes, Route{Name: "/batch", Farm: "batch", Chain: []string{"byStat stat.queue"}, WhenEmpty: "503"})
	return node.NewSnapshot(farmsParts()), info
}

func TestGoldenFarms(t *testing.T) {
	s, info := farmsCluster()
	v := NewView(s, info, now)
	golden(t, "farms.html", render(t, v, 0))
	text, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "farms.json", append(text, '\n'))
	for width, file := range map[int]string{0: "farms.txt", 80: "farms-80.txt"} {
		var b bytes.Buffer
		if err := v.WriteTable(&b, width); err != nil {
			t.Fatal(err)
		}
		golden(t, file, b.Bytes())
	}
	var ours strings.Builder
	for line := range strings.Lines(scrape(t, newMetrics(func() (*node.Snapshot, Info) { return s, info }, fixed))) {
		for _, name := range []string{"member_off", "member_drain", "member_down", "member_out{", "member_update", "member_stat", "stats_", "farm_", "member_up{", "nodes{"} {
			if strings.HasPrefix(line, "backhand_"+name) {
				ours.WriteString(line)
			}
		}
	}
	golden(t, "farms.metrics", []byte(ours.String()))
}

func TestStateOfAPhysical(t *testing.T) {
	for _, tt := range []struct {
		name     string
		standing node.Standing
		updated  time.Time
		state    State
		why      string
		words    string
	}{
		{"one of whom nobody says anything is up", node.Standing{}, time.Time{}, Up, "", "on, up, in"},
		{"off", node.Standing{Off: true}, now, Off, "taken out of service", "off, up, in"},
		{"with the reason", node.Standing{Off: true, Why: "disks"}, now, Off, "taken out of service (disks)", "off, up, in"},
		{
			"and since when",
			node.Standing{Off: true, Why: "disks", Since: before(3 * time.Minute)},
			now,
			Off, "taken out of service (disks, for 3 min)", "off, up, in",
		},
		{"it drains", node.Standing{Drain: true}, now, Draining, "takes no new requests", "drain, up, in"},
		{
			"it drains, and why, and is not well",
			node.Standing{Drain: true, Down: true, Why: "update", Since: before(3 * time.Minute)},
			now,
			Draining, "takes no new requests (update, for 3 min); not well", "drain, down, in",
		},
		{"since when alone", node.Standing{Down: true, Since: before(time.Second)}, now, Down, "not well (for 1.0 s)", "on, down, in"},
		{"a time to come is now", node.Standing{Down: true, Since: before(-time.Hour)}, now, Down, "not well (for 0.0 s)", "on, down, in"},
		{"out", node.Standing{Out: true}, before(12 * time.Second), Out, "no statistics for 12 s", "on, up, out"},
		{"out from the first", node.Standing{Out: true}, time.Time{}, Out, "no statistics came", "on, up, out"},
		{
			"all of them, of which off gives the word",
			node.Standing{Off: true, Down: true, Out: true, Why: "scrapped"},
			before(12 * time.Second),
			Off, "taken out of service (scrapped); not well; no statistics for 12 s", "off, down, out",
		},
		{
			"a reason is shown as one line",
			node.Standing{Down: true, Why: "a\r\n\x1b[31mb"},
			now,
			Down, "not well (a\uFFFD\uFFFD\uFFFD[31mb)", "on, down, in",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := physical("web", "app01", "http://h/")
			p.Standing, p.Updated = tt.standing, tt.updated
			r := NewView(snapshot(node.NewLiveSet(), nil, p), Info{}, now).Rows[0]
			if r.State != tt.state || r.Why != tt.why || r.standing() != tt.words {
				t.Errorf("state %q, why %q, %q; want %q, %q, %q", r.State, r.Why, r.standing(), tt.state, tt.why, tt.words)
			}
			if r.Candidate != tt.standing.Fit() {
				t.Errorf("candidate: %v", r.Candidate)
			}
		})
	}
}

func TestAPhysicalThatCannotBeReachedIsSo(t *testing.T) {
	out := physical("web", "app02", "http://h/")
	out.Standing.Out = true
	s := snapshot(node.NewLiveSet(), nil, physical("web", "app01", "http://h/"), out)
	for _, m := range s.Farm("web").Members {
		m.Live.ConnectFailed(now)
	}
	v := NewView(s, Info{}, now)
	got := []string{string(v.Rows[0].State), v.Rows[0].Why, string(v.Rows[1].State), v.Rows[1].Why}
	if d := cmp.Diff([]string{"unreachable", "the last connect failed", "out", "no statistics came; the last connect failed"}, got); d != "" {
		t.Error(d)
	}
}

func TestAFarmThatIsOffOrDownIsShownSo(t *testing.T) {
	for _, row := range []struct {
		name     string
		standing node.Standing
		state    State
		why      string
		member   string // why of its member
		routed   string // the farm of a route
	}{
		{"on and up", node.Standing{}, Up, "", "", "web"},
		{
			"off",
			node.Standing{Off: true, Why: "night", Since: before(time.Minute)},
			Off, "night, for 60 s",
			"its farm is off (night, for 60 s)", "web (off)",
		},
		{"down", node.Standing{Down: true}, Down, "", "its farm is down", "web (down)"},
		{"off goes before down", node.Standing{Off: true, Down: true, Why: "x"}, Off, "x", "its farm is off (x)", "web (off)"},
	} {
		t.Run(row.name, func(t *testing.T) {
			others, www2 := new(node.Others), aNode(3, "www2", "web") // not listed one by one
			others.Add(www2, www2.Services, now)
			v := NewView(node.NewSnapshot(node.Parts{
				Taken: now, Self: id(1), Live: node.NewLiveSet(), Nodes: []*node.Node{aNode(2, "www1", "web")}, Others: others,
				Physicals: []node.Physical{physical("web", "app01", "http://h/")}, Farms: []node.FarmInfo{{Name: "web", Standing: row.standing}},
			}), Info{Routes: []Route{{Name: "/", Farm: "web"}}}, now)
			f, fit := v.Farms[0], row.standing.Fit()
			if f.State != row.state || f.Why != row.why || f.Members != 3 || (f.Candidates == 3) != fit || (f.Candidates == 0) == fit {
				t.Errorf("the farm is %+v", f)
			}
			for _, r := range v.Rows {
				if r.State != Up || r.Why != row.member || r.Candidate != fit {
					t.Errorf("%s is %s, %q, candidate: %v", r.Name, r.State, r.Why, r.Candidate)
				}
			}
			if rt := v.Routes[0]; rt.farm() != row.routed || rt.Candidates != f.Candidates {
				t.Errorf("the route leads to %s with %d candidates", rt.farm(), rt.Candidates)
			}
		})
	}
}

// A farm that only strangers announce is no farm of the file's.
func TestFarmsOfWhichThereIsSomethingToSay(t *testing.T) {
	told := func(s *node.Snapshot) []string {
		var names []string
		for _, f := range NewView(s, seedInfo(), now).Farms {
			names = append(names, f.Name)
		}
		return names
	}
	if got := told(beset(crowd(100, "forged")...)); !slices.Equal(got, []string{"reports"}) {
		t.Errorf("there is something to say of %q", got)
	}
	if got := told(node.NewSnapshot(farmsParts())); !slices.Equal(got, []string{"batch", "reports", "spare"}) {
		t.Errorf("there is something to say of %q", got)
	}
}

func TestTooManyFarmsAreCutOff(t *testing.T) {
	p := node.Parts{Taken: now, Live: node.NewLiveSet()}
	for i := range maxFarms + 3 {
		p.Farms = append(p.Farms, node.FarmInfo{Name: fmt.Sprintf("f%d", i), Standing: node.Standing{Off: true}})
	}
	v := NewView(node.NewSnapshot(p), Info{}, now)
	if len(v.Farms) != maxFarms || v.MoreFarms != 3 {
		t.Errorf("%d farms, %d more", len(v.Farms), v.MoreFarms)
	}
	var b bytes.Buffer
	if err := v.WriteTable(&b, 0); err != nil || !strings.Contains(b.String(), "\n3 more farms are not shown.\n") {
		t.Errorf("%v, %s", err, b.String())
	}
	if page := render(t, v, 0); !bytes.Contains(page, []byte("3 more farms are not shown.")) {
		t.Error("the page does not say so")
	}
}

// The page has room for a few statistics; a program reads all of them.
func TestThePageShowsAFewStatisticsAndTheJSONAll(t *testing.T) {
	p := physical("web", "app01", "http://h/")
	for i := range node.MaxStats {
		p.Stats = append(p.Stats, node.Stat{Name: fmt.Sprintf("s%02d", i), Value: float64(i), At: before(time.Duration(i) * time.Second)})
	}
	v := NewView(snapshot(node.NewLiveSet(), nil, p), Info{}, now)
	if got, want := v.Rows[0].pushed(), "s00 0, s01 1, s02 2, s03 3, 60 more"; got != want {
		t.Errorf("the page has %q, want %q", got, want)
	}
	page := string(render(t, v, 0))
	if !strings.Contains(page, ">s00 0, s01 1, s02 2, s03 3, 60 more<") || strings.Contains(page, "s04") {
		t.Error("the page shows others")
	}
	text, err := json.Marshal(v.Rows[0].Stats)
	if err != nil || strings.Count(string(text), `"name":"s`) != node.MaxStats || !strings.Contains(string(text), `{"name":"s63","value":63,"age_seconds":63}`) {
		t.Errorf("%v, %s", err, text)
	}
}

func TestTheAgeOfAPhysicalIsThatOfItsStatistics(t *testing.T) {
	v := NewView(node.NewSnapshot(farmsParts()), Info{}, now)
	got := map[string]string{}
	for _, r := range v.Rows {
		got[r.Name] = r.age()
	}
	want := map[string]string{
		"balancer": "0.0 s", "www1": "0.5 s", "app01": "2.0 s", "app02": none, "app03": none, "app04": "31 s", "app05": none, "app06": "2 d 2 h", "app07": none,
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

// One physical that two farms list is one, with one set of states.
func TestAPhysicalOfSeveralFarmsCountsOnce(t *testing.T) {
	v := NewView(node.NewSnapshot(farmsParts()), Info{}, now)
	if v.Physicals != 7 {
		t.Errorf("%d physicals, want 7", v.Physicals)
	}
	if d := cmp.Diff([]Count{{"up", 3}, {"draining", 1}, {"off", 2}, {"down", 1}, {"out", 2}}, v.States); d != "" {
		t.Error(d)
	}
}

func TestFiguresAsPeopleReadThem(t *testing.T) {
	for v, want := range map[float64]string{
		0: "0", 3: "3", 0.25: "0.25", 1234567: "1234567", 1234567.8: "1.235e+06", 1e11: "100000000000", 1e15: "1e+15", 2.0 / 3: "0.6667",
	} {
		if got := plain(v); got != want {
			t.Errorf("%v is written %q, want %q", v, got, want)
		}
	}
}

// Passwords of the file are nobody's business.
func TestForwardsAreShownWithoutPasswords(t *testing.T) {
	s, info := farmsCluster()
	v := NewView(s, info, now)
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	if all := string(render(t, v, 0)) + string(text); strings.Contains(all, "secret") || !strings.Contains(all, "sorry.example.org/app02?x=1") {
		t.Error("the password of a forward is shown, or the forward is not")
	}
}

func TestStatisticsAreBoundedSeries(t *testing.T) {
	p := node.Parts{Taken: now, Self: id(1), Live: node.NewLiveSet()}
	for n := range 200 { // their names are sorted before all others
		peer := aNode(0, fmt.Sprintf("!%d", n), "web")
		peer.ID, peer.Addr = node.ID{0: 0xff, 1: byte(n)}, crowd(n + 1)[n].Addr
		for i := range node.MaxFarmStats {
			peer.Services[0].Pushed = append(peer.Services[0].Pushed, node.Stat{Name: fmt.Sprintf("a%d-%d", n, i), Value: 1})
		}
		p.Nodes = append(p.Nodes, peer)
	}
	app := physical("web", "app01", "http://h/")
	app.Stats = pushed("queue", 7.)
	p.Physicals = []node.Physical{app}
	s := node.NewSnapshot(p)
	m := newMetrics(func() (*node.Snapshot, Info) { return s, Info{} }, fixed)
	text := scrape(t, m)
	if n := strings.Count(text, "\nbackhand_member_stat{"); n != maxStatNames {
		t.Errorf("%d series of %d names, want %d", n, 200*node.MaxFarmStats+1, maxStatNames)
	}
	for _, want := range []string{
		fmt.Sprintf("backhand_stats_omitted %d", 200*node.MaxFarmStats+1-maxStatNames),
		`backhand_member_stat{farm="web",id="",member="app01",stat="queue"} 7`,
	} {
		if !strings.Contains(text, "\n"+want+"\n") {
			t.Errorf("no %s", want)
		}
	}
}

func TestStatisticsOfManyMembersAreBoundedSeries(t *testing.T) {
	p := node.Parts{Taken: now, Live: node.NewLiveSet()}
	for i := range 100 {
		app := physical("web", fmt.Sprintf("app%d", i), "http://h/")
		for k := range node.MaxStats {
			app.Stats = append(app.Stats, node.Stat{Name: fmt.Sprintf("s%02d", k), Value: 1})
		}
		p.Physicals = append(p.Physicals, app)
	}
	s := node.NewSnapshot(p)
	c := newClusterCollector(func() (*node.Snapshot, Info) { return s, Info{} }, fixed)
	if n := testutil.CollectAndCount(c, "backhand_member_stat"); n != maxStatSeries {
		t.Errorf("%d series, want %d", n, maxStatSeries)
	}
	if n := testutil.CollectAndCount(c, "backhand_member_off"); n != 100 {
		t.Errorf("%d physicals are on or off, want 100", n)
	}
}
