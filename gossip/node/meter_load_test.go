package node

import (
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// fails lets a request fail at once.
func fails(m *Meter, now time.Time) {
	r := m.Begin(now)
	r.End(now, Failed, 0, false)
}

func TestErrorsStayUnderWayForFiveSeconds(t *testing.T) {
	m := NewMeter(4, at(0))
	fails(m, at(0.2))
	fails(m, at(3))
	m.Begin(at(3))
	for _, row := range []struct {
		name string
		at   float64
		want float64
	}{
		{"both errors and the request", 3, 3},
		{"the first is not five seconds ago", 5.1, 3},
		{"the first is more than half a second longer ago", 5.8, 2},
		{"the second is not five seconds ago", 7.9, 2},
		{"only the request is left", 8.6, 1},
		{"for good", 1e6, 1},
	} {
		t.Run(row.name, func(t *testing.T) {
			if got := m.Load(at(row.at)).InFlight; got != row.want {
				t.Errorf("%v under way after %v s, want %v", got, row.at, row.want)
			}
			if s := read(m, at(row.at)); s.InFlight != int(row.want) {
				t.Errorf("the beat says %d under way after %v s, want %v", s.InFlight, row.at, row.want)
			}
		})
	}
}

func TestErrorsAreNotInTheAverage(t *testing.T) {
	m := NewMeter(4, at(0))
	for range 100 {
		fails(m, at(0))
	}
	if s := read(m, at(2)); s.Average != 0 || s.InFlight != 100 || s.Errors != 50 || s.Mu != 0 {
		t.Errorf("%v under way on average, %d now, %v errors a second, Mu %v; want 0, 100, 50, 0", s.Average, s.InFlight, s.Errors, s.Mu)
	}
}

func TestOnlyAFailureStaysUnderWay(t *testing.T) {
	m := NewMeter(4, at(0))
	for _, result := range []Result{Completed, GaveUp} {
		r := m.Begin(at(0))
		r.End(at(1), result, time.Second, true)
	}
	m.Refuse()
	if got := m.Load(at(1)).InFlight; got != 0 {
		t.Errorf("%v under way, want none", got)
	}
}

// The ring of half seconds agrees with a list of all errors.
func TestLateErrorsAreThoseOfTheLastSeconds(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		var late lateErrors
		var all []time.Duration
		now := time.Duration(0)
		for range rapid.IntRange(1, 60).Draw(rt, "events") {
			now += time.Duration(rapid.IntRange(0, 7000).Draw(rt, "ms")) * time.Millisecond
			for range rapid.IntRange(0, 3).Draw(rt, "errors") {
				late.add(now)
				all = append(all, now)
			}
			want := 0
			for _, e := range all {
				if now/lateStep-e/lateStep <= lateTime/lateStep {
					want++
				}
			}
			if got := late.count(now); got != want {
				rt.Fatalf("%d errors count at %v, want %d of %v", got, now, want, all)
			}
		}
	})
}

func TestLoadSaysWhatTheBeatWould(t *testing.T) {
	m := NewMeter(4, at(0))
	m.SetPrior(20)
	end := busy(m, 2, 0, 0.1, 50)
	m.Begin(at(end))
	fails(m, at(end))
	now := at(end + 0.3)
	got := m.Load(now)
	if s := read(m, now); got.InFlight != 2 || got.InFlight != float64(s.InFlight) || got.Slots != s.Slots || got.Mu != s.Mu {
		t.Errorf("load %+v, beat %+v", got, s)
	}
}

func TestBeginWithinALimit(t *testing.T) {
	for _, row := range []struct {
		name     string
		underWay int
		failed   int
		limit    float64
		want     bool
	}{
		{"an idle origin and no limit to speak of", 0, 0, 0, true},
		{"as many as the limit says", 3, 0, 3, true},
		{"a limit between two numbers", 3, 0, 2.5, false},
		{"one more than the limit", 4, 0, 3, false},
		{"errors of the last seconds count", 2, 2, 3, false},
		{"a limit below none", 0, 0, -1, false},
		{"no limit", 1000, 0, math.Inf(1), true},
	} {
		t.Run(row.name, func(t *testing.T) {
			m := NewMeter(4, at(0))
			for range row.underWay {
				m.Begin(at(0))
			}
			for range row.failed {
				fails(m, at(0))
			}
			before := row.underWay + row.failed
			r, ok := m.BeginWithin(at(0), row.limit)
			want := before
			if row.want {
				want++
			}
			if got := m.Load(at(0)).InFlight; ok != row.want || got != float64(want) {
				t.Fatalf("%v, with %v under way then; want %v and %d", ok, got, row.want, want)
			}
			r.End(at(1), GaveUp, time.Second, false)
			s := read(m, at(1))
			if s.InFlight != before || s.Refusals != 0 || s.Arrivals != float64(want) {
				t.Errorf("afterwards %d under way, %v refused and %v arrived; want %d, 0 and %d", s.InFlight, s.Refusals, s.Arrivals, before, want)
			}
		})
	}
}

func TestPriorOfMu(t *testing.T) {
	for _, row := range []struct {
		name  string
		prior float64
		story func(m *Meter)
		low   float64
		high  float64
	}{
		{"nothing is known", 0, func(*Meter) {}, 0, 0},
		{"only the fleet is known", 20, func(*Meter) {}, 20, 20},
		{"one long request weighs a fifth of a prior of four", 20, func(m *Meter) {
			r := m.Begin(at(0))
			r.End(at(0.8), Completed, 800*time.Millisecond, false) // 5 completions in 1 s, less what was forgotten
		}, 5, 6},
		{"many outweigh it", 20, func(m *Meter) { busy(m, 4, 0, 0.5, 100) }, 2, 2.5},
		{"they are forgotten while nobody asks", 20, func(m *Meter) {
			busy(m, 4, 0, 0.5, 100)
			m.Load(at(1e5))
		}, 19.99, 20},
		{"a stalled origin gets slower with each second", 20, func(m *Meter) {
			for range 4 {
				m.Begin(at(0))
			}
			m.Load(at(10)) // up to three times four seconds' work, and 4 completions of 50 ms
		}, 0.33, 0.37},
		{"a prior that is taken back", 0, func(m *Meter) {
			m.SetPrior(20)
			m.SetPrior(0)
		}, 0, 0},
		{"less than nothing", -1, func(*Meter) {}, 0, 0},
		{"no number", math.NaN(), func(*Meter) {}, 0, 0},
		{"infinitely fast", math.Inf(1), func(*Meter) {}, 0, 0},
		{"too slow to divide by", math.SmallestNonzeroFloat64, func(*Meter) {}, 0, 0},
	} {
		t.Run(row.name, func(t *testing.T) {
			m := NewMeter(4, at(0))
			m.SetPrior(row.prior)
			row.story(m)
			s := Service{}
			m.Read(&s, m.made.Add(m.at))
			if !(s.Mu >= row.low && s.Mu <= row.high) {
				t.Errorf("Mu is %v, want %v to %v", s.Mu, row.low, row.high)
			}
		})
	}
}
