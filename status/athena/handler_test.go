package athena

import (
	"os"
	"strings"
	"sync"
	"testing"

	"backhand/gossip/node"
)

func TestMethods(t *testing.T) {
	for _, tt := range []struct {
		method, path string
		status       int
		allow        string
	}{
		{"HEAD", "status/phys", 200, ""},
		{"HEAD", "balance", 405, "GET, POST"}, // a look must not count
		{"HEAD", "update/phys", 405, "GET, POST"},
		{"PUT", "update/phys", 405, "GET, POST"},
		{"DELETE", "status/farm", 405, "GET, HEAD"},
		{"POST", "status/phys", 405, "GET, HEAD"},
		{"OPTIONS", "balance", 405, "GET, POST"},
		{"\x1b[31m", "balance", 405, "GET, POST"},
		{"PUT", "nonsense", 404, ""},
		{"POST", "mirror/phys", 403, ""},
	} {
		h, f := newHandler()
		w := send(h, tt.method, "/athena/"+tt.path, "", "")
		if w.Code != tt.status || w.Header().Get("Allow") != tt.allow || strings.Contains(w.Body.String(), "\x1b") {
			t.Errorf("%s %s: %d, allow %q, %q", tt.method, tt.path, w.Code, w.Header().Get("Allow"), w.Body)
		}
		if len(f.told) > 0 || len(f.asked) > 0 {
			t.Errorf("%s %s: something was done", tt.method, tt.path)
		}
	}
}

// What others say of themselves must not reach a terminal, nor make a line of its own.
func TestWhatOthersSayIsCleaned(t *testing.T) {
	h, f := newHandler()
	f.physes = []Phys{{
		Name: "a\x1b[2J\nname=b", Farm: "farm_one", URL: "http://x\ny", Fit: true, Labels: []node.Label{{Key: "k\r", Value: "\u202e"}},
		Stats: []node.Stat{{Name: "s\n", Value: 1}}, Why: "\x07",
	}}
	for _, target := range []string{
		"balance?farm_one", "balance?farm_one,f=url", "balance?farm_one,f=json", "status/phys", "status/phys?f=%h%a%L%S%r",
		"status/phys?f=json",
		"status/debug?true", "status/phys?h=nobody", "balance?E%C2%9B", "balance?\xff", "\x1b",
	} {
		w := get(h, "/athena/"+target)
		body := w.Body.String()
		visible := strings.ReplaceAll(body, "\n", " ")
		if strings.ContainsAny(body, "\x1b\r\x07\u202e\u009b") || strings.Count(body, "\n") > 6 || clean(visible) != visible {
			t.Errorf("%s: %q", target, body)
		}
		if strings.Contains(target, "phys") && strings.Count(body, "\n") != 1 {
			t.Errorf("%s: %q is not one line", target, body)
		}
	}
}

// One handler serves all connections at once.
func TestManyAskAtOnce(t *testing.T) {
	h, f := newHandler()
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			for range 50 {
				switch i % 4 {
				case 0:
					if w := get(h, "/athena/balance?farm_one,f=url"); w.Body.String() != "http://app01.example:8080\n" {
						t.Errorf("%d %q", w.Code, w.Body)
					}
				case 1:
					if w := get(h, "/athena/balance?East,n=2"); w.Code != 404 {
						t.Errorf("%d %q", w.Code, w.Body)
					}
				case 2:
					if w := get(h, "/athena/update/phys?app01,load1=1;app02,load1=2"); w.Code != 200 {
						t.Errorf("%d %q", w.Code, w.Body)
					}
				case 3:
					if w := get(h, "/athena/status/phys?g=farm_two,f=%h"); w.Body.String() != "app01\nwww1\n" {
						t.Errorf("%d %q", w.Code, w.Body)
					}
				}
			}
		})
	}
	all.Wait()
	if f.assigned() != 100 || len(f.told) != 200 {
		t.Errorf("%d assignments, want 100; %d updates, want 200", f.assigned(), len(f.told))
	}
}

func TestTheManualHasAllCodes(t *testing.T) {
	text, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, table := range []string{physTable().help(), farmTable().help(), engineTable().help()} {
		want := "//\t" + strings.ReplaceAll(strings.TrimSuffix(table, "\n"), "\n", "\n//\t") + "\n"
		if !strings.Contains(string(text), want) {
			t.Errorf("doc.go lacks this table:\n%s", want)
		}
	}
	h, _ := newHandler()
	w := get(h, "/athena/status/engine?help")
	if !strings.Contains(w.Body.String(), physTable().help()) || !strings.Contains(w.Body.String(), farmTable().help()) {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

func TestCodesAreDistinct(t *testing.T) {
	distinct(t, physTable())
	distinct(t, farmTable())
	distinct(t, engineTable())
}

func distinct[T any](t *testing.T, table *table[T]) {
	t.Helper()
	letters, names := make(map[byte]bool), make(map[string]bool)
	for i := range table.codes {
		c := &table.codes[i]
		if letters[c.letter] || names[c.name] || c.letter == 'E' || len(c.name) < 2 || !node.ValidStatName(c.name) {
			t.Errorf("%s: %s", table.what, c.keys())
		}
		if (c.value == nil) != (c.role == formats) || c.means == "" {
			t.Errorf("%s: %s has no value, or no meaning", table.what, c.keys())
		}
		letters[c.letter], names[c.name] = true, true
		if table.find(c.name) != c || table.find(string(rune(c.letter))) != c {
			t.Errorf("%s: %s is not found", table.what, c.keys())
		}
	}
}
