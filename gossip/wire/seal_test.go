package wire

import (
	"bytes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/crypto/chacha20poly1305"
	"pgregory.net/rapid"

	"backhand/gossip/node"
)

// counted makes the nonces of a keyring 1, 2, 3...: only for bytes that shall be the same each time.
func counted(k *Keyring) *Keyring {
	next := byte(0)
	k.nonce = func(b []byte) {
		next++
		clear(b)
		b[len(b)-1] = next
	}
	return k
}

func TestGoldenSealed(t *testing.T) {
	for name, n := range map[string]*node.Node{
		"sealed":            sample("web"),
		"sealed-pure-front": holding(sample(), marksOf(1, 7)),
		"sealed-sixty-four": holding(labelled(fullHouse(), mostLabels()...), mostMarks()),
	} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join("testdata", name+".hex")
			parts := mustSeal(t, n, counted(mustRing(t, "web", Enforce, keysOf(1, 7)...)))
			if *update {
				writeGolden(t, file, parts)
			}
			want := readGolden(t, file)
			if diff := cmp.Diff(want, parts); diff != "" {
				t.Errorf("the bytes of version 1 changed (see -update; say why in the commit):\n%s", diff)
			}
			sent := *n
			sent.Key = 7
			if diff := cmp.Diff(sent, wholeOf(t, want, mustRing(t, "web", Enforce, keyOf(7))), byValue); diff != "" {
				t.Errorf("read back: -sent +got\n%s", diff)
			}
		})
	}
}

// TestSealedAsDocumented opens a beat by hand, as the package doc says how.
func TestSealedAsDocumented(t *testing.T) {
	plain := mustAppend(t, sample("web"))[0]
	sealed := mustSeal(t, sample("web"), mustRing(t, "web", Enforce, keyOf(200)))[0]
	header, nonce, body := sealed[:16], sealed[16:40], sealed[40:]
	sum := sha256.Sum256([]byte("web"))
	if want := append([]byte("BKHD\x01\x01\xc8\x10"), sum[:8]...); !bytes.Equal(header, want) {
		t.Errorf("header %x, want %x", header, want)
	}
	secret := keyOf(200).Secret
	key, err := hkdf.Key(sha256.New, secret[:], []byte("web"), "backhand v1 beat", 32)
	if err != nil {
		t.Fatal(err)
	}
	aead, err := chacha20poly1305.NewX(key)
	if err != nil {
		t.Fatal(err)
	}
	opened, err := aead.Open(nil, nonce, body, append(bytes.Clone(header), "web"...))
	if err != nil || !bytes.Equal(opened, plain[16:]) {
		t.Errorf("%v; body %x, want %x", err, opened, plain[16:])
	}
	if len(sealed) != len(plain)+nonceSize+tagSize {
		t.Errorf("%d bytes, %d if not sealed", len(sealed), len(plain))
	}
}

func TestEachPartHasANonceOfItsOwn(t *testing.T) {
	k := mustRing(t, "web", Enforce, keyOf(1))
	seen := map[string]bool{}
	var parts [][]byte
	for range 20 {
		var err error
		if parts, err = Append(parts[:0], fullHouse(), web, k); err != nil {
			t.Fatal(err)
		}
		for _, b := range parts {
			nonce := string(b[headerSize:][:nonceSize])
			if seen[nonce] {
				t.Fatalf("nonce %x comes twice", nonce)
			}
			seen[nonce] = true
		}
	}
}

func TestSealingChangesNoLimit(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		n := drawNode(rt)
		k := mustRing(t, "web", Enforce, keyOf(3))
		plain, sealed := mustAppend(t, n), mustSeal(t, n, k)
		if len(plain) != len(sealed) {
			rt.Fatalf("%d parts sealed, %d not", len(sealed), len(plain))
		}
		want := whole(t, plain)
		want.Key = 3
		if diff := cmp.Diff(want, wholeOf(t, sealed, k), byValue); diff != "" {
			rt.Fatalf("-plain +sealed\n%s", diff)
		}
	})
}

