package wire

import (
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// secretOf returns the secret of keyOf in base64.
func secretOf(id uint8) string {
	k := keyOf(id)
	return base64.StdEncoding.EncodeToString(k.Secret[:])
}

func TestParseKeys(t *testing.T) {
	for name, tc := range map[string]struct {
		file string
		want []Key
	}{
		"one key":                             {"1 " + secretOf(1) + "\n", keysOf(1)},
		"one key, and no end of the line":     {"1 " + secretOf(1), keysOf(1)},
		"lines that end as on Windows":        {"1 " + secretOf(1) + "\r\n2 " + secretOf(2) + "\r\n", keysOf(1, 2)},
		"keys stay in the order of the file":  {"9 " + secretOf(9) + "\n4 " + secretOf(4) + "\n", keysOf(9, 4)},
		"comments and empty lines":            {"# of the web cluster\n\n  # and more\n1 " + secretOf(1) + "\n\n", keysOf(1)},
		"a comment behind a key":              {"1 " + secretOf(1) + " # since May\n", keysOf(1)},
		"a comment right behind a key":        {"1 " + secretOf(1) + "# since May\n", keysOf(1)},
		"blanks and tabs, as many as one has": {"\t1 \t " + secretOf(1) + "  \n", keysOf(1)},
		"receive-only":                        {"1 " + secretOf(1) + " receive-only\n", []Key{receiveOnly(keyOf(1))}},
		"number 255":                          {"255 " + secretOf(255) + "\n", keysOf(255)},
		"a number with zeros in front":        {"003 " + secretOf(3) + "\n", keysOf(3)},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := ParseKeys([]byte(tc.file))
			if err != nil {
				t.Fatal(err)
			}
			if !equalKeys(got, tc.want) {
				t.Errorf("%s, want %s", lines(got), lines(tc.want))
			}
		})
	}
}

// cmp would print keys without their secrets.
func equalKeys(a, b []Key) bool { return cmp.Equal(lines(a), lines(b)) }

func lines(keys []Key) string {
	var b strings.Builder
	for _, k := range keys {
		fmt.Fprintln(&b, k.Line())
	}
	return b.String()
}

func TestParseKeysRefuses(t *testing.T) {
	k1, k2 := "1 "+secretOf(1)+"\n", "2 "+secretOf(2)+"\n"
	var seventeen strings.Builder
	for id := range uint8(17) {
		fmt.Fprintln(&seventeen, keyOf(id+1).Line())
	}
	sameSecret := "2 " + secretOf(1) + "\n"
	for name, tc := range map[string]struct {
		file string
		want []string // lines of the error
	}{
		"a secret without a number":      {secretOf(1), []string{"line 1: want the number"}},
		"number and secret swapped":      {secretOf(1) + " 1", []string{"line 1: want the number"}},
		"number 0":                       {"0 " + secretOf(1), []string{"line 1: want the number"}},
		"number 256":                     {"256 " + secretOf(1), []string{"line 1: want the number"}},
		"number -1":                      {"-1 " + secretOf(1), []string{"line 1: want the number"}},
		"a number without a secret":      {"1", []string{"line 1: key 1 has no secret"}},
		"a secret cut short":             {"1 " + secretOf(1)[:40], []string{"line 1: the secret of key 1 is not 32 bytes"}},
		"a secret of 31 bytes":           {"1 " + base64.StdEncoding.EncodeToString(make([]byte, 31)), []string{"not 32 bytes"}},
		"a secret of 33 bytes":           {"1 " + base64.StdEncoding.EncodeToString(make([]byte, 33)), []string{"not 32 bytes"}},
		"a secret without its =":         {"1 " + strings.TrimRight(secretOf(1), "="), []string{"not 32 bytes"}},
		"a secret with bits left over":   {"1 " + secretOf(1)[:42] + "/=", []string{"not 32 bytes"}},
		"a secret in hexadecimal digits": {"1 " + strings.Repeat("0a", 32), []string{"not 32 bytes"}},
		"a secret with a blank in it":    {"1 " + secretOf(1)[:9] + " " + secretOf(1)[9:], []string{"not 32 bytes"}},
		"a secret of zeros":              {"1 " + base64.StdEncoding.EncodeToString(make([]byte, 32)), []string{"all zeros"}},
		"another word":                   {"1 " + secretOf(1) + " readonly", []string{"nothing may stand but receive-only"}},
		"receive-only in capitals":       {"1 " + secretOf(1) + " Receive-Only", []string{"nothing may stand but receive-only"}},
		"receive-only twice":             {"1 " + secretOf(1) + " receive-only receive-only", []string{"nothing may stand but"}},
		"a number twice":                 {k1 + "1 " + secretOf(2), []string{"line 2: key 1 is there twice"}},
		"a secret twice":                 {k1 + sameSecret, []string{"line 2: key 2 has the secret of key 1"}},
		"17 keys":                        {seventeen.String(), []string{"line 17: key 17 is one too many"}},
		"all mistakes are told, by line": {"#\n1 x\n\n" + k2 + "x\n2 " + secretOf(3), []string{"line 2: ", "line 5: ", "line 6: "}},
		"an empty file":                  {"", []string{"there is no key"}},
		"a file of comments":             {"# " + k1 + "\n#\n", []string{"there is no key"}},
		"a file of something else": {
			strings.Repeat("a word\n", 1000), append(times("want the number", 20), "line 21: so many mistakes"),
		},
		"a file that is all too long": {strings.Repeat("#", MaxKeyFile+1), []string{"at most 65536 bytes"}},
		"a picture":                   {"\x89PNG\r\n\x1a\n\x00\x00", []string{"line 1: ", "line 2: ", "line 3: "}},
	} {
		t.Run(name, func(t *testing.T) {
			keys, err := ParseKeys([]byte(tc.file))
			if keys != nil || err == nil {
				t.Fatalf("%d keys, %v", len(keys), err)
			}
			got := strings.Split(err.Error(), "\n")
			if len(got) != len(tc.want) {
				t.Fatalf("%d mistakes, want %d:\n%v", len(got), len(tc.want), err)
			}
			for i, want := range tc.want {
				if !strings.Contains(got[i], want) {
					t.Errorf("%q, want something about %q", got[i], want)
				}
			}
			showsNoWord(t, tc.file, err)
		})
	}
}

