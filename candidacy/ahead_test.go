package candidacy_test

import (
	"slices"
	"testing"
	"time"

	"backhand/candidacy"
	"backhand/candidacy/candidacytest"
	"backhand/gossip/node"
)

func TestPreparedChainsDecideAsOthers(t *testing.T) {
	for _, chain := range [][]string{
		{"removeSelf", "byAge 6", "byRandom", "byLogWindow", "byLoad"},
		candidacy.DefaultChain(),
		{"bySubset 5", "byRandom", "byTraffic", "byRandom", "byLogWindow"},
	} {
		text := "self www0 load=1\nold age=7s\n" + many(60)
		plain, ahead := candidacytest.Cluster(text), candidacytest.Cluster(text)
		plain.Front, ahead.Front, plain.Share, ahead.Share = 5, 5, 0.001, 0.001
		a := candidacytest.Chain(candidacy.Builtin(), chain...)
		b := candidacytest.Chain(candidacy.Builtin(), chain...)
		b.Prepare(ahead, candidacytest.Now())
		for seed := range uint64(50) {
			ra, rb := candidacytest.Request(plain), candidacytest.Request(ahead)
			ra.Rand, rb.Rand = candidacytest.Rand(seed), candidacytest.Rand(seed)
			var tried []*node.Member
			if seed%2 == 1 {
				tried = plain.Candidates[10:12]
			}
			x, y := a.Select(ra, a.AppendCandidates(nil, ra, tried)), b.Select(rb, b.AppendCandidates(nil, rb, tried))
			if chain[0] != "bySubset 5" || len(tried) == 0 { // a subset knows nothing of who was tried if it was made before
				if x[0].Name != y[0].Name || ra.Limit != rb.Limit || ra.Hops != rb.Hops {
					t.Errorf("%q: %s with limit %v, prepared %s with %v", chain, x[0].Name, ra.Limit, y[0].Name, rb.Limit)
				}
			}
			for _, m := range y {
				for _, was := range tried {
					if m.Key == was.Key {
						t.Errorf("%q: %s was tried before", chain, m.Name)
					}
				}
			}
		}
		if x, y := a.Dropped(), b.Dropped(); chain[0] == "removeSelf" && !slices.Equal(x, y) {
			t.Errorf("%q: dropped %v, prepared %v", chain, x, y)
		}
	}
}

// thousands returns a farm of that many members that have all said something, as one of a thousand fronts sees it.
func thousands(n int) *node.Farm {
	f := candidacytest.Cluster(many(n))
	f.Front, f.Share, f.Level, f.Mu = 7, 0.001, 0.2, 10
	for i, m := range f.Members {
		m.Live.Heard(node.Load{InFlight: float64(i % 7), Slots: 4, Mu: 10}, candidacytest.Now().Add(-time.Second/2))
	}
	return f
}

// decide returns a decision of a prepared chain, to be repeated.
func decide(f *node.Farm, steps ...string) func() []*node.Member {
	c := candidacytest.Chain(candidacy.Builtin(), steps...)
	req := candidacytest.Request(f)
	c.Prepare(f, req.Now)
	buf := make([]*node.Member, 0, len(f.Candidates)+1)
	return func() []*node.Member { return c.Select(req, c.AppendCandidates(buf, req, nil)) }
}

func TestPreparedDecisionsDoNotAllocate(t *testing.T) {
	for _, chain := range [][]string{seedChain(), candidacy.DefaultChain()} {
		d := decide(thousands(300), chain...)
		if n := testing.AllocsPerRun(20, func() { d() }); n > 0 && !raceDetector() {
			t.Errorf("%q allocates %v times", chain, n)
		}
	}
}

// At most a microsecond.
func BenchmarkAuto64Of1000(b *testing.B) {
	d := decide(thousands(1000), candidacy.Auto)
	if n := len(d()); n != 64 {
		b.Fatalf("%d of 1000 are left", n)
	}
	b.ReportAllocs()
	for b.Loop() {
		d()
	}
}

func BenchmarkSeedChainOf100(b *testing.B) {
	d := decide(hundred(), seedChain()...)
	b.ReportAllocs()
	for b.Loop() {
		d()
	}
}

// At most two milliseconds.
func BenchmarkPrepare10000(b *testing.B) {
	f := thousands(10000)
	c := candidacytest.Chain(candidacy.Builtin(), candidacy.Auto)
	b.ReportAllocs()
	for b.Loop() {
		c.Prepare(f, candidacytest.Now())
	}
}

// A further attempt may leave the zone when all in it were tried.
func TestWhoIsLeftWhenAllPreparedWereTried(t *testing.T) {
	f := candidacytest.Cluster("self www1 zone=a\nwww2 zone=a\nwww3 zone=b")
	c := candidacytest.Chain(candidacy.Builtin(), "removeSelf", "byZone")
	c.Prepare(f, candidacytest.Now())
	left := func(tried ...*node.Member) string {
		req := candidacytest.Request(f)
		return candidacytest.Names(c.Select(req, c.AppendCandidates(nil, req, tried)))
	}
	www2, www3 := candidacytest.Member(f, "www2"), candidacytest.Member(f, "www3")
	if got := left(); got != "www2" {
		t.Errorf("first %s", got)
	}
	if got := left(www2); got != "www3" {
		t.Errorf("then %s", got)
	}
	if got := left(www2, www3); got != "" {
		t.Errorf("in the end %s", got)
	}
}
