package wire

import (
	"bytes"
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"backhand/gossip/node"
)

// sampleNote returns a note that says so many bytes.
func sampleNote(size int) *Note {
	payload := make([]byte, size)
	for i := range payload {
		payload[i] = byte(i)
	}
	return &Note{ID: node.ID{0xa1, 0xb2, 15: 0xff}, Boot: 1_790_000_000_000, Sequence: 42, Payload: payload}
}

func mustNote(t testing.TB, n *Note, keys *Keyring) []byte {
	t.Helper()
	b, err := AppendNote(nil, n, web, keys)
	if err != nil {
		t.Fatal(err)
	}
	if len(b) > MaxDatagram || !IsNote(b) {
		t.Fatalf("%d bytes, a note: %v", len(b), IsNote(b))
	}
	return b
}

func parsedNote(t testing.TB, b []byte, keys *Keyring) *Note {
	t.Helper()
	var n Note
	if err := NewParser(web).ParseNote(b, keys, &n); err != nil {
		t.Fatal(err)
	}
	n.Payload = bytes.Clone(n.Payload)
	return &n
}

func TestGoldenNote(t *testing.T) {
	enforce := func() *Keyring { return counted(mustRing(t, "web", Enforce, keysOf(1, 7)...)) }
	for name, tc := range map[string]struct {
		note *Note
		keys *Keyring
	}{
		"note":             {sampleNote(5), nil},
		"note-full":        {sampleNote(MaxNote), nil},
		"note-sealed":      {sampleNote(5), enforce()},
		"note-sealed-full": {sampleNote(MaxNote), enforce()},
	} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join("testdata", name+".hex")
			b := mustNote(t, tc.note, tc.keys)
			if *update {
				writeGolden(t, file, [][]byte{b})
			}
			want := readGolden(t, file)
			if len(want) != 1 || !bytes.Equal(want[0], b) {
				t.Errorf("the bytes of version 1 changed (see -update; say why in the commit): %x, want %x", b, want)
			}
			sent := *tc.note
			sent.Key = tc.keys.Sealing()
			if diff := cmp.Diff(&sent, parsedNote(t, want[0], tc.keys)); diff != "" {
				t.Errorf("read back: -sent +got\n%s", diff)
			}
		})
	}
}

// Places in the body of a note.
const (
	noteAt         = headerSize
	noteIDAt       = noteAt + 1
	noteBootAt     = noteIDAt + 16
	noteSequenceAt = noteBootAt + 8
	noteLengthAt   = noteSequenceAt + 8
)

// TestNoteAsDocumented takes one apart by hand, as the package doc says how.
func TestNoteAsDocumented(t *testing.T) {
	n := sampleNote(300)
	b := mustNote(t, n, nil)
	want := append([]byte("BKHD\x01\x02\x00\x10"), web[:]...)
	want = append(append(want, 0), n.ID[:]...)
	want = append(want, 0, 0, 0x01, 0xa0, 0xc4, 0x50, 0x6c, 0x00) // 1790000000000
	want = append(want, 0, 0, 0, 0, 0, 0, 0, 42, 0x01, 0x2c)
	if want = append(want, n.Payload...); !bytes.Equal(b, want) {
		t.Errorf("%x, want %x", b, want)
	}
	sealed := mustNote(t, n, mustRing(t, "web", Enforce, keyOf(200)))
	if want := append([]byte("BKHD\x01\x03\xc8\x10"), web[:]...); !bytes.Equal(sealed[:headerSize], want) {
		t.Errorf("header %x, want %x", sealed[:headerSize], want)
	}
	if len(sealed) != len(b)+nonceSize+tagSize || bytes.Contains(sealed, n.Payload[:16]) {
		t.Errorf("%d bytes, %d if not sealed", len(sealed), len(b))
	}
}

