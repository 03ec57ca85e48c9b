package proxy

import (
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"backhand/gossip/node"
	"backhand/proxy/h1"
)

// testMapping is of a route from /public to /app, that a client has asked for by https at www.example.com. The farm is reports,
// of a physical, a second one with TLS, and a node.
func testMapping(change func(*mapping)) *mapping {
	snap := node.NewSnapshot(node.Parts{
		Live: node.NewLiveSet(),
		Nodes: []*node.Node{{
			ID: idOf("www1"), Name: "www1", Addr: netip.MustParseAddrPort("[2001:db8::1]:8000"), State: node.Up,
			Services: []node.Service{{Farm: "reports", Ready: true}},
		}},
		Physicals: []node.Physical{
			{Farm: "reports", Name: "app01", URL: mustURL("http://app01.intern:8080")},
			{Farm: "reports", Name: "app02", URL: mustURL("https://app02.intern")},
		},
	})
	m := &mapping{
		public: "/public", to: "/app", scheme: "https", site: "www.example.com", host: "www.example.com",
		farms: [2]string{"reports", "spare"}, members: snap.Farm("reports").Members, own: mustURL("http://127.0.0.1:8080"),
	}
	if change != nil {
		change(m)
	}
	return m
}

// mapCase is a row of a table: "" in want says that what came stays.
type mapCase struct {
	what, in, want string
	change         func(*mapping)
}

func (tc *mapCase) check(t *testing.T, by func(*mapping, string) (string, bool)) {
	t.Helper()
	got, ok := by(testMapping(tc.change), tc.in)
	if !ok {
		got = ""
	}
	if got != tc.want {
		t.Errorf("%s: %q is mapped to %q, want %q", tc.what, tc.in, got, tc.want)
	}
}

func TestMappingURLs(t *testing.T) {
	toRoot := func(m *mapping) { m.to = "" }
	fromRoot := func(m *mapping) { m.public = "" }
	nobody := func(m *mapping) { m.site, m.host = "", "" }
	rootOfNobody := func(m *mapping) { m.site, m.host, m.public = "", "", "" }
	behindProxy := func(m *mapping) { m.host = "inner.example" }
	port := func(m *mapping) { m.site, m.host, m.scheme = "www.example.com:8000", "www.example.com:8000", "http" }
	for _, tc := range []mapCase{
		{"a path", "/app/x?y#z", "/public/x?y#z", nil},
		{"the path itself", "/app", "/public", nil},
		{"with a slash behind it", "/app/", "/public/", nil},
		{"with a query behind it", "/app?x", "/public?x", nil},
		{"a path beside it", "/apple", "", nil},
		{"one above it", "/", "", nil},
		{"one that is public already", "/public/x", "", nil},
		{"a path in the query", "/x?/app/y", "", nil},
		{"of members' root", "/x", "/public/x", toRoot},
		{"the root itself", "/", "/public/", toRoot},
		{"at the clients' root", "/app/x", "/x", fromRoot},
		{"the root for the path itself", "/app", "/", fromRoot},
		{"a relative one", "x/y", "", nil},
		{"a query alone", "?x", "", nil},
		{"an empty one", "", "", nil},
		{"dots that stay below", "/app/a/../b", "/public/a/../b", nil},
		{"dots that lead out", "/app/../admin", "", nil},
		{"encoded ones", "/app/%2e%2e/admin", "", nil},

		{"a member", "http://app01.intern:8080/app/x?y#z", "https://www.example.com/public/x?y#z", nil},
		{"in upper case", "HTTP://APP01.Intern:8080/app/x", "https://www.example.com/public/x", nil},
		{"a member at another port", "http://app01.intern:9000/app/x", "", nil},
		{"a member without its port", "http://app01.intern/app/x", "", nil},
		{"a member at the port of its scheme", "https://app02.intern:443/app/x", "https://www.example.com/public/x", nil},
		{"which need not be written", "https://app02.intern/app/x", "https://www.example.com/public/x", nil},
		{"a node", "http://[2001:db8::1]:8000/app", "https://www.example.com/public", nil},
		{"our own origin", "http://127.0.0.1:8080/app/", "https://www.example.com/public/", nil},
		{"the farm", "http://reports/app/x", "https://www.example.com/public/x", nil},
		{"the farm, at the port of the scheme", "http://reports:80/app/x", "https://www.example.com/public/x", nil},
		{"the farm that a forward led to", "http://spare/app/x", "https://www.example.com/public/x", nil},
		{"another farm", "http://other/app/x", "", nil},
		{"a member, and a path beside", "http://app01.intern:8080/apple", "", nil},
		{"a member alone", "http://app01.intern:8080", "", nil},
		{"a member alone, of its root", "http://app01.intern:8080", "https://www.example.com/public/", toRoot},
		{"with a query", "http://app01.intern:8080?x", "https://www.example.com/public/?x", toRoot},
		{"without scheme", "//app01.intern:8080/app/x", "https://www.example.com/public/x", nil},
		{"a member, of a client who named no host", "http://app01.intern:8080/app/x", "", nobody},
		{"a path, of such a client", "/app/x", "/public/x", nobody},

		{"the client's host", "https://www.example.com/app/x", "https://www.example.com/public/x", nil},
		{"by another scheme", "http://www.example.com/app/x", "http://www.example.com/public/x", nil},
		{"without scheme", "//WWW.example.com/app/x", "//WWW.example.com/public/x", nil},
		{"with the port of the scheme", "https://www.example.com:443/app/x", "https://www.example.com:443/public/x", nil},
		{"with another port", "https://www.example.com:444/app/x", "", nil},
		{"with the port that it asked for", "http://www.example.com:8000/app/x", "http://www.example.com:8000/public/x", port},
		{"a member, for that port", "http://reports/app/x", "http://www.example.com:8000/public/x", port},
		{"the host that the member was told", "http://inner.example/app/x", "http://inner.example/public/x", behindProxy},
		{"a member, behind a proxy", "http://reports/app/x", "https://www.example.com/public/x", behindProxy},

		{"a foreign host", "http://evil.example/app/x", "", nil},
		{"one that looks like a member", "http://app01.intern:8080.evil.example/app/x", "", nil},
		{"a user name", "http://app01.intern:8080@evil.example/app/x", "", nil},
		{"a user name before a member", "http://user@app01.intern:8080/app/x", "", nil},
		{"no host", "http:///app/x", "", nil},
		{"no host, of a client who named none", "http:///app/x", "", nobody},
		{"one slash", "http:/app/x", "", nil},
		{"no slash", "http:app/x", "", nil},
		{"another scheme", "javascript://reports/app/x", "", nil},
		{"and another", "ftp://reports/app/x", "", nil},
		{"a backslash", `/app\x`, "", nil},
		{"a backslash behind a member", `http://app01.intern:8080\@evil.example/app/x`, "", nil},
		{"white space", "/app/ x", "", nil},
		{"a tab", "/app/\t/evil.example", "", nil},
		{"what would read as a host", "/app//evil.example/x", "https://www.example.com//evil.example/x", fromRoot},
		{"and to browsers, to which a backslash is a slash", `/app/\evil.example/x`, "", fromRoot},
		{"and where none is known", "/app//evil.example/x", "", rootOfNobody},
		{"letters that are no ASCII", "/app/caf\u00e9", "/public/caf\u00e9", nil},
	} {
		tc.check(t, (*mapping).url)
	}
}

