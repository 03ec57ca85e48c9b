package candidacy_test

import (
	"fmt"
	"slices"
	"testing"

	"backhand/candidacy"
	"backhand/candidacy/candidacytest"
	"backhand/gossip/node"
)

// A row says which members of a cluster a chain of steps leaves, in which order.
type row struct {
	name    string // a sentence
	cluster string
	chain   []string
	want    string
}

// checkRows runs the chains on all candidates of their clusters.
func checkRows(t *testing.T, rows []row) {
	t.Helper()
	for _, r := range rows {
		t.Run(r.name, func(t *testing.T) {
			got := ""
			if f := candidacytest.Cluster(r.cluster); len(f.Candidates) > 0 {
				got = ordered(t, f, 1, r.chain...)
			}
			if got != r.want {
				t.Errorf("%q leaves %q, want %q", r.chain, got, r.want)
			}
		})
	}
}

// selectFrom runs the steps on the request's candidates.
func selectFrom(req *candidacy.Request, steps ...string) []*node.Member {
	c := candidacytest.Chain(candidacy.Builtin(), steps...)
	return c.Select(req, candidacy.AppendCandidates(nil, req, nil))
}

// checkErrors tests that each step is refused with that error.
func checkErrors(t *testing.T, wants map[string]string) {
	t.Helper()
	for step, want := range wants {
		t.Run(step, func(t *testing.T) {
			_, err := candidacy.Builtin().Step(step)
			if err == nil || err.Error() != want {
				t.Errorf("got  %v\nwant %s", err, want)
			}
		})
	}
}

// explain prints what each step of a chain leaves and drops of a cluster, for the examples.
func explain(cluster string, steps ...string) {
	explainRequest(candidacytest.Request(candidacytest.Cluster(cluster)), steps...)
}

func explainRequest(req *candidacy.Request, steps ...string) {
	c := candidacytest.Chain(candidacy.Builtin(), steps...)
	for _, st := range c.Explain(req, candidacy.AppendCandidates(nil, req, nil)) {
		fmt.Println(st.Step)
		for _, m := range st.Kept {
			printMark("  ", m)
		}
		for _, m := range st.Dropped {
			printMark("  dropped ", m)
		}
	}
}

func printMark(lead string, m candidacy.Mark) {
	if m.Note == "" {
		fmt.Println(lead + m.Member.Name)
		return
	}
	fmt.Printf("%s%s (%s)\n", lead, m.Member.Name, m.Note)
}

// sorted returns the members' names in alphabetical order, where their own order is left to chance.
func sorted(members []*node.Member) []string {
	names := make([]string, len(members))
	for i, m := range members {
		names[i] = m.Name
	}
	slices.Sort(names)
	return names
}
