package candidacy_test

import (
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"backhand/candidacy"
	"backhand/candidacy/candidacytest"
	"backhand/gossip/node"
)

func TestParseReportsEveryMistake(t *testing.T) {
	steps := []string{"removeSelf", "byage 6", "byAge x", "byRandom", "", "byLoad 1 2"}
	c, errs := candidacy.Builtin().Parse(steps)
	if c != nil {
		t.Error("there is a chain in spite of mistakes")
	}
	want := []string{
		`step 2: no function is named "byage"; it is spelt byAge`,
		`step 3: byAge: SECONDS is "x", want seconds (6), a duration (500ms) or beats (6b), above 0, at most 24h or 10000b (usage: byAge [SECONDS])`,
		`step 5: the step is empty, want the name of a function`,
		`step 6: byLoad: "2" is one argument too many (usage: byLoad [BIAS])`,
	}
	var got []string
	for _, err := range errs {
		got = append(got, err.Error())
		if err.Text != steps[err.Step-1] || errors.Unwrap(err) != err.Err {
			t.Errorf("%v is about %q", err, err.Text)
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestParseKeepsItsOwnText(t *testing.T) {
	steps := []string{"byAge 6", "byLoad"}
	c, errs := candidacy.Builtin().Parse(steps)
	if errs != nil {
		t.Fatal(errs)
	}
	steps[0] = "off"
	c.Text()[1] = "off"
	if got := c.Text(); !slices.Equal(got, []string{"byAge 6", "byLoad"}) {
		t.Errorf("the text became %q", got)
	}
}

func TestParseBoundsTheNumberOfSteps(t *testing.T) {
	most := slices.Repeat([]string{"byRandom"}, candidacy.MaxSteps)
	if _, errs := candidacy.Builtin().Parse(most); errs != nil {
		t.Errorf("%d steps: %v", len(most), errs)
	}
	_, errs := candidacy.Builtin().Parse(append(most, "byRandom"))
	if len(errs) != 1 || errs[0].Error() != "step 65: a chain has at most 64 steps" {
		t.Errorf("%d steps: %v", len(most)+1, errs)
	}
}

func TestAnEmptyChainChangesNothing(t *testing.T) {
	req := candidacytest.Request(candidacytest.Cluster("www1\nwww2"))
	if got := candidacytest.Names(selectFrom(req)); got != "www1 www2" {
		t.Errorf("left %q", got)
	}
}

func TestAppendCandidates(t *testing.T) {
	for _, row := range []struct{ name, cluster, tried, want string }{
		{"all that are fit", "www1\nwww2 state=draining\nwww3 down=refused\nwww4 state=leaving\nphysical app1", "", "www1 app1"},
		{"the silent, too", "www1 age=1h", "", "www1"},
		{"not those that were tried", "www1\nwww2\nwww3\nwww4", "www3 www1", "www2 www4"},
		{"nobody if all were tried", "www1\nwww2", "www1 www2", ""},
		{
			"the unreachable last, each in its order",
			"www1 unreachable=true\nwww2\nwww3 unreachable=true\nwww4\nwww5 unreachable=true", "", "www2 www4 www1 www3 www5",
		},
		{"all unreachable, in their order", "www1 unreachable=true\nwww2 unreachable=true", "", "www1 www2"},
		{
			"of the unreachable not those that were tried", "www1 unreachable=true\nwww2\nwww3 unreachable=true", "www1", "www2 www3",
		},
		{"nobody of nobody", "", "", ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			// Tried members are of an older snapshot: only their keys are the same.
			var tried []*node.Member
			for name := range strings.FieldsSeq(row.tried) {
				tried = append(tried, candidacytest.Member(candidacytest.Cluster(row.cluster), name))
			}
			f := candidacytest.Cluster(row.cluster)
			before := candidacytest.Names(f.Candidates)
			dst := []*node.Member{{Name: "before"}}
			got := candidacy.AppendCandidates(dst, candidacytest.Request(f), tried)
			if names := strings.TrimSpace("before " + row.want); candidacytest.Names(got) != names {
				t.Errorf("got %q, want %q", candidacytest.Names(got), names)
			}
			if candidacytest.Names(f.Candidates) != before {
				t.Error("the farm's own list was changed")
			}
		})
	}
}

func TestAppendCandidatesOfNoFarmIsNobody(t *testing.T) {
	if got := candidacy.AppendCandidates(nil, &candidacy.Request{}, nil); len(got) != 0 {
		t.Errorf("got %q", candidacytest.Names(got))
	}
}

func TestAppendCandidatesLeavesRoomForSelf(t *testing.T) {
	f := candidacytest.Cluster("self www1\nwww2")
	req := candidacytest.Request(f)
	in := candidacy.AppendCandidates(nil, req, f.Candidates[:1])
	if cap(in) < len(f.Candidates)+1 {
		t.Errorf("room for %d", cap(in))
	}
}

func TestAChainCountsWhatItsStepsDropped(t *testing.T) {
	f := candidacytest.Cluster("self www1\nwww2 age=7s\nwww3 age=9s\nwww4")
	c := candidacytest.Chain(candidacy.Builtin(), "removeSelf", "byAge 6", "byRandom", "addSelf", "byAge 8")
	if got := c.Dropped(); !slices.Equal(got, make([]uint64, 5)) {
		t.Errorf("a new chain has dropped %v", got)
	}
	req := candidacytest.Request(f)
	c.Explain(req, candidacy.AppendCandidates(nil, req, nil))
	if got := c.Dropped(); !slices.Equal(got, make([]uint64, 5)) {
		t.Errorf("Explain, which is no decision, was counted: %v", got)
	}
	for range 3 {
		c.Select(req, candidacy.AppendCandidates(nil, req, nil))
	}
	got := c.Dropped()
	if !slices.Equal(got, []uint64{3, 6, 0, 0, 0}) {
		t.Errorf("dropped %v", got)
	}
	got[0] = 99
	if c.Dropped()[0] != 3 {
		t.Error("the counts can be changed from outside")
	}
}

func TestDroppedIsCountedByManyRequestsAtOnce(t *testing.T) {
	const workers, each = 8, 200
	f := candidacytest.Cluster("self www1\nwww2 age=7s\nwww3 age=9s\nwww4")
	c := candidacytest.Chain(candidacy.Builtin(), "removeSelf", "byAge 6")
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			req := candidacytest.Request(f)
			for range each {
				c.Select(req, candidacy.AppendCandidates(nil, req, nil))
				c.Dropped()
			}
		})
	}
	wg.Wait()
	if got := c.Dropped(); !slices.Equal(got, []uint64{workers * each, 2 * workers * each}) {
		t.Errorf("dropped %v", got)
	}
}