func TestWhoReadsWhat(t *testing.T) {
	ring := func(mode Mode, keys ...Key) *Keyring { return mustRing(t, "web", mode, keys...) }
	other := keyOf(99)
	other.ID = 1
	sealedBy1, sealedBy2 := ring(Enforce, keyOf(1)), ring(Enforce, keyOf(2))
	for name, tc := range map[string]struct {
		sender, reader *Keyring
		key            uint8 // that the beat is said to be sealed with
		want           error
	}{
		"without keys all is as ever":                             {nil, nil, 0, nil},
		"who has no keys reads no sealed beat":                    {sealedBy1, nil, 0, ErrSeal},
		"who has the key reads a sealed beat":                     {sealedBy1, ring(Enforce, keyOf(1)), 1, nil},
		"in mode permissive, too":                                 {sealedBy1, ring(Permissive, keyOf(1)), 1, nil},
		"in mode receive-only, too":                               {sealedBy1, ring(ReceiveOnly, keyOf(1)), 1, nil},
		"mode receive-only takes beats that are not sealed":       {nil, ring(ReceiveOnly, keyOf(1)), 0, nil},
		"mode permissive takes them, too":                         {nil, ring(Permissive, keyOf(1)), 0, nil},
		"mode enforce does not":                                   {nil, ring(Enforce, keyOf(1)), 0, ErrUnsealed},
		"a sender in mode receive-only does not seal":             {ring(ReceiveOnly, keyOf(1)), nil, 0, nil},
		"so that mode enforce does not take it":                   {ring(ReceiveOnly, keyOf(1)), ring(Enforce, keyOf(1)), 0, ErrUnsealed},
		"a sender in mode permissive does":                        {ring(Permissive, keyOf(1)), ring(Enforce, keyOf(1)), 1, nil},
		"an old key opens as long as it is held":                  {sealedBy1, ring(Enforce, keysOf(1, 2)...), 1, nil},
		"a new key opens before it seals":                         {sealedBy2, ring(Enforce, keyOf(1), receiveOnly(keyOf(2))), 2, nil},
		"a key that is not held opens nothing":                    {sealedBy2, ring(Enforce, keysOf(1, 3)...), 0, ErrSeal},
		"another secret of the same number opens nothing":         {sealedBy1, ring(Enforce, other), 0, ErrForged},
		"nor where the right one is held under another number":    {ring(Enforce, other), ring(Enforce, keysOf(1, 99)...), 0, ErrForged},
		"what strangers seal is refused in mode permissive, too":  {ring(Enforce, other), ring(Permissive, keyOf(1)), 0, ErrForged},
		"and in mode receive-only":                                {ring(Enforce, other), ring(ReceiveOnly, keyOf(1)), 0, ErrForged},
		"a key of another cluster, of the same secret and number": {sealedBy1, mustRing(t, "web2", Enforce, keyOf(1)), 0, ErrForged},
	} {
		t.Run(name, func(t *testing.T) {
			var beat Beat
			err := NewParser(web).Parse(mustSeal(t, sample("web"), tc.sender)[0], tc.reader, &beat)
			if !errors.Is(err, tc.want) {
				t.Fatalf("%v, want %v", err, tc.want)
			}
			want := sample("web")
			want.Key = tc.key
			if diff := cmp.Diff(*want, beat.Node, byValue); err == nil && diff != "" {
				t.Errorf("-want +got\n%s", diff)
			}
		})
	}
}

func TestAppendRefusesKeysOfAnotherCluster(t *testing.T) {
	for _, mode := range []Mode{Permissive, Enforce} {
		parts, err := Append(nil, sample("web"), web, mustRing(t, "web2", mode, keyOf(1)))
		if err == nil || len(parts) != 0 || !strings.Contains(err.Error(), `"web2"`) {
			t.Errorf("mode %v: %d parts, %v", mode, len(parts), err)
		}
	}
}

