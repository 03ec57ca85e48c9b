package node

import (
	"math"
	"sync"
	"testing"
	"time"
)

// at returns the time so many seconds after the start.
func at(seconds float64) time.Time { return start().Add(time.Duration(seconds * float64(time.Second))) }

func near(got, want float64) bool { return math.Abs(got-want) <= 1e-6*max(1, math.Abs(want)) }

// read returns what a meter says at that time.
func read(m *Meter, now time.Time) Service {
	var s Service
	m.Read(&s, now)
	return s
}

func TestMeterCountsOnePeriod(t *testing.T) {
	m := NewMeter(4, at(0))
	first := m.Begin(at(0))
	m.Begin(at(1))
	first.End(at(2), Completed, 2*time.Second, false)
	second := m.Begin(at(2))
	second.End(at(3), Failed, time.Second, false)
	third := m.Begin(at(3))
	third.End(at(4), GaveUp, time.Second, false)
	m.Refuse()
	s := read(m, at(4))
	if s.Slots != 4 || s.InFlight != 2 {
		t.Errorf("%v slots, %d in flight; want 4, and 2 with the one that failed just now", s.Slots, s.InFlight)
	}
	if !near(s.Arrivals, 1) || !near(s.Completions, 0.25) || !near(s.Errors, 0.25) || !near(s.Refusals, 0.25) {
		t.Errorf("a second: %v arrive, %v complete, %v fail, %v are refused", s.Arrivals, s.Completions, s.Errors, s.Refusals)
	}
	if want := (1 + 2 + 2 + 2) / 4.; !near(s.Average, want) {
		t.Errorf("%v in flight on average, want %v", s.Average, want)
	}
}

func TestMeterBeginsEachPeriodAnew(t *testing.T) {
	m := NewMeter(1, at(0))
	r := m.Begin(at(0))
	r.End(at(1), Completed, time.Second, false)
	m.Refuse()
	read(m, at(1))
	s := read(m, at(2))
	if s.Arrivals != 0 || s.Completions != 0 || s.Refusals != 0 || s.Average != 0 {
		t.Errorf("a period in which nothing happened has %+v", s)
	}
}

func TestMeterKeepsWhatNoTimeHasPassedFor(t *testing.T) {
	m := NewMeter(1, at(0))
	m.Begin(at(0))
	if s := read(m, at(0)); s.Arrivals != 0 || s.InFlight != 1 {
		t.Errorf("without a period: %v arrive a second, %d in flight", s.Arrivals, s.InFlight)
	}
	if s := read(m, at(-5)); s.Arrivals != 0 {
		t.Errorf("a clock that went backwards makes %v arrivals a second", s.Arrivals)
	}
	if s := read(m, at(2)); !near(s.Arrivals, 0.5) || !near(s.Average, 1) {
		t.Errorf("%v arrive a second and %v are in flight, want what came before the first Read to count", s.Arrivals, s.Average)
	}
}

// busy lets requests of that length run one after the other in n slots at once, and returns the end.
func busy(m *Meter, n int, from, each float64, times int) float64 {
	requests := make([]Metered, n)
	for i := range times {
		for r := range requests {
			requests[r] = m.Begin(at(from + float64(i)*each))
		}
		for r := range requests {
			requests[r].End(at(from+float64(i+1)*each), Completed, 0, false)
		}
	}
	return from + float64(times)*each
}

func TestMuIsTheRateOfOneBusySlot(t *testing.T) {
	for _, row := range []struct {
		name  string
		slots float64
		n     int
		each  float64
		want  float64
	}{
		{"one slot, always busy", 1, 1, 0.1, 10},
		{"four slots, all busy", 4, 4, 0.1, 10},
		{"four slots, one busy", 4, 1, 0.1, 10},
		{"one slot that two share at half the speed", 1, 2, 0.2, 10},
	} {
		t.Run(row.name, func(t *testing.T) {
			m := NewMeter(row.slots, at(0))
			if s := read(m, at(0)); s.Mu != 0 {
				t.Errorf("Mu is %v before anything was done", s.Mu)
			}
			end := busy(m, row.n, 0, row.each, 300)
			// Completions come at the end of their work, so that they are up to one of them ahead.
			if s := read(m, at(end)); math.Abs(s.Mu-row.want) > 0.05*row.want {
				t.Errorf("Mu is %v, want %v", s.Mu, row.want)
			}
		})
	}
}

