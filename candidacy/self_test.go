package candidacy_test

import (
	"testing"

	"backhand/candidacy"
	"backhand/candidacy/candidacytest"
)

func TestSelfSteps(t *testing.T) {
	const three = "self www1\nwww2\nwww3"
	checkRows(t, []row{
		{"off leaves this host alone", three, []string{"off"}, "www1"},
		{"off leaves nobody on a pure balancer", "www2\nwww3", []string{"off"}, ""},
		{"off leaves nobody if self was removed", three, []string{"removeSelf", "off"}, ""},
		{"off leaves nobody if this host's origin is down", "self www1 down=refused\nwww2", []string{"off"}, ""},

		{"removeSelf leaves the others in their order", three, []string{"removeSelf"}, "www2 www3"},
		{"removeSelf changes nothing on a pure balancer", "www2\nwww3", []string{"removeSelf"}, "www2 www3"},
		{"removeSelf leaves nobody of one", "self www1", []string{"removeSelf"}, ""},
		{"removeSelf keeps physicals", "self www1\nphysical app1", []string{"removeSelf"}, "app1"},

		{"addSelf puts self at the end", three, []string{"removeSelf", "addSelf"}, "www2 www3 www1"},
		{"addSelf leaves self where it is", three, []string{"addSelf"}, "www1 www2 www3"},
		{"addSelf does not add it twice", three, []string{"removeSelf", "addSelf", "addSelf"}, "www2 www3 www1"},
		{"addSelf adds nobody on a pure balancer", "www2", []string{"addSelf"}, "www2"},
		{"addSelf adds self to nobody", "self www1\nwww2 age=9s", []string{"removeSelf", "byAge 6", "addSelf"}, "www1"},
		{"addSelf adds no self whose origin is down", "self www1 down=refused\nwww2", []string{"addSelf"}, "www2"},
		{"addSelf adds no self that is draining", "self www1 state=draining\nwww2", []string{"addSelf"}, "www2"},
		{"addSelf adds no self whose farm is off", "self www1\nwww2\nfarm web off", []string{"addSelf"}, ""},
		{"nor one whose farm is down", "self www1\nwww2\nfarm web down", []string{"addSelf"}, ""},
		{"addSelf adds no self that serves another farm", "self www1 farm=x\nwww2", []string{"addSelf"}, "www2"},
	})
}

func TestNoStepBringsBackSelfThatWasTried(t *testing.T) {
	for _, step := range []string{"addSelf", "off"} {
		f := candidacytest.Cluster("self www1\nwww2\nwww3")
		req := candidacytest.Request(f)
		c := candidacytest.Chain(candidacy.Builtin(), step)
		in := candidacy.AppendCandidates(nil, req, f.Candidates[:1])
		for _, m := range c.Select(req, in) {
			if m.Self {
				t.Errorf("%s: self is there again", step)
			}
		}
	}
}

func TestSelfStepsTakeNoArguments(t *testing.T) {
	checkErrors(t, map[string]string{
		"off now":      `off: "now" is one argument too many (usage: off)`,
		"removeSelf 1": `removeSelf: "1" is one argument too many (usage: removeSelf)`,
		"addSelf x y":  `addSelf: "x" is one argument too many (usage: addSelf)`,
	})
}

func Example_off() {
	explain("self www1\nwww2", "off")
	// Output:
	// off
	//   www1
	//   dropped www2 (only this host stays)
}

func Example_removeSelf() {
	explain("self www1\nwww2\nwww3", "removeSelf")
	// Output:
	// removeSelf
	//   www2
	//   www3
	//   dropped www1 (is this host)
}

func Example_addSelf() {
	explain("self www1\nwww2 load=3\nwww3 load=1", "removeSelf", "byLoad", "addSelf")
	// Output:
	// removeSelf
	//   www2
	//   www3
	//   dropped www1 (is this host)
	// byLoad
	//   www3 (load 1.00)
	//   www2 (load 3.00)
	// addSelf
	//   www3
	//   www2
	//   www1
}
