package gossip

import (
	"math"
	"net/netip"
	"slices"
	"time"

	"backhand/gossip/node"
)

// Focus says which nodes are listed one by one where there are more than FocusFrom. The others are known as sums.
type Focus struct {
	// Front is node.FrontOf our own id.
	Front uint64
	// Farms has for each farm that we choose members of how many are wanted: the first ones in our order (node.Distance), of
	// those that may be chosen. A farm that is missing is none of ours.
	Farms map[string]int
	// All says that every node is wanted.
	All bool
	// Addrs has addresses whose nodes are wanted, since somebody who is no agent announces himself from there, too.
	Addrs map[netip.Addr]bool
}

const (
	// FocusFrom is up to how many nodes all are listed.
	FocusFrom = 1024
	// wantedFor is for how long a node is listed that somebody asked for by its id.
	wantedFor = 10 * time.Minute
)

// Survey returns the peers as Nodes does, but for those that the focus leaves out, which are added up.
func (g *Gossiper) Survey(now time.Time, f Focus) ([]*node.Node, *node.Others) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.table.Expire(now)
	return g.table.Survey(now, f)
}

// Find returns the peer with that id, or nil. From its next beat on it is listed for a while, whatever the focus; until then
// of a node that was out of focus only that is known which tells its beats and hops from others'.
func (g *Gossiper) Find(id node.ID, now time.Time) *node.Node {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.table.Find(id, now)
}

// Known returns how many peers are listed or left out.
func (g *Gossiper) Known() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.table.Len()
}

// Find returns the node with that id, or nil, and notes that it is wanted.
func (t *Table) Find(id node.ID, now time.Time) *node.Node {
	e := t.nodes[id]
	if e == nil {
		return nil
	}
	e.wanted, e.detailed = now.UnixNano(), true
	return e.shown(id)
}

// Survey returns the nodes in focus as AppendNodes does, and the sums of the others: nil if there are none. Who comes into
// focus is listed from its next beat on, and of who goes out of it the detail is forgotten.
func (t *Table) Survey(now time.Time, f Focus) ([]*node.Node, *node.Others) {
	all := f.All || len(t.nodes) <= FocusFrom
	var last map[string]uint64
	if !all {
		last = t.lastInFocus(now, f)
	}
	nodes := make([]*node.Node, 0, min(len(t.nodes), FocusFrom))
	var others *node.Others
	var n node.Node             // of the one that is looked at
	var services []node.Service // of the same
	for id, e := range t.nodes {
		switch {
		case all, now.UnixNano()-e.wanted < int64(wantedFor), f.Addrs[e.addr.Addr()], e.within(f.Front, last, now):
			e.detailed = true
			if e.detail != nil {
				nodes = append(nodes, e.shown(id))
				continue
			}
		default:
			e.forget()
		}
		if others == nil {
			others = &node.Others{}
		}
		e.brief(id, &n)
		services = e.appendServices(services[:0])
		others.Add(&n, services, now)
	}
	return nodes, others
}

// lastInFocus returns for each farm the greatest distance that is in focus.
func (t *Table) lastInFocus(now time.Time, f Focus) map[string]uint64 {
	last := make(map[string]uint64, len(f.Farms))
	var all []uint64
	for farm, wanted := range f.Farms {
		all = all[:0]
		for _, e := range t.nodes {
			if m := e.choosable(farm, now); m != nil {
				all = append(all, node.Distance(f.Front, m.hash))
			}
		}
		if len(all) <= wanted {
			last[farm] = math.MaxUint64
			continue
		}
		slices.Sort(all)
		last[farm] = all[max(wanted, 1)-1]
	}
	return last
}

// choosable returns the farm if the node may be chosen for it, as far as it is known here; else nil: who is silent makes room for
// another in the focus, as chains have dropped it.
func (e *entry) choosable(name string, now time.Time) *farm {
	if e.state != node.Up || e.ageAt(now) > node.Beats(e.interval, node.SilentBeats) {
		return nil
	}
	f := e.find(name)
	if f == nil || !f.ready {
		return nil
	}
	return f
}

func (e *entry) within(front uint64, last map[string]uint64, now time.Time) bool {
	for farm, most := range last {
		if f := e.choosable(farm, now); f != nil && node.Distance(front, f.hash) <= most {
			return true
		}
	}
	return false
}
