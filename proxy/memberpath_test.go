package proxy

import (
	"bytes"
	"net"
	"net/http"
	"net/url"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"backhand/gossip/node"
)

// The path in the URL of a physical stands before that of the request, whichever way it goes, and behind it what the route
// makes of the path. Nodes have none.
func TestPathOfAMembersURL(t *testing.T) {
	inLab(t, func(t *testing.T, l *lab) {
		l.addNode("front", frontAddr)
		l.addNode("www1", "10.0.0.2:80", "web")
		l.addPhysical("web", "plain", "http://127.0.0.1:8081")
		l.addPhysical("web", "slash", "http://127.0.0.1:8081/")
		l.addPhysical("web", "app", "http://127.0.0.1:8081/app")
		l.addPhysical("web", "app/", "http://127.0.0.1:8081/app/")
		l.addPhysical("web", "encoded", "http://127.0.0.1:8081/a%2fb/v2")
		l.addPhysical("web", "h2c", "h2c://127.0.0.1:8082/app")
		l.serve("127.0.0.1:8080", http.HandlerFunc(echo))
		l.serve("127.0.0.1:8081", http.HandlerFunc(echo))
		l.serveH2C("127.0.0.1:8082", http.HandlerFunc(echo))
		l.agent("www1", "10.0.0.2:80", &Site{Origins: []*Origin{origin("web", "127.0.0.1:8080")}})
		h := l.agent("front", frontAddr, &Site{})
		for _, tc := range []struct{ what, member, to, target, want string }{
			{"no path in the URL", "plain", "", "/public/x?y", "/public/x?y"},
			{"a slash alone", "slash", "", "/public/x?y", "/public/x?y"},
			{"a path", "app", "", "/public/x?y", "/app/public/x?y"},
			{"a slash at its end", "app/", "", "/public/x?y", "/app/public/x?y"},
			{"a path that is encoded", "encoded", "", "/public/a%2Fb?y", "/a%2fb/v2/public/a%2Fb?y"},
			{"the root", "app", "", "/", "/app/"},
			{"the root with a query", "app", "", "/?y", "/app/?y"},
			{"a path by HTTP/2", "h2c", "", "/public/x?y", "/app/public/x?y"},
			{"two slashes, by HTTP/2", "h2c", "", "//x", "/app//x"},
			{"a route that rewrites", "app", "/reports", "/public/x?y", "/app/reports/x?y"},
			{"one that rewrites to the root", "app/", "/", "/public/x?y", "/app/x?y"},
			{"one that rewrites all of it", "app", "/", "/public", "/app/"},
			{"one that rewrites, by HTTP/2", "h2c", "/reports", "/public/x?y", "/app/reports/x?y"},
			{"dots that stay below", "app", "", "/x/../y", "/app/x/../y"},
			{"a node", "www1", "", "/public/x?y", "/public/x?y"},
			{"a node on a route that rewrites", "www1", "/reports", "/public/x?y", "/reports/x?y"},
		} {
			rt := Route{Farm: "web", Chain: l.chain("order " + tc.member)}
			if tc.to != "" {
				rt.Path, rt.To = "/public", tc.to
			}
			h.SetSite(&Site{Routes: l.routes(rt)})
			for how, req := range map[string]string{
				"":                 request("GET", tc.target),
				" (absolute form)": "GET http://example.com" + tc.target + " HTTP/1.1\nHost: example.com\n\n",
				" (HTTP/1.0)":      "GET " + tc.target + " HTTP/1.0\nHost: example.com\n\n",
			} {
				got := l.send(req)
				if got.StatusCode != 200 || !strings.HasPrefix(got.body, "GET "+tc.want+"\nHost: example.com\n") {
					t.Errorf("%s%s: answered %d\n%s", tc.what, how, got.StatusCode, got.body)
				}
				if o := l.outcome(); o.Member.Name != tc.member {
					t.Errorf("%s%s: it went to %s", tc.what, how, o.Member.Name)
				}
			}
			path, _, _ := strings.Cut(tc.want, "?")
			if public, _, _ := strings.Cut(tc.target, "?"); path == public {
				path = ""
			}
			if e := h.Explain(Question{Target: tc.target}); e.To != path || e.Chosen == nil || e.Chosen.Name != tc.member {
				t.Errorf("%s: explained as %q at %+v, want %q", tc.what, e.To, e.Chosen, path)
			}
		}
	})
}

