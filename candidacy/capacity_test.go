package candidacy_test

import (
	"math"
	"slices"
	"testing"

	"backhand/candidacy"
	"backhand/candidacy/candidacytest"
	"backhand/gossip/node"
)

// manyRequests is how many are decided where chance decides.
const manyRequests = 4000

// shares returns which part of many requests each member is chosen for, and fails if Explain disagrees.
func shares(t *testing.T, f *node.Farm, steps ...string) map[string]float64 {
	t.Helper()
	c := candidacytest.Chain(candidacy.Builtin(), steps...)
	req := candidacytest.Request(f)
	all := map[string]float64{}
	buf := make([]*node.Member, 0, len(f.Candidates)+1)
	for range manyRequests {
		all[c.Select(req, candidacy.AppendCandidates(buf, req, nil))[0].Name] += 1. / manyRequests
	}
	for seed := range uint64(50) {
		ordered(t, f, seed, steps...)
	}
	return all
}

// checkShares tests that members are chosen for those parts of the requests, by five standard deviations.
func checkShares(t *testing.T, f *node.Farm, want map[string]float64, steps ...string) {
	t.Helper()
	got := shares(t, f, steps...)
	for _, m := range f.Candidates {
		if diff := math.Abs(got[m.Name] - want[m.Name]); diff > 5*math.Sqrt(want[m.Name]*(1-want[m.Name])/manyRequests) {
			t.Errorf("%q chooses %s for %.3f of the requests, want %.3f", steps, m.Name, got[m.Name], want[m.Name])
		}
	}
}

func TestByCapacity(t *testing.T) {
	for _, row := range []struct {
		name, cluster string
		want          map[string]float64
	}{
		{"slots and rate count alike", "www1 slots=4 mu=10\nwww2 slots=2 mu=20\nwww3 slots=2 mu=10", map[string]float64{"www1": 0.4, "www2": 0.4, "www3": 0.2}},
		{"who has more slots gets more", "www1 slots=1 mu=5\nwww2 slots=9 mu=5", map[string]float64{"www1": 0.1, "www2": 0.9}},
		{"a rate that is not known is the median", "www1 mu=10\nwww2\nwww3 mu=10", map[string]float64{"www1": 1. / 3, "www2": 1. / 3, "www3": 1. / 3}},
		{"without any rate the slots count", "www1 slots=3\nwww2 slots=1", map[string]float64{"www1": 0.75, "www2": 0.25}},
		{"a physical has the capacity in the file", "physical app1 capacity=3\nwww1 slots=1 mu=7", map[string]float64{"app1": 0.75, "www1": 0.25}},
		{"a physical without one counts as one slot", "physical app1\nphysical app2 capacity=3", map[string]float64{"app1": 0.25, "app2": 0.75}},
		{"its weight multiplies that", "physical app1 capacity=2 weight=1.5\nphysical app2 weight=3\nwww1 slots=2", map[string]float64{"app1": 0.375, "app2": 0.375, "www1": 0.25}},
		{"requests under way do not count", "www1 inflight=99\nwww2", map[string]float64{"www1": 0.5, "www2": 0.5}},
	} {
		t.Run(row.name, func(t *testing.T) { checkShares(t, candidacytest.Cluster(row.cluster), row.want, "byCapacity") })
	}
}

// Not only the first is drawn by weight: of those that are left, the next is.
func TestByCapacityShufflesAll(t *testing.T) {
	f := candidacytest.Cluster("www1 slots=6\nwww2 slots=3\nwww3 slots=1")
	second := map[string]int{}
	const requests = 3000
	for seed := range uint64(requests) {
		got := ordered(t, f, seed, "byCapacity")
		second[got[5:9]]++
	}
	// The second is www2 if www1 was the first and it came before www3, or the other way round.
	want := 0.6*3/4 + 0.1*3/9
	if got := float64(second["www2"]) / requests; math.Abs(got-want) > 5*math.Sqrt(want*(1-want)/requests) {
		t.Errorf("www2 was the second for %.3f of the requests, want %.3f", got, want)
	}
}

func TestByCapacityBearsNonsense(t *testing.T) {
	f := candidacytest.Cluster("www1 slots=1e15 mu=1e15\nwww2\nwww3")
	f.Members[1].Service.Mu = math.NaN()
	f.Members[2].Service.Slots = math.Inf(1)
	if got := sorted(selectFrom(candidacytest.Request(f), "byCapacity")); !slices.Equal(got, []string{"www1", "www2", "www3"}) {
		t.Errorf("left %q", got)
	}
	checkErrors(t, map[string]string{"byCapacity 1": `byCapacity: "1" is one argument too many (usage: byCapacity)`})
}

