package wire

import (
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"backhand/gossip/node"
)

// request and response return claims with something in every field that they have.
func request() *Claim {
	return &Claim{
		Sender: node.ID{0xa1, 15: 0xff}, Boot: 1_790_000_000_000, Sequence: 42, Method: []byte("GET"), Target: []byte("/a?b=c"),
		Hop: []byte("v1 a10000000000000000000000000000ff web 192.0.2.7 https"), Limit: []byte("3"),
	}
}

func response() *Claim {
	c := request()
	c.Response, c.Hop, c.Limit, c.Load, c.Refused = true, nil, nil, []byte("3 8 25.5"), []byte("busy")
	return c
}

func mustLine(t testing.TB, k *Keyring, c *Claim) string {
	t.Helper()
	line := string(k.AppendProof(nil, c))
	if line == "" {
		t.Fatal("no proof")
	}
	return line
}

// TestProofAsDocumented makes a proof by hand, as the package doc says how.
func TestProofAsDocumented(t *testing.T) {
	secret := keyOf(200).Secret
	key, err := hkdf.Key(sha256.New, secret[:], []byte("web"), "backhand v1 field", 32)
	if err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		claim *Claim
		input string // hexadecimal digits between blanks, and texts between apostrophes
		line  string // golden
	}{
		"a request": {
			request(),
			"01 00 c8 a10000000000000000000000000000ff 000001a0c4506c00 000000000000002a 00000003 'web' 00000003 'GET' 00000006 '/a?b=c'" +
				" 00000037 'v1 a10000000000000000000000000000ff web 192.0.2.7 https' 00000001 '3' 00000000 00000000",
			"v1 200 1790000000000 42 ",
		},
		"a response": {
			response(),
			"01 01 c8 a10000000000000000000000000000ff 000001a0c4506c00 000000000000002a 00000003 'web' 00000003 'GET' 00000006 '/a?b=c'" +
				" 00000000 00000000 00000008 '3 8 25.5' 00000004 'busy'",
			"v1 200 1790000000000 42 ",
		},
		"nothing": {
			&Claim{},
			"01 00 c8 00000000000000000000000000000000 0000000000000000 0000000000000000 00000003 'web'" + strings.Repeat(" 00000000", 6),
			"v1 200 0 0 ",
		},
	} {
		t.Run(name, func(t *testing.T) {
			var input []byte
			for i, part := range strings.Split(tc.input, "'") {
				if i%2 == 1 {
					input = append(input, part...)
					continue
				}
				b, err := hex.DecodeString(strings.ReplaceAll(part, " ", ""))
				if err != nil {
					t.Fatal(err)
				}
				input = append(input, b...)
			}
			mac := hmac.New(sha256.New, key)
			mac.Write(input)
			want := tc.line + base64.RawURLEncoding.EncodeToString(mac.Sum(nil)[:16])
			k := mustRing(t, "web", Enforce, keyOf(200))
			if got := mustLine(t, k, tc.claim); got != want {
				t.Errorf("%q, want %q", got, want)
			}
			if got := k.AppendProof([]byte("before "), tc.claim); string(got) != "before "+want {
				t.Errorf("behind something else: %q", got)
			}
		})
	}
}

// TestGoldenProof holds the bytes of version 1: agents of different age must believe one another.
func TestGoldenProof(t *testing.T) {
	k := mustRing(t, "web", Enforce, keysOf(1, 7)...)
	for want, c := range map[string]*Claim{
		goldenRequest: request(), goldenResponse: response(),
	} {
		if got := mustLine(t, k, c); got != want {
			t.Errorf("%q, want %q", got, want)
		}
		if boot, sequence, err := k.CheckProof(want, c); err != nil || boot != c.Boot || sequence != c.Sequence {
			t.Errorf("%d, %d, %v", boot, sequence, err)
		}
	}
}

// Made with another implementation of HKDF and HMAC.
const (
	goldenRequest  = "v1 7 1790000000000 42 3b6ioADnLX-iOFpJFx3LVg"
	goldenResponse = "v1 7 1790000000000 42 waawhNjBaw-KuxaUPe9laQ"
)

