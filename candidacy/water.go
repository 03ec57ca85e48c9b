package candidacy

import (
	"fmt"

	"backhand/gossip/node"
)

// maxHorizon is the most beats that one may look ahead.
const maxHorizon = 1000

func byWater() Spec {
	return Spec{
		Name: "byWater", Usage: "byWater [H]",
		Doc: "Shuffles so that all members together fill up evenly, as water would. Each is as likely to come first as it is below " +
			"the level that the farm will have H beats from now (default 1). With c slots, mu requests a second that a busy slot " +
			"completes and n requests under way, its weight is max(0, c*mu*(L + Lambda*H*T) - n). L is the level: requests under way " +
			"for each one a second that the members could complete. Lambda is how fast it would rise: requests that arrive for each " +
			"that they could complete. T is the time between two beats. All are as announced, those of all hosts included, so that " +
			"each may use the same figures and yet not all choose the same member. If nobody is below the level, it is byCapacity. " +
			"Of physicals, only the requests are known that this host itself has under way.",
		Source:  ours + "; Dahlin: Interpreting Stale Load Information, 2000; weighted sampling: Efraimidis and Spirakis, 2006",
		Example: "byWater 1",
		Make:    makeByWater,
	}
}

func makeByWater(a *Args) Step {
	w := water{horizon: a.Float("H", 1, 0)}
	if w.horizon > maxHorizon {
		a.Fail("H is %v, want at most %d beats", w.horizon, maxHorizon)
	}
	return Step{
		Digest: w.level,
		Run: func(req *Request, in []*node.Member) []*node.Member {
			if !w.anyBelow(req, in) {
				return sortBy(in, func(m *node.Member) float64 { return arrival(req, capacity(req.Farm, m)) })
			}
			return sortBy(in, func(m *node.Member) float64 { return arrival(req, w.room(req, m)) })
		},
		First: func(req *Request, in []*node.Member) []*node.Member {
			if !w.anyBelow(req, in) {
				return firstBy(in, func(m *node.Member) float64 { return arrival(req, capacity(req.Farm, m)) })
			}
			return firstBy(in, func(m *node.Member) float64 { return arrival(req, w.room(req, m)) })
		},
		Note: func(req *Request, m *node.Member) string {
			return fmt.Sprintf("room %.3g: %s, level %.3gs, %.3g under way",
				max(0, w.room(req, m)), capacityNote(req.Farm, m), req.digest, w.underWay(req, m))
		},
	}
}

// water is byWater with its argument.
type water struct{ horizon float64 } // in beats

// level returns L + Lambda*H*T of the members, in seconds: how long they would need for what will be under way then.
func (w water) level(farm *node.Farm, in []*node.Member) float64 {
	requests, all := 0.0, 0.0
	for _, m := range in {
		if s := m.Service; s != nil {
			requests += float64(s.InFlight) + w.horizon*m.Node.Interval.Seconds()*s.Arrivals
			all += capacity(farm, m)
		}
	}
	if all <= 0 {
		return 0
	}
	return requests / all
}

// room returns how many requests the member is below the level.
func (w water) room(req *Request, m *node.Member) float64 {
	return capacity(req.Farm, m)*req.digest - w.underWay(req, m)
}

// underWay returns how many requests are known to be under way at the member, errors that count as such included.
func (w water) underWay(req *Request, m *node.Member) float64 {
	if m.Service == nil {
		return req.Under(m)
	}
	return float64(m.Service.InFlight) + float64(m.Live.Pending(req.Now, req.ErrorWindow))
}

func (w water) anyBelow(req *Request, in []*node.Member) bool {
	for _, m := range in {
		if w.room(req, m) > 0 {
			return true
		}
	}
	return false
}
