package agent

import (
	"fmt"
	"math"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"backhand/agent/config"
	"backhand/candidacy"
	"backhand/gossip/node"
	"backhand/status/athena"
)

// query asks the engine n times, and returns how often each member was chosen.
func (f *fixture) query(n int, farm string) map[string]int {
	f.t.Helper()
	by := map[string]int{}
	for range n {
		c, err := f.athena.engine.Balance(athena.Question{Farm: farm, Members: 1})
		if err != nil || len(c.Members) != 1 {
			f.t.Fatalf("chose %+v, %v", c, err)
		}
		by[c.Members[0].Name]++
	}
	return by
}

func TestAthenaThousandQueriesInASecondDoNotGetOneMember(t *testing.T) {
	for _, chain := range []string{"", `chain = ["byStat stat.load1"]`, `chain = ["byBusyChildren"]`, `chain = ["byAge"]`, `chain = ["byCapacity"]`} {
		t.Run(chain, func(t *testing.T) {
			f := startAsked(t, physes("jobs", chain, "app01", "app02", "app03"))
			f.good("/athena/update/phys?h=app01,load1=2;h=app02,load1=2;h=app03,load1=2")
			f.waitForMerge(t.Context())
			by := f.query(1000, "jobs")
			if len(by) != 3 || by["app01"] < 250 || by["app02"] < 250 || by["app03"] < 250 {
				t.Errorf("chose %v, want equals to get alike", by)
			}
		})
	}
}

// Members that have told unequal figures, which stay as they are while a thousand ask: it is the chain that has to count what was
// given away since.
func TestAthenaThousandQueriesBetweenTwoPushes(t *testing.T) {
	for _, row := range []struct {
		name, chain string
		least       map[string]int
	}{
		{
			"a chain that adds what is outstanding spreads them", `'byExpr stat("load1") + outstanding'`,
			map[string]int{"app01": 300, "app02": 300, "app03": 300},
		},
		{
			"and none goes to who has told too much", `'byExpr stat("load1") < 4', 'byExpr stat("load1") + outstanding'`,
			map[string]int{"app01": 450, "app02": 450},
		},
		{"a chain that ends in a pushed figure alone gives all to the idlest", `"byStat stat.load1"`, map[string]int{"app01": 1000}},
		{"so does one that draws lots before", `"byRandom", "byStat stat.load1"`, map[string]int{"app01": 1000}},
	} {
		t.Run(row.name, func(t *testing.T) {
			f := startAsked(t, physes("jobs", "chain = ["+row.chain+"]", "app01", "app02", "app03"))
			f.good("/athena/update/phys?h=app01,load1=1;h=app02,load1=3;h=app03,load1=7")
			f.waitForMerge(t.Context())
			by := f.query(1000, "jobs")
			if len(by) != len(row.least) {
				t.Errorf("chose %v, want at least %v", by, row.least)
			}
			for name, n := range row.least {
				if by[name] < n {
					t.Errorf("chose %v, want at least %v", by, row.least)
				}
			}
		})
	}
}

func TestAthenaQueriesFollowWeights(t *testing.T) {
	f := startAsked(t, `[[farm]]
name = "jobs"
member = [ { name = "small", url = "http://127.0.0.1:1" }, { name = "large", url = "http://127.0.0.1:2", weight = 3 } ]
`)
	if by := f.query(1000, "jobs"); by["large"] < 700 || by["large"] > 800 {
		t.Errorf("chose %v, want the large one three times as often", by)
	}
}

// The load averages of a beat are the same until the next one.
func TestAthenaQueriesForNodesAreCountedUntilTheirNextBeat(t *testing.T) {
	f := startAsked(t, "[[farm]]\nname = \"web\"\nchain = [\"byLoad\"]\n")
	now := time.Now()
	var nodes []*node.Node
	for i, load := range []float64{1, 1, 6} {
		nodes = append(nodes, &node.Node{
			ID: node.NewID(), Name: fmt.Sprintf("www%d", i+1), State: node.Up, Heard: now, Interval: time.Hour, Sequence: 7,
			Addr: netip.AddrPortFrom(netip.MustParseAddr("10.58.4.1"), uint16(80+i)), Stats: node.Stats{CPUs: 4, Load1: load},
			Services: []node.Service{{Farm: "web", Ready: true, Slots: 4, Mu: 10}},
		})
	}
	snap := node.NewSnapshot(node.Parts{Taken: now, Nodes: nodes, Live: node.NewLiveSet()})
	e := f.athena.engine
	cfg := f.config.Load()
	s := e.scratch(&athena.Question{Farm: "web"}, now)
	by := map[string]int{}
	for range 305 {
		var c athena.Choice
		e.choose(cfg, snap.Farm("web"), &athena.Question{Farm: "web", Members: 1}, s, &c)
		by[c.Members[0].Name]++
	}
	if by["www1"] < 103 || by["www2"] < 103 || by["www3"] < 98 { // ten for the others until their load is 6, too
		t.Errorf("chose %v", by)
	}
}

