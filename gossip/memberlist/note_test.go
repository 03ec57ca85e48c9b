package memberlist

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"

	"backhand/gossip"
	gossipnode "backhand/gossip/node"
	"backhand/gossip/wire"
)

// Beats and notes are one to this transport: what one agent tells the others hear once, also those that it does not know by
// its file.
func TestNotes(t *testing.T) {
	net := newNetwork(t)
	keys := ring(t, wire.Enforce, key(1, 7))
	type agent struct {
		*gossip.Gossiper
		mu    sync.Mutex
		heard []string
	}
	notes := func(a *agent) []string {
		a.mu.Lock()
		defer a.mu.Unlock()
		return slices.Sorted(slices.Values(a.heard))
	}
	var all []*agent
	for host := 1; host <= 3; host++ {
		cfg := net.config(host, net.seed(1)...)
		cfg.Keys = keys
		tr, err := Open(cfg)
		if err != nil {
			t.Fatal(err)
		}
		a := &agent{}
		a.Gossiper, err = gossip.New(gossip.Config{
			Cluster: cfg.Cluster, ID: gossipnode.ID{byte(host)}, Boot: 1, Keys: keys, Accept: cfg.Accept, Transports: []gossip.Transport{tr},
			Describe: func(time.Time) gossipnode.Node {
				return gossipnode.Node{Name: fmt.Sprintf("www%d", host), State: gossipnode.Up, Addr: netip.AddrPortFrom(net.addr(host), 80)}
			},
			Told: func(from gossipnode.ID, payload []byte, _ time.Time) error {
				a.mu.Lock()
				defer a.mu.Unlock()
				a.heard = append(a.heard, fmt.Sprintf("%s by %d", payload, from[0]))
				return nil
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan error, 1)
		go func() { done <- a.Run(ctx) }()
		t.Cleanup(func() {
			cancel()
			if err := <-done; err != nil {
				t.Error(err)
			}
		})
		all = append(all, a)
	}
	for _, a := range all {
		eventually(t, "they know one another", func() bool { return len(a.Nodes(time.Now())) == 2 })
	}
	for i, a := range all {
		if err := a.Tell(fmt.Appendf(nil, "it is %d", i+1)); err != nil {
			t.Fatal(err)
		}
	}
	for i, a := range all {
		var want []string
		for j := range all {
			if j != i {
				want = append(want, fmt.Sprintf("it is %d by %d", j+1, j+1))
			}
		}
		eventually(t, fmt.Sprintf("%d hears %q", i+1, want), func() bool { return slices.Equal(notes(a), want) })
		if c := a.Counters(); c.Dropped != [gossip.Reasons]uint64{} || c.SendErrors != 0 {
			t.Errorf("agent %d counted %+v", i+1, c)
		}
	}
}
