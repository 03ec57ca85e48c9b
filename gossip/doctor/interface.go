package doctor

import (
	"encoding/binary"
	"net"
	"net/netip"
	"slices"
)

const (
	// leastMTU is that of IPv6 (RFC 8200, section 5), which a beat of 1,200 bytes is made for.
	leastMTU = 1280
	// burst is what an agent asks the kernel to keep for it: some 8,000 beats.
	burst = 4 << 20
)

func (h *Interface) isLoopback() bool { return h.Flags&net.FlagLoopback != 0 }

// has reports whether the address is one of the interface's. All of 127.0.0.0/8 belongs to lo, which lists only the first.
func (h *Interface) has(a netip.Addr) bool {
	return slices.ContainsFunc(h.Addrs, func(p netip.Prefix) bool {
		return p.Addr() == a || a.IsLoopback() && h.isLoopback() && p.Contains(a)
	})
}

// reaches reports whether the address is in one of the interface's networks.
func (h *Interface) reaches(a netip.Addr) bool {
	return slices.ContainsFunc(h.Addrs, func(p netip.Prefix) bool { return p.Contains(a) })
}

// overlaps reports whether one of the interface's networks has an address in common with that one.
func (h *Interface) overlaps(n netip.Prefix) bool {
	return slices.ContainsFunc(h.Addrs, n.Overlaps)
}

// broadcast returns the broadcast addresses of the interface's networks.
func (h *Interface) broadcast() (all []netip.Addr) {
	for _, p := range h.Addrs {
		if a := p.Masked().Addr(); a.Is4() && p.Bits() < 31 {
			b := a.As4()
			binary.BigEndian.PutUint32(b[:], binary.BigEndian.Uint32(b[:])|(1<<(32-p.Bits())-1))
			all = append(all, netip.AddrFrom4(b))
		}
	}
	return all
}

// local reports whether the address is this host's.
func (f *Facts) local(a netip.Addr) bool {
	return slices.ContainsFunc(f.Interfaces, func(h Interface) bool { return h.has(a) })
}

// holder returns the interface that has the address, or nil.
func (f *Facts) holder(a netip.Addr) *Interface {
	for i := range f.Interfaces {
		if f.Interfaces[i].has(a) {
			return &f.Interfaces[i]
		}
	}
	return nil
}

// iface returns the interface that beats go by, or nil if there is none.
func (f *Facts) iface() *Interface {
	if f.Interface == "" {
		return f.holder(f.Source)
	}
	for i := range f.Interfaces {
		if f.Interfaces[i].Name == f.Interface {
			return &f.Interfaces[i]
		}
	}
	return nil
}

// byIface writes the name of the interface that beats go by.
func (f *Facts) byIface() string {
	if h := f.iface(); h != nil {
		return h.Name
	}
	return "no interface"
}

// way is about the interface that beats go by.
func (f *Facts) way() finding {
	h := f.iface()
	switch {
	case h == nil && f.Interface != "":
		return fail("let gossip.interface name one of "+f.pairs(), "there is no interface %q", f.Interface)
	case h == nil:
		return fail("give it to one, or let node.address name one of "+f.pairs(),
			"no interface of this host has %v, which beats are to leave from", f.Source)
	case h.Flags&net.FlagUp == 0:
		return fail("ip link set "+h.Name+" up", "%s is down", h.Name)
	case h.Flags&net.FlagRunning == 0:
		return fail("look at its cable, or at the port of the switch", "%s is up and has no carrier", h.Name)
	case len(h.Addrs) == 0:
		return fail("give it one, or name another interface in gossip.interface", "%s has no address", h.Name)
	case f.groups() && h.Flags&(net.FlagMulticast|net.FlagLoopback) == 0:
		return fail("ip link set "+h.Name+" multicast on; or let gossip.send name a broadcast address, or gossip.peers the hosts",
			"%s carries no multicast", h.Name)
	}
	if other := f.holder(f.Address.Addr()); other != nil && other.Name != h.Name {
		return fail("leave gossip.interface away, or write "+other.Name, "beats go by %s, and node.address %v is on %s",
			h.Name, f.Address.Addr(), other.Name).orNote(len(f.peersOf(f.Links)) > 0).within(slices.ContainsFunc(f.Links, Link.hears))
	}
	return ok("%s has %v and is up", h.Name, f.Source)
}

// groups reports whether any beats go to a group.
func (f *Facts) groups() bool {
	return slices.ContainsFunc(f.Links, Link.multicast)
}

func (f *Facts) mtu() finding {
	h := f.iface()
	switch {
	case h == nil:
		return finding{}
	case h.MTU < leastMTU:
		return fail("ip link set "+h.Name+" mtu 1500", "%s takes packets of %d bytes, fewer than the %d that beats are made for: "+
			"large ones go in fragments, and are lost with any of them", h.Name, h.MTU, leastMTU)
	}
	return ok("%s takes packets of %d bytes", h.Name, h.MTU)
}

func (f *Facts) buffer() finding {
	most := f.Kernel.BufferMax
	const do = "sysctl net.core.rmem_max=4194304"
	switch {
	case f.Kernel.Overrun > 0:
		return note(do, "%s lost in the meantime, since programs of this host did not read as fast as they came",
			were(f.Kernel.Overrun, "datagram"))
	case most == 0:
		return finding{}
	case most < burst:
		return note(do, "the kernel keeps %d KiB of datagrams for a program that has not the right to more, less than a large "+
			"cluster sends while it is busy", most>>10)
	}
	return ok("the kernel keeps up to %d KiB of datagrams for a program", most>>10)
}

// pairs lists interfaces with their addresses: "lo 127.0.0.1, eth0 10.58.4.1".
func (f *Facts) pairs() string {
	var all []string
	for _, h := range f.Interfaces {
		for _, p := range h.Addrs {
			all = append(all, h.Name+" "+p.Addr().String())
		}
	}
	if all == nil {
		return "none: no interface has an address"
	}
	return list(all)
}
