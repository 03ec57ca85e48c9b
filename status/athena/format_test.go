package athena

import (
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"

	"backhand/gossip/node"
)

func TestFormats(t *testing.T) {
	p := newFake().physes[0]
	p.Standing.Why = "a\nb"
	p.URL = "http://ä\xff/"
	for _, tt := range []struct{ name, format, want string }{
		{"a letter", "%h", "app01\n"},
		{"letters and text", "%h is %o, %u and %i", "app01 is on, up and in\n"},
		{"a long name", "%{name}/%{farm}", "app01/farm_one\n"},
		{"a statistic by its letter", "%c", "0.25\n"},
		{"a statistic by its name", "%{load1}", "0.4\n"},
		{"a statistic that is not pushed", "%{queue}", "-\n"},
		{"all statistics", "%S", "cpu=0.25,load1=0.4\n"},
		{"labels", "%L", "gpu,rack=7\n"},
		{"a percent sign", "100%%", "100%\n"},
		{"escapes", `%h\t%o\\\"\n`, "app01\ton\\\"\n"},
		{"one line end is enough", `%h\n`, "app01\n"},
		{"two are two", `%h\n\n`, "app01\n\n"},
		{"filled up on the left", "%8h|", "   app01|\n"},
		{"filled up on the right", "%-8h|", "app01   |\n"},
		{"too long for its width", "%3h|", "app01|\n"},
		{"a name with a width", "%-8{farm}|", "farm_one|\n"},
		{"an age", "%A", "1.5\n"},
		{"yes and no", "%x", "yes\n"},
		{"nothing", "", "\n"},
		{"others' control characters", "%r", "a\ufffdb\n"},
		{"bytes that are no text", "%a", "http://ä\ufffd/\n"},
		{"other scripts are filled up by characters", "%-12a|", "http://ä\ufffd/  |\n"},
		{"text of other scripts", "ä%hß", "äapp01ß\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f, m := parseFormat(physTable(), tt.format)
			if m != nil {
				t.Fatalf("%d: %s", m.at, m.want)
			}
			if got := string(f.append(nil, &p, fixed())); got != tt.want {
				t.Errorf("%s: got %q, want %q", tt.format, got, tt.want)
			}
		})
	}
}

func TestMistakesInFormats(t *testing.T) {
	for _, tt := range []struct {
		name, format string
		at           int
		want         string
	}{
		{"nothing behind a percent sign", "ab%", 3, "want a code behind a %"},
		{"a letter that is no code", "%h%Z", 3, `"Z" is no code of a physical: want one of h/name`},
		{"the letter of the format", "%f", 1, "no value"},
		{"a width without a code", "%-8", 3, "want a code"},
		{"a width that is too large", "%h%201h", 3, "at most 200"},
		{"a name that can be none", "%{1x}", 1, `"1x" is no code`},
		{"an open brace", "%h %{name", 4, "closing brace"},
		{"a backslash at the end", `%h\`, 2, `want \n`},
		{"an escape that is none", `\x41`, 0, `want \n`},
		{"a letter of another script", "%ä", 1, `"ä" is no code`},
		{"too long a format", strings.Repeat("a", maxFormat+1), maxFormat, "at most 1024 bytes"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, m := parseFormat(physTable(), tt.format)
			if m == nil || m.at != tt.at || !strings.Contains(m.want, tt.want) {
				t.Errorf("%s: got %+v, want %q at %d", tt.format, m, tt.want, tt.at)
			}
		})
	}
}

// String writes a format as it is read.
func (f format[T]) String() string {
	var b strings.Builder
	for _, p := range f {
		switch {
		case p.code == nil:
			b.WriteString(strings.NewReplacer("%", "%%", `\`, `\\`, "\n", `\n`, "\t", `\t`).Replace(p.text))
		case p.width != 0:
			fmt.Fprintf(&b, "%%%d{%s}", p.width, p.code.name)
		default:
			fmt.Fprintf(&b, "%%{%s}", p.code.name)
		}
	}
	return b.String()
}

func TestFormatsThatAreWrittenAreRead(t *testing.T) {
	table := physTable()
	var names []string
	for i := range table.codes {
		if table.codes[i].value != nil {
			names = append(names, table.codes[i].name)
		}
	}
	names = append(names, "queue", "a.b-c_d")
	p := newFake().physes[0]
	rapid.Check(t, func(t *rapid.T) {
		var f format[Phys]
		for range rapid.IntRange(0, 8).Draw(t, "pieces") {
			if len(f) > 0 && f[len(f)-1].code == nil || rapid.Bool().Draw(t, "a code") {
				f = append(f, piece[Phys]{
					code: table.find(rapid.SampledFrom(names).Draw(t, "name")), width: rapid.IntRange(-maxWidth, maxWidth).Draw(t, "width"),
				})
			} else {
				f = append(f, piece[Phys]{text: rapid.StringMatching(`[ -~\n\t€]{1,9}`).Draw(t, "text")})
			}
		}
		again, m := parseFormat(table, f.String())
		if m != nil {
			t.Fatalf("%s: %d: %s", f, m.at, m.want)
		}
		if again.String() != f.String() {
			t.Errorf("%s is read as %s", f, again)
		}
		if a, b := string(f.append(nil, &p, fixed())), string(again.append(nil, &p, fixed())); a != b {
			t.Errorf("%s: %q, read again %q", f, a, b)
		}
	})
}

// FuzzFormat reads any format, and writes a member of whom others have said bad things.
func FuzzFormat(f *testing.F) {
	for _, s := range []string{
		"%h,%c", "%h %-8{load1}|%%\\n\\t\\\\\\\"", "%", "%{", "%{}", "%-", "%999999999999h", "\\", "%f", "%\xff", "%{stats} %L %W",
	} {
		f.Add(s, "www1")
	}
	f.Add("%h", "a\x1b[31m\n\u202eb\xff")
	f.Fuzz(func(t *testing.T, text, name string) {
		all, m := parseFormat(physTable(), text)
		if m != nil {
			if m.at < 0 || m.at > len(text) || m.want == "" {
				t.Errorf("%q: %+v", text, m)
			}
			return
		}
		again, m := parseFormat(physTable(), all.String())
		if m != nil || again.String() != all.String() {
			t.Errorf("%q: %s, read again %s", text, all, again)
		}
		p := Phys{
			Name: name, Farm: name, URL: name, Why: name,
			Labels: []node.Label{{Key: name, Value: name}}, Stats: []node.Stat{{Name: name}},
		}
		out := string(all.append(nil, &p, fixed()))
		if !strings.HasSuffix(out, "\n") {
			t.Errorf("%q: %q does not end the line", text, out)
		}
		if utf8.ValidString(text) && !utf8.ValidString(out) || strings.Count(out, "\x1b") > strings.Count(text, "\x1b") {
			t.Errorf("%q of %q: %q", text, name, out)
		}
	})
}
