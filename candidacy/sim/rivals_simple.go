package sim

import "backhand/gossip/node"

// omniscient knows everything without delay.
type omniscient struct {
	*knowledge
	cost func(m *member) float64
}

func (o omniscient) pick(_ *front, _ *request, in []int32) int32 {
	return o.least(in, func(i int32) float64 { return o.cost(o.sim.members[i]) })
}

// newOmniscient scores as byTraffic does (reference: balancing, 3.4).
func newOmniscient(k *knowledge) rule {
	return omniscient{k, func(m *member) float64 {
		x := float64(m.assigned+1) / m.slots
		if x <= 1 {
			return (0.25 + 0.75*x) / m.origin.speed
		}
		return x * x * x / m.origin.speed
	}}
}

func newSED(k *knowledge) rule {
	return omniscient{k, func(m *member) float64 { return float64(m.assigned+1) / (m.slots * m.origin.speed) }}
}

func newJSQ(k *knowledge) rule {
	return omniscient{k, func(m *member) float64 { return float64(m.assigned) }}
}

type random struct{ *knowledge }

func newRandom(k *knowledge) rule { return random{k} }

func (p random) pick(_ *front, _ *request, in []int32) int32 { return in[p.rand.IntN(len(in))] }

// roundRobin takes members in turn; each front begins somewhere else.
type roundRobin struct{ next []int }

func newRoundRobin(k *knowledge) rule {
	p := roundRobin{}
	for range k.sim.fronts {
		p.next = append(p.next, k.rand.IntN(len(k.sim.members)))
	}
	return p
}

func (p roundRobin) pick(f *front, _ *request, in []int32) int32 {
	p.next[f.number]++
	return in[p.next[f.number]%len(in)]
}

type leastConn struct{ *knowledge }

func newLeastConn(k *knowledge) rule { return leastConn{k} }

func (p leastConn) pick(f *front, _ *request, in []int32) int32 {
	return p.least(in, func(i int32) float64 { return float64(f.own[i]) })
}

type twoChoices struct{ *knowledge }

func newTwoChoices(k *knowledge) rule { return twoChoices{k} }

func (p twoChoices) pick(f *front, _ *request, in []int32) int32 {
	a, b := p.two(in)
	if f.own[b] < f.own[a] {
		return b
	}
	return a
}

// twoByBeats is two choices by what all have heard.
type twoByBeats struct{ *knowledge }

func newTwoByBeats(k *knowledge) rule { return twoByBeats{k} }

func (p twoByBeats) pick(f *front, _ *request, in []int32) int32 {
	a, b := p.two(in)
	if announced(f.nodes[b]) < announced(f.nodes[a]) {
		return b
	}
	return a
}

// announced returns the requests in flight that a node has announced.
func announced(n *node.Node) int {
	if n == nil {
		return 0
	}
	return n.Services[0].InFlight
}

// heartbeat is weighted by idle workers; one with none busy counts a fourth, since it may have been started just now, as
// Apache does.
type heartbeat struct {
	*knowledge
	weights []float64
}

func newHeartbeat(k *knowledge) rule {
	return &heartbeat{k, make([]float64, len(k.sim.members))}
}

func (p *heartbeat) pick(f *front, _ *request, in []int32) int32 {
	sum := 0.0
	for i, m := range in {
		w := 0.0
		if n := f.nodes[m]; n != nil {
			s := &n.Services[0]
			w = float64(s.Workers - s.Busy)
			if s.Busy == 0 {
				w /= 4
			}
		}
		sum += w
		p.weights[i] = sum
	}
	if sum == 0 {
		return in[p.rand.IntN(len(in))]
	}
	v := p.rand.Float64() * sum
	for i := range in {
		if v < p.weights[i] {
			return in[i]
		}
	}
	return in[len(in)-1]
}
