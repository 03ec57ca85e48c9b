package lab

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// recorder stands in for a test, to see how it would end.
type recorder struct {
	testing.TB
	name    string
	verdict chan string
	cleanup []func()
}

func (r *recorder) Helper()          {}
func (r *recorder) Name() string     { return r.name }
func (r *recorder) Cleanup(f func()) { r.cleanup = append(r.cleanup, f) }
func (r *recorder) Skip(a ...any)    { r.end("skip: " + fmt.Sprint(a...)) }
func (r *recorder) Fatalf(format string, a ...any) {
	r.end("fail: " + fmt.Sprintf(format, a...))
}

func (r *recorder) end(verdict string) {
	r.verdict <- verdict
	panic(r) // ends it as Skip and Fatalf would
}

// verdict runs a test's body and says how the test would end: "pass", or with its reason "skip" or "fail".
func verdict(body func(t testing.TB)) string {
	r := &recorder{name: "TestOther", verdict: make(chan string, 1)}
	go func() {
		defer func() {
			if v := recover(); v != nil && v != any(r) {
				panic(v)
			}
		}()
		body(r)
		r.verdict <- "pass"
	}()
	return <-r.verdict
}

func TestNeed(t *testing.T) {
	if testing.Short() {
		t.Skip("-short changes what Need does")
	}
	for _, c := range []struct {
		name, environment, need, want string
	}{
		{"what is there lets the test run", "", "go", "pass"},
		{"what is missing skips it and says what to install", "", "lost", "skip: needs lost: no such thing (Debian package"},
		{"where all is wanted, what is missing fails it", "all", "lost", "fail: BACKHAND_TEST=all, but the test needs lost"},
		{"a misspelled need is never there", "all", "ngnix", "fail: BACKHAND_TEST=all, but the test needs \"ngnix\""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Setenv("BACKHAND_TEST", c.environment)
			known := []requirement{
				{"go", func() error { return nil }, ""},
				{"lost", func() error { return fmt.Errorf("no such thing") }, "lost-utils"},
			}
			got := verdict(func(t testing.TB) { need(t, known, c.need) })
			if !strings.HasPrefix(got, c.want) {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

// What Need tells people to install is what .ci/run installs.
func TestPackagesOfCI(t *testing.T) {
	script, err := os.ReadFile("../../../.ci/run")
	if err != nil {
		t.Fatal(err)
	}
	_, list, _ := strings.Cut(string(script), "packages=(")
	list, _, found := strings.Cut(list, ")")
	if !found {
		t.Fatal(".ci/run has no list packages=(...)")
	}
	installed := map[string]bool{}
	for name := range strings.FieldsSeq(list) {
		installed[name] = true
	}
	for _, r := range requirements() {
		if r.install != "" && !installed[r.install] {
			t.Errorf("%s needs the Debian package %s, which .ci/run does not install", r.name, r.install)
		}
	}
}
