package config

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"backhand/candidacy"
	"backhand/gossip/node"
)

// Every file in the README must be one that an agent takes, without a mistake.
func TestFilesInTheReadmeLoad(t *testing.T) {
	text, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	files := strings.Split(string(text), "```toml\n")[1:]
	if len(files) < 3 {
		t.Fatalf("%d files in the README", len(files))
	}
	for i, f := range files {
		f, _, _ := strings.Cut(f, "```")
		env := withAnyFile(t, host("10.58.4.1/24", "10.58.4.2/24"))
		if _, err := Parse("README", []byte(f), env, candidacy.Builtin(), ForRun()); err != nil {
			t.Errorf("file %d:\n%v", i+1, err)
		}
	}
}

// reference returns the README's file with every key, and what is said behind it.
func reference(t *testing.T) (file, section string) {
	t.Helper()
	text, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ = strings.Cut(string(text), "## The file\n")
	section, _, _ = strings.Cut(section, "\n## ")
	_, file, _ = strings.Cut(section, "```toml\n")
	file, _, found := strings.Cut(file, "```")
	if !found {
		t.Fatal("the README has no reference of the file")
	}
	return file, section
}

// A key that is misspelt is told which there are; each of them must be in the README.
func TestReadmeNamesEveryKey(t *testing.T) {
	_, section := reference(t)
	text := `xyzzy = 1
[node]
xyzzy = 1
[gossip]
xyzzy = 1
[[serve]]
xyzzy = 1
[[farm]]
xyzzy = 1
member = [ { xyzzy = 1 } ]
[[route]]
xyzzy = 1
[[listen]]
xyzzy = 1
certificates = [ { xyzzy = 1 } ]
[status]
xyzzy = 1
[log]
xyzzy = 1
[proxy]
xyzzy = 1
[heartbeat]
xyzzy = 1
[agent_check]
xyzzy = 1
[athena]
xyzzy = 1
[[mirror]]
xyzzy = 1
[cookie]
xyzzy = 1
`
	lists := 0
	for _, line := range found(t, text, host("10.58.4.1/24")) {
		_, keys, unknown := strings.Cut(line, "xyzzy is not known: leave it away; ")
		if !unknown {
			continue
		}
		lists++
		in, keys, _ := strings.Cut(keys, " has ")
		for key := range strings.SplitSeq(keys, ", ") {
			if !regexp.MustCompile(`\b` + key + `\b`).MatchString(section) {
				t.Errorf("the README does not name %q of %s", key, in)
			}
		}
	}
	if lists != strings.Count(text, "xyzzy") {
		t.Errorf("%d lists of keys", lists)
	}
}

// Where the README's reference does not say that it is an example, it has the default.
func TestReadmeHasTheDefaults(t *testing.T) {
	file, _ := reference(t)
	env := withAnyFile(t, host("10.58.4.1/24", "10.58.4.2/24"))
	parse := func(text string) *Config {
		c, err := Parse("f", []byte(text), env, candidacy.Builtin(), ForRun())
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	said, plain := parse(file), parse(`cluster = "web"
[node]
address = "10.58.4.1:80"
[[serve]]
farm = "web"
origin = "http://127.0.0.1:8080"
[[listen]]
address = "unix:/a"
`)
	said.Proxy.TrustedProxies = nil // an example
	if d := cmp.Diff(plain.Proxy, said.Proxy); d != "" {
		t.Errorf("[proxy] (-default +README):\n%s", d)
	}
	if d := cmp.Diff(plain.Serve[0].Reach, said.Serve[0].Reach); d != "" {
		t.Errorf("[[serve]] (-default +README):\n%s", d)
	}
	route := parse("cluster = 'web'\n[[route]]\npath = '/'\nfarm = 'web'\n[[listen]]\naddress = 'unix:/a'").Route[0]
	if d := cmp.Diff(route.ErrorOn, said.Route[0].ErrorOn); d != "" {
		t.Errorf("error_on (-default +README):\n%s", d)
	}
	if said.Gossip.Interval != plain.Gossip.Interval || said.Log.Format != plain.Log.Format ||
		said.Status.Path != plain.Status.Path || said.Node.StateDir != plain.Node.StateDir {
		t.Errorf("the README has %v, %q, %q, %q; the defaults are %v, %q, %q, %q",
			said.Gossip.Interval, said.Log.Format, said.Status.Path, said.Node.StateDir,
			plain.Gossip.Interval, plain.Log.Format, plain.Status.Path, plain.Node.StateDir)
	}
	if plain.Listen[0].Mode != 0o660 || !strings.Contains(file, `mode = "0660", the default`) {
		t.Errorf("the mode is %o", plain.Listen[0].Mode)
	}
}

func TestReadmeNamesEveryFigure(t *testing.T) {
	text, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(text), "| figures | of |")
	table, _, _ = strings.Cut(table, "\n\n")
	for _, f := range node.Figures() {
		if !strings.Contains(table, "`"+f.Name+"`") {
			t.Errorf("the README does not name %s", f.Name)
		}
	}
}

func TestReadmeNamesEveryFunction(t *testing.T) {
	text, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(text), "## Candidacy functions")
	table, _, _ = strings.Cut(table, "## Commands")
	for _, s := range candidacy.Builtin().Specs() {
		if !strings.Contains(table, "`"+s.Name) {
			t.Errorf("the README does not name %s", s.Name)
		}
	}
}