func TestWhoBelievesWhom(t *testing.T) {
	ring := func(mode Mode, keys ...Key) *Keyring { return mustRing(t, "web", mode, keys...) }
	other := keyOf(99)
	other.ID = 1
	by1, by2 := ring(Enforce, keyOf(1)), ring(Enforce, keyOf(2))
	for name, tc := range map[string]struct {
		sender, checker *Keyring
		want            string // part of the error; "" if it is believed
	}{
		"who has the key believes":                        {by1, ring(Enforce, keyOf(1)), ""},
		"in mode permissive, too":                         {by1, ring(Permissive, keyOf(1)), ""},
		"in mode receive-only, too":                       {by1, ring(ReceiveOnly, keyOf(1)), ""},
		"mode permissive proves":                          {ring(Permissive, keyOf(1)), by1, ""},
		"mode receive-only does not":                      {ring(ReceiveOnly, keyOf(1)), by1, "there is no proof"},
		"who has no keys does not":                        {nil, by1, "there is no proof"},
		"who has no keys does not believe":                {by1, nil, "key 1, which this agent does not hold"},
		"an old key is believed as long as it is held":    {by1, ring(Enforce, keysOf(1, 2)...), ""},
		"a new key is believed before it seals":           {by2, ring(Enforce, keyOf(1), receiveOnly(keyOf(2))), ""},
		"a key that is not held is not believed":          {by2, by1, "key 2, which this agent does not hold"},
		"nor another secret of the same number":           {ring(Enforce, other), by1, "does not hold"},
		"nor where that is held under another number":     {ring(Enforce, other), ring(Enforce, keysOf(1, 99)...), "does not hold"},
		"nor a key of another cluster of the same secret": {by1, mustRing(t, "web2", Enforce, keyOf(1)), "does not hold"},
	} {
		t.Run(name, func(t *testing.T) {
			line := string(tc.sender.AppendProof(nil, request()))
			c := request()
			c.Boot, c.Sequence = 0, 0 // are not read
			boot, sequence, err := tc.checker.CheckProof(line, c)
			switch {
			case tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)):
				t.Errorf("%v, want an error about %q", err, tc.want)
			case tc.want != "" && (boot != 0 || sequence != 0):
				t.Errorf("boot %d and sequence %d of what is not believed", boot, sequence)
			case tc.want == "" && (err != nil || boot != request().Boot || sequence != 42):
				t.Errorf("%d, %d, %v", boot, sequence, err)
			}
		})
	}
}

func TestAClaimThatWasChangedIsNotBelieved(t *testing.T) {
	k := mustRing(t, "web", Enforce, keyOf(1))
	for name, change := range map[string]func(*Claim){
		"as a response":                     func(c *Claim) { c.Response = true },
		"in another name":                   func(c *Claim) { c.Sender[15]++ },
		"by another method":                 func(c *Claim) { c.Method = []byte("POST") },
		"by no method":                      func(c *Claim) { c.Method = nil },
		"of another target":                 func(c *Claim) { c.Target = []byte("/a?b=d") },
		"of a target in capitals":           func(c *Claim) { c.Target = []byte("/A?b=c") },
		"with another hop":                  func(c *Claim) { c.Hop = []byte(strings.Replace(string(c.Hop), "web", "pay", 1)) },
		"without a hop":                     func(c *Claim) { c.Hop = nil },
		"with another limit":                func(c *Claim) { c.Limit = []byte("4") },
		"without a limit":                   func(c *Claim) { c.Limit = nil },
		"with a load":                       func(c *Claim) { c.Load = []byte("1 8 25.5") },
		"with a refusal":                    func(c *Claim) { c.Refused = []byte("busy") },
		"the hop moved to the limit":        func(c *Claim) { c.Hop, c.Limit = nil, append(c.Hop, c.Limit...) },
		"a byte moved to the field before":  func(c *Claim) { c.Hop, c.Limit = append(c.Hop, c.Limit[0]), nil },
		"a byte moved to the target":        func(c *Claim) { c.Method, c.Target = []byte("GE"), []byte("T/a?b=c") },
		"hop and limit in each other's way": func(c *Claim) { c.Hop, c.Limit = c.Limit, c.Hop },
		"with a blank behind":               func(c *Claim) { c.Limit = []byte("3 ") },
	} {
		t.Run(name, func(t *testing.T) {
			c := request()
			line := mustLine(t, k, c)
			change(c)
			if _, _, err := k.CheckProof(line, c); !errors.Is(err, errProofMAC) {
				t.Errorf("%v, want %v", err, errProofMAC)
			}
		})
	}
	c := response()
	line := mustLine(t, k, c)
	c.Load, c.Refused = c.Refused, c.Load
	if _, _, err := k.CheckProof(line, c); !errors.Is(err, errProofMAC) {
		t.Errorf("load and refusal of a response changed places: %v, want %v", err, errProofMAC)
	}
}

