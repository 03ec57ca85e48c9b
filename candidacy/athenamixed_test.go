package candidacy_test

import (
	"slices"
	"testing"

	"backhand/candidacy"
	"backhand/candidacy/candidacytest"
	"backhand/gossip/node"
)

// mixedFarm has nodes, which beats tell of, beside physicals, of which is known what is pushed, and what this agent sees itself.
const mixedFarm = `
	self www1 load=1 stat.queue=4
	www2 load=3 age=1s stat.queue=1 stat.a.b=7
	www3 load=2
	www4 state=draining stat.queue=0
	physical app1 stat.queue=3 stat.load1=0 label=gpu latency=5ms
	physical app2 stat.queue=0 outstanding=2 capacity=8 weight=2
	physical app3 unreachable=true errors=3
	physical app4 off=disks stat.queue=0
	physical app5 drain=update stat.queue=0
`

// Whatever a chain is made of, it takes nodes and physicals together: whom it leaves are members of the farm, the very ones, and
// nobody twice. What a step says of each, for people, is said of both kinds.
func TestAthenaEveryFunctionTakesNodesAndPhysicalsTogether(t *testing.T) {
	for _, steps := range athenaChains() {
		for _, ahead := range []bool{false, true} {
			f := candidacytest.Cluster(mixedFarm)
			c := candidacytest.Chain(candidacy.Builtin(), steps...)
			if ahead {
				c.Prepare(f, candidacytest.Now())
			}
			for seed, insisted := range f.Members {
				req := candidacytest.Request(f)
				req.Rand, req.Fields = candidacytest.Rand(uint64(seed)), insistingOn(req, insisted)
				left := c.Select(req, c.AppendCandidates(nil, req, nil))
				seen := map[*node.Member]bool{}
				for _, m := range left {
					if seen[m] || !slices.Contains(f.Members, m) {
						t.Errorf("%q leaves %s, with %s twice, or one that is no member", steps, candidacytest.Names(left), m.Name)
					}
					seen[m] = true
				}
				if told := c.Explain(req, candidacy.AppendCandidates(nil, req, nil)); len(told) < len(steps) {
					t.Errorf("%q is explained by %d lines", steps, len(told))
				}
			}
		}
	}
}

// What is pushed of physicals orders them, and among nodes of which the same is pushed.
func TestAthenaFunctionsThatOrderByAPushedFigureOrderPhysicals(t *testing.T) {
	checkRows(t, []row{
		{
			"byStat sorts both kinds by it, those last of which it is not pushed", mixedFarm,
			[]string{"byStat stat.queue"},
			"app2 www2 app1 www1 www3 app3",
		},
		{"or the highest first, those last all the same", mixedFarm, []string{"byStat stat.queue desc"}, "www1 app1 www2 app2 www3 app3"},
		{"a bound drops those that are above it, or unknown, of both kinds", mixedFarm, []string{"byStat stat.queue <=3 asc"}, "app2 www2 app1"},
		{
			"byExpr reckons with it, and with what was given to each since", mixedFarm,
			[]string{`byExpr stat("queue") + outstanding`},
			"www2 app2 app1 www1 www3 app3",
		},
		{
			"and for each slot, of which app2 has sixteen", mixedFarm,
			[]string{`byExpr (stat("queue") + outstanding) / slots`},
			"app2 www2 app1 www1 www3 app3",
		},
		{
			"a physical of which load1 is pushed has no load average: stat.load1 is another figure", mixedFarm,
			[]string{"byLoad"},
			"www1 www3 www2 app1 app2 app3",
		},
		{"by which one can sort, too", mixedFarm, []string{"byStat stat.load1"}, "app1 www1 www2 www3 app2 app3"},
	})
}
