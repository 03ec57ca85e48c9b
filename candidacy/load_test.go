package candidacy_test

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"backhand/candidacy"
	"backhand/candidacy/candidacytest"
	"backhand/gossip/node"
)

func TestByLoad(t *testing.T) {
	checkRows(t, []row{
		{"the lowest load comes first", "www1 load=3\nwww2 load=0.2\nwww3 load=1", []string{"byLoad"}, "www2 www3 www1"},
		{"equal loads keep their order", "www1 load=1\nwww2\nwww3 load=1\nwww4", []string{"byLoad"}, "www2 www4 www1 www3"},
		{"a bias favours self", "self www1 load=0.7\nwww2 load=0.3", []string{"byLoad 0.5"}, "www1 www2"},
		{"a bias does not favour others", "www1 load=0.7\nwww2 load=0.3", []string{"byLoad 0.5"}, "www2 www1"},
		{"too small a bias changes nothing", "self www1 load=0.9\nwww2 load=0.3", []string{"byLoad 0.5"}, "www2 www1"},
		{"without a bias self is like the others", "self www1 load=0.7\nwww2 load=0.3", []string{"byLoad"}, "www2 www1"},
		{"what was predicted counts", "www1 load=1 predicted=2\nwww2 load=2.5\nwww3 predicted=4", []string{"byLoad"}, "www2 www1 www3"},
		{"beside the bias", "self www1 load=1 predicted=2\nwww2 load=2.7", []string{"byLoad 0.5"}, "www1 www2"},
		{"CPUs do not count", "www1 load=3 cpus=8\nwww2 load=2 cpus=1", []string{"byLoad"}, "www2 www1"},
		{
			"physicals come last, as they came", "www1 load=99\nphysical b\nphysical a", []string{"byLoad"}, "www1 b a",
		},
		{"nobody is left of nobody", "", []string{"byLoad"}, ""},
	})
}

func TestByCPU(t *testing.T) {
	checkRows(t, []row{
		{"the most idle comes first", "www1 idle=10%\nwww2 idle=93%\nwww3 idle=50%", []string{"byCPU"}, "www2 www3 www1"},
		{
			"what was predicted takes a CPU each", "www1 idle=90% cpus=4 predicted=1\nwww2 idle=70%\nwww3 idle=100% predicted=1",
			[]string{"byCPU"},
			"www2 www1 www3",
		},
		{"equally idle ones keep their order", "www1 idle=10%\nwww2 idle=50%\nwww3 idle=10%", []string{"byCPU"}, "www2 www1 www3"},
		{"physicals come last, as they came", "physical b\nphysical a\nwww1 idle=0%", []string{"byCPU"}, "www1 b a"},
	})
}

func TestByBusyChildren(t *testing.T) {
	checkRows(t, []row{
		{"the fewest busy come first", "www1 inflight=3\nwww2 inflight=1\nwww3 inflight=2", []string{"byBusyChildren"}, "www2 www3 www1"},
		{
			"workers count where they are reported", "www1 inflight=1 workers=9 busy=4\nwww2 inflight=3",
			[]string{"byBusyChildren"},
			"www2 www1",
		},
		{"equally busy ones keep their order", "www1 inflight=3\nwww2\nwww3 inflight=3\nwww4", []string{"byBusyChildren"}, "www2 www4 www1 www3"},
		{"a bias favours self", "self www1 inflight=3\nwww2 inflight=2", []string{"byBusyChildren 2"}, "www1 www2"},
		{"a bias does not favour others", "www1 inflight=3\nwww2 inflight=2", []string{"byBusyChildren 2"}, "www2 www1"},
		{
			"a physical counts with our own requests", "www1 inflight=2\nphysical app1 outstanding=3\nphysical app2 outstanding=1",
			[]string{"byBusyChildren"},
			"app2 www1 app1",
		},
		{
			"what a physical failed counts after byError", "physical app1 errors=2\nphysical app2 outstanding=1",
			[]string{"byError 5s", "byBusyChildren"},
			"app2 app1",
		},
		{"without byError it does not", "physical app1 errors=2\nphysical app2 outstanding=1", []string{"byBusyChildren"}, "app1 app2"},
		{"what was predicted counts", "www1 predicted=2\nwww2 inflight=1\nwww3 workers=9 predicted=3", []string{"byBusyChildren"}, "www2 www1 www3"},
		{"our own requests to a node do not count", "www1 inflight=1 outstanding=9\nwww2 inflight=2", []string{"byBusyChildren"}, "www1 www2"},
	})
}

func TestLoadThatIsNoNumberComesLast(t *testing.T) {
	f := candidacytest.Cluster("www1\nwww2 load=5")
	f.Members[0].Node.Stats.Load1 = math.NaN()
	if got := candidacytest.Names(selectFrom(candidacytest.Request(f), "byLoad")); got != "www2 www1" {
		t.Errorf("order %s", got)
	}
}

