package proxy

import (
	"slices"

	"backhand/gossip/node"
)

// obey makes the decision for a request with orders: those about a farm go first, then those about one of its members; then the
// chain chooses, as for any request. It has a frame of its own, since few requests have orders.
//
//go:noinline
func (s *site) obey(d *decision, rt *route, snap *node.Snapshot, sc *scratch, run runChain) {
	o := sc.orders
	o.bound, o.refused = false, false
	farm := s.orderedFarm(o, rt, snap)
	if a := o.first(false); a != nil {
		if s.bind(d, a, farm, rt, snap, sc, run) {
			return
		}
	}
	s.chooseOf(d, farm, rt, sc, run)
	if d.nobody() || !sc.req.Forward.IsZero() {
		s.elsewhere(d, rt, snap, sc, run)
	}
}

// orderedFarm returns the farm for which the request is: that of an order, if anybody knows it, or that of the route.
func (s *site) orderedFarm(o *orders, rt *route, snap *node.Snapshot) *node.Farm {
	if a := o.first(true); a != nil {
		if snap.Farm(a.Target) != nil || s.origin(a.Target) != nil || s.reach[a.Target] != nil {
			a.result = moveCookie
			return farmOf(snap, a.Target)
		}
		a.result = noFarmCookie
	}
	return farmOf(snap, rt.Farm)
}

// bind makes the decision by an order about a member. It returns false if the chain is to choose. A farm that is off or down takes
// nothing, whoever is named.
func (s *site) bind(
	d *decision, a *order, farm *node.Farm, rt *route, snap *node.Snapshot, sc *scratch, run runChain,
) bool {
	m, takes := s.named(a.Target, farm, sc)
	if m == nil {
		a.result = noMemberCookie
		return false
	}
	a.result = movedCookie
	asked := sc.wasTried(m)
	if !farm.Standing.Fit() || a.Do == Stay && (!takes || asked || !reachable(m, sc)) {
		return false
	}
	a.result = cookieResult(a.Do)
	switch {
	case !takes:
		s.insteadOf(d, m, farm, rt, snap, sc, run)
		return true
	case asked:
		sc.orders.bound = true
		*d = decision{farm: farm}
		return true
	}
	sc.orders.bound = true
	sc.req.Farm = farm
	*d = decision{farm: farm, member: m}
	if m.Self {
		d.origin = s.origin(farm.Name)
	}
	return true
}

// named returns the member of that name, and whether it takes requests; nil if there is none. Nodes may have one name, such as a
// host that was set up anew and what is still known of the one before: then the first that takes requests and can be reached,
// or that takes them, or else the first.
func (s *site) named(name string, farm *node.Farm, sc *scratch) (best *node.Member, takes bool) {
	rank := -1
	for _, m := range farm.Members {
		if m.Name != name {
			continue
		}
		t, r := s.takes(m, farm), 0
		if t {
			r = 1
			if reachable(m, sc) {
				r = 2
			}
		}
		if r > rank {
			best, takes, rank = m, t, r
		}
	}
	return best, takes
}

// takes reports whether the member takes the requests that are bound to it: it is fit, but for draining.
func (s *site) takes(m *node.Member, farm *node.Farm) bool {
	if m.Self {
		if own := s.origin(farm.Name); own == nil || own.ready() != "" {
			return false
		}
	}
	return slices.Contains(farm.Candidates, m) || slices.Contains(farm.Draining, m)
}

// reachable reports whether nothing speaks against asking the member: no connection that failed a moment ago, and no beats that
// did not come.
func reachable(m *node.Member, sc *scratch) bool {
	silent := m.Node != nil && m.Age(sc.req.Now) > m.Node.Beats(node.SilentBeats)
	return !silent && !m.Live.Unreachable(sc.req.Now)
}

// insteadOf decides for a request that is bound to a member which takes nothing: by the member's forward, and without one that
// leads on, nobody has it.
func (s *site) insteadOf(
	d *decision, m *node.Member, farm *node.Farm, rt *route, snap *node.Snapshot, sc *scratch, run runChain,
) {
	*d = decision{farm: farm}
	sc.req.Farm, sc.req.Forward = farm, node.Forward{}
	if m.Physical != nil {
		sc.req.Forward = m.Physical.Forwards.Down
		if m.Physical.Standing.Off {
			sc.req.Forward = m.Physical.Forwards.Off
		}
	}
	if l := (leg{from: farm, to: sc.req.Forward}); !sc.mayFollow(&l, nil) {
		sc.orders.bound, sc.orders.refused = true, true
		return
	}
	s.elsewhere(d, rt, snap, sc, run)
}
