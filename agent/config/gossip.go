package config

import (
	"net/netip"
	"slices"
	"time"

	"backhand/gossip"
)

// Alone reports whether beats go nowhere, so that the agent knows of nobody else.
func (g *Gossip) Alone() bool { return len(g.Send) == 0 && len(g.Peers) == 0 && g.Memberlist == nil }

func (p *parser) readGossip(s *section) {
	g := &p.cfg.Gossip
	for _, it := range s.texts("send", `"239.255.221.20:4445,1"`) {
		d, err := gossip.ParseDestination(it.text)
		switch {
		case err != nil:
			p.wrong(it.line, "gossip.send: %v", err)
		case slices.ContainsFunc(g.Send, func(o gossip.Destination) bool { return o.Addr == d.Addr }):
			p.wrong(it.line, "gossip.send has %v twice: leave one away", d.Addr)
		default:
			g.Send = append(g.Send, d)
			p.sendLines = append(p.sendLines, it.line)
		}
	}
	for _, it := range s.texts("accept", `"10.58.4.0/24"`) {
		p.readAccept(it)
	}
	g.Interval = s.duration("interval", time.Second, 100*time.Millisecond, time.Minute)
	var ok bool
	if g.Interface, ok = s.text("interface", `"eth0"`); ok && !p.hasInterface(g.Interface) {
		p.wrong(s.lineOf("interface"),
			"gossip.interface %q is not on this host: write one of %s", g.Interface, pairs(p.env.Interfaces))
	}
	if text, ok := s.text("source", `"10.58.4.1"`); ok {
		p.readSource(text)
	} else {
		g.Source = p.cfg.Node.Address.Addr()
	}
	p.readPeers(s)
	p.readMemberlist(s.section("memberlist"))
	p.readKeys(s)
	s.close()
}

// readAccept reads an element of gossip.accept: a CIDR, an address, or a template that gives any number of both.
func (p *parser) readAccept(it item) {
	words := []string{it.text}
	if isTemplate(it.text) {
		words = p.evaluateAll("gossip.accept", it.line, it.text)
	}
	for _, w := range words {
		x, err := prefix(w)
		if err != nil {
			p.wrong(it.line, "gossip.accept: %v", err)
			continue
		}
		p.cfg.Gossip.Accept = append(p.cfg.Gossip.Accept, x)
		p.acceptLines = append(p.acceptLines, it.line)
	}
}

func (p *parser) hasInterface(name string) bool {
	for _, i := range p.env.Interfaces {
		if i.Name == name {
			return true
		}
	}
	return false
}

func (p *parser) readSource(text string) {
	line := p.gossip.lineOf("source")
	a, err := netip.ParseAddr(text)
	switch a = a.Unmap(); {
	case err != nil || a.Zone() != "":
		p.wrong(line, "gossip.source is %q: write an address of this host, one of %s", text, pairs(p.env.Interfaces))
	case !p.env.local(a):
		p.wrong(line, "gossip.source %v is on no interface of this host: write one of %s", a, pairs(p.env.Interfaces))
	default:
		p.cfg.Gossip.Source = a
	}
}

// checkSource notes destinations that beats cannot be sent to, since the interface has no address of their family.
func (p *parser) checkSource() {
	g := &p.cfg.Gossip
	if !g.Source.IsValid() {
		return // which was noted
	}
	name := g.Interface
	if name == "" {
		name = p.env.interfaceOf(g.Source)
	}
	for i, d := range g.Send {
		is4 := d.Addr.Addr().Is4()
		if is4 == g.Source.Is4() || p.env.hasFamily(name, is4) {
			continue
		}
		key := "node.address"
		if p.gossip.has("source") {
			key = "gossip.source"
		}
		kind := family(d.Addr.Addr())
		p.wrong(p.sendLines[i], "gossip.send %v is %s and %s %v is not, nor has its interface such an address: write source = an %[2]s "+
			"address of this host, one of %[5]s", d.Addr, kind, key, g.Source, pairs(p.env.ofFamily(is4)))
	}
}

// family returns what kind of address it is, as people say it.
func family(a netip.Addr) string {
	if a.Is4() {
		return "IPv4"
	}
	return "IPv6"
}
