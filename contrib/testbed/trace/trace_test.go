package trace

import (
	"math"
	"slices"
	"strings"
	"testing"
	"time"
)

func usual() Spec {
	return Spec{
		Seed: 7, Fronts: 4, Members: 24, Slots: 4, Slow: 5, SlowBy: 3, Antagonist: true,
		Mean: 50 * time.Millisecond, Variation: 2.3, Load: .85, For: 300 * time.Second,
	}
}

func draw(t *testing.T, s Spec) Trace {
	t.Helper()
	tr, err := s.Draw()
	if err != nil {
		t.Fatal(err)
	}
	return tr
}

func near(t *testing.T, what string, got, want, tolerance float64) {
	t.Helper()
	if math.Abs(got/want-1) > tolerance {
		t.Errorf("%s is %v, want %v within %v %%", what, got, want, 100*tolerance)
	}
}

func TestTheParetoHasItsMeanAndVariation(t *testing.T) {
	for _, variation := range []float64{.5, 1, 2.3, 5} {
		p := newPareto(exponent, .05, variation)
		near(t, "the mean", p.moment(1), .05, 1e-6)
		near(t, "the variation", math.Sqrt(p.moment(2)/(.05*.05)-1), variation, 1e-6)
		near(t, "the least", p.at(0), p.least, 1e-9)
		near(t, "the most", p.at(math.Nextafter(1, 0)), p.most, 1e-6)
	}
	// Sums over equal steps of the share are the mean, too: at() and moment() are of the same distribution.
	p, sum := newPareto(exponent, .05, 2.3), 0.
	const steps = 1_000_000
	for i := range steps {
		sum += p.at((float64(i) + .5) / steps)
	}
	near(t, "the mean of the values", sum/steps, .05, 1e-3)
	near(t, "the least work", p.least, .01766, 1e-3)
}

// The rate that balancing.md gives for its 24 members.
func TestRate(t *testing.T) { near(t, "the rate", usual().Rate(), 1335, .001) }

func TestATraceIsAsItWasAskedFor(t *testing.T) {
	s := usual()
	tr := draw(t, s)
	near(t, "the number of requests", float64(len(tr.Requests)), s.Rate()*s.For.Seconds(), .01)
	var works, squares float64
	fronts := make([]int, s.Fronts)
	for i, q := range tr.Requests {
		if i > 0 && q.At < tr.Requests[i-1].At || q.At >= s.For {
			t.Fatalf("request %d is due at %v", i, q.At)
		}
		w := q.Work.Seconds()
		works, squares = works+w, squares+w*w
		fronts[q.Front]++
	}
	n := float64(len(tr.Requests))
	near(t, "the mean of the works", works/n, .05, .03)
	near(t, "their variation", math.Sqrt(squares/n/(works/n)/(works/n)-1), 2.3, .1)
	for i, f := range fronts {
		near(t, "the share of front "+string(rune('0'+i)), float64(f)/n, .25, .02)
	}
}

func TestWhatDoesNotConcernADrawDoesNotChangeIt(t *testing.T) {
	same := func(a, b Request) bool { return a.At == b.At && a.Work == b.Work }
	s := usual()
	s.For = 20 * time.Second
	first := draw(t, s)
	if again := draw(t, s); !slices.Equal(first.Requests, again.Requests) || !slices.Equal(first.Events, again.Events) {
		t.Error("the same spec gave another trace")
	}
	s.Fronts = 24
	if other := draw(t, s); !slices.EqualFunc(first.Requests, other.Requests, same) || !slices.Equal(first.Events, other.Events) {
		t.Error("with other fronts the works or the members are others")
	}
	s.Seed++
	if other := draw(t, s); slices.EqualFunc(first.Requests, other.Requests, same) {
		t.Error("with another seed the works are the same")
	}
}

// states returns the slowness of all members at a time.
func states(events []Event, members int, at time.Duration) (by []float64, failing int) {
	by = make([]float64, members)
	fails := make([]bool, members)
	for _, e := range events {
		if e.At <= at {
			by[e.Member], fails[e.Member] = e.Slowness, e.Fails
		}
	}
	for _, f := range fails {
		if f {
			failing++
		}
	}
	return by, failing
}

func TestMembersAreSlowAsLongAsTheySaid(t *testing.T) {
	s := usual()
	tr := draw(t, s)
	if !slices.IsSortedFunc(tr.Events, func(a, b Event) int { return int(a.At - b.At) }) {
		t.Error("the events are not in the order of their times")
	}
	visited, steps := 0, 0
	for at := time.Duration(0); at < s.For; at += time.Second {
		by, _ := states(tr.Events, s.Members, at)
		slow, now := 0, 0
		for _, v := range by {
			switch v {
			case 1:
			case 2:
				now++
			case 3:
				slow++
			case 6:
				slow, now = slow+1, now+1
			default:
				t.Fatalf("at %v a member is slower by %v", at, v)
			}
		}
		if slow != 5 || now < 2 || now > 3 {
			t.Fatalf("at %v %d members are slow, and the antagonist is at %d; want 5, and 2 or 3", at, slow, now)
		}
		visited, steps = visited+now, steps+1
	}
	near(t, "the antagonist's share", float64(visited)/float64(steps)/24, .1, .01)
}

func TestTroubleBefallsOtherMembersThanTheSlowOnes(t *testing.T) {
	s := usual()
	s.Antagonist, s.Failing = false, 5*time.Second
	s.Falls, s.FallsFor = []time.Duration{20 * time.Second, 45 * time.Second}, 10*time.Second
	tr := draw(t, s)
	for _, row := range []struct {
		at      time.Duration
		fallen  int
		failing int
	}{{0, 0, 0}, {6 * time.Second, 0, 1}, {20 * time.Second, 1, 1}, {29 * time.Second, 1, 1}, {30 * time.Second, 0, 1}, {50 * time.Second, 1, 1}} {
		by, failing := states(tr.Events, s.Members, row.at)
		fallen := 0
		for _, v := range by {
			if v == 10 {
				fallen++
			}
		}
		if fallen != row.fallen || failing != row.failing {
			t.Errorf("at %v %d have fallen and %d fail, want %d and %d", row.at, fallen, failing, row.fallen, row.failing)
		}
	}
}

func TestCheck(t *testing.T) {
	for _, row := range []struct {
		name string
		edit func(*Spec)
		want string
	}{
		{"no front", func(s *Spec) { s.Fronts = 0 }, "0 fronts"},
		{"no slot", func(s *Spec) { s.Slots = 0 }, "0 slots"},
		{"more slow members than members", func(s *Spec) { s.Slow = 25 }, "25 of 24"},
		{"no work", func(s *Spec) { s.Mean = 0 }, "works of 0s"},
		{"no load", func(s *Spec) { s.Load = 0 }, "a load of 0"},
		{"for too long", func(s *Spec) { s.For = 100 * time.Hour }, "five million"},
		{"more falls than members", func(s *Spec) { s.Falls = make([]time.Duration, 25) }, "25 falls"},
	} {
		t.Run(row.name, func(t *testing.T) {
			s := usual()
			row.edit(&s)
			if _, err := s.Draw(); err == nil || !strings.Contains(err.Error(), row.want) {
				t.Errorf("%v, want %q", err, row.want)
			}
		})
	}
}
