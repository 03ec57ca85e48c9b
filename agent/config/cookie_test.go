package config

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"backhand/candidacy"
	"backhand/proxy"
)

const firstCookieKey, secondCookieKey = "correct-horse-battery-staple", "0123456789abcdef"

// withCookieKeys gives a host files with keys of cookies.
func withCookieKeys(e Env) Env {
	many := ""
	for i := range 17 {
		many += fmt.Sprintf("key-number-%06d\n", i)
	}
	files := map[string]string{
		"/etc/backhand/cookie.keys": "# since May\n\t" + firstCookieKey + " \r\n\n" + secondCookieKey,
		"/k/many":                   many,
		"/k/sixteen":                many[:len(many)-len("key-number-000016\n")],
		"/k/empty":                  "# none yet\n",
		"/k/open":                   firstCookieKey,
		"/k/huge":                   strings.Repeat("#", 65<<10),
		"/k/bad": "short\n# fine\n" + strings.Repeat("x", 257) + "\ntwo words-of-a-key\na-key-with-a#-in-it\nschlüssel-schlüssel\n" +
			firstCookieKey + "\n" + firstCookieKey + "\n",
		"/k/worse": strings.Repeat("short\n", 30),
	}
	e.ReadSecret = func(file string) ([]byte, fs.FileMode, error) {
		text, ok := files[file]
		if !ok {
			return nil, 0, &fs.PathError{Op: "open", Path: file, Err: syscall.ENOENT}
		}
		return []byte(text), map[bool]fs.FileMode{true: 0o644, false: 0o640}[file == "/k/open"], nil
	}
	return e
}

func TestMistakesOfTheCookie(t *testing.T) {
	const key = "write 16 to 256, such as 'openssl rand -hex 32' prints"
	const word = "a key is one word of visible ASCII characters, without #: write comments on lines of their own"
	for _, row := range []struct {
		name, text string
		want       []string
	}{
		{"the file alone", "key_file = '/etc/backhand/cookie.keys'", nil},
		{"a name of its own", "name = '__Host-QoS'\nkey_file = '/etc/backhand/cookie.keys'", nil},
		{"sixteen keys", "key_file = '/k/sixteen'", nil},
		{"nothing", "", []string{`2: cookie.key_file is missing: write key_file = "/etc/backhand/cookie.keys", a file with one key a line`}},
		{
			"a name that is none", "name = 'a b'\nkey_file = '/etc/backhand/cookie.keys'",
			[]string{`3: cookie.name is "a b": write letters, digits, dashes and underscores, at most 64`},
		},
		{
			"an empty name", "name = ''\nkey_file = '/etc/backhand/cookie.keys'",
			[]string{`3: cookie.name is "": write letters, digits, dashes and underscores, at most 64`},
		},
		{
			"a name that is too long", "name = '" + strings.Repeat("x", 65) + "'\nkey_file = '/etc/backhand/cookie.keys'",
			[]string{`3: cookie.name is "` + strings.Repeat("x", 65) + `": write letters, digits, dashes and underscores, at most 64`},
		},
		{
			"a key where its file should be", "key_file = '" + firstCookieKey + "'",
			[]string{`3: cookie.key_file is no path that begins with /: write one such as "/etc/backhand/cookie.keys"; a key itself never stands in ` +
				"this file"},
		},
		{"no string", "key_file = 3", []string{`3: cookie.key_file is a number: write a string, such as "/etc/backhand/cookie.keys"`}},
		{
			"no such file", "key_file = '/k/none'",
			[]string{"3: cookie.key_file cannot be read: no such file or directory: correct the path, or let the user that the agent runs as read it"},
		},
		{
			"a file that everybody can read", "key_file = '/k/open'",
			[]string{"3: cookie.key_file: the mode of /k/open is 0644, which lets others read it or its group write it: run chmod 640 /k/open; " +
				"if somebody may have read it, make a new key"},
		},
		{
			"a file without a key", "key_file = '/k/empty'",
			[]string{"3: cookie.key_file: there is no key in /k/empty: write one a line, such as 'openssl rand -hex 32' prints"},
		},
		{
			"a file that is too large", "key_file = '/k/huge'",
			[]string{"3: cookie.key_file: /k/huge is too large: a file of keys has at most 65536 bytes"},
		},
		{
			"all mistakes of a key file, with its own lines, and behind those of the file that names it",
			"key_file = '/k/bad'\nkeyfile = 'x'",
			[]string{
				"4: cookie.keyfile is not known: did you mean key_file?",
				"/k/bad:1: the key has 5 characters: " + key,
				"/k/bad:3: the key has 257 characters: " + key,
				"/k/bad:4: " + word,
				"/k/bad:5: " + word,
				"/k/bad:6: " + word,
				"/k/bad:8: the key stands here a second time: leave one away",
			},
		},
		{
			"one key too many", "key_file = '/k/many'",
			[]string{"/k/many:17: one key too many: keep those by which cookies that still count were signed, at most 16"},
		},
	} {
		t.Run(row.name, func(t *testing.T) {
			got := found(t, "cluster = 'web'\n[cookie]\n"+row.text, withCookieKeys(host()))
			if d := cmp.Diff(row.want, got); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
			for _, line := range got {
				if strings.Contains(line, "horse") {
					t.Errorf("it shows a key: %s", line)
				}
			}
		})
	}
	if got := found(t, "cluster = 'web'\n[cookie]\nkey_file = '/k/worse'", withCookieKeys(host())); len(got) != 20 {
		t.Errorf("%d mistakes are told of a file that is something else", len(got))
	}
}

