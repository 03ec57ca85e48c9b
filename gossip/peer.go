package gossip

import (
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
)

const (
	// DefaultPort is the port of beats if none is given. It is that of the ancestor's examples.
	DefaultPort = 4445

	// MaxPeers is how many there may be, and how many addresses they may have altogether: each costs a datagram a beat.
	MaxPeers = 1024

	maxHostName  = 253 // bytes of a name, and of one of its labels: RFC 1035
	maxHostLabel = 63
)

// Peer is whom a [Unicast] sends beats to: one address, all addresses of a host name, or all that SRV records name.
type Peer struct {
	// Host is an IP address, a host name, or the name of SRV records.
	Host string
	// Port is 0 for SRV records, which have their own.
	Port uint16
}

// ParsePeer reads "10.58.4.9:4445", "[fd58:4::9]:4445", "web.example.com:4445" or "_backhand._udp.example.com".
func ParsePeer(s string) (Peer, error) {
	p, want := parsePeer(strings.TrimSpace(s))
	if want != "" {
		return Peer{}, fmt.Errorf("peer %q: %s", s, want)
	}
	return p, nil
}

// parsePeer says what is wanted if it is no peer.
func parsePeer(s string) (p Peer, want string) {
	const example = "want address:port, name:port, or the name of SRV records, such as 10.58.4.9:4445, web.example.com:4445 or " +
		"_backhand._udp.example.com"
	if a, err := netip.ParseAddr(strings.Trim(s, "[]")); err == nil && !strings.Contains(s, "]:") {
		return Peer{}, fmt.Sprintf("want a port, such as %s", net.JoinHostPort(a.String(), strconv.Itoa(DefaultPort)))
	}
	host, digits, err := net.SplitHostPort(s)
	isSRV := strings.HasPrefix(s, "_") && strings.Contains(s, "._")
	switch {
	case isSRV && err == nil:
		return Peer{}, fmt.Sprintf("SRV records tell the port, leave %q away", ":"+digits)
	case isSRV && isHostName(s):
		return Peer{Host: strings.ToLower(s)}, ""
	case err != nil && isHostName(s):
		return Peer{}, fmt.Sprintf("want a port, such as %s", net.JoinHostPort(s, strconv.Itoa(DefaultPort)))
	case err != nil || host == "":
		return Peer{}, example
	}
	port, err := strconv.ParseUint(digits, 10, 16)
	if err != nil || port == 0 {
		return Peer{}, fmt.Sprintf("the port is %q, want one from 1 to 65535", digits)
	}
	p = Peer{Host: strings.ToLower(host), Port: uint16(port)}
	if a, err := netip.ParseAddr(host); err == nil {
		p.Host = a.Unmap().String()
		return p, unfitPeer(a)
	}
	if !isHostName(host) {
		return Peer{}, example
	}
	return p, ""
}

// unfitPeer says what is wanted of an address that is not that of another host; "" if it may be.
func unfitPeer(a netip.Addr) string {
	switch {
	case a.Zone() != "":
		return fmt.Sprintf("%v has a zone: want an address that all hosts can use", a)
	case a.IsMulticast():
		return fmt.Sprintf("%v is a group: it belongs in gossip.send", a)
	case !IsHostAddr(a):
		return fmt.Sprintf("%v is not the address of a host that others can reach", a)
	}
	return ""
}

// IsHostAddr reports whether the address may be that of a host, and means the same to all others.
func IsHostAddr(a netip.Addr) bool {
	a = a.Unmap()
	return a.IsValid() && a.Zone() == "" && !a.IsUnspecified() && !a.IsMulticast() &&
		a != netip.AddrFrom4([4]byte{255, 255, 255, 255}) && !(a.Is6() && a.IsLinkLocalUnicast())
}

// isHostName reports whether DNS may know a name. The last label of one is no number: so "10.58.4" is a slip.
func isHostName(s string) bool {
	s = strings.TrimSuffix(s, ".")
	if len(s) > maxHostName {
		return false
	}
	label := ""
	for label = range strings.SplitSeq(s, ".") {
		if !isHostLabel(label) {
			return false
		}
	}
	return strings.Trim(label, "0123456789") != ""
}

func isHostLabel(s string) bool {
	if s == "" || len(s) > maxHostLabel || s[0] == '-' || s[len(s)-1] == '-' {
		return false
	}
	for _, c := range []byte(s) {
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '-' && c != '_' {
			return false
		}
	}
	return true
}

// IsSRV reports whether the peers are those that SRV records name.
func (p Peer) IsSRV() bool { return p.Port == 0 }

// AddrPort returns the address, or the zero AddrPort for a name.
func (p Peer) AddrPort() netip.AddrPort {
	a, err := netip.ParseAddr(p.Host)
	if err != nil {
		return netip.AddrPort{}
	}
	return netip.AddrPortFrom(a, p.Port)
}

// String returns the form that ParsePeer reads.
func (p Peer) String() string {
	if p.IsSRV() {
		return p.Host
	}
	return net.JoinHostPort(p.Host, strconv.Itoa(int(p.Port)))
}