func TestMappingRefresh(t *testing.T) {
	for _, tc := range []mapCase{
		{"as most write it", "5; url=/app/x", "5; url=/public/x", nil},
		{"in upper case, without a space", "0;URL=http://reports/app/x", "0;URL=https://www.example.com/public/x", nil},
		{"in quotes", `5; url="/app/x"`, `5; url="/public/x"`, nil},
		{"in single ones", `5 ; url = '/app/x' `, `5 ; url = '/public/x' `, nil},
		{"in quotes that do not end", `5; url="/app/x`, `5; url="/public/x`, nil},
		{"with a comma", "1.5, url=/app", "1.5, url=/public", nil},
		{"without url=", "5; /app/x", "5; /public/x", nil},
		{"with white space alone", "5 /app/x", "5 /public/x", nil},
		{"a foreign URL", "5; url=http://evil.example/app/x", "", nil},
		{"a name that begins with url", "5; urls=/app/x", "", nil},
		{"no URL", "5", "", nil},
		{"an empty one", "5; url=", "", nil},
		{"nothing but separators", "5; \t", "", nil},
	} {
		tc.check(t, (*mapping).refresh)
	}
}

func TestMappingCookies(t *testing.T) {
	toRoot := func(m *mapping) { m.to = "" }
	fromRoot := func(m *mapping) { m.public = "" }
	for _, tc := range []mapCase{
		{"nothing but a value", "a=b", "", nil},
		{"a path", "a=b; Path=/app/x; HttpOnly", "a=b; Path=/public/x; HttpOnly", nil},
		{"the path itself", "a=b;path=/app", "a=b;path=/public", nil},
		{"in any case, with spaces", "a=b; PATH = /app/ ; Secure", "a=b; PATH =/public/; Secure", nil},
		{"a path above", "a=b; Path=/", "", nil},
		{"a path beside", "a=b; Path=/apple", "", nil},
		{"no path", "a=b; Path=; Secure", "", nil},
		{"all of the members' paths", "a=b; Path=/", "a=b; Path=/public", toRoot},
		{"one of them", "a=b; Path=/x/", "a=b; Path=/public/x/", toRoot},
		{"all of the clients' paths", "a=b; Path=/app", "a=b; Path=/", fromRoot},
		{"a member's host", "a=b; Domain=app01.intern; Secure", "a=b; Secure", nil},
		{"with a dot", "a=b; domain=.APP02.intern", "a=b", nil},
		{"a node's address", "a=b; Domain=2001:db8::1", "a=b", nil},
		{"our own origin's", "a=b; Domain=127.0.0.1", "a=b", nil},
		{"the farm's name", "a=b; Domain=reports; Path=/app/", "a=b; Path=/public/", nil},
		{"the client's own", "a=b; Domain=www.example.com", "", nil},
		{"one above it", "a=b; Domain=example.com", "", nil},
		{"the client's own, which is a member's, too", "a=b; Domain=app01.intern", "", func(m *mapping) { m.site = "App01.intern:81" }},
		{"a foreign one", "a=b; Domain=evil.example", "", nil},
		{"what the value holds", "a=/app/x Domain=reports", "", nil},
		{"a name that must have no path", "__Host-a=b; Path=/; Secure", "", toRoot},
		{"nor a domain", "__Host-a=b; Domain=reports; Path=/", "__Host-a=b; Path=/", toRoot},
		{"a public path that no cookie can have", "a=b; Path=/app", "", func(m *mapping) { m.public = "/a;b" }},
	} {
		tc.check(t, (*mapping).cookie)
	}
}

