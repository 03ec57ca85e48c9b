package candidacy_test

import (
	"strings"
	"testing"

	"backhand/candidacy"
	"backhand/candidacy/candidacytest"
	"backhand/gossip/node"
)

// target returns where a step sends the clients of the cluster's last member, with the Host that the client asked for.
func target(t *testing.T, step, host string, f *node.Farm) string {
	t.Helper()
	req := candidacytest.Request(f)
	req.Host = host
	left := selectFrom(req, step)
	if got, want := candidacytest.Names(left), candidacytest.Names(f.Candidates); got != want {
		t.Errorf("%s leaves %q of %q", step, got, want)
	}
	if !req.Redirect.On || req.Redirect.Host == nil {
		t.Fatalf("%s sets no redirect", step)
	}
	return req.Redirect.Host(req, f.Members[len(f.Members)-1])
}

func TestHTTPRedirectToIP(t *testing.T) {
	for _, row := range []struct{ name, member, want string }{
		{"the address alone at port 80", "www1 addr=10.0.0.5:80", "10.0.0.5"},
		{"another port is kept", "www1 addr=10.0.0.5:8080", "10.0.0.5:8080"},
		{"the address alone at port 443 with TLS", "www1 addr=10.0.0.5:443 tls=true", "10.0.0.5"},
		{"port 443 is kept without TLS", "www1 addr=10.0.0.5:443", "10.0.0.5:443"},
		{"port 80 is kept with TLS", "www1 addr=10.0.0.5:80 tls=true", "10.0.0.5:80"},
		{"IPv6 goes in brackets", "www1 addr=[2001:db8::5]:80", "[2001:db8::5]"},
		{"IPv6 with a port, too", "www1 addr=[2001:db8::5]:8080", "[2001:db8::5]:8080"},
		{"a zone of this host means nothing to a client", "www1 addr=[fe80::5%eth0]:80", ""},
		{"a physical's address", "physical app1 url=http://10.0.0.7:8080", "10.0.0.7:8080"},
		{"a physical's own name", "physical app1 url=https://app1.example.com", "app1.example.com"},
		{"a physical's own name and port", "physical app1 url=https://app1.example.com:80", "app1.example.com:80"},
	} {
		t.Run(row.name, func(t *testing.T) {
			if got := target(t, "HTTPRedirectToIP", "www", candidacytest.Cluster(row.member)); got != row.want {
				t.Errorf("sent to %q, want %q", got, row.want)
			}
		})
	}
}

func TestHTTPRedirectToName(t *testing.T) {
	const dc = "www-1.datacenter-3.provider.net"
	for _, row := range []struct{ name, format, member, host, want string }{
		{"without a format it is the member's name", "", dc, "www.client.com", dc},
		{"a port that is not the default one follows", "", dc + " addr=10.0.0.5:8080", "x", dc + ":8080"},
		{"the default port of TLS does not", "", dc + " addr=10.0.0.5:443 tls=true", "x", dc},
		{"the announcement's own example", "%-2S.%1H", dc, "www.client.com", "www-1.datacenter-3.client.com"},
		{"parts are stripped from the left", "%1S", dc, "x", "datacenter-3.provider.net"},
		{"or from the right", "%-3S", dc, "x", "www-1"},
		{"or not at all", "%0S", dc, "x", dc},
		{"the Host can be used alone", "%H", dc, "www.client.com", "www.client.com"},
		{"parts of the Host are stripped from the right, too", "%-1H.net", dc, "www.client.com", "www.client.net"},
		{"literal text stands for itself", "%-3S.example.com", dc, "x", "www-1.example.com"},
		{"literal text alone will do", "www2.example.com", dc, "x", "www2.example.com"},
		{"a port of the format's own", "%S:8081", "www1 addr=10.0.0.5:8080", "x", "www1:8081"},
		{"the format may name the default port", "%S:80", "www1 addr=10.0.0.5:8080", "x", "www1:80"},
		{"a physical has its own name and port", "", "physical app1 url=http://10.0.0.7:8080", "x", "app1:8080"},

		{"as many parts as there are leave nothing", "%4S", dc, "x", ""},
		{"and more than there are, too", "%9S", dc, "x", ""},
		{"what is left must not begin with a dot", "%4S.client.com", dc, "x", ""},
		{"a Host that is no name makes no redirect", "%S.%H", "www1", "a/b", ""},
		{"a Host that is an IPv6 address makes none", "%H", "www1", "[::1]", ""},
		{"an empty Host makes none", "%H", "www1", "", ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			step := strings.TrimSpace("HTTPRedirectToName " + row.format)
			if got := target(t, step, row.host, candidacytest.Cluster(row.member)); got != row.want {
				t.Errorf("sent to %q, want %q", got, row.want)
			}
		})
	}
}

