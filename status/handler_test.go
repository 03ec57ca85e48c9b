package status

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"backhand/gossip/node"
)

func fixed() time.Time { return now }

func seedSource() (*node.Snapshot, Info) { return seedCluster(), seedInfo() }

// ask asks a handler on behalf of a neighbour.
func ask(h http.Handler, method, path string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, nil)
	r.RemoteAddr = "127.0.0.1:1234"
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func TestWhatIsBelowThePrefix(t *testing.T) {
	metrics := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { say(w, 200, "figures") })
	h := NewHandler(Config{Source: seedSource, Metrics: metrics, Now: fixed})
	tests := []struct {
		method, path string
		status       int
		kind, has    string
	}{
		{"GET", "/backhand/", 200, "text/html; charset=utf-8", "<caption"},
		{"GET", "/backhand/?refresh=5", 200, "text/html; charset=utf-8", `http-equiv="refresh" content="5"`},
		{"GET", "/backhand/view.json", 200, "application/json", `"cluster": "web"`},
		{"GET", "/backhand/metrics", 200, "text/plain; charset=utf-8", "figures"},
		{"GET", "/backhand/live", 200, "text/plain; charset=utf-8", "live"},
		{"GET", "/backhand/ready", 200, "text/plain; charset=utf-8", "ready"},
		{"GET", "/backhand/style.css", 200, "text/css; charset=utf-8", "--paper"},
		{"GET", "/backhand/page.js", 200, "text/javascript; charset=utf-8", "use strict"},
		{"GET", "/backhand/icon.svg", 200, "image/svg+xml", "<svg"},
		{"HEAD", "/backhand/", 200, "text/html; charset=utf-8", ""},
		{"GET", "/backhand", 302, "text/html; charset=utf-8", "/backhand/"},
		{"HEAD", "/backhand", 302, "text/html; charset=utf-8", ""},
		{"POST", "/backhand", 405, "text/plain; charset=utf-8", "only be read"},
		{"GET", "/backhand/page.html.tmpl", 404, "text/plain; charset=utf-8", "nothing here"},
		{"GET", "/backhand/style.css/", 404, "text/plain; charset=utf-8", "nothing here"},
		{"GET", "/backhand/../live", 404, "text/plain; charset=utf-8", "nothing here"},
		{"GET", "/live", 404, "text/plain; charset=utf-8", "nothing here"},
		{"GET", "/live/", 404, "text/plain; charset=utf-8", "nothing here"},
		{"POST", "/backhand/nothing", 404, "text/plain; charset=utf-8", "nothing here"},
		{"POST", "/backhand/", 405, "text/plain; charset=utf-8", "only be read"},
		{"OPTIONS", "/backhand/view.json", 405, "text/plain; charset=utf-8", "only be read"},
		{"DELETE", "/backhand/metrics", 405, "text/plain; charset=utf-8", "only be read"},
	}
	for _, tt := range tests {
		t.Run(tt.method+" "+tt.path, func(t *testing.T) {
			w := ask(h, tt.method, tt.path)
			if w.Code != tt.status || w.Header().Get("Content-Type") != tt.kind || !strings.Contains(w.Body.String(), tt.has) {
				t.Errorf("%d, %s, want %d, %s and %q in:\n%s", w.Code, w.Header().Get("Content-Type"), tt.status, tt.kind, tt.has, w.Body)
			}
			for name, want := range map[string]string{
				"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff",
				"Content-Security-Policy": "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
			} {
				if got := w.Header().Get(name); got != want {
					t.Errorf("%s: %q, want %q", name, got, want)
				}
			}
			if allow := w.Header().Get("Allow"); (allow == "GET, HEAD") != (tt.status == 405) {
				t.Errorf("Allow: %q", allow)
			}
		})
	}
}

