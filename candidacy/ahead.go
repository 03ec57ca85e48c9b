package candidacy

import (
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"backhand/gossip/node"
)

// prepared is what a chain has found out about a farm ahead of the requests.
type prepared struct {
	list    []*node.Member // what the steps with Ahead at its start have left
	dropped []int          // by each of them
	holds   []int64        // until when each of them need not run again, in ns since 1970
	digests []float64      // of each step; see Step.Digest
}

// Prepare runs the steps at the start of the chain that ask for nothing but the snapshot, and keeps the result with the
// farm, which must not be published yet: each request then begins with those who are left. Of thousands of members, a
// request so looks at a few dozen. It returns how many are left; none of a farm that is nil.
func (c *Chain) Prepare(farm *node.Farm, now time.Time) (left int) {
	if farm == nil || farm.Prepared == nil {
		return 0
	}
	p := &prepared{dropped: make([]int, c.ahead), holds: make([]int64, c.ahead), digests: make([]float64, len(c.steps))}
	req := Request{Now: now, Farm: farm, Rand: rand.New(rand.NewPCG(farm.Front, uint64(now.UnixNano())))}
	p.list = slices.Clone(farm.Candidates)
	for i := range c.ahead {
		before := len(p.list)
		p.list = c.steps[i].Run(&req, p.list)
		p.dropped[i] = before - len(p.list)
	}
	for i := range c.ahead {
		switch s := &c.steps[i]; {
		case s.Ahead == Once:
			p.holds[i] = math.MaxInt64
		case s.Holds != nil:
			p.holds[i] = s.Holds(p.list).UnixNano()
		}
	}
	for i := range c.steps {
		if d := c.steps[i].Digest; d != nil {
			p.digests[i] = d(farm, p.list)
		}
	}
	p.list = slices.Clip(p.list)
	farm.Prepared[c] = p
	return len(p.list)
}

// AppendCandidates appends the members that the chain starts from, as the function of that name does: but for those that
// it has dropped ahead of the requests. What Select makes of the result is the same.
func (c *Chain) AppendCandidates(dst []*node.Member, req *Request, tried []*node.Member) []*node.Member {
	req.tried = tried
	if req.Farm == nil {
		return dst
	}
	if p, ok := req.Farm.Prepared[c].(*prepared); ok {
		start := len(dst)
		if dst = appendReachableFirst(dst, req, p.list); len(dst) > start {
			req.prepared = p
			return dst
		}
		dst = dst[:start] // all that were left have been tried: with those out of the way, the steps may leave others
	}
	return AppendCandidates(dst, req, tried)
}

// holds reports whether a step has run ahead of the request and need not run again.
func (c *Chain) holds(step int, req *Request, now int64) bool {
	return req.prepared != nil && step < c.ahead && now < req.prepared.holds[step]
}

// digestOf returns what a step has found out ahead, or finds it out now.
func (c *Chain) digestOf(step int, req *Request, in []*node.Member) float64 {
	switch d := c.steps[step].Digest; {
	case d == nil:
		return 0
	case req.prepared != nil:
		return req.prepared.digests[step]
	default:
		return d(req.Farm, in)
	}
}
