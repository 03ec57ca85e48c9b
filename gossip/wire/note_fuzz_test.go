package wire

import (
	"bytes"
	"errors"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func FuzzNote(f *testing.F) {
	for _, name := range []string{"note", "note-full", "note-sealed", "one-farm"} {
		for _, b := range readGolden(f, filepath.Join("testdata", name+".hex")) {
			f.Add(b)
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var n Note
		p := NewParser(web)
		if err := p.ParseNote(b, nil, &n); err != nil {
			if reason(err) == nil {
				t.Fatalf("%v is none of the reasons", err)
			}
			return
		}
		if err := NewParser(web).Parse(b, nil, new(Beat)); !IsNote(b) || !errors.Is(err, ErrMalformed) {
			t.Fatalf("a note: %v; and a beat: %v", IsNote(b), err)
		}
		if diff := cmp.Diff(&n, parsedNote(t, mustNote(t, &n, nil), nil)); diff != "" {
			t.Fatalf("-first +again\n%s", diff)
		}
	})
}

// FuzzNoteSealed: whatever comes that is sealed is refused, unless it is a note that was sealed with the key.
func FuzzNoteSealed(f *testing.F) {
	k := mustRing(f, "web", Enforce, keysOf(1, 7)...)
	genuine := map[string]bool{}
	for _, name := range []string{"note-sealed", "note-sealed-full"} {
		for _, b := range readGolden(f, filepath.Join("testdata", name+".hex")) {
			genuine[string(b)] = true
			f.Add(b)
			f.Add(b[:len(b)-1])
			f.Add(append(bytes.Clone(b), 0))
			f.Add(forgedHeader(b, keyAt))
		}
	}
	f.Add(mustNote(f, sampleNote(5), nil))
	f.Add(readGolden(f, filepath.Join("testdata", "sealed.hex"))[0])
	f.Fuzz(func(t *testing.T, b []byte) {
		switch err := NewParser(web).ParseNote(b, k, new(Note)); {
		case err == nil && !genuine[string(b)]:
			t.Fatalf("taken: %x", b)
		case err != nil && genuine[string(b)]:
			t.Fatal(err)
		case err != nil && reason(err) == nil:
			t.Fatalf("%v is none of the reasons", err)
		}
	})
}

// FuzzNoteBody: a body that somebody with the key made up is read as if it were not sealed.
func FuzzNoteBody(f *testing.F) {
	for _, name := range []string{"note", "note-full", "one-farm"} {
		for _, b := range readGolden(f, filepath.Join("testdata", name+".hex")) {
			f.Add(b[headerSize:])
		}
	}
	k := mustRing(f, "web", Permissive, keyOf(1))
	f.Fuzz(func(t *testing.T, body []byte) {
		if len(body) > maxPlain-headerSize {
			return // a plain note may be longer
		}
		header := func(key uint8, nonce int) []byte {
			b := append(appendHeader(make([]byte, 0, len(body)+bufferSize), web, key), make([]byte, nonce)...)
			b[flagsAt] |= noteFlag
			return append(b, body...)
		}
		var plain, sealed Note
		want := NewParser(web).ParseNote(header(0, 0), k, &plain)
		got := NewParser(web).ParseNote(k.seal(header(1, nonceSize)), k, &sealed)
		if (want == nil) != (got == nil) || reason(want) != reason(got) {
			t.Fatalf("sealed: %v, plain: %v", got, want)
		}
		plain.Key = 1
		if diff := cmp.Diff(plain, sealed); want == nil && diff != "" {
			t.Fatalf("-plain +sealed\n%s", diff)
		}
	})
}

func BenchmarkParseNote(b *testing.B) {
	for _, bc := range []struct {
		name string
		keys *Keyring
		size int
	}{
		{"100 bytes", nil, 100},
		{"1024 bytes", nil, MaxNote},
		{"100 bytes, sealed", mustRing(b, "web", Enforce, keyOf(1)), 100},
		{"1024 bytes, sealed", mustRing(b, "web", Enforce, keyOf(1)), MaxNote},
	} {
		b.Run(bc.name, func(b *testing.B) {
			datagram := mustNote(b, sampleNote(bc.size), bc.keys)
			p, n := NewParser(web), Note{}
			b.SetBytes(int64(len(datagram)))
			b.ReportAllocs()
			for b.Loop() {
				if err := p.ParseNote(datagram, bc.keys, &n); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkAppendNoteSealed(b *testing.B) {
	k, n := mustRing(b, "web", Enforce, keyOf(1)), sampleNote(MaxNote)
	var dst []byte
	b.ReportAllocs()
	for b.Loop() {
		var err error
		if dst, err = AppendNote(dst[:0], n, web, k); err != nil {
			b.Fatal(err)
		}
	}
}
