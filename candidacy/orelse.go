package candidacy

import (
	"fmt"
	"slices"

	"backhand/gossip/node"
)

const (
	defaultHops = 2
	maxHops     = 8
)

func orElse() Spec {
	return Spec{
		Name: "orElse", Usage: "orElse [HOPS [KAPPA]]",
		Doc: "Lets the chosen member send the request back if it is busier than this host believed: than KAPPA times (default 1) " +
			"what half of the members are, and with no slot free. Then the chain runs again without it. After HOPS members (default 2) " +
			"have done so, the next one takes the request. It costs a round trip each, and only where the choice was wrong. It stands " +
			"last in a chain. Members without an agent never refuse.",
		Source: ours, Example: "orElse 2",
		Make: makeOrElse,
	}
}

func makeOrElse(a *Args) Step {
	hops := a.Int("HOPS", defaultHops, 1)
	kappa := a.Float("KAPPA", 1, 0)
	if hops > maxHops {
		a.Fail("HOPS is %d, want at most %d", hops, maxHops)
	}
	limit := func(req *Request, m *node.Member) (most float64, ok bool) {
		if !m.Answers() || m.Self || req.digest <= 0 {
			return 0, false
		}
		e := req.estimate(m, 1, req.Now.UnixNano())
		return max(defaultKnee.reaches(kappa*req.digest*e.mu)*e.slots, e.slots-1), true
	}
	return Step{
		OnlyFirst: true,
		Digest:    usualCost,
		Run: func(req *Request, in []*node.Member) []*node.Member {
			if len(in) == 0 {
				return in
			}
			if most, ok := limit(req, in[0]); ok {
				req.Limit, req.Hops = most, hops
			}
			return in
		},
		Note: func(req *Request, m *node.Member) string {
			if most, ok := limit(req, m); ok {
				return fmt.Sprintf("may refuse above %.3g under way", most)
			}
			return ""
		},
	}
}

// usualCost returns what a request costs at the median member, by what they announced; 0 if that is not known.
func usualCost(_ *node.Farm, in []*node.Member) float64 {
	kept := rankings.Get().(*[]ranked)
	defer rankings.Put(kept)
	list := (*kept)[:0]
	for _, m := range in {
		if m.Service == nil || m.Service.Mu <= 0 {
			continue
		}
		list = append(list, ranked{figure: defaultKnee.at(float64(m.Service.InFlight)/m.Slots()) / m.Service.Mu})
	}
	*kept = list
	if len(list) == 0 {
		return 0
	}
	slices.SortFunc(list, compareFigures)
	return list[len(list)/2].figure
}
