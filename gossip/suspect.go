package gossip

import (
	"net/netip"
	"time"

	"backhand/gossip/node"
)

const (
	// quietAfter is how many beats in a row may not come of a node until it counts as quiet. They are few: what is done about
	// it takes a while, and chains shall not have dropped anybody by then.
	quietAfter = 2
	// togetherWithin is how many intervals apart nodes that fell silent together were heard last.
	togetherWithin = 2
	// suspectFrom is how many nodes must fall silent together for us to suspect ourselves. One or two may well be gone.
	suspectFrom = 3
)

// quiet reports whether a node has missed its last beats.
func quiet(n *node.Node, now time.Time) bool { return now.Sub(n.Heard) > n.Beats(quietAfter) }

// heard reports whether any node is heard at all.
func (t *Table) heard(now time.Time) bool {
	for _, e := range t.nodes {
		if now.Sub(e.heard) <= node.Beats(e.interval, quietAfter) {
			return true
		}
	}
	return false
}

// peek returns all nodes as far as everybody is known, without their farms.
func (t *Table) peek() []*node.Node {
	all, out := make([]node.Node, len(t.nodes)), make([]*node.Node, 0, len(t.nodes))
	for id, e := range t.nodes {
		n := &all[len(out)]
		e.brief(id, n)
		out = append(out, n)
	}
	return out
}

// fallen returns the nodes that fell silent together, and when the last beat came of all, if not one is heard any more.
// Who had been silent before is not among them, nor who has left.
func fallen(nodes []*node.Node, now time.Time) (together []*node.Node, last time.Time) {
	for _, n := range nodes {
		if !quiet(n, now) {
			return nil, time.Time{}
		}
		if n.Heard.After(last) {
			last = n.Heard
		}
	}
	for _, n := range nodes {
		if n.State != node.Leaving && last.Sub(n.Heard) <= togetherWithin*n.Interval {
			together = append(together, n)
		}
	}
	return together, last
}

// suspicion is that of a node against itself: if all peers fall silent at once, then rather this host is deaf than all of
// them are dead. It lasts until most of them are heard again. It has no lock and no clock.
type suspicion struct {
	since time.Time           // when anybody was heard last; zero: there is no suspicion
	nodes map[node.ID]suspect // that fell silent together
}

// suspect is a node as it was heard last.
type suspect struct {
	addr  netip.AddrPort
	quiet time.Time // from then on
}

func newSuspect(n *node.Node) suspect {
	return suspect{addr: n.Addr, quiet: n.Heard.Add(n.Beats(quietAfter))}
}

// look takes all nodes that are known, and begins or ends the suspicion.
func (s *suspicion) look(nodes []*node.Node, now time.Time) {
	if !s.holds() {
		if together, last := fallen(nodes, now); len(together) >= suspectFrom {
			s.since, s.nodes = last, make(map[node.ID]suspect, len(together))
			for _, n := range together {
				s.nodes[n.ID] = newSuspect(n)
			}
		}
		return
	}
	heard := 0 // newcomers count: they may be the same hosts, set up anew
	for _, n := range nodes {
		if !quiet(n, now) {
			heard++
		}
		switch _, ok := s.nodes[n.ID]; {
		case ok && n.State == node.Leaving:
			delete(s.nodes, n.ID)
		case ok:
			s.nodes[n.ID] = newSuspect(n)
		}
	}
	if 2*heard > len(s.nodes) || len(s.nodes) == 0 {
		*s = suspicion{}
	}
}

func (s *suspicion) holds() bool { return !s.since.IsZero() }

// Suspects returns the nodes that are silent now because, as it seems, this host is cut off from beats, and their addresses:
// at least three peers were heard, and all fell silent within two intervals of one another. Those to which TCP still
// connects should stay in use as if they had just been heard (node.Node.Kept), even when they are listed no more. There are
// none while there is no such suspicion; it ends for a node with its next beat, and for all when most are heard again.
func (g *Gossiper) Suspects(now time.Time) map[node.ID]netip.AddrPort {
	g.mu.Lock()
	defer g.mu.Unlock()
	var all map[node.ID]netip.AddrPort
	for id, s := range g.suspicion.nodes {
		if !now.After(s.quiet) {
			continue // who is heard needs nobody's help
		}
		if all == nil {
			all = make(map[node.ID]netip.AddrPort, len(g.suspicion.nodes))
		}
		all[id] = s.addr
	}
	return all
}