func TestExplainTellsWhatEachStepDid(t *testing.T) {
	f := candidacytest.Cluster("self www1\nwww2 age=7s load=1\nwww3 load=3\nwww4 load=2")
	req := candidacytest.Request(f)
	c := candidacytest.Chain(candidacy.Builtin(), "removeSelf", "byAge  6", "byLoad", "byLogWindow")
	var got []string
	for _, st := range c.Explain(req, candidacy.AppendCandidates(nil, req, nil)) {
		line := st.Step + ":"
		for _, m := range st.Kept {
			line += " " + m.Member.Name + "/" + m.Note
		}
		for _, m := range st.Dropped {
			line += " -" + m.Member.Name + "/" + m.Note
		}
		got = append(got, line)
	}
	want := []string{
		"removeSelf: www2/ www3/ www4/ -www1/is this host",
		"byAge  6: www3/age 0s www4/age 0s -www2/older than 6s: age 7s",
		"byLoad: www4/load 2.00 www3/load 3.00",
		"byLogWindow: www4/ -www3/not among the first log2(n)",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestExplainChoosesAsSelectDoes(t *testing.T) {
	c := candidacytest.Chain(candidacy.Builtin(), "byAge 6b", "byRandom", "byLogWindow", "byLoad 0.5", "addSelf")
	f := candidacytest.Cluster("self www0 load=1\n" + nodes(30))
	for seed := range uint64(50) {
		req := candidacytest.Request(f)
		req.Rand = candidacytest.Rand(seed)
		selected := c.Select(req, candidacy.AppendCandidates(nil, req, nil))
		req.Rand = candidacytest.Rand(seed)
		stages := c.Explain(req, candidacy.AppendCandidates(nil, req, nil))
		var explained []*node.Member
		for _, m := range stages[len(stages)-1].Kept {
			explained = append(explained, m.Member)
		}
		if !slices.Equal(selected, explained) {
			t.Errorf("seed %d: selected %q, explained %q", seed, candidacytest.Names(selected), candidacytest.Names(explained))
		}
	}
}

// FuzzParseChain reads any text as a chain, and runs what it understands.
func FuzzParseChain(f *testing.F) {
	for _, s := range candidacy.Builtin().Specs() {
		f.Add(s.Example)
	}
	f.Add("removeSelf\nbyAge 6\nbyRandom\nbyLogWindow\nbyLoad")
	f.Add("byAge 6b\nbyAge 1e400\nbyAge -0b\nbyAge 0x1p4")
	f.Add("byHostname ((((a{9}){9}){9}){9})\nbyHostname \\C\nbyHostname [[:foo:]]")
	f.Add("HTTPRedirectToName %-9S%9H:65535\nHTTPRedirectToName %:")
	f.Add("byStat age <=1 >-1e-9 desc\nbyStat load1 <\nbyHash cookie:\x00\nbyHash header:a:b\nbyLabel =\nbyWater 1e9\nbySlowStart 1h1s")
	f.Add("addSession a Path=/;b\naddSession a Max-Age=1e9 Domain=a..b\naddSession a SameSite=None secure Path=/\x7f\naddSession 0 Path=/\"")
	f.Add("bySession =\nbySession \x00\nbyLoad 1_0\n\n \t")
	f.Fuzz(func(t *testing.T, text string) {
		r := candidacy.Builtin()
		steps := strings.Split(text, "\n")
		c, errs := r.Parse(steps)
		for _, err := range errs {
			if words := strings.Fields(err.Text); len(words) > 0 && !names(err.Error(), words[0]) {
				t.Errorf("step %q: the error does not name the function: %v", err.Text, err)
			}
		}
		if c == nil {
			return
		}
		farm := candidacytest.Cluster("self www1\nwww2.example.com load=1\nwww3 state=draining\nphysical app1")
		req := candidacytest.Request(farm)
		req.Fields = candidacytest.Fields{Cookie: []string{"PHPSESSID=0a000003"}}
		for _, m := range c.Select(req, candidacy.AppendCandidates(nil, req, nil)) {
			if !slices.Contains(farm.Members, m) {
				t.Errorf("%v is no member", m)
			}
		}
		if line := req.Session.Line; line != nil {
			set, err := http.ParseSetCookie(line(req, farm.Members[1]))
			if err != nil || len(set.Unparsed) > 0 || set.Valid() != nil || !set.HttpOnly || set.Path == "" {
				t.Errorf("the cookie is %q: %v", line(req, farm.Members[1]), err)
			}
		}
		if req.Redirect.On {
			if h := req.Redirect.Host(req, farm.Members[1]); strings.ContainsAny(h, "/\\@%?# \r\n") {
				t.Errorf("redirect to %q", h)
			}
		}
	})
}

// names reports whether an error says a function's name, as it is or quoted.
func names(err, name string) bool {
	return strings.Contains(err, name+":") || strings.Contains(err, strconv.Quote(name))
}