func TestTheSlashAtTheEndIsAddedForThoseWhoMaySeeThePage(t *testing.T) {
	tests := []struct {
		name, prefix, from, target string
		status                     int
		location                   string
	}{
		{"the page is one slash further", "", "127.0.0.1:1234", "/backhand", 302, "/backhand/"},
		{"the query is kept", "", "127.0.0.1:1234", "/backhand?refresh=5&x=%2F%3f", 302, "/backhand/?refresh=5&x=%2F%3f"},
		{
			"a query that would lead elsewhere stays a query", "", "127.0.0.1:1234",
			"/backhand?//example.org/..", 302, "/backhand/?//example.org/..",
		},
		{"another prefix", "/ops/map/", "127.0.0.1:1234", "/ops/map?a", 302, "/ops/map/?a"},
		{"a stranger learns of nothing", "", "192.0.2.7:1234", "/backhand?refresh=5", 403, ""},
		{"what only begins like the prefix is nothing", "", "127.0.0.1:1234", "/backhander", 404, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := httptest.NewRequest("GET", tt.target, nil)
			r.RemoteAddr = tt.from
			w := httptest.NewRecorder()
			NewHandler(Config{Prefix: tt.prefix, Source: seedSource, Now: fixed}).ServeHTTP(w, r)
			if got := w.Header().Get("Location"); w.Code != tt.status || got != tt.location {
				t.Errorf("%d to %q, want %d to %q", w.Code, got, tt.status, tt.location)
			}
		})
	}
}

func TestWithoutMetricsThereIsNothing(t *testing.T) {
	if w := ask(NewHandler(Config{Source: seedSource}), "GET", "/backhand/metrics"); w.Code != 404 {
		t.Errorf("status %d", w.Code)
	}
}

func TestAnotherPrefix(t *testing.T) {
	h := NewHandler(Config{Source: seedSource, Prefix: "/ops/map/", Now: fixed})
	if w := ask(h, "GET", "/ops/map/live"); w.Code != 200 {
		t.Errorf("status %d", w.Code)
	}
	if w := ask(h, "GET", "/backhand/live"); w.Code != 404 {
		t.Errorf("status %d", w.Code)
	}
}

func TestReadyFollowsTheState(t *testing.T) {
	for state, want := range map[node.State]int{0: 200, node.Up: 200, node.Draining: 503, node.Leaving: 503} {
		h := NewHandler(Config{Source: func() (*node.Snapshot, Info) { return seedCluster(), Info{State: state} }})
		if w := ask(h, "GET", "/backhand/ready"); w.Code != want {
			t.Errorf("%v: status %d, want %d", state, w.Code, want)
		}
		if w := ask(h, "GET", "/backhand/live"); w.Code != 200 {
			t.Errorf("%v: live is %d", state, w.Code)
		}
	}
}

func TestJSONAndPageAreOfOneView(t *testing.T) {
	h := NewHandler(Config{Source: seedSource, Now: fixed})
	var got View
	if err := json.Unmarshal(ask(h, "GET", "/backhand/view.json").Body.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	info := seedInfo()
	info.Viewer = "127.0.0.1"
	want := NewView(seedCluster(), info, now)
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff(string(render(t, want, 0)), ask(h, "GET", "/backhand/").Body.String()); d != "" {
		t.Error(d)
	}
}

func TestTheViewerSeesHisAddress(t *testing.T) {
	h := NewHandler(Config{Source: seedSource, Now: fixed, Allow: func(netip.Addr) bool { return true }})
	r := httptest.NewRequest("GET", "/backhand/view.json", nil)
	r.RemoteAddr = "10.58.4.9:1234"
	r.Header.Set("X-Forwarded-For", "192.0.2.7, 192.0.2.8")
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	if !strings.Contains(w.Body.String(), `"viewer": "10.58.4.9 for 192.0.2.7, 192.0.2.8"`) {
		t.Error(w.Body)
	}
}

func TestAPageThatCannotBeRenderedIsA500(t *testing.T) {
	h := NewHandler(Config{Source: seedSource}).(*handler)
	h.page.Funcs(map[string]any{"span": func(float64) (string, error) { return "", http.ErrBodyNotAllowed }})
	w := ask(h, "GET", "/backhand/")
	if w.Code != 500 || strings.Contains(w.Body.String(), "<h1") {
		t.Errorf("status %d:\n%s", w.Code, w.Body)
	}
}
