package candidacy_test

import (
	"math"
	"strings"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"backhand/candidacy"
	"backhand/candidacy/candidacytest"
	"backhand/gossip/node"
)

func TestByExpr(t *testing.T) {
	const farm = `
		self www1 load=3 cpus=4 zone=a inflight=1
		www2 load=1 cpus=2 zone=b outstanding=4
		www3 load=9 cpus=4 zone=a age=3s outstanding=1
		www4 load=0 cpus=1
		physical app5 outstanding=2`
	const all = "www1 www2 www3 www4 app5"
	for _, row := range []struct{ name, step, want string }{
		{"a condition keeps those for which it holds", `byExpr load1 / cpus < 2 && zone == "a"`, "www1"},
		{"and may keep nobody", `byExpr load1 > 100`, ""},
		{"or all", `byExpr true`, all},
		{"a number sorts, lowest first", `byExpr load1`, "www4 www2 www1 www3 app5"},
		{"or highest first, with its sign turned", `byExpr -load1`, "www3 www1 www2 www4 app5"},
		{"a number may be whole", `byExpr self ? 1 : 0`, "www2 www3 www4 app5 www1"},
		{"the same number leaves the order", `byExpr 7`, all},
		{"a whole and a broken number may stand for one another", `byExpr self ? 1 : 0.5`, "www2 www3 www4 app5 www1"},
		{"a division by nothing comes last", `byExpr 1 / load1`, "www3 www1 www2 www4 app5"},
		{"so does a negative one, which is no number", `byExpr load1 ** -0.5 * 0`, "www1 www2 www3 www4 app5"},
		{"minus infinity comes first", `byExpr -1 / load1`, "www4 www2 www1 www3 app5"},

		{"what is not known does not hold", `byExpr load1 < 100`, "www1 www2 www3 www4"},
		{"nor does the opposite", `byExpr load1 >= 0`, "www1 www2 www3 www4"},
		{"only that it differs does", `byExpr load1 != 3`, "www2 www3 www4 app5"},
		{"so that one may ask for it", `byExpr load1 != load1 or load1 < 2`, "www2 www4 app5"},

		{"the name", `byExpr name startsWith "www" and not (name endsWith "3")`, "www1 www2 www4"},
		{"by a pattern", `byExpr name matches "^(www[24]|app)"`, "www2 www4 app5"},
		{"the zone, of which a physical has none", `byExpr zone == ""`, "www4 app5"},
		{"a list of texts", `byExpr zone in ["b", ""]`, "www2 www4 app5"},
		{"and who is not in it", `byExpr zone not in ["b", ""]`, "www1 www3"},
		{"a list of numbers", `byExpr cpus in [1, 2]`, "www2 www4"},
		{"self", `byExpr not self`, "www2 www3 www4 app5"},
		{"the age, in seconds", `byExpr age > 2.5`, "www3"},
		{"own requests under way", `byExpr outstanding`, "www1 www4 www3 app5 www2"},
		{"for each slot", `byExpr (outstanding + 1) / slots`, "www1 www4 www3 app5 www2"},
		{"the requests that were announced", `byExpr in_flight == 1`, "www1"},
		{"functions", `byExpr max(round(load1 / 2), 1, abs(-1))`, "www2 www4 www1 www3 app5"},
		{"a name of one's own", `byExpr let x = load1 / cpus; x < 1 && x > 0`, "www1 www2"},
		{"the method", `byExpr method == "GET" ? load1 < 2 : true`, "www2 www4"},
		{"the host", `byExpr host == "www.example.com" and self`, "www1"},
		{"the path", `byExpr path == "/" and self`, "www1"},
		{"the client", `byExpr client startsWith "192.0.2." and self`, "www1"},
		{"quotes and spaces stay as they are", `byExpr name == "a  b" || zone == 'b'`, "www2"},
		{"a remark", "byExpr self /* this host */ // only", "www1"},
		{"another host's number is shifted", `byExpr load1 - (self ? 3 : 0)`, "www1 www4 www2 www3 app5"},
	} {
		t.Run(row.name, func(t *testing.T) {
			if got := runOn(candidacytest.Cluster(farm), row.step); got != row.want {
				t.Errorf("%s leaves %q, want %q", row.step, got, row.want)
			}
			got := selectFrom(candidacytest.Request(candidacytest.Cluster(farm)), row.step) // by its First, if it has one
			if first, _, _ := strings.Cut(row.want, " "); len(got) > 0 && got[0].Name != first || len(got) == 0 && first != "" {
				t.Errorf("%s brings %q forward, want %q", row.step, candidacytest.Names(got), first)
			}
		})
	}
}