func times(s string, n int) (list []string) {
	for range n {
		list = append(list, s)
	}
	return list
}

// showsNoWord fails if an error has a word of the file that may be a secret.
func showsNoWord(t *testing.T, file string, err error) {
	t.Helper()
	for word := range strings.FieldsSeq(file) {
		if len(word) >= 20 && word != receiveOnlyWord && strings.Contains(err.Error(), word[:20]) {
			t.Errorf("the error shows %q: %v", word, err)
		}
	}
}

func TestMistakesKnowTheirLines(t *testing.T) {
	_, err := ParseKeys([]byte("# a comment\nx\n\n1\n"))
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		t.Fatalf("%T, want what errors.Join returns", err)
	}
	var got []int
	for _, err := range joined.Unwrap() {
		e, ok := errors.AsType[*LineError](err)
		if !ok {
			t.Fatalf("%T, want a *LineError", err)
		}
		got = append(got, e.Line)
	}
	if want := []int{2, 4}; !slices.Equal(got, want) {
		t.Errorf("lines %v, want %v", got, want)
	}
}

func TestAFileWithoutKeysHasAnErrorOfItsOwn(t *testing.T) {
	if _, err := ParseKeys([]byte("# nothing\n")); !errors.Is(err, ErrNoKey) {
		t.Error(err)
	}
	if _, err := ParseKeys([]byte("nothing\n")); errors.Is(err, ErrNoKey) {
		t.Error(err)
	}
}

func TestKeyLine(t *testing.T) {
	k := Key{ID: 3}
	for i := range k.Secret {
		k.Secret[i] = byte(i)
	}
	const line = "3 AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
	if got := k.Line(); got != line {
		t.Errorf("%q, want %q", got, line)
	}
	if got := receiveOnly(k).Line(); got != line+" receive-only" {
		t.Errorf("%q, want %q", got, line+" receive-only")
	}
	rapid.Check(t, func(rt *rapid.T) {
		k := NewKey(rapid.Uint8Min(1).Draw(rt, "number"))
		k.ReceiveOnly = rapid.Bool().Draw(rt, "receive-only")
		if got, err := ParseKeys([]byte(k.Line())); err != nil || len(got) != 1 || got[0] != k {
			rt.Fatalf("%v, %v", got, err)
		}
	})
}

func TestNewKeysDiffer(t *testing.T) {
	seen := map[[32]byte]bool{{}: true}
	for range 100 {
		k := NewKey(7)
		if seen[k.Secret] || k.ID != 7 || k.ReceiveOnly {
			t.Fatal("a new key is an old one, or none")
		}
		seen[k.Secret] = true
	}
}

func FuzzParseKeys(f *testing.F) {
	for _, s := range []string{
		"", "# only\n", "1\n", "1 x\n", "0 " + secretOf(1), "256 " + secretOf(1), secretOf(1),
		"1 " + secretOf(1) + "\n2 " + secretOf(2) + " receive-only # new\n", "1 " + secretOf(1) + "\n1 " + secretOf(2),
		"1 " + secretOf(1) + "\r\n\r\n\t3\t" + secretOf(3), "\xff\xfe1\x00 \x00",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		keys, err := ParseKeys(b)
		if err != nil {
			if keys != nil {
				t.Fatal("keys and an error")
			}
			showsNoWord(t, string(b), err)
			return
		}
		again, err := ParseKeys([]byte(lines(keys)))
		if err != nil || !equalKeys(keys, again) {
			t.Fatalf("%d keys, written and read again: %d, %v", len(keys), len(again), err)
		}
		if _, err := NewKeyring("web", keys, ReceiveOnly); err != nil {
			t.Fatalf("keys of a good file make no keyring: %v", err)
		}
	})
}
