package origin

import (
	"slices"
	"sync"
	"time"
)

// Station runs works in a number of slots, first come, first served, by sleeping. It keeps its own account of when each
// work began and ends, so that a timer that fires late delays an answer and not the works behind it: its capacity is
// exact on a machine that is not.
type Station struct {
	mu       sync.Mutex
	slots    int
	slowness float64
	running  []*job // at most as many as there are slots
	waiting  []*job
	timer    *time.Timer
}

// job is one work.
type job struct {
	left float64       // seconds at full speed
	from time.Time     // since when it runs with what is left
	done chan struct{} // closed at its end
}

// NewStation returns one at full speed.
func NewStation(slots int) *Station {
	s := &Station{slots: slots, slowness: 1}
	s.timer = time.AfterFunc(time.Hour, s.tick)
	return s
}

// Do runs a work, and returns when it has ended.
func (s *Station) Do(work time.Duration) {
	j := &job{left: work.Seconds(), done: make(chan struct{})}
	s.mu.Lock()
	now := time.Now()
	s.advance(now)
	if len(s.running) < s.slots {
		j.from = now
		s.running = append(s.running, j)
	} else {
		s.waiting = append(s.waiting, j)
	}
	s.arm(now)
	s.mu.Unlock()
	<-j.done
}

// SetSlowness sets by what a work is multiplied from now on: what is left of those that run, too.
func (s *Station) SetSlowness(by float64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	s.advance(now)
	for _, j := range s.running {
		j.left -= now.Sub(j.from).Seconds() / s.slowness
		j.from = now
	}
	s.slowness = by
	s.arm(now)
}

// Load returns how many works run and wait.
func (s *Station) Load() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.running) + len(s.waiting)
}

func (s *Station) tick() {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	s.advance(now)
	s.arm(now)
}

// advance ends what has ended by now, and begins what waited for it at that very time.
func (s *Station) advance(now time.Time) {
	for {
		i, at := s.next()
		if i < 0 || at.After(now) {
			return
		}
		close(s.running[i].done)
		if len(s.waiting) == 0 {
			s.running = slices.Delete(s.running, i, i+1)
			continue
		}
		s.waiting[0].from = at
		s.running[i] = s.waiting[0]
		s.waiting = slices.Delete(s.waiting, 0, 1)
	}
}

// next returns the running job that ends first, and when; -1 if none runs.
func (s *Station) next() (first int, at time.Time) {
	first = -1
	for i, j := range s.running {
		if end := j.from.Add(time.Duration(j.left * s.slowness * 1e9)); first < 0 || end.Before(at) {
			first, at = i, end
		}
	}
	return first, at
}

func (s *Station) arm(now time.Time) {
	if _, at := s.next(); !at.IsZero() {
		s.timer.Reset(at.Sub(now))
	}
}
