package agent

import (
	"slices"
	"time"

	"backhand/agent/config"
	"backhand/gossip"
	"backhand/gossip/node"
)

// focusSpare is how many times as many members as the chains of a farm look at are known one by one, so that there are
// others at hand when some fail.
const focusSpare = 2

// focus says which nodes are to be known one by one, by the chains that choose: all, if there is one that may look at any of
// them, or if a cookie may name any.
func focus(cfg *config.Config, s *node.Snapshot, self node.ID) gossip.Focus {
	f := gossip.Focus{Front: node.FrontOf(self), Farms: map[string]int{}}
	if s == nil || cfg.Cookie != nil {
		f.All = true
		return f
	}
	for _, c := range choices(cfg, s) {
		farm := s.Farm(c.farm)
		if farm == nil || !hasNodes(farm) {
			f.Farms[c.farm] = max(f.Farms[c.farm], 1) // until a node serves it
			continue
		}
		k := c.chain.Subset(farm.Share, len(farm.Members)+farm.Others.Members)
		if k == 0 {
			f.All = true
			return f
		}
		f.Farms[c.farm] = max(f.Farms[c.farm], focusSpare*k)
	}
	return f
}

// hasNodes reports whether a member of the farm is a node.
func hasNodes(f *node.Farm) bool {
	return f.Others.Members > 0 || slices.ContainsFunc(f.Members, func(m *node.Member) bool { return m.Node != nil })
}

// node returns the node with that id, whether it is known one by one or not; nil if we do not know it.
func (a *Agent) node(id node.ID) *node.Node {
	if n := a.snapshot.Load().Node(id); n != nil {
		return n
	}
	return a.gossip.Find(id, time.Now())
}
