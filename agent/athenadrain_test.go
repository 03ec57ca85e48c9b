package agent

import (
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"backhand/status"
)

// through sends a request through the agent, with a session's cookie or ""; it returns which origin has answered, and the
// cookie that it set.
func (f *fixture) through(cookie string) (server, set string) {
	f.t.Helper()
	client := http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	req, err := http.NewRequestWithContext(f.t.Context(), http.MethodGet, f.url+"/", http.NoBody)
	if err != nil {
		f.t.Fatal(err)
	}
	if cookie != "" {
		req.Header.Set("Cookie", cookie)
	}
	res, err := client.Do(req)
	if err != nil {
		f.t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		f.t.Fatal(err)
	}
	server, _, _ = strings.Cut(string(body), " ")
	set, _, _ = strings.Cut(res.Header.Get("Set-Cookie"), ";")
	return server, set
}

// sessionAt returns the cookie of a session at an origin.
func (f *fixture) sessionAt(origin string) string {
	f.t.Helper()
	for range 1000 { // one of two by chance
		if server, cookie := f.through(""); server == origin && cookie != "" {
			return cookie
		}
	}
	f.t.Fatalf("no session began at %s", origin)
	return ""
}

// draining runs an agent in front of two physicals that keep sessions, of which the first drains, and has a session there.
func draining(t *testing.T) (a *asked, cookie, sorry string) {
	t.Helper()
	sorry = origin(t, "sorry").URL + "/off"
	a = startAsked(t, fmt.Sprintf(`[[farm]]
name = "jobs"
forward_off = %q
member = [ { name = "app01", url = %q }, { name = "app02", url = %q } ]
[[route]]
path = "/"
farm = "jobs"
chain = ["bySession sid", "byRandom", "addSession sid"]
`, sorry, origin(t, "o1").URL, origin(t, "o2").URL))
	cookie = a.sessionAt("o1")
	a.good("/athena/update/phys?h=app01,state=drain,why=update")
	return a, cookie, sorry
}

func TestAthenaOneThatDrainsIsNotChosenAndKeepsItsSessions(t *testing.T) {
	a, cookie, sorry := draining(t)
	for range 20 {
		if got := a.good("/athena/balance?jobs"); got != "app02\n" {
			t.Fatalf("%q was chosen for a program", got)
		}
		if server, _ := a.through(""); server != "o2" {
			t.Fatalf("%q has answered somebody without a session", server)
		}
		if server, _ := a.through(cookie); server != "o1" {
			t.Fatalf("%q has answered for the session", server)
		}
	}
	a.good("/athena/update/phys?g=jobs,h=*,state=drain")
	code, body := a.ask("/athena/balance?jobs")
	if code != http.StatusServiceUnavailable || !strings.HasSuffix(body, "\n"+sorry+"\n") {
		t.Errorf("when all drain a program is answered by %d %q", code, body)
	}
	for session, want := range map[string]string{"": "sorry", cookie: "o1"} {
		if server, _ := a.through(session); server != want {
			t.Errorf("when all drain %q has answered for the session %q, want %q", server, session, want)
		}
	}
	a.good("/athena/update/phys?h=app01,health=down,why=fire")
	if server, _ := a.through(cookie); server != "sorry" {
		t.Errorf("%q has answered for the session of one that drains and is down", server)
	}
	a.good("/athena/update/phys?h=app01,health=up,state=on")
	if got := a.good("/athena/balance?jobs"); got != "app01\n" {
		t.Errorf("%q was chosen when it was on again", got)
	}
}

func TestAthenaThatOneDrainsIsShownAndKept(t *testing.T) {
	a, _, _ := draining(t)
	const format = `h=app01,f="%o %u %i %x %r"`
	a.says(phys(format), "drain up in no update\n")
	v, err := a.client().View(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(v.Rows, func(r status.Row) bool { return r.Name == "app01" })
	if r := v.Rows[i]; r.State != status.Draining || r.Candidate || !r.Standing.Drain || r.Standing.Why != "update" {
		t.Errorf("on the page it is %s, %+v", r.State, r.Standing)
	}
	code, body := a.ask("/athena/update/farm?h=jobs,state=drain")
	if code != http.StatusBadRequest || !strings.Contains(body, "a farm cannot drain") {
		t.Errorf("that a farm drains is answered by %d %q", code, body)
	}
	a.restart()
	a.says(phys(format), "drain up in no update\n")
	if !strings.Contains(a.logged(), "from=on to=drain") {
		t.Errorf("it has logged:\n%s", a.logged())
	}
}