func TestCheckProofRefusesLines(t *testing.T) {
	k := mustRing(t, "web", Enforce, keysOf(1, 12)...)
	c := request()
	line := mustLine(t, k, c)
	words := strings.Fields(line)
	with := func(i int, word string) string {
		w := append([]string{}, words...)
		w[i] = word
		return strings.Join(w, " ")
	}
	mac := words[4]
	for name, tc := range map[string]struct {
		line string
		want error
	}{
		"as it should be":           {line, nil},
		"none":                      {"", errNoProof},
		"a blank":                   {" ", errProofForm},
		"version 2":                 {with(0, "v2"), errProofForm},
		"no version":                {strings.Join(words[1:], " "), errProofForm},
		"a blank in front":          {" " + line, errProofForm},
		"a blank behind":            {line + " ", errProofForm},
		"two blanks":                {strings.Replace(line, " ", "  ", 1), errProofForm},
		"a tab":                     {strings.Replace(line, " ", "\t", 1), errProofForm},
		"a word more":               {line + " x", errProofForm},
		"a word less":               {strings.Join(words[:4], " "), errProofForm},
		"key 0":                     {with(1, "0"), errProofForm},
		"key 256":                   {with(1, "256"), errProofForm},
		"key 268, 12 in a byte":     {with(1, "268"), errProofForm},
		"key with a zero in front":  {with(1, "012"), errProofForm},
		"key with a sign":           {with(1, "+12"), errProofForm},
		"key in words":              {with(1, "twelve"), errProofForm},
		"no key":                    {with(1, ""), errProofForm},
		"the other key":             {with(1, "1"), errProofMAC},
		"boot one later":            {with(2, "1790000000001"), errProofMAC},
		"boot with a zero in front": {with(2, "0"+words[2]), errProofForm},
		"boot in hexadecimal":       {with(2, "0x1"), errProofForm},
		"boot that ends all":        {with(2, "281474976710656"), errProofForm},
		"boot above all":            {with(2, "18446744073709551616"), errProofForm},
		"sequence one later":        {with(3, "43"), errProofMAC},
		"sequence below 0":          {with(3, "-1"), errProofForm},
		"sequence in digits with _": {with(3, "4_2"), errProofForm},
		"sequence that ends all":    {with(3, "281474976710656"), errProofForm},
		"boot and sequence swapped": {strings.Join([]string{"v1", "12", "42", words[2], mac}, " "), errProofMAC},
		"no mac":                    {with(4, ""), errProofForm},
		"mac of 21 characters":      {with(4, mac[:21]), errProofForm},
		"mac of 23 characters":      {with(4, mac+"A"), errProofForm},
		"mac with padding":          {with(4, mac+"=="), errProofForm},
		"mac of another letter":     {with(4, other(mac[0])+mac[1:]), errProofMAC},
		"mac whose last bits are 1": {with(4, mac[:21]+next(mac[21])), errProofMAC},
		"mac of zeros":              {with(4, strings.Repeat("A", 22)), errProofMAC},
		"a line all too long":       {line + strings.Repeat("A", 1<<20), errProofForm},
	} {
		t.Run(name, func(t *testing.T) {
			if _, _, err := k.CheckProof(tc.line, c); !errors.Is(err, tc.want) {
				t.Errorf("%v, want %v", err, tc.want)
			}
		})
	}
}

// other returns another character of base64url.
func other(c byte) string {
	if c == 'A' {
		return "B"
	}
	return "A"
}

// next returns the character of base64url whose value is one greater: the last four bits of a MAC's last character are 0.
func next(c byte) string {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	return alphabet[strings.IndexByte(alphabet, c)+1:][:1]
}

// TestProofsOfMaxima: the longest numbers are those that fit.
func TestProofsOfMaxima(t *testing.T) {
	k := mustRing(t, "web", Enforce, keyOf(255))
	c := request()
	c.Boot, c.Sequence = MaxCounter-1, MaxCounter-1
	line := mustLine(t, k, c)
	if len(line) != maxProof {
		t.Errorf("%d bytes, want %d", len(line), maxProof)
	}
	if boot, sequence, err := k.CheckProof(line, c); boot != c.Boot || sequence != c.Sequence || err != nil {
		t.Errorf("%d, %d, %v", boot, sequence, err)
	}
	c.Boot = math.MaxUint64
	if _, _, err := k.CheckProof(mustLine(t, k, c), c); !errors.Is(err, errProofForm) {
		t.Errorf("a boot that none has: %v, want %v", err, errProofForm)
	}
}

