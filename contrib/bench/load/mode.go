package load

import (
	"math/rand/v2"
	"time"
)

// closedLoop: each connection sends its next request when the answer to its last one is complete.
type closedLoop struct {
	g     *generator
	again []*conn // what failed begins anew in the next turn
}

const mostErrors = 10_000 // after which a closed loop does not try again

func newClosedLoop(g *generator) *closedLoop {
	l := &closedLoop{g: g}
	for i := range g.conns {
		l.again = append(l.again, &g.conns[i])
	}
	return l
}

func (l *closedLoop) turn(now int64) (time.Duration, bool) {
	if now >= l.g.end {
		return 0, false
	}
	if len(l.again) > 0 && l.g.result.Errors < mostErrors {
		all := l.again
		l.again = nil
		for _, c := range all {
			l.g.begin(c, l.g.now())
		}
	}
	if len(l.again) > 0 && l.g.result.Errors < mostErrors {
		return 0, true
	}
	return time.Duration(l.g.end - now), true
}

func (l *closedLoop) free(c *conn, now int64) {
	if now < l.g.end {
		l.g.begin(c, now)
	}
}

func (l *closedLoop) failed(c *conn) { l.again = append(l.again, c) }

// openLoop: requests are due when the schedule says so, and wait if no connection is free.
type openLoop struct {
	g     *generator
	plan  schedule
	due   []int64 // when those that wait were due; the first first
	ready []*conn // connections that are free; the one that is so for longest first
}

// patience is how long the open loop waits for answers after its end.
const patience = 2 * time.Second

func newOpenLoop(g *generator) *openLoop {
	l := &openLoop{g: g, plan: newSchedule(g.spec.Rate, g.end)}
	for i := range g.conns {
		l.ready = append(l.ready, &g.conns[i])
	}
	return l
}

func (l *openLoop) turn(now int64) (time.Duration, bool) {
	l.due = l.plan.until(now, l.due)
	for len(l.due) > 0 && len(l.ready) > 0 {
		c, start := l.ready[0], l.due[0]
		l.ready, l.due = l.ready[1:], l.due[1:]
		l.g.begin(c, start)
	}
	if now >= l.g.end && (len(l.due) == 0 && len(l.ready) == len(l.g.conns) || now > l.g.end+int64(patience)) {
		l.g.result.Unsent = len(l.due)
		return 0, false
	}
	if next, some := l.plan.next(); some {
		return time.Duration(next - l.g.now()), true
	}
	return napMost, true
}

func (l *openLoop) free(c *conn, _ int64) { l.ready = append(l.ready, c) }

func (l *openLoop) failed(c *conn) { l.ready = append(l.ready, c) }

// schedule is a Poisson process: always the same one for the same rate, so that all proxies get the same load.
type schedule struct {
	mean float64 // nanoseconds from one request to the next
	at   float64 // when the next one is due
	end  float64
	rnd  *rand.Rand
}

func newSchedule(rate float64, end int64) schedule {
	return schedule{mean: float64(time.Second) / rate, end: float64(end), rnd: rand.New(rand.NewPCG(42, 42))}
}

// until appends the times up to now to those of the requests that are due.
func (s *schedule) until(now int64, due []int64) []int64 {
	for s.at <= float64(now) && s.at < s.end {
		due = append(due, int64(s.at))
		s.at += s.rnd.ExpFloat64() * s.mean
	}
	return due
}

// next returns when the next request is due, or false if there is none.
func (s *schedule) next() (int64, bool) { return int64(s.at), s.at < s.end }

// holding: connections are opened little by little, with one request on each, and held.
type holding struct {
	g      *generator
	opened int
	last   int64 // when some were opened
}

const (
	holdAtOnce = 16
	holdPause  = 5 * time.Millisecond
)

func (h *holding) turn(now int64) (time.Duration, bool) {
	if now >= h.g.end {
		return 0, false
	}
	if h.opened == len(h.g.conns) {
		return napMost, true
	}
	if h.opened == 0 || now-h.last >= int64(holdPause) {
		h.last = now
		for range min(holdAtOnce, len(h.g.conns)-h.opened) {
			h.opened++
			h.g.begin(&h.g.conns[h.opened-1], now)
		}
	}
	return time.Millisecond, true
}

func (h *holding) free(*conn, int64) {}

func (h *holding) failed(*conn) {}
