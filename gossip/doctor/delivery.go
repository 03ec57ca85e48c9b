package doctor

import (
	"fmt"
	"net/netip"
	"slices"
)

// rpFilter is about the kernel's check of where a packet came from (rp_filter in ip-sysctl): strict, it drops what did not
// come by the way that an answer would take; loose, what could not be answered at all.
func (f *Facts) rpFilter(l *Link) finding {
	h, mode := f.iface(), f.rpMode(l)
	if mode == 0 || l.Refused != "" {
		return finding{}
	}
	word := map[int]string{1: "strict", 2: "loose"}[mode]
	for _, a := range l.lost() {
		if way, bad := f.unanswerable(a, h, mode); bad {
			return fail(rpCure(a, h), "beats from %v come to %s, and the kernel drops them: rp_filter is %s, and %s",
				a, h.Name, word, way).within(len(f.peersOf([]Link{*l})) > 0)
		}
	}
	for _, p := range f.Accept {
		a := p.Addr()
		if !p.IsSingleIP() {
			a = a.Next()
		}
		if h.overlaps(p) || !a.Is4() || a.IsLoopback() || p.Bits() == 0 || l.WireKnown {
			continue // the wire has shown what comes
		}
		if way, bad := f.unanswerable(a, h, mode); bad {
			return fail(rpCure(a, h), "beats from %v would be dropped by the kernel: rp_filter of %s is %s, and %s",
				p, h.Name, word, way).orNote(f.Kernel.ReversePath == 0 && l.hears())
		}
	}
	return ok("%s on %s, and drops no beats", word, h.Name)
}

// rpMode returns how strict the kernel is about what comes over the link: 0 is not at all, 1 strict, 2 loose.
func (f *Facts) rpMode(l *Link) int {
	h := f.iface()
	if h == nil || !l.Addr.Addr().Is4() {
		return 0
	}
	return max(f.Kernel.RPFilter["all"], f.Kernel.RPFilter[h.Name])
}

func rpCure(a netip.Addr, h *Interface) string {
	return fmt.Sprintf("ip route add %v dev %s (or the network that it is in); or sysctl net.ipv4.conf.%s.rp_filter=0, and that "+
		"of 'all'", a, h.Name, h.Name)
}

// unanswerable says by which way an answer to the address would go, if that is not the one that the mode asks for.
func (f *Facts) unanswerable(a netip.Addr, h *Interface, mode int) (way string, bad bool) {
	r := f.route(a)
	switch {
	case mode == 0 || h.reaches(a):
		return "", false
	case r == nil:
		return fmt.Sprintf("there is no route to %v", a), true
	case mode == 1 && r.Interface != h.Name:
		return fmt.Sprintf("the route to %v is by %s", a, r.Interface), true
	}
	return "", false
}

// route returns the one to the address: the narrowest, and of these the one with the least metric; nil if there is none.
func (f *Facts) route(a netip.Addr) *Route {
	var best *Route
	for i := range f.Kernel.Routes {
		r := &f.Kernel.Routes[i]
		if !r.Network.Contains(a) {
			continue
		}
		if best == nil || r.Network.Bits() > best.Network.Bits() || r.Network.Bits() == best.Network.Bits() && r.Metric < best.Metric {
			best = r
		}
	}
	return best
}

// firewall is about datagrams that come to the interface and reach no program.
func (f *Facts) firewall(l *Link) finding {
	heard := len(f.peersOf([]Link{*l})) > 0
	lost := slices.DeleteFunc(l.lost(), func(a netip.Addr) bool {
		_, bad := f.unanswerable(a, f.iface(), f.rpMode(l))
		return bad // which is said already
	})
	switch {
	case l.Refused != "" || l.ByAgent || f.iface() == nil:
		return finding{}
	case !l.WireKnown && (heard || f.iface().isLoopback()):
		return finding{}
	case !l.WireKnown:
		return note("run the doctor as root", "whether a firewall of this host drops the beats of others cannot be seen")
	case len(lost) > 0:
		return fail(fmt.Sprintf("let UDP to port %d in from there ('nft list ruleset', or 'iptables -S', shows what drops it)",
			l.Addr.Port()), "beats from %s come to %s and reach no program: a firewall of this host drops them",
			addrs(lost), f.byIface()).within(heard)
	case len(l.Wire) > len(l.lost()):
		return ok("what comes to %s reaches programs", f.byIface())
	}
	return finding{}
}

// suggestion returns the CIDRs to accept for these addresses to be taken: the networks of this host that they are in, and
// else each for itself.
func (f *Facts) suggestion(all []netip.Addr) string {
	var out []netip.Prefix
	for _, a := range all {
		p := netip.PrefixFrom(a, a.BitLen())
		for _, h := range f.Interfaces {
			for _, n := range h.Addrs {
				if n.Contains(a) {
					p = n.Masked()
				}
			}
		}
		if !slices.Contains(out, p) {
			out = append(out, p)
		}
	}
	return each(out, func(p netip.Prefix) string { return fmt.Sprintf("%q", p) })
}
