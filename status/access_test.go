package status

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
)

// inside says that 10.58.4.0/24, its like in IPv6, and loopback may see the page.
func inside(a netip.Addr) bool {
	return a.IsLoopback() || netip.MustParsePrefix("10.58.4.0/24").Contains(a) || netip.MustParsePrefix("2001:db8:58::/48").Contains(a)
}

func TestWhoMaySeeThePage(t *testing.T) {
	const peer = "10.58.4.9:1234"
	tests := []struct {
		name, peer string
		fields     []string // name: value
		status     int
	}{
		{"a neighbour", peer, nil, 200},
		{"a neighbour by IPv6", "[2001:db8:58::1]:1234", nil, 200},
		{"a neighbour on a dual-stack socket", "[::ffff:10.58.4.9]:1234", nil, 200},
		{"a neighbour with a zone", "[2001:db8:58::1%eth0]:1234", nil, 200},
		{"a stranger", "192.0.2.7:1234", nil, 403},
		{"a connection without an address", "@", nil, 403},
		{"a neighbour through a neighbour", peer, []string{"X-Forwarded-For: 10.58.4.10"}, 200},
		{"a stranger through a neighbour", peer, []string{"X-Forwarded-For: 192.0.2.7"}, 403},
		{"a stranger who says that he is a neighbour", "192.0.2.7:1234", []string{"X-Forwarded-For: 10.58.4.9"}, 403},
		{"a stranger far down the list", peer, []string{"X-Forwarded-For: 10.58.4.1, 192.0.2.7 ,10.58.4.2"}, 403},
		{"a stranger in a second field", peer, []string{"X-Forwarded-For: 10.58.4.1", "X-Forwarded-For: 192.0.2.7"}, 403},
		{"a stranger behind a proxy with other habits", peer, []string{"X-Real-Ip: 192.0.2.7"}, 403},
		{"ports beside addresses", peer, []string{"X-Forwarded-For: 10.58.4.1:80, [2001:db8:58::1]:80, [2001:db8:58::2], 2001:db8:58::3"}, 200},
		{"an unknown client", peer, []string{"X-Forwarded-For: unknown"}, 403},
		{"an empty place in the list", peer, []string{"X-Forwarded-For: 10.58.4.1,,10.58.4.2"}, 403},
		{"an empty field", peer, []string{"X-Forwarded-For: "}, 403},
		{"a name", peer, []string{"X-Forwarded-For: www1.example.org"}, 403},
		{"as many addresses as are looked at", peer, []string{"X-Forwarded-For: " + repeat("10.58.4.1", 31)}, 200},
		{"one more", peer, []string{"X-Forwarded-For: " + repeat("10.58.4.1", 32)}, 403},
		{"too much text", peer, []string{"X-Forwarded-For: 10.58.4.1" + strings.Repeat(" ", 5000)}, 403},
		{"Forwarded by a neighbour for one", peer, []string{"Forwarded: for=10.58.4.10;proto=http;by=10.58.4.1"}, 200},
		{"Forwarded for a stranger", peer, []string{"Forwarded: for=192.0.2.7"}, 403},
		{"Forwarded for a stranger, shouted", peer, []string{"Forwarded: proto=http; FOR=192.0.2.7"}, 403},
		{"Forwarded for a stranger in quotes", peer, []string{`Forwarded: for="192.0.2.7"`}, 403},
		{"a stranger behind a quoted comma", peer, []string{`Forwarded: host="a,b;c\"";for=192.0.2.7`}, 403},
		{"a neighbour behind a quoted comma", peer, []string{`Forwarded: host="a,b;c\"";for=10.58.4.2`}, 200},
		{"a stranger in the second element", peer, []string{`Forwarded: for=10.58.4.1, for=192.0.2.7`}, 403},
		{"IPv6 in Forwarded", peer, []string{`Forwarded: for="[2001:db8:58::17]:4711"`}, 200},
		{"a proxy that is a stranger", peer, []string{"Forwarded: for=10.58.4.1;by=192.0.2.7"}, 403},
		{"Forwarded that names nobody", peer, []string{"Forwarded: proto=https"}, 200},
		{"a hidden client", peer, []string{"Forwarded: for=_hidden"}, 403},
		{"an unclosed quote", peer, []string{`Forwarded: for="10.58.4.1`}, 403},
		{"no value", peer, []string{`Forwarded: for`}, 403},
		{"no name", peer, []string{`Forwarded: ="10.58.4.1"`}, 403},
		{"words without a sign between", peer, []string{`Forwarded: for=10.58.4.1 by=10.58.4.1`}, 403},
	}
	h := NewHandler(Config{Source: seedSource, Allow: inside, Now: fixed})
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for _, path := range []string{"", "view.json", "live", "style.css", "nothing"} {
				r := httptest.NewRequest(http.MethodGet, "/backhand/"+path, nil)
				r.RemoteAddr = tt.peer
				for _, f := range tt.fields {
					name, value, _ := strings.Cut(f, ": ")
					r.Header.Add(name, value)
				}
				w := httptest.NewRecorder()
				h.ServeHTTP(w, r)
				want := tt.status
				if path == "nothing" && want == 200 {
					want = 404
				}
				if w.Code != want {
					t.Errorf("%q: status %d, want %d: %s", path, w.Code, want, w.Body)
				}
				if w.Code == 403 && strings.Contains(w.Body.String(), "web") {
					t.Errorf("%q: a refusal tells about the cluster: %s", path, w.Body)
				}
			}
		})
	}
}

