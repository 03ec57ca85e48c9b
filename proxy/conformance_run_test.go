package proxy_test

import (
	"regexp"
	"slices"
	"strings"
	"testing"
)

// conformance is all that is promised.
func conformance() []row {
	return slices.Concat(
		fieldRows, connectionFieldRows, routingRows, upgradeRows, representationRows, methodRows, contextRows, statusRows,
		lineRows, bodyRows, connectionRows, smugglingRows(), desyncRows,
	)
}

// TestConformance holds the front against RFC 9110 and RFC 9112, as an intermediary and, where it answers itself, as a
// server. The names of its cases, go test -run Conformance -v, say what is promised.
func TestConformance(t *testing.T) {
	rows := conformance()
	t.Logf("%d conformance cases", len(rows))
	for _, r := range rows {
		t.Run(r.name, func(t *testing.T) {
			t.Parallel()
			r.run(t)
		})
	}
}

// Sections that ask something of intermediaries, or of servers that answer themselves.
var sections = strings.Fields(`
	9110-5.1 9110-5.3 9110-5.4 9110-5.5 9110-5.6.1 9110-6.5.1 9110-6.5.2 9110-6.6.1 9110-6.6.2
	9110-7.1 9110-7.2 9110-7.4 9110-7.5 9110-7.6 9110-7.6.1 9110-7.6.2 9110-7.6.3 9110-7.7 9110-7.8
	9110-8.3 9110-8.4 9110-8.6 9110-8.8
	9110-9.1 9110-9.2.2 9110-9.3.1 9110-9.3.2 9110-9.3.4 9110-9.3.5 9110-9.3.6 9110-9.3.7 9110-9.3.8
	9110-10.1.1 9110-10.1.2 9110-10.1.4 9110-10.2.1 9110-10.2.2 9110-10.2.3 9110-10.2.4
	9110-15 9110-15.2 9110-15.2.1 9110-15.2.2 9110-15.3.5 9110-15.3.6 9110-15.3.7 9110-15.4 9110-15.4.5
	9110-15.5 9110-15.5.9 9110-15.5.15 9110-15.6.2 9110-15.6.3 9110-15.6.5 9110-15.6.6
	9112-2.2 9112-2.3 9112-3 9112-3.1 9112-3.2 9112-3.2.1 9112-3.2.2 9112-3.2.3 9112-3.2.4 9112-4
	9112-5 9112-5.1 9112-5.2 9112-6.1 9112-6.2 9112-6.3 9112-7.1 9112-7.1.1 9112-7.1.2 9112-8
	9112-9.2 9112-9.3 9112-9.3.1 9112-9.3.2 9112-9.4 9112-9.6 9112-11.1 9112-11.2`)

// Each section has at least one case, and each case a name of its own that begins with a section.
func TestConformanceCoversEverySection(t *testing.T) {
	form := regexp.MustCompile(`^(9110|9112)-\d+(\.\d+)* \S`)
	seen, names := map[string]bool{}, map[string]bool{}
	for _, r := range conformance() {
		section, _, _ := strings.Cut(r.name, " ")
		if !form.MatchString(r.name) {
			t.Errorf("the name %q does not begin with RFC and section", r.name)
		}
		if names[r.name] {
			t.Errorf("two cases are called %q", r.name)
		}
		if len(r.steps) == 0 {
			t.Errorf("%q does nothing", r.name)
		}
		seen[section], names[r.name] = true, true
	}
	for _, s := range sections {
		if !seen[s] {
			t.Errorf("no case is about section %s", s)
		}
	}
}
