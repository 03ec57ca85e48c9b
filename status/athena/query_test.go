package athena

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// brief writes what was understood: arguments with commas, requests with semicolons between them, each value in brackets.
func (q *query) brief() string {
	var b strings.Builder
	for i := range q.ends {
		if i > 0 {
			b.WriteString(" ; ")
		}
		for j, a := range q.request(i) {
			if j > 0 {
				b.WriteString(" , ")
			}
			if a.key != "" {
				b.WriteString(a.key + "=")
			}
			value, err := q.plain(&a)
			if err != nil {
				value = a.value
			}
			b.WriteString("[" + value + "]")
		}
	}
	return b.String()
}

func TestQueryStrings(t *testing.T) {
	for _, tt := range []struct{ name, raw, want string }{
		{"nothing is no request", "", ""},
		{"the mark alone is none", "E", ""},
		{"a word", "farm_one", "[farm_one]"},
		{"words", "farm_one,farm_two", "[farm_one] , [farm_two]"},
		{"a pair", "h=app01", "h=[app01]"},
		{"a second equals sign is part of the value", "why=a=b", "why=[a=b]"},
		{"quotes hold commas together", `f="%h,%c"`, "f=[%h,%c]"},
		{"and semicolons", `f="a;b";h=x`, "f=[a;b] ; h=[x]"},
		{"an empty value is quoted", `why=""`, "why=[]"},
		{"quotes within quotes", `why="the \"disk\" \\ x"`, `why=[the "disk" \ x]`},
		{"a word in quotes", `"farm_one",n=2`, "[farm_one] , n=[2]"},
		{"several requests", "a;b,c;d", "[a] ; [b] , [c] ; [d]"},
		{"nothing is unescaped without the mark", "h=a%2Cb", "h=[a%2Cb]"},
		{"with it all is", "Eh=a%2Cb%3bc", "h=[a] , [b] ; [c]"},
		{"the mark may be written twice for a name that begins with E", "EEast", "[East]"},
		{"a plus sign is a blank, as most clients write it", "Ewhy=a+b%2Bc", "why=[a b+c]"},
		{"without the mark it is a plus sign", "why=a+b", "why=[a+b]"},
		{"what is no escape stays", "Ef=%h%-8c%", "f=[%h%-8c%]"},
		{"other scripts", "Ewhy=%C3%A4", "why=[ä]"},
		{"a small e is no mark", "e%2C", "[e%2C]"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var q query
			if err := q.parseString(tt.raw); err != nil {
				t.Fatal(err)
			}
			if got := q.brief(); got != tt.want {
				t.Errorf("%s: got %s, want %s", tt.raw, got, tt.want)
			}
		})
	}
}

func TestMistakesInQueryStringsHaveAPlace(t *testing.T) {
	for _, tt := range []struct{ name, raw, want string }{
		{"an argument is missing at the end", "a,", "at byte 3: want a name, or key=value"},
		{"one is missing at the beginning", ",a", "at byte 1: want a name, or key=value"},
		{"one is missing between", "a,,b", "at byte 3: want a name"},
		{"a request is missing", "a;", "at byte 3: want a name"},
		{"a key is missing", "a,=b", "at byte 3: want a name before the equals sign"},
		{"a value is missing", "h=,b", `at byte 3: want a value for "h"`},
		{"a quote is not closed", `a,f="%h`, "at byte 5: want a closing quote"},
		{"a quote is closed by none that is escaped", `f="%h\"`, "at byte 3: want a closing quote"},
		{"something follows a quote", `f="%h"x`, "at byte 7: want a comma"},
		{"a quote stands in a value", `h=a"b"`, `at byte 4: want no "`},
		{"a quote stands in a word", `a"b"`, `at byte 2: want no "`},
		{"a quote stands in a key", `a"=b`, `at byte 2: want no "`},
		{"control characters", "Eh=a%0Ab", "at byte 5: want text in UTF-8"},
		{"the NUL", "Eh=%00", "at byte 4: want text"},
		{"bytes that are no text", "Ewhy=ab%ff", "at byte 8: want text"},
		{"text that was shortened", "why=\xe2\x82", "at byte 5: want text"},
		{"positions are those of what was sent", "E%68=a%2C%2Cb", "at byte 10: want a name"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var q query
			err := q.parseString(tt.raw)
			if err == nil || !strings.HasPrefix(err.Error(), tt.want) {
				t.Errorf("%s: got %v, want %s", tt.raw, err, tt.want)
			}
		})
	}
}

func TestTooMuchInAQueryString(t *testing.T) {
	var q query
	if err := q.parseString(strings.Repeat("a", maxQuery)); err != nil {
		t.Error(err)
	}
	if err := q.parseString(strings.Repeat("a", maxQuery+1)); err == nil || statusOf(err) != http.StatusRequestEntityTooLarge {
		t.Errorf("a byte more: %v", err)
	}
	if err := q.parseString(strings.Repeat("a,", maxArgs-1) + "a;a"); err != nil {
		t.Error(err)
	}
	want := fmt.Sprintf("at byte %d: want at most 128 arguments", 2*maxArgs+1)
	if err := q.parseString(strings.Repeat("a,", maxArgs) + "a"); err == nil || !strings.HasPrefix(err.Error(), want) {
		t.Errorf("an argument more: %v, want %s", err, want)
	}
}