// A request that is repeated has the path of the member that it goes to then, not of the one before.
func TestPathOfTheMemberThatIsAskedNext(t *testing.T) {
	inLab(t, func(t *testing.T, l *lab) {
		l.addNode("front", frontAddr)
		l.addPhysical("web", "gone", "http://127.0.0.1:8081/a/long/path")
		l.addPhysical("web", "app", "http://127.0.0.1:8082/app")
		l.addPhysical("web", "plain", "http://127.0.0.1:8083")
		l.serve("127.0.0.1:8082", http.HandlerFunc(echo))
		l.serve("127.0.0.1:8083", http.HandlerFunc(echo))
		h := l.agent("front", frontAddr, &Site{})
		for order, want := range map[string]string{"order gone app": "/app/x", "order gone plain": "/x"} {
			h.SetSite(l.toWeb(order))
			got := l.get("/x")
			if o := l.outcome(); got.StatusCode != 200 || !strings.HasPrefix(got.body, "GET "+want+"\n") || o.Attempts != 2 {
				t.Errorf("%s: answered %d after %d attempts\n%s", order, got.StatusCode, o.Attempts, got.body)
			}
		}
	})
}

func TestWhatLeadsAboveTheMembersPathIsRefused(t *testing.T) {
	inLab(t, func(t *testing.T, l *lab) {
		l.addNode("front", frontAddr)
		l.addPhysical("web", "app", "http://127.0.0.1:8081/app")
		l.addPhysical("web", "plain", "http://127.0.0.1:8081")
		l.serve("127.0.0.1:8081", http.HandlerFunc(echo))
		h := l.agent("front", frontAddr, &Site{})
		for _, tc := range []struct {
			what, target string
			want         int
		}{
			{"dots that stay below", "/x/../y", 200},
			{"dots that lead out", "/../y", 400},
			{"encoded ones", "/x/%2e%2e/%2e%2e/y", 400},
			{"with parameters", "/..;/y", 400},
			{"with an encoded slash", "/..%2fy", 400},
		} {
			for _, member := range []string{"app", "plain"} {
				want := tc.want
				if member == "plain" {
					want = 200 // above nothing
				}
				h.SetSite(l.toWeb("order " + member))
				got := l.get(tc.target)
				if o := l.outcome(); got.StatusCode != want || (o.Reason == "readings") != (want == 400) {
					t.Errorf("%s, at %s: answered %d, reason %q; want %d", tc.what, member, got.StatusCode, o.Reason, want)
				}
				if e := h.Explain(Question{Target: tc.target}); (e.Status == 400) != (want == 400) || (e.Chosen == nil) != (want == 400) {
					t.Errorf("%s, at %s: explained as %d, at %+v", tc.what, member, e.Status, e.Chosen)
				}
			}
		}
	})
}

