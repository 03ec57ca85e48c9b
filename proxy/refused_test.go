package proxy

import (
	"strings"
	"testing"
)

// What is refused by its head is told of once, with as much of its first line as was one.
func TestOutcomesOfWhatIsNoRequest(t *testing.T) {
	for _, tc := range []struct {
		what, sent             string
		status                 int
		reason, method, target string
	}{
		{"a bad field", "GET /a?b HTTP/1.1\nHost: x\nBad Name: 1\n\n", 400, "field_name", "GET", "/a?b"},
		{"no Host", "PUT /a HTTP/1.1\n\n", 400, "host_missing", "PUT", "/a"},
		{"too many fields", "GET /a HTTP/1.1\nHost: x\n" + strings.Repeat("X: y\n", 200) + "\n", 431, "field_count", "GET", "/a"},
		{"a bad method", "G@T /a HTTP/1.1\nHost: x\n\n", 400, "method", "", ""},
		{"no line at all", "\x16\x03\x01\n\n", 400, "method", "", ""},
	} {
		inLab(t, func(t *testing.T, l *lab) {
			l.agent("front", frontAddr, l.toWeb())
			c := l.conn(clientAddr, frontAddr)
			go func() { _, _ = c.Write([]byte(strings.ReplaceAll(tc.sent, "\n", "\r\n"))) }()
			got := l.read(c, "GET")
			o := l.outcome()
			if got.StatusCode != tc.status || o.Status != tc.status || o.Reason != tc.reason {
				t.Errorf("%s: %d; outcome %d, %q; want %d, %q", tc.what, got.StatusCode, o.Status, o.Reason, tc.status, tc.reason)
			}
			if o.Method != tc.method || o.Target != tc.target || l.outcomes() != 1 {
				t.Errorf("%s: %q %q in %d outcomes, want %q %q in one", tc.what, o.Method, o.Target, l.outcomes(), tc.method, tc.target)
			}
		})
	}
}