// runOn returns the names of those that a step leaves of a farm's candidates, all in order.
func runOn(f *node.Farm, step string) string {
	req := candidacytest.Request(f)
	run := candidacytest.Step(candidacy.Builtin(), step).Run
	return candidacytest.Names(run(req, candidacy.AppendCandidates(nil, req, nil)))
}

func TestByExprReadsLabels(t *testing.T) {
	f := candidacytest.Cluster("www1 labels=gpu,rack=7\nwww2 label=rack=8\nwww3\nphysical app4\nphysical app5 labels=disk=ssd,new")
	for step, want := range map[string]string{
		`byExpr has("gpu")`:                     "www1",
		`byExpr not has("rack")`:                "www3 app4 app5",
		`byExpr has("new")`:                     "app5",
		`byExpr label("disk") == "ssd"`:         "app5",
		`byExpr label("rack") == "8"`:           "www2",
		`byExpr label("rack") == ""`:            "www3 app4 app5",
		`byExpr label("rack") in ["7", "8"]`:    "www1 www2",
		`byExpr label("rack") == "7" ? 2 : 1`:   "www2 www3 app4 app5 www1",
		`byExpr has("gpu") || ("rack" | has())`: "www1 www2",
	} {
		if got := runOn(f, step); got != want {
			t.Errorf("%s leaves %q, want %q", step, got, want)
		}
	}
}

func TestByExprReadsWhatProgramsPush(t *testing.T) {
	f := candidacytest.Cluster("www1 stat.queue=2 slots=4\nwww2\nphysical app1 stat.queue=3 stat.load1=0.5 weight=6\nphysical app2 stat.queue=1 stat.a-b=2")
	for step, want := range map[string]string{
		`byExpr stat("queue")`:                                            "app2 www1 app1 www2",
		`byExpr -stat("queue")`:                                           "app1 www1 app2 www2",
		`byExpr stat("queue") / slots`:                                    "www1 app1 app2 www2",
		`byExpr stat("queue") / weight`:                                   "app1 app2 www1 www2",
		`byExpr stat("queue") < 3`:                                        "www1 app2",
		`byExpr stat("queue") >= 0`:                                       "www1 app1 app2",
		`byExpr stat("queue") != stat("queue")`:                           "www2",
		`byExpr stat("a-b") == 2`:                                         "app2",
		`byExpr stat("a-b") != 2`:                                         "www1 www2 app1",
		`byExpr stat("Queue") >= 0`:                                       "",
		`byExpr max(stat("queue"), 2.5)`:                                  "www1 app2 app1 www2",
		`byExpr let q = stat("queue"); q > 1 && q < 3`:                    "www1",
		`byExpr stat("queue") == stat("a-b") - 1 ? 0 : 1`:                 "app2 www1 www2 app1",
		`byExpr stat("queue") in [1, 3]`:                                  "app1 app2",
		`byExpr stat("load1") < 1 or ("queue" | stat()) > 2`:              "app1",
		`byExpr has("stat") or label("stat") != "" or stat('queue') == 1`: "app2",
	} {
		if got := runOn(f, step); got != want {
			t.Errorf("%s leaves %q, want %q", step, got, want)
		}
	}
	for _, step := range []string{`byExpr stat("queue") < 3`, `byExpr stat("queue") / slots + outstanding`} {
		t.Run(step, func(t *testing.T) { candidacytest.Check(t, candidacytest.Step(candidacy.Builtin(), step)) })
	}
}

