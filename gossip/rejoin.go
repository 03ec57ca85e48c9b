package gossip

import (
	"errors"
	"fmt"
	"net"
)

// Multicast implements looper.
func (s *sockets) Multicast() bool { return s.dst.Multicast() }

// Rejoin implements looper. What comes in between is lost.
func (s *sockets) Rejoin() error {
	if !s.Multicast() {
		return errors.ErrUnsupported
	}
	addr := s.dst.Addr.Addr()
	o, group := optionsOf(s.in, addr.Is4()), &net.UDPAddr{IP: addr.AsSlice()}
	if err := o.LeaveGroup(s.ifi, group); err != nil {
		return fmt.Errorf("gossip to %v: leave the group: %w", s.dst, err)
	}
	if err := o.JoinGroup(s.ifi, group); err != nil {
		return fmt.Errorf("gossip to %v: join the group again: %w", s.dst, err)
	}
	return nil
}
