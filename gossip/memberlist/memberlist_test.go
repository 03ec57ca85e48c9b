package memberlist

import (
	"bytes"
	"context"
	"math"
	"math/rand/v2"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"backhand/gossip"
	"backhand/gossip/gossiptest"
	"backhand/gossip/wire"
)

func TestOneSeedIsEnough(t *testing.T) {
	net := newNetwork(t)
	a := net.start(1, nil)
	b := net.start(2, net.seed(1))
	c := net.start(3, net.seed(1))
	meet(t, a, b, c)
	talk(t, a, b, c)
	for _, n := range []*node{a, b, c} {
		if !strings.Contains(n.log.String(), "joined by memberlist") {
			eventually(t, "it says that it has joined", func() bool { return strings.Contains(n.log.String(), "joined by memberlist") })
		}
		if strings.Contains(n.log.String(), "level=WARN") {
			t.Errorf("%v warns where nothing is wrong", n)
		}
	}
}

func TestTransport(t *testing.T) {
	net := newLoneNetwork(t)
	for _, keys := range []*wire.Keyring{nil, ring(t, wire.Enforce, key(1, 7))} {
		name := "without keys"
		if keys != nil {
			name = "with keys"
		}
		t.Run(name, func(t *testing.T) {
			var open []*Transport // those of the running test
			gossiptest.TestTransport(t, net.addr(1), func(t *testing.T) gossip.Transport {
				cfg := net.config(1)
				cfg.Keys = keys
				cfg.Bind = netip.AddrPortFrom(net.addr(1), uint16(5000+2*len(open)))
				for _, o := range open {
					if o.ctx.Err() == nil {
						cfg.Join = append(cfg.Join, gossip.Peer{Host: o.cfg.Bind.Addr().String(), Port: o.cfg.Bind.Port()})
					}
				}
				tr, err := Open(cfg)
				if err == nil {
					err = tr.start()
				}
				if err != nil {
					t.Fatal(err)
				}
				open = append(open, tr)
				eventually(t, "they know each other", func() bool {
					for _, o := range open {
						if o.ctx.Err() == nil && o.Fanout() != len(cfg.Join) {
							return false
						}
					}
					return true
				})
				return tr
			})
		})
	}
	checkGoroutines(t)
}

func TestIPv6(t *testing.T) {
	net := newNetwork(t)
	first := uint16(20000 + 100*int(net.base[1]))
	six := func(i int) func(*Config) {
		return func(c *Config) {
			c.Bind = netip.AddrPortFrom(netip.IPv6Loopback(), first+2*uint16(i))
			c.Accept = append(c.Accept, netip.MustParsePrefix("::1/128"))
			c.Join = []gossip.Peer{{Host: "::1", Port: first}}
		}
	}
	nodes := []*node{net.start(1, nil, six(0)), net.start(1, nil, six(1)), net.start(1, nil, six(2))}
	meet(t, nodes...)
	talk(t, nodes...)
}