func TestHostileNamesMakeNoRedirect(t *testing.T) {
	for _, name := range []string{
		"", ".", "a..b", ".a", "a.", "a/b", "a@b", "a:80", "a b", "a\r\nSet-Cookie: x", "<script>", "www%2e", "a?b", "a#b", `a\b`,
		"\x00", "ü.example", "a_b", "[::1]", strings.Repeat("a", 64), strings.Repeat("a.", 127) + "aa",
	} {
		f := candidacytest.Cluster("www1")
		f.Members[0].Name = name
		if got := target(t, "HTTPRedirectToName", "www", f); got != "" {
			t.Errorf("a member named %q sends clients to %q", name, got)
		}
	}
}

func TestTheLastRedirectCounts(t *testing.T) {
	f := candidacytest.Cluster("www1")
	req := candidacytest.Request(f)
	selectFrom(req, "HTTPRedirectToIP", "HTTPRedirectToName")
	if got := req.Redirect.Host(req, f.Members[0]); got != "www1" {
		t.Errorf("sent to %q", got)
	}
}

func TestWithoutRedirectThereIsNone(t *testing.T) {
	req := candidacytest.Request(candidacytest.Cluster("www1"))
	selectFrom(req, candidacy.DefaultChain()...)
	if req.Redirect.On {
		t.Error("the default chain redirects")
	}
}

func TestHTTPRedirectRefusesBadFormats(t *testing.T) {
	const usage = " (usage: HTTPRedirectToName [FORMAT])"
	wants := map[string]string{
		"HTTPRedirectToIP x":     `HTTPRedirectToIP: "x" is one argument too many (usage: HTTPRedirectToIP)`,
		"HTTPRedirectToName a b": `HTTPRedirectToName: "b" is one argument too many` + usage,

		"HTTPRedirectToName " + strings.Repeat("a", 256): "HTTPRedirectToName: FORMAT is 256 bytes long, want at most 255" + usage,
	}
	for _, f := range []string{"%", "%%", "%s", "%X", "%12S", "%-S", "%--1S", "%+1S", "%1", "%-1", "www.%"} {
		wants["HTTPRedirectToName "+f] = `HTTPRedirectToName: FORMAT is "` + f +
			`": want S or H behind %, or %2S or %-2S to leave two parts away` + usage
	}
	for f, text := range map[string]string{"a/%S": "a/", "%S/x": "/x", "a@b": "a@b", "ü": "ü", "a_b": "a_b"} {
		wants["HTTPRedirectToName "+f] = `HTTPRedirectToName: FORMAT is "` + f + `": "` + text +
			`" cannot stand in a host name, want letters, digits, hyphens and dots` + usage
	}
	for f, port := range map[string]string{"%S:": "", "%S:0": "0", "%S:65536": "65536", "%S:x": "x", "%S:080": "080", "%S:1:2": "1:2"} {
		wants["HTTPRedirectToName "+f] = `HTTPRedirectToName: FORMAT is "` + f + `": "` + port + `" is no port, want 1 to 65535` + usage
	}
	wants["HTTPRedirectToName :80"] = `HTTPRedirectToName: FORMAT is ":80", want a name in front of the port` + usage
	checkErrors(t, wants)
}

func Example_httpRedirectToIP() {
	explain("self www1\nwww2 addr=10.0.0.5:8080 load=1", "HTTPRedirectToIP")
	// Output:
	// HTTPRedirectToIP
	//   www1 (this host, no redirect)
	//   www2 (redirect to 10.0.0.5:8080)
}

func Example_httpRedirectToName() {
	req := candidacytest.Request(candidacytest.Cluster("www-1.datacenter-3.provider.net\nwww_2"))
	req.Host = "www.client.com"
	explainRequest(req, "HTTPRedirectToName %-2S.%1H")
	// Output:
	// HTTPRedirectToName %-2S.%1H
	//   www-1.datacenter-3.provider.net (redirect to www-1.datacenter-3.client.com)
	//   www_2 (no valid name, no redirect)
}
