package gossip

import (
	"net/netip"
	"testing"

	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"
)

// On lo a beat arrives whatever the options of its socket. So they are read back here, but for the interface of multicast,
// which Linux does not tell. That they do what they are for, the tests in network namespaces show. Nothing is sent.
func TestOptions(t *testing.T) {
	source := netip.MustParseAddr("127.0.0.1")
	for ttl := range 3 {
		group := Destination{Addr: netip.MustParseAddrPort("239.255.99.99:31999"), TTL: ttl}
		tr, err := ListenMulticast(SocketConfig{Destination: group, Source: source})
		if err != nil {
			t.Skipf("multicast cannot be had on lo: %v", err)
		}
		defer tr.Close()
		out := ipv4.NewPacketConn(tr.(*sockets).out)
		if got, err := out.MulticastTTL(); got != ttl || err != nil {
			t.Errorf("TTL %d, %v; want %d", got, err, ttl)
		}
		if got, err := out.MulticastLoopback(); !got || err != nil {
			t.Errorf("loopback %v, %v; want true", got, err)
		}
	}

	group6 := Destination{Addr: netip.MustParseAddrPort("[ff05::9999]:31999"), TTL: 3}
	tr, err := ListenMulticast(SocketConfig{Destination: group6, Source: netip.MustParseAddr("::1")})
	if err != nil {
		t.Skipf("IPv6 cannot be had on lo: %v", err)
	}
	defer tr.Close()
	out := ipv6.NewPacketConn(tr.(*sockets).out)
	if got, err := out.MulticastHopLimit(); got != 3 || err != nil {
		t.Errorf("hop limit %d, %v; want 3", got, err)
	}
	if got, err := out.MulticastLoopback(); !got || err != nil {
		t.Errorf("loopback of IPv6 %v, %v; want true", got, err)
	}
	if got, err := out.MulticastInterface(); err != nil || got.Name != "lo" {
		t.Errorf("IPv6 leaves by %v, %v; want lo", got, err)
	}
}

func TestOptionsOfBroadcast(t *testing.T) {
	source := netip.MustParseAddr("127.0.0.1")
	all := Destination{Addr: netip.MustParseAddrPort("127.255.255.255:31999")}
	tr, err := ListenBroadcast(SocketConfig{Destination: all, Source: source})
	if err != nil {
		t.Skipf("broadcast cannot be had on lo: %v", err)
	}
	defer tr.Close()
	s := tr.(*sockets)
	var cm ipv4.ControlMessage
	if err := cm.Parse(s.info); err != nil || cm.IfIndex != s.ifi.Index {
		t.Errorf("broadcast leaves by interface %d, %v; want %d", cm.IfIndex, err, s.ifi.Index)
	}
}
