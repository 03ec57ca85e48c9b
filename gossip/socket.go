package gossip

import (
	"context"
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"syscall"

	"golang.org/x/sys/unix"
)

// receiveBuffer is how many bytes the kernel is asked to keep while we are busy: some 8,000 beats.
const receiveBuffer = 4 << 20

// sockets is what multicast and broadcast have in common: one socket on the port, which all agents of the host share, and
// one to send from, since beats must carry our source address and a socket on all addresses would take any.
type sockets struct {
	dst  Destination
	ifi  *net.Interface
	in   *net.UDPConn
	out  *net.UDPConn
	info []byte // control message that goes with every beat; nil: none
	oob  []byte // for control messages that come in; only Receive uses it
}

// Open listens at the destination, by multicast or broadcast as its address says.
func Open(dst Destination, cfg SocketConfig) (Transport, error) {
	cfg.Destination = dst
	if dst.Multicast() {
		return ListenMulticast(cfg)
	}
	return ListenBroadcast(cfg)
}

// openSockets opens both sockets. Those of multicast have more to be set then.
func openSockets(dst Destination, w way) (*sockets, error) {
	all := netip.IPv6Unspecified()
	is4 := dst.Addr.Addr().Is4()
	if is4 {
		all = netip.IPv4Unspecified()
	}
	in, err := listen(netip.AddrPortFrom(all, dst.Addr.Port()), shared)
	if err != nil {
		return nil, fmt.Errorf("gossip to %v: listen on port %d: %w", dst, dst.Addr.Port(), err)
	}
	out, err := listen(netip.AddrPortFrom(w.source, 0), nil)
	if err != nil {
		_ = in.Close()
		return nil, fmt.Errorf("gossip to %v: send from %v: %w", dst, w.source, err)
	}
	// Nobody reads what is sent to that socket, so let the kernel keep as little of it as it can.
	_ = out.SetReadBuffer(1)
	s := &sockets{dst: dst, ifi: w.ifi, in: in, out: out, oob: make([]byte, unix.CmsgSpace(unix.SizeofInet6Pktinfo))}
	if err := optionsOf(in, is4).tellDestination(); err != nil {
		return nil, s.refuse("ask for the destination of datagrams", err)
	}
	return s, nil
}

// listen opens a socket of the address's own family: one of IPv6 takes nothing of IPv4.
func listen(addr netip.AddrPort, control func(network, address string, c syscall.RawConn) error) (*net.UDPConn, error) {
	network := "udp6"
	if addr.Addr().Is4() {
		network = "udp4"
	}
	lc := net.ListenConfig{Control: control}
	c, err := lc.ListenPacket(context.Background(), network, addr.String())
	if err != nil {
		return nil, err
	}
	return c.(*net.UDPConn), nil
}

// shared lets several agents of one host listen on the port, and asks for a buffer that holds a burst from a large cluster.
// The system may grant less of it: then more beats get lost on a busy host, and nothing else.
func shared(_, _ string, c syscall.RawConn) error {
	var err error
	if e := c.Control(func(fd uintptr) {
		err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEADDR, 1)
		if unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, receiveBuffer) != nil {
			_ = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUF, receiveBuffer)
		}
	}); e != nil {
		return e
	}
	return err
}

// refuse closes the sockets and says what could not be done with them.
func (s *sockets) refuse(what string, err error) error {
	_ = s.Close()
	return fmt.Errorf("gossip to %v: %s on interface %q: %w", s.dst, what, s.ifi.Name, err)
}

// Send implements [Transport].
func (s *sockets) Send(b []byte) error {
	_, _, err := s.out.WriteMsgUDPAddrPort(b, s.info, s.dst.Addr)
	return err
}

// Receive implements [Transport]. Only one goroutine may call it at a time.
func (s *sockets) Receive(b []byte) (int, netip.AddrPort, error) {
	for {
		n, oobn, _, from, err := s.in.ReadMsgUDPAddrPort(b, s.oob)
		if err != nil {
			return 0, netip.AddrPort{}, err
		}
		if s.forUs(s.oob[:oobn]) {
			return n, plain(from), nil
		}
	}
}

// plain returns an address as files have it: IPv4 as such, and without the interface that link-local IPv6 came by.
func plain(a netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(a.Addr().Unmap().WithZone(""), a.Port())
}

// forUs reports whether a datagram was sent to our destination and came by our interface. Linux hands to a socket on all
// addresses what comes for any group that any program of the host has joined (IP_MULTICAST_ALL in ip(7)), and of course
// what is sent to this host alone.
func (s *sockets) forUs(oob []byte) bool {
	for len(oob) > 0 {
		h, data, rest, err := unix.ParseOneSocketControlMessage(oob)
		switch {
		case err != nil:
			return false
		// struct in_pktinfo: interface, our address, destination; 4 bytes each.
		case h.Level == unix.IPPROTO_IP && h.Type == unix.IP_PKTINFO && len(data) >= unix.SizeofInet4Pktinfo:
			return s.isOurs(netip.AddrFrom4([4]byte(data[8:12])), data[:4])
		// struct in6_pktinfo: destination, 16 bytes, and interface, 4.
		case h.Level == unix.IPPROTO_IPV6 && h.Type == unix.IPV6_PKTINFO && len(data) >= unix.SizeofInet6Pktinfo:
			return s.isOurs(netip.AddrFrom16([16]byte(data[:16])), data[16:20])
		}
		oob = rest
	}
	return false
}

func (s *sockets) isOurs(dst netip.Addr, ifindex []byte) bool {
	index := int(binary.NativeEndian.Uint32(ifindex))
	return dst == s.dst.Addr.Addr() && (index == 0 || index == s.ifi.Index)
}

// Close implements [Transport].
func (s *sockets) Close() error {
	_ = s.out.Close() // closing twice is no error here,
	_ = s.in.Close()  // and closing a datagram socket loses nothing
	return nil
}

// String implements [Transport].
func (s *sockets) String() string { return s.dst.String() }
