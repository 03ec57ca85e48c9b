package config

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"backhand/candidacy"
)

// listing returns each leaf of the tree with its line: "route.0.path:3 /".
func listing(prefix string, t *table) []string {
	var out []string
	for _, k := range slices.Sorted(maps.Keys(t.keys)) {
		out = append(out, leaves(prefix+k, t.keys[k])...)
	}
	return out
}

func leaves(name string, v *value) []string {
	switch {
	case v.table != nil:
		return listing(name+".", v.table)
	case v.isList:
		var out []string
		for i, e := range v.list {
			out = append(out, leaves(fmt.Sprintf("%s.%d", name, i), e)...)
		}
		return out
	}
	return []string{fmt.Sprintf("%s:%d %v", name, v.at(), v.raw)}
}

func TestEveryValueKnowsItsLine(t *testing.T) {
	text := `a = 1 # [x]
b.c = 2
"d e".f = [ # [
  '[x]', """
[y]
""",
  3, 4, # ]
  [5,
[6]],
]
g = { h = 7, i = { j = 8 }, k = [9, { l = 10 }] }
m = '''
[n]
'''

[[o]]
p = 11
q = """one
[o]
two"""
r = 12
	[[ o.s ]] # a table within the first
t = 13
[[o.s]]
t = 14
[o.u]
v = [
[
15]
]
[[o]]
p = 16
[w.x]
y = 17
[w]
z = 18
[[o.s]]
t = 19
`
	want := []string{
		"a:1 1", "b.c:2 2",
		`d e.f.0:6 [x]`, "d e.f.1:6 [y]\n", "d e.f.2:7 3", "d e.f.3:7 4", "d e.f.4.0:9 5", "d e.f.4.1.0:9 6",
		"g.h:11 7", "g.i.j:11 8", "g.k.0:11 9", "g.k.1.l:11 10", "m:12 [n]\n",
		"o.0.p:17 11", "o.0.q:18 one\n[o]\ntwo", "o.0.r:21 12", "o.0.s.0.t:23 13", "o.0.s.1.t:25 14", "o.0.u.v.0.0:29 15",
		"o.1.p:32 16", "o.1.s.0.t:38 19", "w.x.y:34 17", "w.z:36 18",
	}
	for _, ends := range []string{"\n", "\r\n"} {
		root, syntax := readDocument(strings.ReplaceAll(text, "\n", ends))
		if syntax != nil {
			t.Fatal(syntax)
		}
		var got []string
		for _, l := range listing("", root) {
			got = append(got, strings.ReplaceAll(l, "\r", ""))
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("lines that end in %q (-want +got):\n%s", ends, d)
		}
	}
}

func TestElementsOfManyLines(t *testing.T) {
	var b strings.Builder
	b.WriteString("cluster = 'web'\ngossip.accept = [\n")
	for i := range 300 {
		fmt.Fprintf(&b, "  '10.0.%d.0/24', # [[route]]\n", i)
	}
	b.WriteString("]\n")
	got := found(t, b.String(), host())
	if len(got) != 300-256 || !strings.HasPrefix(got[0], `259: gossip.accept: "10.0.256.0/24" is`) {
		t.Errorf("%d mistakes, the first is %q", len(got), got[0])
	}
}

// Each of these takes very long if the whole text is looked at again for each line.
func TestLargeFilesEnd(t *testing.T) {
	var keys strings.Builder
	for i := range 6000 {
		fmt.Fprintf(&keys, "x%d=1\n", i)
	}
	for name, text := range map[string]string{
		"many headers":                 strings.Repeat("[a]\n", 15000),
		"a list of lists":              "x=[\n" + strings.Repeat("[1],\n", 12000) + "]",
		"a list that is not closed":    "x=[\n" + strings.Repeat("[1],\n", 12000),
		"many headers that are broken": strings.Repeat("[a]\n[b]\n[\n", 5000),
		"many routes":                  strings.Repeat("[[route]]\npath='/'\nfarm='a'\n", 2500),
		"many unknown keys":            keys.String(),
		"a long list of mistakes":      "gossip.accept=[\n" + strings.Repeat("'x',\n", 10000) + "]",
		"deep lists":                   "x=" + strings.Repeat("[", 25000) + strings.Repeat("]", 25000),
	} {
		if got := found(t, text, host()); len(got) == 0 || len(got) > maxMistakes {
			t.Errorf("%s: %d mistakes, want some and at most %d", name, len(got), maxMistakes)
		}
	}
}

