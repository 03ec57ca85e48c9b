package agent

import (
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"backhand/gossip"
)

// ear is somebody else's socket, which an agent is to send beats to.
type ear struct {
	t    *testing.T
	conn *net.UDPConn
	addr netip.AddrPort
}

func freeUDP(t *testing.T) netip.AddrPort {
	t.Helper()
	c, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	return c.LocalAddr().(*net.UDPAddr).AddrPort()
}

func newEar(t *testing.T) *ear {
	t.Helper()
	c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return &ear{t: t, conn: c, addr: c.LocalAddr().(*net.UDPAddr).AddrPort()}
}

// hears waits for a beat that comes from now on.
func (e *ear) hears(from netip.AddrPort) {
	e.t.Helper()
	for e.next(time.Millisecond) != (netip.AddrPort{}) {
		// It came before.
	}
	if got := e.next(10 * time.Second); got != from {
		e.t.Fatalf("a beat came from %v, want %v", got, from)
	}
}

// next returns where the next datagram came from, or the zero AddrPort.
func (e *ear) next(patience time.Duration) netip.AddrPort {
	_ = e.conn.SetReadDeadline(time.Now().Add(patience)) // of an open socket
	_, from, err := e.conn.ReadFromUDPAddrPort(make([]byte, 2048))
	if err != nil {
		return netip.AddrPort{}
	}
	return from
}

// gossipText is the [gossip] of an agent that speaks to peers from listen.
func gossipText(listen netip.AddrPort, more string, peers ...*ear) string {
	var list []string
	for _, p := range peers {
		list = append(list, fmt.Sprintf("%q", p.addr))
	}
	return fmt.Sprintf("{head}\n[gossip]\naccept = [\"127.0.0.0/8\"]\ninterval = \"100ms\"\nlisten = %q\npeers = [%s]\n%s", listen,
		strings.Join(list, ", "), more)
}

func TestReloadOfPeers(t *testing.T) {
	first, second, listen := newEar(t), newEar(t), freeUDP(t)
	f := start(t, gossipText(listen, "", first), Options{})
	reload := func(text string) error {
		t.Helper()
		f.write(text)
		return f.Reload()
	}
	good := func(text string) {
		t.Helper()
		if err := reload(text); err != nil {
			t.Fatal(err)
		}
	}
	first.hears(listen)
	socket := f.carriers[0].Transport

	good(gossipText(listen, "", first, second))
	second.hears(listen)
	if f.carriers[0].Transport != socket {
		t.Error("the socket was opened anew, though only the peers have changed")
	}

	// A group comes along, and the peers do not notice.
	group := fmt.Sprintf("239.255.%d.%d:%d", rand.IntN(256), 1+rand.IntN(254), freeUDP(t).Port())
	good(gossipText(listen, fmt.Sprintf("send = [%q]\n", group+",0"), second))
	if len(f.carriers) != 2 || f.carriers[1].Transport != socket {
		t.Errorf("the transports are %v, want the same socket for peers", f.carriers)
	}
	d, err := gossip.ParseDestination(group + ",0")
	if err != nil {
		t.Fatal(err)
	}
	g, err := gossip.Open(d, gossip.SocketConfig{Source: netip.MustParseAddr("127.0.0.1")})
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	n, from, err := g.Receive(make([]byte, 2048))
	if err != nil || n == 0 || from.Addr() != listen.Addr() {
		t.Errorf("in the group %d bytes came from %v, %v", n, from, err)
	}
	second.hears(listen)

	// What cannot be opened changes nothing.
	if err := reload(gossipText(second.addr, "", first)); err == nil || !strings.Contains(err.Error(), "address already in use") {
		t.Errorf("a port that is taken gives %v", err)
	}
	second.hears(listen)
	if len(f.carriers) != 2 {
		t.Errorf("the transports are %v", f.carriers)
	}

	// Another port: the one before is free again.
	other := freeUDP(t)
	good(gossipText(other, "", first))
	first.hears(other)
	again, err := gossip.ListenUnicast(gossip.UnicastConfig{Listen: listen})
	if err != nil {
		t.Errorf("the old port is still taken: %v", err)
	} else {
		_ = again.Close()
	}

	// And none at all: the agent is alone.
	good("{head}\n")
	if len(f.carriers) != 0 || !f.config.Load().Gossip.Alone() {
		t.Errorf("the transports are %v", f.carriers)
	}
	if n := f.gossip.Counters().SendErrors; n != 0 {
		t.Errorf("%d datagrams could not be sent", n)
	}
}

// Two agents that know each other by unicast alone see each other on the page.
func TestAgentsMeetByPeers(t *testing.T) {
	one, two := freeUDP(t), freeUDP(t)
	text := func(listen netip.AddrPort) string {
		return fmt.Sprintf("{head}\n[gossip]\naccept = [\"127.0.0.0/8\"]\ninterval = \"100ms\"\nlisten = %q\npeers = [%q, %q]\n"+
			"[[serve]]\nfarm = \"web\"\norigin = %q\n", listen, one, two, origin(t, "o").URL)
	}
	a, b := start(t, text(one), Options{}), start(t, text(two), Options{})
	for _, f := range []*fixture{a, b} {
		f.eventually(func() error {
			if m := f.Snapshot().Farm("web"); m == nil || len(m.Members) != 2 {
				return fmt.Errorf("the farm is %+v, want two members", m)
			}
			return nil
		})
	}
}
