package candidacy

import (
	"fmt"
	"slices"
	"strings"
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
	ahead   int             // steps at the start that can run ahead of the requests
	first   int             // the step of which only the first candidate matters; -1: none
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
	c := new(Chain)
	var errs []*StepError
	for i, line := range lines {
		steps := []string{line}
		if strings.TrimSpace(line) == Auto {
			steps = DefaultChain()
		}
		for _, text := range steps {
			s, err := r.Step(text)
			if err != nil {
				errs = append(errs, &StepError{Step: i + 1, Text: line, Err: err})
			}
			c.text, c.steps = append(c.text, text), append(c.steps, s)
		}
	}
	if errs != nil {
		return nil, errs
	}
	c.dropped = make([]atomic.Uint64, len(c.steps))
	c.plan()
	return c, nil
}

// plan finds out what need not be done for each request.
func (c *Chain) plan() {
	for c.ahead < len(c.steps) && c.steps[c.ahead].Ahead != Never {
		c.ahead++
	}
	c.first = len(c.steps) - 1
	for c.first >= 0 && c.steps[c.first].OnlyFirst {
		c.first--
	}
}

// Text returns the steps as they were written, those that [Auto] stands for one by one.
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
//
// Of the result only the first member need be the best of those that are left.
func (c *Chain) Select(req *Request, in []*node.Member) []*node.Member {
	if p := req.prepared; p != nil {
		for i, n := range p.dropped {
			c.count(i, n)
		}
	}
	now := req.Now.UnixNano()
	for i := range c.steps {
		s := &c.steps[i]
		if c.holds(i, req, now) {
			continue
		}
		before := len(in)
		req.digest = c.digestOf(i, req, in)
		switch {
		case s.shuffles:
			shuffle(req, in, c.kept(i, len(in)))
		case i == c.first && s.First != nil:
			in = s.First(req, in)
		default:
			in = s.Run(req, in)
		}
		c.count(i, before-len(in))
	}
	return in
}

// count counts candidates that a step has dropped. Most steps only reorder, and a counter that is written to is not free.
func (c *Chain) count(step, n int) {
	if n > 0 {
		c.dropped[step].Add(uint64(n))
	}
}

// kept returns how many of n candidates the step behind keeps: what it drops anyway need not be in any order.
func (c *Chain) kept(step, n int) int {
	if step+1 < len(c.steps) && c.steps[step+1].window != nil {
		return c.steps[step+1].window(n)
	}
	return n
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
