// Package trace draws what a row of the testbed is about: which request is due when at which front and how much work it
// is, and when which member is slower or fails. The same [Spec] is always the same trace, and what does not concern a
// draw does not change it: with another number of fronts the same works come at the same times.
package trace

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"time"
)

// Spec says what to draw.
type Spec struct {
	Seed    uint64
	Fronts  int // 1 to 99
	Members int // 1 to 99
	Slots   int // of each member: requests that it runs at once

	Slow   int     // members that are slower than the others
	SlowBy float64 // how many times

	// Antagonist makes each member twice as slow for 30 s of every five minutes, one after the other, so that there are
	// always about as many.
	Antagonist bool

	Mean      time.Duration // of a request's work
	Variation float64       // its standard deviation by its mean; bounded Pareto with the exponent 1.5
	Load      float64       // requests a second, as a share of what all members can do
	For       time.Duration // how long requests are due

	Failing  time.Duration   // when a member begins to answer 500 in a millisecond; 0: none does
	Falls    []time.Duration // when a member falls to a tenth of its speed, each another one
	FallsFor time.Duration   // after which it is back
}

// Request is one request of a trace.
type Request struct {
	At    time.Duration // when it is due
	Work  time.Duration // how long it takes a member at full speed
	Front int           // from 0
}

// Event changes a member.
type Event struct {
	At       time.Duration
	Member   int     // from 0
	Slowness float64 // by which a work is multiplied from now on
	Fails    bool    // it answers 500 in a millisecond
}

// Trace is what was drawn.
type Trace struct {
	Requests []Request // by time
	Events   []Event   // by time; those of time 0 are the first
}

const (
	exponent         = 1.5
	antagonistBy     = 2
	antagonistFor    = 30 * time.Second
	antagonistPeriod = 10 * antagonistFor
	fallBy           = 10
)

// Check returns what is wrong with the spec.
func (s Spec) Check() error {
	switch {
	case s.Fronts < 1 || s.Fronts > 99, s.Members < 1 || s.Members > 99:
		return fmt.Errorf("%d fronts, %d members: want 1 to 99", s.Fronts, s.Members)
	case s.Slots < 1, s.Slow < 0 || s.Slow > s.Members, s.Slow > 0 && s.SlowBy < 1:
		return fmt.Errorf("%d slots, %d of %d members slower by %v: want that they can be", s.Slots, s.Slow, s.Members, s.SlowBy)
	case s.Mean <= 0, s.Variation < .1 || s.Variation > 10:
		return fmt.Errorf("works of %v, variation %v: want more than 0, and 0.1 to 10", s.Mean, s.Variation)
	case s.Load <= 0 || s.Load > 2, s.For <= 0, s.Rate()*s.For.Seconds() > 5e6:
		return fmt.Errorf("a load of %v for %v: want more than 0, at most 2, and at most five million requests", s.Load, s.For)
	case len(s.Falls) > s.Members:
		return fmt.Errorf("%d falls of %d members: want another one each time", len(s.Falls), s.Members)
	}
	return nil
}

// Rate returns the requests a second: the load's share of what all members do together, those that are slow and the
// antagonist's time taken off. Falls and failures are not.
func (s Spec) Rate() float64 {
	one := float64(s.Slots) / s.Mean.Seconds()
	all := one * float64(s.Members-s.Slow)
	if s.Slow > 0 {
		all += one * float64(s.Slow) / s.SlowBy
	}
	if s.Antagonist {
		share := antagonistFor.Seconds() / antagonistPeriod.Seconds()
		all *= 1 - share*(1-1./antagonistBy)
	}
	return s.Load * all
}

// source returns the numbers of one purpose, which do not depend on those of another.
func (s Spec) source(purpose uint64) *rand.Rand { return rand.New(rand.NewPCG(s.Seed, purpose)) }

const (
	forArrivals = iota + 1
	forWorks
	forFronts
	forSlow
	forAntagonist
	forTrouble
)

