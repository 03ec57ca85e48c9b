package agent

import (
	"time"

	"backhand/agent/config"
	"backhand/gossip"
	"backhand/gossip/node"
)

// focusSpare is how many times as many members as the chains of a farm look at are known one by one, so that there are
// others at hand when some fail.
const focusSpare = 2

// focus says which nodes are to be known one by one, by the chains of the routes: all, if there is one that may look at
// any of them.
func focus(cfg *config.Config, s *node.Snapshot, self node.ID) gossip.Focus {
	f := gossip.Focus{Front: node.FrontOf(self), Farms: map[string]int{}}
	if s == nil {
		f.All = true
		return f
	}
	for _, r := range cfg.Route {
		farm := s.Farm(r.Farm)
		if farm == nil {
			f.Farms[r.Farm] = max(f.Farms[r.Farm], 1) // until somebody serves it
			continue
		}
		k := r.Chain.Subset(farm.Share, len(farm.Members)+farm.Others.Members)
		if k == 0 {
			f.All = true
			return f
		}
		f.Farms[r.Farm] = max(f.Farms[r.Farm], focusSpare*k)
	}
	return f
}

// node returns the node with that id, whether it is known one by one or not; nil if we do not know it.
func (a *Agent) node(id node.ID) *node.Node {
	if n := a.snapshot.Load().Node(id); n != nil {
		return n
	}
	return a.gossip.Find(id, time.Now())
}
