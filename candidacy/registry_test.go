package candidacy_test

import (
	"errors"
	"io/fs"
	"slices"
	"strings"
	"testing"
	"time"

	"backhand/candidacy"
	"backhand/candidacy/candidacytest"
	"backhand/gossip/node"
)

// keepAll is a step that does nothing.
func keepAll(*candidacy.Args) candidacy.Step {
	return candidacy.Step{Run: func(_ *candidacy.Request, in []*node.Member) []*node.Member { return in }}
}

func TestUnknownNamesGetAHint(t *testing.T) {
	checkErrors(t, map[string]string{
		"backhand_off":     `no function is named "backhand_off"; it is called off here`,
		"BYLOAD 1":         `no function is named "BYLOAD"; it is spelt byLoad`,
		"httpredirecttoip": `no function is named "httpredirecttoip"; it is spelt HTTPRedirectToIP`,
		"Backhand byAge 6": `no function is named "Backhand"; leave that word away, a step begins with its function`,
		"byMagic":          `no function is named "byMagic"; 'backhand functions' lists them`,
		" \t ":             `the step is empty, want the name of a function`,
	})
}

func TestBuiltinHasTheFunctionsOfTheAncestor(t *testing.T) {
	var got []string
	for _, s := range candidacy.Builtin().Specs() {
		got = append(got, s.Name)
	}
	want := []string{
		"addSelf", "byAge", "byBusyChildren", "byCPU", "byHostname", "byLoad", "byLogWindow", "byRandom", "bySession",
		"HTTPRedirectToIP", "HTTPRedirectToName", "off", "removeSelf",
	}
	for _, name := range want {
		if !slices.Contains(got, name) {
			t.Errorf("there is no %s among %q", name, got)
		}
	}
}

func TestDefaultChainIsUnderstood(t *testing.T) {
	if _, errs := candidacy.Builtin().Parse(candidacy.DefaultChain()); errs != nil {
		t.Error(errs)
	}
}

func TestEachFunctionIsDescribed(t *testing.T) {
	for _, s := range candidacy.Builtin().Specs() {
		if !strings.HasPrefix(s.Usage, s.Name) || !strings.HasSuffix(s.Doc, ".") || s.Source == "" {
			t.Errorf("%s: usage %q, doc %q, source %q", s.Name, s.Usage, s.Doc, s.Source)
		}
		if !strings.HasPrefix(s.Example, s.Name) {
			t.Errorf("%s: example %q", s.Name, s.Example)
		}
	}
}

// Each function holds to the promises of Func, with the arguments of its example.
func TestEachFunctionKeepsItsPromises(t *testing.T) {
	may := map[string]candidacytest.Option{
		"addSelf":   candidacytest.MayAddSelf(),
		"bySession": candidacytest.MayAddDraining(),
	}
	r := candidacy.Builtin()
	for _, s := range r.Specs() {
		t.Run(s.Name, func(t *testing.T) {
			step, err := r.Step(s.Example)
			if err != nil {
				t.Fatalf("the example %q: %v", s.Example, err)
			}
			var opts []candidacytest.Option
			if o := may[s.Name]; o != nil {
				opts = append(opts, o)
			}
			candidacytest.Check(t, step, opts...)
		})
	}
}

func TestFunctionsOfOnesOwnJoinTheOthers(t *testing.T) {
	r := candidacy.Builtin()
	r.Add(candidacy.Spec{Name: "first", Usage: "first [N]", Make: func(a *candidacy.Args) candidacy.Step {
		n := a.Int("N", 1, 1)
		return candidacy.Step{Run: func(_ *candidacy.Request, in []*node.Member) []*node.Member { return in[:min(n, len(in))] }}
	}})
	req := candidacytest.Request(candidacytest.Cluster(nodes(3)))
	c := candidacytest.Chain(r, "first 2", "byLoad")
	if got := candidacytest.Names(c.Select(req, candidacy.AppendCandidates(nil, req, nil))); got != "www1 www2" {
		t.Errorf("left %q", got)
	}
	if _, err := candidacy.Builtin().Step("first"); err == nil {
		t.Error("another registry has it, too")
	}
}

