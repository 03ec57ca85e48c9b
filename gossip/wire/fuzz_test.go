package wire

import (
	"bytes"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"backhand/gossip/node"
)

func FuzzParse(f *testing.F) {
	files, err := filepath.Glob(filepath.Join("testdata", "*.hex"))
	if err != nil || len(files) == 0 {
		f.Fatalf("%d golden files, %v", len(files), err)
	}
	for _, file := range files {
		for _, b := range readGolden(f, file) {
			f.Add(b)
		}
	}
	f.Add([]byte{})
	f.Add(appendHeader(nil, web, 0))
	f.Add(append(mustAppend(f, sample("web"))[0], appendLabels(nil, []node.Label{{Key: "b"}, {Key: "a"}})...))
	f.Fuzz(func(t *testing.T, b []byte) {
		var beat Beat
		err := NewParser(web).Parse(b, nil, &beat)
		if err != nil {
			if reason(err) == nil {
				t.Fatalf("%v is none of the reasons", err)
			}
			return
		}
		// It may have come in a datagram too full to be sent by us, and then makes several.
		if diff := cmp.Diff(beat.Node, whole(t, mustAppend(t, &beat.Node)), byValue); diff != "" {
			t.Fatalf("-first +again\n%s", diff)
		}
	})
}

// FuzzParseSealed: whatever comes that is sealed is refused, unless it is a beat that was sealed with the key.
func FuzzParseSealed(f *testing.F) {
	k := mustRing(f, "web", Enforce, keysOf(1, 7)...)
	genuine := map[string]bool{}
	files, err := filepath.Glob(filepath.Join("testdata", "sealed*.hex"))
	if err != nil || len(files) == 0 {
		f.Fatalf("%d golden files, %v", len(files), err)
	}
	for _, file := range files {
		for _, b := range readGolden(f, file) {
			genuine[string(b)] = true
			f.Add(b)
			f.Add(b[:len(b)-1])
			f.Add(append(bytes.Clone(b), 0))
			f.Add(forgedHeader(b, keyAt))
		}
	}
	f.Add(appendHeader(nil, web, 7))
	f.Add(append(appendHeader(nil, web, 7), make([]byte, nonceSize+tagSize)...))
	f.Add(mustAppend(f, sample("web"))[0])
	f.Fuzz(func(t *testing.T, b []byte) {
		switch err := NewParser(web).Parse(b, k, new(Beat)); {
		case err == nil && !genuine[string(b)]:
			t.Fatalf("taken: %x", b)
		case err != nil && genuine[string(b)]:
			t.Fatal(err)
		case err != nil && reason(err) == nil:
			t.Fatalf("%v is none of the reasons", err)
		}
	})
}

// FuzzSealedBody: a body that somebody with the key made up is read as if it were not sealed.
func FuzzSealedBody(f *testing.F) {
	for _, name := range []string{"one-farm", "three-farms", "labels", "keys", "sixty-four", "keys-sixty-four"} {
		for _, b := range readGolden(f, filepath.Join("testdata", name+".hex")) {
			f.Add(b[headerSize:])
		}
	}
	f.Add([]byte{})
	k := mustRing(f, "web", Permissive, keyOf(1))
	f.Fuzz(func(t *testing.T, body []byte) {
		if len(body) > maxPlain-headerSize {
			return // a plain beat may be longer
		}
		var plain, sealed Beat
		want := NewParser(web).Parse(append(appendHeader(nil, web, 0), body...), k, &plain)
		got := NewParser(web).Parse(sealBody(k, body), k, &sealed)
		if (want == nil) != (got == nil) || reason(want) != reason(got) {
			t.Fatalf("sealed: %v, plain: %v", got, want)
		}
		plain.Node.Key = 1
		if diff := cmp.Diff(plain, sealed, byValue); want == nil && diff != "" {
			t.Fatalf("-plain +sealed\n%s", diff)
		}
	})
}
