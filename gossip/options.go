package gossip

import (
	"net"

	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"
)

// options are those of a socket for multicast. IPv4 and IPv6 have the same, which x/net calls the same but where one says TTL
// and the other hop limit.
type options interface {
	JoinGroup(ifi *net.Interface, group net.Addr) error
	LeaveGroup(ifi *net.Interface, group net.Addr) error
	SetMulticastInterface(ifi *net.Interface) error
	SetMulticastLoopback(on bool) error
	setTTL(ttl int) error
	// tellDestination has the kernel say of each datagram where it was sent to, and by which interface it came.
	tellDestination() error
}

func optionsOf(c *net.UDPConn, is4 bool) options {
	if is4 {
		return options4{ipv4.NewPacketConn(c)}
	}
	return options6{ipv6.NewPacketConn(c)}
}

type options4 struct{ *ipv4.PacketConn }

func (o options4) setTTL(ttl int) error { return o.SetMulticastTTL(ttl) }
func (o options4) tellDestination() error {
	return o.SetControlMessage(ipv4.FlagDst|ipv4.FlagInterface, true)
}

type options6 struct{ *ipv6.PacketConn }

func (o options6) setTTL(ttl int) error { return o.SetMulticastHopLimit(ttl) }
func (o options6) tellDestination() error {
	return o.SetControlMessage(ipv6.FlagDst|ipv6.FlagInterface, true)
}
