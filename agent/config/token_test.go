package config

import (
	"crypto/sha256"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"backhand/candidacy"
)

// secretToken is what no error may show.
const secretToken = "s3cr3t-0123456789abcdef"

// withTokenFile gives a host one file of tokens, /t.
func withTokenFile(text string, mode fs.FileMode) Env {
	e := host("10.58.4.1/24")
	e.ReadSecret = func(file string) ([]byte, fs.FileMode, error) {
		if file != "/t" {
			return nil, 0, &fs.PathError{Op: "open", Path: file, Err: syscall.ENOENT}
		}
		return []byte(text), mode, nil
	}
	return e
}

func token(name, text string, parts ...string) Token {
	return Token{Name: name, Hash: sha256.Sum256([]byte(text)), Parts: parts}
}

const tokenHead = "cluster = 'web'\n[athena]\nlisten = ':4446'\nallow = ['10.58.4.0/24']\n"

func TestTokensOfAFile(t *testing.T) {
	text := "# who may what\r\n\r\n  deploy\t" + secretToken + "   update,status\r\n" +
		"watch x" + secretToken + " status\nboss y" + secretToken + " all\ndeploy z" + secretToken + " mirror,mirror,balance"
	got := good(t, tokenHead+"token_file = '/t'", withTokenFile(text, 0o640)).Athena
	want := []Token{
		token("deploy", secretToken, "status", "update"),
		token("watch", "x"+secretToken, "status"),
		token("boss", "y"+secretToken, "balance", "status", "update", "mirror"),
		token("deploy", "z"+secretToken, "balance", "mirror"), // one more for the same, so that the first can be replaced
	}
	if d := cmp.Diff(want, got.Tokens); d != "" || got.TokenFile != "/t" {
		t.Errorf("of %q (-want +got):\n%s", got.TokenFile, d)
	}
	if !got.Opened("update") || (&Athena{Tokens: want[1:2]}).Opened("update") {
		t.Error("update is opened by the first token, and not by the second")
	}
}

func TestMistakesOfTokens(t *testing.T) {
	const (
		good   = "a " + secretToken + " all\n"
		line   = "NAME TOKEN PART[,PART], as in 'deploy Fq3... update,status'"
		open   = ", which lets others read it or its group write it: run chmod 640 /t; if somebody may have read it, make new tokens"
		parts  = "want balance, status, update, mirror or all as the parts that the token opens, with commas between them"
		length = "want a token of 16 to 256 visible ASCII characters behind the name, as 'openssl rand -hex 32' makes one"
		name   = "want first who has the token, in at most 32 letters, digits, dots, dashes and underscores: " + line
	)
	for _, row := range []struct {
		name, key, text string
		mode            fs.FileMode
		want            []string
	}{
		{"a good file", "'/t'", good, 0o640, nil},
		{"a token where its file should be", "'" + secretToken + "'", good, 0o640, []string{
			`f:5: athena.token_file is no path that begins with /: write that of a file such as "/etc/backhand/tokens"; a token itself never stands in this file`,
		}},
		{"a list of them", "['/t']", good, 0o640, []string{`f:5: athena.token_file is a list: write a string, such as "/etc/backhand/tokens"`}},
		{"a file that is not there", "'/" + secretToken + "'", good, 0o640, []string{
			"f:5: athena.token_file cannot be read: no such file or directory: correct the path, or let the user that the agent runs as read it",
		}},
		{"a file that everybody can read", "'/t'", good, 0o644, []string{"f:5: athena.token_file: the mode of /t is 0644" + open}},
		{"a file that the group can write, and that is wrong", "'/t'", "x", 0o660, []string{
			"f:5: athena.token_file: the mode of /t is 0660" + open, "/t:1: want " + line,
		}},
		{"a file without tokens, which would open all", "'/t'", "# soon\n", 0o640, []string{
			"f:5: athena.token_file: /t has no token: write lines of " + line + ", or leave token_file away, and addresses are all that counts",
		}},
		{"a file that is all too long", "'/t'", strings.Repeat("#", 64<<10+1), 0o640, []string{
			"f:5: athena.token_file: /t has more than 65536 bytes: keep it below",
		}},
		{
			"all mistakes of a file", "'/t'", "a " + secretToken + "\n" + // no parts
				"a " + secretToken + " all please\n" +
				"a/b " + secretToken + " all\n" +
				secretToken + strings.Repeat("x", 20) + " a all\n" +
				"a " + secretToken[:15] + " all\n" +
				"a " + strings.Repeat("x", 257) + " all\n" +
				"a s3cr3t-äöü-0123456789 all\n" +
				"a " + secretToken + " update,\n" +
				"a update " + secretToken + "\n" +
				"a " + secretToken + " " + secretToken + "\n" +
				"a " + secretToken + " update\n" +
				"b " + secretToken + " status\n",
			0o640,
			[]string{
				"/t:1: want " + line, "/t:2: want " + line, "/t:3: " + name, "/t:4: " + name, "/t:5: " + length, "/t:6: " + length,
				"/t:7: " + length, "/t:8: " + parts, "/t:9: " + length, "/t:10: " + parts,
				"/t:12: the token stands in line 11 already: make another one, so that it is known who sends it",
			},
		},
		{"more than there may be", "'/t'", manyTokens(65), 0o640, []string{"/t:65: this is one token too many: keep at most 64"}},
		{"as many as there may be", "'/t'", manyTokens(64), 0o640, nil},
	} {
		t.Run(row.name, func(t *testing.T) {
			text := tokenHead + "token_file = " + row.key
			_, err := Parse("f", []byte(text), withTokenFile(row.text, row.mode), candidacy.Builtin())
			var got []string
			if err != nil {
				got = strings.Split(err.Error(), "\n")
			}
			if d := cmp.Diff(row.want, got); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
			if err != nil && strings.Contains(err.Error(), "s3cr3t") {
				t.Errorf("a token is shown: %v", err)
			}
		})
	}
}

