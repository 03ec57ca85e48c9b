package doctor

import (
	"fmt"
	"net/netip"
	"slices"
	"time"
)

func (l Link) multicast() bool { return !l.Unicast && l.Addr.Addr().IsMulticast() }

// hears reports whether anything comes from others.
func (l Link) hears() bool { return len(l.Sources)+len(l.Wire) > 0 }

// source returns what came from that address, or nil.
func (l *Link) source(from netip.Addr) *Source {
	for i := range l.Sources {
		if l.Sources[i].From == from {
			return &l.Sources[i]
		}
	}
	return nil
}

// port is about the port where beats come in.
func (f *Facts) port(l *Link) finding {
	port := l.Addr.Port()
	switch {
	case l.ByAgent:
		return note("run the doctor as root, so that it can ask", "UDP port %d belongs to an agent of this host", port)
	case l.Taken && len(l.Holders) == 0:
		return fail("stop it ('ss -lunp', as root, names it), or write another port on all hosts",
			"UDP port %d is taken by a program that does not share it", port)
	case l.Taken:
		return fail("stop it, or write another port on all hosts",
			"UDP port %d is taken by %s, which does not share it", port, list(l.Holders))
	case l.Refused != "":
		return fail("", "%s", l.Refused)
	case len(l.Holders) > 0:
		return ok("UDP port %d is shared with %s", port, list(l.Holders))
	}
	return ok("UDP port %d is free", port)
}

// sending is about whether beats leave.
func (f *Facts) sending(l *Link) finding {
	switch a := f.Agent; {
	case l.Refused != "":
		return finding{}
	case a != nil && a.Sent == 0 && f.Took <= f.Interval*5/4:
		return note("listen longer, with --for", "in %v the agent had no beat to send", f.Took.Round(time.Millisecond))
	case a != nil && a.Sent == 0:
		return fail("its log says why", "the agent sent no beat in %v", f.Took.Round(time.Millisecond))
	case a != nil:
		return ok("the agent sent %s in %v", count(int(a.Sent), "datagram"), f.Took.Round(time.Millisecond))
	case l.Sent == 0 && l.SendError == "":
		return finding{} // nobody to send to
	case l.Sent == 0:
		return fail("'ip route get' with that address says which way the kernel takes", "no beat leaves for %s: %s",
			l.To, l.SendError)
	case l.SendError != "":
		return note("", "%s left for %s, and others did not: %s", count(l.Sent, "beat"), l.To, l.SendError)
	}
	return ok("%s left for %s", count(l.Sent, "beat"), l.To)
}

// reach is about how far beats go.
func (f *Facts) reach(l *Link) finding {
	h := f.iface()
	switch {
	case h == nil || l.Unicast || l.Refused != "":
		return finding{}
	case l.multicast():
		return f.ttl(l, h)
	}
	networks := h.broadcast()
	if a := l.Addr.Addr(); a != netip.AddrFrom4([4]byte{255, 255, 255, 255}) && !slices.Contains(networks, a) {
		return fail("write "+each(networks, func(a netip.Addr) string { return netip.AddrPortFrom(a, l.Addr.Port()).String() })+
			" in gossip.send", "%v is the broadcast address of no network that %s is in", a, h.Name)
	}
	return ok("%v is a broadcast address of %s", l.Addr.Addr(), h.Name)
}

func (f *Facts) ttl(l *Link, h *Interface) finding {
	switch {
	case h.isLoopback():
		return ok("%d; %s reaches this host alone", l.TTL, h.Name)
	case l.TTL == 0:
		return fail(fmt.Sprintf("write %v,1 in gossip.send", l.Addr), "beats to %s have TTL 0 and never leave this host", l.To)
	case l.TTL > 1:
		return ok("%d: beats pass %s", l.TTL, count(l.TTL-1, "router"))
	}
	cure := fmt.Sprintf("write %v, and behind a comma how many routers there are, plus 1, in gossip.send", l.Addr)
	if far := f.farPeers(l, h); len(far) > 0 {
		return fail(cure, "%s %s outside the network of %s, and our beats with TTL 1 end at its first router",
			each(far, Heard.String), is(len(far)), h.Name).orNote(len(f.deaf()) == 0).within(true)
	}
	far, all := f.beyond(h)
	if len(far) == 0 {
		return ok("1: as far as the network of %s", h.Name)
	}
	// That is no more than likely, so it must not hide what is seen.
	harmless := !all || l.Own == 0 || len(l.from(func(s *Source) bool { return s.ours() > 0 })) > 0 || len(l.lost()) > 0
	return fail(cure, "%s in gossip.accept %s outside the network of %s, and beats with TTL 1 end at its first router",
		list(far), is(len(far)), h.Name).orNote(harmless)
}

// farPeers returns the peers that are heard from outside of the interface's networks.
func (f *Facts) farPeers(l *Link, h *Interface) (far []Heard) {
	for _, n := range f.peersOf([]Link{*l}) {
		if !h.reaches(n.From) && !f.local(n.From) {
			far = append(far, n)
		}
	}
	return far
}

// beyond returns the networks in gossip.accept that have no address in common with those of the interface, and whether
// there are no others.
func (f *Facts) beyond(h *Interface) (far []string, all bool) {
	all = true
	for _, p := range f.Accept {
		switch {
		case p.Addr().Is4() != f.Source.Is4() || p.Addr().IsLoopback():
		case h.overlaps(p):
			all = false
		default:
			far = append(far, p.String())
		}
	}
	return far, all
}

func is(n int) string {
	if n == 1 {
		return "is"
	}
	return "are"
}

// loopback is about our own beats, which come back to us from any network.
func (f *Facts) loopback(l *Link) finding {
	switch {
	case l.Unicast || l.Refused != "":
		return finding{}
	case l.Own > 0:
		return ok("our own beats come back")
	case f.Agent != nil && f.Agent.Sent == 0:
		return finding{}
	}
	do := fmt.Sprintf("let UDP to port %d in ('nft list ruleset', or 'iptables -S', shows what drops it)", l.Addr.Port())
	if lost := l.lost(); len(lost) > 0 {
		return fail(do, "a firewall of this host drops what comes for UDP port %d: our own beats do not come back, and those of "+
			"%s come to %s and reach no program", l.Addr.Port(), addrs(lost), f.byIface())
	}
	return fail(do, "our own beats leave and do not come back: most likely a firewall of this host drops what comes for "+
		"UDP port %d", l.Addr.Port())
}

// elsewhere is about beats that come by an interface on which nobody listens.
func (f *Facts) elsewhere(l *Link) finding {
	if len(l.Elsewhere) == 0 {
		return finding{}
	}
	e := l.Elsewhere[0]
	return fail(fmt.Sprintf("write gossip.interface = %q, or the address of %s in node.address", e.Interface, e.Interface),
		"beats of this cluster come by %s (from %v), and %s is the interface that is listened on",
		e.Interface, e.From, f.byIface()).orNote(len(f.peersOf(f.Links)) > 0)
}

// lost returns whose datagrams came to the interface and reached no program.
func (l *Link) lost() (lost []netip.Addr) {
	if l.Crowded {
		return nil // it may only have found no room
	}
	for _, w := range l.Wire {
		if l.source(w.From) == nil {
			lost = append(lost, w.From)
		}
	}
	return lost
}

func addrs(all []netip.Addr) string { return each(all, netip.Addr.String) }

// were writes "1 datagram was", "2 datagrams were".
func were(n uint64, what string) string {
	if n == 1 {
		return "1 " + what + " was"
	}
	return fmt.Sprintf("%d %ss were", n, what)
}