// The header is proved with the rest, and the body of the one is malformed as the other.
func TestANoteIsNoBeatAndABeatIsNoNote(t *testing.T) {
	k := mustRing(t, "web", Permissive, keyOf(1))
	turned := func(b []byte) []byte {
		b = bytes.Clone(b)
		b[flagsAt] ^= noteFlag
		return b
	}
	plain, sealed := mustNote(t, sampleNote(400), nil), mustNote(t, sampleNote(400), k)
	beat, sealedBeat := mustAppend(t, sample("web"))[0], mustSeal(t, sample("web"), k)[0]
	for name, tc := range map[string]struct {
		beat []byte
		note []byte
		want error
	}{
		"as it is":                           {plain, beat, ErrMalformed},
		"sealed, as it is":                   {sealed, sealedBeat, ErrMalformed},
		"with the flag of the other":         {turned(plain), turned(beat), ErrMalformed},
		"the other, with its flag":           {turned(beat), turned(plain), ErrMalformed},
		"sealed, with the flag of the other": {turned(sealed), turned(sealedBeat), ErrForged},
	} {
		t.Run(name, func(t *testing.T) {
			p := NewParser(web)
			if err := p.Parse(tc.beat, k, new(Beat)); !errors.Is(err, tc.want) {
				t.Errorf("a note as a beat: %v, want %v", err, tc.want)
			}
			if err := p.ParseNote(tc.note, k, new(Note)); !errors.Is(err, tc.want) {
				t.Errorf("a beat as a note: %v, want %v", err, tc.want)
			}
		})
	}
	if IsNote(beat) || IsNote(sealedBeat) || !IsNote(plain) || !IsNote(sealed) || IsNote(plain[:5]) || IsNote(nil) {
		t.Error("IsNote tells them apart wrongly")
	}
}

func TestParseNoteRefuses(t *testing.T) {
	set := func(at int, bytes ...byte) func([]byte) []byte {
		return func(b []byte) []byte {
			copy(b[at:], bytes)
			return b
		}
	}
	cut := func(n int) func([]byte) []byte {
		return func(b []byte) []byte { return append(b, make([]byte, 2000)...)[:n] }
	}
	for name, tc := range map[string]struct {
		change func([]byte) []byte
		want   error
	}{
		"as it should be":         {func(b []byte) []byte { return b }, nil},
		"something behind it":     {func(b []byte) []byte { return append(b, 1, 2, 3) }, nil},
		"unknown flags":           {set(flagsAt, 0xfe), nil},
		"no bytes":                {cut(0), ErrSize},
		"15 bytes":                {cut(15), ErrSize},
		"1201 bytes":              {cut(1201), ErrSize},
		"other magic":             {set(0, 'X'), ErrMagic},
		"version 2":               {set(versionAt, 2), ErrVersion},
		"other cluster":           {set(clusterAt, 0), ErrCluster},
		"sealed":                  {set(flagsAt, sealedFlag|noteFlag, 7), ErrSeal},
		"header longer than note": {set(lengthAt, 255), ErrMalformed},
		"header only":             {cut(headerSize), ErrMalformed},
		"begins like a beat":      {set(noteAt, 1), ErrMalformed},
		"id of zeros":             {set(noteIDAt, make([]byte, 16)...), ErrMalformed},
		"boot that ends all":      {set(noteBootAt, 0, 1), ErrMalformed},
		"sequence that ends all":  {set(noteSequenceAt, 0, 1), ErrMalformed},
		"sequence 0":              {set(noteSequenceAt, make([]byte, 8)...), ErrMalformed},
		"says nothing":            {set(noteLengthAt, 0, 0), ErrMalformed},
		"says more than there is": {set(noteLengthAt, 0, 101), ErrMalformed},
		"says 1025 bytes": {func(b []byte) []byte {
			return append(set(noteLengthAt, 4, 1)(b), make([]byte, 925)...)
		}, ErrMalformed},
	} {
		t.Run(name, func(t *testing.T) {
			b := tc.change(mustNote(t, sampleNote(100), nil))
			if err := NewParser(web).ParseNote(b, nil, new(Note)); !errors.Is(err, tc.want) {
				t.Errorf("%v, want %v", err, tc.want)
			}
		})
	}
	b := mustNote(t, sampleNote(100), nil)
	for n := range b {
		want := ErrMalformed
		if n < headerSize {
			want = ErrSize
		}
		if err := NewParser(web).ParseNote(b[:n], nil, new(Note)); !errors.Is(err, want) {
			t.Fatalf("%d of %d bytes: %v, want %v", n, len(b), err, want)
		}
	}
}

func TestNoBitOfASealedNoteCanBeChanged(t *testing.T) {
	k := mustRing(t, "web", Enforce, keyOf(1))
	b := mustNote(t, sampleNote(20), k)
	for i := range 8 * len(b) {
		changed := bytes.Clone(b)
		changed[i/8] ^= 1 << (i % 8)
		err := NewParser(web).ParseNote(changed, k, new(Note))
		if err == nil || reason(err) == nil {
			t.Fatalf("byte %d, bit %d: %v", i/8, i%8, err)
		}
		if i/8 >= headerSize && !errors.Is(err, ErrForged) {
			t.Fatalf("byte %d, bit %d: %v, want %v", i/8, i%8, err, ErrForged)
		}
	}
}