// Whoever has no key can throw at a member what he likes.
func TestFlood(t *testing.T) {
	net := newLoneNetwork(t)
	ours := ring(t, wire.Enforce, key(1, 7))
	nodes := []*node{net.start(1, nil, withKeys(ours)), net.start(2, net.seed(1), withKeys(ours)), net.start(3, net.seed(1), withKeys(ours))}
	meet(t, nodes...)
	c, err := listenUDP(netip.AddrPortFrom(net.addr(66), 0), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	label := nodes[0].label
	prefix := append([]byte{labelMsg, byte(len(label))}, label...)
	garbage := make([]byte, 400)
	for start := time.Now(); time.Since(start) < 3*time.Second; {
		for i := range garbage {
			garbage[i] = byte(rand.Uint32())
		}
		sealed := append(append(bytes.Clone(prefix), encryptedVersion), garbage...)
		dead := append(bytes.Clone(prefix), message(t, deadMsg, map[string]any{
			"Incarnation": uint32(math.MaxUint32), "Node": nodes[1].self, "From": "x",
		})...)
		for _, b := range [][]byte{garbage, sealed, dead, prefix} {
			for _, n := range nodes {
				_, _ = c.WriteToUDPAddrPort(b, n.cfg.Bind)
				_, _ = c.WriteToUDPAddrPort(b, n.beatsAt())
			}
		}
	}
	for _, n := range nodes {
		if n.Fanout() != 2 {
			t.Errorf("%v has %d others", n, n.Fanout())
		}
		if text := n.log.String(); strings.Contains(text, "as failed") || strings.Count(text, "level=WARN") > 3 {
			t.Errorf("%v took one for dead, or fills its log", n)
		}
	}
	talk(t, nodes...)
}

func TestSeedThatComesLater(t *testing.T) {
	net := newNetwork(t)
	b := net.start(2, net.seed(1))
	eventually(t, "it says that no seed answers", func() bool { return strings.Contains(b.log.String(), "no seed of memberlist answers") })
	if err := b.Send([]byte("to nobody")); err != nil {
		t.Errorf("alone: %v", err)
	}
	a := net.start(1, net.seed(1)) // the same file on all hosts: it is its own seed
	meet(t, a, b)
	talk(t, a, b)
}

// names is a name service.
type names map[string][]netip.Addr

func (n names) LookupNetIP(_ context.Context, _, host string) ([]netip.Addr, error) {
	if a := n[host]; a != nil {
		return a, nil
	}
	return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
}

func (n names) LookupSRV(_ context.Context, _, _, name string) (string, []*net.SRV, error) {
	return name, []*net.SRV{{Target: "members.test", Port: DefaultPort}}, nil
}

func TestSeedsByName(t *testing.T) {
	for _, seed := range []gossip.Peer{{Host: "members.test", Port: DefaultPort}, {Host: "_backhand._udp.test"}} {
		t.Run(seed.String(), func(t *testing.T) {
			net := newNetwork(t)
			with := func(c *Config) {
				// As of a service without an address of its own: all members, we among them, and one that is gone.
				c.Resolver = names{"members.test": {net.addr(1), net.addr(2), net.addr(9)}}
			}
			a := net.start(1, []gossip.Peer{seed}, with)
			b := net.start(2, []gossip.Peer{seed}, with)
			meet(t, a, b)
			talk(t, a, b)
		})
	}
}

func TestAMemberThatLeaves(t *testing.T) {
	net := newNetwork(t)
	a, b, c := net.start(1, nil), net.start(2, net.seed(1)), net.start(3, net.seed(1))
	meet(t, a, b, c)
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	// A failure takes 4 s to be believed, at the least.
	within(t, 3*time.Second, "the others send it nothing any more", func() bool { return a.Fanout() == 1 && b.Fanout() == 1 })
	talk(t, a, b)

	back := net.start(3, net.seed(1))
	meet(t, a, b, back)
	talk(t, a, b, back)
}

func TestAMemberThatIsKilled(t *testing.T) {
	net := newNetwork(t)
	a, b, c := net.start(1, nil), net.start(2, net.seed(1)), net.start(3, net.seed(1))
	meet(t, a, b, c)
	c.kill()
	if a.Fanout() != 2 {
		t.Fatal("it was taken for dead at once: this tests nothing")
	}
	eventually(t, "the others send it nothing any more", func() bool { return a.Fanout() == 1 && b.Fanout() == 1 })
	talk(t, a, b)

	// The seed goes, too, and comes back without knowing anybody: the one that is left calls.
	a.kill()
	eventually(t, "it is alone", func() bool { return b.Fanout() == 0 })
	back := net.start(1, nil)
	meet(t, b, back)
	talk(t, b, back)
}

func TestStrangersNeverJoin(t *testing.T) {
	ours := key(1, 7)
	for _, c := range []struct {
		name     string
		our      *wire.Keyring
		stranger func(*Config)
		said     string // in the log of the member that was called
	}{
		{"another key of the same number", ring(t, wire.Enforce, ours), withKeys(ring(t, wire.Enforce, key(1, 99))), "no installed keys"},
		{"another key, and both take what is not encrypted", ring(t, wire.Permissive, ours), withKeys(ring(t, wire.Permissive, key(1, 99))), "no installed keys"},
		{"no key", ring(t, wire.Enforce, ours), func(*Config) {}, "not encrypted"},
		{"a key where there is none", nil, withKeys(ring(t, wire.Enforce, ours)), "encryption is not configured"},
		{"another cluster", nil, func(c *Config) { c.Cluster = "other" }, ""},
		{"another cluster with the same key", ring(t, wire.Enforce, ours), func(c *Config) {
			c.Cluster = "other"
			withKeys(ring(t, wire.Enforce, ours))(c)
		}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			net := newNetwork(t)
			a, b := net.start(1, nil, withKeys(c.our)), net.start(2, net.seed(1), withKeys(c.our))
			meet(t, a, b)
			stranger := net.start(3, net.seed(1), c.stranger)
			eventually(t, "it has tried", func() bool {
				return strings.Contains(stranger.log.String(), "no seed of memberlist answers") && strings.Contains(a.log.String(), c.said)
			})
			stranger.seekNow()
			eventually(t, "it has tried again", func() bool { return len(stranger.rejoin) == 0 })
			if a.Fanout() != 1 || b.Fanout() != 1 || stranger.Fanout() != 0 {
				t.Errorf("they send to %d and %d others, the stranger to %d", a.Fanout(), b.Fanout(), stranger.Fanout())
			}
			if strings.Contains(a.log.String(), "Suspect") {
				t.Error("a member is suspected")
			}
		})
	}
}

