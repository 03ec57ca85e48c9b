package gossip

import (
	"fmt"
	"net"
	"net/netip"
	"strings"
)

// SocketConfig says where beats go and by which way.
type SocketConfig struct {
	Destination Destination
	// Interface that beats leave by and are heard on, by name. Default: the one that has Source.
	Interface string
	// Source address of beats, of IPv4. Default: the first address of Interface. One of the two must be given.
	Source netip.Addr
}

// way is a SocketConfig with the blanks filled in.
type way struct {
	ifi    *net.Interface
	source netip.Addr
}

// iface is an interface of this host with its IPv4 addresses.
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
	if source.IsValid() && (!source.Is4() || source.IsUnspecified() || source.IsMulticast()) {
		return way{}, fmt.Errorf("beats cannot leave from %v: set gossip.source to an IPv4 address of this host, one of %s",
			source, pairs(ifaces))
	}
	switch {
	case cfg.Interface != "":
		for i := range ifaces {
			if ifaces[i].Name == cfg.Interface {
				return ifaces[i].way(source)
			}
		}
		return way{}, fmt.Errorf("there is no interface %q: want one of %s", cfg.Interface, pairs(ifaces))
	case !source.IsValid():
		return way{}, fmt.Errorf("neither interface nor source address is known: set gossip.interface to one of %s", pairs(ifaces))
	}
	for i := range ifaces {
		if ifaces[i].has(source) {
			return ifaces[i].way(source)
		}
	}
	return way{}, fmt.Errorf("no interface has the address %v: want one of %s", source, pairs(ifaces))
}

// way returns the one by this interface, from source or else from its first address. The source need not be an address of
// this very interface: hosts behind routed links keep theirs on another one.
func (h *iface) way(source netip.Addr) (way, error) {
	if len(h.addrs) == 0 {
		return way{}, fmt.Errorf("interface %q has no IPv4 address: give it one, or name another in gossip.interface", h.Name)
	}
	if !source.IsValid() {
		source = h.addrs[0].Addr()
	}
	return way{ifi: &h.Interface, source: source}, nil
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

// interfaces lists those of the host, with their IPv4 addresses.
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
			if err == nil && p.Addr().Is4() {
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
		return "none (no interface has an IPv4 address)"
	}
	return strings.Join(all, ", ")
}
