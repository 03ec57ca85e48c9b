package proxy

import (
	"errors"
	"slices"

	"backhand/gossip/node"
)

// attempts hands the request to one member after another until one answers.
//
// Another member may be asked, whatever the method, if nothing was done: after a connection that could not be made, and
// after a refusal. After a byte was sent, only if the method is idempotent and the body can be sent once more, and only
// as long as few requests are sent again: else, when all is slow, the members would get the more to do the less they get
// done.
func (x *exchange) attempts() error {
	var last error
	for {
		d, err := x.next(last)
		if err != nil {
			return err
		}
		for {
			if last = x.handOver(&d); last == nil && !x.worthAnother() {
				return nil
			}
			x.note(&d)
			if last != nil {
				break
			}
			// Who else is there is found out before the response is thrown away.
			before := x.out
			if d, err = x.next(errRetryStatus); err != nil || !x.countAgain() {
				x.out = before
				return nil
			}
			x.ho.discard()
		}
		if !x.mayGoOn(last) {
			return last
		}
	}
}

// note remembers who was asked.
func (x *exchange) note(d *decision) {
	if d.member != nil {
		x.tried = append(x.tried, d.member)
	}
	if d.origin != nil {
		x.ownTried = append(x.ownTried, d.origin)
	}
}

// mayGoOn reports whether another member may be asked after that failure.
func (x *exchange) mayGoOn(last error) bool {
	switch reasonOf(last) {
	case notConnected, connectTimeout, queueFull:
		return true
	case membersRefused, membersDisbelieve:
		return x.body.replayable()
	case fellSilent:
		// Its host is gone, with all that was under way there: that comes over us once, and loads nobody who is slow.
		return x.mayRepeat()
	case closedEarly, headTimeout, notHTTP:
		return x.mayRepeat() && x.countAgain()
	}
	return false
}

var errRetryStatus = errors.New("the route names this status in retry_on")

// worthAnother reports whether the response is one upon which another member is to be asked, and may be.
func (x *exchange) worthAnother() bool {
	return x.route != nil && x.hop == nil && slices.Contains(x.route.RetryOn, x.res.Status) && x.mayRepeat()
}

// mayRepeat reports whether the request may run once more (RFC 9110, section 9.2.2), and can.
func (x *exchange) mayRepeat() bool { return x.req.MethodID.Idempotent() && x.body.whole() }

// budget is how many requests may be sent again at once: 3, or 20 % of those under way if that is more.
func (h *Handler) budget() int64 { return max(3, h.inFlight.n.Load()/5) }

// countAgain counts the request among those that are sent again, if the budget allows it.
func (x *exchange) countAgain() bool {
	if !x.again {
		x.again = x.h.again.Add(1) <= x.h.budget()
		if !x.again {
			x.h.again.Add(-1)
		}
	}
	return x.again
}

// next returns who is asked next, or the problem with which the request ends. last is why the one before did not take
// it.
func (x *exchange) next(last error) (decision, error) {
	switch {
	case x.hop != nil:
		return x.nextOnHop(last)
	case x.route == nil && last == nil:
		return decision{member: x.selfMember(x.site.fallback.Farm), origin: x.site.fallback}, nil
	case x.route == nil, x.out.Attempts >= x.site.Tries:
		return decision{}, last
	case x.out.Refusals >= x.site.Tries && !x.insist(): // whoever only has much to do takes it if we insist
		return decision{}, last
	}
	d := x.decide()
	if d.action != chose && x.insist() {
		d = x.decide()
	}
	if d.action != chose {
		x.out.Empty = string(d.action)
	}
	if d.nobody() && last != nil {
		return d, last
	}
	x.out.Farm, x.out.Forward = d.farm.Name, d.forward()
	switch {
	case d.nobody():
		return d, because(nobodyLeft, nil)
	case d.redirect != "":
		x.out.Member = d.member
		d.added()
		x.location = x.redirect(&d)
		return d, because(redirected, nil)
	}
	return d, nil
}

// decide chooses among those who were not asked yet. What it needs for that is given back before anybody is waited for.
func (x *exchange) decide() decision {
	sc := x.h.scratch(&asked{
		method: x.out.Method, host: x.host, path: x.path, query: x.query, client: x.client.Client,
		fields: requestFields{section: &x.req.Section, query: x.query},
	})
	defer x.h.release(sc)
	sc.tried, sc.ownTried = append(sc.tried, x.tried...), append(sc.ownTried, x.ownTried...)
	return x.site.choose(x.route, x.h.cfg.Snapshot(), x.now, sc, runQuickly)
}

// redirect returns where the client itself is to go. A node rewrites the path as we would; a physical does not.
func (x *exchange) redirect(d *decision) string {
	path := x.raw
	if x.to != nil && d.member.Node == nil {
		path = text(x.to)
	}
	return x.client.Proto + "://" + d.redirect + path + text(x.req.Query)
}

// nextOnHop returns our own origin: a request that came over a hop goes nowhere else. If the origin did not even get it, it
// is sent back.
func (x *exchange) nextOnHop(last error) (decision, error) {
	o := x.site.origin(x.hop.Farm)
	why := "this node does not serve the farm"
	if o != nil {
		why = o.ready()
	}
	switch {
	case last == nil && why == "":
		return decision{member: x.selfMember(x.hop.Farm), origin: o}, nil
	case last == nil:
		last = errors.New(why)
	case reasonOf(last) == queueFull:
		return decision{}, because(tooBusy, last)
	}
	return decision{}, because(originRefuses, last)
}

// selfMember returns ourselves as a member of the farm; nil if we are none (yet).
func (x *exchange) selfMember(farm string) *node.Member {
	if f := x.h.cfg.Snapshot().Farm(farm); f != nil {
		return f.Self
	}
	return nil
}
