package candidacy_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"backhand/candidacy"
	"backhand/candidacy/candidacytest"
	"backhand/gossip/node"
)

// said is what a member has said of its load, how long ago, and with how many requests of our own under way there.
type said struct {
	member        string
	n, slots, mu  float64
	own           int
	ago           time.Duration
	begun, failed int // requests of ours since then
}

// tell lets members have said so.
func tell(f *node.Farm, all ...said) {
	for _, s := range all {
		l := candidacytest.Member(f, s.member).Live
		for range s.own {
			l.Start()
		}
		l.Heard(node.Load{InFlight: s.n, Slots: s.slots, Mu: s.mu}, candidacytest.Now().Add(-s.ago))
		for range s.begun {
			l.Start()
		}
		for range s.failed {
			l.Fail(candidacytest.Now())
		}
	}
}

// ordered returns the order in which a chain leaves the farm, and fails if a request would not go to the first of it.
func ordered(t *testing.T, f *node.Farm, seed uint64, steps ...string) string {
	t.Helper()
	c := candidacytest.Chain(candidacy.Builtin(), steps...)
	req := candidacytest.Request(f)
	req.Rand = candidacytest.Rand(seed)
	stages := c.Explain(req, candidacy.AppendCandidates(nil, req, nil))
	var names []string
	for _, k := range stages[len(stages)-1].Kept {
		names = append(names, k.Member.Name)
	}
	req.Rand = candidacytest.Rand(seed)
	got := c.Select(req, c.AppendCandidates(nil, req, nil))
	if len(got) != len(names) || len(got) > 0 && got[0].Name != names[0] {
		t.Errorf("%q leaves %q, and explains that it leaves %q", steps, candidacytest.Names(got), names)
	}
	return strings.Join(names, " ")
}

func TestByTraffic(t *testing.T) {
	nodes := "www1 slots=4 mu=10\nwww2 slots=4 mu=10"
	for _, row := range []struct {
		name, cluster string
		said          []said
		change        func(f *node.Farm)
		step          string
		want          string
	}{
		{
			name: "who said that it is less busy comes first", cluster: nodes + "\nwww3 slots=4 mu=10",
			said: []said{{"www1", 7, 4, 10, 0, 0, 0, 0}, {"www2", 5, 4, 10, 0, 0, 0, 0}, {"www3", 6, 4, 10, 0, 0, 0, 0}},
			want: "www2 www3 www1",
		},
		{
			name: "one's own requests since then count", cluster: nodes,
			said: []said{{"www1", 5, 4, 10, 0, 0, 2, 0}, {"www2", 6, 4, 10, 0, 0, 0, 0}}, want: "www2 www1",
		},
		{
			name: "those that were under way then are in what it said", cluster: nodes,
			said: []said{{"www1", 5, 4, 10, 5, 0, 0, 0}, {"www2", 6, 4, 10, 0, 0, 0, 0}}, want: "www1 www2",
		},
		{
			name: "never fewer are under way than one's own", cluster: nodes,
			said: []said{{"www1", 1, 4, 10, 9, 0, 0, 0}, {"www2", 6, 4, 10, 0, 0, 0, 0}}, want: "www2 www1",
		},
		{
			name: "one of ten fronts counts each new request of its own ten times", cluster: nodes,
			said:   []said{{"www1", 5, 4, 10, 0, 0, 1, 0}, {"www2", 9, 4, 10, 0, 0, 0, 0}},
			change: func(f *node.Farm) { f.Share = 0.1 }, want: "www2 www1",
		},
		{
			name: "also one that it began while another was under way that has answered", cluster: nodes,
			said:   []said{{"www1", 5, 4, 10, 2, 0, 1, 0}, {"www2", 9, 4, 10, 0, 0, 0, 0}},
			change: func(f *node.Farm) { f.Share = 0.1; candidacytest.Member(f, "www1").Live.End() }, want: "www2 www1",
		},
		{
			name: "and not those that are over", cluster: nodes,
			said:   []said{{"www1", 5, 4, 10, 0, 0, 1, 0}, {"www2", 9, 4, 10, 0, 0, 0, 0}},
			change: func(f *node.Farm) { f.Share = 0.1; candidacytest.Member(f, "www1").Live.End() }, want: "www1 www2",
		},
		{
			name: "the only front counts it once", cluster: nodes,
			said:   []said{{"www1", 5, 4, 10, 0, 0, 1, 0}, {"www2", 9, 4, 10, 0, 0, 0, 0}},
			change: func(f *node.Farm) { f.Share = 1 }, want: "www1 www2",
		},
		{
			name: "a weight may be given", cluster: nodes, step: "byTraffic 0.75 3 10",
			said: []said{{"www1", 5, 4, 10, 0, 0, 1, 0}, {"www2", 9, 4, 10, 0, 0, 0, 0}}, want: "www2 www1",
		},
		{
			name: "more slots bear more", cluster: nodes,
			said: []said{{"www1", 12, 16, 10, 0, 0, 0, 0}, {"www2", 5, 4, 10, 0, 0, 0, 0}}, want: "www1 www2",
		},
		{
			name: "a fast one comes before a slow one while slots are free", cluster: nodes,
			said: []said{{"www1", 0, 4, 5, 0, 0, 0, 0}, {"www2", 2, 4, 15, 0, 0, 0, 0}}, want: "www2 www1",
		},
		{
			name: "a slow one with a free slot comes before a fast one with a queue", cluster: nodes,
			said: []said{{"www1", 1, 4, 5, 0, 0, 0, 0}, {"www2", 7, 4, 15, 0, 0, 0, 0}}, want: "www1 www2",
		},
		{
			name: "what was said a minute ago counts half", cluster: nodes,
			said: []said{{"www1", 50, 4, 10, 0, time.Minute, 0, 0}, {"www2", 30, 4, 10, 0, 0, 0, 0}}, want: "www1 www2",
		},
		{
			name: "one that said nothing is taken to be as busy as the others", cluster: nodes + "\nwww3 slots=4 mu=10",
			said:   []said{{"www1", 2, 4, 10, 0, 0, 0, 0}, {"www3", 20, 4, 10, 0, 0, 0, 0}},
			change: func(f *node.Farm) { f.Level = 0.2 }, want: "www1 www2 www3", // 8 under way, give or take
		},
		{
			name: "the rate is that of the newest beat if nothing was said for ten seconds", cluster: "www1 slots=4 mu=1\nwww2 slots=4 mu=10",
			said: []said{{"www1", 3, 4, 100, 0, 11 * time.Second, 0, 0}, {"www2", 3, 4, 10, 0, 0, 0, 0}}, want: "www2 www1",
		},
		{
			name:    "of physicals the one with the fewest of our own requests comes first",
			cluster: "physical a outstanding=3\nphysical b outstanding=1\nphysical c outstanding=2", want: "b c a",
		},
		{
			name:    "a physical of more capacity bears more",
			cluster: "physical a capacity=8 outstanding=4\nphysical b capacity=4 outstanding=3", want: "a b",
		},
		{
			name:    "and so does one of more weight",
			cluster: "physical a capacity=4 weight=2 outstanding=4\nphysical b capacity=4 outstanding=3", want: "a b",
		},
		{
			name: "errors count after byError", cluster: nodes, step: "byError 5s,byTraffic",
			said: []said{{"www1", 4, 4, 10, 0, 0, 0, 3}, {"www2", 6, 4, 10, 0, 0, 0, 0}}, want: "www2 www1",
		},
		{
			name: "and not without", cluster: nodes,
			said: []said{{"www1", 4, 4, 10, 0, 0, 0, 3}, {"www2", 6, 4, 10, 0, 0, 0, 0}}, want: "www1 www2",
		},
	} {
		t.Run(row.name, func(t *testing.T) {
			f := candidacytest.Cluster(row.cluster)
			tell(f, row.said...)
			if row.change != nil {
				row.change(f)
			}
			steps := []string{"byTraffic"}
			if row.step != "" {
				steps = strings.Split(row.step, ",")
			}
			for seed := range uint64(20) {
				if got := ordered(t, f, seed, steps...); got != row.want {
					t.Fatalf("order %s, want %s", got, row.want)
				}
			}
		})
	}
}

