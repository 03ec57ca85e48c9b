package gossip

import (
	"bytes"
	"errors"
	"net/netip"
	"testing"
	"time"

	"pgregory.net/rapid"

	"backhand/gossip/node"
	"backhand/gossip/wire"
)

// note returns one of node 2.
func note(boot, sequence uint64) *wire.Note {
	return &wire.Note{ID: id(2), Boot: boot, Sequence: sequence, Payload: []byte("x")}
}

// proved returns the note as one that came sealed.
func proved(n *wire.Note) *wire.Note {
	n.Key = 1
	return n
}

// Notes and beats are heard a second apart, but for those that say otherwise.
func TestWhoseNotesAreTaken(t *testing.T) {
	const second = time.Second
	type step struct {
		after time.Duration
		beat  *wire.Beat // or
		note  *wire.Note
		want  Result
	}
	listed := func(s ...step) []step { return append([]step{{0, beat(1, 1, "a"), nil, Added}}, s...) }
	sealing := func(s ...step) []step { return append([]step{{0, sealed(beat(1, 1, "a")), nil, Added}}, s...) }
	for name, steps := range map[string][]step{
		"of a node whose beats are heard": listed(step{second, nil, note(1, 1), Updated}),
		"of one that was never heard":     {{0, nil, note(1, 1), Stranger}},
		"of one that is silent":           listed(step{6 * second, nil, note(1, 1), Updated}, step{second, nil, note(1, 2), Stranger}),
		"of one that is heard again": listed(
			step{time.Minute, nil, note(1, 1), Stranger}, step{0, beat(1, 2), nil, Updated}, step{0, nil, note(1, 1), Updated},
		),
		"of one that leaves": listed(step{second, in(3, beat(1, 2)), nil, Updated}, step{0, nil, note(1, 1), Updated}),
		"the same twice":     listed(step{0, nil, note(1, 1), Updated}, step{0, nil, note(1, 1), Replay}),
		"in another order": listed(
			step{0, nil, note(1, 3), Updated}, step{0, nil, note(1, 1), Updated}, step{0, nil, note(1, 2), Updated},
			step{0, nil, note(1, 2), Replay}, step{0, nil, note(1, 1), Replay},
		),
		"far behind the newest": listed(
			step{0, nil, note(1, 100), Updated}, step{0, nil, note(1, 36), Replay}, step{0, nil, note(1, 37), Updated},
		),
		"after a new start": listed(
			step{0, nil, note(1, 9), Updated}, step{second, beat(2, 1), nil, Updated}, step{0, nil, note(2, 1), Updated},
			step{0, nil, note(1, 10), Replay}, step{0, nil, note(2, 1), Replay},
		),
		"of a start that is over": listed(
			step{0, nil, note(1, 1), Updated}, step{second, beat(2, 1), nil, Updated}, step{0, nil, note(1, 2), Replay},
		),
		"of both, where somebody without a key has made up a start": {
			{0, sealed(beat(5, 1)), nil, Added},
			{5 * second, beat(900, 1), nil, Updated},
			{0, nil, note(900, 1), Updated},
			{0, nil, proved(note(5, 200)), Updated},
			{0, nil, note(900, 2), Updated},
		},
		"of a start whose beats have not come yet": listed(step{0, nil, note(2, 1), Stranger}),
		"our own":                 {{0, nil, &wire.Note{ID: selfID, Boot: selfBoot, Sequence: 1}, Own}},
		"of an agent with our id": {{0, nil, &wire.Note{ID: selfID, Boot: selfBoot + 1, Sequence: 1}, Clone}},

		"without a key, of a node that seals":           sealing(step{0, nil, note(1, 1), Unsealed}, step{0, nil, proved(note(1, 1)), Updated}),
		"without a key, of one that sealed a while ago": sealing(step{5 * second, nil, note(1, 1), Unsealed}),
		"of one that has stopped to seal": sealing(
			step{0, nil, proved(note(1, 7)), Updated}, step{5 * second, beat(1, 2), nil, Updated}, step{0, nil, note(1, 7), Replay},
			step{0, nil, note(1, 8), Updated},
		),
		"with a key, of one whose beats are not sealed": listed(step{0, nil, proved(note(1, 1)), Stranger}),
		"of one whose name was taken by somebody without a key": {
			{0, sealed(beat(5, 1)), nil, Added},
			{second, nil, proved(note(5, 1)), Updated},
			{5 * second, beat(900, 900), nil, Updated},
			{0, nil, note(900, 1<<40), Updated},
			{0, nil, proved(note(5, 1)), Replay},
			{0, nil, proved(note(5, 2)), Updated},
			{0, sealed(beat(5, 2)), nil, Updated},
			{0, nil, proved(note(5, 3)), Updated},
			{0, nil, note(900, 1<<40+1), Unsealed},
		},
	} {
		t.Run(name, func(t *testing.T) {
			table, now := NewTable(selfID, selfBoot), start
			for i, s := range steps {
				now = now.Add(s.after)
				var got Result
				if s.beat != nil {
					got = table.Observe(s.beat, from, now)
				} else {
					got = table.ObserveNote(s.note, now)
				}
				if got != s.want {
					t.Errorf("step %d: %v, want %v", i+1, got, s.want)
				}
			}
		})
	}
}

