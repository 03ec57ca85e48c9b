package sim

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// all is a small scenario in which everything happens.
const all = `
seeds   = [1, 2]
warm_up = "2s"
measure = "4s"
delay   = "500us"

[members]
count   = 12
slots   = 2
workers = 16
slow    = [ { count = 2, factor = 3 } ]

[antagonist]
share  = 0.2
length = "2s"

[work]
kind = "pareto"
mean = "20ms"

[arrivals]
load = 0.7

[fronts]
count = [1, 4]
zipf  = 1

[gossip]
interval = "200ms"
loss     = 0.05

[[failure]]
kind    = "refuses"
at      = "3s"
for     = "1s"
[[failure]]
kind    = "silent"
at      = "3s"
for     = "2s"
[[failure]]
kind    = "slow"
at      = "4s"
for     = "1s"
members = 2
[[failure]]
kind    = "errors"
at      = "4s"
for     = "2s"
`

// withAll returns that scenario with every rival, and with chains.
func withAll(t *testing.T, chains ...string) *Scenario {
	t.Helper()
	text := all
	for _, r := range Rivals() {
		text += "[[policy]]\nrival = \"" + r.Name + "\"\n"
	}
	for _, c := range chains {
		text += "[[policy]]\nchain = [" + c + "]\n"
	}
	return scenario(t, text)
}

func scenario(t *testing.T, text string) *Scenario {
	t.Helper()
	s, err := Parse("test.toml", text, noFiles)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func noFiles(string) ([]byte, error) { return nil, errors.New("there are no files here") }

func TestSameScenarioSameFigures(t *testing.T) {
	s := withAll(t, `"auto"`, `"byAge 6", "byRandom", "byLogWindow", "byLoad"`, `"byRandom", "byBusyChildren"`)
	one, err := Run(t.Context(), s, Options{Workers: 1})
	if err != nil {
		t.Fatal(err)
	}
	four, err := Run(t.Context(), s, Options{Workers: 4})
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(one, four); d != "" {
		t.Errorf("one after the other and four at once differ:\n%s", d)
	}
	s.Seeds = []uint64{3, 4}
	other, err := Run(t.Context(), s, Options{Workers: 4})
	if err != nil {
		t.Fatal(err)
	}
	for i := range one.Rows {
		if one.Rows[i].Mean == other.Rows[i].Mean {
			t.Errorf("%s has the same mean with other seeds", one.Rows[i].Policy)
		}
	}
}

// No request is lost or counted twice, whatever fails.
func TestEveryRequestEndsOnce(t *testing.T) {
	s := withAll(t, `"auto"`)
	s.Seeds = []uint64{1}
	for _, tk := range s.tasks() {
		sim := newSimulation(s, tk.c, tk.seed)
		sim.choose = tk.policy.chooser(sim, stream(1, policyStream))
		if err := sim.run(t.Context(), func(float64) {}); err != nil {
			t.Fatal(err)
		}
		res := &sim.result
		if n := int(res.latency.total) + res.Errors; n != res.Requests || res.Requests == 0 {
			t.Errorf("%s: %d requests, %d answered, %d errors", tk.policy.Name, res.Requests, res.latency.total, res.Errors)
		}
		own := 0
		for _, f := range sim.fronts {
			for _, n := range f.own {
				own += int(n)
			}
		}
		assigned, inFlight := 0, 0
		for _, m := range sim.members {
			assigned += m.assigned
			inFlight += m.origin.inFlight()
		}
		if own != assigned || inFlight > assigned {
			t.Errorf("%s: fronts have %d under way, members are given %d and have %d", tk.policy.Name, own, assigned, inFlight)
		}
	}
}

// All policies of a seed get the same requests.
func TestCommonRequests(t *testing.T) {
	rep, err := Run(t.Context(), withAll(t, `"auto"`), Options{Workers: 4})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range rep.Rows {
		if r.Requests != rep.Rows[0].Requests {
			t.Errorf("%s with %d fronts got %d requests, %s with %d got %d",
				r.Policy, r.Fronts, r.Requests, rep.Rows[0].Policy, rep.Rows[0].Fronts, rep.Rows[0].Requests)
		}
	}
}

// quiet is a cluster with little to do, in which failures stand out.
const quiet = `
warm_up = "5s"
measure = "10s"
[members]
count = 20
slots = 4
[arrivals]
load = 0.5
[fronts]
count = 4
[[policy]]
chain = ["auto"]
[[policy]]
rival = "c3"
[[policy]]
rival = "round-robin"
`

func TestFailures(t *testing.T) {
	for _, c := range []struct {
		name   string
		text   string
		policy int
		errors [2]float64 // at least and at most
		p99    float64    // ms, at most
	}{
		{"without a failure there are no errors", "", 0, [2]float64{0, 0}, 260},
		{"connections refused go elsewhere", "[[failure]]\nkind = \"refuses\"\nat = \"8s\"\n", 0, [2]float64{0, 0}, 260},
		{"a silent member is left after seconds", "[[failure]]\nkind = \"silent\"\nat = \"8s\"\n", 0, [2]float64{0, 0.001}, 1100},
		{"who fails at once draws few requests", "[[failure]]\nkind = \"errors\"\nat = \"8s\"\n", 0, [2]float64{0.0001, 0.01}, 260},
		{"one who does not know of errors sends many there", "[[failure]]\nkind = \"errors\"\nat = \"8s\"\n", 1, [2]float64{0.2, 1}, 260},
		{"in turn it gets its part", "[[failure]]\nkind = \"errors\"\nat = \"8s\"\n", 2, [2]float64{0.03, 0.05}, 320},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			row := play(t, scenario(t, quiet+c.text)).Rows[c.policy]
			if row.Errors < c.errors[0] || row.Errors > c.errors[1] {
				t.Errorf("%.4f of the requests failed, want %v", row.Errors, c.errors)
			}
			if row.P99 > c.p99 {
				t.Errorf("p99 %.0f ms, want at most %.0f", row.P99, c.p99)
			}
		})
	}
}

