package proxy

import (
	"strings"
	"testing"

	"backhand/candidacy"
)

func anyChain(t testing.TB) *candidacy.Chain {
	c, errs := candidacy.NewRegistry().Parse(nil)
	if errs != nil {
		t.Fatal(errs)
	}
	return c
}

func testRoutes(t testing.TB, farms map[string]Route) *Routes {
	var list []Route
	for f, r := range farms {
		r.Farm, r.Chain = f, anyChain(t)
		list = append(list, r)
	}
	rs, err := NewRoutes(list)
	if err != nil {
		t.Fatal(err)
	}
	return rs
}

func TestFindRoute(t *testing.T) {
	rs := testRoutes(t, map[string]Route{
		"root":     {Path: "/"},
		"app":      {Path: "/app"},
		"deep":     {Path: "/app/deep/"},
		"php":      {Path: "/app", Files: []string{"*.php", "*.asp"}},
		"shop":     {Path: "/", Host: []string{"Shop.example", "shop.test:8080"}},
		"shop-app": {Path: "/app/cart", Host: []string{"shop.example"}},
		"six":      {Path: "/", Host: []string{"[2001:db8::1]"}},
		"cafe":     {Path: "/caf\u00e9"},
	})
	for _, tc := range []struct{ what, host, path, want string }{
		{"the root takes what nobody else does", "x", "/else", "root"},
		{"a prefix", "x", "/app/x", "app"},
		{"the prefix itself", "x", "/app", "app"},
		{"whole segments only", "x", "/apple", "root"},
		{"an encoded slash is no border", "x", "/app%2Fdeep", "root"},
		{"the longest prefix wins", "x", "/app/deep/x", "deep"},
		{"a slash at the end does not count", "x", "/app/deep", "deep"},
		{"a file pattern beats none", "x", "/app/a.php", "php"},
		{"the second pattern", "x", "/app/a.asp", "php"},
		{"a pattern may match in the middle", "x", "/app/a.php/news", "php"},
		{"a longer path beats a pattern", "x", "/app/deep/a.php", "deep"},
		{"a pattern matches whole segments", "x", "/app/a.phpx", "app"},
		{"a host beats a longer path", "shop.example", "/app/deep", "shop"},
		{"host and path", "shop.example", "/app/cart/1", "shop-app"},
		{"case of a host does not count", "SHOP.EXAMPLE", "/", "shop"},
		{"nor does its port", "shop.example:8080", "/", "shop"},
		{"nor a dot at its end", "shop.example.", "/", "shop"},
		{"a second host", "shop.test", "/", "shop"},
		{"IPv6", "[2001:db8::1]:80", "/", "six"},
		{"letters beyond ASCII are encoded", "x", "/caf%C3%A9/1", "cafe"},
		{"no host at all", "", "/app", "app"},
	} {
		if got := rs.find(hostName(tc.host), normalReading(tc.path)); got == nil || got.Farm != tc.want {
			t.Errorf("%s: %s%s goes to %+v, want %s", tc.what, tc.host, tc.path, got, tc.want)
		}
	}
}

func TestFindNoRoute(t *testing.T) {
	rs := testRoutes(t, map[string]Route{"app": {Path: "/app"}, "php": {Path: "/php", Files: []string{"*.php"}}})
	for _, p := range []string{"/", "/php/a.html", "/ap"} {
		if got := rs.find("x", p); got != nil {
			t.Errorf("%s goes to %s, want no route", p, got.Farm)
		}
	}
	if (*Routes)(nil).find("x", "/") != nil {
		t.Error("no routes at all have a route")
	}
}

func TestNewRoutesReportsEveryMistake(t *testing.T) {
	c := anyChain(t)
	for _, tc := range []struct {
		what string
		list []Route
		want []string // in the error; none: no error
	}{
		{"equal host and path", []Route{{Path: "/a", Farm: "x", Chain: c}, {Path: "/a/", Farm: "y", Chain: c}}, []string{"another route has the same"}},
		{"equal in one of the hosts", []Route{{Host: []string{"a", "b"}, Farm: "x", Chain: c}, {Host: []string{"B:80"}, Farm: "y", Chain: c}}, []string{`host "b"`}},
		{"equal in one of the files", []Route{{Files: []string{"*.a", "*.b"}, Farm: "x", Chain: c}, {Files: []string{"*.b"}, Farm: "y", Chain: c}}, []string{`file "*.b"`}},
		{"other files", []Route{{Files: []string{"*.a"}, Farm: "x", Chain: c}, {Files: []string{"*.b"}, Farm: "y", Chain: c}, {Farm: "z", Chain: c}}, nil},
		{"all mistakes at once", []Route{
			{Path: "a", Farm: "x", Chain: c},
			{Path: "/b", Files: []string{"[", "a/b"}, Farm: "x", Chain: c},
			{Path: "/c", Farm: "a b"},
			{Path: "/d", Farm: "x", Chain: c, WhenEmpty: "all"},
		}, []string{"begins with a slash", `pattern is "["`, `pattern is "a/b"`, "the farm is", "no chain", `when_empty is "all"`}},
	} {
		_, err := NewRoutes(tc.list)
		if err == nil {
			if tc.want != nil {
				t.Errorf("%s: no error", tc.what)
			}
			continue
		}
		if tc.want == nil {
			t.Errorf("%s: %v", tc.what, err)
		}
		for _, w := range tc.want {
			if !strings.Contains(err.Error(), w) {
				t.Errorf("%s: the error lacks %q:\n%v", tc.what, w, err)
			}
		}
	}
}

func TestFindAllocatesNothing(t *testing.T) {
	rs := testRoutes(t, map[string]Route{"a": {Path: "/app"}, "b": {Path: "/", Host: []string{"x.example"}}})
	if n := testing.AllocsPerRun(100, func() { rs.find(hostName("x.example"), normalReading("/app/a/b.html")) }); n != 0 {
		t.Errorf("finding a route allocates %v times", n)
	}
}
