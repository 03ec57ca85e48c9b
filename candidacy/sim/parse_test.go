package sim

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestParse(t *testing.T) {
	files := map[string]string{
		"works.txt": "# in ms\n10\n20.5\n\n30\n",
		"rates.txt": "100\n0\n200\n",
		"trace.txt": "0.5 10\n0.5\n1.25 7.5\n",
	}
	open := func(name string) ([]byte, error) {
		if text, ok := files[name]; ok {
			return []byte(text), nil
		}
		return nil, fmt.Errorf("open %s: no such file", name)
	}
	got, err := Parse("full.toml", `
title   = "full"
seeds   = [7, 8]
warm_up = "1s"
measure = "2m"
delay   = "1ms"
[members]
count      = 10
slots      = 3
discipline = "fifo"
workers    = 64
slow       = [ { count = 1, factor = 2 }, { count = 2, factor = 3.5 } ]
[antagonist]
share  = 0.1
length = "20s"
factor = 3
[work]
kind = "recorded"
file = "works.txt"
[arrivals]
rates = "rates.txt"
step  = "10s"
[fronts]
count   = [1, 10]
zipf    = 1.1
refresh = "50ms"
tries   = 4
[gossip]
interval = ["100ms", "5s"]
jitter   = 0.2
loss     = 0.01
[[failure]]
kind    = "slow"
at      = "10s"
for     = "5s"
members = 3
factor  = 4
[[policy]]
name  = "mine"
chain = ["byAge 6", "byRandom"]
[[policy]]
rival = "c3"
`, open)
	if err != nil {
		t.Fatal(err)
	}
	want := &Scenario{
		Title: "full", Seeds: []uint64{7, 8}, WarmUp: time.Second, Measure: 2 * time.Minute, Delay: time.Millisecond,
		Members:    Members{Count: 10, Slots: 3, FIFO: true, Workers: 64, Slow: []Slow{{1, 2}, {2, 3.5}}},
		Antagonist: Antagonist{Share: 0.1, Length: 20 * time.Second, Factor: 3},
		Work: Work{
			Kind: Recorded, Mean: []time.Duration{50 * time.Millisecond}, Alpha: 1.5, CV: 2.3,
			Trace: []float64{0.01, 0.0205, 0.03},
		},
		Arrivals: Arrivals{Rates: []float64{100, 0, 200}, Step: 10 * time.Second},
		Fronts:   Fronts{Count: []int{1, 10}, Zipf: 1.1, Refresh: 50 * time.Millisecond, Tries: 4},
		Gossip:   Gossip{Interval: []time.Duration{100 * time.Millisecond, 5 * time.Second}, Jitter: 0.2, Loss: 0.01},
		Failures: []Failure{{Kind: Slowed, At: 10 * time.Second, For: 5 * time.Second, Members: 3, Factor: 4}},
		Policies: []Policy{{Name: "mine", Chain: []string{"byAge 6", "byRandom"}}, {Name: "c3", Rival: "c3"}},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	got, err = Parse("trace.toml", "members.count = 2\narrivals.trace = 'trace.txt'\n[[policy]]\nrival = 'jsq'", open)
	if err != nil {
		t.Fatal(err)
	}
	trace := []Arrival{{500 * time.Millisecond, 0.01}, {500 * time.Millisecond, 0}, {1250 * time.Millisecond, 0.0075}}
	if d := cmp.Diff(trace, got.Arrivals.Trace); d != "" {
		t.Errorf("trace (-want +got):\n%s", d)
	}
}

// All mistakes come at once, each with its place.
func TestMistakes(t *testing.T) {
	_, err := Parse("bad.toml", `
sedes   = [1]
measure = 45
[members]
count = 10
slots = "four"
slow  = [ { count = 11, factor = 3 } ]
[work]
kind = "normal"
[arrivals]
load = 0.85
rate = 100
[fronts]
are_members = true
count = 3
[gossip]
interval = ["1s", "1"]
loss = 2
[[failure]]
kind = "errors"
factor = 3
[[policy]]
chain = ["byAge 6", "byLod"]
[[policy]]
rival = "leastcon"
[[policy]]
name = "both"
`, noFiles)
	var m *Mistakes
	if !errors.As(err, &m) {
		t.Fatalf("got %v, want mistakes", err)
	}
	want := `bad.toml: measure: is 45, want a duration from 1ms to 24h0m0s, with its unit and in quotes
bad.toml: members: slots: is four, want a whole number from 1 to 100000
bad.toml: members: slow 1: count: is 11, want a whole number from 1 to 10
bad.toml: work: kind: is "normal", want one of exponential, pareto, constant, recorded
bad.toml: fronts: count: leave it away: with are_members, each member is a front
bad.toml: arrivals: want one of load, rate, rates and trace
bad.toml: gossip: interval: is "1", want a duration from 10ms to 1h0m0s, with its unit and in quotes
bad.toml: gossip: loss: is 2, want a number from 0 to 0.99
bad.toml: failure 1: factor: leave it away: it is for kind = "slow"
bad.toml: policy 1: chain: step 2: no function is named "byLod"; it is spelt`
	got := err.Error()
	for line := range strings.Lines(want) {
		line = strings.TrimSpace(strings.TrimSuffix(line, "; it is spelt\n"))
		if !strings.Contains(got, strings.TrimSuffix(line, "; it is spelt")) {
			t.Errorf("%q is not said", line)
		}
	}
	for _, more := range []string{
		`bad.toml: policy 2: rival: is "leastcon", want one of c3, heartbeat, jsq, leastconn`,
		`bad.toml: policy 3: want either a chain or a rival`,
		`bad.toml: "sedes" is not known: leave it away; there are antagonist, arrivals, delay`,
	} {
		if !strings.Contains(got, more) {
			t.Errorf("%q is not said", more)
		}
	}
	if len(*m) != 13 {
		t.Errorf("there are %d mistakes, want 13:\n%s", len(*m), got)
	}
}

func TestSingleMistakes(t *testing.T) {
	const good = "members.count = 3\n[[policy]]\nrival = 'jsq'\n"
	if _, err := Parse("good.toml", good, noFiles); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ name, text, want string }{
		{"bad syntax has its line", "members.count = 3\n[[policy]\n", "x.toml: line 3: this is no good TOML"},
		{"nobody is compared", "members.count = 3", "there is no policy"},
		{"there are no members", "[[policy]]\nrival = 'jsq'", "members: count: is missing"},
		{"two policies have one name", good + "[[policy]]\nrival = 'jsq'", `policy 2: name: "jsq" is there already`},
		{"a chain is empty", "members.count = 3\n[[policy]]\nchain = []", "policy 1: chain: it is empty"},
		{"a variation that cannot be", "work = {kind = 'pareto', alpha = 5, cv = 9}\n" + good, "work: cv: is 9, want less than"},
		{"a recording that is not there", "work = {kind = 'recorded', file = 'x'}\n" + good, "work: file: there are no files here"},
		{"no recording is named", "work = {kind = 'recorded'}\n" + good, "work: file: want the name of a file"},
		{"too many requests", "measure = '20h'\n[arrivals]\nrate = 1e7\n[members]\ncount = 3\n[[policy]]\nrival = 'jsq'", "a case would have"},
		{"too long", "measure = '20h'\nwarm_up = '20h'\n" + good, "warm_up and measure are 40h0m0s together"},
		{"more members fail than there are", good + "[[failure]]\nkind = 'silent'\nmembers = 4", "failure 1: members: is 4"},
		{"a failure without a kind", good + "[[failure]]\nat = '1s'", "failure 1: kind: is missing"},
		{"a table that is none", "work = 3\n" + good, "work: want a table"},
		{"tables that are none", "failure = [3]\n" + good, "failure: want tables"},
		{"no values", "seeds = []\n" + good, "seeds: has 0 values"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := Parse("x.toml", c.text, noFiles)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

func TestRecordings(t *testing.T) {
	for _, c := range []struct{ name, key, text, want string }{
		{"a word", "arrivals.trace", "1\nsoon\n", `x:2: "soon" is no number`},
		{"too many words", "arrivals.trace", "1 2 3\n", "x:1: there are 3 words"},
		{"not in order", "arrivals.trace", "2\n1\n", "x:2: the request comes before the one above it"},
		{"nothing", "arrivals.trace", "# nothing\n", "there is no request in it"},
		{"nothing but noughts", "arrivals.rates", "0\n0\n", "there is no request in it"},
		{"below nought", "arrivals.rates", "-1\n", `x:1: "-1" is no number from 0`},
		{"no number", "arrivals.rates", "NaN\n", `x:1: "NaN" is no number`},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := Parse("x.toml", c.key+" = 'x'\nmembers.count = 3\n[[policy]]\nrival = 'jsq'\n",
				func(string) ([]byte, error) { return []byte(c.text), nil })
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

// What Parse takes can be played.
func FuzzParse(f *testing.F) {
	f.Add(all+"[[policy]]\nchain = ['auto']\n", "1 2\n3 4\n")
	f.Add(quiet, "")
	f.Add("members.count = 3\narrivals.trace = 'x'\n[[policy]]\nrival = 'jsq'", "0 1\n")
	f.Add("members.count = 1\nwork = {kind = 'recorded', file = 'x'}\n[[policy]]\nrival = 'heartbeat'", "5")
	f.Add("[members]\ncount = 2\nslow = [{}]\n[fronts]\nare_members = true\n[[policy]]\nchain = ['off']", "")
	f.Fuzz(func(t *testing.T, text, recording string) {
		s, err := Parse("fuzz.toml", text, func(string) ([]byte, error) { return []byte(recording), nil })
		if err != nil {
			if !errors.As(err, new(*Mistakes)) || err.Error() == "" {
				t.Errorf("the error %v is no mistakes", err)
			}
			return
		}
		nodes := s.Members.Count
		for _, c := range s.cases() {
			nodes = max(nodes, c.Fronts)
		}
		s.WarmUp, s.Measure = 0, min(s.Measure, 50*time.Millisecond)
		if nodes > 50 || len(s.tasks()) > 20 || s.rate(s.cases()[0]) > 1000 {
			return // too much for a fuzzer
		}
		if _, err := Run(t.Context(), s, Options{}); err != nil {
			t.Error(err)
		}
	})
}