// The client itself is sent to the path that it will find at the member.
func TestRedirectToAMemberWithAPath(t *testing.T) {
	inLab(t, func(t *testing.T, l *lab) {
		l.addNode("front", frontAddr)
		l.addPhysical("web", "app", "http://127.0.0.1:8081/app")
		chain := l.chain("redirect other.example")
		h := l.agent("front", frontAddr, &Site{Routes: l.routes(Route{Farm: "web", Chain: chain})})
		if got := l.get("/../x"); got.StatusCode != 400 {
			t.Errorf("a path that leads above it: answered %d, Location %q", got.StatusCode, got.Header.Get("Location"))
		}
		for _, tc := range []struct{ target, to, path string }{
			{"/plain/x?y", "http://other.example/app/plain/x?y", "/app/plain/x"},
			{"/public/x?y", "http://other.example/app/reports/x?y", "/app/reports/x"},
		} {
			h.SetSite(&Site{Routes: l.routes(
				Route{Path: "/plain", Farm: "web", Chain: chain}, Route{Path: "/public", To: "/reports", Farm: "web", Chain: chain},
			)})
			if got := l.get(tc.target); got.StatusCode != 302 || got.Header.Get("Location") != tc.to {
				t.Errorf("%s: answered %d, Location %q; want %q", tc.target, got.StatusCode, got.Header.Get("Location"), tc.to)
			}
			if e := h.Explain(Question{Target: tc.target}); e.Redirect != tc.to || e.To != tc.path {
				t.Errorf("%s: explained as %q, path %q; want %q, %q", tc.target, e.Redirect, e.To, tc.to, tc.path)
			}
		}
	})
}

func TestMappingBackOfAMembersPath(t *testing.T) {
	inLab(t, func(t *testing.T, l *lab) {
		l.addNode("front", frontAddr)
		l.addPhysical("web", "app", "http://127.0.0.1:8081/app")
		l.addPhysical("web", "plain", "http://127.0.0.1:8081")
		answer := http.Header{
			"Location":         {"http://127.0.0.1:8081/app/reports/x"},
			"Content-Location": {"/app/reports/x.html"},
			"Refresh":          {"5; url=http://web/app/reports/y"},
			"Set-Cookie":       {"a=b; Domain=127.0.0.1; Path=/app/reports", "c=d; Path=/app; Secure", "e=f; Path=/"},
		}
		l.serve("127.0.0.1:8081", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			for name, values := range answer {
				w.Header()[name] = slices.Clone(values)
			}
			w.WriteHeader(303)
		}))
		h := l.agent("front", frontAddr, &Site{})
		for _, tc := range []struct {
			what, member, target string
			want                 http.Header
		}{
			{"no path, and a route that does not rewrite", "plain", "/plain", answer},
			{"a path alone", "app", "/plain", http.Header{
				"Location":         {"http://example.com/reports/x"},
				"Content-Location": {"/reports/x.html"},
				"Refresh":          {"5; url=http://example.com/reports/y"},
				"Set-Cookie":       {"a=b; Path=/reports", "c=d; Path=/; Secure", "e=f; Path=/"},
			}},
			{"a path and a route that rewrites", "app", "/public/x", http.Header{
				"Location":         {"http://example.com/public/x"},
				"Content-Location": {"/public/x.html"},
				"Refresh":          {"5; url=http://example.com/public/y"},
				"Set-Cookie":       {"a=b; Path=/public", "c=d; Path=/app; Secure", "e=f; Path=/"},
			}},
		} {
			h.SetSite(&Site{Routes: l.routes(
				Route{Path: "/public", To: "/reports", Farm: "web", Chain: l.chain("order " + tc.member)},
				Route{Path: "/plain", Farm: "web", Chain: l.chain("order " + tc.member)},
			)})
			got := l.get(tc.target)
			for field := range answer {
				if d := cmp.Diff(tc.want[field], got.Header[field]); d != "" {
					t.Errorf("%s: %s (-want +got):\n%s", tc.what, field, d)
				}
			}
		}
	})
}