func TestSealedBeatsThatWereChanged(t *testing.T) {
	keys := keysOf(1, 2)
	set := func(at int, bytes ...byte) func([]byte) []byte {
		return func(b []byte) []byte {
			copy(b[at:], bytes)
			return b
		}
	}
	web2 := HashCluster("web2")
	for name, tc := range map[string]struct {
		change func([]byte) []byte
		want   error
	}{
		"as it was":                             {set(0), nil},
		"the key is said to be another one":     {set(keyAt, 1), ErrForged},
		"the key is said to be none":            {set(keyAt, 0), ErrSeal},
		"the key is said to be one not held":    {set(keyAt, 3), ErrSeal},
		"it is said not to be sealed":           {set(flagsAt, 0), ErrUnsealed},
		"a flag that nobody knows is set":       {set(flagsAt, sealedFlag|2), ErrForged},
		"the cluster is another one":            {set(clusterAt, web2[:]...), ErrCluster},
		"the version is another one":            {set(versionAt, 2), ErrVersion},
		"the header is said to be shorter":      {set(lengthAt, headerSize-1), ErrMalformed},
		"the header is said to be longer":       {set(lengthAt, headerSize+1), ErrForged},
		"the header is said to be all there is": {set(lengthAt, 255), ErrForged},
		"the nonce is another one":              {set(headerSize, 0, 0, 0, 0, 0, 0, 0, 0), ErrForged},
		"there is nothing behind the header":    {func(b []byte) []byte { return b[:headerSize] }, ErrForged},
		"there are a nonce and half a tag":      {func(b []byte) []byte { return b[:headerSize+nonceSize+8] }, ErrForged},
		"there are a nonce and a tag, no more":  {func(b []byte) []byte { return b[:headerSize+nonceSize+tagSize] }, ErrForged},
		"there is something behind the tag":     {func(b []byte) []byte { return append(b, 0) }, ErrForged},
		"the header is longer than it was": {
			func(b []byte) []byte {
				return append(b[:headerSize:headerSize], append([]byte{0}, b[headerSize:]...)...)
			}, ErrForged,
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := bytes.Clone(mustSeal(t, sample("web"), mustRing(t, "web", Enforce, keys...))[0])
			p := NewParser(web)
			if err := p.Parse(tc.change(b), mustRing(t, "web", Enforce, keys...), new(Beat)); !errors.Is(err, tc.want) {
				t.Errorf("%v, want %v", err, tc.want)
			}
			if tc.want != nil && len(p.names) != 0 {
				t.Errorf("%d names of a beat that is refused are remembered", len(p.names))
			}
		})
	}
}

// TestReplayInAnotherCluster: two clusters have the same key file, and somebody takes a beat of one to the other.
func TestReplayInAnotherCluster(t *testing.T) {
	b := mustSeal(t, sample("web"), mustRing(t, "web", Enforce, keyOf(1)))[0]
	there := HashCluster("shop")
	keys := mustRing(t, "shop", Enforce, keyOf(1))
	if err := NewParser(there).Parse(b, keys, new(Beat)); !errors.Is(err, ErrCluster) {
		t.Errorf("as it is: %v, want %v", err, ErrCluster)
	}
	copy(b[clusterAt:], there[:])
	if err := NewParser(there).Parse(b, keys, new(Beat)); !errors.Is(err, ErrForged) {
		t.Errorf("with the other's hash: %v, want %v", err, ErrForged)
	}
	// Even if the names had the same hash, the name itself is authenticated, and not only in what the key is made of.
	keys.keys[0].beat = mustRing(t, "web", Enforce, keyOf(1)).keys[0].beat
	copy(b[clusterAt:], web[:])
	if err := NewParser(web).Parse(b, keys, new(Beat)); !errors.Is(err, ErrForged) {
		t.Errorf("with the other's hash and key: %v, want %v", err, ErrForged)
	}
}

func TestHeaderOfTimesToCome(t *testing.T) {
	// A later version of the agent may write a longer header. It is authenticated as it stands there.
	k := mustRing(t, "web", Enforce, keyOf(1))
	plain := mustAppend(t, sample("web"))[0]
	header := append(appendHeader(nil, web, 1), 1, 2, 3)
	header[lengthAt] += 3
	nonce := make([]byte, nonceSize)
	b := k.keys[0].beat.Seal(append(bytes.Clone(header), nonce...), nonce, plain[headerSize:], append(bytes.Clone(header), "web"...))
	var beat Beat
	if err := NewParser(web).Parse(b, k, &beat); err != nil || beat.Node.Name != "www1" || beat.Node.Key != 1 {
		t.Errorf("%v; %q, key %d", err, beat.Node.Name, beat.Node.Key)
	}
	b[headerSize+1]++
	if err := NewParser(web).Parse(b, k, &beat); !errors.Is(err, ErrForged) {
		t.Errorf("a changed byte that is new in the header: %v, want %v", err, ErrForged)
	}
}

// TestAnyChangedByteIsRefused tries each byte of a beat, and cuts it at each.
func TestAnyChangedByteIsRefused(t *testing.T) {
	k := mustRing(t, "web", Enforce, keysOf(1, 2)...)
	p, b := NewParser(web), mustSeal(t, fullHouse(), k)[0]
	if err := p.Parse(b, k, new(Beat)); err != nil {
		t.Fatal(err)
	}
	for i := range b {
		for bit := range 8 {
			b[i] ^= 1 << bit
			if err := p.Parse(b, k, new(Beat)); reason(err) == nil {
				t.Fatalf("bit %d of byte %d of %d is another: %v", bit, i, len(b), err)
			}
			b[i] ^= 1 << bit
		}
		if err := p.Parse(b[:i], k, new(Beat)); reason(err) == nil {
			t.Fatalf("cut at byte %d of %d: %v", i, len(b), err)
		}
	}
}

