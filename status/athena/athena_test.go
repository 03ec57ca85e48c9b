package athena

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
)

// The checks of what is documented of mod_athena, by their numbers, so far as they concern the interface.

func TestAthena02ThePathIsAthenaByDefaultAndChangeable(t *testing.T) {
	for _, tt := range []struct {
		name, path, target string
		status             int
	}{
		{"the default", "", "/athena/balance?farm_one", 200},
		{"the default, and somewhere else", "", "/ath/balance?farm_one", 404},
		{"another path", "/ath", "/ath/balance?farm_one", 200},
		{"another path, and the default", "/ath", "/athena/balance?farm_one", 404},
		{"a path with a slash at its end", "/my/athena/", "/my/athena/balance?farm_one", 200},
		{"a path without one at its beginning", "ath", "/ath/balance?farm_one", 200},
		{"everything", "/", "/balance?farm_one", 200},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := get(New(Config{Engine: newFake(), Path: tt.path}), tt.target)
			if w.Code != tt.status {
				t.Errorf("%s: %d %s", tt.target, w.Code, w.Body)
			}
		})
	}
}

func TestAthena03AnyPathBelowIsAnsweredByTheEngine(t *testing.T) {
	h, _ := newHandler()
	for _, target := range []string{
		"/athena", "/athena/", "/athena/nonsense", "/athena/status", "/athena/status/", "/athena/update/engine?h=x",
		"/athena/balance//?farm_one", "/athena/balance/farm_one", "/athena/../etc/passwd",
		"/athena/status/phys/x\n", "/athena/Balance?farm_one",
	} {
		refuses(t, get(h, target), http.StatusNotFound, "status/farm, status/phys")
	}
}

func TestAthena04AllPathsAreRecognised(t *testing.T) {
	h, _ := newHandler()
	for _, tt := range []struct {
		path, query string
		status      int
	}{
		{"balance", "farm_one", 200},
		{"status/farm", "h=farm_one", 200},
		{"status/phys", "h=app01", 200},
		{"status/engine", "true", 200},
		{"update/farm", "h=farm_one,state=on", 200},
		{"update/phys", "h=app01,load1=0.4", 200},
		{"mirror/farm", "x", 403},
		{"mirror/phys", "x", 403},
		{"status/debug", "true", 200},
	} {
		for _, slash := range []string{"", "/"} {
			w := get(h, "/athena/"+tt.path+slash+"?"+tt.query)
			if w.Code != tt.status {
				t.Errorf("%s%s: %d %s", tt.path, slash, w.Code, w.Body)
			}
			if tt.status == 403 {
				says(t, w, 403, "error: mirroring is not enabled\n")
			}
		}
	}
}

func TestAthena05AllRepliesAreTextPlain(t *testing.T) {
	h, f := newHandler()
	for _, target := range []string{
		"balance?farm_one", "balance?farm_one,n=2,f=url,explain", "balance?empty", "balance?nobody", "balance", "status/farm",
		"status/phys?f=%h", "status/engine?help", "status/debug?true", "update/phys?h=app01", "update/phys?h=app01,state=out",
		"mirror/phys?x", "nonsense",
	} {
		w := get(h, "/athena/"+target)
		if kind := w.Header().Get("Content-Type"); kind != "text/plain; charset=utf-8" {
			t.Errorf("%s: %d %s", target, w.Code, kind)
		}
		if body := w.Body.String(); body != "" && !strings.HasSuffix(body, "\n") || strings.Contains(body, "\r") {
			t.Errorf("%s: %q: lines do not end with LF", target, body)
		}
	}
	f.failWith = errBroken
	if w := get(h, "/athena/balance?farm_one"); w.Header().Get("Content-Type") != "text/plain; charset=utf-8" {
		t.Errorf("%d %v", w.Code, w.Header())
	}
}

func TestAthena06EscapedArgumentsEqualPlainOnes(t *testing.T) {
	for _, args := range []string{
		`status/phys?h=app01,f="%h,%c"`, "status/phys?h=app*;h=db01,f=%%%-9h|", `status/farm?farm_one,f="%h\t%m\n"`,
		"balance?farm_one,n=2", "balance?farm_two;farm_one", "status/phys?h=nobody", "status/phys?h=app01,f=%Z",
		`update/phys?h=app01,state=off,why="a; b, c"`,
	} {
		path, query, _ := strings.Cut(args, "?")
		var all strings.Builder
		for i := range len(query) {
			fmt.Fprintf(&all, "%%%02x", query[i])
		}
		some := strings.NewReplacer("%", "%25", `"`, "%22", " ", "%20", ",", "%2C").Replace(query)
		plain, _ := newHandler()
		want := get(plain, "/athena/"+args)
		for _, escaped := range []string{all.String(), some} {
			h, _ := newHandler()
			got := get(h, "/athena/"+path+"?E"+escaped)
			// Where a mistake is, is said of what was sent, which differs.
			if got.Code != want.Code || got.Body.String() != want.Body.String() && want.Code != http.StatusBadRequest {
				t.Errorf("E%s: %d %q, plain %d %q", escaped, got.Code, got.Body, want.Code, want.Body)
			}
		}
	}
}

