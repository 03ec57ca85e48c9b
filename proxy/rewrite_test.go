package proxy

import (
	"net/http"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// rewriting returns the route of such a path and To, made ready.
func rewriting(t testing.TB, path, to string) *Routes {
	rs, err := NewRoutes([]Route{{Path: path, To: to, Farm: "web", Chain: anyChain(t)}})
	if err != nil {
		t.Fatal(err)
	}
	return rs
}

func TestRewrittenPaths(t *testing.T) {
	for _, tc := range []struct{ what, path, to, raw, want string }{
		{"the prefix is replaced", "/reports", "/app", "/reports/x", "/app/x"},
		{"by a longer one", "/r", "/app/deep/down", "/r/x", "/app/deep/down/x"},
		{"by the root", "/reports", "/", "/reports/x", "/x"},
		{"at the root", "/", "/app", "/x", "/app/x"},
		{"by itself", "/reports/", "/reports/", "/reports/x", "/reports/x"},
		{"without a slash behind it", "/reports", "/app", "/reports", "/app"},
		{"with one", "/reports", "/app", "/reports/", "/app/"},
		{"slashes at the end of both do not count", "/reports/", "/app/", "/reports", "/app"},
		{"nor that of one", "/reports", "/app/", "/reports/x", "/app/x"},
		{"nor that of the other", "/reports/", "/app", "/reports/x", "/app/x"},
		{"the prefix alone, by the root", "/reports", "/", "/reports", "/"},
		{"the root alone", "/", "/app", "/", "/app/"},
		{"what is encoded stays so", "/r", "/app", "/r/a%2Fb%20c%2e%7E", "/app/a%2Fb%20c%2e%7E"},
		{"dot segments stay, too", "/r", "/app", "/r/a/./b/../c", "/app/a/./b/../c"},
		{"and slashes", "/r", "/app", "/r//a///b/", "/app//a///b/"},
		{"and odd characters", "/r", "/app", `/r/"<|>`, `/app/"<|>`},
		{"an encoded prefix", "/caf\u00e9", "/app", "/caf%C3%A9/x", "/app/x"},
		{"in lower case", "/caf\u00e9", "/app", "/caf%c3%a9/x", "/app/x"},
		{"a prefix with odd characters", "/a|b", "/app", "/a|b/x", "/app/x"},
		{"the same encoded", "/a|b", "/app", "/a%7cb/x", "/app/x"},
		{"an encoded target", "/r", "/caf%c3%a9", "/r/x", "/caf%c3%a9/x"},
		{"three dots are a name", "/r", "/app", "/r/...", "/app/..."},

		{"out of the prefix and back", "/r", "/app", "/r/../r/x", ""},
		{"out of the root", "/", "/app", "/../secret", ""},
		{"encoded", "/", "/app", "/%2e%2E/secret", ""},
		{"behind something else", "/", "/app", "/a/../../app2", ""},
		{"to those who take several slashes for one", "/", "/app", "/a//../../secret", ""},
		{"to those to whom a backslash is a slash", "/", "/app", `/..\secret`, ""},
		{"to those who decode slashes", "/", "/app", "/..%2fsecret", ""},
		{"to those who decode backslashes", "/", "/app", "/x/..%5C..%5csecret", ""},
		{"to those who cut parameters off", "/", "/app", "/..;a=b/secret", ""},
		{"encoded ones, too", "/", "/app", "/..%3bx/secret", ""},
	} {
		rs := rewriting(t, tc.path, tc.to)
		rt := rs.all[0]
		if !rt.matches(rawReading(tc.raw)) {
			t.Errorf("%s: %s does not match %s", tc.what, tc.raw, tc.path)
			continue
		}
		got, ok := rt.appendTo(nil, tc.raw)
		if ok != (tc.want != "") || ok && string(got) != tc.want {
			t.Errorf("%s: %s at %s to %s is %q, %v; want %q", tc.what, tc.raw, tc.path, tc.to, got, ok, tc.want)
		}
	}
}

func TestRoutesThatCannotRewrite(t *testing.T) {
	for _, to := range []string{"app", "http://web/app", "/a?b", "/a#b", "/a b", "/a/../b", "/./a", "/a/%2e%2e", "/é", "/100%", "/a\\b"} {
		_, err := NewRoutes([]Route{{Path: "/x", To: to, Farm: "web", Chain: anyChain(t)}})
		if err == nil || !strings.Contains(err.Error(), "its path at the members is") {
			t.Errorf("%q: %v", to, err)
		}
	}
}

// mod_athena: a farm's host in a mapped URL is replaced by a member, the path is kept; a host that is no farm is untouched.
func TestAthena11HostOfAFarmIsReplacedAndThePathKept(t *testing.T) {
	inLab(t, func(t *testing.T, l *lab) {
		l.addNode("front", frontAddr)
		l.addPhysical("farm_one", "app1", "http://127.0.0.1:8081")
		answer := ""
		l.serve("127.0.0.1:8081", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Location", answer)
			echo(w, r)
		}))
		// ProxyPass /reports/ http://farm_one/reports/
		l.agent("front", frontAddr, &Site{Routes: l.routes(
			Route{Path: "/reports/", To: "/reports/", Farm: "farm_one", Chain: l.chain()},
		)})
		for _, tc := range []struct{ what, answer, want string }{
			{"a member", "http://127.0.0.1:8081/reports/y?z", "http://example.com/reports/y?z"},
			{"the farm", "http://farm_one/reports/y", "http://example.com/reports/y"},
			{"a host that is no farm", "http://farm_two/reports/y", "http://farm_two/reports/y"},
		} {
			answer = tc.answer
			got := l.get("/reports/a%2Fb?c=d")
			if !strings.HasPrefix(got.body, "GET /reports/a%2Fb?c=d\nHost: example.com\n") {
				t.Errorf("%s: the member gets\n%s", tc.what, got.body)
			}
			if to := got.Header.Get("Location"); to != tc.want {
				t.Errorf("%s: the client is sent to %s, want %s", tc.what, to, tc.want)
			}
			if o := l.outcome(); o.Member.Name != "app1" || o.Target != "/reports/a%2Fb?c=d" {
				t.Errorf("%s: outcome %+v, member %s", tc.what, o, o.Member.Name)
			}
		}
	})
}

