package proxy

import (
	"net/url"
	"strings"
	"testing"
)

func TestTarget(t *testing.T) {
	for _, tc := range []struct {
		in, path, query string
		ok              bool
	}{
		{"/", "/", "", true},
		{"/a?b=1;c=2", "/a", "b=1;c=2", true},
		{"/a?b?c", "/a", "b?c", true},
		{"//a//b", "//a//b", "", true},
		{"http://host/a?b", "/a", "b", true},
		{"http://host", "/", "", true},
		{"http://host?b", "/", "b", true},
		{"/a#b", "/a#b", "", false},
		{"*", "", "", false},
		{"host:80", "", "", false},
		{"HTTPS://host/a", "/a", "", true},
		{"x:/foo://h/app", "", "", false},
		{"ftp://host/a", "", "", false},
		{"://host/a", "", "", false},
		{"http:///a", "", "", false},
		{"http://", "", "", false},
	} {
		path, query, ok := target(tc.in)
		if ok != tc.ok || ok && (path != tc.path || query != tc.query) {
			t.Errorf("target(%q) = %q, %q, %v; want %q, %q, %v", tc.in, path, query, ok, tc.path, tc.query, tc.ok)
		}
	}
}

func TestReadings(t *testing.T) {
	for _, tc := range []struct{ in, raw, normal string }{
		{"/a/b.c", "/a/b.c", "/a/b.c"},
		{"/a/.", "/a/.", "/a/"},
		{"/a/..", "/a/..", "/"},
		{"/a/../b", "/a/../b", "/b"},
		{"/../../a", "/../../a", "/a"},
		{"/a/./b/../c/", "/a/./b/../c/", "/a/c/"},
		{"/a//../b", "/a//../b", "/a/b"},
		{"/..a/b..", "/..a/b..", "/..a/b.."},
		{"/%61%2d%7E", "/%61%2D%7E", "/a-~"},
		{"/%2e%2E/a", "/%2E%2E/a", "/a"},
		{"/a%2fb%5c", "/a%2Fb%5C", "/a%2Fb%5C"},
		{"/%252e", "/%252e", "/%252e"},
		{"/a\\b|c\"", "/a%5Cb%7Cc%22", "/a%5Cb%7Cc%22"},
		{"/\xc3\xa9", "/%C3%A9", "/%C3%A9"},
		{"/%", "/%25", "/%25"},
		{"/%zz", "/%25zz", "/%25zz"},
	} {
		if got := rawReading(tc.in); got != tc.raw {
			t.Errorf("rawReading(%q) = %q, want %q", tc.in, got, tc.raw)
		}
		if got := normalReading(tc.in); got != tc.normal {
			t.Errorf("normalReading(%q) = %q, want %q", tc.in, got, tc.normal)
		}
	}
}

func TestMergedReading(t *testing.T) {
	for _, tc := range []struct{ in, want string }{
		{"/a/b", "/a/b"},
		{"//a///b//", "/a/b/"},
		{"/a\\b/\\c", "/a/b/c"},
		{"\\a", "/a"},
		{"/a//../b", "/b"},
		{"/a/..//b", "/b"},
		{"/a%2F%5C%2e%2e//b", "/a%2F%5C../b"},
		{"/a/%2e%2e//b", "/b"},
		{"/a;x//b", "/a;x/b"},
	} {
		if got := mergedReading(tc.in); got != tc.want {
			t.Errorf("mergedReading(%q) = %q, want %q", tc.in, got, tc.want)
		}
	}
}

func FuzzReadings(f *testing.F) {
	for _, s := range []string{"/", "/a/../b", "/%2e%2e/%2F", "/a//./..", "/%", "/\xff|", "/.%2e/.", "/a/...", "//x/../", "/\\x//.."} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		path, _, ok := target(s)
		if !ok {
			return
		}
		n := normalReading(path)
		if again := normalReading(n); again != n {
			t.Errorf("normalReading(%q) = %q, and of that %q", path, n, again)
		}
		if again := normalReading(rawReading(path)); again != n {
			t.Errorf("normalReading of the raw reading of %q = %q, want %q", path, again, n)
		}
		merged := mergedReading(path)
		if again := mergedReading(merged); again != merged || strings.Contains(merged, "//") {
			t.Errorf("mergedReading(%q) = %q, and of that %q", path, merged, again)
		}
		for i, seg := range strings.Split(n, "/") {
			if seg == "." || seg == ".." || i == 0 && seg != "" {
				t.Errorf("normalReading(%q) = %q has a dot segment, or no slash at its beginning", path, n)
			}
		}
		for i := range len(n) {
			if n[i] != '%' && !isPathByte(n[i]) {
				t.Errorf("normalReading(%q) = %q holds %q", path, n, n[i])
			}
		}
		if u, err := url.PathUnescape(n); err != nil {
			t.Errorf("normalReading(%q) = %q, which cannot be decoded: %v", path, n, err)
		} else if p, err := url.PathUnescape(path); err == nil && len(u) > len(p) {
			t.Errorf("normalReading(%q) = %q means more than it did", path, n)
		}
	})
}