// With limits, requests come back, and more of them the more fronts there are.
func TestRefusals(t *testing.T) {
	rep := play(t, scenario(t, `
warm_up = "3s"
measure = "10s"
[members]
count = 40
slots = 4
[fronts]
count = [1, 40]
[[policy]]
chain = ["byTraffic"]
[[policy]]
chain = ["byTraffic", "orElse"]
`))
	without, few, many := rep.Rows[2], rep.Rows[1], rep.Rows[3]
	if without.Refusals != 0 || few.Refusals > 0.1 || many.Refusals < 0.15 || many.Refusals > 1.5 {
		t.Errorf("refusals a request: %v without a limit, %v with 1 front, %v with 40", without.Refusals, few.Refusals, many.Refusals)
	}
	if many.Mean >= without.Mean {
		t.Errorf("with limits the mean is %.1f ms, without %.1f", many.Mean, without.Mean)
	}
}

func TestMembersAsFronts(t *testing.T) {
	rep := play(t, scenario(t, `
measure = "20s"
delay   = "20ms"
[members]
count = 10
slots = 4
[arrivals]
load = 0.2
[fronts]
are_members = true
[[policy]]
chain = ["off"]
[[policy]]
chain = ["removeSelf", "byTraffic"]
`))
	if at, away := rep.Rows[0].Mean, rep.Rows[1].Mean; at < 48 || at > 53 || away < 88 || away > 93 {
		t.Errorf("served at home in %.1f ms, away in %.1f: want about 50 and 90", at, away)
	}
}

func TestARunCanBeStopped(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	s := withAll(t, `"auto"`)
	s.Measure = time.Hour
	shares := 0
	_, err := Run(ctx, s, Options{Workers: 2, Progress: func(share float64) {
		if shares++; shares == 3 {
			cancel()
		}
		if share < 0 || share > 1 {
			t.Errorf("%v of it is done", share)
		}
	}})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want that it was cancelled", err)
	}
}

func TestTableForPeople(t *testing.T) {
	rep := &Report{
		Title: "A title", Seeds: []uint64{1, 2}, WarmUp: 5, Measure: 60,
		Rows: []Row{
			{Policy: "auto", Fronts: 1, Work: 50, Interval: 1, Load: 0.85, K: 68, Mean: 51.23, P50: 35, P99: 231.4, P999: 1234.5, Spread: 0.164, Refusals: 0.001},
			{Policy: "random", Fronts: 1, Work: 50, Interval: 5, Load: 0.85, K: 340, Mean: 1051.7, P50: 35, P99: 231, P999: 345, Errors: 0.0123, Unfinished: 3},
		},
	}
	var b strings.Builder
	if err := rep.WriteTable(&b); err != nil {
		t.Fatal(err)
	}
	want := `A title

  beats    K  fronts     mean   p50  p99  p99.9  spread  sent back  errors  policy
     1s   68       1     51.2  35.0  231   1234    0.16       0.00   0.00%  auto

     5s  340       1  1052(+)  35.0  231    345    0.00       0.00   1.23%  random

Latencies in ms, of requests that came within 1m0s after 5s, 2 seeds. spread: how unequally the members are
loaded (0: alike). sent back: refusals for each request. K: requests that a member gets between two beats.
(+): some requests were not finished a minute after the end, and count as if they were then.
`
	if d := cmp.Diff(want, b.String()); d != "" {
		t.Errorf("table (-want +got):\n%s", d)
	}
}

func TestRivalsAreDescribed(t *testing.T) {
	names := []string{}
	for _, r := range Rivals() {
		names = append(names, r.Name)
		if r.Doc == "" {
			t.Errorf("%s is not described", r.Name)
		}
	}
	for _, want := range []string{
		"omniscient", "jsq", "leastconn", "two-choices", "peak-ewma", "prequal", "c3", "orca-wrr", "heartbeat", "random", "round-robin",
	} {
		if !slices.Contains(names, want) {
			t.Errorf("there is no %s among %v", want, names)
		}
	}
}