func TestWhateverIsChangedIsRefused(t *testing.T) {
	k := mustRing(t, "web", Enforce, keysOf(1, 2)...)
	p := NewParser(web)
	rapid.Check(t, func(rt *rapid.T) {
		parts, others := mustSeal(t, drawNode(rt), k), mustSeal(t, drawNode(rt), k)
		b := rapid.SampledFrom(parts).Draw(rt, "part")
		changed := bytes.Clone(b)
		switch rapid.SampledFrom([]string{"cut", "longer", "flipped", "spliced"}).Draw(rt, "how") {
		case "cut":
			changed = changed[:rapid.IntRange(0, len(b)-1).Draw(rt, "to")]
		case "longer":
			changed = append(changed, rapid.SliceOfN(rapid.Byte(), 1, 2000).Draw(rt, "by")...)
		case "flipped":
			for range rapid.IntRange(1, 9).Draw(rt, "bits") {
				changed[rapid.IntRange(0, len(b)-1).Draw(rt, "byte")] ^= 1 << rapid.IntRange(0, 7).Draw(rt, "bit")
			}
		case "spliced": // the front of one beat, the rest of another
			at := rapid.IntRange(headerSize, min(len(b), len(others[0]))).Draw(rt, "at")
			changed = append(changed[:at], others[0][at:]...)
		}
		if slices.ContainsFunc(append(parts, others...), func(b []byte) bool { return bytes.Equal(b, changed) }) {
			return // two flips of one bit; the headers of the two beats are the same
		}
		if err := p.Parse(changed, k, new(Beat)); reason(err) == nil {
			rt.Fatalf("%x, once %x: %v", changed, b, err)
		}
	})
}

// counting counts how often a key is tried.
type counting struct {
	cipher.AEAD
	opened *int
}

func (c counting) Open(dst, nonce, ciphertext, additionalData []byte) ([]byte, error) {
	*c.opened++
	return c.AEAD.Open(dst, nonce, ciphertext, additionalData)
}

// count makes a keyring of 16 keys count the tries of them all.
func count(t *testing.T, mode Mode, opened *int) *Keyring {
	var keys []Key
	for id := range uint8(node.MaxKeys) {
		keys = append(keys, keyOf(id+1))
	}
	k := mustRing(t, "web", mode, keys...)
	for _, key := range k.keys {
		key.beat = counting{key.beat, opened}
	}
	return k
}

func TestOneKeyIsTriedAtMost(t *testing.T) {
	forged := mustSeal(t, sample("web"), mustRing(t, "web", Enforce, keyOf(9)))[0]
	forged[len(forged)-1] ^= 1
	for name, tc := range map[string]struct {
		b    []byte
		want int
	}{
		"a good beat":                        {mustSeal(t, sample("web"), mustRing(t, "web", Enforce, keyOf(9)))[0], 1},
		"a forged one":                       {forged, 1},
		"one by a key that is not held":      {mustSeal(t, sample("web"), mustRing(t, "web", Enforce, keyOf(200)))[0], 0},
		"one that is not sealed":             {mustAppend(t, sample("web"))[0], 0},
		"one of another cluster":             {forgedHeader(forged, clusterAt), 0},
		"one of another version":             {forgedHeader(forged, versionAt), 0},
		"one with a header longer than it":   {forgedHeader(forged[:100], lengthAt), 0},
		"one too short to have been sealed":  {forged[:headerSize+nonceSize+tagSize-1], 0},
		"one that is too long for a beat":    {append(bytes.Clone(forged), make([]byte, MaxDatagram)...), 0},
		"something that is no beat whatever": {forgedHeader(forged, 0), 0},
	} {
		t.Run(name, func(t *testing.T) {
			opened := 0
			err := NewParser(web).Parse(tc.b, count(t, Enforce, &opened), new(Beat))
			if opened != tc.want {
				t.Errorf("%d keys are tried, want %d (%v)", opened, tc.want, err)
			}
		})
	}
}

// forgedHeader returns the datagram with another byte there.
func forgedHeader(b []byte, at int) []byte {
	b = bytes.Clone(b)
	b[at] ^= 0xff
	return b
}

