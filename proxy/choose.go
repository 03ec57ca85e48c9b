package proxy

import (
	"math/rand/v2"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"backhand/candidacy"
	"backhand/gossip/node"
)

// scratch is what a decision needs for a moment, kept from one request to the next so that deciding allocates nothing.
type scratch struct {
	req      candidacy.Request
	fields   requestFields
	pcg      rand.PCG
	list     []*node.Member // what the chain works on
	tried    []*node.Member // who is not to be asked again, or not at all
	ownTried []*Origin      // of our own, those that were asked
	orders   *orders        // of the request's cookies; nil: none
}

// scratch returns one, with chance seeded anew. It goes back by release.
func (h *Handler) scratch() *scratch {
	s := h.scratches.Get().(*scratch)
	s.pcg.Seed(h.cfg.Seed(), h.cfg.Seed())
	s.req.Fields = &s.fields
	return s
}

// ask says what the decision is about. The host is as it came, the path as normalReading has it.
func (s *scratch) ask(method, host, path string, client netip.Addr) {
	s.req.Method, s.req.Host, s.req.Path, s.req.Client = method, hostName(host), path, client
}

func newScratch() any {
	s := new(scratch)
	s.req.Rand = rand.New(&s.pcg)
	return s
}

func (h *Handler) release(s *scratch) {
	clear(s.list[:cap(s.list)]) // members of a snapshot that is gone
	clear(s.tried[:cap(s.tried)])
	clear(s.ownTried[:cap(s.ownTried)])
	s.list, s.tried, s.ownTried = s.list[:0], s.tried[:0], s.ownTried[:0]
	s.req.Reset()
	s.fields, s.orders = requestFields{}, nil
	h.scratches.Put(s)
}

// action is what was done when a chain left nobody.
type action string

// The actions. A chain that left somebody needs none.
const (
	chose      action = ""
	choseSelf  action = "self"
	choseAny   action = "any"
	choseNone  action = "503"
	nobodyThen action = "none" // "any", and there was nobody before the chain either
	followed   action = "forward"
)

// decision is to whom a request goes.
type decision struct {
	farm     *node.Farm   // of which it was chosen; that of the route, or another one that forwards led to
	member   *node.Member // nil: our own origin without a member, or nobody
	origin   *Origin      // our own, if it is that
	complete *url.URL     // that takes the place of the request's; nil: none does
	redirect string       // host to send the client to, instead of handing the request on
	action   action
	way      []leg // the forwards that were followed

	// What the chain wants of the member, see candidacy.Request.
	limit   float64
	hops    int
	others  bool // it has left others, too
	predict bool
	cookie  string // what a Set-Cookie is to say; "": nothing
}

// letGo forgets what holds a whole snapshot, for what follows may take hours.
func (d *decision) letGo() { d.farm, d.way = nil, nil }

// nobody reports that there is none to hand the request to.
func (d *decision) nobody() bool { return d.member == nil && d.origin == nil }

// runChain is runQuickly, or something that comes to the same and takes notes. It appends to list.
type runChain func(c *candidacy.Chain, req *candidacy.Request, list, tried []*node.Member) []*node.Member

// runQuickly leaves out what was found out ahead of the request.
func runQuickly(c *candidacy.Chain, req *candidacy.Request, list, tried []*node.Member) []*node.Member {
	return c.Select(req, c.AppendCandidates(list, req, tried))
}

// choose makes one decision. It counts nothing and logs nothing, so that explain can use it too.
func (s *site) choose(d *decision, rt *route, snap *node.Snapshot, now time.Time, sc *scratch, run runChain) {
	sc.req.Now = now
	if sc.orders != nil {
		s.obey(d, rt, snap, sc, run)
		return
	}
	s.chooseOf(d, farmOf(snap, rt.Farm), rt, sc, run)
	if d.nobody() || !sc.req.Forward.IsZero() {
		s.elsewhere(d, rt, snap, sc, run)
	}
}

// farmOf returns the farm of that name, or one without members.
func farmOf(snap *node.Snapshot, name string) *node.Farm {
	if f := snap.Farm(name); f != nil {
		return f
	}
	return &node.Farm{FarmInfo: node.FarmInfo{Name: name}}
}

