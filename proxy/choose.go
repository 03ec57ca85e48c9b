package proxy

import (
	"math/rand/v2"
	"net/netip"
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
	ownTried bool           // our own origin was asked
}

// asked is what a decision is about.
type asked struct {
	method, host, path, query string // path: as normalReading has it
	client                    netip.Addr
	fields                    requestFields
}

// scratch returns one for a request, with chance seeded anew. It goes back by release.
func (h *Handler) scratch(a *asked) *scratch {
	s := h.scratches.Get().(*scratch)
	s.pcg.Seed(h.cfg.Seed(), h.cfg.Seed())
	s.fields = a.fields
	s.req.Method, s.req.Host, s.req.Path, s.req.Client = a.method, hostName(a.host), a.path, a.client
	s.req.Fields = &s.fields
	return s
}

func newScratch() any {
	s := new(scratch)
	s.req.Rand = rand.New(&s.pcg)
	return s
}

func (h *Handler) release(s *scratch) {
	clear(s.list[:cap(s.list)]) // members of a snapshot that is gone
	clear(s.tried[:cap(s.tried)])
	s.list, s.tried, s.ownTried = s.list[:0], s.tried[:0], false
	s.req.Reset()
	s.fields = requestFields{}
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
)

// decision is to whom a request goes.
type decision struct {
	member   *node.Member // nil: our own origin without a member, or nobody
	origin   *Origin      // our own, if it is that
	redirect string       // host to send the client to, instead of handing the request on
	action   action

	// What the chain wants of the member, see candidacy.Request.
	limit   float64
	hops    int
	others  bool // it has left others, too
	predict bool
	cookie  string // what a Set-Cookie is to say; "": nothing
}

// nobody reports that there is none to hand the request to.
func (d *decision) nobody() bool { return d.member == nil && d.origin == nil }

// runChain is runQuickly, or something that comes to the same and takes notes. It appends to list.
type runChain func(c *candidacy.Chain, req *candidacy.Request, list, tried []*node.Member) []*node.Member

// runQuickly leaves out what was found out ahead of the request.
func runQuickly(c *candidacy.Chain, req *candidacy.Request, list, tried []*node.Member) []*node.Member {
	return c.Select(req, c.AppendCandidates(list, req, tried))
}

// choose makes one decision. It counts nothing and logs nothing, so that explain can use it too.
func (s *site) choose(rt *route, snap *node.Snapshot, now time.Time, sc *scratch, run runChain) decision {
	farm := snap.Farm(rt.Farm)
	if farm == nil {
		farm = &node.Farm{Name: rt.Farm}
	}
	sc.req.Now, sc.req.Farm, sc.req.Redirect = now, farm, candidacy.Redirect{}
	sc.req.Session = candidacy.SetCookie{}
	own := s.origin(rt.Farm)
	if farm.Self != nil && (own == nil || sc.ownTried || own.ready() != "") {
		sc.tried = append(sc.tried, farm.Self)
	}
	sc.list = run(rt.Chain, &sc.req, sc.list[:0], sc.tried)
	left := sc.list
	if len(sc.tried) > 0 { // a step may bring back who was not in the list (addSelf, bySession)
		left = slices.DeleteFunc(left, sc.wasTried)
	}
	if len(left) == 0 {
		return s.whenEmpty(rt, own, farm, sc)
	}
	d := decision{
		member: left[0], limit: sc.req.Limit, hops: sc.req.Hops, others: len(left) > 1, predict: sc.req.Predict,
	}
	if d.member.Self {
		d.origin = own
	} else {
		d.redirect = redirectHost(&sc.req, d.member)
	}
	if line := sc.req.Session.Line; line != nil && d.redirect == "" { // who is sent elsewhere is nobody's of ours
		d.cookie = line(&sc.req, d.member)
	}
	return d
}

// whenEmpty decides where the chain left nobody.
func (s *site) whenEmpty(rt *route, own *Origin, farm *node.Farm, sc *scratch) decision {
	canSelf := own != nil && !sc.ownTried
	switch {
	case rt.WhenEmpty == "self" && canSelf, rt.WhenEmpty == "" && canSelf && own.ready() == "":
		return decision{member: farm.Self, origin: own, action: choseSelf}
	case rt.WhenEmpty == "any":
		sc.list = candidacy.AppendCandidates(sc.list[:0], &sc.req, sc.tried)
		m := pickAny(sc)
		if m == nil {
			return decision{action: nobodyThen}
		}
		d := decision{member: m, action: choseAny}
		if m.Self {
			d.origin = own
		}
		return d
	}
	return decision{action: choseNone}
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
