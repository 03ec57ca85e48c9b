package candidacy_test

import (
	"fmt"
	"strings"
	"testing"

	"backhand/candidacy"
	"backhand/candidacy/candidacytest"
)

// unfit returns what is said of those from which no chain starts, a line each.
func unfit(cluster string) string {
	var b strings.Builder
	for _, m := range candidacy.Unfit(candidacytest.Request(candidacytest.Cluster(cluster))) {
		fmt.Fprintf(&b, "%s: %s\n", m.Member.Name, m.Note)
	}
	return b.String()
}

func TestWhyNoChainStartsWithAMember(t *testing.T) {
	for _, row := range []struct{ name, cluster, want string }{
		{"one that may be chosen is not named", "www1\nphysical app1\nwww2 age=1h\nphysical app2 unreachable=true", ""},
		{"off", "physical app1 off", "app1: off\n"},
		{"with the reason", "physical app1 off=disks", "app1: off, \"disks\"\n"},
		{"and since when", "physical app1 off=disks standing=3m", "app1: off, \"disks\", for 3m0s\n"},
		{"it drains", "physical app1 drain=update standing=3m", "app1: drain, \"update\", for 3m0s\n"},
		{"it drains and is not well", "physical app1 drain=update down out", "app1: drain and down; out: no statistics yet\n"},
		{"down", "physical app1 down=fire standing=1500ms", "app1: down, \"fire\", for 2s\n"},
		{"out, with the age of the statistics", "physical app1 out updated=12s", "app1: out: no statistics for 12s\n"},
		{"or that there were none", "physical app1 out", "app1: out: no statistics yet\n"},
		{"all three", "physical app1 off down=fire out updated=12s", "app1: off and down, \"fire\"; out: no statistics for 12s\n"},
		{"a reason is one line", "physical app1 off=\x1b[2J\u202e", "app1: off, \"\\x1b[2J\\u202e\"\n"},
		{"a node", "www1 state=draining\nwww2 down=refused\nwww3 state=leaving", "www1: draining\nwww2: origin down: refused\nwww3: leaving\n"},
		{
			"the farm, of those who could be chosen but for that", "www1\nphysical app1 off\nphysical app2\nfarm web down=flood standing=1m",
			"www1: the farm is down, \"flood\", for 1m0s\napp1: off\napp2: the farm is down, \"flood\", for 1m0s\n",
		},
		{"another farm's standing does not count", "www1\nfarm reports off", ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			if got := unfit(row.cluster); got != row.want {
				t.Errorf("got\n%swant\n%s", got, row.want)
			}
		})
	}
	req := candidacytest.Request(nil)
	if got := candidacy.Unfit(req); got != nil {
		t.Errorf("of no farm: %v", got)
	}
}