func TestByExprRefuses(t *testing.T) {
	wants := map[string]string{
		"":                              `EXPRESSION is missing`,
		"lod1 < 2":                      `column 1 of the expression: no figure is named "lod1"; 'backhand functions byStat' lists them`,
		"2 < CPUs":                      `column 5 of the expression: no figure is named "CPUs"; it is spelt cpus`,
		"load1 <\n  LOAD1":              `line 2, column 3 of the expression: no figure is named "LOAD1"; it is spelt load1`,
		"load1 < 2 &&":                  `column 12 of the expression: unexpected token EOF`,
		"load1 == zone":                 `column 7 of the expression: invalid operation: == (mismatched types number and string)`,
		"zone":                          `column 1 of the expression: the expression is a text, want a condition or a number`,
		"nil":                           `column 1 of the expression: nil is not for use here`,
		"self ? 1 : zone":               `column 12 of the expression: this is a text, want a number`,
		"load1 ?? 2":                    `column 7 of the expression: ?? is not for use here`,
		"$env":                          `column 1 of the expression: $env is not for use here`,
		`$env["load1"]`:                 `column 5 of the expression: $env.load1 is not for use here`,
		`name + zone == "ab"`:           `column 1 of the expression: this is a text, want a number`,
		`name < zone`:                   `column 1 of the expression: this is a text, want a number`,
		`name matches path`:             `column 14 of the expression: the pattern is path, want a text in quotes`,
		`name matches "("`:              "column 6 of the expression: error parsing regexp: missing closing ): `(`",
		`label(zone) == "a"`:            `column 7 of the expression: the key of the label is zone, want a text in quotes`,
		`label("a")`:                    `column 1 of the expression: the expression is a text, want a condition or a number`,
		`label()`:                       `column 1 of the expression: not enough arguments to call label`,
		`label == label`:                `column 1 of the expression: label is a function, want a key behind it: label("gpu")`,
		"stat(name) < 1":                `column 6 of the expression: the name of the statistic is name, want a text in quotes`,
		`stat("a" + "b")`:               `column 10 of the expression: the name of the statistic is "a" + "b", want a text in quotes`,
		"stat < 1":                      `column 6 of the expression: invalid operation: < (mismatched types func(string) number and number)`,
		"stat == stat":                  `column 1 of the expression: stat is a function, want a name behind it: stat("queue")`,
		"stat()":                        `column 1 of the expression: not enough arguments to call stat`,
		`stat("a", "b")`:                `column 1 of the expression: too many arguments to call stat`,
		"stat(1)":                       `column 6 of the expression: cannot use int as argument (type string) to call stat `,
		"stat.queue < 1":                `column 6 of the expression: a statistic that programs push is stat("queue") here`,
		`stat("a b") < 1`:               `column 6 of the expression: no statistic can be named "a b", want 1 to 32 letters, digits, dots, dashes and underscores, the first a letter`,
		`stat("") < 1`:                  `column 6 of the expression: no statistic can be named "", want 1 to 32 letters, digits, dots, dashes and underscores, the first a letter`,
		"queue < 1":                     `column 1 of the expression: no figure is named "queue"; 'backhand functions byStat' lists them`,
		"len(name)":                     `column 1 of the expression: no figure is named "len"; 'backhand functions byStat' lists them`,
		"now()":                         `column 1 of the expression: no figure is named "now"; 'backhand functions byStat' lists them`,
		"1..1000000":                    `column 2 of the expression: .. is not for use here`,
		"cpus in 1..1000000":            `column 10 of the expression: this is no list, want one such as ["a", "b"]`,
		"all(1..9, {# > load1})":        `column 1 of the expression: all is not for use here`,
		"map([load1], # + 1)":           `column 1 of the expression: map is not for use here`,
		"count([1, 2], # > 1) > 1":      `column 1 of the expression: count is not for use here`,
		"[load1]":                       `column 1 of the expression: [load1] is not for use here`,
		"min([1, 2])":                   `column 5 of the expression: [1, 2] is not for use here`,
		"zone[0:1] == 'a'":              `column 5 of the expression: zone[0:1] is not for use here`,
		"load1; cpus":                   `column 1 of the expression: load1; cpus is not for use here`,
		`{"a": 1}`:                      `column 1 of the expression: {a: 1} is not for use here`,
		"load1 % 2":                     `column 7 of the expression: invalid operation: % (mismatched types number and number)`,
		strings.Repeat("-", 513):        `EXPRESSION is 513 bytes long, want at most 512`,
		"1" + strings.Repeat("+1", 200): `column 258 of the expression: it has too many parts, want at most 256`,
		"\"\xff\" == name":              `EXPRESSION is no valid UTF-8`,
	}
	full := map[string]string{}
	for expression, want := range wants {
		full["byExpr "+expression] = "byExpr: " + want + " (usage: byExpr EXPRESSION)"
	}
	checkErrors(t, full)
}

