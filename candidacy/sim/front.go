package sim

import (
	"encoding/binary"
	"fmt"
	"slices"

	"backhand/gossip/node"
)

// front is a node that clients send requests to.
type front struct {
	number int32 // among the fronts
	self   int32 // among the nodes
	id     node.ID
	name   string

	nodes []*node.Node // the last beat of each node that was heard
	own   []int32      // requests that it has under way at each member

	sequence   uint64
	dispatched int
	ratedAt    int64
}

func newFront(number, self int32, members int) *front {
	return &front{number: number, self: self, name: fmt.Sprintf("front%06d", number), own: make([]int32, members)}
}

// numberOf returns a node's number.
func numberOf(n *node.Node) int32 { return int32(binary.BigEndian.Uint32(n.ID[12:])) }

// rate returns the requests a second that it has chosen members for since the call before.
func (f *front) rate(now int64) float64 {
	passed := float64(now-f.ratedAt) / 1e9
	if passed <= 0 {
		return 0
	}
	rate := float64(f.dispatched) / passed
	f.dispatched, f.ratedAt = 0, now
	return rate
}

// handOver chooses a member for the request and sends it there.
func (sim *simulation) handOver(r *request) {
	f := sim.fronts[r.front]
	r.limited, r.asked = false, sim.now
	r.member = sim.choose.choose(f, r)
	if r.member == nobody {
		sim.finish(r, false)
		return
	}
	f.own[r.member]++
	sim.members[r.member].assigned++
	if sim.isLocal(r) {
		sim.reach(r)
		return
	}
	sim.messages.push(message{at: sim.now + sim.delay, kind: toMember, r: r})
}

// comeBack ends an attempt at the front. What another member may be asked for is as an agent has it, all requests being
// idempotent and without a body.
func (sim *simulation) comeBack(r *request) {
	f := sim.fronts[r.front]
	f.own[r.member]--
	sim.members[r.member].assigned--
	sim.choose.ended(f, r)
	switch r.outcome {
	case answered, failed:
		sim.finish(r, r.outcome == answered)
		return
	case refused:
		r.refusals++
	case notConnected, broken:
		r.attempts++
	}
	r.tried = append(r.tried, r.member)
	if r.attempts >= sim.tries || r.refusals >= sim.tries {
		sim.finish(r, false)
		return
	}
	sim.handOver(r)
}

// wasTried reports whether the member did not take the request before.
func (r *request) wasTried(member int32) bool {
	return len(r.tried) > 0 && slices.Contains(r.tried, member)
}
