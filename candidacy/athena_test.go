package candidacy_test

import (
	"fmt"
	"strings"
	"testing"

	"backhand/candidacy"
	"backhand/candidacy/candidacytest"
	"backhand/gossip/node"
)

// standings are all that a physical may be, of the three states that mod_athena keeps apart.
func standings() []string {
	var all []string
	for i := range 8 {
		words := []string{}
		for bit, word := range []string{"off", "down=fire", "out"} {
			if i&(1<<bit) != 0 {
				words = append(words, word)
			}
		}
		all = append(all, strings.Join(words, " "))
	}
	return all
}

// athenaFarm returns a farm with a physical of each standing, the only fit one first, and the names of the others. All of them
// look as good as can be: idle, quick, labelled.
func athenaFarm() (text string, unfit map[string]bool) {
	var b strings.Builder
	unfit = map[string]bool{}
	for i, s := range standings() {
		name := fmt.Sprintf("app%d", i+1)
		unfit[name] = s != ""
		fmt.Fprintf(&b, "physical %s url=http://10.0.9.%d capacity=9 label=disk=ssd stat.queue=0 latency=1ms %s\n", name, i+1, s)
	}
	return b.String(), unfit
}

// athenaChains are each function that there is, alone, and some that insist on a member.
func athenaChains() [][]string {
	chains := [][]string{
		{candidacy.Auto},
		{"byStat stat.queue asc"},
		{"byExpr stat(\"queue\") < 1", "byRandom"},
		{"bySession", "addSession"},
		{"off", "addSelf"},
		{"byHash cookie:PHPSESSID"},
		seedChain(),
	}
	for _, s := range candidacy.Builtin().Specs() {
		chains = append(chains, []string{s.Example})
	}
	return chains
}

// mod_athena: each negative state alone makes a physical unavailable, whatever the algorithm and the client want.
func TestAthena09APhysicalThatIsOffOrDownOrOutIsNeverChosen(t *testing.T) {
	physicals, unfit := athenaFarm()
	for _, farm := range []struct {
		name, text string
		nobody     bool // the farm itself is off or down
	}{
		{"physicals alone", physicals, false},
		{"beside nodes", "self www1 load=3\nwww2 stat.queue=5 state=draining\n" + physicals, false},
		{"in a farm that is off", "self www1\n" + physicals + "farm web off", true},
		{"in a farm that is down", "self www1\n" + physicals + "farm web down=flood", true},
	} {
		t.Run(farm.name, func(t *testing.T) {
			chosen := map[string]int{}
			for _, steps := range athenaChains() {
				for _, m := range chosenBy(t, farm.text, steps) {
					chosen[m.Name]++
					if unfit[m.Name] || farm.nobody {
						t.Errorf("%q leaves %s", steps, m.Name)
					}
				}
			}
			if (chosen["app1"] > 0) == farm.nobody {
				t.Errorf("app1, which is on, up and in, was left %d times", chosen["app1"])
			}
		})
	}
}

// chosenBy returns all whom a chain leaves of a farm in any of many requests, those included that insist on a member, and those
// that ask once more when a member has failed; once ahead of the requests and once not.
func chosenBy(t *testing.T, text string, steps []string) []*node.Member {
	t.Helper()
	var all []*node.Member
	for _, ahead := range []bool{false, true} {
		f := candidacytest.Cluster(text)
		c := candidacytest.Chain(candidacy.Builtin(), steps...)
		if ahead {
			c.Prepare(f, candidacytest.Now())
		}
		for seed, m := range f.Members {
			req := candidacytest.Request(f)
			req.Rand = candidacytest.Rand(uint64(seed))
			req.Fields = insistingOn(req, m)
			for _, tried := range [][]*node.Member{nil, f.Candidates[:min(1, len(f.Candidates))]} {
				all = append(all, c.Select(req, c.AppendCandidates(nil, req, tried))...)
			}
		}
	}
	return all
}

// insistingOn returns what a client sends whose session belongs to the member, by its address and by its mark.
func insistingOn(req *candidacy.Request, m *node.Member) candidacytest.Fields {
	addr, _ := m.Addr()
	plain := fmt.Sprintf("%x", addr.AsSlice())
	asked := candidacytest.Request(req.Farm)
	candidacytest.Step(candidacy.Builtin(), "addSession PHPSESSID").Run(asked, nil)
	marked, _, _ := strings.Cut(asked.Session.Line(asked, m), ";")
	return candidacytest.Fields{Cookie: []string{"PHPSESSID=" + plain, marked}}
}
