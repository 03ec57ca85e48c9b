package gossip

import (
	"fmt"

	"golang.org/x/net/ipv4"
)

// ListenBroadcast listens at the broadcast address of a network, for networks that do not carry multicast.
func ListenBroadcast(cfg SocketConfig) (Transport, error) {
	if cfg.Destination.Multicast() {
		return nil, fmt.Errorf("gossip to %v: want the broadcast address of a network, not a group", cfg.Destination)
	}
	w, err := findWay(cfg)
	if err != nil {
		return nil, err
	}
	s, err := openSockets(cfg.Destination, w)
	if err != nil {
		return nil, err
	}
	// Without it 255.255.255.255 would take whichever interface the routes say, not ours. That the socket may send to a
	// broadcast address at all, package net has seen to.
	s.info = (&ipv4.ControlMessage{IfIndex: w.ifi.Index}).Marshal()
	return s, nil
}
