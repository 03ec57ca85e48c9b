package candidacy_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"backhand/candidacy/candidacytest"
	"backhand/gossip/node"
)

// many returns the text of a cluster of so many nodes.
func many(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "www%05d slots=4 mu=10\n", i)
	}
	return b.String()
}

// subset returns who is left by bySubset for a front.
func subset(f *node.Farm, front uint64, share float64, step string) []*node.Member {
	f.Front, f.Share = front, share
	return selectFrom(candidacytest.Request(f), step)
}

func TestBySubset(t *testing.T) {
	f := candidacytest.Cluster(many(200))
	a, b := subset(f, 1, 0.001, "bySubset 64"), subset(f, 2, 0.001, "bySubset 64")
	if len(a) != 64 || len(b) != 64 {
		t.Fatalf("%d and %d of 200, want 64", len(a), len(b))
	}
	if again := subset(f, 1, 0.001, "bySubset 64"); !slices.Equal(a, again) {
		t.Error("the same front gets another subset")
	}
	common := 0
	for _, m := range a {
		if slices.Contains(b, m) {
			common++
		}
	}
	if common < 10 || common > 31 { // 64*64/200 = 20
		t.Errorf("two fronts have %d of 64 in common", common)
	}
	if !slices.IsSortedFunc(a, func(x, y *node.Member) int { return strings.Compare(x.Name, y.Name) }) {
		t.Error("their order is not the one they had")
	}
	if got := subset(f, 1, 0.5, "bySubset 64"); len(got) != 200 {
		t.Errorf("a front with half of all requests keeps %d of 200", len(got))
	}
	if got := subset(f, 1, 0.02, "bySubset 10"); len(got) != 80 {
		t.Errorf("a front with a fiftieth of all requests keeps %d of 200, want 20 times that share: 80", len(got))
	}
	if got := subset(candidacytest.Cluster(many(64)), 1, 0.001, "bySubset"); len(got) != 64 {
		t.Errorf("%d of 64 stay", len(got))
	}
}

// Each member is in about as many subsets as any other, and those of a member that goes are taken over by one more each.
func TestSubsetsAreFairAndStable(t *testing.T) {
	f := candidacytest.Cluster(many(100))
	count := map[*node.Member]int{}
	before := map[uint64][]*node.Member{}
	for front := range uint64(400) {
		got := subset(f, node.Mix(front), 0.001, "bySubset 10")
		before[front] = slices.Clone(got)
		for _, m := range got {
			count[m]++
		}
	}
	for m, n := range count {
		if n < 20 || n > 65 { // 40
			t.Errorf("%s is in %d of 400 subsets", m.Name, n)
		}
	}
	gone := f.Candidates[17]
	f.Candidates = slices.DeleteFunc(f.Candidates, func(m *node.Member) bool { return m == gone })
	for front := range uint64(400) {
		fresh := 0
		for _, m := range subset(f, node.Mix(front), 0.001, "bySubset 10") {
			if !slices.Contains(before[front], m) {
				fresh++
			}
		}
		if had := slices.Contains(before[front], gone); had != (fresh == 1) || fresh > 1 {
			t.Errorf("front %d had the one that is gone: %v, and got %d others", front, had, fresh)
		}
	}
}