// All members get the other path: physicals, our own origin, and nodes over hops, who do not rewrite it once more, and to whom
// it is proved.
func TestRewritingForAllMembers(t *testing.T) {
	inLab(t, func(t *testing.T, l *lab) {
		l.addNode("front", frontAddr, "web")
		l.addNode("www1", "10.0.0.2:80", "web")
		l.addPhysical("web", "app1", "http://127.0.0.1:8081")
		l.addPhysical("web", "app2", "h2c://127.0.0.1:8082")
		for _, addr := range []string{"127.0.0.1:8079", "127.0.0.1:8080", "127.0.0.1:8081"} {
			l.serve(addr, http.HandlerFunc(echo))
		}
		l.serveH2C("127.0.0.1:8082", http.HandlerFunc(echo))
		l.proofs = map[string]Proof{"front": newKeyed("secret", enforce), "www1": newKeyed("secret", enforce)}
		site := func(own string) *Site {
			return &Site{
				Routes: l.routes(
					Route{Path: "/public", To: "/app", Farm: "web", Chain: l.chain("shuffle")},
					Route{Path: "/app", To: "/twice", Farm: "web", Chain: l.chain("shuffle")},
				),
				Origins: []*Origin{origin("web", own)},
			}
		}
		h := l.agent("front", frontAddr, site("127.0.0.1:8079"))
		l.agent("www1", "10.0.0.2:80", site("127.0.0.1:8080"))
		for _, name := range []string{"front", "www1", "app1", "app2"} {
			s := site("127.0.0.1:8079")
			s.Routes = l.routes(Route{Path: "/public", To: "/app", Farm: "web", Chain: l.chain("order " + name)})
			h.SetSite(s)
			for what, req := range map[string]string{
				"a request":            request("GET", "/public/a%2Fb?x=1"),
				"one in absolute form": "GET http://example.com/public/a%2Fb?x=1 HTTP/1.1\nHost: example.com\n\n",
				"one of HTTP/1.0":      "GET /public/a%2Fb?x=1 HTTP/1.0\nHost: example.com\n\n",
			} {
				got := l.send(req)
				o := l.outcome()
				if got.StatusCode != 200 || !strings.HasPrefix(got.body, "GET /app/a%2Fb?x=1\nHost: example.com\n") || o.Member.Name != name || o.Unproved != 0 {
					t.Errorf("%s, at %s: answered %d by %s, %d not proved\n%s", what, name, got.StatusCode, o.Member.Name, o.Unproved, got.body)
				}
			}
		}
	})
}

func TestWhatLeadsOutOfTheRouteIsRefused(t *testing.T) {
	inLab(t, func(t *testing.T, l *lab) {
		l.addNode("front", frontAddr)
		l.addPhysical("web", "app1", "http://127.0.0.1:8081")
		l.serve("127.0.0.1:8081", http.HandlerFunc(echo))
		h := l.agent("front", frontAddr, &Site{Routes: l.routes(
			Route{Path: "/", To: "/app", Farm: "web", Chain: l.chain()},
			Route{Path: "/plain", Farm: "web", Chain: l.chain()},
		)})
		for target, want := range map[string]int{
			"/x/../y": 200, "/../y": 400, "/x/%2e%2e/%2e%2e/y": 400, "/..;/y": 400, "/plain/..;/y": 200, "/..%2fy": 400,
		} {
			got := l.get(target)
			o := l.outcome()
			if got.StatusCode != want || (o.Reason == "readings") != (want == 400) {
				t.Errorf("%s: answered %d, reason %q; want %d", target, got.StatusCode, o.Reason, want)
			}
			if e := h.Explain(Question{Target: target}); (e.Status == 400) != (want == 400) {
				t.Errorf("%s is explained as %d", target, e.Status)
			}
		}
	})
}

