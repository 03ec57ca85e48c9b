package athena

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
)

// field is a header field.
type field struct{ name, value string }

func TestWhoMayAsk(t *testing.T) {
	allow := func(p Part, a netip.Addr) bool {
		return a.IsLoopback() || p == PartStatus && netip.MustParsePrefix("10.0.0.0/8").Contains(a)
	}
	for _, tt := range []struct {
		name, from, path string
		head             field
		status           int
		has              string
	}{
		{"a neighbour", "127.0.0.1:1", "balance?farm_one", field{}, 200, "app01"},
		{"a neighbour by IPv6", "[::1]:1", "balance?farm_one", field{}, 200, "app01"},
		{"IPv4 in IPv6", "[::ffff:127.0.0.1]:1", "balance?farm_one", field{}, 200, "app01"},
		{"IPv4 in IPv6 is in the networks of IPv4", "[::ffff:10.0.0.7]:1", "status/farm?f=%h", field{}, 200, "farm_one"},
		{"the same by a proxy", "127.0.0.1:1", "status/farm?f=%h", field{"X-Forwarded-For", "::ffff:10.0.0.7"}, 200, "farm_one"},
		{"one who may see the status", "10.0.0.7:1", "status/farm?f=%h", field{}, 200, "farm_one"},
		{"and nothing else", "10.0.0.7:1", "balance?farm_one", field{}, 403, "10.0.0.7 may not use balance: see allow and allow_balance"},
		{"and is told what there is not", "10.0.0.7:1", "nonsense", field{}, 404, "there is nothing"},
		{"a stranger", "192.0.2.7:1", "status/farm", field{}, 403, "192.0.2.7 may not use status"},
		{"a stranger is not told what there is", "192.0.2.7:1", "nonsense", field{}, 403, "192.0.2.7 may not use this"},
		{"a stranger gets no answer to another method", "192.0.2.7:1", "nonsense?x", field{}, 403, "may not"},
		{"a stranger by a proxy", "127.0.0.1:1", "balance?farm_one", field{"X-Forwarded-For", "127.0.0.1, 192.0.2.7"}, 403, "192.0.2.7"},
		{"a stranger by another proxy", "127.0.0.1:1", "balance?farm_one", field{"X-Real-Ip", "192.0.2.7:80"}, 403, "192.0.2.7"},
		{"a stranger by RFC 7239", "127.0.0.1:1", "balance?farm_one", field{"Forwarded", `for="[2001:db8::7]:80";a=b`}, 403, "2001:db8::7"},
		{"a neighbour by RFC 7239", "127.0.0.1:1", "balance?farm_one", field{"Forwarded", `For=127.0.0.2;By="[::1]"`}, 200, "app01"},
		{"a hidden client", "127.0.0.1:1", "balance?farm_one", field{"Forwarded", "for=unknown"}, 403, "not clear who asks"},
		{"half a field", "127.0.0.1:1", "balance?farm_one", field{"Forwarded", "for"}, 403, "not clear who asks"},
		{"nonsense as an address", "127.0.0.1:1", "balance?farm_one", field{"X-Forwarded-For", "\x1b"}, 403, "not clear who asks"},
		{"many addresses", "127.0.0.1:1", "balance?farm_one", field{"X-Forwarded-For", strings.Repeat("::1,", 40) + "::1"}, 403, "more than 32"},
		{"no address", "@", "balance?farm_one", field{}, 403, "not clear who asks"},
		{"a page of another site", "127.0.0.1:1", "update/phys?app01", field{"Sec-Fetch-Site", "cross-site"}, 403, "another site"},
		{"a page of another port", "127.0.0.1:1", "update/phys?app01", field{"Sec-Fetch-Site", "same-site"}, 403, "another site"},
		{"a page in an old browser", "127.0.0.1:1", "update/phys?app01", field{"Origin", "http://evil.example"}, 403, "another site"},
		{"an image of another site's page, over http", "127.0.0.1:1", "update/phys?app01", field{"User-Agent", "Mozilla/5.0 (X11; Linux x86_64)"}, 403, "another site"},
		{"a program", "127.0.0.1:1", "update/phys?app01", field{"User-Agent", "curl/8.0"}, 200, ""},
		{"the address bar of a browser", "127.0.0.1:1", "update/phys?app01", field{"Sec-Fetch-Site", "none"}, 200, ""},
		{"a page of another site looks", "127.0.0.1:1", "status/farm?f=%h", field{"Sec-Fetch-Site", "cross-site"}, 200, "farm_one"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := newFake()
			path, raw, _ := strings.Cut(tt.path, "?")
			r := httptest.NewRequest(http.MethodGet, "/athena/"+path, nil)
			r.URL.RawQuery, r.RemoteAddr = raw, tt.from
			if tt.head.name != "" {
				r.Header.Set(tt.head.name, tt.head.value)
			}
			w := httptest.NewRecorder()
			New(Config{Engine: f, Allow: allow}).ServeHTTP(w, r)
			if tt.status == 200 {
				if w.Code != 200 || !strings.Contains(w.Body.String(), tt.has) {
					t.Errorf("%d %s", w.Code, w.Body)
				}
				return
			}
			refuses(t, w, tt.status, tt.has)
			if len(f.told) > 0 || len(f.asked) > 0 {
				t.Error("something was done")
			}
		})
	}
}

func TestOnlyLoopbackMayUnlessSaidOtherwise(t *testing.T) {
	for from, want := range map[string]int{"127.0.0.1:1": 200, "[::1]:1": 200, "10.58.4.1:1": 403} {
		r := httptest.NewRequest(http.MethodGet, "/athena/balance?farm_one", nil)
		r.RemoteAddr = from
		w := httptest.NewRecorder()
		New(Config{Engine: newFake()}).ServeHTTP(w, r)
		if w.Code != want {
			t.Errorf("%s: %d, want %d", from, w.Code, want)
		}
	}
}

func TestWhoSaysIt(t *testing.T) {
	f := newFake()
	r := httptest.NewRequest(http.MethodGet, "/athena/update/phys?app01", nil)
	r.RemoteAddr = "127.0.0.1:1"
	r.Header.Set("X-Forwarded-For", "127.0.0.7")
	New(Config{Engine: f}).ServeHTTP(httptest.NewRecorder(), r)
	if f.by != "127.0.0.1 for 127.0.0.7" {
		t.Errorf("by %q", f.by)
	}
}