func TestByTrafficBreaksTiesAtRandom(t *testing.T) {
	f := candidacytest.Cluster("physical a\nphysical b\nphysical c")
	seen := map[string]int{}
	for seed := range uint64(600) {
		seen[ordered(t, f, seed, "byTraffic")]++
	}
	for order, n := range seen {
		if n < 60 || n > 140 {
			t.Errorf("%s came %d times of 600", order, n)
		}
	}
	if len(seen) != 6 {
		t.Errorf("%d of 6 orders", len(seen))
	}
}

// A guess is the same on all nodes, so that it must not decide the same everywhere.
func TestByTrafficDoesNotTrustAGuess(t *testing.T) {
	f := candidacytest.Cluster("www1 slots=4 mu=10\nwww2 slots=4 mu=11\nwww3 slots=4 mu=12")
	f.Level = 0.05
	seen := map[string]int{}
	for seed := range uint64(300) {
		first, _, _ := strings.Cut(ordered(t, f, seed, "byTraffic"), " ")
		seen[first]++
	}
	if seen["www1"] < 10 || seen["www2"] < 40 || seen["www3"] < seen["www1"] {
		t.Errorf("first came %v", seen)
	}
}

func TestByTrafficArguments(t *testing.T) {
	const usage = " (usage: byTraffic [A [G [WEIGHT]]])"
	checkErrors(t, map[string]string{
		"byTraffic x":         `byTraffic: A is "x", want a number from 0 to 1e9` + usage,
		"byTraffic 2":         "byTraffic: A is 2, want a number from 0 to 1" + usage,
		"byTraffic 0.5 0.5":   `byTraffic: G is "0.5", want a number from 1 to 1e9` + usage,
		"byTraffic 0.5 3 0":   `byTraffic: WEIGHT is "0", want a number from 1 to 1e9` + usage,
		"byTraffic 0.5 3 1 1": `byTraffic: "1" is one argument too many` + usage,
		"byError 0":           `byError: SECONDS is "0", want seconds (5) or a duration (500ms), above 0, at most 1m0s (usage: byError [SECONDS])`,
		"byError 61":          `byError: SECONDS is "61", want seconds (5) or a duration (500ms), above 0, at most 1m0s (usage: byError [SECONDS])`,
		"bySubset 0":          `bySubset: K is "0", want a whole number from 1 to 1000000000 (usage: bySubset [K])`,
		"orElse 9":            "orElse: HOPS is 9, want at most 8 (usage: orElse [HOPS [KAPPA]])",
		"orElse 2 -1":         `orElse: KAPPA is "-1", want a number from 0 to 1e9 (usage: orElse [HOPS [KAPPA]])`,
	})
}