func TestNearest(t *testing.T) {
	names := []string{"accept", "interface", "interval", "send", "source", "url"}
	for typed, want := range map[string]string{
		"intervall": "interval", "Interval": "interval", "intreval": "interval", "acept": "accept", "sned": "send", "surce": "source",
		"ulr": "url", "uri": "url", "keys": "", "x": "", "": "", "peers": "", strings.Repeat("send", 1000): "",
	} {
		if got := nearest(typed, names); got != want {
			t.Errorf("nearest(%q) = %q, want %q", typed, got, want)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, m := range mistakes {
		f.Add("cluster = \"web\"\n" + m.text)
	}
	for _, s := range []string{
		"", "[", "[[", "]", "=", "\x00", "\ufeff[node]", "\xff\xfe", "a.b.c=[[1]]\n[a.b]", "[[a]]\n[a]\n[[a.b]]\n[a.b.c]", "[a]\nb=1\n[a.b]\n[[a.b.c]]",
		"[[route]]\nchain=[\n[\n'x']\n", "x='''\n[y]\n", "[\"\"]\n\"\"=1", "listen=[{address=[{}]}]", "[node]\r\n[node]\r\n", "[[farm]]\nmember=[{}]\n[[farm.member]]",
		"node.address='{{.}}:80'", "node.address='{{define \"a\"}}{{end}}[{{1}}]:80'", "[route.chain]\n[[route]]",
	} {
		f.Add(s)
	}
	reg, env := candidacy.Builtin(), host("10.58.4.1/24")
	f.Fuzz(func(t *testing.T, text string) {
		lines := strings.Count(text, "\n") + 1
		c, err := Parse("f", []byte(text), env, reg, ForRun(), ForAnnounce())
		if (c == nil) == (err == nil) {
			t.Fatalf("Parse returns %v and %v", c, err)
		}
		if err == nil {
			return
		}
		last := 0
		for _, m := range *err.(*Errors) {
			if m.Line < 1 || m.Line > lines || m.Line < last || m.Message == "" || strings.ContainsAny(m.Message, "\r\n") {
				t.Errorf("the mistake %q is on line %d of %d, after one on line %d", m.Message, m.Line, lines, last)
			}
			last = m.Line
		}
	})
}

// The library's time and memory grow by the square of the depth: 240 KB of "{a=" took 24 GB.
func TestDepthIsBounded(t *testing.T) {
	for _, row := range []struct {
		name, text string
		line       int
	}{
		{"tables in tables", "cluster = 'web'\na = " + strings.Repeat("{a=", 60000), 2},
		{"lists in lists", "a = " + strings.Repeat("[", 200000), 1},
		{"a key of many names", "\n\n" + strings.Repeat("a.", 100000) + "b = 1", 3},
		{"a header of many names", "[" + strings.Repeat("a.", 100000) + "b]", 1},
		{"brackets in long strings do not count", "a = '''" + strings.Repeat("[", 99) + "'''", 0},
		{"nor do those in comments", "a = 1 # " + strings.Repeat("{", 99) + "\nb = 2", 0},
		{"nor those behind an escaped quote", `b = "\"` + strings.Repeat("[", 99) + `"`, 0},
		{"nor do dots", "a = '" + strings.Repeat(".", 99) + "'", 0},
		{"many headers are not deep", strings.Repeat("[[route]]\npath = '/'\n", 300), 0},
		{"an open string ends with its line", "a = '" + strings.Repeat("[", 99) + "\nb = [1]", 0},
	} {
		if got := tooDeep(row.text); got != row.line {
			t.Errorf("%s: line %d, want %d", row.name, got, row.line)
		}
	}
	_, err := Parse("f", []byte("cluster = 'web'\na = "+strings.Repeat("{a=", 60000)), host(), candidacy.Builtin())
	if err == nil || !strings.Contains(err.Error(), "f:2: this is no good TOML: more than 16 tables") {
		t.Errorf("got %.200v", err)
	}
}
