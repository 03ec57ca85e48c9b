package gossip

import (
	"net/netip"
	"testing"
	"time"

	"backhand/gossip/wire"
)

// sealed returns the beat as one that came sealed.
func sealed(b *wire.Beat) *wire.Beat {
	b.Node.Key = 1
	return b
}

// Beats are heard a second apart, but for those that say otherwise.
func TestWhoHasNoKeySpeaksForNobody(t *testing.T) {
	type step struct {
		after time.Duration
		beat  *wire.Beat
		want  Result
	}
	const second = time.Second
	for name, tc := range map[string]struct {
		steps []step
		want  string
	}{
		"a node that begins to seal": {
			[]step{{0, beat(1, 1, "a"), Added}, {second, sealed(beat(1, 2, "a")), Updated}}, "1/2 up a@2",
		},
		"in the name of a node that seals": {
			[]step{{0, sealed(beat(1, 1, "a")), Added}, {second, beat(1, 2, "b"), Unsealed}}, "1/1 up a@1",
		},
		"with another boot": {
			[]step{{0, sealed(beat(1, 1, "a")), Added}, {second, beat(9, 1, "b"), Unsealed}}, "1/1 up a@1",
		},
		"a part of the very beat": {
			[]step{{0, sealed(part(1, 1, 1, 2, "a")), Added}, {0, part(1, 1, 2, 2, "b"), Unsealed}}, "1/1 up a@1",
		},
		"that it leaves": {
			[]step{{0, sealed(beat(1, 1, "a")), Added}, {second, in(3, beat(1, 2, "a")), Unsealed}}, "1/1 up a@1",
		},
		"a node that stops sealing is believed once that is no slip": {
			[]step{
				{0, sealed(beat(1, 1, "a")), Added},
				{second, beat(1, 2, "a"), Unsealed},
				{second, beat(1, 3, "a"), Unsealed},
				{second, beat(1, 4, "a"), Unsealed},
				{second, beat(1, 5, "a"), Updated},
			},
			"1/5 up a@5",
		},
		"a node takes back its name": {
			[]step{
				{0, in(3, beat(900, 900, "b")), Added}, // by somebody else
				{second, sealed(beat(1, 1, "a")), Updated},
				{second, sealed(beat(1, 2, "a")), Updated},
				{0, beat(900, 901, "b"), Unsealed},
			},
			"1/2 up a@2",
		},
		"also of its own boot, with which it was said to leave": {
			[]step{{0, in(3, beat(1, 900, "b")), Added}, {second, sealed(beat(1, 1, "a")), Updated}}, "1/1 up a@1",
		},
		"what was sealed before cannot be played again after that": {
			[]step{
				{0, sealed(beat(1, 1, "a")), Added},
				{10 * second, beat(900, 1, "b"), Updated},
				{second, sealed(beat(1, 1, "a")), Replay},
				{second, sealed(beat(1, 2, "a")), Updated},
			},
			"1/2 up a@2",
		},
	} {
		t.Run(name, func(t *testing.T) {
			table, now := NewTable(selfID, selfBoot), start
			for i, s := range tc.steps {
				now = now.Add(s.after)
				if got := table.Observe(s.beat, from, now); got != s.want {
					t.Errorf("step %d: %v, want %v", i+1, got, s.want)
				}
			}
			if got := only(t, table); got != tc.want {
				t.Errorf("the node is %q, want %q", got, tc.want)
			}
		})
	}
}

func TestTheGoneAreNotRaisedByWhoHasNoKey(t *testing.T) {
	table := NewTable(selfID, selfBoot)
	table.Observe(sealed(beat(5, 5, "a")), from, start)
	later := start.Add(Shown)
	if gone := table.Expire(later); len(gone) != 1 {
		t.Fatalf("%d are gone, want 1", len(gone))
	}
	for _, s := range []struct {
		name string
		beat *wire.Beat
		want Result
	}{
		{"the last beat", sealed(beat(5, 5, "a")), Replay},
		{"the last beat, opened", beat(5, 5, "a"), Replay},
		{"somebody without a key", beat(900, 1, "a"), Added},
		{"the last beat, under that cover", sealed(beat(5, 5, "a")), Replay},
		{"the node itself", sealed(beat(6, 1, "a")), Updated},
	} {
		if got := table.Observe(s.beat, from, later); got != s.want {
			t.Errorf("%s: %v, want %v", s.name, got, s.want)
		}
	}
}

func TestOneAddressMakesUpFewNodesWithoutKey(t *testing.T) {
	table := NewTable(selfID, selfBoot)
	other := netip.MustParseAddr("10.58.4.3")
	for i := range uint64(MaxUnsealed) {
		if got := table.Observe(of(id(100+i), beat(1, 1, "a")), from, start); got != Added {
			t.Fatalf("node %d: %v, want Added", i, got)
		}
	}
	for _, s := range []struct {
		name string
		beat *wire.Beat
		from netip.Addr
		want Result
	}{
		{"one more", of(id(1), beat(1, 1, "a")), from, Own},
		{"one more of that address", of(id(9000), beat(1, 1, "a")), from, Full},
		{"one of those", of(id(100), beat(1, 2, "a")), from, Updated},
		{"another address", of(id(9001), beat(1, 1, "a")), other, Added},
		{"with a key", of(id(9002), sealed(beat(1, 1, "a"))), from, Added},
		{"one of those begins to seal", of(id(101), sealed(beat(1, 2, "a"))), from, Updated},
		{"which makes room", of(id(9003), beat(1, 1, "a")), from, Added},
		{"for one", of(id(9004), beat(1, 1, "a")), from, Full},
	} {
		b := s.beat
		if s.want == Own {
			b.Node.Boot = selfBoot
		}
		if got := table.Observe(b, s.from, start); got != s.want {
			t.Errorf("%s: %v, want %v", s.name, got, s.want)
		}
	}
	if table.Expire(start.Add(Shown)); len(table.unsealed) != 0 {
		t.Errorf("nobody is listed, and %v are counted", table.unsealed)
	}
}

func TestStretched(t *testing.T) {
	for _, tc := range []struct {
		name          string
		interval      time.Duration
		nodes, copies int
		want          time.Duration
	}{
		{"a small cluster", time.Second, 100, 0, time.Second},
		{"as many as there may be at that", time.Second, 2000, 0, time.Second},
		{"a large one", time.Second, 10000, 0, 5 * time.Second},
		{"a large one that would be seldom anyway", 10 * time.Second, 10000, 0, 10 * time.Second},
		{"fast beats", 100 * time.Millisecond, 1000, 0, 500 * time.Millisecond},
		{"each node by itself", time.Second, 300, 299, 299 * time.Second / 256},
		{"never more seldom than can be announced", time.Second, 16384, 16383, wire.MaxInterval},
	} {
		if got := stretched(tc.interval, tc.nodes, tc.copies); got != tc.want {
			t.Errorf("%s: %v, want %v", tc.name, got, tc.want)
		}
	}
}