func ExampleBuiltin_auto() {
	f := candidacytest.Cluster("www1 slots=4 mu=20 inflight=3\nwww2 slots=4 mu=10 inflight=5\nwww3 age=7s")
	tell(f, said{"www1", 5, 4, 20, 1, 50 * time.Millisecond, 1, 0}, said{"www2", 3, 4, 10, 0, 0, 0, 1})
	explainRequest(candidacytest.Request(f), "auto")
	// Output:
	// byAge 6b
	//   www1 (age 0s)
	//   www2 (age 0s)
	//   dropped www3 (older than 6b: age 7s)
	// byError 5s
	//   www1
	//   www2 (1 failed)
	// bySubset 64
	//   www1 (hash d2de)
	//   www2 (hash fbb8)
	// byTraffic
	//   www2 (cost 0.195, 4 busy of 4, 10/s a slot, heard 0s ago)
	//   www1 (cost 0.268, 6 busy of 4, 20/s a slot, heard 50ms ago)
	// orElse 2
	//   www2 (may refuse above 5 under way)
	//   www1 (may refuse above 6.3 under way)
}

func TestOrElse(t *testing.T) {
	busy := func(n int) string { return fmt.Sprintf("www1 slots=4 mu=10 inflight=%d\n", n) }
	for _, row := range []struct {
		name, cluster string
		said          []said
		step          string
		limit         float64
		hops          int
	}{
		{"the limit is what half of the members have", busy(9) + "www2 slots=4 mu=10 inflight=9\nwww3 slots=4 mu=10 inflight=20", nil, "orElse", 9, 2},
		{"a slow member may have fewer", "www1 slots=4 mu=1.25 inflight=9\nwww2 slots=4 mu=10 inflight=8\nwww3 slots=4 mu=10 inflight=8", nil, "orElse", 4, 2},
		{"nobody refuses while a slot is free", busy(0) + "www2 slots=4 mu=10\nwww3 slots=4 mu=10", nil, "orElse", 3, 2},
		{"a greater kappa allows more", busy(8), nil, "orElse 3 8", 16, 3},
		{"slots and rate are those that the member said last", busy(8), []said{{"www1", 1, 8, 80, 0, 0, 0, 0}}, "orElse", 32, 2},
		{"an announcer that is no agent never refuses", "physical a", nil, "orElse", 0, 0},
		{"nor does this host itself", "self " + busy(8), nil, "orElse", 0, 0},
		{"nor one in a farm of which nothing is known", "www1 slots=4", nil, "orElse", 0, 0},
	} {
		t.Run(row.name, func(t *testing.T) {
			f := candidacytest.Cluster(row.cluster)
			tell(f, row.said...)
			for _, ahead := range []bool{false, true} {
				c := candidacytest.Chain(candidacy.Builtin(), "byHostname .", row.step)
				req := candidacytest.Request(f)
				if ahead {
					c.Prepare(f, req.Now)
				}
				c.Select(req, c.AppendCandidates(nil, req, nil))
				if req.Hops != row.hops || req.Limit < row.limit-1e-5 || req.Limit > row.limit+1e-5 {
					t.Errorf("ahead %v: limit %v, hops %d, want %v, %d", ahead, req.Limit, req.Hops, row.limit, row.hops)
				}
			}
		})
	}
}

// Of members that say nothing, auto chooses as a balancer by least connections would, for each slot: one front knows no
// more of them.
func TestAutoIsLeastConnectionsForPhysicals(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var text strings.Builder
		for i := range rapid.IntRange(1, 12).Draw(t, "members") {
			fmt.Fprintf(&text, "physical app%d outstanding=%d capacity=%d\n", i,
				rapid.IntRange(0, 9).Draw(t, "own"), rapid.SampledFrom([]int{0, 1, 4, 8}).Draw(t, "capacity"))
		}
		f := candidacytest.Cluster(text.String())
		f.Share = 1
		relative := func(m *node.Member) float64 { return float64(m.Live.Outstanding()+1) / m.Slots() }
		first := selectFrom(candidacytest.Request(f), candidacy.Auto)[0]
		for _, m := range f.Members {
			if relative(m) < relative(first) {
				t.Errorf("%s with %v for each slot is chosen before %s with %v", first.Name, relative(first), m.Name, relative(m))
			}
		}
	})
}
