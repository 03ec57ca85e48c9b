package node

import "time"

const (
	// lateTime is how long a request that failed still counts as under way: a member that fails at once would otherwise
	// look idle, and draw the requests of all fronts (reference: balancing, 3.4, byError).
	lateTime = 5 * time.Second
	// lateStep is how exact that is: an error counts for lateTime, and up to one step longer.
	lateStep = 500 * time.Millisecond

	lateSteps = int64(lateTime/lateStep) + 1
)

// lateErrors counts the errors of the last lateTime. Times are since whenever its user likes.
type lateErrors struct {
	steps [lateSteps]int // errors by the step in which they came
	last  int64          // the newest step that steps has
	total int
}

func (e *lateErrors) add(now time.Duration) {
	e.forget(now)
	e.steps[e.last%lateSteps]++
	e.total++
}

func (e *lateErrors) count(now time.Duration) int {
	if e.total > 0 {
		e.forget(now)
	}
	return e.total
}

// forget drops the steps that are over. A clock that went backwards drops none.
func (e *lateErrors) forget(now time.Duration) {
	step := int64(now / lateStep)
	if step-e.last >= lateSteps {
		*e = lateErrors{last: step}
	}
	for e.last < step {
		e.last++
		old := &e.steps[e.last%lateSteps]
		e.total -= *old
		*old = 0
	}
}
