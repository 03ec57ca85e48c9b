package config

import (
	"fmt"
	"net/netip"
	"slices"

	"backhand/gossip"
)

// readPeers reads gossip.peers and gossip.listen.
func (p *parser) readPeers(s *section) {
	g := &p.cfg.Gossip
	items := s.texts("peers", `"10.58.4.9:4445"`)
	if len(items) > gossip.MaxPeers {
		p.wrong(items[gossip.MaxPeers].line, "gossip.peers has %d elements: write at most %d, or names in DNS that have several "+
			"addresses", len(items), gossip.MaxPeers)
		items = items[:gossip.MaxPeers]
	}
	for _, it := range items {
		x, err := gossip.ParsePeer(it.text)
		switch {
		case err != nil:
			p.wrong(it.line, "gossip.peers: %v", err)
		case slices.Contains(g.Peers, x):
			p.wrong(it.line, "gossip.peers has %v twice: leave one away", x)
		default:
			g.Peers = append(g.Peers, x)
			p.peerLines = append(p.peerLines, it.line)
		}
	}
	text, ok := s.text("listen", `"10.58.4.1:4445"`)
	switch {
	case !s.has("peers") || s.empty("peers"):
		if s.has("listen") {
			p.odd(s.lineOf("listen"), "gossip.listen is not used without gossip.peers: leave it away, or write peers = the other hosts")
		}
	case ok:
		p.readPeersListen(text)
	case !s.has("listen") && p.cfg.Node.Address.IsValid():
		g.Listen = netip.AddrPortFrom(p.cfg.Node.Address.Addr(), gossip.DefaultPort)
	}
}

// readPeersListen reads "host:port", where the host may be a template and, if it is empty, is that of node.address.
func (p *parser) readPeersListen(text string) {
	line := p.gossip.lineOf("listen")
	a, port, ok := p.hostPort("gossip.listen", line, text)
	switch {
	case !ok:
		return
	case !a.IsValid():
		if a = p.cfg.Node.Address.Addr(); !a.IsValid() {
			return // which is said elsewhere
		}
	case a.IsUnspecified():
		p.wrong(line, "gossip.listen %q names no host: write the address that peers know this host by, one of %s", text,
			pairs(p.env.Interfaces))
		return
	case !p.env.local(a):
		p.wrong(line, "gossip.listen %v is on no interface of this host: write one of %s", a, pairs(p.env.Interfaces))
		return
	case isLinkLocal(a):
		p.wrong(line, "gossip.listen %v is link-local, which peers cannot use as it is: write one of %s", a, pairs(p.env.Interfaces))
		return
	}
	p.cfg.Gossip.Listen = netip.AddrPortFrom(a, port)
}

// checkPeers notes peers that the socket cannot send to.
func (p *parser) checkPeers() {
	own := p.cfg.Gossip.Listen
	if !own.IsValid() {
		return // which was noted
	}
	for i, x := range p.cfg.Gossip.Peers {
		if a := x.AddrPort(); a.IsValid() && a.Addr().Is4() != own.Addr().Is4() {
			p.wrong(p.peerLines[i], "gossip.peers has %v, which is %s, and beats to peers leave from %v: write an %s address, or set "+
				"gossip.listen to one of %s", x, family(a.Addr()), own, family(own.Addr()), pairs(p.env.ofFamily(a.Addr().Is4())))
		}
	}
}

// warnAccept is about beats that come and that gossip.accept does not let in.
func (p *parser) warnAccept() {
	g := &p.cfg.Gossip
	if len(g.Accept) == 0 {
		return // which is a mistake
	}
	for i, d := range g.Send {
		if !p.acceptsFamily(d.Addr.Addr()) {
			p.odd(p.sendLines[i], "gossip.send %v is %s, and gossip.accept has no such network: nobody would be heard by it; add that of "+
				"the other hosts", d.Addr, family(d.Addr.Addr()))
		}
	}
	switch {
	case !g.Listen.IsValid():
	case !p.acceptsFamily(g.Listen.Addr()):
		p.odd(p.gossip.lineOf("peers"), "gossip.peers are spoken to by %s, from %v, and gossip.accept has no such network: nobody would be "+
			"heard by it; add that of the other hosts", family(g.Listen.Addr()), g.Listen)
	default:
		p.warnPeers()
	}
}

// warnPeers is about peers whose beats gossip.accept does not let in.
func (p *parser) warnPeers() {
	g := &p.cfg.Gossip
	var missing []int
	for i, x := range g.Peers {
		a := x.AddrPort()
		if a.IsValid() && a != g.Listen && !slices.ContainsFunc(g.Accept, func(n netip.Prefix) bool { return n.Contains(a.Addr()) }) {
			missing = append(missing, i)
		}
	}
	if missing == nil {
		return
	}
	more := ""
	if n := len(missing) - 1; n > 0 {
		more = fmt.Sprintf(" and %d more", n)
	}
	p.odd(p.peerLines[missing[0]], "gossip.peers has %v%s, which gossip.accept does not name: beats from there would be dropped; add "+
		"that network", g.Peers[missing[0]], more)
}

// acceptsFamily reports whether any address of the kind is accepted.
func (p *parser) acceptsFamily(a netip.Addr) bool {
	return slices.ContainsFunc(p.cfg.Gossip.Accept, func(n netip.Prefix) bool { return n.Addr().Is4() == a.Is4() })
}
