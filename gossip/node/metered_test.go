package node

import (
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestARequestThatRestsCountsButIsNotWorkedFor(t *testing.T) {
	for _, row := range []struct {
		name     string
		story    func(m *Meter)
		wantMu   float64 // before anything has lost weight but for the seconds after it
		inFlight int
		average  float64
	}{
		{"one that works for a second", func(m *Meter) {
			r := m.Begin(at(0))
			r.End(at(1), Completed, time.Second, false)
		}, 1, 0, 1},
		{"one whose second half is the reader's", func(m *Meter) {
			r := m.Begin(at(0))
			r.Rest(at(0.5))
			r.End(at(1), Completed, time.Second, false)
		}, 2, 0, 1},
		{"one that rests in the middle", func(m *Meter) {
			r := m.Begin(at(0))
			r.Rest(at(0.25))
			r.Work(at(0.75))
			r.End(at(1), Completed, time.Second, false)
		}, 2, 0, 1},
		{"one that is told everything twice", func(m *Meter) {
			r := m.Begin(at(0))
			r.Work(at(0.1))
			r.Rest(at(0.25))
			r.Rest(at(0.5))
			r.Work(at(0.75))
			r.Work(at(0.8))
			r.End(at(1), Completed, time.Second, false)
			r.End(at(1), Completed, time.Second, false)
			r.Rest(at(1))
		}, 2, 0, 1},
		{"one beside one that rests for good", func(m *Meter) {
			slow := m.Begin(at(0))
			slow.Rest(at(0))
			r := m.Begin(at(0))
			r.End(at(1), Completed, time.Second, false)
		}, 1, 1, 2},
		{"no request at all", func(m *Meter) {
			var r Metered
			r.Rest(at(0))
			r.Work(at(0))
			r.End(at(1), Completed, time.Second, true)
		}, 0, 0, 0},
	} {
		t.Run(row.name, func(t *testing.T) {
			m := NewMeter(4, at(0))
			row.story(m)
			s := read(m, at(1))
			// Up to two steps of decay lie between the work and its end.
			if math.Abs(s.Mu-row.wantMu) > 0.4*row.wantMu || s.InFlight != row.inFlight || !near(s.Average, row.average) {
				t.Errorf("Mu %v, %d in flight, %v on average; want %v, %d, %v",
					s.Mu, s.InFlight, s.Average, row.wantMu, row.inFlight, row.average)
			}
		})
	}
}

func TestSlowReadersDoNotSlowTheOrigin(t *testing.T) {
	m := NewMeter(1, at(0))
	readers := make([]Metered, 10)
	end := 0.0
	for i := range 3000 { // a tenth of a second of work for each by turns, nine tenths until its reader has it
		r := &readers[i%len(readers)]
		r.End(at(end), Completed, time.Second, false)
		*r = m.Begin(at(end))
		end += 0.1
		r.Rest(at(end))
	}
	if s := read(m, at(end)); s.InFlight != 10 || s.Mu < 9.5 || s.Mu > 10.5 {
		t.Errorf("Mu is %v with %d under way, want 10: what the origin completes while it is asked", s.Mu, s.InFlight)
	}
}

// Whatever is called in whatever order, the counts are those of a list of requests.
func TestMeteredNeverMiscounts(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		m, now := NewMeter(2, at(0)), at(0)
		requests := make([]Metered, 4)
		working, resting := map[int]bool{}, map[int]bool{}
		rt.Repeat(map[string]func(*rapid.T){
			"time": func(rt *rapid.T) {
				now = now.Add(time.Duration(rapid.IntRange(-5, 2000).Draw(rt, "ms")) * time.Millisecond)
			},
			"begin": func(rt *rapid.T) {
				i := rapid.IntRange(0, 3).Draw(rt, "request")
				if !working[i] && !resting[i] {
					requests[i], working[i] = m.Begin(now), true
				}
			},
			"rest": func(rt *rapid.T) {
				i := rapid.IntRange(0, 3).Draw(rt, "request")
				if requests[i].Rest(now); working[i] {
					delete(working, i)
					resting[i] = true
				}
			},
			"work": func(rt *rapid.T) {
				i := rapid.IntRange(0, 3).Draw(rt, "request")
				if requests[i].Work(now); resting[i] {
					delete(resting, i)
					working[i] = true
				}
			},
			"end": func(rt *rapid.T) {
				i := rapid.IntRange(0, 3).Draw(rt, "request")
				requests[i].End(now, GaveUp, 0, false)
				delete(working, i)
				delete(resting, i)
			},
			"": func(rt *rapid.T) {
				if m.inFlight != len(working)+len(resting) || m.resting != len(resting) {
					rt.Fatalf("%d under way, %d of them resting; want %d and %d",
						m.inFlight, m.resting, len(working)+len(resting), len(resting))
				}
				if got := m.Load(now); got.InFlight != float64(m.inFlight) || got.Mu < 0 || math.IsNaN(got.Mu) {
					rt.Fatalf("load %+v", got)
				}
			},
		})
	})
}
