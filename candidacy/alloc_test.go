package candidacy_test

import (
	"fmt"
	"runtime/debug"
	"slices"
	"strings"
	"testing"

	"backhand/candidacy"
	"backhand/candidacy/candidacytest"
	"backhand/gossip/node"
)

// hundred returns a farm of a hundred members, one of them self, some of them silent.
func hundred() *node.Farm {
	var b strings.Builder
	b.WriteString("self www000\n")
	for i := range 99 {
		fmt.Fprintf(&b, "www%03d load=%d idle=%d%% age=%dms\n", i+1, i%7, i, 80*i)
	}
	return candidacytest.Cluster(b.String())
}

// seedChain is that of the ancestor's documents.
func seedChain() []string {
	return []string{"removeSelf", "byAge 6", "byRandom", "byLogWindow", "byLoad"}
}

// raceDetector reports whether it is on: a sync.Pool then forgets at random.
func raceDetector() bool {
	info, _ := debug.ReadBuildInfo()
	return slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"})
}

func TestDecisionsDoNotAllocate(t *testing.T) {
	race := raceDetector()
	f := hundred()
	chains := [][]string{seedChain(), candidacy.DefaultChain()}
	for _, s := range candidacy.Builtin().Specs() {
		// Package regexp uses a sync.Pool, which forgets at random under the race detector; of expressions, see
		// TestByExprAllocatesLittle.
		if s.Name != "byHostname" && s.Name != "byExpr" {
			chains = append(chains, []string{s.Example})
		}
	}
	for _, steps := range chains {
		c := candidacytest.Chain(candidacy.Builtin(), steps...)
		req := candidacytest.Request(f)
		buf := make([]*node.Member, 0, len(f.Candidates)+1)
		n := testing.AllocsPerRun(20, func() { c.Select(req, candidacy.AppendCandidates(buf, req, nil)) })
		if n > 0 && !race {
			t.Errorf("%q allocates %v times", steps, n)
		}
	}
}

func BenchmarkSeedChain(b *testing.B) {
	f := hundred()
	c := candidacytest.Chain(candidacy.Builtin(), seedChain()...)
	req := candidacytest.Request(f)
	buf := make([]*node.Member, 0, len(f.Candidates)+1)
	b.ReportAllocs()
	for b.Loop() {
		if len(c.Select(req, candidacy.AppendCandidates(buf, req, nil))) == 0 {
			b.Fatal("nobody is left")
		}
	}
}

func BenchmarkByHostname(b *testing.B) {
	f := hundred()
	c := candidacytest.Chain(candidacy.Builtin(), "byHostname ^www0[0-4]")
	req := candidacytest.Request(f)
	buf := make([]*node.Member, 0, len(f.Candidates)+1)
	b.ReportAllocs()
	for b.Loop() {
		c.Select(req, candidacy.AppendCandidates(buf, req, nil))
	}
}

func BenchmarkAppendCandidates(b *testing.B) {
	for _, late := range []string{"reachable", "unreachable"} {
		b.Run(late, func(b *testing.B) {
			f := hundred()
			for i, m := range f.Candidates {
				if late == "unreachable" && i%2 == 0 {
					m.Live.ConnectFailed(candidacytest.Now())
				}
			}
			req := candidacytest.Request(f)
			buf := make([]*node.Member, 0, len(f.Candidates)+1)
			b.ReportAllocs()
			for b.Loop() {
				candidacy.AppendCandidates(buf, req, nil)
			}
		})
	}
}