func TestSortsHoldForMoreThanFitsTheStack(t *testing.T) {
	var b strings.Builder
	for i := range 500 {
		fmt.Fprintf(&b, "www%03d load=%d\n", i, 500-i)
	}
	f := candidacytest.Cluster(b.String())
	want := slices.Clone(f.Candidates)
	slices.Reverse(want)
	if got := ordered(t, f, 1, "byLoad"); got != candidacytest.Names(want) {
		t.Errorf("order %s", got)
	}
}

func TestOnlySortsByGossipSaySo(t *testing.T) {
	for _, s := range candidacy.Builtin().Specs() {
		step := candidacytest.Step(candidacy.Builtin(), s.Example)
		want := slices.Contains([]string{"byLoad", "byCPU", "byBusyChildren", "byCost", "byStat"}, s.Name)
		if step.Sorts != want {
			t.Errorf("%s: Sorts is %v", s.Name, step.Sorts)
		}
		if got := candidacytest.Chain(candidacy.Builtin(), "byRandom", s.Example).Sorts(); got != want {
			t.Errorf("a chain with %s: Sorts is %v", s.Name, got)
		}
	}
}

func TestBiasThatIsNone(t *testing.T) {
	checkErrors(t, map[string]string{
		"byLoad x":             `byLoad: BIAS is "x", want a number from 0 to 1e9 (usage: byLoad [BIAS])`,
		"byLoad -1":            `byLoad: BIAS is "-1", want a number from 0 to 1e9 (usage: byLoad [BIAS])`,
		"byLoad NaN":           `byLoad: BIAS is "NaN", want a number from 0 to 1e9 (usage: byLoad [BIAS])`,
		"byLoad inf":           `byLoad: BIAS is "inf", want a number from 0 to 1e9 (usage: byLoad [BIAS])`,
		"byLoad 1 2":           `byLoad: "2" is one argument too many (usage: byLoad [BIAS])`,
		"byCPU 1":              `byCPU: "1" is one argument too many (usage: byCPU)`,
		"byBusyChildren 0.5":   `byBusyChildren: BIAS is "0.5", want a whole number from 0 to 1000000000 (usage: byBusyChildren [BIAS])`,
		"byBusyChildren -1":    `byBusyChildren: BIAS is "-1", want a whole number from 0 to 1000000000 (usage: byBusyChildren [BIAS])`,
		"byBusyChildren 1 2 3": `byBusyChildren: "2" is one argument too many (usage: byBusyChildren [BIAS])`,
	})
}

// Requests begin and end while a chain runs: the result must stay whole.
func TestByBusyChildrenBearsFiguresThatChange(t *testing.T) {
	f := candidacytest.Cluster("physical app1\nphysical app2\nphysical app3\nphysical app4")
	done, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for i := 0; ; i++ {
			select {
			case <-done:
				return
			default:
				f.Members[i%4].Live.Start()
			}
		}
	}()
	req := candidacytest.Request(f)
	for range 200 {
		if got := sorted(selectFrom(req, "byBusyChildren")); !slices.Equal(got, []string{"app1", "app2", "app3", "app4"}) {
			t.Errorf("left %q", got)
		}
	}
	close(done)
	<-stopped
}

func Example_byLoad() {
	explain("self www1 load=0.7\nwww2 load=0.31\nwww3 load=4\nphysical app1", "byLoad 0.5")
	// Output:
	// byLoad 0.5
	//   www1 (load 0.70 - 0.5 for this host)
	//   www2 (load 0.31)
	//   www3 (load 4.00)
	//   app1 (load unknown)
}

func Example_byCPU() {
	explain("www1 idle=12%\nwww2 idle=93%\nphysical app1", "byCPU")
	// Output:
	// byCPU
	//   www2 (idle 93%)
	//   www1 (idle 12%)
	//   app1 (idle unknown)
}

func Example_byBusyChildren() {
	explain("www1 workers=150 busy=3\nwww2 inflight=1\nphysical app1 outstanding=2", "byBusyChildren")
	// Output:
	// byBusyChildren
	//   www2 (1 busy)
	//   app1 (2 busy)
	//   www1 (3 busy)
}

// BenchmarkSort sorts as many as a big cluster has, without the window that usually comes before.
func BenchmarkSort(b *testing.B) {
	f := hundred()
	req := candidacytest.Request(f)
	c := candidacytest.Chain(candidacy.Builtin(), "byRandom", "byLoad")
	in := make([]*node.Member, 0, 101)
	b.ReportAllocs()
	for b.Loop() {
		c.Select(req, candidacy.AppendCandidates(in, req, nil))
	}
}
