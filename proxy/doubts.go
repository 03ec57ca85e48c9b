package proxy

import (
	"sync"
	"sync/atomic"
	"time"

	"backhand/gossip/node"
)

// maxDoubts is of how many nodes is remembered that there are doubts.
const maxDoubts = 64

// doubts remembers between which nodes and us there is no trust, in one direction, and since when.
type doubts struct {
	n      atomic.Int32 // as len(since), to be read without the lock
	mu     sync.Mutex
	since  map[node.ID]time.Time // the first time since all was well
	warned time.Time
}

// add notes a message that was not believed. It reports whether to warn of it: if none was for more than two of the node's
// intervals, and no warning was given for a minute. A node that has just started hears of us only by our next beat, and we
// of it by its own, and two may be lost.
func (d *doubts) add(n *node.Node, now time.Time) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	since, known := d.since[n.ID]
	if !known {
		if d.since == nil {
			d.since = map[node.ID]time.Time{}
		}
		for id := range d.since {
			if len(d.since) < maxDoubts {
				break
			}
			delete(d.since, id) // any: it may be gone for long
		}
		d.since[n.ID] = now
		d.n.Store(int32(len(d.since)))
		return false
	}
	if now.Sub(since) <= 2*n.Interval || !d.warned.IsZero() && now.Sub(d.warned) < time.Minute {
		return false
	}
	d.warned = now
	return true
}

// clear notes that a message was believed.
func (d *doubts) clear(id node.ID) {
	if d.n.Load() == 0 {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.since, id)
	d.n.Store(int32(len(d.since)))
}

// disbelieved logs that a node does not believe our hops, if it goes on like that: it is a mistake in its file or in
// ours, which no outcome shows while other nodes take the requests.
func (h *Handler) disbelieved(m *node.Member) {
	if !h.doubts.add(m.Node, h.cfg.Now()) {
		return
	}
	h.cfg.Log.Warn(
		"a node does not believe that we are a node of its cluster: see gossip.accept there, node.address here, and "+
			"gossip.keys on both",
		"node", m.Name, "address", m.HostPort(),
	)
}

// didNotProve logs that a node does not prove what it says of its load, if it goes on like that.
func (h *Handler) didNotProve(m *node.Member, err error) {
	if !h.unproved.add(m.Node, h.cfg.Now()) {
		return
	}
	h.cfg.Log.Warn(
		"what a node says of its load is not believed: see gossip.keys on both",
		"node", m.Name, "address", m.HostPort(), "err", err,
	)
}