func manyTokens(n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteString("a " + secretToken + strconv.Itoa(i) + " all\n")
	}
	return b.String()
}

func TestTokensAreNoReasonToWarn(t *testing.T) {
	text := "cluster = 'web'\n[athena]\nlisten = ':4446'\nallow = ['0.0.0.0/0']\nallow_mirror = []\ntoken_file = '/t'"
	for tokens, want := range map[string]int{"a " + secretToken + " update": 0, "a " + secretToken + " status": 1} {
		c := good(t, text, withTokenFile(tokens, 0o600))
		warned := 0
		for _, w := range c.Warnings {
			if strings.Contains(w, "is everybody") {
				warned++
			}
		}
		if warned != want {
			t.Errorf("%d warnings of everybody, want %d: %q", warned, want, c.Warnings)
		}
	}
}

func TestTheTokenThatAProgramSends(t *testing.T) {
	for _, row := range []struct {
		name, text string
		mode       fs.FileMode
		want       string // the token, or what the error has
		bad        bool
	}{
		{"a line", secretToken + "\n", 0o600, secretToken, false},
		{"comments and blanks around it", "# of deploy\n\n  " + secretToken + "\r\n\n", 0o640, secretToken, false},
		{"a credential of systemd, of the service's user", secretToken + "\n", 0o400, secretToken, false},
		{"a credential of systemd, of root, that an access list opens to that user", secretToken, 0o440, secretToken, false},
		{"nothing", "# soon\n", 0o600, "has no token: write the one that is to be sent into it", true},
		{"two", secretToken + "\nx" + secretToken, 0o600, ":2: here is a second token", true},
		{"a line of the engine's file", "deploy " + secretToken + " update", 0o600, ":1: want the token alone, 16 to 256 visible", true},
		{"a file that others can read", secretToken, 0o604, "is 0604, which lets others read it", true},
	} {
		t.Run(row.name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "token")
			if err := errors.Join(os.WriteFile(file, []byte(row.text), 0o600), os.Chmod(file, row.mode)); err != nil {
				t.Fatal(err)
			}
			got, err := ReadToken(file)
			switch {
			case row.bad && (err == nil || !strings.Contains(err.Error(), row.want) || strings.Contains(err.Error(), "s3cr3t")):
				t.Errorf("the error is %v, want %q", err, row.want)
			case !row.bad && (err != nil || got != row.want):
				t.Errorf("got %q, %v", got, err)
			}
		})
	}
	if _, err := ReadToken("/nowhere"); err == nil || !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("of no file: %v", err)
	}
}

