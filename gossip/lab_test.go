//go:build linux

package gossip_test

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"backhand/gossip"
	"backhand/gossip/gossiptest"
	"backhand/gossip/gossiptest/lab"
)

// net6 is the network of a lab's hosts in IPv6: host i has fd58:4::i.
var net6 = netip.MustParsePrefix("fd58:4::/64")

func addr6(h *lab.Host) netip.Addr {
	a := net6.Addr().As16()
	a[15] = byte(h.Number)
	return netip.AddrFrom16(a)
}

// newLab6 makes a lab whose hosts have addresses of IPv6 as well.
func newLab6(t *testing.T, hosts int) *lab.Lab {
	t.Helper()
	l := lab.New(t, hosts)
	for _, h := range l.Hosts() {
		p := netip.PrefixFrom(addr6(h), net6.Bits())
		// Without nodad the address could not be used for the first two seconds.
		if out, err := h.Command(t.Context(), "ip", "-6", "addr", "add", p.String(), "dev", h.Dev, "nodad").CombinedOutput(); err != nil {
			t.Fatalf("an IPv6 address for %s: %v: %s", h.Name, err, out)
		}
	}
	return l
}

// openAt opens a transport at a host, which is open until the test ends.
func openAt(t *testing.T, h *lab.Host, open func() (gossip.Transport, error)) gossip.Transport {
	t.Helper()
	var tr gossip.Transport
	if err := h.Do(func() (err error) {
		tr, err = open()
		return err
	}); err != nil {
		t.Fatalf("at %s: %v", h.Name, err)
	}
	t.Cleanup(func() { _ = tr.Close() })
	return tr
}

func groupAt(t *testing.T, h *lab.Host, dst string, source netip.Addr) gossip.Transport {
	t.Helper()
	d, err := gossip.ParseDestination(dst)
	if err != nil {
		t.Fatal(err)
	}
	return openAt(t, h, func() (gossip.Transport, error) { return gossip.Open(d, gossip.SocketConfig{Source: source}) })
}

// hearsFirst fails unless the next that comes is this.
func hearsFirst(t *testing.T, ear gossip.Transport, want string) {
	t.Helper()
	if got, err := next(ear, 5*time.Second); got != want || err != nil {
		t.Errorf("%v heard %q, %v; want %q", ear, got, err, want)
	}
}

func send(t *testing.T, from gossip.Transport, text string) {
	t.Helper()
	if err := from.Send([]byte(text)); err != nil {
		t.Fatal(err)
	}
}

const group6 = "[ff05::db8:4445]:4445,1"

func TestMulticastOfIPv6(t *testing.T) {
	l := newLab6(t, 3)
	one, two := l.Host(1), l.Host(2)
	for _, dst := range []string{group6, "[ff02::db8:4445]:4446,255", "[ff01::db8:4445]:4447,1", "[ff05::db8:4445]:4448,0"} {
		t.Run("on one host, "+dst, func(t *testing.T) {
			gossiptest.TestGroup(t, addr6(one), func(t *testing.T) gossip.Transport { return groupAt(t, one, dst, addr6(one)) })
		})
	}
	t.Run("by the interface of an IPv4 address", func(t *testing.T) {
		gossiptest.TestGroup(t, addr6(one), func(t *testing.T) gossip.Transport { return groupAt(t, one, group6, one.Addr) })
	})
	t.Run("from each host to the others", func(t *testing.T) {
		var all []gossip.Transport
		for _, h := range l.Hosts() {
			all = append(all, groupAt(t, h, group6, addr6(h)))
		}
		for _, from := range all {
			text := fmt.Sprintf("by %p", from)
			send(t, from, text)
			for _, ear := range all {
				hearsFirst(t, ear, text)
			}
		}
	})
	t.Run("how far it goes", func(t *testing.T) { howFarItGoes(t, one, two) })
	t.Run("only its destination is heard", func(t *testing.T) { onlyTheDestination(t, one, two) })
}

// howFarItGoes sends with a hop limit, and to a scope, that end at the host, and then further.
func howFarItGoes(t *testing.T, one, two *lab.Host) {
	const onHost = "[ff01::db8:4445]:4445,1"
	near, near1 := groupAt(t, one, "[ff05::db8:4445]:4445,0", addr6(one)), groupAt(t, one, onHost, addr6(one))
	far := groupAt(t, one, group6, addr6(one))
	here, here1 := groupAt(t, one, group6, addr6(one)), groupAt(t, one, onHost, addr6(one))
	there, there1 := groupAt(t, two, group6, addr6(two)), groupAt(t, two, onHost, addr6(two))
	send(t, near1, "near")
	send(t, near, "near")
	send(t, far, "far")
	hearsFirst(t, here1, "near")
	hearsFirst(t, here, "near")
	hearsFirst(t, here, "far")
	hearsFirst(t, there, "far")
	if got, err := next(there1, 100*time.Millisecond); err == nil {
		t.Errorf("what is for one host came to another: %q", got)
	}
}

