package doctor

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// packets is a sniffer by AF_PACKET (packet(7)): it is told of what comes to the interface before any firewall and the check
// of rp_filter are asked. What leaves it is not told of.
type packets struct {
	file *os.File
	to   netip.AddrPort
	buf  [128]byte // both headers, with options of IPv4
}

// sniff listens for UDP datagrams to that address. It takes CAP_NET_RAW.
func sniff(ifi string, to netip.AddrPort) (sniffer, error) {
	h, err := net.InterfaceByName(ifi)
	if err != nil {
		return nil, err
	}
	protocol, filter := uint16(unix.ETH_P_IPV6), filter6(to.Port())
	if to.Addr().Is4() {
		protocol, filter = unix.ETH_P_IP, filter4(to.Port())
	}
	// Of protocol 0 it is told of nothing until it is bound, so that the filter comes first.
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("listen to %s: %w", ifi, err)
	}
	if err := errors.Join(attach(fd, filter), unix.Bind(fd, &unix.SockaddrLinklayer{
		Protocol: binary.BigEndian.Uint16(binary.NativeEndian.AppendUint16(nil, protocol)), Ifindex: h.Index,
	})); err != nil {
		_ = unix.Close(fd)
		return nil, fmt.Errorf("listen to %s: %w", ifi, err)
	}
	return &packets{file: os.NewFile(uintptr(fd), "packets of "+ifi), to: to}, nil
}

// attach has the kernel drop all that the filter does not take.
func attach(fd int, filter []bpf.Instruction) error {
	raw, err := bpf.Assemble(filter)
	if err != nil {
		return err
	}
	program := make([]unix.SockFilter, len(raw))
	for i, r := range raw {
		program[i] = unix.SockFilter{Code: r.Op, Jt: r.Jt, Jf: r.Jf, K: r.K}
	}
	return unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER,
		&unix.SockFprog{Len: uint16(len(program)), Filter: &program[0]})
}

// filter4 takes UDP datagrams to the port, of IPv4; of those in fragments the first.
func filter4(port uint16) []bpf.Instruction {
	return []bpf.Instruction{
		bpf.LoadAbsolute{Off: 9, Size: 1},
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: unix.IPPROTO_UDP, SkipTrue: 6},
		bpf.LoadAbsolute{Off: 6, Size: 2},
		bpf.JumpIf{Cond: bpf.JumpBitsSet, Val: 0x1fff, SkipTrue: 4},
		bpf.LoadMemShift{Off: 0},
		bpf.LoadIndirect{Off: 2, Size: 2},
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: uint32(port), SkipTrue: 1},
		bpf.RetConstant{Val: 128},
		bpf.RetConstant{Val: 0},
	}
}

// filter6 takes UDP datagrams to the port, of IPv6, without extension headers.
func filter6(port uint16) []bpf.Instruction {
	return []bpf.Instruction{
		bpf.LoadAbsolute{Off: 6, Size: 1},
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: unix.IPPROTO_UDP, SkipTrue: 3},
		bpf.LoadAbsolute{Off: 42, Size: 2},
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: uint32(port), SkipTrue: 1},
		bpf.RetConstant{Val: 128},
		bpf.RetConstant{Val: 0},
	}
}

// next implements sniffer.
func (p *packets) next() (netip.Addr, error) {
	for {
		n, err := p.file.Read(p.buf[:])
		if err != nil {
			return netip.Addr{}, err
		}
		if from, to := addresses(p.buf[:n]); from.IsValid() && to == p.to.Addr() {
			return from, nil
		}
	}
}

// addresses returns those of an IP packet.
func addresses(b []byte) (from, to netip.Addr) {
	switch {
	case len(b) >= 20 && b[0]>>4 == 4:
		return netip.AddrFrom4([4]byte(b[12:16])), netip.AddrFrom4([4]byte(b[16:20]))
	case len(b) >= 40 && b[0]>>4 == 6:
		return netip.AddrFrom16([16]byte(b[8:24])), netip.AddrFrom16([16]byte(b[24:40]))
	}
	return netip.Addr{}, netip.Addr{}
}

// Close implements sniffer.
func (p *packets) Close() error { return p.file.Close() }
