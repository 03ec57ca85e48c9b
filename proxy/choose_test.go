package proxy

import (
	"fmt"
	"net/http"
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"backhand/gossip/node"
)

func TestWhenEmpty(t *testing.T) {
	for _, tc := range []struct {
		what, whenEmpty string
		serves, up      bool // this host serves the farm; its check says that it is up
		others          int
		want            string
		action          string
	}{
		{"default, serving it", "", true, true, 1, "own", "self"},
		{"default, serving it badly", "", true, false, 1, "503", "503"},
		{"default, not serving it", "", false, false, 1, "503", "503"},
		{"self", "self", true, true, 1, "own", "self"},
		{"self, though its check says no", "self", true, false, 1, "own", "self"},
		{"self, not serving it", "self", false, false, 1, "503", "503"},
		{"any", "any", false, false, 1, "p0", "any"},
		{"any, alone", "any", true, true, 0, "own", "any"},
		{"any, of nobody", "any", false, false, 0, "503", "none"},
		{"503, though it serves it", "503", true, true, 1, "503", "503"},
	} {
		inLab(t, func(t *testing.T, l *lab) {
			s := &Site{Routes: l.routes(Route{Farm: "web", Chain: l.chain("none"), WhenEmpty: tc.whenEmpty})}
			if tc.serves {
				l.addNode("front", frontAddr, "web")
				l.serve("127.0.0.1:8080", named("own"))
				o := origin("web", "127.0.0.1:8080")
				o.Ready = func() (bool, string) { return tc.up, "" }
				s.Origins = []*Origin{o}
			}
			for i := range tc.others {
				name := fmt.Sprint("p", i)
				addr := fmt.Sprintf("127.0.0.1:%d", 8081+i)
				l.addPhysical("web", name, "http://"+addr)
				l.serve(addr, named(name))
			}
			h := l.agent("front", frontAddr, s)
			e := h.Explain(Question{Target: "/"})
			got := l.get("/")
			if tc.want == "503" && got.StatusCode != 503 || tc.want != "503" && got.body != tc.want {
				t.Errorf("%s: %d %q, want %s", tc.what, got.StatusCode, got.body, tc.want)
			}
			if empty := l.outcome().Empty; empty != tc.action {
				t.Errorf("%s: the outcome says %q, want %s", tc.what, empty, tc.action)
			}
			if e.Action != tc.action {
				t.Errorf("%s: explained as %q; want %s", tc.what, e.Action, tc.action)
			}
		})
	}
}

// "any" spreads over those that can be reached.
func TestAnySpreads(t *testing.T) {
	inLab(t, func(t *testing.T, l *lab) {
		for i := range 4 {
			l.addPhysical("web", fmt.Sprint("p", i), fmt.Sprintf("http://127.0.0.1:%d", 8081+i))
		}
		s := &Site{Routes: l.routes(Route{Farm: "web", Chain: l.chain("none"), WhenEmpty: "any"})}
		h := l.agent("front", frontAddr, s)
		l.liveOf("web", "p2").ConnectFailed(time.Now())
		got := map[string]int{}
		for seed := range uint64(300) {
			got[h.Explain(Question{Target: "/", Seed: new(seed + 1)}).Chosen.Name]++
		}
		if len(got) != 3 || got["p2"] != 0 || min(got["p0"], got["p1"], got["p3"]) < 70 {
			t.Errorf("of 300 requests went %v, want about 100 to each but p2", got)
		}
	})
}

