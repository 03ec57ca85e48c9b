package gossip

import (
	"fmt"
	"net"
)

// ListenMulticast joins the group of the destination on one interface. Beats leave by it with the destination's TTL, and
// are looped back, so that several agents of one host hear one another.
func ListenMulticast(cfg SocketConfig) (Transport, error) {
	if !cfg.Destination.Multicast() {
		return nil, fmt.Errorf("gossip to %v: want a group, 224.0.0.0 to 239.255.255.255 or ff00::/8", cfg.Destination)
	}
	w, err := findWay(cfg)
	if err != nil {
		return nil, err
	}
	s, err := openSockets(cfg.Destination, w)
	if err != nil {
		return nil, err
	}
	addr := cfg.Destination.Addr.Addr()
	if err := optionsOf(s.in, addr.Is4()).JoinGroup(w.ifi, &net.UDPAddr{IP: addr.AsSlice()}); err != nil {
		return nil, s.refuse("join the group", err)
	}
	out := optionsOf(s.out, addr.Is4())
	if err := out.SetMulticastInterface(w.ifi); err != nil {
		return nil, s.refuse("send to the group", err)
	}
	if err := out.setTTL(cfg.Destination.TTL); err != nil {
		return nil, s.refuse("set the TTL", err)
	}
	if err := out.SetMulticastLoopback(true); err != nil {
		return nil, s.refuse("loop beats back", err)
	}
	return s, nil
}
