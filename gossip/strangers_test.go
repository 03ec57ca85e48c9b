package gossip_test

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"backhand/gossip"
	"backhand/gossip/gossiptest"
	"backhand/gossip/node"
	"backhand/gossip/wire"
)

// beatOf returns a well-formed beat of a node that is none of the agents.
func beatOf(t *testing.T, change func(*node.Node), cluster string) []byte {
	t.Helper()
	n := node.Node{
		ID: node.ID{0: 0xee}, Boot: 1, Sequence: 1, Name: "stranger", Addr: netip.MustParseAddrPort("10.58.4.66:80"),
		State: node.Up, VersionMin: 1, VersionMax: 1, Interval: time.Second, Stats: node.Stats{CPUs: 1},
	}
	if change != nil {
		change(&n)
	}
	parts, err := wire.Append(nil, &n, wire.HashCluster(cluster), nil)
	if err != nil {
		t.Fatal(err)
	}
	return parts[0]
}

func TestDrops(t *testing.T) {
	inside, outside := netip.MustParseAddrPort("10.58.4.66:9"), netip.MustParseAddrPort("192.0.2.1:9")
	set := func(at int, to byte) func(*testing.T) []byte {
		return func(t *testing.T) []byte {
			b := beatOf(t, nil, "web")
			b[at] = to
			return b
		}
	}
	size := func(n int) func(*testing.T) []byte {
		return func(t *testing.T) []byte { return append(beatOf(t, nil, "web"), make([]byte, n)...)[:n] }
	}
	for name, tc := range map[string]struct {
		from   netip.AddrPort
		b      func(*testing.T) []byte
		reason gossip.Reason
		log    string
	}{
		"a good beat from elsewhere": {outside, size(300), gossip.DropCIDR, "gossip.accept"},
		"nonsense from elsewhere":    {outside, size(0), gossip.DropCIDR, "from=192.0.2.1"},
		"no bytes":                   {inside, size(0), gossip.DropSize, "bytes=0"},
		"1 byte":                     {inside, size(1), gossip.DropSize, "bytes=1"},
		"1201 bytes":                 {inside, size(1201), gossip.DropSize, "bytes=1201"},
		"65507 bytes":                {inside, size(65507), gossip.DropSize, "bytes=2048"},
		"other magic":                {inside, set(0, 0), gossip.DropMagic, "no beat"},
		"version 9":                  {inside, set(4, 9), gossip.DropVersion, `version=9 understood="1 to 1"`},
		"another cluster": {
			inside, func(t *testing.T) []byte { return beatOf(t, nil, "other") }, gossip.DropCluster, `ours="\"web\" `,
		},
		"sealed":    {inside, set(5, 1), gossip.DropSeal, "has not got"},
		"malformed": {inside, set(16, 99), gossip.DropMalformed, "part of parts"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				network := gossiptest.NewNetwork(1)
				a := join(t, network, 1)
				time.Sleep(time.Second)
				b := tc.b(t)
				for range 100 {
					network.Inject(tc.from, b)
				}
				a.mustSee(t, "after the flood", "")
				var want [gossip.Reasons]uint64
				want[tc.reason] = 100
				if got := a.Counters().Dropped; got != want {
					t.Errorf("dropped %v, want 100 by reason %v", got, tc.reason)
				}
				lines := a.log.with("reason=" + tc.reason.String())
				if len(lines) != 1 || !strings.Contains(lines[0], tc.log) {
					t.Errorf("logged %q, want one line with %q", lines, tc.log)
				}
				time.Sleep(time.Minute)
				network.Inject(tc.from, b)
				synctest.Wait()
				if got := len(a.log.with("reason=")); got != 2 {
					t.Errorf("%d lines a minute later, want 2", got)
				}
			})
		})
	}
}

func TestHostileNameIsTakenAsItIs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := gossiptest.NewNetwork(1)
		a := join(t, network, 1)
		name := strings.Repeat("<script>", 31) + "\x00\n\xff\"'&;"
		network.Inject(address(66), beatOf(t, func(n *node.Node) { n.Name = name }, "web"))
		a.mustSee(t, "after it", name+" up")
	})
}

func TestReplay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := gossiptest.NewNetwork(1)
		a := join(t, network, 1)
		old := beatOf(t, nil, "web")
		network.Inject(address(66), old)
		network.Inject(address(66), beatOf(t, func(n *node.Node) { n.Sequence, n.State = 2, node.Leaving }, "web"))
		a.mustSee(t, "first", "stranger leaving")
		time.Sleep(2 * time.Hour)
		a.mustSee(t, "gone", "")
		network.Inject(address(66), old)
		a.mustSee(t, "played again", "")
		if got := a.Counters().Dropped[gossip.DropReplay]; got != 1 {
			t.Errorf("%d replays counted, want 1", got)
		}
	})
}

