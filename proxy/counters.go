package proxy

import "sync/atomic"

// Counters are what a handler counted since it was made.
type Counters struct {
	// Answered has the requests that were answered here, or that ended badly, by Outcome.Reason.
	Answered map[string]uint64
	// Empty has the decisions for which a chain left nobody.
	Empty map[Empty]uint64

	Attempts      uint64 // members that were asked, those that refused not counted
	ConnectFailed uint64 // of these, those that could not be connected to
	Refusals      uint64 // members that refused
	Refused       uint64 // requests over a hop that we refused

	InFlight int // requests under way
}

// Empty is a route, by its label, and what was done when its chain left nobody: "self", "any", "503", or "none" if it
// was to be any and there was none.
type Empty struct{ Route, Action string }

type counters struct {
	answered                                   [reasons]atomic.Uint64
	attempts, connectFailed, refusals, refused atomic.Uint64
}

// routeTally is what is counted of one route; it outlives a reload.
type routeTally struct{ self, any, none, nobody atomic.Uint64 }

func (t *routeTally) count(a action) {
	switch a {
	case choseSelf:
		t.self.Add(1)
	case choseAny:
		t.any.Add(1)
	case choseNone:
		t.none.Add(1)
	case nobodyThen:
		t.nobody.Add(1)
	}
}

// Counters returns what was counted up to now.
func (h *Handler) Counters() Counters {
	c := Counters{
		Answered: map[string]uint64{}, Empty: map[Empty]uint64{},
		Attempts: h.counters.attempts.Load(), ConnectFailed: h.counters.connectFailed.Load(),
		Refusals: h.counters.refusals.Load(), Refused: h.counters.refused.Load(), InFlight: h.InFlight(),
	}
	for r := proxied + 1; r < reasons; r++ {
		c.Answered[answers[r].name] = h.counters.answered[r].Load()
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for label, t := range h.tallies {
		c.Empty[Empty{label, string(choseSelf)}] = t.self.Load()
		c.Empty[Empty{label, string(choseAny)}] = t.any.Load()
		c.Empty[Empty{label, string(choseNone)}] = t.none.Load()
		c.Empty[Empty{label, string(nobodyThen)}] = t.nobody.Load()
	}
	return c
}

// talliesFor returns the tally of each route, that of the route with the same label before a reload if there was one.
func (h *Handler) talliesFor(rs *Routes) map[*route]*routeTally {
	out := map[*route]*routeTally{}
	if rs == nil {
		return out
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, r := range rs.all {
		t := h.tallies[r.label]
		if t == nil {
			t = new(routeTally)
			h.tallies[r.label] = t
		}
		out[r] = t
	}
	return out
}
