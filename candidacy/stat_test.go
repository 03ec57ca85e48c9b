package candidacy_test

import (
	"strings"
	"testing"

	"backhand/candidacy"
	"backhand/candidacy/candidacytest"
	"backhand/gossip/node"
)

func TestByStat(t *testing.T) {
	const farm = "www1 load=3 mem=20%\nwww2 load=1 mem=90%\nwww3 load=2\nphysical app1"
	checkRows(t, []row{
		{"the lowest comes first", farm, []string{"byStat load1"}, "www2 www3 www1 app1"},
		{"asc is the same", farm, []string{"byStat load1 asc"}, "www2 www3 www1 app1"},
		{"desc is the other way round", farm, []string{"byStat load1 desc"}, "www1 www3 www2 app1"},
		{"who does not say comes last", farm, []string{"byStat mem_used"}, "www1 www2 www3 app1"},
		{"last either way", farm, []string{"byStat mem_used desc"}, "www2 www1 www3 app1"},
		{"equal figures keep their order", "www2 load=1\nwww1 load=1\nwww3", []string{"byStat load1"}, "www3 www1 www2"},
		{"a bound drops who is above it", farm, []string{"byStat load1 <3"}, "www2 www3"},
		{"and who is below it", farm, []string{"byStat load1 >1"}, "www1 www3"},
		{"a bound may be reached", farm, []string{"byStat load1 <=2"}, "www2 www3"},
		{"from both sides", farm, []string{"byStat load1 >=2 <=2"}, "www3"},
		{"who does not say keeps no bound", farm, []string{"byStat mem_used >-1"}, "www1 www2"},
		{"a bound leaves the order alone", "www1 load=2\nwww2 load=1\nwww3 load=3", []string{"byStat load1 desc", "byStat load1 <3"}, "www1 www2"},
		{"a bound may sort, too", farm, []string{"byStat load1 <3 desc"}, "www3 www2"},
		{"in any order of words", farm, []string{"byStat load1 desc <3 >0"}, "www3 www2"},
		{"nobody may be left", farm, []string{"byStat load1 >99"}, ""},

		{"what this agent itself knows is a figure, too", "www1 outstanding=2\nwww2 outstanding=1", []string{"byStat outstanding"}, "www2 www1"},
		{"so is a physical's", "physical app1 latency=30ms\nphysical app2 latency=20ms", []string{"byStat latency_ms <25"}, "app2"},
		{"ages count", "www1 age=9s\nwww2 age=1s", []string{"byStat age <6"}, "www2"},
	})
}

// Each figure can be chosen by.
func TestByStatKnowsAllFigures(t *testing.T) {
	for _, f := range node.Figures() {
		step := candidacytest.Step(candidacy.Builtin(), "byStat "+f.Name)
		if step.Sorts == f.Own {
			t.Errorf("byStat %s: Sorts is %v", f.Name, step.Sorts)
		}
		ahead := candidacytest.Step(candidacy.Builtin(), "byStat "+f.Name+" <1").Ahead
		if want := map[bool]candidacy.Ahead{true: candidacy.Never, false: candidacy.Once}[f.Own]; ahead != want {
			t.Errorf("byStat %s <1: Ahead is %v, want %v", f.Name, ahead, want)
		}
	}
	for _, step := range []string{"byStat load1 desc", "byStat in_flight <2", "byStat outstanding >0 asc", "byStat age >0"} {
		t.Run(step, func(t *testing.T) { candidacytest.Check(t, candidacytest.Step(candidacy.Builtin(), step)) })
	}
}

func TestByStatRefusesMistakes(t *testing.T) {
	const usage = " (usage: byStat NAME [asc|desc|<N|>N ...])"
	wants := map[string]string{
		"byStat":                    "byStat: NAME is missing" + usage,
		"byStat load1 asc desc":     `byStat: "desc" is one order too many` + usage,
		"byStat age <1 <2 <3 <4 <5": `byStat: "<5" is one argument too many, want at most 4 bounds` + usage,
	}
	for _, w := range []string{"up", "<", ">x", "=3", "3", "<NaN", "<=inf", "< 3", "<3%"} {
		word, _, _ := strings.Cut(w, " ")
		wants["byStat load1 "+w] = `byStat: "` + word + `" is no order and no bound, want asc, desc, <N, <=N, >N or >=N, ` +
			"without a space in front of the number" + usage
	}
	checkErrors(t, wants)
	_, err := candidacy.Builtin().Step("byStat Load1")
	if err == nil || !strings.Contains(err.Error(), `no figure is named "Load1", want one of load1, cpu_idle (share), `) {
		t.Errorf("got %v, want the figures that there are", err)
	}
}

func Example_byStat() {
	explain("www1 load=3\nwww2 load=0.31 slots=4\nphysical app1", "byStat load1 <4 asc", "byStat slots >1", "byStat mem_total")
	// Output:
	// byStat load1 <4 asc
	//   www2 (load1 0.31)
	//   www1 (load1 3)
	//   dropped app1 (not <4: load1 unknown)
	// byStat slots >1
	//   www2 (slots 4)
	//   dropped www1 (not >1: slots 1)
	// byStat mem_total
	//   www2 (mem_total unknown)
}
