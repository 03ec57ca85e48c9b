package candidacy

import (
	"fmt"
	"math"

	"backhand/gossip/node"
)

func byCapacity() Spec {
	return Spec{
		Name: "byCapacity", Usage: "byCapacity",
		Doc: "Shuffles, as byRandom does, but members that can do more are likelier to come first. Each does so in proportion to its " +
			"slots (requests that it runs at full speed at once) times the requests a second that a busy slot completes. Both are as " +
			"the member announced them, or in the file (capacity and weight of a physical); the second is the farm's median where it " +
			"is not known.",
		Source: ours + "; weighted sampling: Efraimidis and Spirakis, 2006", Example: "byCapacity",
		Make: makeByCapacity,
	}
}

func makeByCapacity(*Args) Step {
	return Step{
		Run: func(req *Request, in []*node.Member) []*node.Member {
			return sortBy(in, func(m *node.Member) float64 { return arrival(req, capacity(req.Farm, m)) })
		},
		First: func(req *Request, in []*node.Member) []*node.Member {
			return firstBy(in, func(m *node.Member) float64 { return arrival(req, capacity(req.Farm, m)) })
		},
		Note: func(req *Request, m *node.Member) string {
			return fmt.Sprintf("%.3g/s: %s", capacity(req.Farm, m), capacityNote(req.Farm, m))
		},
	}
}

// capacity returns how many requests a second the member completes when all its slots are busy.
func capacity(farm *node.Farm, m *node.Member) float64 { return m.Slots() * slotRate(farm, m) }

// slotRate returns how many requests a second one busy slot of the member completes. Where nobody's is known, all count
// alike.
func slotRate(farm *node.Farm, m *node.Member) float64 {
	switch {
	case m.Mu() > 0:
		return m.Mu()
	case farm != nil && farm.Mu > 0:
		return farm.Mu
	}
	return 1
}

func capacityNote(farm *node.Farm, m *node.Member) string {
	return fmt.Sprintf("%.3g slots, %.3g/s each", m.Slots(), slotRate(farm, m))
}

// arrival returns when a member of that weight arrives in a race in which each is the next with a chance in proportion to
// its weight. One without weight comes last. It asks for chance once, whatever the weight.
func arrival(req *Request, weight float64) float64 {
	e := req.Rand.ExpFloat64()
	if weight > 0 {
		return e / weight
	}
	return math.Inf(1)
}
