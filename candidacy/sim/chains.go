package sim

import (
	"math/rand/v2"
	"net/netip"
	"time"

	"backhand/candidacy"
	"backhand/gossip/node"
)

// chains are what the agents of all fronts do with a request: everything that decides is theirs.
type chains struct {
	sim     *simulation
	rand    *rand.Rand
	refresh int64
	fronts  []chainFront

	req   candidacy.Request
	list  []*node.Member
	tried []*node.Member
	nodes []*node.Node
	mark  node.HighWater
	marks int64 // when mark was brought up to date
	high  float64
}

// chainFront is what one agent knows.
type chainFront struct {
	chain   *candidacy.Chain
	live    *node.LiveSet
	farm    *node.Farm
	members []*node.Member // of farm, by number
	taken   int64
	brake   brake
}

// brake doubles the limits while requests are refused more than once each, as an agent does.
type brake struct {
	second             int64
	requests, refusals int
	on                 bool
}

// factor returns by what a limit is multiplied, and counts a request that gets its first.
func (b *brake) factor(now int64, first bool) float64 {
	b.turn(now)
	if first {
		b.requests++
	}
	if b.on {
		return 2
	}
	return 1
}

func (b *brake) refusal(now int64) {
	b.turn(now)
	b.refusals++
}

func (b *brake) turn(now int64) {
	second := now / 1e9
	if second == b.second {
		return
	}
	b.on = second == b.second+1 && b.refusals > b.requests
	b.second, b.requests, b.refusals = second, 0, 0
}

// newChains returns the agents of a simulation. The chain was checked.
func newChains(lines []string, sim *simulation, rng *rand.Rand) *chains {
	c := &chains{
		sim: sim, rand: rng, refresh: int64(sim.s.refresh(sim.c)), fronts: make([]chainFront, len(sim.fronts)), marks: -1,
	}
	for i := range c.fronts {
		chain, _ := candidacy.Builtin().Parse(lines)
		c.fronts[i] = chainFront{chain: chain, live: node.NewLiveSet(), members: make([]*node.Member, len(sim.members))}
		sim.fronts[i].nodes = make([]*node.Node, sim.nodes())
	}
	return c
}

func (c *chains) heard(*front, *node.Node) {}

func (c *chains) probed(*message) {}

func (c *chains) choose(f *front, r *request) int32 {
	cf := &c.fronts[f.number]
	now := c.sim.time()
	if cf.farm == nil || c.sim.now >= cf.taken+c.refresh {
		c.takeSnapshot(f, cf, now)
	}
	c.req = candidacy.Request{
		Method: "GET", Host: "www.example.com", Path: "/", Client: netip.IPv4Unspecified(), Now: now, Rand: c.rand, Farm: cf.farm,
	}
	c.tried = c.tried[:0]
	for _, i := range r.tried {
		if m := cf.members[i]; m != nil {
			c.tried = append(c.tried, m)
		}
	}
	c.list = cf.chain.AppendCandidates(c.list[:0], &c.req, c.tried)
	left := cf.chain.Select(&c.req, c.list)
	if len(left) == 0 {
		return nobody
	}
	m := left[0]
	if c.req.Predict {
		m.Live.Predict(m.Node.Sequence)
	}
	r.limited = c.req.Limit > 0 && len(left) > 1 && r.refusals < min(c.req.Hops, c.sim.tries-1)
	if r.limited {
		r.limit = c.req.Limit * cf.brake.factor(c.sim.now, r.refusals == 0)
	}
	m.Live.Start()
	return numberOf(m.Node)
}

// takeSnapshot does what an agent does all the time: here only when a request asks for it.
func (c *chains) takeSnapshot(f *front, cf *chainFront, now time.Time) {
	c.nodes = c.nodes[:0]
	if own := f.nodes[f.self]; own != nil {
		c.nodes = append(c.nodes, own)
	}
	for i := range f.nodes {
		// Those that are only fronts come first by name, and what is sorted already is sorted fast.
		if i += len(c.sim.members); i >= len(f.nodes) {
			i -= len(f.nodes)
		}
		if n := f.nodes[i]; n != nil && int32(i) != f.self {
			c.nodes = append(c.nodes, n)
		}
	}
	snap := node.NewSnapshot(node.Parts{
		Taken: now, Self: f.id, Nodes: c.nodes, HighWater: c.highWater(now), Live: cf.live,
	})
	cf.taken = c.sim.now
	clear(cf.members)
	if cf.farm = snap.Farm(farmName); cf.farm == nil {
		return
	}
	for _, m := range cf.farm.Members {
		cf.members[numberOf(m.Node)] = m
	}
	cf.chain.Prepare(cf.farm, now)
}

// highWater returns the mark of all loads. All agents hear the same, so that one keeps it for all.
func (c *chains) highWater(now time.Time) float64 {
	if c.marks < 0 || c.sim.now-c.marks >= int64(c.sim.c.Interval) {
		c.high, c.marks = c.mark.Update(c.nodes, nil, now), c.sim.now
	}
	return c.high
}

func (c *chains) ended(f *front, r *request) {
	cf := &c.fronts[f.number]
	m := cf.members[r.member]
	if m == nil {
		return // forgotten meanwhile
	}
	now := c.sim.time()
	live := m.Live
	switch r.outcome {
	case answered, failed:
		live.Connected()
		live.Answered(time.Duration(c.sim.now - r.asked))
		if m.Answers() || m.Self {
			live.Heard(r.load, now)
		}
		if r.outcome == failed {
			live.Fail(now)
		}
	case refused:
		// The member has not counted the request, so neither must we when we take note of what it says.
		cf.brake.refusal(c.sim.now)
		live.Refuse()
		live.End()
		live.Heard(r.load, now)
		return
	case notConnected:
		live.Fail(now)
		live.ConnectFailed(now)
	case broken:
		live.Fail(now)
	}
	live.End()
}