// All fields of all responses of the route are mapped, and nothing of any other.
func TestMappingBack(t *testing.T) {
	inLab(t, func(t *testing.T, l *lab) {
		l.addNode("front", frontAddr)
		l.addNode("www1", "10.0.0.2:80", "web")
		l.addPhysical("web", "app1", "http://127.0.0.1:8081")
		answer := http.Header{
			"Location":         {"http://127.0.0.1:8081/app/x"},
			"Content-Location": {"/app/x.html"},
			"Refresh":          {"5; url=http://web/app/y"},
			"Set-Cookie":       {"a=b; Domain=127.0.0.1; Path=/app", "c=d; Path=/app/e; Domain=example.com"},
			"Link":             {"</app/z>; rel=next"},
		}
		redirect := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			for name, values := range answer {
				w.Header()[name] = slices.Clone(values)
			}
			w.WriteHeader(303)
		})
		l.serve("127.0.0.1:8081", redirect)
		l.serve("127.0.0.1:8080", redirect)
		l.agent("www1", "10.0.0.2:80", &Site{Origins: []*Origin{origin("web", "127.0.0.1:8080")}})
		h := l.agent("front", frontAddr, &Site{})
		mapped := http.Header{
			"Location":         {"http://example.com/public/x"},
			"Content-Location": {"/public/x.html"},
			"Refresh":          {"5; url=http://example.com/public/y"},
			"Set-Cookie":       {"a=b; Path=/public", "c=d; Path=/public/e; Domain=example.com"},
			"Link":             {"</app/z>; rel=next"},
		}
		for _, name := range []string{"app1", "www1"} {
			h.SetSite(&Site{Routes: l.routes(
				Route{Path: "/public", To: "/app", Farm: "web", Chain: l.chain("order " + name)},
				Route{Path: "/plain", Farm: "web", Chain: l.chain("order " + name)},
			)})
			for target, want := range map[string]http.Header{"/public/x": mapped, "/plain": answer} {
				got := l.get(target)
				for field := range want {
					if d := cmp.Diff(want[field], got.Header[field]); d != "" {
						t.Errorf("%s of %s: %s (-want +got):\n%s", target, name, field, d)
					}
				}
			}
		}
	})
}

// What a trusted proxy says is the client's host, and scheme.
func TestMappingBackBehindAProxy(t *testing.T) {
	inLab(t, func(t *testing.T, l *lab) {
		l.addNode("front", frontAddr)
		l.addPhysical("web", "app1", "http://127.0.0.1:8081")
		l.serve("127.0.0.1:8081", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", "http://web/app/x")
		}))
		s := &Site{Routes: l.routes(Route{Path: "/public", To: "/app", Farm: "web", Chain: l.chain()})}
		s.Trusted = []netip.Prefix{netip.MustParsePrefix(clientAddr + "/32")}
		l.agent("front", frontAddr, s)
		for host, want := range map[string]string{
			"shop.example:8443": "https://shop.example:8443/public/x",
			"evil.example/a?b=": "https://example.com/public/x", // no host: that of the request
		} {
			got := l.get("/public/", "X-Forwarded-For: 192.0.2.77", "X-Forwarded-Proto: https", "X-Forwarded-Host: "+host)
			if to := got.Header.Get("Location"); to != want {
				t.Errorf("X-Forwarded-Host %s: the client is sent to %q, want %q", host, to, want)
			}
		}
	})
}