func TestOutsideOfAccept(t *testing.T) {
	net := newNetwork(t)
	only := func(hosts ...int) func(*Config) {
		return func(c *Config) {
			c.Accept = nil
			for _, h := range hosts {
				c.Accept = append(c.Accept, netip.PrefixFrom(net.addr(h), 32))
			}
		}
	}
	a, b := net.start(1, nil, only(1, 2)), net.start(2, net.seed(1), only(1, 2))
	c := net.start(3, net.seed(1)) // which accepts everybody
	meet(t, a, b)
	eventually(t, "it has tried", func() bool { return strings.Contains(c.log.String(), "no seed of memberlist answers") })
	if a.Fanout() != 1 || c.Fanout() != 0 {
		t.Errorf("we send to %d others, who is not accepted to %d", a.Fanout(), c.Fanout())
	}
	all := []netip.Prefix{netip.PrefixFrom(net.addr(0), 24)}
	a.SetAccept(all)
	b.SetAccept(all)
	c.seekNow()
	meet(t, a, b, c)
	talk(t, a, b, c)
	b.SetAccept(nil)
	if b.Fanout() != 0 {
		t.Error("who is not accepted any more still gets beats")
	}
	if err := b.Send([]byte("x")); err != nil {
		t.Errorf("to nobody: %v", err)
	}
}