// The client itself is sent to the path that it will find there: another agent rewrites it, a physical does not.
func TestRedirectOfARouteThatRewrites(t *testing.T) {
	inLab(t, func(t *testing.T, l *lab) {
		l.addNode("front", frontAddr)
		l.addNode("www1", "10.0.0.2:80", "web")
		l.addPhysical("web", "app1", "http://127.0.0.1:8081")
		h := l.agent("front", frontAddr, &Site{})
		for name, want := range map[string]string{"www1": "http://other.example/public/x?y", "app1": "http://other.example/app/x?y"} {
			h.SetSite(&Site{Routes: l.routes(
				Route{Path: "/public", To: "/app", Farm: "web", Chain: l.chain("order "+name, "redirect other.example")},
			)})
			if got := l.get("/public/x?y"); got.StatusCode != 302 || got.Header.Get("Location") != want {
				t.Errorf("%s: answered %d, Location %q, want %q", name, got.StatusCode, got.Header.Get("Location"), want)
			}
			if e := h.Explain(Question{Target: "/public/x?y"}); e.Redirect != want || e.To != "/app/x" {
				t.Errorf("%s: explained as %q, path %q; want %q, /app/x", name, e.Redirect, e.To, want)
			}
		}
	})
}

func TestClientIP(t *testing.T) {
	inLab(t, func(t *testing.T, l *lab) {
		l.addNode("front", frontAddr)
		l.addNode("www1", "10.0.0.2:80", "web")
		l.addPhysical("web", "app1", "http://127.0.0.1:8080")
		l.serve("127.0.0.1:8080", http.HandlerFunc(echo))
		l.agent("www1", "10.0.0.2:80", &Site{Origins: []*Origin{origin("web", "127.0.0.1:8080")}})
		h := l.agent("front", frontAddr, &Site{})
		const proxyAddr = "192.0.2.9"
		for _, tc := range []struct {
			what string
			on   bool
			to   string
			from string
			head []string
			want []string
		}{
			{"a client's own word", true, "app1", clientAddr, []string{"Client-IP: 1.2.3.4", "client_ip: 1.2.3.4"}, []string{clientAddr}},
			{"no word of it", true, "app1", clientAddr, nil, []string{clientAddr}},
			{"a trusted proxy's", true, "app1", proxyAddr, []string{"Client-IP: 1.2.3.4", "X-Forwarded-For: 5.6.7.8"}, []string{"5.6.7.8"}},
			{"over a hop", true, "www1", clientAddr, []string{"Client-IP: 1.2.3.4"}, []string{clientAddr}},
			{"not asked for", false, "app1", clientAddr, []string{"Client-IP: 1.2.3.4"}, nil},
			{"not asked for, of a trusted proxy", false, "app1", proxyAddr, []string{"Client-IP: 1.2.3.4"}, []string{"1.2.3.4"}},
		} {
			s := l.toWeb("order " + tc.to)
			s.ClientIP, s.Trusted = tc.on, []netip.Prefix{netip.MustParsePrefix(proxyAddr + "/32")}
			h.SetSite(s)
			got := l.sendTo(frontAddr, tc.from, request("GET", "/", tc.head...))
			if d := cmp.Diff(tc.want, field(got.body, "Client-Ip")); d != "" || len(field(got.body, "Client_ip")) > 0 {
				t.Errorf("%s: Client-IP (-want +got):\n%s%s", tc.what, d, got.body)
			}
		}
	})
}

// Whatever a client sends, a member reads nothing above To: neither as it stands, nor normalised, nor with slashes merged.
func FuzzRewrite(f *testing.F) {
	routes := map[string]*Routes{}
	for _, path := range []string{"/", "/reports", "/a|b/caf\u00e9"} {
		for _, to := range []string{"/", "/app", "/reports/deep"} {
			routes[path+" "+to] = rewriting(f, path, to)
		}
	}
	f.Add("/reports/../reports/x")
	f.Fuzz(func(t *testing.T, raw string) {
		if !strings.HasPrefix(raw, "/") || !visible(raw) || strings.ContainsAny(raw, "?#") {
			return
		}
		for name, rs := range routes {
			rt := rs.all[0]
			s := &site{Site: Site{Routes: rs}, fallback: &Origin{}}
			found, err := s.findRoute("", raw, normalReading(raw))
			if err != nil || found != rt {
				continue
			}
			got, ok := rt.appendTo(nil, raw)
			if !ok {
				continue
			}
			for _, reading := range []string{string(got), normalReading(string(got)), mergedReading(string(got))} {
				if rest, is := strings.CutPrefix(reading, rt.to); !is || rest != "" && rest[0] != '/' {
					t.Errorf("%s: %q is %q, which may be read as %q", name, raw, got, reading)
				}
			}
			if !strings.HasSuffix(raw, strings.TrimPrefix(string(got), rt.to)) && string(got) != "/" {
				t.Errorf("%s: %q is %q, with something else behind the prefix", name, raw, got)
			}
		}
	})
}
