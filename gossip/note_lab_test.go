//go:build linux

package gossip_test

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"backhand/gossip"
	"backhand/gossip/gossiptest/lab"
	"backhand/gossip/node"
	"backhand/gossip/wire"
)

// Three hosts that have a key tell one another by real multicast, and one that has none speaks in between in their name.
func TestNotesBetweenHosts(t *testing.T) {
	const dst = "239.255.221.20:4445,1"
	l := lab.New(t, 4)
	keys := testRing(t)
	accept := []netip.Prefix{netip.MustParsePrefix("10.58.4.0/24"), netip.MustParsePrefix("127.0.0.0/8")}
	var all []*talker
	for n := range byte(3) {
		h := l.Host(int(n) + 1)
		all = append(all, talks(t, n+1, accept, keys, groupAt(t, h, dst, h.Addr)))
	}
	converse(t, all...)

	before := all[1].ear.notes()
	intruder := groupAt(t, l.Host(4), dst, l.Host(4).Addr)
	forger, err := wire.NewKeyring(t.Name(), []wire.Key{wire.NewKey(1)}, wire.Enforce)
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range []*wire.Keyring{nil, forger} {
		b, err := wire.AppendNote(nil, &wire.Note{
			ID: node.ID{0: 0xaa, 15: 1}, Boot: 1, Sequence: 1 << 20, Payload: []byte("all are down"),
		}, wire.HashCluster(t.Name()), k)
		if err != nil {
			t.Fatal(err)
		}
		if err := intruder.Send(b); err != nil {
			t.Fatal(err)
		}
	}
	lab.Eventually(t, 10*time.Second, func() error {
		for _, l := range all {
			if c := l.Counters().Dropped; c[gossip.DropUnsealed] != 1 || c[gossip.DropForged] != 1 {
				return fmt.Errorf("www%d dropped %v, want one that is not sealed and one that is forged", l.number, c)
			}
		}
		return nil
	})
	if err := all[0].Tell([]byte("none is")); err != nil {
		t.Fatal(err)
	}
	lab.Eventually(t, 10*time.Second, func() error {
		if got := all[1].ear.notes(); len(got) != len(before)+1 || got[len(before)] != "none is by 1" {
			return fmt.Errorf("heard %q, want one more than %d", got, len(before))
		}
		return nil
	})
}
