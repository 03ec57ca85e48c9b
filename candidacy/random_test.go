package candidacy_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"backhand/candidacy"
	"backhand/candidacy/candidacytest"
)

// nodes returns the text of n nodes, www1 to wwwN.
func nodes(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "www%d\n", i+1)
	}
	return b.String()
}

func TestByRandomKeepsAll(t *testing.T) {
	for _, n := range []int{0, 1, 2, 9} {
		req := candidacytest.Request(candidacytest.Cluster(nodes(n)))
		if got, want := sorted(selectFrom(req, "byRandom")), sorted(req.Farm.Members); !slices.Equal(got, want) {
			t.Errorf("of %q it makes %q", want, got)
		}
	}
}

func TestByRandomMakesEachOrderAsLikely(t *testing.T) {
	const each = 1000
	f := candidacytest.Cluster(nodes(3))
	req := candidacytest.Request(f)
	count := map[string]int{}
	for range 6 * each {
		count[candidacytest.Names(selectFrom(req, "byRandom"))]++
	}
	if len(count) != 6 {
		t.Errorf("%d orders of 3 members, want 6: %v", len(count), count)
	}
	for order, n := range count {
		if n < each*85/100 || n > each*115/100 { // more than five standard deviations
			t.Errorf("%s came %d times of %d", order, n, 6*each)
		}
	}
}

func TestByLogWindowKeepsTheLogarithm(t *testing.T) {
	for n, want := range map[int]int{
		0: 0, 1: 1, 2: 1, 3: 1, 4: 2, 7: 2, 8: 3, 10: 3, 15: 3, 16: 4, 64: 6, 100: 6,
	} {
		t.Run(fmt.Sprintf("%d of %d", want, n), func(t *testing.T) {
			f := candidacytest.Cluster(nodes(n))
			got := selectFrom(candidacytest.Request(f), "byLogWindow")
			if !slices.Equal(got, f.Candidates[:want]) {
				t.Errorf("kept %q of %q", candidacytest.Names(got), candidacytest.Names(f.Candidates))
			}
		})
	}
}

func TestByRandomBreaksTies(t *testing.T) {
	f := candidacytest.Cluster("www1\nwww2\nwww3\nwww4 load=1")
	req := candidacytest.Request(f)
	first := map[string]int{}
	for range 300 {
		first[selectFrom(req, "byRandom", "byLoad")[0].Name]++
	}
	if len(first) != 3 || first["www4"] > 0 {
		t.Errorf("first were %v, want each of the three that are idle", first)
	}
}

func Example_byRandom() {
	explain("www1\nwww2\nwww3", "byRandom")
	// Unordered output:
	// byRandom
	//   www1
	//   www2
	//   www3
}

func Example_byLogWindow() {
	explain("www1\nwww2\nwww3\nwww4\nwww5", "byLogWindow")
	// Output:
	// byLogWindow
	//   www1
	//   www2
	//   dropped www3 (not among the first log2(n))
	//   dropped www4 (not among the first log2(n))
	//   dropped www5 (not among the first log2(n))
}

func ExampleChain_Select() {
	chain := candidacytest.Chain(candidacy.Builtin(), "removeSelf", "byAge 6", "byRandom", "byLogWindow", "byLoad")
	farm := candidacytest.Cluster("self balancer\nwww1 load=3\nwww2 load=0.5\nwww3 age=9s load=0.1")
	req := candidacytest.Request(farm)
	left := chain.Select(req, candidacy.AppendCandidates(nil, req, nil))
	fmt.Println(len(left), "left, of two that byAge kept")
	// Output: 1 left, of two that byAge kept
}