// Every key of the file verifies, and the first signs.
func TestCookieOfTheFile(t *testing.T) {
	const text = "cluster = 'web'\n[cookie]\nkey_file = '/etc/backhand/cookie.keys'\n[[route]]\npath = '/'\nfarm = 'web'\n[[serve]]\nfarm = 'web'\n" +
		"origin = 'http://127.0.0.1:80'\n[node]\naddress = '127.0.0.1:81'"
	c := good(t, text, withCookieKeys(host()))
	if c.Cookie == nil || fmt.Sprint(c.Cookie) != "cookie athena, 2 keys" {
		t.Fatalf("the cookie is %v", c.Cookie)
	}
	now := time.Unix(1_790_000_000, 0)
	in := Instruction{Do: proxy.Stick, Target: "app1", Expires: now.Add(time.Hour)}
	for _, key := range []string{firstCookieKey, secondCookieKey} {
		value, err := proxy.NewCookie("x", []byte(key)).Sign(in, now)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := c.Cookie.Verify(value, now); got != in || err != nil {
			t.Errorf("signed by %s: %+v, %v", key, got, err)
		}
		own, err := c.Cookie.Sign(in, now)
		if isFirst := key == firstCookieKey; err != nil || (own == value) != isFirst {
			t.Errorf("signed by %s is %s, and by the file %s, %v", key, value, own, err)
		}
	}
	if good(t, "cluster = 'web'", host()).Cookie != nil {
		t.Error("there is a cookie without [cookie]")
	}
	odd := good(t, "cluster = 'web'\n[cookie]\nkey_file = '/etc/backhand/cookie.keys'", withCookieKeys(host())).Warnings
	if len(odd) != 1 || odd[0] != "f:2: [cookie] without a [[route]]: no request is there on which it could count" {
		t.Errorf("without a route the warnings are %q", odd)
	}
}

// The commands look at the key file alone, and at nothing else of the file that names it.
func TestCookieOfAFileWithMistakes(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string, mode fs.FileMode) string {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
		return file
	}
	keys := write("keys", firstCookieKey+"\n", 0o600)
	open := write("open", firstCookieKey+"\n", 0o644)
	bad := write("bad", "short\n", 0o600)
	for _, row := range []struct{ text, want string }{
		{"nonsense = 1\n[cookie]\nkey_file = '" + keys + "'", ""},
		{"[cookie]\nkey_file = '" + open + "'", "the mode of " + open + " is 0644, which lets others read it"},
		{"[cookie]\nkey_file = '" + bad + "'", bad + ":1: the key has 5 characters: write 16 to 256"},
		{"[cookie]\nkey_file = '" + dir + "'", "key file: " + dir + " is no file"},
		{"[cookie]\nname = 'x'", "has no cookie.key_file: add [cookie], or name the keys by --key-file"},
		{"[cookie", "(--key-file names the keys without it)"},
		{strings.Repeat("[", 99), ":1: too deeply nested (--key-file names the keys without the file)"},
	} {
		c, err := CookieOf(write("backhand.toml", row.text, 0o600))
		if (err == nil) != (row.want == "") || (c == nil) != (row.want != "") || err != nil && !strings.Contains(err.Error(), row.want) {
			t.Errorf("%q gives %v, %v; want %q", row.text, c, err, row.want)
		}
	}
	if _, err := CookieOf(filepath.Join(dir, "none")); err == nil || !strings.HasSuffix(err.Error(), "(--key-file names the keys without it)") {
		t.Errorf("no file gives %v", err)
	}
}

// What is taken for a file of keys has keys that an application can read, each once.
func FuzzCookieKeys(f *testing.F) {
	f.Add("# a\n" + firstCookieKey + "\r\n" + secondCookieKey)
	f.Fuzz(func(t *testing.T, text string) {
		keys, err := parseCookieKeys("f", []byte(text))
		if (err == nil) != (len(keys) > 0) {
			t.Fatalf("%d keys, %v", len(keys), err)
		}
		seen := map[string]bool{}
		for _, k := range keys {
			if len(k) < minCookieKey || len(k) > maxCookieKey || seen[string(k)] || strings.ContainsAny(string(k), " \t\r\n#") {
				t.Errorf("%q is taken for a key", k)
			}
			seen[string(k)] = true
		}
		if len(keys) > maxCookieKeys {
			t.Errorf("%d keys", len(keys))
		}
	})
}

// The example is one of the application's as well: it names the default.
func TestCookieExample(t *testing.T) {
	text, err := os.ReadFile("../../contrib/examples/cookie.toml")
	if err != nil {
		t.Fatal(err)
	}
	c, err := Parse("f", text, withCookieKeys(host("10.58.4.1/24")), candidacy.Builtin(), ForRun())
	if err != nil || fmt.Sprint(c.Cookie) != "cookie athena, 2 keys" {
		t.Errorf("%v, %v", c, err)
	}
}