func TestAthena07TheDocumentedExampleHasTwoArguments(t *testing.T) {
	for _, raw := range []string{
		`Eh=app01,f="%h,%c"`, `h=app01,f="%h,%c"`, `Eh=app01,f=%22%25h,%25c%22`, `Eh=app01%2Cf=%22%h%2c%c%22`,
	} {
		var q query
		if err := q.parseString(raw); err != nil || len(q.ends) != 1 || len(q.args) != 2 {
			t.Fatalf("%s: %v, %v", raw, q, err)
		}
		if a, b := q.args[0], q.args[1]; a.key != "h" || a.value != "app01" || b.key != "f" || b.value != "%h,%c" {
			t.Errorf("%s: %+v", raw, q.args)
		}
	}
	h, _ := newHandler()
	says(t, get(h, `/athena/status/phys/?Eh=app01,f="%h,%c"`), 200, "app01,0.25\napp01,0.25\n") // it is in two farms
}

func TestAthena08BalanceNamesExactlyOneMember(t *testing.T) {
	h, f := newHandler()
	for _, target := range []string{"/athena/balance/?farm_one", "/athena/balance?farm_one"} {
		says(t, get(h, target), 200, "app01\n")
	}
	if f.assigned() != 2 {
		t.Errorf("%d assignments were counted, want 2", f.assigned())
	}
}

func TestAthena15StatusNeverWritesAndHasItsOwnNetwork(t *testing.T) {
	f := newFake()
	h := New(Config{Engine: f, Now: fixed, Allow: func(p Part, a netip.Addr) bool {
		switch p {
		case PartStatus:
			return netip.MustParsePrefix("10.1.0.0/16").Contains(a)
		case PartUpdate:
			return netip.MustParsePrefix("10.2.0.0/16").Contains(a)
		}
		return false
	}})
	ask := func(from, path string) int {
		r := httptest.NewRequest(http.MethodGet, "/athena/"+path, nil)
		r.RemoteAddr = from + ":1234"
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		return w.Code
	}
	for _, tt := range []struct {
		from, path string
		status     int
	}{
		{"10.1.0.7", "status/phys?h=app01", 200},
		{"10.1.0.7", "status/debug?true", 200},
		{"10.1.0.7", "update/phys?h=app01,state=off", 403},
		{"10.2.0.7", "update/phys?h=app01,state=off", 200},
		{"10.2.0.7", "status/phys?h=app01", 403},
		{"10.2.0.7", "balance?farm_one", 403},
		{"10.1.0.7", "mirror/phys?h=app01", 403},
	} {
		if got := ask(tt.from, tt.path); got != tt.status {
			t.Errorf("%s asks for %s: %d, want %d", tt.from, tt.path, got, tt.status)
		}
	}
	if len(f.told) != 1 {
		t.Fatalf("%d updates were taken, want 1", len(f.told))
	}
	for _, target := range []string{"h=app01,state=off", "h=app01,load1=9", "app01,why=x"} {
		if got := ask("10.1.0.7", "status/phys?"+target); got != 400 {
			t.Errorf("status of %s: %d, want 400", target, got)
		}
	}
	if len(f.told) != 1 || len(f.asked) != 0 {
		t.Errorf("status has written: %v, %v", f.told, f.asked)
	}
}

func TestAthena16SixteenEmbeddedRequestsPassAndSeventeenDoNot(t *testing.T) {
	for _, tt := range []struct {
		path, one string
		count     func(*fake) int
	}{
		{"balance", "farm_one", func(f *fake) int { return f.assigned() }},
		{"update/phys", "h=app01,load1=0.4", func(f *fake) int { return len(f.told) }},
		{"update/farm", "h=farm_one,state=on", func(f *fake) int { return len(f.told) }},
		{"status/phys", "h=db01,f=%h", func(*fake) int { return 0 }},
	} {
		t.Run(tt.path, func(t *testing.T) {
			h, f := newHandler()
			all := strings.Repeat(tt.one+";", 15) + tt.one
			w := get(h, "/athena/"+tt.path+"?"+all)
			if w.Code != 200 {
				t.Fatalf("sixteen: %d %s", w.Code, w.Body)
			}
			if lines := strings.Count(w.Body.String(), "\n"); !strings.HasPrefix(tt.path, "update") && lines != 16 {
				t.Errorf("sixteen: %d lines", lines)
			}
			before := tt.count(f)
			if tt.path != "status/phys" && before != 16 {
				t.Errorf("sixteen: %d were done", before)
			}
			w = get(h, "/athena/"+tt.path+"?"+all+";"+tt.one)
			refuses(t, w, 400, fmt.Sprintf("at byte %d: here begins request 17", len(all)+2))
			if after := tt.count(f); after != before {
				t.Errorf("seventeen: %d were done", after-before)
			}
		})
	}
}
