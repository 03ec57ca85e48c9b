package athena

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"testing"
)

// FuzzAsking reads any address of a connection and any fields of proxies: it is clear who asks, or the request is refused. No
// address in a list is overlooked.
func FuzzAsking(f *testing.F) {
	for _, s := range [][3]string{
		{"127.0.0.1:1234", "", ""},
		{"[::ffff:10.0.0.7]:80", "10.0.0.8, 2001:db8::1", `for=192.0.2.1;by="[2001:db8::1]:80", for=10.0.0.9`},
		{"[fe80::1%eth0]:80", "fe80::2%lo,::ffff:192.0.2.1", "For=1.2.3.4"},
		{"@", "unknown", "for=_hidden"},
		{"10.0.0.7", "10.0.0.7:80,[::1],[::1]:80", "for"},
		{"127.0.0.1:1", ",", "=;,"},
	} {
		f.Add(s[0], s[1], s[2])
	}
	f.Fuzz(func(t *testing.T, peer, list, forwarded string) {
		r := &http.Request{RemoteAddr: peer, Header: http.Header{}}
		for field, value := range map[string]string{"X-Forwarded-For": list, "Forwarded": forwarded} {
			if value != "" {
				r.Header[field] = []string{value}
			}
		}
		all, err := appendAsking(nil, r)
		if len(all) > maxAsking {
			t.Fatalf("%d addresses", len(all))
		}
		for _, a := range all {
			again, err := appendAddress(nil, a.String())
			if err != nil || again[0] != a || a.Zone() != "" || a.Is4In6() {
				t.Errorf("%v: %v, %v", a, again, err)
			}
		}
		if err != nil {
			return
		}
		want := []string{peer}
		if list != "" {
			want = append(want, strings.Split(list, ",")...)
		}
		for i, text := range want {
			if a, ok := addressOf(strings.Trim(text, " \t")); !ok || all[i] != a {
				t.Errorf("%q asks, and not %v", text, all[i])
			}
		}
		checkForwarded(t, forwarded, all[len(want):])
	})
}

// checkForwarded checks that whoever a value of Forwarded names without quotes is among those found.
func checkForwarded(t *testing.T, value string, found []netip.Addr) {
	t.Helper()
	for element := range strings.SplitSeq(value, ",") {
		for pair := range strings.SplitSeq(element, ";") {
			name, text, _ := strings.Cut(strings.Trim(pair, " \t"), "=")
			if name = strings.ToLower(name); name != "for" && name != "by" {
				continue
			}
			if a, err := netip.ParseAddr(text); err == nil && !slices.Contains(found, a.Unmap().WithZone("")) {
				t.Errorf("%v of %q was overlooked: %v", a, value, found)
			}
		}
	}
}

// addressOf reads an address with or without a port, another way.
func addressOf(text string) (netip.Addr, bool) {
	a, err := netip.ParseAddr(text)
	if err != nil {
		a, err = netip.ParseAddr(strings.TrimSuffix(strings.TrimPrefix(text, "["), "]"))
	}
	if p, perr := netip.ParseAddrPort(text); err != nil {
		a, err = p.Addr(), perr
	}
	return a.Unmap().WithZone(""), err == nil
}
