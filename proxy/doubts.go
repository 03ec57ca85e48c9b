package proxy

import (
	"sync"
	"sync/atomic"
	"time"

	"backhand/gossip/node"
)

// maxDoubts is of how many nodes is remembered that they do not believe us.
const maxDoubts = 64

// doubts remembers which nodes do not believe our hops, and since when.
type doubts struct {
	n      atomic.Int32 // as len(since), to be read without the lock
	mu     sync.Mutex
	since  map[node.ID]time.Time // the first time since the node last took a request
	warned time.Time
}

// add notes a request that was not believed. It reports whether to warn of it: if the node has taken none for more than
// two of its intervals, and no warning was given for a minute. A node that has just started hears of us only by our next
// beat, and two may be lost.
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

// clear notes that a node took a request of ours.
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
		"a node does not believe that we are a node of its cluster: see gossip.accept there, and node.address here",
		"node", m.Name, "address", m.HostPort(),
	)
}