// What a member with a path says is mapped as far as it is below that path, or below that of the member it speaks of.
func TestMappingOfAMembersPath(t *testing.T) {
	snap := node.NewSnapshot(node.Parts{Live: node.NewLiveSet(), Physicals: []node.Physical{
		{Farm: "reports", Name: "app01", URL: mustURL("http://app01.intern:8080/v1")},
		{Farm: "reports", Name: "app02", URL: mustURL("http://app02.intern:8080/v2/")},
		{Farm: "reports", Name: "app03", URL: mustURL("http://app01.intern:8080/v3")},
	}})
	alone := func(m *mapping) { m.base, m.members = "/v1", snap.Farm("reports").Members }
	plain := func(m *mapping) { alone(m); m.public, m.to = "", "" }
	for _, tc := range []mapCase{
		{"a path", "/v1/app/x?y", "/public/x?y", alone},
		{"the path itself", "/v1/app", "/public", alone},
		{"one beside To", "/v1/apple", "", alone},
		{"To without the member's path", "/app/x", "", alone},
		{"one beside the member's path", "/v10/app", "", alone},
		{"the path of another member", "/v2/app/x", "", alone},
		{"dots that lead out", "/v1/app/../x", "", alone},
		{"the member", "http://app01.intern:8080/v1/app/x", "https://www.example.com/public/x", alone},
		{"another member at the same address", "http://app01.intern:8080/v3/app/x", "https://www.example.com/public/x", alone},
		{"another member", "http://app02.intern:8080/v2/app/x", "https://www.example.com/public/x", alone},
		{"a path that no member there has", "http://app02.intern:8080/v3/app/x", "", alone},
		{"the farm", "http://reports/v1/app/x", "https://www.example.com/public/x", alone},
		{"the farm, with the path of another member", "http://reports/v2/app/x", "", alone},
		{"the client's host", "https://www.example.com/v1/app/x", "https://www.example.com/public/x", alone},
		{"a foreign host", "http://evil.example/v1/app/x", "", alone},

		{"a path, where the route does not rewrite", "/v1/x?y", "/x?y", plain},
		{"the member's path itself", "/v1", "/", plain},
		{"with a query", "/v1?y", "/?y", plain},
		{"one beside it", "/v10", "", plain},
		{"what would read as a host", "/v1//evil.example/x", "https://www.example.com//evil.example/x", plain},
		{"the member itself", "http://app01.intern:8080/v1/", "https://www.example.com/", plain},
	} {
		tc.check(t, (*mapping).url)
	}
}

// A member whose URL has a path costs no more than another one.
func TestMembersPathAllocatesNothing(t *testing.T) {
	answer := []byte("HTTP/1.1 200 OK\r\nDate: Sat, 01 Jan 2000 00:00:00 GMT\r\nContent-Length: 1024\r\n\r\n" + strings.Repeat("x", 1024))
	for _, tc := range []struct{ what, to, want string }{
		{"a route that does not rewrite", "", "GET /app/v2/"}, {"one that does", "/reports", "GET /app/v2/reports"},
	} {
		member := listenLoopback(t, func(c net.Conn) {
			buf := make([]byte, 8<<10)
			for {
				if n, err := c.Read(buf); err != nil || !bytes.HasPrefix(buf[:n], []byte(tc.want)) {
					return
				}
				if _, err := c.Write(answer); err != nil {
					return
				}
			}
		})
		routes, err := NewRoutes([]Route{{Farm: "web", To: tc.to, Chain: anyChain(t)}})
		if err != nil {
			t.Fatal(err)
		}
		u := &url.URL{Scheme: "http", Host: member.Addr().String(), Path: "/app/v2"}
		snap := node.NewSnapshot(node.Parts{
			Taken: time.Now(), Live: node.NewLiveSet(), Physicals: []node.Physical{{Farm: "web", Name: "p", URL: u}},
		})
		h := New(Config{Snapshot: func() *node.Snapshot { return snap }, Done: func(*Outcome) {}}, &Site{Routes: routes})
		front, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		srv := h.NewServer(ServerConfig{})
		var wg sync.WaitGroup
		wg.Go(func() { _ = srv.Serve(front) })
		t.Cleanup(func() { _ = srv.Close(); wg.Wait(); h.members.closeIdle() })
		p := newPlainClient(t, front.Addr().String())
		info, _ := debug.ReadBuildInfo() // with -race a sync.Pool forgets things at random
		race := slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"})
		if n := testing.AllocsPerRun(1000, func() { p.get(t) }); n != 0 && !race {
			t.Errorf("%s: a request allocates %v times", tc.what, n)
		}
	}
}