func TestTheBodyOfWhatIsRefusedIsNotLookedAt(t *testing.T) {
	k := mustRing(t, "web", Enforce, keyOf(1))
	cut := mustAppend(t, sample("web"))[0]
	cut = cut[:len(cut)-1]
	if err := NewParser(web).Parse(cut, nil, new(Beat)); !errors.Is(err, ErrMalformed) {
		t.Fatalf("without keys: %v, want %v", err, ErrMalformed)
	}
	p := NewParser(web)
	if err := p.Parse(cut, k, new(Beat)); !errors.Is(err, ErrUnsealed) {
		t.Errorf("%v, want %v before the body is read", err, ErrUnsealed)
	}
	if len(p.names) != 0 {
		t.Errorf("%d names of a body that is refused are remembered", len(p.names))
	}
}

func TestASealedBodyIsCheckedAsAnyOther(t *testing.T) {
	k := mustRing(t, "web", Enforce, keyOf(1))
	for name, body := range map[string][]byte{
		"none":                nil,
		"part 2 of 1":         {2, 1, 0, 0, 0},
		"one of a plain beat": mustAppend(t, sample("web"))[0][headerSize:][:100],
	} {
		t.Run(name, func(t *testing.T) {
			if err := NewParser(web).Parse(sealBody(k, body), k, new(Beat)); !errors.Is(err, ErrMalformed) {
				t.Errorf("%v, want %v", err, ErrMalformed)
			}
		})
	}
}

// sealBody returns a beat with any body.
func sealBody(k *Keyring, body []byte) []byte {
	b := make([]byte, headerSize+nonceSize, len(body)+bufferSize)
	appendHeader(b[:0], k.hash, k.Sealing())
	return k.seal(append(b, body...))
}

func TestParseDoesNotChangeWhatItReads(t *testing.T) {
	k := mustRing(t, "web", Enforce, keyOf(1))
	n := holding(labelled(sample("web"), mostLabels()...), marksOf(1, 2))
	b := mustSeal(t, n, k)[0]
	before := bytes.Clone(b)
	p := NewParser(web)
	var beat Beat
	if err := p.Parse(b, k, &beat); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(b, before) {
		t.Error("the datagram is another one now")
	}
	// And the beat keeps no reference to the memory of the parser.
	if err := p.Parse(mustSeal(t, fullHouse(), k)[0], k, new(Beat)); err != nil {
		t.Fatal(err)
	}
	want := *n
	want.Key = 1
	if diff := cmp.Diff(want, beat.Node, byValue); diff != "" {
		t.Errorf("-sent +got\n%s", diff)
	}
}

func TestSealedBeatsAllocateNothing(t *testing.T) {
	k := mustRing(t, "web", Enforce, keysOf(1, 2)...)
	n := holding(labelled(fullHouse(), mostLabels()...), k.Held())
	parts := mustSeal(t, n, k)
	p, beat := NewParser(web), Beat{}
	for name, f := range map[string]func() error{
		"sealing": func() (err error) {
			parts, err = Append(parts[:0], n, web, k)
			return err
		},
		"opening": func() (err error) {
			for _, b := range parts {
				err = errors.Join(err, p.Parse(b, k, &beat))
			}
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			if got := testing.AllocsPerRun(100, func() {
				if err := f(); err != nil {
					t.Fatal(err)
				}
			}); got != 0 {
				t.Errorf("%v allocations, want 0", got)
			}
		})
	}
}

// TestRefusingAllocatesNothing: nor shall it cost more to be shot at.
func TestRefusingAllocatesNothing(t *testing.T) {
	k := mustRing(t, "web", Enforce, keyOf(1))
	other := keyOf(9)
	other.ID = 1
	p, beat := NewParser(web), Beat{}
	for name, b := range map[string][]byte{
		"forged":      mustSeal(t, sample("web"), mustRing(t, "web", Enforce, other))[0],
		"another key": mustSeal(t, sample("web"), mustRing(t, "web", Enforce, keyOf(9)))[0],
		"unsealed":    mustAppend(t, sample("web"))[0],
	} {
		t.Run(name, func(t *testing.T) {
			if got := testing.AllocsPerRun(100, func() {
				if err := p.Parse(b, k, &beat); err == nil {
					t.Fatal("it is taken")
				}
			}); got != 0 {
				t.Errorf("%v allocations, want 0", got)
			}
		})
	}
}

func TestAKeyringIsForAnyNumberOfGoroutines(t *testing.T) {
	k := mustRing(t, "web", Enforce, keysOf(1, 2)...)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			p, c := NewParser(web), Claim{Sequence: uint64(i)}
			var parts [][]byte
			for range 100 {
				var err error
				var beat Beat
				if parts, err = Append(parts[:0], sample("web"), web, k); err == nil {
					err = p.Parse(parts[0], k, &beat)
				}
				if err == nil {
					_, _, err = k.CheckProof(string(k.AppendProof(nil, &c)), &c)
				}
				if err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
}
