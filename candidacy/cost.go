package candidacy

import (
	"fmt"
	"math"

	"backhand/gossip/node"
)

func byCost() Spec {
	return Spec{
		Name: "byCost", Usage: "byCost",
		Doc: "Sorts by cost, lowest first: n^(part of the memory in use) + n^(load / mark). The more of something is used up, the " +
			"steeper its cost rises, so that a host short of either is spared. n is how many members of the farm may be chosen, at least " +
			"2. Load is the load average of the last minute, in terms of the fastest host's CPUs. The mark is the highest such " +
			"load in the cluster rounded up to a power of two; it falls by half in ten minutes. Memory that a node does not " +
			"announce counts as all in use. Physicals, of which nothing is known, come last in the order they had.",
		Source: whitePaper + "; Amir, Awerbuch, Borgstrom: A Cost-Benefit Framework, 1998", Example: "byCost",
		Make: makeByCost,
	}
}

func makeByCost(*Args) Step {
	return Step{
		Sorts: true,
		Run: func(req *Request, in []*node.Member) []*node.Member {
			c := newPrices(req.Farm)
			return sortBy(in, c.of)
		},
		First: func(req *Request, in []*node.Member) []*node.Member {
			c := newPrices(req.Farm)
			return firstBy(in, c.of)
		},
		Note: func(req *Request, m *node.Member) string {
			if m.Node == nil {
				return "cost unknown"
			}
			c := newPrices(req.Farm)
			return fmt.Sprintf("cost %.3g: n %.0f, memory %.0f%%, load %.2f%s, speed %.0f%%, mark %.0f",
				c.of(m), c.n, 100*memoryInUse(m), m.Node.Stats.Load1, predictionNote(m), 100/c.slowness(m), c.mark)
		},
	}
}

// prices are what the costs of a farm's members are made of.
type prices struct {
	n       float64 // members
	mark    float64 // load that counts as full
	fastest float64 // highest speed; 0: not known
}

// newPrices returns them. With n below 2 all would cost the same.
func newPrices(farm *node.Farm) prices {
	if farm == nil {
		return prices{n: 2, mark: 1}
	}
	return prices{n: float64(max(2, len(farm.Candidates))), mark: max(1, farm.HighWater), fastest: farm.Fastest}
}

// of returns what a member costs.
func (c *prices) of(m *node.Member) float64 {
	if m.Node == nil {
		return math.Inf(1)
	}
	load := (m.Node.Stats.Load1 + predicted(m)) * c.slowness(m)
	return math.Pow(c.n, memoryInUse(m)) + math.Pow(c.n, load/c.mark)
}

// slowness returns how many times faster the fastest host is: a load is as much heavier here.
func (c *prices) slowness(m *node.Member) float64 {
	if m.Node.Stats.Speed <= 0 || c.fastest <= 0 {
		return 1
	}
	return max(1, c.fastest/m.Node.Stats.Speed)
}

// memoryInUse returns which part of the member's memory is in use; all of it, if that is not known.
func memoryInUse(m *node.Member) float64 {
	if used := m.Node.Stats.MemUsed(); used >= 0 {
		return used
	}
	return 1
}