func TestClone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := gossiptest.NewNetwork(1)
		a := join(t, network, 1)
		synctest.Wait() // until it has announced its address
		twin := beatOf(t, func(n *node.Node) { n.ID, n.Boot = a.id, 7 }, "web")
		for range 10 {
			network.Inject(address(66), twin)
			time.Sleep(time.Second)
		}
		a.mustSee(t, "a twin is no peer", "")
		lines := a.log.with("a clone of state_dir?")
		if len(lines) != 1 || !strings.Contains(lines[0], "our_address=10.58.4.1:80 their_address=10.58.4.66:80") {
			t.Errorf("logged %q", lines)
		}
		if c := a.Counters(); c.Clones != 10 || c.Dropped != [gossip.Reasons]uint64{} {
			t.Errorf("%+v", c)
		}
		clone := func() (found []gossip.Finding) {
			return slices.DeleteFunc(a.Findings(time.Now()), func(f gossip.Finding) bool { return f.Kind != gossip.FindingClone })
		}
		if f := clone(); len(f) != 1 || !strings.Contains(f[0].Text, "at 10.58.4.66:80, whose beats come from 10.58.4.66") ||
			time.Since(f[0].Since) != 10*time.Second {
			t.Errorf("found %+v", f)
		}
		time.Sleep(time.Minute)
		if f := clone(); f != nil {
			t.Errorf("a minute after its last beat: %+v", f)
		}
	})
}

// Who has no key cannot make a node that seals its beats believe in a clone.
func TestWhoHasNoKeyIsNoClone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := gossiptest.NewNetwork(1)
		a := &agent{}
		cfg := a.config(1, network.Transport(address(1)))
		keys, err := wire.NewKeyring("web", []wire.Key{wire.NewKey(1)}, wire.Permissive)
		if err != nil {
			t.Fatal(err)
		}
		cfg.Keys = keys
		cfg.Raise = func(heard uint64) uint64 {
			t.Errorf("the boot is raised above %d", heard)
			return 0
		}
		a.run(t, cfg)
		network.Inject(address(66), beatOf(t, func(n *node.Node) { n.ID, n.Boot = a.id, 1<<40 }, "web"))
		synctest.Wait()
		if c := a.Counters(); c.Clones != 0 || c.Dropped[gossip.DropUnsealed] != 1 {
			t.Errorf("%+v", c)
		}
	})
}

// As long as the clone's boot was the greater one, the original stayed dead for its peers, even when the clone had gone.
func TestOriginalComesBackAfterItsClone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := gossiptest.NewNetwork(1)
		peer := join(t, network, 1)
		a := &agent{}
		cfg := a.config(2, network.Transport(address(2)))
		cfg.Raise = func(heard uint64) uint64 { return heard + 1 }
		a.run(t, cfg)
		time.Sleep(time.Second)
		clone := &agent{}
		cfg = clone.config(3, network.Transport(address(3)))
		cfg.ID, cfg.Boot = a.id, 5000
		clone.run(t, cfg)
		time.Sleep(time.Second)
		clone.Leave(t.Context())
		clone.stop()
		time.Sleep(2 * time.Second)
		nodes := peer.Nodes(time.Now())
		if len(nodes) != 1 || nodes[0].Name != "www2" || nodes[0].State != node.Up || nodes[0].Age(time.Now()) > 1200*time.Millisecond {
			t.Errorf("the peer sees %+v", nodes[0])
		}
		if n := len(a.log.with("a clone of state_dir?")); n != 1 {
			t.Errorf("%d lines about the clone", n)
		}
	})
}

func TestNewcomerKnowsEverybodyAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := gossiptest.NewNetwork(1)
		for n := range byte(9) {
			a := &agent{}
			cfg := a.config(n+1, network.Transport(address(n+1)))
			cfg.Interval = time.Minute
			a.run(t, cfg)
		}
		time.Sleep(10*time.Minute + 7*time.Second)
		late := join(t, network, 66)
		time.Sleep(250 * time.Millisecond)
		if n := len(late.Nodes(time.Now())); n != 9 {
			t.Errorf("it knows %d of 9 nodes, which beat once a minute", n)
		}
	})
}

// Whoever may send a beat could otherwise have requests, cookies and all, sent wherever he likes.
func TestAddressOutsideOfAcceptIsNotTaken(t *testing.T) {
	for _, addr := range []string{"127.0.0.1:6379", "169.254.169.254:80", "203.0.113.9:80", "[2001:db8::1]:80"} {
		synctest.Test(t, func(t *testing.T) {
			network := gossiptest.NewNetwork(1)
			a := join(t, network, 1)
			network.Inject(address(66), beatOf(t, func(n *node.Node) { n.Addr = netip.MustParseAddrPort(addr) }, "web"))
			a.mustSee(t, addr, "")
			if c := a.Counters(); c.Dropped[gossip.DropAddress] != 1 {
				t.Errorf("%s: %+v", addr, c)
			}
			if n := len(a.log.with("announces an address that gossip.accept does not name")); n != 1 {
				t.Errorf("%s: said %d times", addr, n)
			}
		})
	}
}

func TestOwnBeatsAreSilentlyIgnored(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := join(t, gossiptest.NewNetwork(1), 1)
		time.Sleep(time.Minute)
		a.mustSee(t, "alone", "")
		c := a.Counters()
		if c.Sent < 50 || c.Received != c.Sent || c.Dropped != [gossip.Reasons]uint64{} || len(a.log.with("")) != 0 {
			t.Errorf("%+v, logged %q", c, a.log.with(""))
		}
	})
}

func TestSetAccept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := gossiptest.NewNetwork(1)
		a := join(t, network, 1)
		accept := []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}
		a.SetAccept(accept)
		accept[0] = lan[0] // the list is ours again
		network.Inject(address(66), beatOf(t, nil, "web"))
		a.mustSee(t, "not accepted any more", "")
		there := beatOf(t, func(n *node.Node) { n.Addr = netip.MustParseAddrPort("192.0.2.8:80") }, "web")
		network.Inject(netip.MustParseAddrPort("[::ffff:192.0.2.7]:9"), there)
		a.mustSee(t, "accepted, whatever the form of the address", "stranger up")
	})
}
