package gossip

import (
	"time"

	"backhand/gossip/wire"
)

// A cluster's beats must not grow into a load of their own. Everybody hears everybody: of N nodes each has N beats to read
// in an interval, so above clusterRate*interval nodes all beat more seldom. Where a datagram goes to each node by itself,
// who sends pays as much, and each copy is a system call.
const (
	clusterRate = 2000 // beats a second that a node has to read at most
	copyRate    = 256  // datagrams a second that a node sends at most
)

// fanout is what a Transport has that sends a datagram to each destination by itself.
type fanout interface {
	// Fanout returns how many datagrams one Send sends.
	Fanout() int
}

// pace returns the time between two beats of ours: the interval that was asked for, or more in a large cluster.
func (g *Gossiper) pace() time.Duration {
	nodes, copies, _ := g.audience()
	return stretched(time.Duration(g.interval.Load()), nodes, copies)
}

// Audience returns how many nodes there are, this one included, and how many datagrams one note takes to reach them: one for each
// group, and one for each destination of a transport without groups.
func (g *Gossiper) Audience() (nodes, datagrams int) {
	nodes, copies, groups := g.audience()
	return nodes, copies + groups
}

func (g *Gossiper) audience() (nodes, copies, groups int) {
	g.mu.Lock()
	nodes, links := g.table.Len()+1, g.links
	g.mu.Unlock()
	for _, l := range links {
		n := 0
		if f, ok := l.Transport.(fanout); ok {
			n = f.Fanout()
		}
		if copies += n; n == 0 { // or there is nobody yet to whom it would send copies, which does no harm
			groups++
		}
	}
	return nodes, copies, groups
}

func stretched(interval time.Duration, nodes, copies int) time.Duration {
	least := max(time.Duration(nodes)*time.Second/clusterRate, time.Duration(copies)*time.Second/copyRate)
	return min(max(interval, least), wire.MaxInterval)
}