// write returns a query string that means the arguments.
func write(requests [][]arg) string {
	var b strings.Builder
	for i, args := range requests {
		if i > 0 {
			b.WriteByte(';')
		}
		for j, a := range args {
			if j > 0 {
				b.WriteByte(',')
			}
			if a.key != "" {
				b.WriteString(a.key + "=")
			}
			b.WriteString(`"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(a.value) + `"`)
		}
	}
	return b.String()
}

// escapeSome escapes what drawn says of each byte, and what has to be.
func escapeSome(t *rapid.T, s string) string {
	var b strings.Builder
	for i := range len(s) {
		if s[i] == '%' || s[i] == '+' || rapid.Bool().Draw(t, "escape") {
			fmt.Fprintf(&b, "%%%02X", s[i])
		} else {
			b.WriteByte(s[i])
		}
	}
	return b.String()
}

func TestWhatIsWrittenIsRead(t *testing.T) {
	key := rapid.StringMatching(`[a-zA-Z][a-z0-9_.-]{0,10}`)
	value := rapid.StringMatching(`[ -~äß€]{0,12}`)
	one := rapid.Custom(func(t *rapid.T) arg {
		return arg{key: rapid.OneOf(key, rapid.Just("")).Draw(t, "key"), value: value.Draw(t, "value")}
	})
	all := rapid.SliceOfN(rapid.SliceOfN(one, 1, 6), 1, maxEmbedded)
	rapid.Check(t, func(t *rapid.T) {
		requests := all.Draw(t, "requests")
		text := write(requests)
		raw := "E" + escapeSome(t, text)
		if text[0] != 'E' && rapid.Bool().Draw(t, "as it is") {
			raw = text
		}
		var q query
		if err := q.parseString(raw); err != nil {
			t.Fatalf("%s: %v", raw, err)
		}
		got := make([][]arg, len(q.ends))
		for i := range q.ends {
			for _, a := range q.request(i) {
				plain, err := q.plain(&a)
				if err != nil {
					t.Fatal(err)
				}
				got[i] = append(got[i], arg{key: a.key, value: plain})
			}
		}
		if diff := cmp.Diff(requests, got, cmp.AllowUnexported(arg{})); diff != "" {
			t.Errorf("%s (- written, + read):\n%s", raw, diff)
		}
	})
}

// FuzzQuery reads any query string, and sends it to every path.
func FuzzQuery(f *testing.F) {
	for _, s := range []string{
		"", "E", "EE", "farm_one,farm_two", `Eh=app01,f="%h,%c"`, "h=app*,g=farm_one,f=%-9h|%{load1}",
		"h=app01,load1=0.4,state=off,why=x",
		"a;b;c;d;e;f;g;h;i;j;k;l;m;n;o;p", "a;b;c;d;e;f;g;h;i;j;k;l;m;n;o;p;q", `Eh=%61,f=%22\n\t\\\"%25%22`,
		"farm_one,n=3,f=url,explain",
		"h=app01,load1=NaN", "h=app01,load1=-1", "h=app01,load1=1e999", "h=*,load1=0x1p4", "Eh=%00", `f="`, "=", ",", `""`,
		"farm_one,done=app01",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		checkQuery(t, raw)
		for path := range strings.FieldsSeq(
			"balance status/farm status/phys status/engine status/debug update/farm update/phys mirror/phys") {
			h, engine := newHandler()
			checkReply(t, path, send(h, http.MethodGet, "/athena/"+path+"?"+raw, "", ""), engine, maxEmbedded*maxArgs)
		}
	})
}

// checkQuery checks what is true of every query string.
func checkQuery(t *testing.T, raw string) {
	var q query
	if err := q.parseString(raw); err != nil {
		if e, ok := errors.AsType[*syntaxError](err); ok && (e.position < 1 || e.position > len(raw)+1) {
			t.Errorf("byte %d of %d: %v", e.position, len(raw), err)
		}
		return
	}
	if len(q.ends) > maxEmbedded {
		t.Errorf("%d requests", len(q.ends))
	}
	for i := range q.ends {
		if len(q.request(i)) == 0 || len(q.request(i)) > maxArgs {
			t.Errorf("request %d has %d arguments", i, len(q.request(i)))
		}
	}
	for _, a := range q.args {
		if q.text[a.valueAt:a.valueAt+len(a.value)] != a.value || !strings.HasPrefix(q.text[a.at:], a.key) {
			t.Errorf("%+v is not where it says", a)
		}
	}
	// Escaped as a whole it is the same.
	var all strings.Builder
	for i := range len(q.text) {
		fmt.Fprintf(&all, "%%%02x", q.text[i])
	}
	var again query
	if all.Len() >= maxQuery {
		return
	}
	if err := again.parseString("E" + all.String()); err != nil || again.brief() != q.brief() {
		t.Errorf("%q is %s, escaped %s, %v", raw, q.brief(), again.brief(), err)
	}
}
