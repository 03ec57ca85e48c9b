package athena

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"unicode"

	"pgregory.net/rapid"
)

func TestBodies(t *testing.T) {
	for _, tt := range []struct{ name, kind, body, want string }{
		{"a form", formKind, "h=app01&load1=0.4&state=off&why=new+disk", "app01 off (new disk) load1=0.4"},
		{"a form with several requests", formKind, "h=app01&load1=0.4&h=app02&load1=0.7", "app01 load1=0.4; app02 load1=0.7"},
		{"a form with several names in a request", formKind, "h=app01&h=app02&load1=1&h=db01", "app01 load1=1; app02 load1=1; db01"},
		{"a form with a word", formKind, "app01&load1=1", "app01 load1=1"},
		{"a form with escapes", formKind + "; charset=utf-8", "h=app%301&state=off&why=%22a%2Cb%26%22", `app01 off ("a,b&")`},
		{"an object", jsonKind, `{"h": "app01", "load1": 0.4}`, "app01 load1=0.4"},
		{
			"a list", jsonKind, `[{"h":"app01","load1":"0.4"},{"name":"app02","state":"off","why":"a \"b\""}]`,
			`app01 load1=0.4; app02 off (a "b")`,
		},
		{"a list as a name", jsonKind, `{"name":["app01","app02"],"health":"down"}`, "app01 down; app02 down"},
		{"statistics of their own", jsonKind, `{"name":"app01","stats":{"load1":1e1,"db":17}}`, "app01 load1=10 db=17"},
		{"a pattern", jsonKind, `{"name":"app*"}`, "app01; app02"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h, f := newHandler()
			says(t, send(h, http.MethodPost, "/athena/update/phys", tt.kind, tt.body), 200, "")
			if got := words(f.told); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestBodiesThatAreRefused(t *testing.T) {
	for _, tt := range []struct {
		name, kind, body string
		status           int
		has              string
	}{
		{"an empty form", formKind, "", 400, "want the name of a physical"},
		{"a form that does not begin with a name", formKind, "load1=1&h=app01", 400, "at byte 1: want the name"},
		{"a form with an empty pair", formKind, "h=app01&&load1=1", 400, "at byte 9: want key=value"},
		{"a form with a bad escape", formKind, "h=app01&why=%zz", 400, "at byte 9: want two hexadecimal digits"},
		{"a form with a newline", formKind, "h=app01&state=off&why=a%0ab", 400, "at byte 19: want text"},
		{"a form with a bad value", formKind, "h=app01&load1=-1", 400, "at byte 15: want a number"},
		{"no JSON", jsonKind, "h=app01", 400, "at byte 1: want JSON"},
		{"JSON that ends early", jsonKind, `{"h":"app01"`, 400, "at byte 13: want JSON"},
		{"JSON that does not end", jsonKind, `{"h":"app01"} {}`, 400, "at byte 15: want nothing behind"},
		{"neither object nor list", jsonKind, `"app01"`, 400, "at byte 1: want an object"},
		{"a list of texts", jsonKind, `[{"h":"app01"}, "app02"]`, 400, "at byte 17: want an object"},
		{"an empty list", jsonKind, `[]`, 400, "want the name of a physical"},
		{"an empty object", jsonKind, `[{"h":"app01"},{}]`, 400, "want the name of a physical in each request"},
		{"null", jsonKind, `{"h":"app01","load1":null}`, 400, `at byte 22: want a text, a number, true or false for "load1"`},
		{"an object in an object", jsonKind, `{"h":"app01","load1":{"x":1}}`, 400, "at byte 22: want a text"},
		{"a list in a list", jsonKind, `{"h":["app01",["app02"]]}`, 400, "at byte 15: want a text"},
		{"another entity among statistics", jsonKind, `{"h":"app01","stats":{"db":17,"h":"app02"}}`, 400, `at byte 31: "h" is no name of a statistic`},
		{"a state among statistics", jsonKind, `{"h":"app01","stats":{"state":"off"}}`, 400, `at byte 23: "state" is no name of a statistic`},
		{"lists of statistics", jsonKind, `{"h":"app01","stats":{"load1":[1,2]}}`, 400, "at byte 31: want a text"},
		{"a key twice", jsonKind, `{"h":"app01","load1":1,"load1":2}`, 400, `at byte 24: "load1" is given twice`},
		{"a number that is too large", jsonKind, `{"h":"app01","load1":1e999}`, 400, "at byte 22: want a number"},
		{"a key without a name", jsonKind, `{"":"app01"}`, 400, "at byte 2: want a name"},
		{"control characters", jsonKind, `{"h":"app01\n"}`, 400, "want text in UTF-8"},
		{"somebody unknown among others", jsonKind, `[{"h":"app01"},{"h":"app09"}]`, 404, `there is no physical "app09"`},
		{"another kind", "text/plain", "h=app01", 415, "send application/x-www-form-urlencoded or application/json"},
		{"no kind", "", "h=app01", 415, "send application/x-www-form-urlencoded"},
		{"too large", formKind, "h=app01&why=" + strings.Repeat("x", maxBody), 413, "larger than 1048576 bytes"},
		{"too many requests", formKind, strings.Repeat("h=app01&load1=1&", 1001) + "h=app01", 413, "at most 1000"},
		{"too many arguments", jsonKind, `{"h":[` + strings.Repeat(`"app01",`, 128) + `"app01"]}`, 400, "at most 128 arguments"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h, f := newHandler()
			refuses(t, send(h, http.MethodPost, "/athena/update/phys", tt.kind, tt.body), tt.status, tt.has)
			if len(f.told) != 0 {
				t.Errorf("told: %s", words(f.told))
			}
		})
	}
}

func TestAPOSTHasItsArgumentsInItsBody(t *testing.T) {
	h, f := newHandler()
	refuses(t, send(h, http.MethodPost, "/athena/update/phys?h=app01", formKind, "load1=1"), 400, "in its body")
	if len(f.told) != 0 {
		t.Errorf("told: %s", words(f.told))
	}
}

func TestAThousandUpdatesFitIntoOneBody(t *testing.T) {
	h, f := newHandler()
	body := strings.TrimSuffix(strings.Repeat("h=app01&load1=0.25&db=17&", 1000), "&")
	says(t, send(h, http.MethodPost, "/athena/update/phys", formKind, body), 200, "")
	if len(f.told) != 1000 {
		t.Errorf("%d were told", len(f.told))
	}
}

func TestABodyHoldsAtMostAThousandRequests(t *testing.T) {
	var q query
	if err := q.parseForm(strings.Repeat("a&n=2&", 999)+"a", namesFarm); err != nil || len(q.ends) != 1000 {
		t.Errorf("%d requests: %v", len(q.ends), err)
	}
	for name, err := range map[string]error{
		"form": new(query).parseForm(strings.Repeat("a&n=2&", 1000)+"a", namesFarm),
		"JSON": new(query).parseJSON([]byte("[" + strings.Repeat("{},", 1000) + "{}]")),
	} {
		if err == nil || statusOf(err) != http.StatusRequestEntityTooLarge {
			t.Errorf("a %s with one more: %v", name, err)
		}
	}
}

func TestBalanceByPOST(t *testing.T) {
	for _, tt := range []struct{ name, kind, body, want string }{
		{"a form", formKind, "farm=farm_two&n=2&farm=farm_one&f=url", "app01 www1\nhttp://app01.example:8080\n"},
		{"a form of words", formKind, "farm_two&farm_one&explain&East", "app01\n# byAge 6  app01 app02\n# a\ufffd[31mred\ufffdline\n" +
			"app01\n# byAge 6  app01 app02\n# a\ufffd[31mred\ufffdline\ndb01\n"},
		{"JSON", jsonKind, `[{"farm":["farm_two","farm_one"],"n":2,"explain":false},{"farm":"East"}]`, "app01 www1\napp01\ndb01\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h, _ := newHandler()
			says(t, send(h, http.MethodPost, "/athena/balance", tt.kind, tt.body), 200, tt.want)
		})
	}
}

// A query string, a form and JSON that say the same are the same.
func TestAllWaysOfSayingAreTheSame(t *testing.T) {
	name := rapid.SampledFrom([]string{"app01", "app02", "db01"})
	rapid.Check(t, func(t *rapid.T) {
		var grammar, form []string
		var objects []map[string]any
		for range rapid.IntRange(1, 5).Draw(t, "requests") {
			h, why := name.Draw(t, "name"), rapid.StringMatching(`[ -~ä]{1,10}`).Draw(t, "why")
			load := rapid.Float64Range(0, 1e9).Draw(t, "load")
			text := string(appendNumber(nil, load))
			grammar = append(grammar, write([][]arg{{
				{key: "h", value: h}, {key: "load1", value: text}, {key: "state", value: "off"}, {key: "why", value: why},
			}}))
			form = append(form, fmt.Sprintf("h=%s&load1=%s&state=off&why=%s", h, text, url.QueryEscape(why)))
			objects = append(objects, map[string]any{"h": h, "load1": load, "state": "off", "why": why})
		}
		asJSON, err := json.Marshal(objects)
		if err != nil {
			t.Fatal(err)
		}
		said := func(method, query, kind, body string) string {
			h, f := newHandler()
			if w := send(h, method, "/athena/update/phys"+query, kind, body); w.Code != 200 {
				t.Fatalf("%s %s: %d %s", query, body, w.Code, w.Body)
			}
			return words(f.told)
		}
		want := said("GET", "?E"+url.QueryEscape(strings.Join(grammar, ";")), "", "")
		for kind, body := range map[string]string{formKind: strings.Join(form, "&"), jsonKind: string(asJSON)} {
			if got := said("POST", "", kind, body); got != want {
				t.Errorf("%s: %s, want %s", body, got, want)
			}
		}
	})
}

// checkReply checks what is true of every reply.
func checkReply(t *testing.T, path string, w *httptest.ResponseRecorder, engine *fake, most int) {
	t.Helper()
	body := w.Body.String()
	switch w.Code {
	case 200, 400, 403, 404, 413, 503:
	default:
		t.Errorf("%s: status %d: %s", path, w.Code, body)
	}
	odd := func(r rune) bool { return r != '\n' && r != '\t' && !unicode.IsPrint(r) }
	if i := strings.IndexFunc(body, odd); i >= 0 && !strings.Contains(path, "status") { // a format may hold what it likes
		t.Errorf("%s: %q holds %q", path, body, body[i:])
	}
	if w.Code != 200 && w.Code != 503 && (!strings.HasPrefix(body, "error: ") || strings.Count(body, "\n") != 1) {
		t.Errorf("%s: %d %q is not one line of error", path, w.Code, body)
	}
	if w.Code != 200 && len(engine.told) > 0 || len(engine.told) > most {
		t.Errorf("%s: %d, and yet %d updates", path, w.Code, len(engine.told))
	}
	if n := engine.assigned(); w.Code != 200 && w.Code != 503 && n > 0 {
		t.Errorf("%s: %d, and yet %d assignments", path, w.Code, n)
	}
	for _, u := range engine.told {
		for _, s := range u.Stats {
			if !finite(s.Value) || s.Value < 0 {
				t.Errorf("%s: %s is %v", path, s.Name, s.Value)
			}
		}
		if badText(u.Name) >= 0 || badText(u.Why) >= 0 {
			t.Errorf("%s: %+v", path, u)
		}
	}
}

func fuzzBody(f *testing.F, kind string) {
	f.Fuzz(func(t *testing.T, body string) {
		for _, path := range []string{"balance", "update/farm", "update/phys"} {
			h, engine := newHandler()
			checkReply(t, path, send(h, http.MethodPost, "/athena/"+path, kind, body), engine, maxRequests)
		}
	})
}

// FuzzForm sends any text as a form.
func FuzzForm(f *testing.F) {
	for _, s := range []string{
		"", "h=app01&load1=0.4&h=app02&state=off&why=x+y", "&", "=", "h=%", "h=app01&load1=NaN", "farm=farm_one&n=2&explain",
		"farm_one&done=app01",
		"h=*&state=off", "h=app01&h=app02", "%00=%00",
	} {
		f.Add(s)
	}
	fuzzBody(f, formKind)
}

// FuzzJSON sends any text as JSON.
func FuzzJSON(f *testing.F) {
	for _, s := range []string{
		"", "[]", "{}", `[{"h":"app01","load1":0.4},{"name":["app02"],"stats":{"db":17}}]`, `{"farm":"farm_one","n":2,"explain":true}`,
		`{"h":"app01","load1":1e999}`, `{"stats":{"stats":{}}}`, `[[[[[[`, `{"h":null}`, `{"h":"\ud800"}`, `{"h":"app01"}x`,
		`{"h":"app01",}`,
	} {
		f.Add(s)
	}
	fuzzBody(f, jsonKind)
}