func TestAthenaSeveralMembersAreDifferentOnes(t *testing.T) {
	f := startAsked(t, physes("jobs", "", "app01", "app02", "app03"))
	for n, want := range map[int]int{0: 1, 1: 1, 2: 2, 3: 3, 64: 3} {
		c, err := f.athena.engine.Balance(athena.Question{Farm: "jobs", Members: n})
		if err != nil || len(c.Members) != want {
			t.Errorf("of %d wanted there are %v, %v", n, c.Members, err)
		}
		seen := map[string]bool{}
		for _, m := range c.Members {
			if seen[m.Name] || m.URL != "http://127.0.0.1:1" {
				t.Errorf("got %v", c.Members)
			}
			seen[m.Name] = true
		}
	}
}

func TestAthenaDoneEndsAnAssignment(t *testing.T) {
	f := startAsked(t, physes("jobs", "", "app01"))
	e, live := f.athena.engine, f.Snapshot().Farm("jobs").Members[0].Live
	f.query(3, "jobs")
	if n := live.Outstanding(); n != 3 {
		t.Errorf("%d are under way, want 3", n)
	}
	for _, want := range []int64{2, 1, 0, 0} {
		if err := e.Done([]athena.Ended{{Farm: "jobs", Member: "app01"}}); err != nil {
			t.Fatal(err)
		}
		if n := live.Outstanding(); n != want {
			t.Errorf("%d are under way, want %d", n, want)
		}
	}
	f.query(2, "jobs")
	f.eventually(func() error { // nobody says that it is done
		if n := live.Outstanding(); n != 0 {
			return fmt.Errorf("%d are under way", n)
		}
		return nil
	})
}

func TestAthenaExplainTellsHowAndCountsNothing(t *testing.T) {
	f := startAsked(t, physes("jobs", `chain = ["byStat stat.load1 <4", "byBusyChildren"]`, "app01", "app02"))
	f.good("/athena/update/phys?h=app01,load1=5;h=app02,load1=1")
	f.waitForMerge(t.Context())
	c, err := f.athena.engine.Balance(athena.Question{Farm: "jobs", Members: 1, Explain: true})
	text := strings.Join(c.Explain, "\n")
	if err != nil || len(c.Members) != 1 || c.Members[0].Name != "app02" || len(c.Explain) != 3 ||
		!strings.Contains(text, "byStat stat.load1 <4: app02 (") || !strings.Contains(text, "dropped app01 (") {
		t.Errorf("chose %v, %v:\n%s", c.Members, err, text)
	}
	if m := f.Snapshot().Farm("jobs").Members; m[0].Live.Chosen()+m[1].Live.Chosen() != 0 {
		t.Error("the question was counted as a query")
	}
}

// Whatever is added and done, in whatever order, what is under way is what was added, is not done and has not lasted long enough:
// that is found out at the end of the tenth of a second in which it has.
func TestAssignments(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		start := time.Unix(1000, 0)
		a := newAssignments(start)
		lives := []*node.Live{{}, {}, {}}
		ends := make([][]time.Duration, len(lives)) // since the start
		at := time.Duration(0)
		expire := func() {
			for i := range ends {
				ends[i] = slices.DeleteFunc(ends[i], func(end time.Duration) bool { return at >= end })
			}
		}
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			i := rapid.IntRange(0, len(lives)-1).Draw(t, "member")
			switch rapid.SampledFrom([]string{"add", "add", "done", "wait", "rest"}).Draw(t, "what") {
			case "add":
				lasts := time.Duration(rapid.IntRange(0, 12000).Draw(t, "ms")) * time.Millisecond
				a.add(lives[i], lasts, start.Add(at))
				least := at + min(max(lasts, assignShortest), assignLongest)
				ends[i] = append(ends[i], least.Truncate(assignStep)+assignStep)
			case "done":
				if did := a.done(lives[i], start.Add(at)); did != (len(ends[i]) > 0) {
					t.Fatalf("of %d it ended one: %v", len(ends[i]), did)
				}
				slices.Sort(ends[i])
				ends[i] = ends[i][min(1, len(ends[i])):]
			case "wait":
				at += time.Duration(rapid.IntRange(0, 3000).Draw(t, "ms")) * time.Millisecond
			case "rest":
				at += time.Minute
			}
			a.expire(start.Add(at))
			expire()
			for i, l := range lives {
				if n := int(l.Outstanding()); n != len(ends[i]) {
					t.Fatalf("%d are under way at member %d, want %d", n, i, len(ends[i]))
				}
			}
		}
	})
}

