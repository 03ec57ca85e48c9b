package candidacy

import (
	"fmt"
	"math"
	"slices"
	"sync"

	"backhand/gossip/node"
)

const (
	defaultSubset = 64
	// subsetOfShare is how many members a subset has for each member that would do for this node's share of all requests
	// (reference: balancing, 3.4).
	subsetOfShare = 20
)

func bySubset() Spec {
	return Spec{
		Name: "bySubset", Usage: "bySubset [K]",
		Doc: "Keeps K members (default 64), always the same ones as long as they are there, and other ones on each host: in a large " +
			"cluster, a host that spread its requests over all would seldom hear from any of them. A host with a large share of all " +
			"requests keeps more: 20 times its share of the members. With no more than K candidates, all stay.",
		Source: ours + "; rendezvous hashing: Thaler and Ravishankar, 1998", Example: "bySubset 64",
		Make: makeBySubset,
	}
}

func makeBySubset(a *Args) Step {
	k := a.Int("K", defaultSubset, 1)
	return Step{
		Ahead: Once, subset: k,
		Run: func(req *Request, in []*node.Member) []*node.Member {
			farm := req.farm()
			return keepSubset(farm, in, subsetSize(k, len(in)+farm.Others.Candidates, farm))
		},
		Note: func(req *Request, m *node.Member) string {
			return fmt.Sprintf("hash %04x", distance(req.farm(), m)>>48)
		},
		Why: "not in this host's subset",
	}
}

// subsetSize returns how many of n members this node keeps.
func subsetSize(k, n int, farm *node.Farm) int {
	return max(k, int(math.Ceil(min(subsetOfShare*farm.Share, 1)*float64(n))))
}

// Subset returns how many of all the members of a farm the chain looks at, if it is one that keeps a subset of them, and
// drops nobody before but those that are not to be had now: then those that come later in this node's order (see
// [node.Distance]) need not be known one by one. Share and members are those of the farm. 0: it may look at any.
func (c *Chain) Subset(share float64, members int) int {
	for i := range c.steps {
		switch s := &c.steps[i]; {
		case s.subset > 0:
			return subsetSize(s.subset, members, &node.Farm{Fleet: node.Fleet{Share: share}})
		case !s.sifts:
			return 0
		}
	}
	return 0
}

func distance(farm *node.Farm, m *node.Member) uint64 { return node.Distance(farm.Front, m.Hash) }

// distances are kept from one time to the next.
var distances = sync.Pool{New: func() any { return new([]uint64) }}

// keepSubset keeps the k members with the lowest distance, in their order.
func keepSubset(farm *node.Farm, in []*node.Member, k int) []*node.Member {
	if len(in) <= k {
		return in
	}
	kept := distances.Get().(*[]uint64)
	defer distances.Put(kept)
	all := (*kept)[:0]
	for _, m := range in {
		all = append(all, distance(farm, m))
	}
	slices.Sort(all)
	*kept = all
	last, left := all[k-1], k // of members with one distance, no more than k in all
	return slices.DeleteFunc(in, func(m *node.Member) bool {
		if left == 0 || distance(farm, m) > last {
			return true
		}
		left--
		return false
	})
}
