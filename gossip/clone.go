package gossip

import (
	"fmt"
	"net/netip"
	"time"

	"backhand/gossip/node"
)

// twin is another agent that has our node id, as it was heard last.
type twin struct {
	since, last time.Time
	name        string
	addr        netip.AddrPort
	from        netip.Addr
}

// twinFor is for how long after its last beat a twin is told of.
const twinFor = time.Minute

func (t *twin) heard(n *node.Node, from netip.Addr, now time.Time) {
	if now.Sub(t.last) > twinFor {
		t.since = now
	}
	t.last, t.name, t.addr, t.from = now, n.Name, n.Addr, from
}

// finding tells of the twin, if it was heard lately.
func (t *twin) finding(id node.ID, now time.Time) (Finding, bool) {
	if t.last.IsZero() || now.Sub(t.last) > twinFor {
		return Finding{}, false
	}
	return Finding{FindingClone, fmt.Sprintf(
		"another agent has our node id %s: %q at %v, whose beats come from %v; to everybody else the two are one node, so if the "+
			"disk of one host was copied to the other, stop the agent on one of them, remove its state_dir, and start it again",
		id.Short(), t.name, t.addr, t.from), t.since}, true
}
