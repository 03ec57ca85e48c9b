package candidacy_test

import (
	"math"
	"testing"

	"backhand/candidacy"
	"backhand/candidacy/candidacytest"
)

func TestByCost(t *testing.T) {
	checkRows(t, []row{
		{"the lowest load is the cheapest", "www1 mem=50% load=3\nwww2 mem=50% load=1", []string{"byCost"}, "www2 www1"},
		{"the most free memory is the cheapest", "www1 mem=80% load=1\nwww2 mem=50% load=1", []string{"byCost"}, "www2 www1"},
		{
			"memory that is almost used up outweighs some load", "www1 mem=99% load=1\nwww2 mem=20% load=4\nwww3 mem=20% load=8",
			[]string{"byCost"},
			"www2 www1 www3",
		},
		{
			"the load of a slow host weighs more", "www1 mem=50% load=2 speed=50\nwww2 mem=50% load=3 speed=100",
			[]string{"byCost"},
			"www2 www1",
		},
		{"a speed that is not known is taken for the highest", "www1 mem=50% load=2\nwww2 mem=50% load=3 speed=100", []string{"byCost"}, "www1 www2"},
		{"memory that is not known counts as used", "www1 load=1\nwww2 mem=90% load=1", []string{"byCost"}, "www2 www1"},
		{"what costs the same keeps its order", "www1 mem=50% load=9\nwww2 mem=50%\nwww3 mem=50% load=9", []string{"byCost"}, "www2 www1 www3"},
		{"a request that was predicted counts as load", "www1 mem=50% predicted=2\nwww2 mem=50% load=1", []string{"byCost"}, "www2 www1"},
		{"physicals come last, as they came", "physical b\nwww1 mem=99% load=99\nphysical a", []string{"byCost"}, "www1 b a"},
		{"one alone stays", "www1", []string{"byCost"}, "www1"},
		{"nobody is left of nobody", "", []string{"byCost"}, ""},
	})
}

// The figures of a real cluster (mod_backhand.md, 3.6): with a mark that never fell, the overloaded host was never the last.
func TestByCostIsNotBlindToLoadUnderAMarkThatFits(t *testing.T) {
	const hosts = "www1 mem=70% load=1\nwww2 mem=60% load=15\nwww3 mem=50% load=2"
	if got := ordered(t, candidacytest.Cluster(hosts), 1, "byCost"); got != "www3 www1 www2" {
		t.Errorf("with a mark of 16 the order is %s", got)
	}
	blind := candidacytest.Cluster(hosts)
	blind.HighWater = 512
	if got := ordered(t, blind, 1, "byCost"); got != "www3 www2 www1" {
		t.Errorf("with a mark of 512 the order is %s, want that of the memory alone", got)
	}
}

func TestByCostBearsNonsense(t *testing.T) {
	f := candidacytest.Cluster("www1\nwww2 load=1e15\nwww3 mem=50%\nwww4 load=1")
	f.Members[0].Node.Stats.Load1 = math.NaN()
	f.Members[2].Node.Stats.MemAvailable = math.MaxUint64
	if got := ordered(t, f, 1, "byCost"); got != "www3 www4 www1 www2" {
		t.Errorf("order %s", got)
	}
}

func TestByCostTakesNoArguments(t *testing.T) {
	checkErrors(t, map[string]string{"byCost 1": `byCost: "1" is one argument too many (usage: byCost)`})
}

func TestAddPrediction(t *testing.T) {
	const three = "www1\nwww2 load=0.5 inflight=1 idle=90%\nwww3 load=3 inflight=3 idle=10%"
	for _, sort := range []string{"byLoad", "byBusyChildren", "byCPU"} {
		f := candidacytest.Cluster(three)
		c := candidacytest.Chain(candidacy.Builtin(), sort, "addPrediction")
		got := ""
		for range 4 {
			req := candidacytest.Request(f)
			m := c.Select(req, c.AppendCandidates(nil, req, nil))[0]
			if !req.Predict {
				t.Fatal("nothing is to be predicted")
			}
			m.Live.Predict(m.Node.Sequence) // as who hands the request on does
			got += m.Name + " "
		}
		// A host with one CPU is not idle at all once it has a request.
		want := map[string]string{
			"byLoad": "www1 www2 www1 www2 ", "byBusyChildren": "www1 www1 www2 www1 ", "byCPU": "www1 www2 www3 www1 ",
		}[sort]
		if got != want {
			t.Errorf("%s: %s, want %s", sort, got, want)
		}
		for _, m := range f.Members {
			m.Node.Sequence++ // the next beat has come
		}
		if got := ordered(t, f, 1, sort); got != "www1 www2 www3" {
			t.Errorf("%s: after the next beat the order is %s", sort, got)
		}
	}
}

func TestAddPredictionMayStandAnywhere(t *testing.T) {
	checkRows(t, []row{
		{"it changes no order", "www2\nwww1", []string{"addPrediction"}, "www1 www2"},
		{"it may stand first", "www1 load=1\nwww2", []string{"addPrediction", "byLoad"}, "www2 www1"},
		{"it may stand in the middle", "www1 load=1\nwww2", []string{"byLoad", "addPrediction", "byLogWindow"}, "www2"},
	})
	for _, chain := range [][]string{{"addPrediction", "byLoad"}, {"byLoad", "addPrediction"}} {
		req := candidacytest.Request(candidacytest.Cluster("www1"))
		selectFrom(req, chain...)
		if !req.Predict {
			t.Errorf("%q predicts nothing", chain)
		}
	}
	req := candidacytest.Request(candidacytest.Cluster("www1"))
	if selectFrom(req, "byLoad"); req.Predict {
		t.Error("byLoad alone predicts")
	}
	checkErrors(t, map[string]string{"addPrediction 1": `addPrediction: "1" is one argument too many (usage: addPrediction)`})
}

func Example_byCost() {
	explain("www1 mem=45% load=0.31 speed=50\nwww2 mem=90% load=3 speed=100 predicted=1\nwww3 load=1\nphysical app1", "byCost")
	// Output:
	// byCost
	//   www1 (cost 3.11: n 4, memory 45%, load 0.31, speed 50%, mark 4)
	//   www3 (cost 5.41: n 4, memory 100%, load 1.00, speed 100%, mark 4)
	//   www2 (cost 7.48: n 4, memory 90%, load 3.00 + 1 predicted, speed 100%, mark 4)
	//   app1 (cost unknown)
}

func Example_addPrediction() {
	explain("www1 load=0.2 predicted=3\nwww2 load=0.31 idle=80% cpus=4", "byLoad", "addPrediction")
	// Output:
	// byLoad
	//   www2 (load 0.31)
	//   www1 (load 0.20 + 3 predicted)
	// addPrediction
	//   www2
	//   www1 (3 since its beat)
}
