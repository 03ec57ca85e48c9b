package gossip_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"backhand/gossip"
	"backhand/gossip/gossiptest"
)

var loopback = netip.MustParseAddr("127.0.0.1")

// group returns a destination on this host that hardly anybody else uses at the moment.
func group() gossip.Destination {
	addr := netip.AddrFrom4([4]byte{239, 255, byte(rand.IntN(256)), byte(1 + rand.IntN(254))})
	return gossip.Destination{Addr: netip.AddrPortFrom(addr, freePort()), TTL: 0}
}

func broadcast() gossip.Destination {
	return gossip.Destination{Addr: netip.AddrPortFrom(netip.MustParseAddr("127.255.255.255"), freePort())}
}

func freePort() uint16 { return uint16(20000 + rand.IntN(12000)) } // below the ports that Linux gives out by itself

// open opens one end of dst on lo.
func open(t *testing.T, dst gossip.Destination, source netip.Addr) gossip.Transport {
	t.Helper()
	tr, err := gossip.Open(dst, gossip.SocketConfig{Source: source})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = tr.Close() })
	return tr
}

// needLoopback skips the test if what is sent to dst on lo does not come back, as in a sandbox that filters it.
func needLoopback(t *testing.T, dst gossip.Destination) {
	t.Helper()
	tr, err := gossip.Open(dst, gossip.SocketConfig{Source: loopback})
	if err != nil {
		t.Skipf("%v cannot be had on lo: %v", dst, err)
	}
	defer tr.Close()
	if err := tr.Send([]byte("?")); err != nil {
		t.Skipf("%v cannot be sent to on lo: %v", dst, err)
	}
	if _, err := next(tr, 2*time.Second); err != nil {
		t.Skipf("what is sent to %v on lo does not come back", dst)
	}
}

// next returns the next datagram. If none comes in time, it closes the transport.
func next(tr gossip.Transport, patience time.Duration) (string, error) {
	timer := time.AfterFunc(patience, func() { _ = tr.Close() })
	defer timer.Stop()
	b := make([]byte, 2048)
	n, _, err := tr.Receive(b)
	return string(b[:n]), err
}

func TestMulticastOnLoopback(t *testing.T) {
	needLoopback(t, group())
	for _, source := range []string{"127.0.0.1", "127.0.0.2"} {
		t.Run("from "+source, func(t *testing.T) {
			dst, from := group(), netip.MustParseAddr(source)
			gossiptest.TestGroup(t, from, func(t *testing.T) gossip.Transport { return open(t, dst, from) })
		})
	}
}

func TestBroadcastOnLoopback(t *testing.T) {
	needLoopback(t, broadcast())
	dst := broadcast()
	gossiptest.TestGroup(t, loopback, func(t *testing.T) gossip.Transport { return open(t, dst, loopback) })
}

func TestSocketsHearOnlyTheirDestination(t *testing.T) {
	needLoopback(t, group())
	needLoopback(t, broadcast())
	for name, ours := range map[string]gossip.Destination{"multicast": group(), "broadcast": broadcast()} {
		t.Run(name, func(t *testing.T) {
			listener := open(t, ours, loopback)
			port := ours.Addr.Port()
			var senders []gossip.Transport
			for range 2 {
				other := group()
				other.Addr = netip.AddrPortFrom(other.Addr.Addr(), port)
				senders = append(senders, open(t, other, loopback))
			}
			if name == "multicast" {
				all := gossip.Destination{Addr: netip.AddrPortFrom(netip.MustParseAddr("127.255.255.255"), port)}
				senders = append(senders, open(t, all, loopback))
			}
			for _, s := range senders {
				if err := s.Send([]byte("not for you, by " + s.String())); err != nil {
					t.Fatal(err)
				}
				if _, err := next(s, 5*time.Second); err != nil {
					t.Fatalf("%v does not hear itself: %v", s, err)
				}
			}
			unicast(t, port, "nor this")
			if err := listener.Send([]byte("for you")); err != nil {
				t.Fatal(err)
			}
			if got, err := next(listener, 5*time.Second); got != "for you" {
				t.Errorf("%q, %v", got, err)
			}
		})
	}
}

// unicast sends to the listener's port, but not to the group.
func unicast(t *testing.T, port uint16, text string) {
	t.Helper()
	c, err := net.Dial("udp4", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
}

func TestReceiveAllocatesNothing(t *testing.T) {
	dst := group()
	needLoopback(t, dst)
	tr := open(t, dst, loopback)
	buf, beat := make([]byte, 2048), make([]byte, 300)
	if got := testing.AllocsPerRun(100, func() {
		if err := tr.Send(beat); err != nil {
			t.Fatal(err)
		}
		if _, _, err := tr.Receive(buf); err != nil {
			t.Fatal(err)
		}
	}); got != 0 {
		t.Errorf("%v allocations a datagram, want 0", got)
	}
}

func TestOpenRefuses(t *testing.T) {
	dst := group()
	for name, tc := range map[string]struct {
		err  func() error
		want string
	}{
		"no such interface": {func() error {
			_, err := gossip.Open(dst, gossip.SocketConfig{Interface: "nosuch0", Source: loopback})
			return err
		}, `there is no interface "nosuch0": want one of lo 127.0.0.1`},
		"somebody else's address": {func() error {
			_, err := gossip.Open(dst, gossip.SocketConfig{Interface: "lo", Source: netip.MustParseAddr("203.0.113.7")})
			return err
		}, "send from 203.0.113.7"},
		"multicast to a broadcast address": {func() error {
			_, err := gossip.ListenMulticast(gossip.SocketConfig{Destination: broadcast(), Source: loopback})
			return err
		}, "want a group"},
		"broadcast to a group": {func() error {
			_, err := gossip.ListenBroadcast(gossip.SocketConfig{Destination: dst, Source: loopback})
			return err
		}, "not a group"},
	} {
		t.Run(name, func(t *testing.T) {
			if err := tc.err(); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("%v, want an error about %q", err, tc.want)
			}
		})
	}
	if tr := open(t, dst, loopback); tr.String() != dst.String() {
		t.Errorf("it is called %q, want %q", tr, dst)
	} else if err := tr.Close(); err != nil || !errors.Is(tr.Send(nil), net.ErrClosed) {
		t.Errorf("Close: %v", err)
	}
}