// onlyTheDestination sends to another group that the host is in, on the same port, and to the host alone.
func onlyTheDestination(t *testing.T, one, two *lab.Host) {
	const other = "[ff05::db8:4446]:4445,1"
	ear, otherEar := groupAt(t, two, group6, addr6(two)), groupAt(t, two, other, addr6(two))
	send(t, groupAt(t, one, other, addr6(one)), "not for you")
	hearsFirst(t, otherEar, "not for you")
	c, err := one.Dial(t.Context(), "udp", netip.AddrPortFrom(addr6(two), 4445).String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Write([]byte("nor this")); err != nil {
		t.Fatal(err)
	}
	send(t, groupAt(t, one, group6, addr6(one)), "for you")
	hearsFirst(t, ear, "for you")
}

// A source that is valid on the local network alone needs the interface to go with it.
func TestMulticastFromALinkLocalAddress(t *testing.T) {
	l := lab.New(t, 2) // with no other addresses of IPv6
	var all []gossip.Transport
	var from netip.Addr
	for _, h := range l.Hosts() {
		var tr gossip.Transport
		lab.Eventually(t, 10*time.Second, func() error { // the kernel first asks whether the address is another's
			return h.Do(func() (err error) {
				d := gossip.Destination{Addr: netip.MustParseAddrPort("[ff02::db8:4445]:4445"), TTL: 1}
				tr, err = gossip.Open(d, gossip.SocketConfig{Interface: h.Dev})
				return err
			})
		})
		t.Cleanup(func() { _ = tr.Close() })
		all = append(all, tr)
	}
	lab.Eventually(t, 10*time.Second, func() error {
		send(t, all[0], "hello")
		timer := time.AfterFunc(5*time.Second, func() { _ = all[1].Close() })
		defer timer.Stop()
		var err error
		var a netip.AddrPort
		_, a, err = all[1].Receive(make([]byte, 100))
		from = a.Addr()
		return err
	})
	if !from.IsLinkLocalUnicast() || from.Zone() != "" {
		t.Errorf("it came from %v, want a link-local address as it would stand in gossip.accept", from)
	}
}

// Three hosts find one another by each way that there is, and by all of them together.
func TestThreeHostsByEachTransport(t *testing.T) {
	l := newLab6(t, 3)
	accept := []netip.Prefix{net6, netip.MustParsePrefix("10.58.4.0/24"), netip.MustParsePrefix("127.0.0.0/8")}
	peersAt := func(addr func(h *lab.Host) netip.Addr) func(h *lab.Host) gossip.Transport {
		var peers []gossip.Peer
		for _, h := range l.Hosts() {
			peers = append(peers, peersOf(t, netip.AddrPortFrom(addr(h), gossip.DefaultPort).String())...)
		}
		return func(h *lab.Host) gossip.Transport {
			return openAt(t, h, func() (gossip.Transport, error) {
				return gossip.ListenUnicast(gossip.UnicastConfig{Listen: netip.AddrPortFrom(addr(h), gossip.DefaultPort), Peers: peers})
			})
		}
	}
	addr4 := func(h *lab.Host) netip.Addr { return h.Addr }
	open4 := func(h *lab.Host) gossip.Transport { return groupAt(t, h, "239.255.221.20:4445,1", h.Addr) }
	open6 := func(h *lab.Host) gossip.Transport { return groupAt(t, h, group6, h.Addr) }
	for _, row := range []struct {
		name string
		open []func(h *lab.Host) gossip.Transport
	}{
		{"unicast peers", []func(h *lab.Host) gossip.Transport{peersAt(addr4)}},
		{"unicast peers of IPv6", []func(h *lab.Host) gossip.Transport{peersAt(addr6)}},
		{"a group of IPv6", []func(h *lab.Host) gossip.Transport{open6}},
		{"all on one port", []func(h *lab.Host) gossip.Transport{open4, open6, peersAt(addr4)}},
	} {
		t.Run(row.name, func(t *testing.T) {
			var all []*speaker
			for _, h := range l.Hosts() {
				var transports []gossip.Transport
				for _, open := range row.open {
					transports = append(transports, open(h))
				}
				all = append(all, speak(t, h.Name, accept, transports...))
			}
			for i, s := range all {
				s.hears(t, append(append([]*speaker{}, all[:i]...), all[i+1:]...)...)
				c := s.Counters()
				if c.SendErrors != 0 || c.Dropped[gossip.DropCIDR] != 0 || c.Clones != 0 {
					t.Errorf("host %d counted %+v", i+1, c)
				}
			}
		})
	}
}