// TestNoTwoClaimsAreAlike: whatever is put where, only the same claim has the same input.
func TestNoTwoClaimsAreAlike(t *testing.T) {
	drawClaim := func(rt *rapid.T) (c Claim) {
		c.Response = rapid.Bool().Draw(rt, "response")
		c.Sender[0] = rapid.ByteMax(1).Draw(rt, "sender")
		c.Boot, c.Sequence = rapid.Uint64Max(1).Draw(rt, "boot"), rapid.Uint64Max(1).Draw(rt, "sequence")
		for _, v := range []*[]byte{&c.Method, &c.Target, &c.Hop, &c.Limit, &c.Load, &c.Refused} {
			*v = rapid.SliceOfN(rapid.ByteMax(1), 0, 2).Draw(rt, "value")
		}
		return c
	}
	k := mustRing(t, "web", Enforce, keyOf(1))
	rapid.Check(t, func(rt *rapid.T) {
		a, b := drawClaim(rt), drawClaim(rt)
		line := string(k.AppendProof(nil, &a))
		_, _, err := k.CheckProof(line, &b)
		b.Boot, b.Sequence = a.Boot, a.Sequence
		if same := cmp.Equal(a, b, byValue); same != (err == nil) {
			rt.Fatalf("%+v and %+v: %v", a, b, err)
		}
	})
}

func TestProofsAllocateNothing(t *testing.T) {
	k := mustRing(t, "web", Enforce, keysOf(1, 2)...)
	c := request()
	buf := make([]byte, 0, 100)
	line := mustLine(t, k, c)
	changed := *c
	changed.Target = []byte("/b")
	for name, f := range map[string]func(){
		"making one": func() { buf = k.AppendProof(buf[:0], c) },
		"checking one that holds": func() {
			if _, _, err := k.CheckProof(line, c); err != nil {
				t.Fatal(err)
			}
		},
		"checking one that does not": func() {
			if _, _, err := k.CheckProof(line, &changed); err == nil {
				t.Fatal("it holds")
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			if got := testing.AllocsPerRun(1000, f); got != 0 && !race() {
				t.Errorf("%v allocations, want 0", got)
			}
		})
	}
}

// TestAHugeTargetIsNotKept: memory for the longest request is not kept for all that follow.
func TestAHugeTargetIsNotKept(t *testing.T) {
	k := mustRing(t, "web", Enforce, keyOf(1))
	huge := request()
	huge.Target = []byte("/" + strings.Repeat("a", 1<<20))
	if _, _, err := k.CheckProof(mustLine(t, k, huge), huge); err != nil {
		t.Fatal(err)
	}
	for range 100 {
		p, _ := k.newest.provers.Get().(*prover)
		if p == nil {
			return
		}
		if cap(p.input) > keptInput {
			t.Fatalf("%d bytes are kept, want at most %d", cap(p.input), keptInput)
		}
	}
}

func FuzzCheckProof(f *testing.F) {
	k := mustRing(f, "web", Enforce, keysOf(1, 7)...)
	for _, c := range []*Claim{request(), response(), {}} {
		f.Add(mustLine(f, k, c), c.Response, c.Sender[:], c.Method, c.Target, c.Hop, c.Limit, c.Load, c.Refused)
	}
	mac := strings.Repeat("A", macText)
	for _, line := range []string{"", "v1", "v1 7 1 1 " + mac, "v1 8 1 1 " + mac, "v1 07 1 1 " + mac, "v1 7 1 1 x"} {
		f.Add(line, false, []byte{}, []byte("GET"), []byte("/"), []byte{}, []byte{}, []byte{}, []byte{})
	}
	f.Fuzz(func(t *testing.T, line string, response bool, sender, method, target, hop, limit, load, refused []byte) {
		c := &Claim{Response: response, Method: method, Target: target, Hop: hop, Limit: limit, Load: load, Refused: refused}
		copy(c.Sender[:], sender)
		boot, sequence, err := k.CheckProof(line, c)
		if err == nil {
			// Nobody but us can have made it, so it is the line that we would make, with the key that it names.
			c.Boot, c.Sequence = boot, sequence
			id := uint8(0)
			if _, err := fmt.Sscanf(line, "v1 %d ", &id); err != nil {
				t.Fatal(err)
			}
			if want := mustLine(t, mustRing(t, "web", Enforce, keyOf(id)), c); line != want {
				t.Fatalf("%q is believed, want %q", line, want)
			}
			return
		}
		if boot != 0 || sequence != 0 || strings.Contains(err.Error(), "\n") {
			t.Fatalf("%d, %d, %q", boot, sequence, err)
		}
		// And our own is believed, whatever the claim is.
		c.Boot, c.Sequence = 1, uint64(len(line))
		if _, _, err := k.CheckProof(mustLine(t, k, c), c); err != nil {
			t.Fatal(err)
		}
	})
}
