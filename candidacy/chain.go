package candidacy

import (
	"fmt"
	"slices"
	"sync/atomic"

	"backhand/gossip/node"
)

// MaxSteps is the most steps a chain may have; more is a mistake.
const MaxSteps = 64

// Chain is an ordered list of steps. It does not change but for its counters, and may be used by any number of requests at
// once.
type Chain struct {
	text    []string
	steps   []Step
	dropped []atomic.Uint64 // by each step
}

// StepError is a mistake in one step of a chain.
type StepError struct {
	Step int // counted from 1
	Text string
	Err  error
}

// Error names the step as a user counts it.
func (e *StepError) Error() string { return fmt.Sprintf("step %d: %v", e.Step, e.Err) }

// Unwrap returns the mistake itself.
func (e *StepError) Unwrap() error { return e.Err }

// Parse makes a chain of its steps, as they stand in the file. It returns every mistake, not only the first.
func (r *Registry) Parse(lines []string) (*Chain, []*StepError) {
	if len(lines) > MaxSteps {
		return nil, []*StepError{{Step: MaxSteps + 1, Err: fmt.Errorf("a chain has at most %d steps", MaxSteps)}}
	}
	c := &Chain{text: slices.Clone(lines), dropped: make([]atomic.Uint64, len(lines))}
	var errs []*StepError
	for i, line := range lines {
		s, err := r.Step(line)
		if err != nil {
			errs = append(errs, &StepError{Step: i + 1, Text: line, Err: err})
		}
		c.steps = append(c.steps, s)
	}
	if errs != nil {
		return nil, errs
	}
	return c, nil
}

// Text returns the steps as they were written.
func (c *Chain) Text() []string { return slices.Clone(c.text) }

// Sorts reports whether some step orders by figures that all nodes hear alike (see [Step]).
func (c *Chain) Sorts() bool {
	for _, s := range c.steps {
		if s.Sorts {
			return true
		}
	}
	return false
}

// Select runs the steps over the candidates in, which it may reorder and overwrite, and returns those that are left,
// best first. The result shares in's array, and addSelf may make it one longer than in.
func (c *Chain) Select(req *Request, in []*node.Member) []*node.Member {
	for i := range c.steps {
		before := len(in)
		in = c.steps[i].Run(req, in)
		if n := before - len(in); n > 0 { // most steps only reorder, and a counter that is written to is not free
			c.dropped[i].Add(uint64(n))
		}
	}
	return in
}

// Dropped returns how many candidates each step has dropped in Select since the chain was made: a reload begins anew. One
// that a step brought back is counted against those that it dropped at the same time. Explain is not counted.
func (c *Chain) Dropped() []uint64 {
	out := make([]uint64, len(c.dropped))
	for i := range c.dropped {
		out[i] = c.dropped[i].Load()
	}
	return out
}
