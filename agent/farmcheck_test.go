package agent

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"backhand/agent/farm"
)

// checkable is a web server that is well or not.
func checkable(t *testing.T) (*httptest.Server, *atomic.Bool) {
	ill := &atomic.Bool{}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if ill.Load() {
			w.WriteHeader(http.StatusInternalServerError)
		}
	}))
	t.Cleanup(s.Close)
	return s, ill
}

func TestChecksOfMembersWithoutAnAgent(t *testing.T) {
	s, ill := checkable(t)
	text := func(check string) string {
		return fmt.Sprintf("[[farm]]\nname = \"jobs\"\n%s\nmember = [ { name = \"app01\", url = %q }, { name = \"gone\", url = \"http://%s\" } ]\n",
			check, s.URL, freePort(t))
	}
	const path = "check = \"/health\"\ncheck_interval = \"100ms\"\nfall = 1\nrise = 2\n"
	a := startAsked(t, text(path))
	stands := func(name, want string) {
		t.Helper()
		a.says(phys(`h=`+name+`,f="%u %r"`), want+"\n")
	}
	stands("gone", "down connect: connection refused")
	if got := a.good(phys(`h=app01,f="%u"`)); got != "up\n" {
		t.Errorf("app01 is %q", got)
	}
	ill.Store(true)
	stands("app01", "down GET /health: 500")
	a.eventually(func() error {
		if status, body := a.ask("/athena/balance?jobs"); status != http.StatusServiceUnavailable {
			return fmt.Errorf("with all down: %d %q", status, body)
		}
		return nil
	})

	// A person who says that it is up does not make it well; and a person's word outlives the check's.
	a.good("/athena/update/phys?h=app01,u=up")
	stands("app01", "down GET /health: 500")
	a.good("/athena/update/phys?h=app01,u=down,r=night")
	ill.Store(false)
	stands("app01", "down night")
	a.good("/athena/update/phys?h=app01,u=up")
	a.says(phys(`h=app01,f="%u"`), "up\n")

	// The same check goes on over a reload; another one begins anew; and without one nothing is held against anybody.
	before := a.checks[0]
	gone := a.checks[1]
	a.rewrite(text(path)) // gone is at another port
	if a.checks[0] != before || a.checks[1] == gone {
		t.Error("the checks that go on are not those that stay the same")
	}
	ill.Store(true)
	stands("app01", "down GET /health: 500")
	a.rewrite(text(path + "check_status = [\"500-503\"]\n")) // where 200 is not good, and 500 is
	ill.Store(false)
	stands("app01", "down GET /health: 200")
	ill.Store(true)
	a.says(phys(`h=app01,f="%u"`), "up\n")
	a.rewrite(text("check = \"tcp\"\ncheck_interval = \"100ms\"\n"))
	a.says(phys(`h=app01,f="%u"`), "up\n")
	stands("gone", "down connect: connection refused")
	a.rewrite(text(""))
	if got := a.good(phys(`f="%h %u\n"`)); got != "app01 up\ngone up\n" {
		t.Errorf("without checks: %q", got)
	}
	if !strings.Contains(a.logged(), "by=check") {
		t.Errorf("it has logged:\n%s", a.logged())
	}
}

// What of a file is handed to the part that keeps what is said of farms and physicals.
func TestLayoutOfAFile(t *testing.T) {
	f := prepare(t, `{head}
[[farm]]
name = "jobs"
expect_update = "10s"
forward_off = "web"
member = [ { name = "a", url = "http://a" }, { name = "b", url = "http://b", expect_update = "0s", forward_down = "web" } ]
[[serve]]
farm = "web"
origin = "http://127.0.0.1:1"
[[route]]
path = "/"
farm = "web"
[[route]]
path = "/x"
to = "http://other/y"
`)
	if err := f.open(Options{}); err != nil {
		t.Fatal(err)
	}
	jobs := farm.FarmEntry{Name: "jobs", Members: []farm.MemberEntry{{Name: "a", ExpectUpdate: 10 * time.Second}, {Name: "b"}}}
	jobs.Forwards.Off.Farm, jobs.Members[1].Forwards.Down.Farm = "web", "web"
	want := farm.Layout{Farms: []farm.FarmEntry{jobs, {Name: "web"}, {Name: "other"}}}
	if d := cmp.Diff(want, layoutOf(f.config.Load()), cmpopts.EquateEmpty()); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	if r := proxyRoute(f.config.Load().Route[1]); r.To != "/y" || r.Farm != "other" {
		t.Errorf("the route that rewrites is %+v", r)
	}
	f.run() // and ends
}
