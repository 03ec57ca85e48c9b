package wire

import (
	"bytes"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"backhand/gossip/node"
)

func TestWhichKeySeals(t *testing.T) {
	for name, tc := range map[string]struct {
		keys            []Key
		mode            Mode
		newest, sealing uint8
	}{
		"the only key seals":                         {keysOf(1), Enforce, 1, 1},
		"in mode permissive, too":                    {keysOf(1), Permissive, 1, 1},
		"in mode receive-only none does":             {keysOf(1), ReceiveOnly, 1, 0},
		"the highest number seals, not the last":     {keysOf(2, 9, 4), Enforce, 9, 9},
		"one that is receive-only does not":          {[]Key{keyOf(1), receiveOnly(keyOf(2))}, Enforce, 1, 1},
		"nor below the one that does":                {[]Key{receiveOnly(keyOf(1)), keyOf(2)}, Enforce, 2, 2},
		"all receive-only are for mode receive-only": {[]Key{receiveOnly(keyOf(7))}, ReceiveOnly, 0, 0},
		"numbers may go up to 255":                   {keysOf(254, 255), Permissive, 255, 255},
	} {
		t.Run(name, func(t *testing.T) {
			k := mustRing(t, "web", tc.mode, tc.keys...)
			if k.Newest() != tc.newest || k.Sealing() != tc.sealing || k.Mode() != tc.mode {
				t.Errorf("newest %d, sealing %d, mode %v; want %d, %d, %v",
					k.Newest(), k.Sealing(), k.Mode(), tc.newest, tc.sealing, tc.mode)
			}
		})
	}
}

func TestNewKeyringRefuses(t *testing.T) {
	same := keyOf(1)
	same.ID = 2
	var seventeen []Key
	for id := range uint8(17) {
		seventeen = append(seventeen, keyOf(id+1))
	}
	for name, tc := range map[string]struct {
		cluster string
		keys    []Key
		mode    Mode
		want    string
	}{
		"no cluster":                      {"", keysOf(1), Enforce, "name of a cluster"},
		"no mode":                         {"web", keysOf(1), 0, "mode 0"},
		"mode 4":                          {"web", keysOf(1), 4, "mode 4"},
		"no key":                          {"web", nil, Enforce, "no key"},
		"number 0":                        {"web", keysOf(0, 1), Enforce, "number of a key"},
		"a number twice":                  {"web", keysOf(1, 2, 1), Enforce, "key 1 is there twice"},
		"a secret twice":                  {"web", []Key{keyOf(1), same}, Enforce, "key 2 has the secret of key 1"},
		"a secret that nobody filled in":  {"web", []Key{{ID: 3}}, Enforce, "key 3 is all zeros"},
		"17 keys":                         {"web", seventeen, Enforce, "key 17 is one too many"},
		"enforce with none that seals":    {"web", []Key{receiveOnly(keyOf(1))}, Enforce, "all keys are receive-only"},
		"permissive with none that seals": {"web", []Key{receiveOnly(keyOf(1))}, Permissive, "all keys are receive-only"},
	} {
		t.Run(name, func(t *testing.T) {
			k, err := NewKeyring(tc.cluster, tc.keys, tc.mode)
			if k != nil || err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("%v, %v; want an error about %q", k, err, tc.want)
			}
		})
	}
}

func TestKeyringKeepsNoReferenceToTheKeys(t *testing.T) {
	keys := keysOf(3, 1)
	k := mustRing(t, "web", Enforce, keys...)
	before := k.Held()
	keys[0], keys[1] = keyOf(9), keyOf(8)
	if diff := cmp.Diff(before, k.Held()); diff != "" || k.Newest() != 3 {
		t.Errorf("newest %d; %s", k.Newest(), diff)
	}
	if again := mustRing(t, "web", Enforce, keysOf(3, 1)...); !cmp.Equal(before, again.Held()) {
		t.Errorf("the same keys have other marks: %v, %v", before, again.Held())
	}
}

func TestNoKeyring(t *testing.T) {
	var k *Keyring
	primary, all := k.MemberlistKeys()
	if k.Mode() != 0 || k.Newest() != 0 || k.Sealing() != 0 || k.Held() != nil || primary != nil || all != nil {
		t.Error("a nil keyring has something")
	}
	if got := k.AppendProof([]byte("as it was"), &Claim{}); string(got) != "as it was" {
		t.Errorf("it proves something: %q", got)
	}
	if _, _, err := k.CheckProof(mustLine(t, mustRing(t, "web", Enforce, keyOf(1)), &Claim{}), &Claim{}); err == nil {
		t.Error("it believes something")
	}
	if got := fmt.Sprint(k); got != "no keys" {
		t.Errorf("it prints as %q", got)
	}
}

