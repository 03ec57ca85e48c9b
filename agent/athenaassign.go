package agent

import (
	"sync"
	"time"

	"backhand/gossip/node"
)

// How long the work is taken to last for which a member was given to a program, if that does not say when it is done: as long
// as a request takes there or, where nobody knows, a second.
const (
	assignShortest = 100 * time.Millisecond
	assignUsual    = time.Second
	assignLongest  = 10 * time.Second
)

const (
	assignStep  = 100 * time.Millisecond
	assignSteps = 128 // more than assignLongest, and a power of two
)

// assignments counts members that were given to programs as requests under way there. What is known of a member, by its beats or
// by what is pushed, is of a moment ago: without that, all programs that ask until the next comes would be given the same one.
// A time of its own for each costs too much at tens of thousands a second, so they are counted by tenths of a second.
type assignments struct {
	start time.Time // steps are counted from there, by the monotonic clock

	mu   sync.Mutex
	last int64 // step whose assignments have ended
	of   map[*node.Live]*assigned
}

// assigned are the assignments of one member that last.
type assigned struct {
	open int
	ends [assignSteps]uint32 // how many end in each step
}

func newAssignments(start time.Time) *assignments {
	return &assignments{start: start, of: map[*node.Live]*assigned{}}
}

// add counts one that lasts for that long.
func (a *assignments) add(l *node.Live, lasts time.Duration, now time.Time) {
	lasts = min(max(lasts, assignShortest), assignLongest)
	a.mu.Lock()
	defer a.mu.Unlock()
	a.end(now)
	v := a.of[l]
	if v == nil {
		v = &assigned{}
		a.of[l] = v
	}
	v.open++
	ends := int64((now.Sub(a.start)+lasts)/assignStep) + 1
	v.ends[max(ends, a.last+1)%assignSteps]++ // callers' clocks may be a moment apart
	l.Start()
}

// done ends the one of the member that would end first. It reports whether there was one.
func (a *assignments) done(l *node.Live, now time.Time) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.end(now)
	v := a.of[l]
	if v == nil {
		return false
	}
	for i := range int64(assignSteps) {
		if n := &v.ends[(a.last+1+i)%assignSteps]; *n > 0 {
			*n--
			break
		}
	}
	a.less(l, v, 1)
	return true
}

// expire ends those that have lasted long enough.
func (a *assignments) expire(now time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.end(now)
}

// end does so with mu held.
func (a *assignments) end(now time.Time) {
	step := int64(now.Sub(a.start) / assignStep)
	if step <= a.last {
		return
	}
	for l, v := range a.of {
		var over uint32
		for i := a.last + 1; i <= min(step, a.last+assignSteps); i++ {
			n := &v.ends[i%assignSteps]
			over += *n
			*n = 0
		}
		a.less(l, v, int(over))
	}
	a.last = step
}

// less takes n from what is open.
func (a *assignments) less(l *node.Live, v *assigned, n int) {
	for range n {
		l.End()
	}
	if v.open -= n; v.open == 0 {
		delete(a.of, l) // the member may be gone
	}
}

// workTime returns how long a request takes at a member, as far as anybody knows.
func workTime(m *node.Member) time.Duration {
	if mu := m.Mu(); mu > 0 {
		return time.Duration(min(1/mu, assignLongest.Seconds()) * float64(time.Second))
	}
	if took := m.Live.Latency(); took > 0 {
		return took
	}
	return assignUsual
}
