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
	// a widely copied page of old had it. Broadcast has none.
	TTL int
}

// ParseDestination reads "239.255.221.20:4445,1" (multicast) or "10.58.4.255:4445" (broadcast: the first octet is below
// 224).
func ParseDestination(s string) (Destination, error) {
	addr, ttl, hasTTL := strings.Cut(s, ",")
	ap, err := netip.ParseAddrPort(strings.TrimSpace(addr))
	switch {
	case err != nil:
		return Destination{}, fmt.Errorf("destination %q: want address:port[,ttl], such as 239.255.221.20:4445,1", s)
	case !ap.Addr().Is4():
		return Destination{}, fmt.Errorf("destination %q: want an IPv4 address", s)
	case ap.Port() == 0:
		return Destination{}, fmt.Errorf("destination %q: want a port from 1 to 65535", s)
	case ap.Addr().As4()[0] >= 240 && ap.Addr() != netip.AddrFrom4([4]byte{255, 255, 255, 255}):
		return Destination{}, fmt.Errorf("destination %q: %v is reserved, want 224.0.0.0 to 239.255.255.255 for multicast",
			s, ap.Addr())
	}
	d := Destination{Addr: ap}
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

// Multicast reports whether the address is that of a group; if not, it is one for broadcast.
func (d Destination) Multicast() bool { return d.Addr.Addr().IsMulticast() }

// String returns the form that ParseDestination reads.
func (d Destination) String() string {
	if d.Multicast() {
		return fmt.Sprintf("%v,%d", d.Addr, d.TTL)
	}
	return d.Addr.String()
}