// mappings are some that are unlike one another.
func mappings() []*mapping {
	return []*mapping{
		testMapping(nil),
		testMapping(func(m *mapping) { m.to = "" }),
		testMapping(func(m *mapping) { m.public = "" }),
		testMapping(func(m *mapping) { m.public, m.site, m.host = "", "", "" }),
		testMapping(func(m *mapping) { m.host = "inner.example:81" }),
	}
}

// Whatever a member sends, what is made of it is a valid value that leads to the client's own host, below the public path.
func FuzzMapURL(f *testing.F) {
	f.Add("http://reports/app/x")
	all := mappings()
	f.Fuzz(func(t *testing.T, s string) {
		if !h1.ValidValue([]byte(s)) {
			return
		}
		for _, m := range all {
			got, ok := m.url(s)
			if !ok {
				continue
			}
			u, err := url.Parse(got)
			if err != nil {
				u, err = url.Parse(encodePercents(got)) // RFC 3986 lets nobody write so, but browsers do
			}
			if err != nil || !visible(got) {
				t.Fatalf("%q is mapped to %q: %v", s, got, err)
			}
			base := &url.URL{Scheme: m.scheme, Host: m.site, Path: m.public + "/a/b"}
			u = base.ResolveReference(u)
			if u.User != nil || u.Scheme != "http" && u.Scheme != "https" || !strings.EqualFold(bare(u.Scheme, u.Host), bare(m.scheme, m.site)) &&
				!strings.EqualFold(bare(u.Scheme, u.Host), bare(m.scheme, m.host)) {
				t.Errorf("%q is mapped to %q, at %q", s, got, u.Host)
			}
			if rest, is := strings.CutPrefix(u.EscapedPath(), m.public); !is || rest != "" && rest[0] != '/' {
				t.Errorf("%q is mapped to %q, which leads to %q", s, got, u.EscapedPath())
			}
		}
	})
}

// encodePercents encodes those that encode nothing.
func encodePercents(s string) string {
	var b strings.Builder
	for i := range len(s) {
		b.WriteByte(s[i])
		if s[i] == '%' && (i+2 >= len(s) || unhex(s[i+1]) < 0 || unhex(s[i+2]) < 0) {
			b.WriteString("25")
		}
	}
	return b.String()
}

// Of a Refresh nothing changes but its URL, and of that what FuzzMapURL lets pass.
func FuzzMapRefresh(f *testing.F) {
	f.Add("5; url=/app/x")
	all := mappings()
	f.Fuzz(func(t *testing.T, s string) {
		if !h1.ValidValue([]byte(s)) {
			return
		}
		for _, m := range all {
			got, ok := m.refresh(s)
			if !ok {
				continue
			}
			if !h1.ValidValue([]byte(got)) {
				t.Errorf("%q is mapped to %q", s, got)
			}
			same := 0
			for same < len(s) && same < len(got) && s[same] == got[same] {
				same++
			}
			if !strings.ContainsAny(s[:same], ";, \t") {
				t.Errorf("%q is mapped to %q: the time is another", s, got)
			}
		}
	})
}

// Of a Set-Cookie name and value stay, and attributes but for Path and Domain; none is added, and no domain made.
func FuzzMapCookie(f *testing.F) {
	f.Add("a=b; Path=/app; Domain=reports")
	all := mappings()
	f.Fuzz(func(t *testing.T, s string) {
		if !h1.ValidValue([]byte(s)) {
			return
		}
		for _, m := range all {
			got, ok := m.cookie(s)
			if !ok {
				continue
			}
			old, now := strings.Split(s, ";"), strings.Split(got, ";")
			if !h1.ValidValue([]byte(got)) || now[0] != old[0] || len(now) > len(old) {
				t.Errorf("%q is mapped to %q", s, got)
			}
			for _, a := range now[1:] {
				if isPath := strings.EqualFold(strings.TrimSpace(strings.SplitN(a, "=", 2)[0]), "path"); !isPath && !slices.Contains(old[1:], a) {
					t.Errorf("%q is mapped to %q: %q is new", s, got, a)
				}
			}
		}
	})
}