// A cluster gets keys, then others, and loses them again, host by host. Nobody is out of it for a moment.
func TestKeysChangeLive(t *testing.T) {
	net := newNetwork(t)
	nodes := []*node{net.start(1, nil), net.start(2, net.seed(1)), net.start(3, net.seed(1))}
	meet(t, nodes...)
	one, two := key(1, 7), key(2, 70)
	for _, step := range []struct {
		name string
		ring *wire.Keyring
	}{
		{"sealed is read", ring(t, wire.ReceiveOnly, one)},
		{"sealed is sent", ring(t, wire.Permissive, one)},
		{"sealed is asked for", ring(t, wire.Enforce, one)},
		{"the second key is known", ring(t, wire.Enforce, one, receiveOnly(two))},
		{"the second key is used", ring(t, wire.Enforce, one, two)},
		{"the first key is gone", ring(t, wire.Enforce, two)},
		{"unsealed is taken again", ring(t, wire.Permissive, two)},
		{"unsealed is sent again", ring(t, wire.ReceiveOnly, two)},
		{"there are no keys", nil},
		{"back to one key", ring(t, wire.ReceiveOnly, one)},
		{"it is used", ring(t, wire.Permissive, one)},
	} {
		for _, n := range nodes {
			n.SetKeys(step.ring)
			for _, o := range nodes {
				if o.Fanout() != 2 {
					t.Errorf("%s: %v sends to %d others", step.name, o, o.Fanout())
				}
			}
			eventually(t, "it has met the others again", func() bool { return n.engine.Load().roster.count() == 2 })
		}
		meet(t, nodes...)
		talk(t, nodes...)
	}

	// With keys that are the last ones, somebody comes in; with those of before, nobody.
	for _, n := range nodes {
		n.SetKeys(ring(t, wire.Enforce, one))
	}
	old := net.start(4, net.seed(1), withKeys(ring(t, wire.Enforce, two)))
	eventually(t, "it has tried", func() bool { return strings.Contains(old.log.String(), "no seed of memberlist answers") })
	fresh := net.start(5, net.seed(1), withKeys(ring(t, wire.Enforce, one)))
	meet(t, append(nodes, fresh)...)
	if old.Fanout() != 0 {
		t.Error("who has an old key is in")
	}
	for _, n := range nodes {
		if text := n.log.String(); strings.Contains(text, "as failed") || strings.Contains(text, "no other member") {
			t.Errorf("%v was alone, or took one for dead", n)
		}
	}
}

func TestCutInTwo(t *testing.T) {
	net := newNetwork(t)
	often := func(n *node) { n.callEvery.Store(int64(500 * time.Millisecond)) }
	nodes := []*node{net.start(1, nil), net.start(2, net.seed(1)), net.start(3, net.seed(1)), net.start(4, net.seed(1))}
	meet(t, nodes...)
	left := []netip.Prefix{netip.PrefixFrom(net.addr(1), 32), netip.PrefixFrom(net.addr(2), 32)}
	right := []netip.Prefix{netip.PrefixFrom(net.addr(3), 32), netip.PrefixFrom(net.addr(4), 32)}
	for i, n := range nodes {
		often(n)
		n.SetAccept([][]netip.Prefix{left, right}[i/2])
	}
	for _, n := range nodes {
		eventually(t, "each half knows only itself", func() bool { return n.engine.Load().roster.count() == 1 })
	}
	talk(t, nodes[:2]...)
	talk(t, nodes[2:]...)
	for _, n := range nodes {
		n.SetAccept(append(left, right...))
		n.seekNow()
	}
	meet(t, nodes...)
	talk(t, nodes...)
}

func TestReplaced(t *testing.T) {
	net := newNetwork(t)
	a, b := net.start(1, nil), net.start(2, net.seed(1))
	meet(t, a, b)
	t.Run("by one that was never started", func(t *testing.T) {
		cfg := net.config(2)
		cfg.Before = b.Transport
		unused, err := Open(cfg)
		if err != nil {
			t.Fatal(err)
		}
		if err := unused.Close(); err != nil {
			t.Error(err)
		}
		talk(t, a, b)
	})
	t.Run("with beats at another port", func(t *testing.T) {
		after := net.start(2, nil, func(c *Config) { c.BeatPort, c.Before = 4999, b.Transport })
		eventually(t, "it has started", func() bool { return after.engine.Load() != nil })
		if err := b.Close(); err != nil {
			t.Error(err)
		}
		eventually(t, "the other sends there", func() bool {
			to := a.destinations()
			return len(to) == 1 && to[0] == after.beatsAt()
		})
		talk(t, a, after)
	})
	t.Run("by one that is known by another address", func(t *testing.T) {
		everywhere := func(host int, before *Transport) func(*Config) {
			return func(c *Config) {
				c.Bind = netip.AddrPortFrom(netip.IPv4Unspecified(), 20000+uint16(net.base[1])*2)
				c.Advertise, c.Before = netip.AddrPortFrom(net.addr(host), c.Bind.Port()), before
			}
		}
		sends := func(host int) func() bool {
			return func() bool {
				for _, to := range a.destinations() {
					if to.Addr() == net.addr(host) {
						return true
					}
				}
				return false
			}
		}
		before := net.start(3, net.seed(1), everywhere(3, nil))
		eventually(t, "the other sends to the first address", sends(3))
		after := net.start(4, nil, everywhere(4, before.Transport))
		eventually(t, "the other sends to the second address", sends(4))
		if err := before.Close(); err != nil {
			t.Error(err)
		}
		eventually(t, "the other does not send to the first any more", func() bool { return !sends(3)() })
		if err := a.Send([]byte("news")); err != nil {
			t.Error(err)
		}
		eventually(t, "it hears the other", func() bool { return after.hasHeard("news", a) })
	})
}

