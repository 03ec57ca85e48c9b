package gossip

import (
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
)

// SocketConfig says where beats go and by which way.
type SocketConfig struct {
	Destination Destination
	// Interface that beats leave by and are heard on, by name. Default: the one that has Source.
	Interface string
	// Source address of beats. Default: the first address of Interface. One of the two must be given. If it is of IPv4 and the
	// destination of IPv6, or the other way round, it only says which interface is meant, and beats leave from the first
	// address that this has of the destination's kind: of IPv6, one that is valid beyond the local network, if there is one.
	Source netip.Addr
}

// way is a SocketConfig with the blanks filled in.
type way struct {
	ifi    *net.Interface
	source netip.Addr
}

// iface is an interface of this host with its addresses.
type iface struct {
	net.Interface
	addrs []netip.Prefix
}

// findWay looks for interface and source address among those of this host.
func findWay(cfg SocketConfig) (way, error) {
	ifaces, err := interfaces()
	if err != nil {
		return way{}, fmt.Errorf("gossip to %v: the interfaces of this host: %w", cfg.Destination, err)
	}
	w, err := chooseWay(ifaces, cfg)
	if err != nil {
		return way{}, fmt.Errorf("gossip to %v: %w", cfg.Destination, err)
	}
	return w, nil
}

func chooseWay(ifaces []iface, cfg SocketConfig) (way, error) {
	source := cfg.Source.Unmap()
	if source.IsValid() && (source.IsUnspecified() || source.IsMulticast()) {
		return way{}, fmt.Errorf("beats cannot leave from %v: set gossip.source to an address of this host, one of %s",
			source, pairs(ifaces))
	}
	h, err := chooseInterface(ifaces, cfg.Interface, source)
	if err != nil {
		return way{}, err
	}
	return h.way(source, cfg.Destination.Addr.Addr().Is4())
}

// chooseInterface returns the one of that name or, if the name is empty, the one that has the source.
func chooseInterface(ifaces []iface, name string, source netip.Addr) (*iface, error) {
	if name == "" && !source.IsValid() {
		return nil, fmt.Errorf("neither interface nor source address is known: set gossip.interface to one of %s", pairs(ifaces))
	}
	for i := range ifaces {
		if h := &ifaces[i]; name != "" && h.Name == name || name == "" && h.has(source) {
			return h, nil
		}
	}
	if name != "" {
		return nil, fmt.Errorf("there is no interface %q: want one of %s", name, pairs(ifaces))
	}
	return nil, fmt.Errorf("no interface has the address %v: want one of %s", source, pairs(ifaces))
}

// way returns the one by this interface to IPv4 or IPv6: from source, if it is of that family, or else from its first
// address. The source need not be an address of this very interface: hosts behind routed links keep theirs on another one.
func (h *iface) way(source netip.Addr, is4 bool) (way, error) {
	first := h.first(is4)
	if !first.IsValid() {
		return way{}, fmt.Errorf("interface %q has no %s address: give it one, or name another in gossip.interface",
			h.Name, family(is4))
	}
	if !source.IsValid() || source.Is4() != is4 {
		source = first
	}
	if source.Is6() && source.IsLinkLocalUnicast() {
		// Without it the kernel does not know which network is meant. By number, since package net remembers names for a minute.
		source = source.WithZone(strconv.Itoa(h.Index))
	}
	return way{ifi: &h.Interface, source: source}, nil
}

// first returns the first address of IPv4 or IPv6, link-local ones of IPv6 last.
func (h *iface) first(is4 bool) (found netip.Addr) {
	for _, p := range h.addrs {
		switch a := p.Addr(); {
		case a.Is4() != is4:
		case is4 || !a.IsLinkLocalUnicast():
			return a
		case !found.IsValid():
			found = a
		}
	}
	return found
}

// family returns the name that people know it by.
func family(is4 bool) string {
	if is4 {
		return "IPv4"
	}
	return "IPv6"
}

// has reports whether the address is one of the interface's own. All of 127.0.0.0/8 belongs to lo, which lists only the
// first.
func (h *iface) has(a netip.Addr) bool {
	for _, p := range h.addrs {
		if p.Addr() == a || a.IsLoopback() && h.Flags&net.FlagLoopback != 0 && p.Contains(a) {
			return true
		}
	}
	return false
}

// interfaces lists those of the host, with their addresses.
func interfaces() ([]iface, error) {
	list, err := net.Interfaces()
	if err != nil {
		return nil, err
	}
	ifaces := make([]iface, 0, len(list))
	for _, ifi := range list {
		addrs, err := ifi.Addrs()
		if err != nil {
			return nil, fmt.Errorf("addresses of %q: %w", ifi.Name, err)
		}
		h := iface{Interface: ifi}
		for _, a := range addrs {
			p, err := netip.ParsePrefix(a.String())
			if err == nil {
				h.addrs = append(h.addrs, p)
			}
		}
		ifaces = append(ifaces, h)
	}
	return ifaces, nil
}

// pairs lists interfaces with their addresses for people: "lo 127.0.0.1, eth0 10.58.4.1".
func pairs(ifaces []iface) string {
	var all []string
	for _, h := range ifaces {
		for _, p := range h.addrs {
			all = append(all, h.Name+" "+p.Addr().String())
		}
	}
	if all == nil {
		return "none (no interface has an address)"
	}
	return strings.Join(all, ", ")
}