func TestWhoReadsWhatNotes(t *testing.T) {
	ring := func(mode Mode, keys ...Key) *Keyring { return mustRing(t, "web", mode, keys...) }
	other := keyOf(99)
	other.ID = 1
	for name, tc := range map[string]struct {
		sender, reader *Keyring
		key            uint8
		want           error
	}{
		"without keys":                                 {nil, nil, 0, nil},
		"who has no keys reads no sealed note":         {ring(Enforce, keyOf(1)), nil, 0, ErrSeal},
		"who has the key does":                         {ring(Permissive, keyOf(1)), ring(ReceiveOnly, keyOf(1)), 1, nil},
		"mode permissive takes any":                    {ring(ReceiveOnly, keyOf(1)), ring(Permissive, keyOf(1)), 0, nil},
		"mode enforce takes only what is sealed":       {ring(ReceiveOnly, keyOf(1)), ring(Enforce, keyOf(1)), 0, ErrUnsealed},
		"another secret of the same number":            {ring(Enforce, other), ring(Enforce, keyOf(1)), 0, ErrForged},
		"a key that is held beside the one that seals": {ring(Enforce, keyOf(1)), ring(Enforce, keysOf(1, 2)...), 1, nil},
	} {
		t.Run(name, func(t *testing.T) {
			var n Note
			err := NewParser(web).ParseNote(mustNote(t, sampleNote(9), tc.sender), tc.reader, &n)
			if !errors.Is(err, tc.want) || err == nil && n.Key != tc.key {
				t.Errorf("%v by key %d, want %v by %d", err, n.Key, tc.want, tc.key)
			}
		})
	}
}

func TestAppendNoteRefuses(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(*Note)
		want   string
	}{
		"no id":                  {func(n *Note) { n.ID = node.ID{} }, "node id"},
		"nothing to say":         {func(n *Note) { n.Payload = nil }, "0 bytes"},
		"1025 bytes":             {func(n *Note) { n.Payload = make([]byte, MaxNote+1) }, "1025 bytes"},
		"boot that ends all":     {func(n *Note) { n.Boot = MaxCounter }, "out of bounds"},
		"sequence that ends all": {func(n *Note) { n.Sequence = MaxCounter }, "out of bounds"},
		"sequence 0":             {func(n *Note) { n.Sequence = 0 }, "out of bounds"},
	} {
		t.Run(name, func(t *testing.T) {
			n := sampleNote(10)
			tc.change(n)
			b, err := AppendNote([]byte("before"), n, web, nil)
			if err == nil || !strings.Contains(err.Error(), tc.want) || string(b) != "before" {
				t.Errorf("%q, %v; want an error about %q", b, err, tc.want)
			}
		})
	}
	k := mustRing(t, "another", Enforce, keyOf(1))
	if _, err := AppendNote(nil, sampleNote(10), web, k); err == nil || !strings.Contains(err.Error(), `"another"`) {
		t.Errorf("the keys of another cluster: %v", err)
	}
}

func TestNoteRoundTrip(t *testing.T) {
	rings := []*Keyring{nil, mustRing(t, "web", Enforce, keyOf(3))}
	rapid.Check(t, func(rt *rapid.T) {
		k := rapid.SampledFrom(rings).Draw(rt, "keys")
		n := &Note{
			ID: node.ID(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(rt, "id")), Boot: rapid.Uint64Max(MaxCounter-1).Draw(rt, "boot"),
			Sequence: rapid.Uint64Range(1, MaxCounter-1).Draw(rt, "sequence"),
			Payload:  rapid.SliceOfN(rapid.Byte(), 1, MaxNote).Draw(rt, "payload"),
		}
		n.ID[0] |= 1
		before := rapid.SliceOfN(rapid.Byte(), 0, 20).Draw(rt, "before")
		b, err := AppendNote(bytes.Clone(before), n, web, k)
		if err != nil || !bytes.HasPrefix(b, before) {
			rt.Fatalf("%v, %x in front, want %x", err, b[:len(before)], before)
		}
		n.Key = k.Sealing()
		if diff := cmp.Diff(n, parsedNote(t, b[len(before):], k)); diff != "" {
			rt.Fatalf("-sent +got\n%s", diff)
		}
	})
}

func TestNotesAllocateNothing(t *testing.T) {
	for _, k := range []*Keyring{nil, mustRing(t, "web", Enforce, keyOf(1))} {
		n, p, note := sampleNote(MaxNote), NewParser(web), Note{}
		b := mustNote(t, n, k)
		if got := testing.AllocsPerRun(100, func() {
			var err error
			if b, err = AppendNote(b[:0], n, web, k); err != nil {
				t.Fatal(err)
			}
			if err = p.ParseNote(b, k, &note); err != nil {
				t.Fatal(err)
			}
		}); got != 0 {
			t.Errorf("%v allocations for a note that is written and read (keys: %v)", got, k)
		}
	}
}
