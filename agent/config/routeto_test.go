package config

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"backhand/candidacy"
	"backhand/gossip/node"
	"backhand/proxy"
)

func TestMistakesOfRoutesThatRewrite(t *testing.T) {
	const orServer = "; or write the URL of a server, whose host has a dot or a port"
	testMistakes(t, []mistakeRow{
		{
			"farms", `[[route]]
path = '/a'
to = 'reports/x'
[[route]]
path = '/b'
to = 'http://reports:80/x'
[[route]]
path = '/c'
to = 'http://re ports/x'
[[route]]
path = '/d'
to = 'http://reports/x/../y'
farm = 'reports'
[[route]]
path = '/e'
to = 7
[[route]]
path = '/f'
[[route]]
path = '/g'
to = 'https://reports/x'
[[route]]
path = '/h'
to = 'ftp://reports/x'
[[route]]
path = '/i'
to = 'http://reports/a[1]'
[[farm]]
name = 'reports'
member = [ { name = 'x', url = 'http://x' } ]`,
			[]string{
				`4: route.to is "reports/x": write http:// and the name of a farm, such as "http://reports/app/"; whether its members speak TLS, their own URLs say` + orServer,
				`7: route.to is "http://reports:80/x": leave the port away; each member of a farm has its own`,
				`10: route.to is "http://re ports/x": "re ports" is no name of a farm: write only letters, digits, dots, dashes and underscores, at most 32` + orServer,
				`13: route.to is "http://reports/x/../y": leave the segment ".." away; it is removed from requests before they are compared`,
				"14: route.farm and route.to are both there: leave farm away, as the host in to is the farm",
				`17: route.to is a number: write a string, such as "http://reports/app/"`,
				`18: route.farm is missing: write farm = "web"`,
				`22: route.to is "https://reports/x": write http:// and the name of a farm, such as "http://reports/app/"; whether its members speak TLS, their own URLs say`,
				`25: route.to is "ftp://reports/x": write http:// and the name of a farm, such as "http://reports/app/"; whether its members speak TLS, their own URLs say` + orServer,
				`28: route.to is "http://reports/a[1]": write %5B for the byte "["`,
			},
		},
		{
			"other hosts", `[[route]]
path = '/a'
to = 'http://app.example:99999/'
[[route]]
path = '/b'
to = 'http://user@app.example/'
[[route]]
path = '/c'
to = 'http://app.example?x/'
[[route]]
path = '/d'
to = 'http://app.example:/x'
[[route]]
path = '/e'
to = 'http://10.58.4.1/x'
[[route]]
path = '/f'
to = 'http://app.example:8080/x'
[[route]]
path = '/g'
to = 'https://APP.example:8080/y'
[[route]]
path = '/h'
to = 'http://app.example:8080/z'
when_empty = 'self'
[[listen]]
address = ':80'`,
			[]string{
				`4: route.to is "http://app.example:99999/": the port is "99999": write a number from 1 to 65535`,
				`7: route.to is "http://user@app.example/": "user@app.example" is no name of a farm: write only letters, digits, dots, dashes and underscores, at most 32` + orServer,
				`10: route.to is "http://app.example?x/": "app.example?x" is no name of a farm: write only letters, digits, dots, dashes and underscores, at most 32` + orServer,
				`13: route.to is "http://app.example:/x": "app.example:" is no name of a farm: write only letters, digits, dots, dashes and underscores, at most 32` + orServer,
				`16: route.to "http://10.58.4.1/x" is this agent itself, which listens on ":80": name the farm that it would choose from, or another host`,
				`22: route.to is "https://APP.example:8080/y", and another route has http:// for the same port: write the scheme that is spoken there`,
				`26: route.when_empty is "self", and this host does not serve "app.example:8080": write "any" or "503", or add a [[serve]]`,
			},
		},
	})
}

