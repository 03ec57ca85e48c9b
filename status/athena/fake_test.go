package athena

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"backhand/gossip/node"
)

func fixed() time.Time { return time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC) }

// fake is an engine with a farm of three members and others around it. It chooses whoever was chosen least.
type fake struct {
	mu       sync.Mutex
	farms    []Farm
	physes   []Phys
	chosen   map[string]int // by farm and name; less what was done
	asked    []Question
	told     []node.Update
	by       string
	failWith error // of Balance and Update
}

func newFake() *fake {
	sorry, _ := url.Parse("http://sorry.example/later?x=1")
	f := &fake{chosen: make(map[string]int)}
	for _, name := range []string{"farm_one", "farm_two", "East", "empty"} {
		f.farms = append(f.farms, Farm{FarmInfo: node.FarmInfo{Name: name}, Chain: []string{"byAge 6", "byLoad"}})
	}
	f.farms[3].Forwards.Down = node.Forward{URL: sorry}
	f.farms[3].Standing = node.Standing{Off: true, Why: "closed for the winter", Since: fixed().Add(-90 * time.Second)}
	add := func(farm, name string, stats ...node.Stat) {
		f.physes = append(f.physes, Phys{
			Name: name, Farm: farm, URL: "http://" + name + ".example:8080", Stats: stats, Fit: true, Weight: 1, Expect: 10 * time.Second,
		})
	}
	add("farm_one", "app01", node.Stat{Name: "cpu", Value: 0.25}, node.Stat{Name: "load1", Value: 0.4})
	add("farm_one", "app02")
	add("farm_two", "app01", node.Stat{Name: "cpu", Value: 0.25}, node.Stat{Name: "load1", Value: 0.4})
	add("farm_two", "www1")
	add("East", "db01")
	f.physes[0].Labels = []node.Label{{Key: "gpu"}, {Key: "rack", Value: "7"}}
	f.physes[0].Capacity, f.physes[0].Updated = 4, fixed().Add(-1500*time.Millisecond)
	f.physes[1].Standing = node.Standing{Down: true, Why: "disk full"}
	f.physes[1].Fit, f.physes[1].Why = false, "down: disk full"
	f.physes[3].Node = true
	return f
}

func (f *fake) farmNames() (names []string) {
	for i := range f.farms {
		names = append(names, f.farms[i].Name)
	}
	return names
}

func (f *fake) Balance(q Question) (Choice, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked = append(f.asked, q)
	if f.failWith != nil {
		return Choice{}, f.failWith
	}
	if !slices.Contains(f.farmNames(), q.Farm) {
		return Choice{}, &UnknownError{What: "farm", Name: q.Farm, Known: f.farmNames()}
	}
	c := Choice{Why: "nobody is in it"}
	for i := range f.physes {
		if p := &f.physes[i]; p.Farm == q.Farm && p.Fit {
			c.Members = append(c.Members, Chosen{p.Name, p.URL})
		}
	}
	slices.SortStableFunc(c.Members, func(a, b Chosen) int { return f.chosen[q.Farm+"/"+a.Name] - f.chosen[q.Farm+"/"+b.Name] })
	c.Members = c.Members[:min(len(c.Members), q.Members)]
	for _, m := range c.Members {
		if !q.Explain {
			f.chosen[q.Farm+"/"+m.Name]++
		}
	}
	if len(c.Members) > 0 {
		c.Why = ""
	}
	if q.Farm == "empty" {
		c.Forward = "http://sorry.example/later?x=1"
	}
	if q.Explain {
		c.Explain = []string{"byAge 6  app01 app02", "a\x1b[31mred\nline"}
	}
	return c, nil
}

func (f *fake) Done(ended []Ended) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, e := range ended {
		if !slices.ContainsFunc(f.physes, func(p Phys) bool { return p.Farm == e.Farm && p.Name == e.Member }) {
			return &UnknownError{What: "physical", Name: e.Member, Known: []string{"app01"}}
		}
	}
	for _, e := range ended {
		f.chosen[e.Farm+"/"+e.Member]--
	}
	return nil
}

func (f *fake) Farms(time.Time) []Farm {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.farms)
}

func (f *fake) Physes(time.Time) []Phys {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.physes)
}

func (f *fake) Self(time.Time) Self {
	return Self{
		Name: "www1", ID: "00ff", Version: "1.0", Started: fixed().Add(-time.Minute), Farms: 4, Physicals: 3, Nodes: 1, Queries: 99,
	}
}

func (f *fake) Update(by string, updates []node.Update) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.failWith != nil {
		return f.failWith
	}
	for _, u := range updates {
		known := f.farmNames()
		what := "farm"
		if !u.Farm {
			what, known = "physical", nil
			for i := range f.physes {
				known = append(known, f.physes[i].Name)
			}
		}
		if !slices.Contains(known, u.Name) {
			return &UnknownError{What: what, Name: u.Name, Known: known}
		}
	}
	f.by, f.told = by, append(f.told, updates...)
	return nil
}

// assigned is how many assignments stand.
func (f *fake) assigned() (n int) {
	for _, c := range f.chosen {
		n += c
	}
	return n
}

// get asks on behalf of a neighbour. The target is taken as it is: path?query.
func get(h http.Handler, target string) *httptest.ResponseRecorder {
	return send(h, http.MethodGet, target, "", "")
}

func send(h http.Handler, method, target, kind, body string) *httptest.ResponseRecorder {
	path, raw, _ := strings.Cut(target, "?")
	r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(body))
	r.Method, r.URL.Path, r.URL.RawQuery = method, path, raw
	r.RemoteAddr = "127.0.0.1:1234"
	if kind != "" {
		r.Header.Set("Content-Type", kind)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

const (
	formKind = "application/x-www-form-urlencoded"
	jsonKind = "application/json"
)

// newHandler returns a handler over a fake engine.
func newHandler() (http.Handler, *fake) {
	f := newFake()
	return New(Config{Engine: f, Now: fixed}), f
}

// says checks a reply in text.
func says(t *testing.T, w *httptest.ResponseRecorder, status int, body string) {
	t.Helper()
	if w.Code != status || w.Body.String() != body {
		t.Errorf("%d %q, want %d %q", w.Code, w.Body, status, body)
	}
}

// refuses checks a reply that is an error: one line, which holds a text.
func refuses(t *testing.T, w *httptest.ResponseRecorder, status int, has string) {
	t.Helper()
	body := w.Body.String()
	if w.Code != status || !strings.Contains(body, has) {
		t.Errorf("%d %q, want %d with %q", w.Code, body, status, has)
	}
	if !strings.HasPrefix(body, "error: ") || strings.Count(body, "\n") != 1 || !strings.HasSuffix(body, "\n") {
		t.Errorf("%q is not one line that begins with error:", body)
	}
}

var errBroken = errors.New("the engine is broken\nbadly")

func addr(s string) netip.Addr { return netip.MustParseAddr(s) }
