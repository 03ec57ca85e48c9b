package main

import (
	"io"
	"math"
	"strings"
	"testing"
	"time"

	"backhand/contrib/testbed/load"
	"backhand/contrib/testbed/trace"
)

func flags(t *testing.T, args ...string) options {
	t.Helper()
	o, err := parseFlags(args, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func TestParseFlags(t *testing.T) {
	for _, row := range []struct{ args, want string }{
		{"-scenarios dark", `there is no "dark"`},
		{"-policies ideal,luck", `there is no "luck"`},
		{"-fronts 0", `"0" is no number from 1 to 99`},
		{"-fronts 4,x", `"x" is no number`},
		{"-secs 0", "-secs is 0: want 1 to 600"},
		{"-warm 500", "-warm is 500"},
		{"-reps 0", "-reps is 0"},
		{"-mean 1ms", "-mean in ms is 1: want 5 to 1000"},
		{"-load NaN", "-load is NaN"},
		{"-members 1", "-members is 1"},
		{"-slow 24", "-slow is 24"},
		{"-chain x", "want NAME=STEP;STEP"},
		{"-chain x=;", "want NAME=STEP;STEP"},
		{"-chain auto=byRandom", `two policies "auto"`},
		{"now", `there are only flags`},
	} {
		if _, err := parseFlags(strings.Fields(row.args), io.Discard); err == nil || !strings.Contains(err.Error(), row.want) {
			t.Errorf("%s: %v, want %q", row.args, err, row.want)
		}
	}
	o := flags(t, "-policies", "ideal", "-chain", "bare=byAge 6b; byTraffic", "-fronts", "4,1,4")
	if len(o.policies) != 2 || strings.Join(o.policies[1].chain, "|") != "byAge 6b|byTraffic" || len(o.fronts) != 2 {
		t.Errorf("policies %+v, fronts %v", o.policies, o.fronts)
	}
}

func TestPlan(t *testing.T) {
	o := flags(t, "-policies", "ideal,auto,seed,nginx", "-reps", "2", "-secs", "60")
	var got []string
	for _, turn := range plan(o) {
		got = append(got, turn.name())
		if turn.trace.Seed != uint64(1+turn.Rep) || turn.trace.Fronts != turn.Fronts {
			t.Errorf("%s has the seed %d and %d fronts", turn.name(), turn.trace.Seed, turn.trace.Fronts)
		}
		if err := turn.trace.Check(); err != nil {
			t.Errorf("%s: %v", turn.name(), err)
		}
		if falls := len(turn.trace.Falls); turn.Scenario == keySlow && falls != 2 {
			t.Errorf("%s has %d falls, want 2 in 60 s", turn.name(), falls)
		}
	}
	first := "1-main-f1-1s-ideal 1-main-f1-1s-auto 1-main-f1-1s-seed 1-main-f1-1s-nginx"
	last := "2-light-f4-1s-auto 2-light-f4-1s-ideal"
	if s := strings.Join(got, " "); !strings.HasPrefix(s, first) || !strings.HasSuffix(s, last) || len(got) != 2*(4*4+3*2+2+3+2) {
		t.Errorf("%d measurements: %s", len(got), s)
	}
	if s := strings.Join(programs(o), " "); s != "ip nginx" {
		t.Errorf("needs %s", s)
	}
	if n := mostFronts(plan(o)); n != 24 {
		t.Errorf("%d fronts", n)
	}
}

// made is a sample with these means.
func made(scenario, policy string, fronts, rep int, mean float64) sample {
	return sample{
		Scenario: scenario, Policy: policy, Fronts: fronts, Gossip: 1, Rep: rep, Requests: 1000, Mean: mean, P99: 10 * mean, CPU: .3,
		Before: 400, After: 500, P50: 29, WorkP50: 28,
	}
}

func TestFiguresOfVoidSamplesDoNotCount(t *testing.T) {
	void := made(keyMain, keyAuto, 4, 1, 900)
	void.Void = true
	all := samples{
		made(keyMain, keyIdeal, 4, 0, 50), made(keyMain, keyAuto, 4, 0, 60),
		made(keyMain, keyIdeal, 4, 1, 50), void,
		made(keyMain, keyIdeal, 4, 2, 40), made(keyMain, keyAuto, 4, 2, 50), made(keyMain, keyAuto, 24, 2, 1),
	}
	auto, ideal := place{keyMain, 4, 1, keyAuto}, place{keyMain, 4, 1, keyIdeal}
	if got := all.figures(auto, meanOf); got != (spread{55, 50, 60, 2}) {
		t.Errorf("figures %+v", got)
	}
	if got := all.ratio(auto, ideal, meanOf).text("%.3f"); got != "1.225 [1.200-1.250]" {
		t.Errorf("ratio %s", got)
	}
	if got := all.figures(place{}, meanOf).text("%.3f"); got != "-" {
		t.Errorf("of none: %s", got)
	}
}

func TestReport(t *testing.T) {
	o := flags(t, "-policies", "ideal,auto,haproxy-leastconn,nginx", "-fronts", "4,24", "-reps", "1")
	failing := made(keyError, keyAuto, 4, 0, 60)
	failing.Failed = .004
	void := made(keyMain, "nginx", 4, 0, 100)
	void.Void, void.CPU = true, .7
	r := &report{opt: o, Commit: "abc", Samples: samples{
		made(keyMain, keyIdeal, 4, 0, 50), made(keyMain, keyAuto, 4, 0, 54), made(keyMain, keyLeast, 4, 0, 60), void,
		made(keyMain, keyIdeal, 24, 0, 50), made(keyMain, keyAuto, 24, 0, 62), made(keyMain, keyLeast, 24, 0, 120), failing,
		made(keySlow, keyAuto, 4, 0, 60), made(keyLight, keyAuto, 4, 0, 51),
	}, Simulated: samples{made(keyMain, keyAuto, 4, 0, 55)}}
	r.Targets = judge(o, r.Samples)
	var out strings.Builder
	r.write(&out)
	for _, want := range []string{
		"| F = 4 | auto | 54.0 | 29.0 | 540 | 0 | 1.080 | 1.080 | 0.00 % | 0.000 | 30 % | 55.0 | 550 |\n",
		"| F = 4 | nginx | 100.0 | 29.0 | 1000 | 0 | - | - | 0.00 % | 0.000 | 70 % **VOID** | - | - |\n",
		"| F = 4 | auto | 60.0 | 29.0 | 600 | 0 | - | - | 0.00 % | 0.000 | 30 % | 1.25 |\n", // slow
		"| F = 4 | auto | 51.0 | 29.0 | 510 | 0 | - | - | 0.00 % | 0.000 | 30 % | 1.00 |\n", // light
		"| F = 4: mean / ideal | at most 1.1 | 1.080 | kept |\n",
		"| F = 4: mean / haproxy-leastconn | at most 1 | 0.900 | kept |\n",
		"| F = 4: mean / nginx | at most 1 | - |  |\n",
		"| F = 24: mean / ideal | at most 1.2 | 1.240 | **missed** |\n",
		"| F = 24: p99 / haproxy-leastconn | at most 0.5 | 0.517 | **missed** |\n",
		"| a member answers 500: failed requests, % of all | at most 0.3 | 0.400 | **missed** |\n",
		"| p99 of the ten seconds after members fell to a tenth / before | at most 1.3 | 1.250 | kept |\n",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("missing: %s", want)
		}
	}
	if t.Failed() {
		t.Log(out.String())
	}
}

func TestSample(t *testing.T) {
	b := &bed{opt: flags(t)}
	record := func(at time.Duration, took time.Duration, status, member int) load.Record {
		return load.Record{Request: trace.Request{At: at, Work: took / 2}, Took: took, Status: status, Member: member}
	}
	turn := turn{group: group{Scenario: keySlow, Fronts: 4, Gossip: time.Second}, policy: policy{key: keyAuto}, Rep: 2}
	turn.trace = trace.Spec{Members: 2, Falls: []time.Duration{30 * time.Second}, FallsFor: 10 * time.Second}
	r := load.Result{CPU: .5, Refusals: 2, Late: time.Millisecond, Records: []load.Record{
		record(19*time.Second, 10*time.Millisecond, 200, 0),
		record(20*time.Second, 20*time.Millisecond, 200, 0),
		record(30*time.Second, 60*time.Millisecond, 200, 1),
		record(31*time.Second, 500*time.Millisecond, 502, -1),
	}}
	s := b.sample(turn, r, nil)
	if s.Mean != 30 || s.Failed != .25 || s.Refusals != .5 || s.Before != 20 || s.After != 60 || s.Rep != 2 || s.Void ||
		s.WorkMean != 73.75 || s.Shares[0] != .5 || s.Shares[1] != .25 || s.P99 != 60 {
		t.Errorf("%+v", s)
	}
	for _, row := range []struct {
		name string
		cpu  float64
		late time.Duration
	}{{"too much CPU time", .61, 0}, {"sent late", .1, 4 * time.Millisecond}} {
		r.CPU, r.Late = row.cpu, row.late
		if !b.sample(turn, r, nil).Void {
			t.Errorf("%s, and it counts", row.name)
		}
	}
}

func TestParseStat(t *testing.T) {
	const text = "42 (a) name) S 1 77 77 0 -1 4194560 100 0 0 0 250 50 7 3 20 0 1 0 12345 1000 10 1 1 1 0"
	group, secs, err := parseStat(text)
	if err != nil || group != 77 || math.Abs(secs-3.1) > 1e-9 {
		t.Errorf("group %d, %v s, %v; want 77 and 3.1", group, secs, err)
	}
	if _, _, err := parseStat("42 (x) S 1"); err == nil {
		t.Error("half a line is taken")
	}
}
