package config

import (
	"fmt"
	"net/url"
	"strings"
	"testing"

	"backhand/candidacy"
	"backhand/gossip/node"
	"backhand/proxy"
)

func withMember(rawURL string) string {
	return fmt.Sprintf("cluster = 'web'\n[[farm]]\nname = 'jobs'\nmember = [ { name = 'app01', url = %q } ]\n", rawURL)
}

func TestURLsOfMembers(t *testing.T) {
	for _, row := range []struct{ what, in, want, path string }{
		{"no path", "http://10.58.4.21:8080", "http://10.58.4.21:8080", ""},
		{"a slash alone", "http://10.58.4.21:8080/", "http://10.58.4.21:8080", ""},
		{"a path", "http://10.58.4.21:8080/app", "http://10.58.4.21:8080/app", "/app"},
		{"a path with a slash at its end", "https://app.example/app/v2/", "https://app.example:443/app/v2", "/app/v2"},
		{"by HTTP/2", "h2c://app.example:81/app", "h2c://app.example:81/app", "/app"},
		{"an encoded slash at its end", "http://a:1/a%2F", "http://a:1/a%2F", "/a%2F"},
		{"both", "http://a:1/a%2F/", "http://a:1/a%2F", "/a%2F"},
		{"figures in lower case", "http://a:1/caf%c3%a9", "http://a:1/caf%c3%a9", "/caf%c3%a9"},
		{"what need not be encoded", "http://a:1/~a;v=1,b'(c)!*@:$&+=", "http://a:1/~a;v=1,b'(c)!*@:$&+=", "/~a;v=1,b'(c)!*@:$&+="},
	} {
		u := good(t, withMember(row.in), host("10.58.4.1/24")).Farm[0].Member[0].URL
		if u.String() != row.want || u.EscapedPath() != row.path {
			t.Errorf("%s: %s is read as %s, path %q; want %s, %q", row.what, row.in, u, u.EscapedPath(), row.want, row.path)
		}
	}
}

func TestURLsThatNoMemberHas(t *testing.T) {
	for _, row := range []struct{ what, in, want string }{
		{"a query", "http://a:1/app?x", "leave ? and what is behind it away; the request's own query is used"},
		{"an empty query", "http://a:1/app?", "leave ? and what is behind it away"},
		{"a query without a path", "http://a:1?x", "leave ? and what is behind it away"},
		{"a fragment", "http://a:1/app#x", "want a host and no user or fragment"},
		{"a user", "http://u:p@a:1/app", "want a host and no user or fragment"},
		{"a segment of dots", "http://a:1/app/../x", `leave the segment ".." away`},
		{"a dot alone", "http://a:1/./app", `leave the segment "." away`},
		{"dots that are encoded", "http://a:1/%2e%2e/app", "write . for %2e"},
		{"two slashes", "http://a:1/app//x", "write one slash instead of two"},
		{"two slashes at the end", "http://a:1/app//", "write one slash instead of two"},
		{"a letter that is no ASCII", "http://a:1/café", `write %C3 for the byte`},
		{"a backslash", `http://a:1/app\x`, `write %5C for the byte`},
		{"a bracket", "http://a:1/app[1]", `write %5B for the byte "["`},
		{"a space", "http://a:1/a b", "which is no URL"},
		{"a percent sign alone", "http://a:1/100%", "which is no URL"},
		{"a control character", "http://a:1/a\x01", "which is no URL"},
	} {
		_, err := Parse("f", []byte(withMember(row.in)), host("10.58.4.1/24"), candidacy.Builtin())
		if err == nil || !strings.Contains(err.Error(), "f:4: farm.member.url is ") || !strings.Contains(err.Error(), row.want) {
			t.Errorf("%s: %s: %v; want %q", row.what, row.in, err, row.want)
		}
	}
}

// What the file takes as the URL of a member can be written into a request line, and read back the same.
func FuzzMemberURL(f *testing.F) {
	for _, s := range []string{"http://a:1/app/", "https://[fd00::1]/a%2Fb", "h2c://a/%c3", "http://a:1/a?", "http://a:1/a/..;/b", "http://a/[", "http://a/;,'"} {
		f.Add(s)
	}
	reg, env := candidacy.Builtin(), host("10.58.4.1/24")
	f.Fuzz(func(t *testing.T, text string) {
		c, err := Parse("f", []byte("cluster = 'web'\n[[farm]]\nname = 'jobs'\nmember = [ { name = 'app01', url = "+tomlText(text)+" } ]\n"), env, reg)
		if err != nil {
			return
		}
		u := c.Farm[0].Member[0].URL
		snap := node.NewSnapshot(node.Parts{Live: node.NewLiveSet(), Physicals: []node.Physical{{Farm: "jobs", Name: "app01", URL: u}}})
		path := snap.Farm("jobs").Members[0].Path()
		if path == "" {
			path = "/"
		}
		if _, rest, _ := strings.Cut(text, "://"); path != "/" && !strings.HasSuffix(strings.TrimSuffix(rest, "/"), path) {
			t.Errorf("%q has the path %q, which does not stand there", text, path)
		}
		chain, errs := reg.Parse([]string{"byRandom"})
		if errs != nil {
			t.Fatal(errs)
		}
		if _, err := proxy.NewRoutes([]proxy.Route{{Path: "/x", Farm: "jobs", To: path, Chain: chain}}); err != nil {
			t.Errorf("%q has the path %q, which no request can have: %v", text, path, err)
		}
		again, err := url.Parse(u.String())
		if err != nil || again.String() != u.String() {
			t.Errorf("%q is %q, which is read as %v: %v", text, u, again, err)
		}
	})
}

// tomlText writes a text as a string of TOML.
func tomlText(s string) string {
	var b strings.Builder
	for _, r := range s {
		fmt.Fprintf(&b, `\U%08x`, r)
	}
	return `"` + b.String() + `"`
}