func TestExplainIsTheChoice(t *testing.T) {
	inLab(t, func(t *testing.T, l *lab) {
		l.addNode("front", frontAddr, "web")
		l.addNode("drains", "10.0.0.9:80", "web").State = node.Draining
		for i := range 8 {
			addr := fmt.Sprintf("127.0.0.1:%d", 8081+i)
			l.addPhysical("web", fmt.Sprint("p", i), "http://"+addr)
			l.serve(addr, named(fmt.Sprint("p", i)))
		}
		l.liveOf("web", "p0").ConnectFailed(time.Now())
		s := l.toWeb("order p1 p2 p3 p4 p5 p6", "shuffle", "cookie who")
		own := origin("web", "127.0.0.1:8080")
		own.Ready = func() (bool, string) { return false, "HTTP 500" }
		s.Origins = []*Origin{own}
		h := l.agent("front", frontAddr, s)
		seed := uint64(0)
		h.cfg.Seed = func() uint64 { return seed }
		seen := map[string]bool{}
		for seed = range 40 {
			e := h.Explain(Question{Host: "example.com", Target: "/"})
			got := l.get("/").body
			if e.Chosen == nil || e.Chosen.Name != got {
				t.Fatalf("seed %d: explained %+v, chosen %s", seed, e.Chosen, got)
			}
			seen[got] = true
		}
		if len(seen) < 4 {
			t.Errorf("40 seeds chose only %v", seen)
		}
		l.nodes[1].Name = "dr\u009b\u202eains\n\xff\u00e9"
		snap := l.snapshot("front")
		h.cfg.Snapshot = func() *node.Snapshot { return snap }
		e := h.Explain(Question{Host: "EXAMPLE.com:80", Target: "/a?b", Header: http.Header{"Cookie": {"x=y; who=p4"}}})
		names := func(list []Mark) string {
			s := ""
			for _, m := range list {
				s += m.Name + " "
			}
			return s
		}
		last := e.Steps[2]
		if e.Chosen.Name != "p4" || names(last.Kept) != "p4 " || len(last.Dropped) != 5 || last.Dropped[0].Note != "I am "+last.Dropped[0].Name {
			t.Errorf("the last step is %+v, chosen %+v", last, e.Chosen)
		}
		if names(e.Candidates) != "p1 p2 p3 p4 p5 p6 p7 p0 " || names(e.PutLast) != "p0 " || e.Host != "example.com" || e.Path != "/a" {
			t.Errorf("candidates %s, put last %s, host %s, path %s", names(e.Candidates), names(e.PutLast), e.Host, e.Path)
		}
		if e.Unfit[1].Name != "dr\ufffd\ufffdains\ufffd\ufffd\u00e9" {
			t.Errorf("a name that does not print is shown as %q", e.Unfit[1].Name)
		}
		if len(e.Unfit) != 2 || e.Unfit[0].Note != "origin down: HTTP 500" || e.Unfit[1].Note != "draining" {
			t.Errorf("unfit: %+v", e.Unfit)
		}
		s.StatusPath, s.Status = "/backhand/", named("status")
		h.SetSite(s)
		for target, want := range map[string]int{"/backhand/x": 200, "/backhand": 200, "/x/../backhand/": 200, "/a/../b": 0, "x": 400, "/a#b": 400} {
			if e := h.Explain(Question{Target: target}); e.Status != want || (want != 0) != (e.Answer != "") {
				t.Errorf("%q is explained as %d %q, want %d", target, e.Status, e.Answer, want)
			}
		}
		if n := l.outcomes(); n != 40 {
			t.Errorf("%d outcomes: explaining is counted as asking", n)
		}
	})
}

func TestExplainWhatNoChainDecides(t *testing.T) {
	inLab(t, func(t *testing.T, l *lab) {
		l.addPhysical("web", "p", "http://127.0.0.1:8081")
		own := origin("api", "127.0.0.1:8080")
		h := l.agent("front", frontAddr, &Site{Routes: l.routes(
			Route{Path: "/go", Farm: "web", Chain: l.chain("redirect www.example")},
			Route{Path: "/api", Farm: "api", Chain: l.chain()},
			Route{Path: "/none", Farm: "web", Chain: l.chain("none")},
		), Origins: []*Origin{own}})
		for _, tc := range []struct {
			what, target string
			want         Explanation
		}{
			{"a redirect", "/go/x?y", Explanation{Status: 302, Redirect: "http://www.example/go/x?y", Chosen: &Mark{Name: "p", Address: "127.0.0.1:8081"}}},
			{"own origin, though we are no member yet", "/api", Explanation{Action: "self", Chosen: &Mark{Name: "own origin", Address: "127.0.0.1:8080", Self: true}}},
			{"no route", "/else", Explanation{Chosen: &Mark{Name: "own origin", Address: "127.0.0.1:8080", Self: true}}},
			{"nobody", "/none", Explanation{Status: 503, Action: "503", Answer: `No member of the farm "web" can take the request now.`}},
		} {
			got := h.Explain(Question{Target: tc.target})
			got = Explanation{Status: got.Status, Answer: got.Answer, Action: got.Action, Chosen: got.Chosen, Redirect: got.Redirect}
			if d := cmp.Diff(tc.want, got); d != "" {
				t.Errorf("%s (-want +got):\n%s", tc.what, d)
			}
		}
	})
}

func TestChoosingAllocatesNothing(t *testing.T) {
	inLab(t, func(t *testing.T, l *lab) {
		for i := range 16 {
			l.addPhysical("web", fmt.Sprint("p", i), fmt.Sprintf("http://127.0.0.1:%d", 8081+i))
		}
		rs := l.routes(Route{Farm: "web", Chain: l.chain("shuffle")})
		h := l.agent("front", frontAddr, &Site{Routes: rs})
		snap, st, now := l.snapshot("front"), h.site.Load(), time.Now()
		sc := h.scratch()
		sc.ask("GET", "example.com", "/", netip.IPv4Unspecified())
		d := new(decision)
		if n := testing.AllocsPerRun(100, func() {
			if st.choose(d, rs.all[0], snap, now, sc, runQuickly); d.nobody() {
				t.Error("nobody was chosen")
			}
		}); n != 0 {
			t.Errorf("a decision allocates %v times", n)
		}
		h.release(sc)
	})
}