// Draw draws the trace.
func (s Spec) Draw() (Trace, error) {
	if err := s.Check(); err != nil {
		return Trace{}, err
	}
	return Trace{Requests: s.requests(), Events: s.events()}, nil
}

func (s Spec) requests() []Request {
	arrivals, works, fronts := s.source(forArrivals), s.source(forWorks), s.source(forFronts)
	dist := newPareto(exponent, s.Mean.Seconds(), s.Variation)
	gap := 1 / s.Rate()
	var list []Request
	for at := arrivals.ExpFloat64() * gap; at < s.For.Seconds(); at += arrivals.ExpFloat64() * gap {
		list = append(list, Request{seconds(at), seconds(dist.at(works.Float64())), fronts.IntN(s.Fronts)})
	}
	return list
}

func seconds(s float64) time.Duration { return time.Duration(math.Round(s * 1e9)) }

// Span is a time during which a member is slower.
type Span struct {
	From, For time.Duration
	By        float64 // how many times
}

// Visits returns when the antagonist is at a member, by itself at each.
func (s Spec) Visits() (list []Span) {
	for _, v := range s.antagonist() {
		from, to := max(v.from, 0), min(v.to, s.For)
		list = append(list, Span{from, to - from, v.by})
	}
	return list
}

// span is a time during which a member is slower, or fails.
type span struct {
	member   int
	from, to time.Duration
	by       float64
	fails    bool
}

// events turns spans into changes.
func (s Spec) events() (list []Event) {
	spans := slices.Concat(s.slow(), s.antagonist(), s.trouble())
	for m := range s.Members {
		var times []time.Duration
		for _, p := range spans {
			if p.member == m {
				times = append(times, max(p.from, 0), p.to)
			}
		}
		slices.Sort(times)
		last := Event{Member: m, Slowness: 1}
		for _, at := range slices.Compact(append([]time.Duration{0}, times...)) {
			e := Event{At: at, Member: m, Slowness: 1}
			for _, p := range spans {
				if p.member == m && p.from <= at && at < p.to {
					e.Slowness *= p.by
					e.Fails = e.Fails || p.fails
				}
			}
			if at < s.For && (at == 0 || e.Slowness != last.Slowness || e.Fails != last.Fails) {
				list = append(list, e)
				last = e
			}
		}
	}
	slices.SortStableFunc(list, func(a, b Event) int { return int(a.At - b.At) })
	return list
}

// slow spreads the slow members among the others.
func (s Spec) slow() (list []span) {
	for _, m := range s.source(forSlow).Perm(s.Members)[:s.Slow] {
		list = append(list, span{member: m, to: s.For, by: s.SlowBy})
	}
	return list
}

// antagonist visits the members in an order of its own, each once in a period.
func (s Spec) antagonist() (list []span) {
	if !s.Antagonist {
		return nil
	}
	r := s.source(forAntagonist)
	order, shift := r.Perm(s.Members), time.Duration(r.Int64N(int64(antagonistPeriod)))
	for i, m := range order {
		first := shift + antagonistPeriod*time.Duration(i)/time.Duration(s.Members) - 2*antagonistPeriod
		for at := first; at < s.For; at += antagonistPeriod {
			if at+antagonistFor > 0 {
				list = append(list, span{member: m, from: at, to: at + antagonistFor, by: antagonistBy})
			}
		}
	}
	return list
}

// trouble befalls members that are not slow.
func (s Spec) trouble() (list []span) {
	var slow []int
	for _, p := range s.slow() {
		slow = append(slow, p.member)
	}
	order := s.source(forTrouble).Perm(s.Members)
	slices.SortStableFunc(order, func(a, b int) int {
		switch x, y := slices.Contains(slow, a), slices.Contains(slow, b); {
		case x == y:
			return 0
		case x:
			return 1
		}
		return -1
	})
	for i, at := range s.Falls {
		list = append(list, span{member: order[i], from: at, to: at + s.FallsFor, by: fallBy})
	}
	if s.Failing > 0 {
		list = append(list, span{member: order[0], from: s.Failing, to: s.For, by: 1, fails: true})
	}
	return list
}