// What holds for a whole snapshot is found out once for all requests; what does not is not.
func TestByExprRunsAheadWhereItMay(t *testing.T) {
	for step, want := range map[string]candidacy.Ahead{
		`byExpr load1 < 2 && zone == "a" && has("gpu")`: candidacy.Once,
		`byExpr true`:            candidacy.Once,
		`byExpr stat("a") < 2`:   candidacy.Once,
		`byExpr stat("a")`:       candidacy.Never,
		`byExpr age < 2`:         candidacy.Never,
		`byExpr outstanding < 2`: candidacy.Never,
		`byExpr path == "/"`:     candidacy.Never,
		`byExpr load1`:           candidacy.Never,
	} {
		if got := candidacytest.Step(candidacy.Builtin(), step).Ahead; got != want {
			t.Errorf("%s: ahead %v, want %v", step, got, want)
		}
	}
}

func TestByExprKnowsWhatHerds(t *testing.T) {
	for step, want := range map[string]bool{
		`byExpr load1`:                     true,
		`byExpr load1 + outstanding`:       true,
		`byExpr -cpus`:                     true,
		`byExpr zone == "a" ? 0 : 1`:       true,
		`byExpr outstanding`:               false,
		`byExpr (outstanding + 1) / slots`: false,
		`byExpr outstanding / weight`:      false,
		`byExpr stat("a")`:                 true,
		`byExpr stat("a") + outstanding`:   true,
		`byExpr load1 < 2`:                 false,
		`byExpr 1`:                         false,
	} {
		if got := candidacytest.Step(candidacy.Builtin(), step).Sorts; got != want {
			t.Errorf("%s: sorts by what all hear alike: %v, want %v", step, got, want)
		}
	}
}

// The library makes an interface of each number that it loads or computes. A condition that holds for a whole snapshot costs a
// request nothing.
func TestByExprAllocatesLittle(t *testing.T) {
	for step, most := range map[string]float64{
		`byExpr load1 / cpus`:                2 * 100,
		`byExpr load1`:                       100,
		`byExpr stat("queue")`:               100,
		`byExpr outstanding < 3 && not self`: 0,
		`byExpr load1 / cpus < 2`:            0,
	} {
		c := candidacytest.Chain(candidacy.Builtin(), step)
		f := hundred()
		c.Prepare(f, candidacytest.Now())
		req := candidacytest.Request(f)
		buf := make([]*node.Member, 0, len(f.Candidates)+1)
		n := testing.AllocsPerRun(20, func() { c.Select(req, c.AppendCandidates(buf, req, nil)) })
		if n > most && !raceDetector() {
			t.Errorf("%s allocates %v times for a hundred candidates, want at most %v", step, n, most)
		}
	}
}

// An expression decides for many requests at once, and knows each one's own.
func TestByExprAtOnce(t *testing.T) {
	c := candidacytest.Chain(candidacy.Builtin(), `byExpr name == host ? 0 : 1`)
	f := candidacytest.Cluster(nodes(8))
	var wg sync.WaitGroup
	for _, m := range f.Members {
		wg.Go(func() {
			for range 200 {
				req := candidacytest.Request(f)
				req.Host = m.Name
				if got := c.Select(req, candidacy.AppendCandidates(nil, req, nil)); got[0] != m {
					t.Errorf("the host %s goes to %s", m.Name, got[0].Name)
				}
			}
		})
	}
	wg.Wait()
}

