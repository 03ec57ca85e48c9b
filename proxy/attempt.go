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
		if err := x.next(last); err != nil {
			return err
		}
		for {
			if last = x.handOver(&x.chosen); last == nil && !x.worthAnother() {
				return nil
			}
			x.note(&x.chosen)
			if last != nil {
				break
			}
			if !x.nextForStatus() {
				return nil
			}
		}
		if !x.mayGoOn(last) {
			return last
		}
	}
}

// nextForStatus finds out who is asked in place of the member that has answered, and throws its response away. It returns false
// if there is nobody: then the response stays.
//
//go:noinline
func (x *exchange) nextForStatus() bool {
	before, orders := x.out, x.orders.clone()
	if err := x.next(errRetryStatus); err != nil || !x.countAgain() {
		x.out, x.orders = before, orders
		x.chosen.letGo()
		return false
	}
	x.ho.discard()
	return true
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

// next decides who is asked next, or returns the problem with which the request ends. last is why the one before did not
// take it.
func (x *exchange) next(last error) error {
	switch {
	case x.hop != nil:
		return x.nextOnHop(last)
	case x.route == nil && last == nil:
		x.chosen = decision{member: x.selfMember(x.site.fallback.Farm), origin: x.site.fallback}
		return nil
	case x.route == nil, x.out.Attempts >= x.site.Tries:
		return last
	case x.out.Refusals >= x.site.Tries && !x.insist(): // whoever only has much to do takes it if we insist
		return last
	}
	d := &x.chosen
	x.decide(d)
	if d.action != chose && x.insist() {
		x.decide(d)
	}
	if d.action != chose {
		x.out.Empty = string(d.action)
	}
	if d.nobody() && last != nil {
		return last
	}
	x.out.Farm, x.out.Forward = d.farm.Name, d.forward()
	switch {
	case d.nobody():
		return because(x.orders.nobody(), nil)
	case d.leadsAbove(x.below()):
		return x.ledAbove(d)
	case d.redirect != "":
		x.out.Member = d.member
		d.added()
		x.location = x.redirect(d)
		return because(redirected, nil)
	}
	return nil
}

// decide chooses among those who were not asked yet. What it needs for that is given back before anybody is waited for.
func (x *exchange) decide(d *decision) {
	sc := x.h.scratch()
	defer x.h.release(sc)
	sc.ask(x.out.Method, x.host, x.path, x.client.Client)
	sc.fields.section, sc.fields.query, sc.orders = &x.req.Section, x.query, x.orders
	sc.tried, sc.ownTried = append(sc.tried, x.tried...), append(sc.ownTried, x.ownTried...)
	x.site.choose(d, x.route, x.h.cfg.Snapshot(), x.now, sc, runQuickly)
}

// redirect returns where the client itself is to go. A node rewrites the path as we would; a physical does not.
func (x *exchange) redirect(d *decision) string {
	path := x.raw
	if d.member.Node == nil {
		path = text(x.pathAt(d.member))
	}
	return x.client.Proto + "://" + d.redirect + path + text(x.req.Query)
}

// nextOnHop returns our own origin: a request that came over a hop goes nowhere else. If the origin did not even get it, it
// is sent back.
func (x *exchange) nextOnHop(last error) error {
	o := x.site.origin(x.hop.Farm)
	why := "this node does not serve the farm"
	if o != nil {
		why = o.ready()
	}
	switch {
	case last == nil && why == "":
		x.chosen = decision{member: x.selfMember(x.hop.Farm), origin: o}
		return nil
	case last == nil:
		last = errors.New(why)
	case reasonOf(last) == queueFull:
		return because(tooBusy, last)
	}
	return because(originRefuses, last)
}

// selfMember returns ourselves as a member of the farm; nil if we are none (yet).
func (x *exchange) selfMember(farm string) *node.Member {
	if f := x.h.cfg.Snapshot().Farm(farm); f != nil {
		return f.Self
	}
	return nil
}
