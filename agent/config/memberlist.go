package config

import (
	"net"
	"net/netip"
	"slices"
	"strconv"

	"backhand/gossip"
)

// Memberlist says how nodes find each other where there is no multicast and nobody wants to list them all.
type Memberlist struct {
	// Bind is where it listens, by UDP and TCP; its host may be 0.0.0.0 or [::]. Default: the host of node.address, port 4446.
	Bind netip.AddrPort
	// BeatPort is the UDP port of the same host that beats come in at. Default: that of Bind and one more, 4447.
	BeatPort uint16
	// Advertise is where other nodes reach Bind. Default: Bind; if its host is 0.0.0.0 or [::], that of node.address.
	Advertise netip.AddrPort
	// Join are the nodes to begin with, of which one that answers is enough: at most 64 addresses, host names and names of SRV
	// records. Our own address may be among them. Default: nobody; then others must join us.
	Join []gossip.Peer
}

// memberlistPort is the port of memberlist if none is given; that of beats is one more.
const memberlistPort = 4446

// maxJoin is how many seeds there may be. One is enough, and a name may have many addresses.
const maxJoin = 64

// readMemberlist reads [gossip.memberlist].
func (p *parser) readMemberlist(s *section) {
	if s.table == nil {
		return
	}
	m := &Memberlist{}
	p.readMemberlistBind(s, m)
	port := s.integer("beat_port", int(m.Bind.Port())+1, 1, 65535)
	switch {
	case port == int(m.Bind.Port()):
		p.wrong(s.lineOf("beat_port"), "gossip.memberlist.beat_port is %d, which is that of bind: write another one", port)
	case port > 65535: // only as the default
		p.wrong(s.lineOf("bind"), "gossip.memberlist.bind has the last port, and beats need one too: write beat_port = one from 1 to 65534")
	}
	m.BeatPort = uint16(min(port, 65535))
	p.readMemberlistAdvertise(s, m)
	p.readJoin(s, m)
	s.close()
	p.cfg.Gossip.Memberlist = m
}

// readMemberlistBind reads "host:port", where the host may be a template and, if it is empty, is that of node.address.
func (p *parser) readMemberlistBind(s *section, m *Memberlist) {
	host := p.cfg.Node.Address.Addr() // the zero Addr if there is none, which is noted elsewhere
	m.Bind = netip.AddrPortFrom(host, memberlistPort)
	text, ok := s.text("bind", `"10.58.4.1:4446"`)
	if !ok {
		return
	}
	line := s.lineOf("bind")
	a, port, ok := p.hostPort("gossip.memberlist.bind", line, text)
	switch {
	case !ok:
		return
	case !a.IsValid():
		a = host
	case a.IsUnspecified():
	case !p.env.local(a):
		p.wrong(line, "gossip.memberlist.bind %v is on no interface of this host: write one of %s", a, pairs(p.env.Interfaces))
	case isLinkLocal(a):
		p.wrong(line, "gossip.memberlist.bind %v is link-local, which other hosts cannot use as it is: write one of %s", a,
			pairs(p.env.Interfaces))
	}
	m.Bind = netip.AddrPortFrom(a, port)
}

// readMemberlistAdvertise reads "host:port"; the address need not be one of this host.
func (p *parser) readMemberlistAdvertise(s *section, m *Memberlist) {
	m.Advertise = m.Bind
	if m.Bind.Addr().IsUnspecified() {
		m.Advertise = netip.AddrPortFrom(p.cfg.Node.Address.Addr(), m.Bind.Port())
	}
	text, ok := s.text("advertise", `"203.0.113.7:4446"`)
	if !ok {
		return
	}
	line := s.lineOf("advertise")
	a, port, ok := p.hostPort("gossip.memberlist.advertise", line, text)
	switch {
	case !ok:
	case !a.IsValid() || a.IsUnspecified() || a.IsMulticast() || isLinkLocal(a):
		p.wrong(line, "gossip.memberlist.advertise %q names no host: write the address by which other hosts reach this one", text)
	default:
		m.Advertise = netip.AddrPortFrom(a, port)
	}
}

func (p *parser) readJoin(s *section, m *Memberlist) {
	items := s.texts("join", `"10.58.4.9:4446"`)
	if len(items) > maxJoin {
		p.wrong(items[maxJoin].line, "gossip.memberlist.join has %d elements: write at most %d; one that answers is enough",
			len(items), maxJoin)
		items = items[:maxJoin]
	}
	for _, it := range items {
		text := it.text
		if a, err := netip.ParseAddr(text); err == nil {
			text = net.JoinHostPort(a.String(), strconv.Itoa(memberlistPort))
		}
		x, err := gossip.ParsePeer(text)
		switch {
		case err != nil:
			p.wrong(it.line, "gossip.memberlist.join: %v", err)
		case slices.Contains(m.Join, x):
			p.wrong(it.line, "gossip.memberlist.join has %v twice: leave one away", x)
		default:
			m.Join = append(m.Join, x)
			if p.refused(x) {
				p.odd(it.line, "gossip.memberlist.join has %v, which gossip.accept does not name: it is not called; add that network", x)
			}
		}
	}
}

// refused reports whether a seed is an address that nothing is taken from.
func (p *parser) refused(x gossip.Peer) bool {
	a := x.AddrPort().Addr()
	return a.IsValid() && len(p.cfg.Gossip.Accept) > 0 &&
		!slices.ContainsFunc(p.cfg.Gossip.Accept, func(n netip.Prefix) bool { return n.Contains(a) })
}