func TestNotesAreRememberedOfNodesThatAreGone(t *testing.T) {
	table := NewTable(selfID, selfBoot)
	table.Observe(sealed(beat(5, 5)), from, start)
	if got := table.ObserveNote(proved(note(5, 9)), start); got != Updated {
		t.Fatalf("the note: %v", got)
	}
	later := start.Add(Shown)
	if gone := table.Expire(later); len(gone) != 1 {
		t.Fatalf("%d are gone, want 1", len(gone))
	}
	if got := table.ObserveNote(proved(note(5, 10)), later); got != Stranger {
		t.Errorf("of a node that is gone: %v", got)
	}
	table.Observe(sealed(beat(5, 6)), from, later)
	for sequence, want := range map[uint64]Result{9: Replay, 10: Updated} {
		if got := table.ObserveNote(proved(note(5, sequence)), later); got != want {
			t.Errorf("note %d after it came back: %v, want %v", sequence, got, want)
		}
	}
}

func TestANoteDoesNotMakeANodeHeard(t *testing.T) {
	table := NewTable(selfID, selfBoot)
	table.Observe(beat(1, 1), from, start)
	before := table.AppendNodes(nil)[0]
	for i := range uint64(5) {
		table.ObserveNote(note(1, i+1), start.Add(time.Second))
	}
	if n := table.AppendNodes(nil)[0]; n != before || !n.Heard.Equal(start) {
		t.Errorf("it was heard at %v, want %v", n.Heard, start)
	}
}

func TestNotesOfOneNodeAreLimited(t *testing.T) {
	table := NewTable(selfID, selfBoot)
	table.Observe(beat(1, 1), from, start)
	other := beat(1, 1)
	other.Node.ID = id(3)
	table.Observe(other, from, start)
	sequence := uint64(0)
	flood := func(at time.Time, notes int) (taken, dropped int) {
		for range notes {
			sequence++
			switch got := table.ObserveNote(note(1, sequence), at); got {
			case Updated:
				taken++
			case Flood:
				dropped++
			default:
				t.Fatalf("note %d: %v", sequence, got)
			}
		}
		return taken, dropped
	}
	if taken, dropped := flood(start, 700); taken != maxNotes || dropped != 700-maxNotes {
		t.Errorf("%d taken, %d dropped", taken, dropped)
	}
	replayed := note(1, sequence-maxNotes) // one of those that were taken
	for range 1000 {
		table.ObserveNote(replayed, start.Add(999*time.Millisecond))
	}
	if taken, _ := flood(start.Add(999*time.Millisecond), 10); taken != 0 {
		t.Errorf("%d taken in the same second", taken)
	}
	fromOther := note(1, 1)
	fromOther.ID = id(3)
	if got := table.ObserveNote(fromOther, start); got != Updated {
		t.Errorf("of another node: %v", got)
	}
	if taken, dropped := flood(start.Add(time.Second), 10); taken != 10 || dropped != 0 {
		t.Errorf("%d taken, %d dropped in the next second", taken, dropped)
	}
	if taken, _ := flood(start.Add(-time.Hour), 10); taken != 10 {
		t.Errorf("%d taken after the clock was set back", taken)
	}
}

// Whatever comes in whatever order: no note is taken twice, and none is refused that is not far behind.
func TestEachNoteIsTakenOnce(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		var h heardNotes
		type key struct{ boot, sequence uint64 }
		taken := map[key]bool{}
		var newest key
		for range rapid.IntRange(1, 300).Draw(rt, "notes") {
			k := key{rapid.Uint64Range(1, 3).Draw(rt, "boot"), rapid.Uint64Range(1, 200).Draw(rt, "sequence")}
			n := note(k.boot, k.sequence)
			want := k.boot > newest.boot || k.boot == newest.boot && k.sequence+noteWindow > newest.sequence && !taken[k]
			if got := h.fresh(n); got != want {
				rt.Fatalf("%v after %v: %v, want %v", k, newest, got, want)
			}
			if !want {
				continue
			}
			h.hear(n)
			taken[k] = true
			if k.boot > newest.boot || k.sequence > newest.sequence {
				newest = k
			}
		}
	})
}