func TestMuForgetsWithinSeconds(t *testing.T) {
	m := NewMeter(1, at(0))
	end := busy(m, 1, 0, 0.1, 300)  // 10 a second
	end = busy(m, 1, end, 0.5, 120) // a minute at 2 a second
	if s := read(m, at(end)); math.Abs(s.Mu-2) > 0.2 {
		t.Errorf("Mu is %v a minute after the origin became slow, want 2", s.Mu)
	}
}

func TestMuForgetsShortRequestsAtTheSamePace(t *testing.T) {
	m := NewMeter(1, at(0))
	end := busy(m, 1, 0, 0.0001, 300_000) // half a minute at 10,000 a second
	end = busy(m, 1, end, 0.0002, 15_000) // three seconds, which is muDecay, at 5,000 a second
	want := 5000 + 5000/math.E
	if s := read(m, at(end)); math.Abs(s.Mu-want) > 0.005*want {
		t.Errorf("Mu is %v, want %v", s.Mu, want)
	}
}

func TestMuOutlastsAnIdleDay(t *testing.T) {
	m := NewMeter(2, at(0))
	end := busy(m, 1, 0, 0.02, 500)
	want := read(m, at(end)).Mu
	for i := range 24 * 60 * 60 {
		end += 1
		if s := read(m, at(end)); !near(s.Mu, want) {
			t.Fatalf("Mu is %v after %d idle seconds, was %v", s.Mu, i+1, want)
		}
	}
	if s := read(m, at(end+1e6)); !near(s.Mu, want) {
		t.Errorf("Mu is %v after one long silence, was %v", s.Mu, want)
	}
	end = busy(m, 1, end+1e6, 0.1, 3)
	if s := read(m, at(end)); math.Abs(s.Mu-10) > 1 {
		t.Errorf("Mu is %v after the next three requests, want theirs: 10", s.Mu)
	}
}

func TestServeTimeIsThatOfHops(t *testing.T) {
	m := NewMeter(1, at(0))
	own := m.Begin(at(0))
	own.End(at(0), Completed, time.Hour, false)
	if s := read(m, at(1)); s.Served != 0 || s.ServeTime != 0 {
		t.Errorf("after our own clients' requests: %d served, %v each", s.Served, s.ServeTime)
	}
	for i := range 1000 {
		took := 100 * time.Millisecond
		if i == 0 {
			took = time.Second
		}
		r := m.Begin(at(1))
		r.End(at(1), Completed, took, true)
		if s := read(m, at(1)); i == 0 && s.ServeTime != time.Second {
			t.Errorf("the first request gives %v, want its own second", s.ServeTime)
		}
	}
	s := read(m, at(2))
	if s.Served != 1000 || s.ServeTime < 99*time.Millisecond || s.ServeTime > 101*time.Millisecond {
		t.Errorf("%d served, %v each", s.Served, s.ServeTime)
	}
}

func TestMeterBearsManyAtOnce(t *testing.T) {
	m := NewMeter(4, at(0))
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for i := range 100 {
				now := at(float64(i) / 100)
				r := m.Begin(now)
				m.Refuse()
				r.Rest(now)
				m.Load(now)
				if i%2 == 0 {
					r.Work(now)
				}
				r.End(now, Completed, time.Millisecond, true)
			}
		})
	}
	wg.Wait()
	if s := read(m, at(2)); s.InFlight != 0 || s.Served != 800 || !near(s.Arrivals, 400) {
		t.Errorf("%d in flight, %d served, %v arrived a second", s.InFlight, s.Served, s.Arrivals)
	}
}

func TestMeterTakesNewSlots(t *testing.T) {
	m := NewMeter(1, at(0))
	r := m.Begin(at(0))
	for range 3 {
		m.Begin(at(0))
	}
	m.SetSlots(2, at(2)) // one slot was busy for two seconds, from now on two are
	r.End(at(3), Completed, time.Second, false)
	s := read(m, at(3))
	if s.Slots != 2 || s.InFlight != 3 {
		t.Errorf("%v slots, %d in flight; want 2 and 3", s.Slots, s.InFlight)
	}
	// Four slot seconds were worked for the one completion; what is longer ago weighs less.
	if s.Mu < 1/4. || s.Mu > 1/2. {
		t.Errorf("a busy slot completes %v a second, want about 1/4 and a little more", s.Mu)
	}
}