func repeat(word string, n int) string { return strings.Repeat(word+",", n-1) + word }

func TestWithoutAllowOnlyLoopbackMaySeeThePage(t *testing.T) {
	h := NewHandler(Config{Source: seedSource})
	for peer, want := range map[string]int{"127.0.0.1:1": 200, "[::1]:1": 200, "10.58.4.1:1": 403} {
		r := httptest.NewRequest(http.MethodGet, "/backhand/live", nil)
		r.RemoteAddr = peer
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != want {
			t.Errorf("%s: status %d, want %d", peer, w.Code, want)
		}
	}
}

func FuzzAsking(f *testing.F) {
	for _, s := range []string{
		"for=192.0.2.7", `for="[2001:db8::1]:80";by=10.0.0.1, for=unknown`, `a="\"`, ";;,=", "10.0.0.1, 2001:db8::1", "[::1", "for=",
	} {
		f.Add(s, s)
	}
	f.Fuzz(func(t *testing.T, list, forwarded string) {
		r := &http.Request{RemoteAddr: "10.58.4.9:1", Header: http.Header{"X-Forwarded-For": {list}, "Forwarded": {forwarded}}}
		all, err := asking(r)
		if err != nil {
			if all != nil {
				t.Errorf("%v beside %v", all, err)
			}
			return
		}
		if len(all) > maxAsking || len(list)+len(forwarded) > maxAskingBytes {
			t.Errorf("%d addresses of %d bytes", len(all), len(list)+len(forwarded))
		}
		for _, a := range all {
			if !a.IsValid() || a.Is4In6() || a.Zone() != "" {
				t.Errorf("address %v is in a form that no list of networks matches", a)
			}
		}
		// Every client that a plain reading of the text finds is among them.
		for word := range strings.SplitSeq(list, ",") {
			if a, err := netip.ParseAddr(strings.TrimSpace(word)); err == nil && !contains(all, a) {
				t.Errorf("%v is not among %v", a, all)
			}
		}
	})
}

func contains(all []netip.Addr, a netip.Addr) bool {
	for _, b := range all {
		if b == a.Unmap().WithZone("") {
			return true
		}
	}
	return false
}

func TestUnixSocketsAreToldThatTheyHaveNoAddress(t *testing.T) {
	for _, peer := range []string{"@", "", "/run/client.sock"} {
		_, err := asking(&http.Request{RemoteAddr: peer})
		if err == nil || !strings.Contains(err.Error(), "Unix socket") {
			t.Errorf("%q: %v", peer, err)
		}
	}
}