func TestAddPanics(t *testing.T) {
	for _, row := range []struct {
		name, want string
		spec       candidacy.Spec
	}{
		{"on a name that is taken", "two functions are named byLoad", candidacy.Spec{Name: "byLoad", Make: keepAll}},
		{"without a name", "needs a name", candidacy.Spec{Make: keepAll}},
		{"on a name of two words", "needs a name", candidacy.Spec{Name: "by Load", Make: keepAll}},
		{"without Make", "a Make", candidacy.Spec{Name: "mine"}},
	} {
		t.Run(row.name, func(t *testing.T) {
			defer func() {
				if got, _ := recover().(string); !strings.Contains(got, row.want) {
					t.Errorf("panic %q, want one with %q", got, row.want)
				}
			}()
			candidacy.Builtin().Add(row.spec)
		})
	}
}

func TestMakeMustMakeAStep(t *testing.T) {
	r := candidacy.NewRegistry(candidacy.Spec{Name: "mine", Make: func(*candidacy.Args) candidacy.Step { return candidacy.Step{} }})
	if _, err := r.Step("mine"); err == nil || err.Error() != "mine: its Make returned a step that cannot run" {
		t.Errorf("got %v", err)
	}
}

func TestArgsAreReadOneByOne(t *testing.T) {
	type read struct {
		need, word string
		float      float64
		whole      int
		age        candidacy.Age
	}
	var got read
	r := candidacy.NewRegistry(candidacy.Spec{
		Name: "f", Usage: "f NEED [WORD] [FLOAT] [INT] [AGE]",
		Make: func(a *candidacy.Args) candidacy.Step {
			got = read{
				need: a.Need("NEED"), word: a.Word("w"), float: a.Float("FLOAT", 0.5, -1), whole: a.Int("INT", 7, -2),
				age: a.Age("AGE", candidacy.Age{Time: time.Minute}),
			}
			return keepAll(a)
		},
	})
	for _, row := range []struct {
		step string
		want read
		err  string
	}{
		{"f n", read{"n", "w", 0.5, 7, candidacy.Age{Time: time.Minute}}, ""},
		{"f n x -1 -2 6", read{"n", "x", -1, -2, candidacy.Age{Time: 6 * time.Second}}, ""},
		{"f n x 1e3 3 6s", read{"n", "x", 1000, 3, candidacy.Age{Time: 6 * time.Second}}, ""},
		{"f n x 0 0 1.5b", read{"n", "x", 0, 0, candidacy.Age{Beats: 1.5}}, ""},
		{"f n x 0 0 0.1", read{"n", "x", 0, 0, candidacy.Age{Time: 100 * time.Millisecond}}, ""},
		{"f n x 0 0 1m30s", read{"n", "x", 0, 0, candidacy.Age{Time: 90 * time.Second}}, ""},
		{"f n x 0 0 24h", read{"n", "x", 0, 0, candidacy.Age{Time: 24 * time.Hour}}, ""},
		{"f", read{}, "f: NEED is missing"},
		{"f n x -1.1", read{}, `f: FLOAT is "-1.1", want a number from -1 to 1e9`},
		{"f n x 2e9", read{}, `f: FLOAT is "2e9", want a number from -1 to 1e9`},
		{"f n x 0 -3", read{}, `f: INT is "-3", want a whole number from -2 to 1000000000`},
		{"f n x 0 99999999999999999999", read{}, `f: INT is "99999999999999999999", want a whole number from -2 to 1000000000`},
		{"f n x y z", read{}, `f: FLOAT is "y", want a number from -1 to 1e9`}, // the first mistake is told
		{"f n x 0 0 6 more", read{}, `f: "more" is one argument too many`},
	} {
		t.Run(row.step, func(t *testing.T) {
			_, err := r.Step(row.step)
			switch {
			case row.err == "" && err != nil:
				t.Errorf("error %v", err)
			case row.err == "" && got != row.want:
				t.Errorf("read %+v, want %+v", got, row.want)
			case row.err != "" && (err == nil || err.Error() != row.err+" (usage: f NEED [WORD] [FLOAT] [INT] [AGE])"):
				t.Errorf("error %v, want %s", err, row.err)
			}
		})
	}
}

func TestFailKeepsTheCause(t *testing.T) {
	r := candidacy.NewRegistry(candidacy.Spec{Name: "f", Usage: "f", Make: func(a *candidacy.Args) candidacy.Step {
		a.Fail("reading a list: %w", fs.ErrNotExist)
		a.Fail("second")
		return candidacy.Step{}
	}})
	if _, err := r.Step("f"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v", err)
	}
}
