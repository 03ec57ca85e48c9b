package gossip_test

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"backhand/gossip"
	"backhand/gossip/gossiptest/lab"
	"backhand/gossip/node"
	"backhand/gossip/wire"
)

// talker is an agent's gossip over real sockets, and what it is told.
type talker struct {
	*gossip.Gossiper
	number byte
	ear    ear
}

// talks starts agent n, which announces itself until the test ends.
func talks(t *testing.T, n byte, accept []netip.Prefix, keys *wire.Keyring, transports ...gossip.Transport) *talker {
	t.Helper()
	l := &talker{number: n}
	var err error
	l.Gossiper, err = gossip.New(gossip.Config{
		Cluster: t.Name(), ID: node.ID{0: 0xaa, 15: n}, Boot: 1, Interval: 100 * time.Millisecond, Accept: accept, Keys: keys,
		Transports: transports, Told: l.ear.told,
		Describe: func(time.Time) node.Node {
			return node.Node{Name: fmt.Sprintf("www%d", n), State: node.Up, Addr: netip.MustParseAddrPort("127.0.0.1:80")}
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- l.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return l
}

func testRing(t *testing.T) *wire.Keyring {
	t.Helper()
	k, err := wire.NewKeyring(t.Name(), []wire.Key{wire.NewKey(1)}, wire.Enforce)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// converse waits until all know one another, has each tell something several times, and checks that each of the others hears
// each of that once.
func converse(t *testing.T, all ...*talker) {
	t.Helper()
	lab.Eventually(t, 10*time.Second, func() error {
		for _, l := range all {
			if n := len(l.Nodes(time.Now())); n != len(all)-1 {
				return fmt.Errorf("www%d knows %d others, want %d", l.number, n, len(all)-1)
			}
		}
		return nil
	})
	const notes = 20
	for i := range notes {
		for _, l := range all {
			if err := l.Tell(fmt.Appendf(nil, "note %02d", i)); err != nil {
				t.Fatalf("www%d: %v", l.number, err)
			}
		}
	}
	for _, l := range all {
		var want []string
		for _, other := range all {
			for i := range notes {
				if other != l {
					want = append(want, fmt.Sprintf("note %02d by %d", i, other.number))
				}
			}
		}
		slices.Sort(want)
		lab.Eventually(t, 10*time.Second, func() error {
			if got := slices.Sorted(slices.Values(l.ear.notes())); !slices.Equal(got, want) {
				return fmt.Errorf("www%d heard %d notes, want %d: %q", l.number, len(got), len(want), got)
			}
			return nil
		})
		c := l.Counters()
		for r := range gossip.Reasons {
			if r != gossip.DropReplay && c.Dropped[r] != 0 {
				t.Errorf("www%d dropped %d datagrams: %v", l.number, c.Dropped[r], r)
			}
		}
	}
}

func TestNotesOverRealSockets(t *testing.T) {
	for _, row := range []struct {
		name    string
		groups  int
		unicast bool
	}{
		{"multicast", 1, false},
		{"unicast", 0, true},
		{"all at once", 2, true},
	} {
		t.Run(row.name, func(t *testing.T) {
			var groups []gossip.Destination
			for range row.groups {
				groups = append(groups, group())
				needLoopback(t, groups[len(groups)-1])
			}
			addrs := []netip.AddrPort{freeAddr(t, "127.0.0.1"), freeAddr(t, "127.0.0.1"), freeAddr(t, "127.0.0.1")}
			keys := testRing(t)
			var all []*talker
			for i := range addrs {
				var transports []gossip.Transport
				for _, g := range groups {
					transports = append(transports, open(t, g, loopback))
				}
				if row.unicast {
					transports = append(transports, listenUnicast(t, gossip.UnicastConfig{
						Listen: addrs[i], Peers: peersOf(t, addrs[0].String(), addrs[1].String(), addrs[2].String()),
					}))
				}
				all = append(all, talks(t, byte(i+1), local, keys, transports...))
			}
			converse(t, all...)
			for _, l := range all {
				if twice := l.Counters().Dropped[gossip.DropReplay]; (twice > 0) != (len(groups) > 1) {
					t.Errorf("www%d heard %d datagrams twice", l.number, twice)
				}
			}
		})
	}
}
