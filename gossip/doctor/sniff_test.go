package doctor

import (
	"encoding/binary"
	"net/netip"
	"testing"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// packet4 returns an IPv4 packet with so many words of options.
func packet4(protocol byte, options int, fragment uint16, port uint16) []byte {
	b := make([]byte, 20+4*options+8)
	b[0], b[9] = byte(0x45+options), protocol
	binary.BigEndian.PutUint16(b[6:], fragment)
	copy(b[12:], []byte{10, 58, 4, 2, 239, 255, 221, 20})
	binary.BigEndian.PutUint16(b[20+4*options+2:], port)
	return b
}

func packet6(protocol byte, port uint16) []byte {
	b := make([]byte, 48)
	b[0], b[6] = 0x60, protocol
	b[8], b[24] = 0xfe, 0xff
	binary.BigEndian.PutUint16(b[42:], port)
	return b
}

// The kernel runs these filters; here x/net/bpf does.
func TestFilters(t *testing.T) {
	for _, c := range []struct {
		name   string
		filter []bpf.Instruction
		packet []byte
		want   bool
	}{
		{"a datagram to the port", filter4(4445), packet4(unix.IPPROTO_UDP, 0, 0x4000, 4445), true},
		{"with options", filter4(4445), packet4(unix.IPPROTO_UDP, 3, 0, 4445), true},
		{"to another port", filter4(4445), packet4(unix.IPPROTO_UDP, 0, 0, 4446), false},
		{"of TCP", filter4(4445), packet4(unix.IPPROTO_TCP, 0, 0, 4445), false},
		{"the first fragment", filter4(4445), packet4(unix.IPPROTO_UDP, 0, 0x2000, 4445), true},
		{"a later fragment", filter4(4445), packet4(unix.IPPROTO_UDP, 0, 0x2010, 4445), false},
		{"cut off", filter4(4445), packet4(unix.IPPROTO_UDP, 0, 0, 4445)[:21], false},
		{"of IPv6, to the port", filter6(4445), packet6(unix.IPPROTO_UDP, 4445), true},
		{"of IPv6, to another port", filter6(4445), packet6(unix.IPPROTO_UDP, 4446), false},
		{"of IPv6, by TCP", filter6(4445), packet6(unix.IPPROTO_TCP, 4445), false},
	} {
		t.Run(c.name, func(t *testing.T) {
			vm, err := bpf.NewVM(c.filter)
			if err != nil {
				t.Fatal(err)
			}
			n, err := vm.Run(c.packet)
			if err != nil {
				t.Fatal(err)
			}
			if got := n > 0; got != c.want {
				t.Errorf("taken: %v, want %v", got, c.want)
			}
		})
	}
}

func TestAddresses(t *testing.T) {
	for _, c := range []struct {
		name, from, to string
		packet         []byte
	}{
		{"IPv4", "10.58.4.2", "239.255.221.20", packet4(17, 0, 0, 1)},
		{"IPv6", "fe00::", "ff00::", packet6(17, 1)},
		{"nothing", "", "", nil},
		{"half a header", "", "", packet4(17, 0, 0, 1)[:19]},
		{"another protocol", "", "", make([]byte, 60)},
	} {
		t.Run(c.name, func(t *testing.T) {
			var wantFrom, wantTo netip.Addr
			if c.from != "" {
				wantFrom, wantTo = addr(c.from), addr(c.to)
			}
			if from, to := addresses(c.packet); from != wantFrom || to != wantTo {
				t.Errorf("got %v, %v", from, to)
			}
		})
	}
}

func FuzzAddresses(f *testing.F) {
	f.Add(packet4(17, 0, 0, 1))
	f.Add(packet6(17, 1))
	f.Fuzz(func(t *testing.T, b []byte) {
		if from, to := addresses(b); from.IsValid() != to.IsValid() {
			t.Errorf("from %v to %v", from, to)
		}
	})
}
