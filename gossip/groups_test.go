package gossip_test

import (
	"context"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"backhand/gossip"
	"backhand/gossip/gossiptest/lab"
	"backhand/gossip/node"
	"backhand/gossip/wire"
)

// speaker is an agent's gossip over real sockets.
type speaker struct {
	*gossip.Gossiper
	id node.ID
}

// speak starts one that announces itself until the test ends.
func speak(t *testing.T, name string, accept []netip.Prefix, transports ...gossip.Transport) *speaker {
	t.Helper()
	s := &speaker{id: node.NewID()}
	var err error
	s.Gossiper, err = gossip.New(gossip.Config{
		Cluster: t.Name(), ID: s.id, Boot: 1, Interval: 100 * time.Millisecond, Accept: accept, Transports: transports,
		Describe: func(time.Time) node.Node {
			return node.Node{
				Name: name, State: node.Up, Addr: netip.MustParseAddrPort("127.0.0.1:80"),
				Services: []node.Service{{Farm: "web", Ready: true}},
			}
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return s
}

// hears waits until the speaker knows exactly these.
func (s *speaker) hears(t *testing.T, want ...*speaker) []*node.Node {
	t.Helper()
	var nodes []*node.Node
	lab.Eventually(t, 10*time.Second, func() error {
		nodes = s.Nodes(time.Now())
		known := map[node.ID]bool{}
		for _, n := range nodes {
			known[n.ID] = true
		}
		for _, w := range want {
			if !known[w.id] {
				return fmt.Errorf("%d nodes are known, not all of %d", len(nodes), len(want))
			}
		}
		if len(nodes) != len(want) {
			return fmt.Errorf("%d nodes are known, want %d", len(nodes), len(want))
		}
		return nil
	})
	return nodes
}

var local = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}

// Two groups at once, and peers besides: whoever hears the same beat by all of them knows one node, and has counted once.
func TestSeveralTransportsAtOnce(t *testing.T) {
	groups := []gossip.Destination{group(), group()}
	for _, g := range groups {
		needLoopback(t, g)
	}
	addrs := []netip.AddrPort{freeAddr(t, "127.0.0.1"), freeAddr(t, "127.0.0.1")}
	peers := peersOf(t, addrs[0].String(), addrs[1].String())
	var all []*speaker
	for i, name := range []string{"www1", "www2"} {
		all = append(all, speak(t, name, local, open(t, groups[0], loopback), open(t, groups[1], loopback),
			listenUnicast(t, gossip.UnicastConfig{Listen: addrs[i], Peers: peers})))
	}
	www3 := speak(t, "www3", local, open(t, groups[1], loopback)) // which is in one of the groups alone
	all[0].hears(t, all[1], www3)
	all[1].hears(t, all[0], www3)
	www3.hears(t, all[0], all[1])

	// Each beat of the one comes three times to the other, and is taken once: the sequence of what is known never goes back,
	// and two of three are replays.
	var last uint64
	lab.Eventually(t, 10*time.Second, func() error {
		for _, n := range all[0].Nodes(time.Now()) {
			if n.ID != all[1].id {
				continue
			}
			if n.Sequence < last {
				t.Fatalf("sequence %d after %d", n.Sequence, last)
			}
			last = n.Sequence
		}
		if last < 20 {
			return fmt.Errorf("%d beats were heard", last)
		}
		return nil
	})
	c := all[0].Counters()
	if replays := c.Dropped[gossip.DropReplay]; replays < 2*(last-2) || replays > 2*(last+2) {
		t.Errorf("%d replays of a node with %d beats by three ways", replays, last)
	}
	for _, r := range []gossip.Reason{gossip.DropCIDR, gossip.DropMagic, gossip.DropMalformed, gossip.DropFull} {
		if c.Dropped[r] != 0 {
			t.Errorf("%d datagrams were dropped: %v", c.Dropped[r], r)
		}
	}
	if c.Clones != 0 || c.SendErrors != 0 {
		t.Errorf("counters %+v", c)
	}
}

// A node that serves much sends several datagrams a beat, of which each comes by both groups.
func TestPartsOverSeveralGroups(t *testing.T) {
	groups := []gossip.Destination{group(), group()}
	for _, g := range groups {
		needLoopback(t, g)
	}
	big := &speaker{id: node.NewID()}
	n := node.Node{Name: "big", State: node.Up, Addr: netip.MustParseAddrPort("127.0.0.1:80")}
	for i := range node.MaxFarms {
		n.Services = append(n.Services, node.Service{Farm: fmt.Sprintf("farm-%026d", i), Ready: true})
	}
	n.ID, n.Boot, n.Sequence, n.Interval, n.VersionMin, n.VersionMax = big.id, 1, 1, time.Second, wire.VersionMin, wire.VersionMax
	parts, err := wire.Append(nil, &n, wire.HashCluster(t.Name()), nil)
	if err != nil || len(parts) < 2 {
		t.Fatalf("%d parts, %v", len(parts), err)
	}
	ear := speak(t, "ear", local, open(t, groups[0], loopback), open(t, groups[1], loopback))
	senders := []gossip.Transport{open(t, groups[0], loopback), open(t, groups[1], loopback)}
	for i := range parts {
		for j, s := range senders {
			if err := s.Send(parts[(i+j)%len(parts)]); err != nil { // by the second group in another order
				t.Fatal(err)
			}
		}
	}
	ear.hears(t, big)
	lab.Eventually(t, 10*time.Second, func() error {
		if got := len(ear.Nodes(time.Now())[0].Services); got != node.MaxFarms {
			return fmt.Errorf("%d farms, want %d", got, node.MaxFarms)
		}
		if got := ear.Counters().Dropped[gossip.DropReplay]; got != uint64(len(parts)) {
			return fmt.Errorf("%d replays of %d datagrams", got, len(parts))
		}
		return nil
	})
}