// chooseOf has the chain choose one of a farm's members. A farm that is off or down has none to choose from, whoever a step
// would bring back.
func (s *site) chooseOf(d *decision, farm *node.Farm, rt *route, sc *scratch, run runChain) {
	*d = decision{farm: farm}
	sc.req.Farm, sc.req.Redirect, sc.req.Session, sc.req.Forward = farm, candidacy.Redirect{}, candidacy.SetCookie{}, node.Forward{}
	if !farm.Standing.Fit() {
		return
	}
	own := s.origin(farm.Name)
	if farm.Self != nil && (own == nil || sc.wasAsked(own) || own.ready() != "") {
		sc.tried = append(sc.tried, farm.Self)
	}
	sc.list = run(rt.Chain, &sc.req, sc.list[:0], sc.tried)
	left := sc.list
	if len(sc.tried) > 0 { // a step may bring back who was not in the list (addSelf, bySession)
		left = slices.DeleteFunc(left, sc.wasTried)
	}
	if len(left) == 0 {
		return
	}
	d.member, d.limit, d.hops, d.others, d.predict = left[0], sc.req.Limit, sc.req.Hops, len(left) > 1, sc.req.Predict
	if d.member.Self {
		d.origin = own
	} else {
		d.redirect = redirectHost(&sc.req, d.member)
	}
	if line := sc.req.Session.Line; line != nil && d.redirect == "" { // who is sent elsewhere is nobody's of ours
		d.cookie = line(&sc.req, d.member)
	}
}

// whenEmpty decides where the chain left nobody of a farm, and no forward leads on.
func (s *site) whenEmpty(farm *node.Farm, rt *route, sc *scratch) decision {
	own := s.origin(farm.Name)
	canSelf := own != nil && !sc.wasAsked(own) && farm.Standing.Fit()
	switch {
	case rt.WhenEmpty == "self" && canSelf, rt.WhenEmpty == "" && canSelf && own.ready() == "":
		return decision{farm: farm, member: farm.Self, origin: own, action: choseSelf}
	case rt.WhenEmpty == "any":
		sc.list = candidacy.AppendCandidates(sc.list[:0], &sc.req, sc.tried)
		m := pickAny(sc)
		if m == nil {
			return decision{farm: farm, action: nobodyThen}
		}
		d := decision{farm: farm, member: m, action: choseAny}
		if m.Self {
			d.origin = own
		}
		return d
	}
	return decision{farm: farm, action: choseNone}
}

// pickAny returns one of the list at random; one that cannot be reached only if there is no other. nil: the list is
// empty.
func pickAny(sc *scratch) *node.Member {
	n := len(sc.list)
	for n > 0 && sc.list[n-1].Live.Unreachable(sc.req.Now) {
		n-- // they stand last
	}
	if n == 0 {
		n = len(sc.list)
	}
	if n == 0 {
		return nil
	}
	return sc.list[sc.req.Rand.IntN(n)]
}

// wasTried compares by key, since a new snapshot with new Members may have come.
func (sc *scratch) wasTried(m *node.Member) bool {
	return slices.ContainsFunc(sc.tried, func(t *node.Member) bool { return t.Key == m.Key })
}

// wasAsked reports whether an origin of ours was asked.
func (sc *scratch) wasAsked(own *Origin) bool { return slices.Contains(sc.ownTried, own) }

// redirectHost returns to which host the chain wants the client itself to go, or "" for a hop. The name may come from a
// beat, so that anything may stand in it: what is no host is not passed on.
func redirectHost(req *candidacy.Request, m *node.Member) string {
	if !req.Redirect.On || req.Redirect.Host == nil {
		return ""
	}
	host := req.Redirect.Host(req, m)
	if len(host) > 255+len(":65535") {
		return ""
	}
	for i := range len(host) {
		c := host[i]
		letter := 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
		if !letter && strings.IndexByte("-._:[]", c) < 0 {
			return ""
		}
	}
	return host
}
