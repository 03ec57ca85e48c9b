package gossip

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// Destination is where beats go: the argument of mod_backhand's MulticastStats, "address:port[,ttl]".
type Destination struct {
	Addr netip.AddrPort
	// TTL is the hop limit of multicast, from 0 (this host alone) to 255. Default 1: the local network. It is no time-out, as
	// a widely copied page of old had it. Broadcast has none. A group of IPv6 has a scope besides, its second byte: whatever
	// the TTL, routers pass on ff05::/16 only within the site, and ff02::/16 not at all.
	TTL int
}

// ParseDestination reads "239.255.221.20:4445,1" or "[ff05::db8:4445]:4445,1" (multicast), or "10.58.4.255:4445" (broadcast:
// the first octet is below 224).
func ParseDestination(s string) (Destination, error) {
	addr, ttl, hasTTL := strings.Cut(s, ",")
	ap, err := netip.ParseAddrPort(strings.TrimSpace(addr))
	if err != nil {
		return Destination{}, fmt.Errorf("destination %q: want address:port[,ttl], such as 239.255.221.20:4445,1 or "+
			"[ff05::db8:4445]:4445,1", s)
	}
	d := Destination{Addr: netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())}
	if want := d.unfit(); want != "" {
		return Destination{}, fmt.Errorf("destination %q: %s", s, want)
	}
	if !d.Multicast() {
		if hasTTL {
			return Destination{}, fmt.Errorf("destination %q: broadcast takes no TTL, leave %q away", s, ","+ttl)
		}
		return d, nil
	}
	d.TTL = 1
	if hasTTL {
		n, err := strconv.ParseUint(strings.TrimSpace(ttl), 10, 8)
		if err != nil {
			return Destination{}, fmt.Errorf("destination %q: the TTL is %q, want a number of hops from 0 to 255", s, ttl)
		}
		d.TTL = int(n)
	}
	return d, nil
}

// unfit says what is wanted of an address that beats cannot go to; "" if they can.
func (d Destination) unfit() string {
	a := d.Addr.Addr()
	switch {
	case d.Addr.Port() == 0:
		return "want a port from 1 to 65535"
	case a.Zone() != "":
		return fmt.Sprintf("leave %q away, the interface is that of gossip.interface", "%"+a.Zone())
	case a.Is4() && a.As4()[0] >= 240 && a != netip.AddrFrom4([4]byte{255, 255, 255, 255}):
		return fmt.Sprintf("%v is reserved, want 224.0.0.0 to 239.255.255.255 for multicast", a)
	case a.Is6() && !a.IsMulticast():
		return "IPv6 has no broadcast, want a group such as ff05::db8:4445, or a single host in gossip.peers"
	case a.Is6() && (scope(a) == 0 || scope(a) == 15):
		return fmt.Sprintf("the scope of %v is reserved, want that of the site, ff05::/16, or another from ff01::/16 to ff0e::/16", a)
	}
	return ""
}

// scope is how far a group of IPv6 reaches: 1 this host, 2 the local network, 5 the site, 14 the world.
func scope(a netip.Addr) byte { return a.As16()[1] & 0x0f }

// Multicast reports whether the address is that of a group; if not, it is one for broadcast.
func (d Destination) Multicast() bool { return d.Addr.Addr().IsMulticast() }

// String returns the form that ParseDestination reads.
func (d Destination) String() string {
	if d.Multicast() {
		return fmt.Sprintf("%v,%d", d.Addr, d.TTL)
	}
	return d.Addr.String()
}
