package proxy

import (
	"context"
	"net"
	"net/netip"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// To agents, sockets are set up to notice soon that the other is gone, and begin at our own address.
func TestSockets(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	for _, row := range []struct {
		name string
		kind uint8
		from string
		want map[[2]int]int // option: value
	}{
		{"to an agent", toAgent, "127.0.0.2", map[[2]int]int{
			{unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT}:       3000,
			{unix.IPPROTO_IP, unix.IP_BIND_ADDRESS_NO_PORT}: 1,
			{unix.IPPROTO_TCP, unix.TCP_KEEPIDLE}:           3,
			{unix.SOL_SOCKET, unix.SO_KEEPALIVE}:            1,
		}},
		{"to a server", toOrigin, "127.0.0.1", map[[2]int]int{
			{unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT}: 0,
			{unix.IPPROTO_TCP, unix.TCP_KEEPIDLE}:     15,
			{unix.SOL_SOCKET, unix.SO_KEEPALIVE}:      1,
		}},
	} {
		t.Run(row.name, func(t *testing.T) {
			ps := newPools(poolsConfig{LocalAddr: func() netip.Addr { return netip.MustParseAddr("127.0.0.2") }})
			defer ps.closeIdle()
			p := ps.at(destination{addr: ln.Addr().String(), kind: row.kind}, &Reach{}, 10*time.Second)
			c, err := p.open(context.Background(), nil, func(error) {})
			if err != nil {
				t.Fatal(err)
			}
			defer p.drop(c)
			if a := c.tcp.LocalAddr().(*net.TCPAddr).AddrPort().Addr(); a != netip.MustParseAddr(row.from) {
				t.Errorf("dialled from %v, want %s", a, row.from)
			}
			_ = c.raw.Control(func(fd uintptr) {
				for o, want := range row.want {
					if got, err := unix.GetsockoptInt(int(fd), o[0], o[1]); err != nil || got != want {
						t.Errorf("option %v: %d, %v, want %d", o, got, err, want)
					}
				}
			})
		})
	}
}
