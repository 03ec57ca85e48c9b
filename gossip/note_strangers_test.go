package gossip_test

import (
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"backhand/gossip"
	"backhand/gossip/gossiptest"
	"backhand/gossip/node"
	"backhand/gossip/wire"
)

// noteOf returns a well-formed note of node 66, whose beats are those of stranger.
func noteOf(t *testing.T, keys *wire.Keyring, change func(*wire.Note)) []byte {
	t.Helper()
	n := wire.Note{ID: node.ID{0: 0xee}, Boot: 1, Sequence: 1, Payload: []byte("app01 is down")}
	if change != nil {
		change(&n)
	}
	b, err := wire.AppendNote(nil, &n, wire.HashCluster("web"), keys)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func sealedBeatOf(t *testing.T, keys *wire.Keyring) []byte {
	t.Helper()
	n := node.Node{
		ID: node.ID{0: 0xee}, Boot: 1, Sequence: 1, Name: "stranger", Addr: netip.MustParseAddrPort("10.58.4.66:80"),
		State: node.Up, VersionMin: 1, VersionMax: 1, Interval: time.Second, Stats: node.Stats{CPUs: 1},
	}
	parts, err := wire.Append(nil, &n, wire.HashCluster("web"), keys)
	if err != nil {
		t.Fatal(err)
	}
	return parts[0]
}

func TestNotesThatAreNotTaken(t *testing.T) {
	one, two := wire.NewKey(1), wire.NewKey(2)
	enforce, permissive := webRing(t, wire.Enforce, one), webRing(t, wire.Permissive, one)
	forged, other := webRing(t, wire.Enforce, wire.NewKey(1)), webRing(t, wire.Enforce, two)
	good := func(b []byte) []byte { return b }
	inside, outside := address(66), netip.MustParseAddrPort("192.0.2.1:9")
	for name, tc := range map[string]struct {
		keys   *wire.Keyring // of the agent
		beat   *wire.Keyring // of the stranger's beats
		note   *wire.Keyring // of its notes
		change func([]byte) []byte
		from   netip.AddrPort
		reason gossip.Reason
		log    string
	}{
		"from elsewhere":     {nil, nil, nil, good, outside, gossip.DropCIDR, "gossip.accept"},
		"of another cluster": {nil, nil, nil, func(b []byte) []byte { b[8]++; return b }, inside, gossip.DropCluster, "ours="},
		"of another version": {nil, nil, nil, func(b []byte) []byte { b[4] = 9; return b }, inside, gossip.DropVersion, "version=9"},
		"cut short":          {nil, nil, nil, func(b []byte) []byte { return b[:40] }, inside, gossip.DropMalformed, "cut short"},
		"too long":           {nil, nil, nil, func(b []byte) []byte { return append(b, make([]byte, 1200)...) }, inside, gossip.DropSize, "bytes="},
		"of a node that does not exist": {
			nil, nil, nil, func(b []byte) []byte { b[17]++; return b }, inside, gossip.DropStranger, "id=ef",
		},
		"of another start": {
			nil, nil, nil, func(b []byte) []byte { b[40]++; return b }, inside, gossip.DropStranger, "beats are not heard",
		},
		"not sealed, in mode enforce":        {enforce, enforce, nil, good, inside, gossip.DropUnsealed, "not sealed"},
		"not sealed, of a node that seals":   {permissive, permissive, nil, good, inside, gossip.DropUnsealed, "not sealed"},
		"sealed, of a node that does not":    {permissive, nil, permissive, good, inside, gossip.DropStranger, "beats are not heard"},
		"sealed with a key that is not held": {enforce, enforce, other, good, inside, gossip.DropSeal, "key=2"},
		"sealed with another secret":         {enforce, enforce, forged, good, inside, gossip.DropForged, "key=1"},
		"changed on the way": {
			enforce, enforce, enforce, func(b []byte) []byte { b[len(b)-20]++; return b }, inside, gossip.DropForged, "key=1",
		},
		"a beat that was made a note": {
			enforce, enforce, enforce, func([]byte) []byte { b := sealedBeatOf(t, enforce); b[5] |= 2; return b }, inside,
			gossip.DropForged, "key=1",
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				network := gossiptest.NewNetwork(1)
				a := listens(t, 1, tc.keys, network.Transport(address(1)))
				time.Sleep(time.Second)
				network.Inject(inside, sealedBeatOf(t, tc.beat))
				a.mustSee(t, "after its beat", "stranger up")
				b := tc.change(noteOf(t, tc.note, nil))
				for range 100 {
					network.Inject(tc.from, b)
				}
				a.ear.mustHear(t, "after all of them")
				var want [gossip.Reasons]uint64
				want[tc.reason] = 100
				if got := a.Counters().Dropped; got != want {
					t.Errorf("dropped %v, want 100 by reason %v", got, tc.reason)
				}
				lines := a.log.with("reason=" + tc.reason.String())
				if len(lines) != 1 || !strings.Contains(lines[0], tc.log) {
					t.Errorf("logged %q, want one line with %q", lines, tc.log)
				}
			})
		})
	}
}

func TestANoteCanNotBePlayedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		keys := webRing(t, wire.Enforce, wire.NewKey(1))
		network := gossiptest.NewNetwork(1)
		a := listens(t, 1, keys, network.Transport(address(1)))
		synctest.Wait()
		network.Inject(address(66), sealedBeatOf(t, keys))
		b := noteOf(t, keys, nil)
		for range 3 {
			network.Inject(address(66), b)
		}
		a.ear.mustHear(t, "three times", "app01 is down by 0")
		time.Sleep(time.Minute)
		network.Inject(address(66), b)
		network.Inject(address(66), noteOf(t, keys, func(n *wire.Note) { n.Sequence = 2 }))
		a.ear.mustHear(t, "of a node that is silent", "app01 is down by 0")
		if c := a.Counters(); c.Dropped[gossip.DropReplay] != 2 || c.Dropped[gossip.DropStranger] != 2 {
			t.Errorf("%+v", c)
		}
	})
}

func TestAFloodOfNotesIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := gossiptest.NewNetwork(1)
		a, b := listens(t, 1, nil, network.Transport(address(1))), listens(t, 2, nil, network.Transport(address(2)))
		time.Sleep(2 * time.Second)
		for range 900 {
			a.tell(t, "again")
		}
		b.tell(t, "I am still heard")
		synctest.Wait()
		if n := len(b.ear.notes()); n != 500 {
			t.Errorf("%d notes of a second were taken, want 500", n)
		}
		a.ear.mustHear(t, "who floods", "I am still heard by 2")
		if c := b.Counters(); c.Dropped[gossip.DropFlood] != 400 {
			t.Errorf("%+v", c)
		}
		if lines := b.log.with("more notes come of a node"); len(lines) != 1 || !strings.Contains(lines[0], a.id.String()) {
			t.Errorf("logged %q", lines)
		}
		time.Sleep(time.Second)
		a.tell(t, "and now?")
		synctest.Wait()
		if notes := b.ear.notes(); notes[len(notes)-1] != "and now? by 1" {
			t.Errorf("a second later it still hears nothing but %q", notes[len(notes)-1])
		}
	})
}

// What somebody sends in our own name is no note of ours, and our own are no news.
func TestNotesInOurOwnName(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := gossiptest.NewNetwork(1)
		keys := webRing(t, wire.Permissive, wire.NewKey(1))
		a := listens(t, 1, keys, network.Transport(address(1)))
		synctest.Wait()
		a.tell(t, "it is I")
		ours := func(boot uint64) func(*wire.Note) { return func(n *wire.Note) { n.ID, n.Boot = a.id, boot } }
		network.Inject(address(66), noteOf(t, nil, ours(1000)))
		network.Inject(address(66), noteOf(t, keys, ours(1001)))
		a.ear.mustHear(t, "all of them")
		var want [gossip.Reasons]uint64
		want[gossip.DropUnsealed], want[gossip.DropStranger] = 1, 1
		if c := a.Counters(); c.Dropped != want || c.Clones != 0 {
			t.Errorf("%+v", c)
		}
	})
}
