package proxy

import (
	"math"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"backhand/gossip/node"
)

func TestParseLoad(t *testing.T) {
	for _, tc := range []struct {
		line string
		want node.Load
	}{
		{"n=7 c=4 mu=18.3", node.Load{InFlight: 7, Slots: 4, Mu: 18.3}},
		{"n=0 c=0.5 mu=0", node.Load{Slots: 0.5}},
		{"n=1000000000 c=1000000000.0 mu=0.000000001", node.Load{InFlight: 1e9, Slots: 1e9, Mu: 1e-9}},
		{"n=007 c=04 mu=1.50", node.Load{InFlight: 7, Slots: 4, Mu: 1.5}},
	} {
		if got, ok := parseLoad(tc.line); !ok || got != tc.want {
			t.Errorf("%q is taken for %+v, %v; want %+v", tc.line, got, ok, tc.want)
		}
	}
	good := "n=7 c=4 mu=18.3"
	for _, tc := range []struct{ what, line string }{
		{"an empty line", ""},
		{"a number less", "n=7 c=4"},
		{"a number more", good + " h=0"},
		{"a space at the end", good + " "},
		{"a space more", strings.Replace(good, " ", "  ", 1)},
		{"a tab", strings.Replace(good, " ", "\t", 1)},
		{"another order", "c=4 n=7 mu=18.3"},
		{"names in upper case", strings.ToUpper(good)},
		{"no digits", "n= c=4 mu=1"},
		{"nothing before the point", "n=.5 c=4 mu=1"},
		{"nothing behind the point", "n=5. c=4 mu=1"},
		{"two points", "n=1.2.3 c=4 mu=1"},
		{"a sign", "n=-1 c=4 mu=1"},
		{"a plus", "n=+1 c=4 mu=1"},
		{"an exponent", "n=1e3 c=4 mu=1"},
		{"a number in hex", "n=0x1 c=4 mu=1"},
		{"an underscore", "n=1_0 c=4 mu=1"},
		{"infinity", "n=Inf c=4 mu=1"},
		{"what is no number", "n=NaN c=4 mu=1"},
		{"more than a billion", "n=1000000001 c=4 mu=1"},
		{"25 digits", "n=" + strings.Repeat("0", 25) + " c=4 mu=1"},
		{"no slots", "n=1 c=0 mu=1"},
		{"slots that round to none", "n=1 c=0.000000000000000000000 mu=1"},
		{"200 bytes", good + strings.Repeat(" ", 200)},
		{"digits of another script", "n=\u0661 c=4 mu=1"},
	} {
		if got, ok := parseLoad(tc.line); ok {
			t.Errorf("%s: %q is taken for %+v", tc.what, tc.line, got)
		}
	}
}

func TestAppendLoad(t *testing.T) {
	for _, tc := range []struct {
		load node.Load
		want string
	}{
		{node.Load{InFlight: 7, Slots: 4, Mu: 18.3}, "n=7 c=4 mu=18.3"},
		{node.Load{InFlight: 0, Slots: 0.25, Mu: 1.0 / 3}, "n=0 c=0.25 mu=0.33333334"},
		{node.Load{InFlight: math.Inf(1), Slots: 1e300, Mu: math.NaN()}, "n=1000000000 c=1000000000 mu=0"},
		{node.Load{InFlight: -1, Slots: math.SmallestNonzeroFloat64, Mu: 1e-9}, "n=0 c=0 mu=0.000000001"},
	} {
		if got := string(appendLoad(nil, tc.load)); got != tc.want {
			t.Errorf("%+v is written as %q, want %q", tc.load, got, tc.want)
		}
	}
}

// Whatever a meter may say can be written and read, and comes out as it was to six digits.
func TestLoadsSurviveTheWire(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := node.Load{
			InFlight: rapid.Float64Range(0, mostNumber).Draw(t, "n"),
			Slots:    rapid.Float64Range(1/mostNumber, mostNumber).Draw(t, "c"),
			Mu:       rapid.Float64Range(0, mostNumber).Draw(t, "mu"),
		}
		line := string(appendLoad(nil, want))
		got, ok := parseLoad(line)
		near := func(a, b float64) bool { return math.Abs(a-b) <= 2e-7*a+1/mostNumber }
		if !ok || !near(want.InFlight, got.InFlight) || !near(want.Slots, got.Slots) || !near(want.Mu, got.Mu) {
			t.Errorf("%+v is written as %q and read as %+v, %v", want, line, got, ok)
		}
	})
}

func FuzzLoad(f *testing.F) {
	f.Add("n=7 c=4 mu=18.3")
	f.Add("n=0 c=0.000000001 mu=1000000000")
	f.Add("n=1e9 c=4 mu=NaN")
	f.Add("n=-0 c=.5 mu=5.")
	f.Add("n=7 c=4 mu=18.3 h=0")
	f.Fuzz(func(t *testing.T, s string) {
		l, ok := parseLoad(s)
		if !ok {
			if l != (node.Load{}) {
				t.Errorf("%q is no load, and still says %+v", s, l)
			}
			return
		}
		for _, v := range []float64{l.InFlight, l.Slots, l.Mu} {
			if !(v >= 0 && v <= mostNumber) {
				t.Errorf("%q is taken for %+v", s, l)
			}
		}
		if again, ok := parseLoad(string(appendLoad(nil, l))); l.Slots >= 1/mostNumber && !ok {
			t.Errorf("%q is taken for %+v, which is written as %+v", s, l, again)
		}
	})
}

func TestSayingTheLoadAllocatesNothing(t *testing.T) {
	buf := make([]byte, 0, mostLoad)
	l := node.Load{InFlight: 123456789, Slots: 0.123456789, Mu: 1234.5678}
	if n := testing.AllocsPerRun(100, func() {
		buf = appendLoad(buf[:0], l)
		if _, ok := parseLoad(text(buf)); !ok {
			t.Fatalf("%q is not understood", buf)
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
