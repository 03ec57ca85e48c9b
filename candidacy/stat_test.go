package candidacy_test

import (
	"fmt"
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
		{"the weight of a physical", "physical app1 weight=2\nphysical app2 weight=0.5\nwww1", []string{"byStat weight"}, "app2 www1 app1"},
		{"its slots have the weight in them", "physical app1 capacity=2 weight=2\nphysical app2 capacity=3", []string{"byStat slots"}, "app2 app1"},
	})
}

func TestByStatOfWhatProgramsPush(t *testing.T) {
	const farm = "www1 stat.queue=2 load=9\nwww2\nphysical app1 stat.queue=3 stat.load1=0.5\nphysical app2 stat.queue=1"
	checkRows(t, []row{
		{"nodes and physicals are sorted alike, who has none last", farm, []string{"byStat stat.queue"}, "app2 www1 app1 www2"},
		{"last either way", farm, []string{"byStat stat.queue desc"}, "app1 www1 app2 www2"},
		{"a bound drops who has none", farm, []string{"byStat stat.queue <3"}, "www1 app2"},
		{"and may sort", farm, []string{"byStat stat.queue <=3 desc"}, "app1 www1 app2"},
		{"a name of a figure stands for the figure", farm, []string{"byStat load1 <99"}, "www1 www2"},
		{"and behind stat. for what was pushed under it", farm, []string{"byStat stat.load1 <99"}, "app1"},
		{"what nobody pushes leaves the order", farm, []string{"byStat stat.Queue"}, "www1 www2 app1 app2"},
		{"and keeps no bound", farm, []string{"byStat stat.Queue >=0"}, ""},
		{"nought is a figure", "www1 stat.x=0\nwww2", []string{"byStat stat.x >=0"}, "www1"},
	})
	step := candidacytest.Step(candidacy.Builtin(), "byStat stat.queue")
	if !step.Sorts || step.Ahead != candidacy.Never {
		t.Errorf("sorts by what all hear alike: %v, ahead: %v", step.Sorts, step.Ahead)
	}
	if ahead := candidacytest.Step(candidacy.Builtin(), "byStat stat.queue <3").Ahead; ahead != candidacy.Once {
		t.Errorf("a bound runs ahead: %v, want once for each snapshot", ahead)
	}
	for _, step := range []string{"byStat stat.queue", "byStat stat.queue <3", "byStat stat.a-b >=0 desc"} {
		t.Run(step, func(t *testing.T) { candidacytest.Check(t, candidacytest.Step(candidacy.Builtin(), step)) })
	}
}

// What is pushed changes from one snapshot to the next, and what was found out ahead belongs to one.
func TestWhatProgramsPushIsReadAnewInEachSnapshot(t *testing.T) {
	for _, text := range []string{"byStat stat.queue <3", `byExpr stat("queue") < 3`} {
		c := candidacytest.Chain(candidacy.Builtin(), text)
		for _, row := range []struct{ cluster, want string }{
			{"physical app1 stat.queue=2\nphysical app2 stat.queue=9", "app1"},
			{"physical app1 stat.queue=9\nphysical app2 stat.queue=2", "app2"},
		} {
			f := candidacytest.Cluster(row.cluster)
			c.Prepare(f, candidacytest.Now())
			req := candidacytest.Request(f)
			if got := candidacytest.Names(c.Select(req, c.AppendCandidates(nil, req, nil))); got != row.want {
				t.Errorf("%s leaves %s of %q", text, got, row.cluster)
			}
		}
	}
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
	for _, name := range []string{"", "1", "a/b", "é", strings.Repeat("q", 33)} {
		wants["byStat stat."+name] = fmt.Sprintf("byStat: no statistic can be named %q, want 1 to 32 letters, digits, dots, dashes and "+
			"underscores, the first a letter", name) + usage
	}
	checkErrors(t, wants)
	_, err := candidacy.Builtin().Step("byStat queue")
	if err == nil || !strings.Contains(err.Error(), `no figure is named "queue", want one of load1, `) ||
		!strings.HasSuffix(err.Error(), ", stat.NAME"+usage) {
		t.Errorf("got %v, want it to say how a statistic is named", err)
	}
	_, err = candidacy.Builtin().Step("byStat Load1")
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

func Example_byStat_pushed() {
	explain("physical app1 stat.queue=3\nphysical app2 stat.queue=1.5\nphysical app3", "byStat stat.queue <9 asc")
	// Output:
	// byStat stat.queue <9 asc
	//   app2 (stat.queue 1.5)
	//   app1 (stat.queue 3)
	//   dropped app3 (not <9: stat.queue unknown)
}

// Anything may stand behind byStat.
func FuzzByStat(f *testing.F) {
	for _, s := range []string{"load1 <4 asc", "stat.queue", "stat.a-b >=0 <=1e9 desc", "stat.", "stat.\x00 <1", "stat.é", "age <0x1p-2", "mu >-0 <1_0"} {
		f.Add(s)
	}
	farm := candidacytest.Cluster("self www1 load=1\nwww2 stat.queue=2\nphysical app3 stat.queue=1 stat.a-b=3")
	f.Fuzz(func(t *testing.T, text string) {
		step, err := candidacy.Builtin().Step("byStat " + text)
		if err != nil {
			if strings.ContainsAny(err.Error(), "\r\n") {
				t.Errorf("the error of %q is %q", text, err)
			}
			return
		}
		req := candidacytest.Request(farm)
		in := candidacy.AppendCandidates(nil, req, nil)
		for _, m := range in {
			if n := step.Note(req, m); strings.ContainsAny(n, "\r\n") {
				t.Errorf("the note of %q is %q", text, n)
			}
		}
		if out := step.Run(req, in); len(out) > len(farm.Candidates) {
			t.Errorf("%q leaves %s", text, candidacytest.Names(out))
		}
	})
}