func TestGoalsOfRoutesThatRewrite(t *testing.T) {
	const long = "internal-web-1234567890.eu-west-1.elb.example.com"
	for _, row := range []struct {
		what, to         string
		farm, url, route string // url "": the farm of that name; else the only member's
	}{
		{"a farm", "http://farm_one/reports/", "farm_one", "", "/reports"},
		{"a farm, without slash at the end", "http://farm_one/reports", "farm_one", "", "/reports"},
		{"the root of a farm", "http://farm_one/", "farm_one", "", "/"},
		{"a farm alone", "http://farm_one", "farm_one", "", "/"},
		{"a word that nobody knows is a farm of others", "http://Farm-Two", "Farm-Two", "", "/"},
		{"a farm with a dot", "http://farm.one/a%20b/c/d", "farm.one", "", "/a%20b/c/d"},
		{"one that this host serves", "http://served.here/", "served.here", "", "/"},
		{"one that another route names", "http://routed.to/", "routed.to", "", "/"},
		{"a host", "http://App.example:8080/x/", "app.example:8080", "http://app.example:8080", "/x"},
		{"a host without a port", "http://app.example", "app.example:80", "http://app.example:80", "/"},
		{"a host that speaks TLS", "https://app.example/x", "app.example:443", "https://app.example:443", "/x"},
		{"a host that speaks HTTP/2", "h2c://app:81/x", "app:81", "h2c://app:81", "/x"},
		{"a word with a port", "http://localhost:8080/", "localhost:8080", "http://localhost:8080", "/"},
		{"an address", "http://10.58.4.30/x", "10.58.4.30:80", "http://10.58.4.30:80", "/x"},
		{"an address of IPv6", "http://[fd00::1]/x", "[fd00::1]:80", "http://[fd00::1]:80", "/x"},
		{"a host that is too long for a name", "http://" + long + "/x", "internal-web-1234567890~2ad6802d", "http://" + long + ":80", "/x"},
	} {
		c := good(t, `cluster = 'web'
[node]
address = '10.58.4.1:80'
[[farm]]
name = 'farm_one'
member = [ { name = 'x', url = 'http://x' } ]
[[farm]]
name = 'farm.one'
member = [ { name = 'x', url = 'http://x' } ]
[[serve]]
farm = 'served.here'
origin = 'http://127.0.0.1:81'
[[route]]
path = '/app'
to = '`+row.to+`'
[[route]]
path = '/routed'
farm = 'routed.to'
[[route]]
path = '/again'
to = '`+row.to+`'
`, host("10.58.4.1/24"))
		r, hosts := c.Route[0], c.Farm[2:]
		if r.Farm != row.farm || r.To != row.route || c.Route[2].Farm != row.farm {
			t.Errorf("%s: %s leads to farm %q, path %q, and again to %q; want %q and %q", row.what, row.to, r.Farm, r.To, c.Route[2].Farm,
				row.farm, row.route)
		}
		if row.url == "" {
			if len(hosts) != 0 {
				t.Errorf("%s: %s is a farm by itself: %+v", row.what, row.to, hosts)
			}
			continue
		}
		if len(hosts) != 1 || len(hosts[0].Member) != 1 {
			t.Errorf("%s: %s is no farm by itself: %+v", row.what, row.to, hosts)
			continue
		}
		f, m := hosts[0], hosts[0].Member[0]
		if f.Name != row.farm || m.Name != row.farm || m.URL.String() != row.url || m.Weight != 1 {
			t.Errorf("%s: %s is farm %q with member %q at %v", row.what, row.to, f.Name, m.Name, m.URL)
		}
		if d := cmp.Diff(c.Farm[0].Reach, f.Reach); d != "" {
			t.Errorf("%s: it is reached otherwise than other farms (-want +got):\n%s", row.what, d)
		}
		if d := cmp.Diff(candidacy.DefaultChain(), f.Chain.Text()); d != "" {
			t.Errorf("%s: its chain (-default +got):\n%s", row.what, d)
		}
	}
	if r := good(t, "cluster = 'web'\n[[route]]\npath = '/app'\nfarm = 'web'\n", host()).Route[0]; r.To != "" {
		t.Errorf("a route that does not rewrite leads to %q", r.To)
	}
}

// Whether a name with a dot is a farm of other nodes or a host, nobody can tell from the file.
func TestHostsThatMayBeFarmsOfOtherNodes(t *testing.T) {
	const head = "cluster = 'web'\n[node]\naddress = '127.0.0.1:80'\n[gossip]\nsend = ['239.255.221.20:4445,0']\naccept = ['10.58.4.0/24']\n" +
		"[[listen]]\naddress = '127.0.0.1:80'\n"
	for _, row := range []struct {
		what, text string
		warned     bool
	}{
		{"a name with a dot", head + "[[route]]\npath = '/'\nto = 'http://app.example/'\n", true},
		{"the same with its port", head + "[[route]]\npath = '/'\nto = 'http://app.example:80/'\n", false},
		{"an address", head + "[[route]]\npath = '/'\nto = 'http://10.58.4.30/'\n", false},
		{"a name with a dot where there are no other nodes", "cluster = 'web'\n[[route]]\npath = '/'\nto = 'http://app.example/'\n", false},
	} {
		warnings := good(t, row.text, host("10.58.4.1/24")).Warnings
		got := strings.Contains(strings.Join(warnings, "\n"), `"app.example" is no farm of this file, so it is taken for a host: `+
			`write its port, "app.example:80"`)
		if got != row.warned {
			t.Errorf("%s: warned %v, want %v:\n%s", row.what, got, row.warned, strings.Join(warnings, "\n"))
		}
		for _, w := range warnings {
			if strings.Contains(w, "byAge") || strings.Contains(w, "nobody else can serve it") {
				t.Errorf("%s: %s", row.what, w)
			}
		}
	}
}

// What the file takes as the goal of a route, the proxy takes as well.
func FuzzRewriteTo(f *testing.F) {
	for _, s := range []string{
		"http://farm_one/reports/", "http://a", "http://a:80/", "https://a/", "http://a/%2e%2e/", "http://a//b", "http://a/%zz", "http://a/ü",
		"https://app.example:8443/x", "http://[fd00::1]:80/x", "http://[::1%25lo]/", "h2c://" + strings.Repeat("a.", 100) + "/",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		g, err := readGoal(text)
		if err != nil {
			return
		}
		c, errs := candidacy.Builtin().Parse([]string{"byRandom"})
		if errs != nil {
			t.Fatal(errs)
		}
		names := []string{g.host}
		if g.url != nil {
			names = []string{g.farm()}
			if addr := node.HostPort(g.url); addr != g.url.Host {
				t.Errorf("%q is at %q, but it should be at %q", text, g.url.Host, addr)
			}
		}
		for _, farm := range names {
			if _, err := proxy.NewRoutes([]proxy.Route{{Path: "/x", Farm: farm, To: g.path, Chain: c}}); err != nil {
				t.Errorf("%q gives farm %q and path %q, which is no route: %v", text, farm, g.path, err)
			}
		}
	})
}