// Figures of which nothing sensible was announced do no harm, whatever is done with them.
func TestByExprBearsAnyFigures(t *testing.T) {
	steps := []string{
		`byExpr load1 / cpus * 0 + mu ** -load1`, `byExpr min(load1, mu) < max(cpus, -load1)`, `byExpr round(load1) == floor(mu)`,
		`byExpr load1 in [1, 2.5] || abs(load1) > 1`,
	}
	rapid.Check(t, func(t *rapid.T) {
		any := rapid.OneOf(rapid.Float64(), rapid.SampledFrom([]float64{math.NaN(), math.Inf(1), math.Inf(-1), 0}))
		f := candidacytest.Cluster("www1\nwww2\nphysical app3")
		for _, m := range f.Members[:2] {
			m.Node.Stats.Load1, m.Service.Mu = any.Draw(t, "load"), any.Draw(t, "mu")
		}
		for _, s := range steps {
			if got := selectFrom(candidacytest.Request(f), s); len(got) > 3 {
				t.Fatalf("%s leaves %s", s, candidacytest.Names(got))
			}
		}
	})
}

func FuzzByExpr(f *testing.F) {
	for _, s := range []string{
		`load1 / cpus < 2 && zone == "a"`, `self ? 1 : 2.5`, `let x = load1; x ** 2`, `name matches "^www"`, `label("gpu") in ["a"]`,
		`stat("queue") / weight`, `stat("a.b") < 1 || has("x")`, `stat("")`, `stat.queue`, `stat(name)`,
		`-age + outstanding`, `min(1, load1) | max(2)`, `"\u00e9" == name`, `0x10 / 1e3`, `not has('a') or path != client`, `if self {1} else {2}`,
		`{"a": 1}`, `1..2`, `map([1], #)`, `$env`, `a.b?.c`, `name[1:]`, `((((1))))`, "`a` == zone", `load1 /* */ < 1 // x`,
	} {
		f.Add(s)
	}
	farm := candidacytest.Cluster("self www1 load=1\nwww2 zone=a load=3 outstanding=1\nphysical app3 stat.queue=2 label=gpu")
	f.Fuzz(func(t *testing.T, text string) {
		step, err := candidacy.Builtin().Step("byExpr " + text)
		if err != nil {
			if strings.ContainsAny(err.Error(), "\r") || len(err.Error()) > 8<<10 {
				t.Errorf("the error of %q is %q", text, err)
			}
			return
		}
		req := candidacytest.Request(farm)
		in := candidacy.AppendCandidates(nil, req, nil)
		for _, m := range in {
			step.Note(req, m)
		}
		out := step.Run(req, in)
		if step.First != nil && len(out) != len(farm.Candidates) {
			t.Errorf("%q is a number and leaves %s", text, candidacytest.Names(out))
		}
	})
}

func BenchmarkByExpr(b *testing.B) {
	for _, text := range []string{
		`load1 / cpus < 2 && zone == "a"`, `load1 / cpus`, `load1`, `outstanding < 3`, `name matches "^www0[0-4]"`, `stat("queue")`,
	} {
		b.Run(text, func(b *testing.B) {
			f := hundred()
			c := candidacytest.Chain(candidacy.Builtin(), "byExpr "+text)
			req := candidacytest.Request(f)
			buf := make([]*node.Member, 0, len(f.Candidates)+1)
			b.ReportAllocs()
			for b.Loop() {
				c.Select(req, candidacy.AppendCandidates(buf, req, nil))
			}
		})
	}
}

func Example_byExpr() {
	explain("www1 load=0.3 cpus=4 zone=a\nwww2 load=9 cpus=4 zone=a\nwww3 load=0.1 cpus=4 zone=b", `byExpr load1 / cpus < 2 && zone == "a"`, "byExpr load1 / cpus")
	// Output:
	// byExpr load1 / cpus < 2 && zone == "a"
	//   www1 (load1 0.3, cpus 4, zone "a")
	//   dropped www2 (does not hold: load1 9, cpus 4, zone "a")
	//   dropped www3 (does not hold: load1 0.1, cpus 4, zone "b")
	// byExpr load1 / cpus
	//   www1 (0.075: load1 0.3, cpus 4)
}

func Example_byExpr_pushed() {
	explain("physical app1 stat.queue=3 weight=2\nphysical app2 stat.queue=2\nphysical app3", `byExpr stat("queue") / weight`)
	// Output:
	// byExpr stat("queue") / weight
	//   app1 (1.5: stat("queue") 3, weight 2)
	//   app2 (2: stat("queue") 2, weight 1)
	//   app3 (unknown: stat("queue") unknown, weight 1)
}