func TestWhereTheEngineOfAFileIs(t *testing.T) {
	for _, row := range []struct{ name, text, want string }{
		{"an address", "[athena]\nlisten = '10.58.4.1:4446'", "http://10.58.4.1:4446/athena"},
		{"the first of several, and another path", "[athena]\nlisten = ['[fd00::1]:1', ':2']\npath = '/ath/'", "http://[fd00::1]:1/ath"},
		{"all addresses", "[athena]\nlisten = ':4446'", "http://127.0.0.1:4446/athena"},
		{"all of IPv4", "[athena]\nlisten = '0.0.0.0:4446'", "http://127.0.0.1:4446/athena"},
		{"all of IPv6", "[athena]\nlisten = '[::]:4446'", "http://[::1]:4446/athena"},
		{
			"a template", `[athena]
listen = '{{ GetAllInterfaces | include "network" "10.58.4.0/24" | attr "address" }}:4446'`, "http://10.58.4.1:4446/athena",
		},
		{"a file with mistakes elsewhere", "[node]\nnonsense = 1\n[athena]\nlisten = ':1'", "http://127.0.0.1:1/athena"},
		{"no [athena]", "cluster = 'web'", ""},
		{"a list without addresses", "[athena]\nlisten = []", ""},
		{"what is no address", "[athena]\nlisten = 'nonsense'", `error: f: athena.listen: "nonsense" is not an address`},
		{"no TOML", "[athena", "error: f: toml: "},
		{"too deep", "x = " + strings.Repeat("[", 1000), "error: f:1: the file is too deeply nested (--engine names"},
	} {
		t.Run(row.name, func(t *testing.T) {
			got, err := engineURL("f", row.text, host("10.58.4.1/24"))
			if err != nil {
				got = "error: " + err.Error()
			}
			if got != row.want && (err == nil || !strings.HasPrefix(got, row.want)) {
				t.Errorf("got %q, want %q", got, row.want)
			}
		})
	}
	if got, err := EngineURL("/nowhere/backhand.toml"); got != "" || err != nil {
		t.Errorf("of no file: %q, %v", got, err)
	}
}

// FuzzTokens reads any text: what is taken can be used, and what is refused shows no word that may be a token.
func FuzzTokens(f *testing.F) {
	for _, s := range []string{
		"", "deploy " + secretToken + " update,status\n", "# x\n\nwatch " + secretToken + " all", "a b c", "a " + secretToken,
		"a " + secretToken + " all\nb " + secretToken + " all", "\x00 " + secretToken + "\x00 all", "a\u2028" + secretToken + " all",
		secretToken,
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		one, oneErr := parseOneToken("f", []byte(text))
		if oneErr == nil && !isToken(one) {
			t.Errorf("%q is taken for a token", one)
		}
		all, err := parseTokens("f", []byte(text))
		for word := range strings.FieldsSeq(text) {
			for _, e := range []error{err, oneErr} {
				if e != nil && isToken(word) && strings.Contains(e.Error(), word) {
					t.Errorf("%q is shown by %v", word, e)
				}
			}
		}
		if err != nil {
			return
		}
		if len(all) == 0 || len(all) > maxTokens {
			t.Fatalf("%d tokens", len(all))
		}
		seen := map[[sha256.Size]byte]bool{}
		for _, one := range all {
			if seen[one.Hash] || len(one.Parts) == 0 || one.Name == "" || len(one.Name) > maxTokenName {
				t.Errorf("%+v", one)
			}
			seen[one.Hash] = true
		}
	})
}
