package config

import (
	"net/netip"
	"slices"
	"strings"
)

// warn notes what works and is most likely not meant.
func (p *parser) warn() {
	p.warnTrust()
	p.warnAccept()
	p.warnReach()
	if p.advice {
		p.warnCapacity()
	}
	p.warnAthena()
	for i, r := range p.cfg.Route {
		p.warnRoute(p.route[i], r)
		if p.route[i].has("chain") && r.Chain != nil {
			p.warnChain(p.route[i], r.Chain, r.Farm)
		}
	}
	for i, f := range p.cfg.Farm {
		p.warnFarm(p.farm[i], f)
	}
}

// warnTrust is about who may say what where there are no keys. How far a cluster has come that is about to get some, its
// page says.
func (p *parser) warnTrust() {
	if p.gossip.has("keys") {
		return
	}
	if p.cfg.Exposed() {
		p.odd(p.gossip.lineOf(p.sendsBy()),
			"beats are not authenticated: whoever can send from an address in gossip.accept can take requests; run 'backhand "+
				`keygen /etc/backhand/keys' and write keys = "/etc/backhand/keys", or keep others out of that network`)
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

// muchCapacity is how many requests a CPU has to run at full speed before that looks like a limit of processes instead.
const muchCapacity = 4

// warnCapacity is about origins of this host that are said to run more at full speed than it can.
func (p *parser) warnCapacity() {
	for i, s := range p.cfg.Serve {
		if s.Origin == nil || !(s.Capacity > muchCapacity*p.env.CPUs) {
			continue
		}
		if a, err := netip.ParseAddr(s.Origin.Hostname()); err == nil && !p.env.local(a.Unmap()) {
			continue // the CPUs of another host
		}
		p.odd(p.serve[i].lineOf("capacity"), "serve.capacity %v is more than %v times the CPUs of this host, which are %v: it is what "+
			"the origin runs at full speed at once, not how many processes it has; announcing 150 workers as capacity on 4 cores "+
			"doubled the mean response time in simulation. Leave capacity away and write workers = %.0f, unless the origin mostly "+
			"waits for others", s.Capacity, muchCapacity, p.env.CPUs, s.Capacity)
	}
}

func (p *parser) warnRoute(s *section, r Route) {
	if strings.HasPrefix(r.Path+"/", p.cfg.Status.Path) && r.Path != "" {
		p.odd(s.lineOf("path"),
			"route.path %q is below status.path %q and gets no request: move one of them", r.Path, p.cfg.Status.Path)
	}
	if r.Farm == "" || p.broken || p.mayServe(r.Farm) {
		return
	}
	p.odd(s.lineOf(farmKey(s)),
		"route.%s %q has no [[serve]] and no [[farm]], and without gossip.send or gossip.peers nobody else can serve it; "+
			"correct the name or add one of them", farmKey(s), r.Farm)
}

// warnFarm is about what is said of a farm for those who ask for its members.
func (p *parser) warnFarm(s *section, f Farm) {
	switch {
	case !s.has("chain") || f.Chain == nil:
	case p.athena == nil && !p.broken:
		p.odd(s.lineOf("chain"), "farm.chain is for programs that ask for members, and there is no [athena] that they could ask: requests "+
			"go by route.chain; leave it away, or add [athena]")
	default:
		p.warnChain(s, f.Chain, f.Name)
	}
}

func (p *parser) isFarm(name string) bool {
	return slices.ContainsFunc(p.cfg.Farm, func(f Farm) bool { return f.Name == name })
}

// hasPhysicals reports whether servers without an agent are listed for the farm.
func (p *parser) hasPhysicals(name string) bool {
	return slices.ContainsFunc(p.cfg.Farm, func(f Farm) bool { return f.Name == name && len(f.Member) > 0 })
}
