package proxy

import (
	"bufio"
	"net/http"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

type forwardingCase struct {
	what, peer           string
	tls                  bool
	head                 []string
	client               string
	xff, proto, xhost, f string
}

var forwardingCases = []forwardingCase{
	{
		"a client's own word does not count", "192.0.2.7", false,
		[]string{"X-Forwarded-For: 1.2.3.4", "Forwarded: for=1.2.3.4", "X-Forwarded-Proto: https", "X-Forwarded-Host: evil"},
		"192.0.2.7", "192.0.2.7", "http", "example.com", "for=192.0.2.7;host=example.com;proto=http",
	},
	{
		"IPv6 over TLS", "2001:db8::1", true, nil,
		"2001:db8::1", "2001:db8::1", "https", "example.com", `for="[2001:db8::1]";host=example.com;proto=https`,
	},
	{
		"a trusted proxy is appended", "10.9.0.1", false,
		[]string{"X-Forwarded-For: 192.0.2.7", "X-Forwarded-Proto: https", "X-Forwarded-Host: www.example:8443"},
		"192.0.2.7", "192.0.2.7, 10.9.0.1", "https", "www.example:8443",
		`for=192.0.2.7, for=10.9.0.1;host="www.example:8443";proto=https`,
	},
	{
		"the rightmost that is not trusted is the client", "10.9.0.1", false,
		[]string{"X-Forwarded-For: 1.2.3.4, 192.0.2.7", "X-Forwarded-For: 10.9.0.2"},
		"192.0.2.7", "1.2.3.4, 192.0.2.7, 10.9.0.2, 10.9.0.1", "http", "example.com",
		"for=1.2.3.4, for=192.0.2.7, for=10.9.0.2, for=10.9.0.1;host=example.com;proto=http",
	},
	{
		"all trusted: the leftmost", "10.9.0.1", false,
		[]string{"X-Forwarded-For: 10.9.0.3, 10.9.0.2"},
		"10.9.0.3", "10.9.0.3, 10.9.0.2, 10.9.0.1", "http", "example.com",
		"for=10.9.0.3, for=10.9.0.2, for=10.9.0.1;host=example.com;proto=http",
	},
	{
		"what is left of a word that is no address was vouched for by nobody", "10.9.0.1", false,
		[]string{"X-Forwarded-For: 192.0.2.7, unknown, 10.9.0.2"},
		"10.9.0.2", "192.0.2.7, unknown, 10.9.0.2, 10.9.0.1", "http", "example.com",
		"for=192.0.2.7, for=10.9.0.2, for=10.9.0.1;host=example.com;proto=http",
	},
	{
		"Forwarded alone", "2001:db8:9::1", false,
		[]string{`Forwarded: for="[2001:db8::7]:4711";proto=HTTPS;host="a.example:1", for=10.9.0.2;by=_x`},
		"2001:db8::7", "2001:db8::7, 10.9.0.2, 2001:db8:9::1", "https", "a.example:1",
		`for="[2001:db8::7]:4711";proto=HTTPS;host="a.example:1", for=10.9.0.2;by=_x, for="[2001:db8:9::1]";host="a.example:1";proto=https`,
	},
	{
		"a Forwarded that tells another story is made anew", "10.9.0.1", false,
		[]string{"Forwarded: for=1.2.3.4;proto=https;host=evil", "X-Forwarded-For: 192.0.2.7"},
		"192.0.2.7", "192.0.2.7, 10.9.0.1", "http", "example.com",
		"for=192.0.2.7, for=10.9.0.1;host=example.com;proto=http",
	},
	{
		"a malformed Forwarded says nothing", "10.9.0.1", false,
		[]string{`Forwarded: for="1.2.3.4`},
		"10.9.0.1", "10.9.0.1", "http", "example.com", "for=10.9.0.1;host=example.com;proto=http",
	},
	{
		"fields that Connection names were not for us", "10.9.0.1", false,
		[]string{"Connection: x-forwarded-for, close", "Connection: Forwarded", "X-Forwarded-For: 1.2.3.4", "Forwarded: for=1.2.3.4"},
		"10.9.0.1", "10.9.0.1", "http", "example.com", "for=10.9.0.1;host=example.com;proto=http",
	},
	{
		"an unknown protocol", "10.9.0.1", false,
		[]string{"X-Forwarded-For: 192.0.2.7", "X-Forwarded-Proto: javascript"},
		"192.0.2.7", "192.0.2.7, 10.9.0.1", "http", "example.com",
		"for=192.0.2.7, for=10.9.0.1;host=example.com;proto=http",
	},
}

func TestForwarding(t *testing.T) {
	trusted := []netip.Prefix{netip.MustParsePrefix("10.9.0.0/16"), netip.MustParsePrefix("2001:db8:9::/48")}
	for _, tc := range forwardingCases {
		var f forwarding
		f.of(requestOf(tc.head...), &arrival{peer: netip.MustParseAddr(tc.peer), tls: tc.tls}, trusted)
		res, err := http.ReadResponse(bufio.NewReader(strings.NewReader("HTTP/1.0 200 OK\r\n"+string(f.append(nil))+"\r\n")), nil)
		if err != nil {
			t.Fatal(err)
		}
		out := res.Header
		want := http.Header{
			"X-Forwarded-For": {tc.xff}, "X-Forwarded-Proto": {tc.proto}, "X-Forwarded-Host": {tc.xhost}, "Forwarded": {tc.f},
		}
		if d := cmp.Diff(want, out); d != "" || f.Client.String() != tc.client {
			t.Errorf("%s: client %v, want %s; fields (-want +got):\n%s", tc.what, f.Client, tc.client, d)
		}
	}
}

func TestParseForwarded(t *testing.T) {
	good := []string{`For="_a\"b";Proto=http;by=1.2.3.4;ext=1 ,`, ` , for=unknown`}
	got, err := parseForwarded(good)
	if d := cmp.Diff([]forwardedElement{{For: `_a"b`, Proto: "http"}, {For: "unknown"}}, got); d != "" || err != nil {
		t.Errorf("parseForwarded(%q): %v (-want +got):\n%s", good, err, d)
	}
	for _, s := range []string{`for`, `for=`, `=x`, `for=a;for=b`, `for="a`, `for="a"b`, `f r=a`, `for=a b`, `for=[::1]`, "for=\"\x01\"", `for="\`} {
		if got, err := parseForwarded([]string{s}); err == nil {
			t.Errorf("parseForwarded(%q) = %+v, want an error", s, got)
		}
	}
}

func TestParseNodeName(t *testing.T) {
	for in, want := range map[string]string{
		"192.0.2.1": "192.0.2.1", "192.0.2.1:80": "192.0.2.1", "2001:db8::1": "2001:db8::1", "[2001:db8::1]": "2001:db8::1",
		"[2001:db8::1]:80": "2001:db8::1", "::ffff:192.0.2.1": "192.0.2.1", "fe80::1%eth0": "fe80::1",
		"unknown": "", "_x": "", "": "", "[192.0.2.1]": "", "192.0.2.1:x": "", "192.0.2.1, 192.0.2.2": "",
	} {
		a, ok := parseNodeName(in)
		if ok != (want != "") || ok && a.String() != want {
			t.Errorf("parseNodeName(%q) = %v, %v; want %q", in, a, ok, want)
		}
	}
}

func quoted(s string) string { return string(appendQuoted(nil, s)) }

func FuzzForwarded(f *testing.F) {
	for _, s := range []string{`for=192.0.2.1;proto=http, for="[2001:db8::1]:80"`, `for="a\"b;c,d";host=x`, `for=`, `"`, `;,;`, `for=a;FOR=b`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		list, err := parseForwarded([]string{s})
		if err != nil {
			return
		}
		if n := len(splitForwarded(s)); n != len(list) {
			t.Errorf("%q: %d elements of %d", s, len(list), n)
		}
		var again []string
		for _, e := range list {
			if e != (forwardedElement{}) {
				again = append(again, "for="+quoted(e.For)+";host="+quoted(e.Host)+";proto="+quoted(e.Proto))
			}
		}
		back, err := parseForwarded(again)
		var want []forwardedElement
		for _, e := range list {
			if e != (forwardedElement{}) {
				want = append(want, e)
			}
		}
		if err != nil || !cmp.Equal(want, back) {
			t.Errorf("%q is %+v; written as %q it is %+v, %v", s, want, again, back, err)
		}
	})
}
