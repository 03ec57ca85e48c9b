package proxy

import (
	"slices"
	"sync/atomic"
	"time"

	"backhand/gossip/node"
	"backhand/proxy/h1"
)

// A chain may want a member that is busier than it looked from here to send the request back (orElse). The member is told
// so by a limit, and asks nobody: so a refusal costs one round trip, and is news of the load at the same time.

// giveLimit says above how many requests under way the member is to send this one back. The last one that would be asked
// gets no limit, nor does any if the body could not be sent once more.
func (ho *handover) giveLimit(d *decision) {
	x := ho.x
	if !ho.toAgent || d.limit <= 0 || !d.others || x.insists || !x.body.whole() {
		return
	}
	if x.out.Refusals >= min(d.hops, x.site.Tries-1) {
		return
	}
	if !x.limited {
		x.limited = true
		x.h.brake.request(x.now)
	}
	ho.limit = d.limit * x.h.brake.factor(x.now)
}

// appendLimit tells the agent. It returns the field's value, too; nil if there is none.
func (ho *handover) appendLimit(b []byte) (head, value []byte) {
	if ho.limit <= 0 {
		return b, nil
	}
	b = append(b, fieldLimit+": "...)
	from := len(b)
	b = appendNumber(b, ho.limit)
	value = b[from:]
	return append(b, "\r\n"...), value
}

// bounced notes that the member was too busy for the limit.
func (ho *handover) bounced() {
	ho.x.h.brake.refusal(ho.x.now)
	ho.x.bounces = append(ho.x.bounces, ho.member)
}

// insist makes those who sent the request back for its limit candidates again, and gives no limit from now on: they have
// much to do, but are better than nobody. It returns false if there are none.
func (x *exchange) insist() bool {
	if len(x.bounces) == 0 {
		return false
	}
	x.tried = slices.DeleteFunc(x.tried, func(m *node.Member) bool { return slices.Contains(x.bounces, m) })
	x.bounces, x.insists = nil, true
	return true
}

// beginAtOrigin counts the request at our own origin, unless the agent that handed it on wants it back then.
func (ho *handover) beginAtOrigin() bool {
	x, meter := ho.x, ho.origin.Meter
	limit, ok := x.hopLimit()
	if !ok {
		ho.metered = meter.Begin(ho.start)
		return true
	}
	ho.metered, ok = meter.BeginWithin(ho.start, limit)
	return ok
}

// hopLimit returns the limit that came over a believed hop. What is malformed is none.
func (x *exchange) hopLimit() (limit float64, ok bool) {
	if x.hop == nil || !x.req.Has(h1.BackhandLimit) {
		return 0, false
	}
	line, one := only(&x.req.Section, h1.BackhandLimit)
	if !one {
		return 0, false
	}
	return parseNumber(text(line), "")
}

// brake doubles the limits while requests are refused more than once each: then all members are busy, and asking around
// only adds to that (reference: balancing, 3.4).
type brake struct {
	since    time.Time    // from when on seconds are counted
	second   atomic.Int64 // that is going on
	requests atomic.Int64 // that got a limit
	refusals atomic.Int64 // for it
	on       atomic.Bool  // the second before had too many
}

func (b *brake) request(now time.Time) {
	b.turn(now)
	b.requests.Add(1)
}

func (b *brake) refusal(now time.Time) {
	b.turn(now)
	b.refusals.Add(1)
}

// factor returns by what limits are to be multiplied.
func (b *brake) factor(now time.Time) float64 {
	b.turn(now)
	if b.on.Load() {
		return 2
	}
	return 1
}

// turn begins the next second, if it is time. What is counted while it does may go to either.
func (b *brake) turn(now time.Time) {
	s, old := int64(now.Sub(b.since)/time.Second), b.second.Load()
	if s <= old || !b.second.CompareAndSwap(old, s) {
		return
	}
	requests, refusals := b.requests.Swap(0), b.refusals.Swap(0)
	b.on.Store(s == old+1 && refusals > requests)
}