// sealedNotes returns what a node sends: so many notes, which say so many bytes.
func sealedNotes(t testing.TB, keys *wire.Keyring, notes, size int) (list [][]byte) {
	for i := range notes {
		n := wire.Note{ID: id(1000), Boot: 1, Sequence: uint64(i + 1), Payload: bytes.Repeat([]byte("n"), size)}
		b, err := wire.AppendNote(nil, &n, wire.HashCluster("web"), keys)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, b)
	}
	return list
}

// hearingNotes returns a receiver to which that node is known, and does not fall silent.
func hearingNotes(t testing.TB, told func([]byte) error) (r *receiver, keys *wire.Keyring) {
	keys, beats := sealedBeats(t, 1, 1)
	g := receiving(t, keys)
	g.cfg.Told = func(_ node.ID, payload []byte, _ time.Time) error { return told(payload) }
	r = &receiver{g: g, parser: wire.NewParser(g.cluster)}
	r.take(beats[0], from)
	g.table.nodes[id(1000)].heard = time.Now().Add(time.Hour)
	return r, keys
}

func TestReceivingANoteAllocatesNothing(t *testing.T) {
	heard := 0
	r, keys := hearingNotes(t, func(b []byte) error { heard += len(b); return nil })
	notes, next := sealedNotes(t, keys, 200, MaxNote), 0
	take := func() { r.take(notes[next], from); next++ }
	take()
	if n := testing.AllocsPerRun(100, take); n != 0 {
		t.Errorf("%v allocations for a note, want none", n)
	}
	if dropped := r.g.Counters().Dropped; dropped != [Reasons]uint64{} || heard != next*MaxNote {
		t.Errorf("%v were dropped, %d bytes heard of %d notes", dropped, heard, next)
	}
	if n := testing.AllocsPerRun(100, func() { r.take(notes[0], from) }); n != 0 {
		t.Errorf("%v allocations for one that came twice, want none", n)
	}
}

func TestANoteThatIsNoGoodIsCounted(t *testing.T) {
	r, keys := hearingNotes(t, func([]byte) error { return errors.New("not a word of it") })
	for _, b := range sealedNotes(t, keys, 3, 10) {
		r.take(b, from)
	}
	if got := r.g.Counters().Dropped[DropMalformed]; got != 3 {
		t.Errorf("%d are malformed, want 3", got)
	}
}

// A sealed note, from the datagram to who is told.
func BenchmarkReceiveSealedNote(b *testing.B) {
	for _, bc := range []struct {
		name string
		size int
	}{{"100 bytes", 100}, {"1024 bytes", MaxNote}} {
		b.Run(bc.name, func(b *testing.B) {
			r, keys := hearingNotes(b, func([]byte) error { return nil })
			notes := sealedNotes(b, keys, 1000, bc.size)
			told := &told{}
			r.g.table.nodes[id(1000)].told = told
			b.SetBytes(int64(len(notes[0])))
			b.ReportAllocs()
			for n := 0; b.Loop(); n++ {
				if n%len(notes) == 0 {
					told.any, told.sealed = heardNotes{}, heardNotes{}
				}
				told.taken = 0
				r.take(notes[n%len(notes)], from)
			}
			if dropped := r.g.Counters().Dropped; dropped != [Reasons]uint64{} {
				b.Errorf("%v were dropped", dropped)
			}
		})
	}
}

// BenchmarkDropNote is what a note costs that is not taken.
func BenchmarkDropNote(b *testing.B) {
	r, keys := hearingNotes(b, func([]byte) error { return nil })
	other, err := wire.NewKeyring("web", []wire.Key{wire.NewKey(1)}, wire.Enforce)
	if err != nil {
		b.Fatal(err)
	}
	twice := sealedNotes(b, keys, 1, 100)[0]
	r.take(twice, from)
	for _, bc := range []struct {
		name string
		b    []byte
		from netip.Addr
	}{
		{"from elsewhere", twice, netip.MustParseAddr("192.0.2.1")},
		{"unsealed", sealedNotes(b, nil, 1, 100)[0], from},
		{"forged", sealedNotes(b, other, 1, 100)[0], from},
		{"that came twice", twice, from},
	} {
		b.Run(bc.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				r.take(bc.b, bc.from)
			}
		})
	}
}