func TestGoroutinesEnd(t *testing.T) {
	net := newLoneNetwork(t)
	a, b, c := net.start(1, nil), net.start(2, net.seed(1)), net.start(3, append(net.seed(77), net.seed(1)...))
	meet(t, a, b, c)
	b.SetKeys(ring(t, wire.Permissive, key(1, 1))) // which starts the library anew
	b.kill()                                       // so that somebody waits for an answer
	var wg sync.WaitGroup
	for _, n := range []*node{a, c} {
		for range 2 {
			wg.Go(func() { _ = n.Close() })
		}
	}
	done := make(chan struct{})
	go func() { wg.Wait(); close(done) }()
	select {
	case <-done:
	case <-time.After(leaveTime + time.Second):
		t.Error("Close takes too long")
	}
	checkGoroutines(t)
}

func TestOpenRefuses(t *testing.T) {
	at := netip.MustParseAddrPort
	for _, c := range []struct {
		name string
		cfg  Config
		want string
	}{
		{"no cluster", Config{Bind: at("127.0.0.1:4446")}, "the name of a cluster"},
		{"no address", Config{Cluster: "c"}, "no address to listen at"},
		{"no port", Config{Cluster: "c", Bind: at("127.0.0.1:0")}, "no address to listen at"},
		{"a group", Config{Cluster: "c", Bind: at("239.1.1.1:4446")}, "no address to listen at"},
		{"everywhere, and nobody knows where that is", Config{Cluster: "c", Bind: at("0.0.0.0:4446")}, "others cannot reach 0.0.0.0:4446"},
		{"everywhere, known as a group", Config{Cluster: "c", Bind: at("[::]:4446"), Advertise: at("[ff02::1]:4446")}, "others cannot reach"},
		{"beats at the same port", Config{Cluster: "c", Bind: at("127.0.0.1:4446"), BeatPort: 4446}, "beats cannot come in at port 4446"},
		{"the last port", Config{Cluster: "c", Bind: at("127.0.0.1:65535")}, "beats cannot come in at port 0"},
		{"an address of another host", Config{Cluster: "c", Bind: at("192.0.2.1:4446")}, "listen for connections at 192.0.2.1:4446"},
	} {
		t.Run(c.name, func(t *testing.T) {
			tr, err := Open(c.cfg)
			if err == nil {
				_ = tr.Close()
			}
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
	t.Run("a port that is taken leaves nothing open", func(t *testing.T) {
		net := newNetwork(t)
		first, err := Open(net.config(1))
		if err != nil {
			t.Fatal(err)
		}
		defer first.Close()
		cfg := net.config(1)
		cfg.Bind = netip.AddrPortFrom(net.addr(1), 7000)
		cfg.BeatPort = DefaultBeatPort
		if tr, err := Open(cfg); err == nil {
			_ = tr.Close()
			t.Fatal("it could be opened")
		}
		cfg.BeatPort = DefaultBeatPort + 1
		second, err := Open(cfg)
		if err != nil {
			t.Fatal(err)
		}
		_ = second.Close()
	})
}