func TestAssignmentsKeepNothingOfMembersThatHaveNone(t *testing.T) {
	now := time.Unix(1000, 0)
	a := newAssignments(now)
	for range 1000 {
		a.add(&node.Live{}, time.Second, now)
	}
	if a.expire(now.Add(time.Hour)); len(a.of) != 0 {
		t.Errorf("%d members are kept", len(a.of))
	}
}

func TestWorkTime(t *testing.T) {
	answered := func(d time.Duration) *node.Live {
		l := &node.Live{}
		l.Answered(d)
		return l
	}
	for _, row := range []struct {
		name string
		of   node.Member
		want time.Duration
	}{
		{"nobody knows", node.Member{Live: &node.Live{}}, time.Second},
		{"as the node says", node.Member{Live: answered(time.Minute), Service: &node.Service{Mu: 4}}, 250 * time.Millisecond},
		{"a node that says nonsense", node.Member{Live: &node.Live{}, Service: &node.Service{Mu: 1e-300}}, 10 * time.Second},
		{"as requests took", node.Member{Live: answered(300 * time.Millisecond)}, 300 * time.Millisecond},
	} {
		if got := workTime(&row.of); got != row.want {
			t.Errorf("%s: %v, want %v", row.name, got, row.want)
		}
	}
}

func TestOwnStatistics(t *testing.T) {
	now := time.Unix(1000, 0)
	var o ownStats
	push := func(at time.Time, stats ...node.Stat) error { return o.update(stats, at, nil) }
	if err := push(now, node.Stat{Name: "queue", Value: 3}, node.Stat{Name: "db", Value: 1, At: now.Add(-time.Minute)}); err != nil {
		t.Fatal(err)
	}
	first := o.list(now)
	want := []node.Stat{{Name: "db", Value: 1, At: now.Add(-time.Minute)}, {Name: "queue", Value: 3, At: now}}
	if d := cmp.Diff(want, first); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	for _, bad := range []node.Stat{{Name: "", Value: 1}, {Name: "a\nb", Value: 1}, {Name: "x", Value: -1}, {Name: "x", Value: math.NaN()}} {
		if err := push(now, node.Stat{Name: "ok", Value: 1}, bad); err == nil {
			t.Errorf("%+v was taken", bad)
		}
	}
	if err := o.update([]node.Stat{{Name: "ok", Value: 1}}, now, func() error { return fmt.Errorf("no") }); err == nil || err.Error() != "no" {
		t.Errorf("got %v", err)
	}
	if err := push(now, node.Stat{Name: "queue", Value: 9, At: now.Add(-time.Second)}); err != nil { // older than what is known
		t.Fatal(err)
	}
	if d := cmp.Diff(want, o.list(now)); d != "" {
		t.Errorf("what was not taken changed something (-want +got):\n%s", d)
	}
	if got := o.list(now.Add(ownStatFor - time.Minute)); len(got) != 1 || got[0].Name != "queue" {
		t.Errorf("later there are %v", got)
	}
	if got := o.list(now.Add(ownStatFor)); len(got) != 0 || len(first) != 2 || first[0].Name != "db" {
		t.Errorf("in the end there are %v, and who has the first list has %v", got, first)
	}
}

// A farm as a front knows it, and the chain that queries have by default.
func BenchmarkAthenaBalance(b *testing.B) {
	for _, n := range []int{3, 100} {
		b.Run(fmt.Sprintf("of %d physicals", n), func(b *testing.B) {
			chain, errs := candidacy.Builtin().Parse(candidacy.DefaultChain())
			if errs != nil {
				b.Fatal(errs)
			}
			now := time.Now()
			var list []node.Physical
			for i := range n {
				list = append(list, node.Physical{Farm: "jobs", Name: fmt.Sprintf("app%02d", i), URL: &url.URL{Scheme: "http", Host: "127.0.0.1:1"}})
			}
			a := &Agent{started: now}
			a.athena.engine = newEngine(a)
			a.config.Store(&config.Config{Farm: []config.Farm{{Name: "jobs", Chain: chain}}})
			snap := node.NewSnapshot(node.Parts{Taken: now, Physicals: list, Live: node.NewLiveSet()})
			chain.Prepare(snap.Farm("jobs"), now)
			a.snapshot.Store(snap)
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if c, err := a.athena.engine.Balance(athena.Question{Farm: "jobs", Members: 1}); err != nil || len(c.Members) != 1 {
						b.Errorf("chose %v, %v", c.Members, err)
					}
				}
			})
		})
	}
}
