package proxy

import (
	"time"

	"backhand/gossip/node"
	"backhand/proxy/h1"
)

// refusal returns as what an agent sent the request back; proxied if it did not.
func (ho *handover) refusal() reason {
	res := ho.x.res
	if !ho.believed || !res.Has(h1.BackhandRefused) {
		return proxied
	}
	v, one := only(&res.Section, h1.BackhandRefused)
	switch {
	case !one:
		return proxied
	case res.Status == 503 && (string(v) == refusedOrigin || string(v) == refusedBusy):
		return membersRefused
	case res.Status == 421 && string(v) == refusedHop:
		return membersDisbelieve
	}
	return proxied
}

// refusalBody is how long the body of a refusal is waited for, and refusalMost how many bytes it may have, so that its
// connection can be used again.
const (
	refusalBody = 100 * time.Millisecond
	refusalMost = 4 << 10
)

// sentBack counts a refusal, which is no attempt and no error.
func (ho *handover) sentBack(r reason) error {
	x := ho.x
	err := becausef(r, "%s sent the request back: %s", ho.dest.addr, x.res.Value(h1.BackhandRefused))
	load, heard := ho.heardLoad()
	busy := ho.limit > 0 && r == membersRefused && string(x.res.Value(h1.BackhandRefused)) == refusedBusy
	ho.discardBody()
	x.tick()
	ho.refused()
	if heard { // this request is not in it
		ho.live.Heard(load, x.now)
	}
	if busy {
		ho.bounced()
	}
	if r == membersDisbelieve {
		x.h.disbelieved(ho.member)
	}
	if fault := x.body.fault(); fault != nil {
		return fault
	}
	if !x.body.replayable() {
		return because(refusedTooLate, err)
	}
	return err
}

func (ho *handover) refused() {
	ho.x.out.Attempts--
	ho.x.out.Refusals++
	if ho.live != nil {
		ho.live.Refuse()
	}
	ho.end(node.GaveUp)
}

// discard gives up a response for another one. The route has named its status as one that is none to show to a client.
func (ho *handover) discard() {
	ho.discardBody()
	ho.x.tick()
	ho.end(node.Failed)
}

// discardBody reads the rest of a short response, so that the connection can be used again; if that does not come at
// once, it is not worth the wait.
func (ho *handover) discardBody() {
	x, m := ho.x, ho.m
	ho.startBody()
	x.from(x.tick(), refusalBody)
	for total := 0; total < refusalMost && !ho.body.done(); {
		p, err := ho.body.next(&m.stream, refusalMost)
		total += len(p)
		m.letGo()
		if err != nil || len(p) == 0 && !ho.body.done() && x.more(m, x.tick()) != nil {
			break
		}
	}
	ho.release()
}