func TestModes(t *testing.T) {
	for _, m := range []Mode{ReceiveOnly, Permissive, Enforce} {
		if got, err := ParseMode(m.String()); got != m || err != nil {
			t.Errorf("%v: %v, %v", m, got, err)
		}
	}
	for _, s := range []string{"", "unknown", "Enforce", "enforce ", "receive_only", "off"} {
		if m, err := ParseMode(s); m != 0 || err == nil || !strings.Contains(err.Error(), "want receive-only, permissive or enforce") {
			t.Errorf("%q: %v, %v", s, m, err)
		}
	}
	if got := Mode(9).String(); got != "unknown" {
		t.Errorf("mode 9 prints as %q", got)
	}
}

// TestDerivation holds what the package doc says of it, with HKDF called by hand.
func TestDerivation(t *testing.T) {
	k := mustRing(t, "web", Enforce, keyOf(1), keyOf(5), receiveOnly(keyOf(6)))
	output := func(id uint8, info string, size int) []byte {
		secret := keyOf(id).Secret
		b, err := hkdf.Key(sha256.New, secret[:], []byte("web"), info, size)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	var marks []node.KeyMark
	var members [][]byte
	for _, id := range []uint8{1, 5, 6} {
		marks = append(marks, node.KeyMark{ID: id, Mark: binary.BigEndian.Uint32(output(id, "backhand v1 mark", 4))})
		members = append(members, output(id, "backhand v1 memberlist", 32))
		if got := k.find(id).field; !bytes.Equal(got, output(id, "backhand v1 field", 32)) {
			t.Errorf("field key %d is %x", id, got)
		}
	}
	if diff := cmp.Diff(marks, k.Held()); diff != "" {
		t.Errorf("marks: -want +got\n%s", diff)
	}
	primary, all := k.MemberlistKeys()
	if diff := cmp.Diff(members, all); diff != "" || !bytes.Equal(primary, members[1]) {
		t.Errorf("memberlist: primary %x, -want +got\n%s", primary, diff)
	}
}

func TestMemberlistKeysWhereNoneMaySeal(t *testing.T) {
	primary, all := mustRing(t, "web", ReceiveOnly, receiveOnly(keyOf(1))).MemberlistKeys()
	if primary != nil || len(all) != 1 {
		t.Errorf("primary %x of %x, want none of one", primary, all)
	}
	// Even where nothing leaves sealed there is one, for the mode that comes next.
	if primary, _ = mustRing(t, "web", ReceiveOnly, keyOf(1)).MemberlistKeys(); len(primary) != 32 {
		t.Errorf("primary %x", primary)
	}
}

func TestWhatIsDerivedIsOfOneClusterAndOnePurpose(t *testing.T) {
	seen := map[string]string{}
	for _, cluster := range []string{"web", "web2"} {
		k := mustRing(t, cluster, Enforce, keysOf(1, 2)...)
		for i, key := range k.keys {
			for what, b := range map[string][]byte{
				"field": key.field, "memberlist": key.memberlist,
				"mark": binary.BigEndian.AppendUint32(nil, k.Held()[i].Mark),
			} {
				name := fmt.Sprintf("%s of key %d of %s", what, key.id, cluster)
				// The mark would show if it were the beginning of something else.
				if before, ok := seen[string(b[:4])]; ok {
					t.Errorf("%s and %s are the same", name, before)
				}
				seen[string(b[:4])] = name
			}
		}
	}
}

func TestSecretsAreNotPrinted(t *testing.T) {
	key := keyOf(77)
	ring := mustRing(t, "web", Enforce, key)
	decimal := strings.Trim(fmt.Sprint(key.Secret[:4]), "[]")
	traces := []string{
		base64.StdEncoding.EncodeToString(key.Secret[:])[:8], hex.EncodeToString(key.Secret[:4]), decimal,
		strings.ReplaceAll(decimal, " ", ","), strings.ReplaceAll(decimal, " ", ", "), string(key.Secret[:4]),
		hex.EncodeToString(ring.keys[0].field[:4]), strings.Trim(fmt.Sprint(ring.keys[0].field[:4]), "[]"),
	}
	printed := map[string]string{}
	for what, v := range map[string]any{
		"key": key, "pointer": &key, "keys": []Key{key}, "config": struct{ Keys []Key }{[]Key{key}}, "ring": ring,
	} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%o"} {
			printed[what+" by "+verb] = fmt.Sprintf(verb, v)
		}
		text, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		printed[what+" in JSON"] = string(text)
		var log bytes.Buffer
		slog.New(slog.NewTextHandler(&log, nil)).Info("", "v", v)
		slog.New(slog.NewJSONHandler(&log, nil)).Info("", "v", v)
		printed[what+" in a log"] = log.String()
	}
	for how, text := range printed {
		for _, trace := range traces {
			if strings.Contains(strings.ToLower(text), strings.ToLower(trace)) {
				t.Errorf("%s shows the secret: %s", how, text)
			}
		}
	}
	if got := fmt.Sprintf("%+v", struct{ Keys []Key }{[]Key{key}}); got != "{Keys:[key 77]}" {
		t.Errorf("a key prints as %q", got)
	}
	if got := fmt.Sprint(ring); got != "1 keys, mode enforce, key 77 seals" {
		t.Errorf("a keyring prints as %q", got)
	}
}
