package main

import (
	"math"
	"strings"
	"testing"
	"time"
)

func TestSpread(t *testing.T) {
	for _, row := range []struct {
		figures []float64
		want    spread
		text    string
	}{
		{nil, spread{}, "-"},
		{[]float64{2}, spread{2, 2, 2, 1}, "2.00 [2.00-2.00]"},
		{[]float64{3, 1, 2}, spread{2, 1, 3, 3}, "2.00 [1.00-3.00]"},
		{[]float64{30, 1, 2, 400}, spread{16, 1, 400, 4}, "16.00 [1.00-400]"},
		{[]float64{30.04}, spread{30.04, 30.04, 30.04, 1}, "30.0 [30.0-30.0]"},
	} {
		got := spreadOf(row.figures)
		if got != row.want || got.String() != row.text {
			t.Errorf("%v: got %+v %q, want %+v %q", row.figures, got, got, row.want, row.text)
		}
	}
}

// figured makes the samples of one metric, by repetition.
func figured(row, test, proxy, key string, figures ...float64) (all []sample) {
	for rep, v := range figures {
		all = append(all, sample{Row: row, Test: test, Proxy: proxy, Rep: rep, Values: map[string]float64{key: v}})
	}
	return all
}

func TestRatiosArePairedByRepetition(t *testing.T) {
	a, b := series{"four", "k64", ours}, series{"four", "k64", "haproxy"}
	// The machine is twice, then four times as slow: the ratio does not mind.
	mine := figured("four", "k64", ours, "cpu", 10, 22, 36, 40)
	theirs := figured("four", "k64", "haproxy", "cpu", 10, 20, 40, 0)
	others := figured("four", "k512", "haproxy", "cpu", 1, 1, 1, 1)
	all := append(append(mine, theirs...), others...)
	if got, want := ratio(all, a, b, "cpu"), (spread{1, .9, 1.1, 3}); math.Abs(got.Median-want.Median)+math.Abs(got.Min-want.Min)+
		math.Abs(got.Max-want.Max) > 1e-9 || got.N != want.N {
		t.Errorf("got %+v, want %+v; a repetition without a figure has no ratio", got, want)
	}
	all[1].Bad = 1
	if got := ratio(all, a, b, "cpu"); got.N != 2 || got.Max != 1 {
		t.Errorf("a measurement with a bad answer counts: %+v", got)
	}
	if got := ratio(all, a, b, "p50"); got.N != 0 {
		t.Errorf("a metric that nobody measured: %+v", got)
	}
}

func TestUserTimeIsAShareOfTheTotal(t *testing.T) {
	before := usage{total: 10, user: 100, system: 100}
	total, user := usage{total: 11, user: 103, system: 101}.since(before)
	if total != 1 || user != .75 {
		t.Errorf("total %v, user %v; want 1 and .75", total, user)
	}
	if total, user := before.since(before); total != 0 || user != 0 {
		t.Errorf("nothing used: %v, %v", total, user)
	}
}

func TestReport(t *testing.T) {
	opt, _, err := parseFlags([]string{"-rows", "four,hop", "-tests", "k64,idle,sys", "-reps", "1"}, &strings.Builder{})
	if err != nil {
		t.Fatal(err)
	}
	b := &bench{opt: opt, commit: "abc1234", versions: map[string]string{"haproxy": "HAProxy 2.6"}}
	b.samples = append(b.samples, figured("four", "k64", ours, "cpu", 9)...)
	b.samples = append(b.samples, figured("four", "k64", "haproxy", "cpu", 10)...)
	b.samples = append(b.samples, figured("hop", "k64", ours, "cpu", 18)...)
	b.samples = append(b.samples, figured("four", "idle", ours, "memory", 5)...)
	b.samples = append(b.samples, figured("four", "sys", ours, "calls", 5.25)...)
	b.notes = []string{"it was loud"}
	var out strings.Builder
	b.report(&out, []string{"-reps", "1"})
	for _, want := range []string{
		"backhand: abc1234. haproxy: HAProxy 2.6.", "    go run -C contrib/bench . -reps 1\n",
		"**backhand / haproxy**, median of 1 repetitions [min-max]:\n\n| farm | load | CPU | user CPU | requests/s | p50 | p99 |\n|---|---|---|",
		"| 4 members, `byRandom` | 1 KiB, 64 connections | 0.90 [0.90-0.90] | - | - | - | - |\n",
		"| two hops: front, member agent, origin | 1 KiB, 64 connections | 2.00 [2.00-2.00] |",
		"| 4 members, `byRandom` | backhand | 5.00 [5.00-5.00] | 5.25 [5.25-5.25] |",
		"note: it was loud\n",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in:\n%s", want, &out)
		}
	}
}

func TestEachRepetitionBeginsWithAnother(t *testing.T) {
	b := &bench{opt: options{reps: 3, secs: time.Second, rows: allRows()[:1], tests: allTests()}}
	field := map[string][]subject{oneHop: {{name: ours}, {name: "haproxy"}, {name: direct}}}
	if got, want := b.count(field), 3*(7*3+2*slowReps); got != want {
		t.Errorf("%d measurements, want %d", got, want)
	}
	for rep, first := range []string{ours, "haproxy", direct, ours} {
		if got := rotated(field[oneHop], rep)[0].name; got != first {
			t.Errorf("repetition %d begins with %s, want %s", rep, got, first)
		}
	}
}
