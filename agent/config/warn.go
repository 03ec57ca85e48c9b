package config

import (
	"slices"
	"strings"
	"time"

	"backhand/candidacy"
	"backhand/gossip/node"
)

// warn notes what works and is most likely not meant.
func (p *parser) warn() {
	p.warnTrust()
	p.warnReach()
	for i, r := range p.cfg.Route {
		p.warnRoute(p.route[i], r)
		if p.sends() && p.route[i].has("chain") && r.Chain != nil {
			p.warnChain(p.route[i], r)
		}
	}
}

// warnTrust is about who may say what: there are no keys.
func (p *parser) warnTrust() {
	if a := p.cfg.Node.Address; p.sends() && a.IsValid() && !a.Addr().IsLoopback() {
		p.odd(p.gossip.lineOf("send"),
			"beats are not authenticated: whoever can send from an address in gossip.accept can take requests; "+
				"keep others out of that network")
	}
	for i, a := range p.cfg.Gossip.Accept {
		if slices.ContainsFunc(loopback(), a.Overlaps) {
			p.odd(p.acceptLines[i], "gossip.accept has %v, which covers loopback: every user of this host could pass for a node; "+
				"leave loopback away but for a trial on one host", a)
		}
	}
}

// warnReach is about a node whose address leads nowhere.
func (p *parser) warnReach() {
	n := p.cfg.Node
	if p.announce || !n.Address.IsValid() || len(p.listens) == 0 {
		return
	}
	line := p.node.lineOf("address")
	i := slices.IndexFunc(p.listens, func(l listener) bool {
		return l.port == n.Address.Port() && l.covers(n.Address.Addr())
	})
	if i < 0 {
		p.odd(line, `node.address %v has no [[listen]]: what peers send there would not come in; write [[listen]] `+
			`address = ":%d"`, n.Address, n.Address.Port())
		return
	}
	l := p.listens[i].conf
	switch hasTLS := len(l.Certificates) > 0; {
	case !l.Peers:
		p.odd(line, "node.address %v is the [[listen]] %q, which has peers = false: hops of other nodes would be refused there; "+
			"leave peers away, or let node.address name another one", n.Address, l.Address)
	case hasTLS && !n.TLS:
		p.odd(line, "node.address %v is the [[listen]] %q, which speaks TLS: write https:// before the address", n.Address, l.Address)
	case !hasTLS && n.TLS && !p.listens[i].section.has("certificates"):
		p.odd(line, "node.address is https://%v, and the [[listen]] %q has no certificates: add them, or leave https:// away",
			n.Address, l.Address)
	}
}

func (p *parser) warnRoute(s *section, r Route) {
	if strings.HasPrefix(r.Path+"/", p.cfg.Status.Path) && r.Path != "" {
		p.odd(s.lineOf("path"),
			"route.path %q is below status.path %q and gets no request: move one of them", r.Path, p.cfg.Status.Path)
	}
	if r.Farm == "" || p.sends() || p.broken || p.serves(r.Farm) || p.isFarm(r.Farm) {
		return
	}
	p.odd(s.lineOf("farm"),
		"route.farm %q has no [[serve]] and no [[farm]], and without gossip.send nobody else can serve it; "+
			"correct the name or add one of them", r.Farm)
}

func (p *parser) isFarm(name string) bool {
	return slices.ContainsFunc(p.cfg.Farm, func(f Farm) bool { return f.Name == name })
}

// herd is the remedy where all fronts would choose the same member (DESIGN.md, section 7). How many requests that takes is
// not known from a file.
const herd = "route.chain sorts by what every node hears alike: where more than about five requests a member come in one " +
	"gossip.interval, all go to the same one; then shorten the interval or leave the sorting step away, so that chance decides"

func (p *parser) warnChain(s *section, r Route) {
	at := s.lineOf("chain")
	if p.advice && r.Chain.Sorts() {
		p.odd(at, "%s", herd)
	}
	interval := p.cfg.Gossip.Interval
	hasAge, isOff := false, false
	for i, step := range r.Chain.Text() {
		name := strings.Fields(step)[0]
		isOff = isOff || name == "off"
		if name != "byAge" {
			continue
		}
		hasAge = true
		at := s.table.keys["chain"].list[i].at()
		switch age := ageOf(step); {
		case age.Beats > 0 && age.Beats < 3:
			p.odd(at, "route.chain: %q drops a member after one or two lost beats; write 3b or more", step)
		case age.Beats == 0 && age.Time < 3*interval:
			p.odd(at,
				"route.chain: %q is less than three beats of %s; write %s or more, or 3b", step, short(interval), short(3*interval))
		}
	}
	if !hasAge && !isOff && (p.serves(r.Farm) || !p.isFarm(r.Farm)) {
		p.odd(at,
			"route.chain has no byAge: nodes that have died stay candidates; write \"byAge 6b\" as the first step or after "+
				"removeSelf")
	}
}

// ageOf reads a step of byAge as the function itself would.
func ageOf(step string) candidacy.Age {
	var age candidacy.Age
	r := candidacy.NewRegistry(candidacy.Spec{Name: "byAge", Make: func(a *candidacy.Args) candidacy.Step {
		age = a.Age("age", candidacy.Age{Time: 5 * time.Second})
		return candidacy.Step{Run: func(_ *candidacy.Request, in []*node.Member) []*node.Member { return in }}
	}})
	if _, errs := r.Parse([]string{step}); errs != nil {
		return candidacy.Age{Time: time.Hour} // the chain is right, so this byAge is another program's own
	}
	return age
}