func TestByWater(t *testing.T) {
	for _, row := range []struct {
		name, cluster, step string
		want                map[string]float64
	}{
		{
			// 10 under way and 10 to come on two alike: 10 each, of which they have 8 and 2.
			"the emptier gets what it lacks", "www1 mu=10 inflight=8 arrivals=5\nwww2 mu=10 inflight=2 arrivals=5", "byWater",
			map[string]float64{"www1": 0.2, "www2": 0.8},
		},
		{
			// Level (10+30)/20 = 2 s: 20 each.
			"who looks further ahead evens out later", "www1 mu=10 inflight=8 arrivals=5\nwww2 mu=10 inflight=2 arrivals=5", "byWater 3",
			map[string]float64{"www1": 0.4, "www2": 0.6},
		},
		{
			"the interval counts", "www1 mu=10 inflight=8 arrivals=5 interval=3s\nwww2 mu=10 inflight=2 arrivals=5 interval=3s", "byWater 1",
			map[string]float64{"www1": 0.4, "www2": 0.6},
		},
		{
			// Level (6+6)/(30+10) = 0.3 s: 9 and 3.
			"who can do more may have more", "www1 slots=3 mu=10 inflight=6 arrivals=3\nwww2 slots=1 mu=10 inflight=0 arrivals=3", "byWater",
			map[string]float64{"www1": 0.5, "www2": 0.5},
		},
		{
			"who is above the level gets nothing", "www1 mu=10 inflight=20\nwww2 mu=10\nwww3 mu=10", "byWater 0",
			map[string]float64{"www2": 0.5, "www3": 0.5},
		},
		{
			"without any figures it is byCapacity", "www1 slots=3\nwww2 slots=1", "byWater",
			map[string]float64{"www1": 0.75, "www2": 0.25},
		},
		{
			"if nobody is below the level it is byCapacity", "www1 slots=3 inflight=3\nwww2 slots=1 inflight=1", "byWater 0",
			map[string]float64{"www1": 0.75, "www2": 0.25},
		},
		{
			// The level is that of www1, 1 s: 10 and 10, of which app1 has 5.
			"of a physical our own requests count", "www1 mu=10 inflight=0 arrivals=10\nphysical app1 outstanding=5", "byWater",
			map[string]float64{"www1": 10. / 15, "app1": 5. / 15},
		},
	} {
		t.Run(row.name, func(t *testing.T) { checkShares(t, candidacytest.Cluster(row.cluster), row.want, row.step) })
	}
}

func TestByWaterCountsErrorsAsUnderWay(t *testing.T) {
	// 10 to come on two alike: 5 each, of which www1 has 3 that failed.
	const two = "www1 mu=10 arrivals=5 errors=3\nwww2 mu=10 arrivals=5"
	checkShares(t, candidacytest.Cluster(two), map[string]float64{"www1": 2. / 7, "www2": 5. / 7}, "byError 5s", "byWater")
	checkShares(t, candidacytest.Cluster(two), map[string]float64{"www1": 0.5, "www2": 0.5}, "byWater")
}

func TestByWaterDecidesAlikeAheadOfTheRequests(t *testing.T) {
	const text = "old age=9s inflight=50\nwww1 mu=10 inflight=8 arrivals=5\nwww2 mu=10 inflight=2 arrivals=5\nwww3 mu=10"
	plain, ahead := candidacytest.Cluster(text), candidacytest.Cluster(text)
	c := candidacytest.Chain(candidacy.Builtin(), "byAge 6", "byWater")
	c.Prepare(ahead, candidacytest.Now())
	for seed := range uint64(200) {
		var got [2]string
		for i, f := range []*node.Farm{plain, ahead} {
			req := candidacytest.Request(f)
			req.Rand = candidacytest.Rand(seed)
			got[i] = c.Select(req, c.AppendCandidates(nil, req, nil))[0].Name
		}
		if got[0] != got[1] {
			t.Fatalf("%s, and prepared %s", got[0], got[1])
		}
	}
}

func TestByWaterRefusesBadHorizons(t *testing.T) {
	checkErrors(t, map[string]string{
		"byWater x":    `byWater: H is "x", want a number from 0 to 1e9 (usage: byWater [H])`,
		"byWater -1":   `byWater: H is "-1", want a number from 0 to 1e9 (usage: byWater [H])`,
		"byWater 1001": `byWater: H is 1001, want at most 1000 beats (usage: byWater [H])`,
		"byWater 1 2":  `byWater: "2" is one argument too many (usage: byWater [H])`,
	})
}

func Example_byCapacity() {
	explain("www1 slots=4 mu=10\nwww2 slots=2\nphysical app1 capacity=8", "byCapacity")
	// Unordered output:
	// byCapacity
	//   www1 (40/s: 4 slots, 10/s each)
	//   www2 (20/s: 2 slots, 10/s each)
	//   app1 (80/s: 8 slots, 10/s each)
}

func Example_byWater() {
	explain("www1 slots=4 mu=10 inflight=8 arrivals=30\nwww2 slots=2 mu=10 inflight=1 arrivals=15", "byWater")
	// Unordered output:
	// byWater
	//   www1 (room 28: 4 slots, 10/s each, level 0.9s, 8 under way)
	//   www2 (room 17: 2 slots, 10/s each, level 0.9s, 1 under way)
}
