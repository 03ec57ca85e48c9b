package candidacy_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"backhand/candidacy"
	"backhand/candidacy/candidacytest"
	"backhand/gossip/node"
)

// cookieFor returns the Set-Cookie that a chain wants for a member.
func cookieFor(req *candidacy.Request, m *node.Member, step string) string {
	selectFrom(req, step)
	return req.Session.Line(req, m)
}

func TestAddSessionLeadsBack(t *testing.T) {
	// Two members on one host, one that has a name only, and one with an IPv6 address: bySession tells them all apart.
	f := candidacytest.Cluster(`
		www1 addr=10.0.0.1:80
		www2 addr=10.0.0.1:81
		www3 addr=[2001:db8::3]:80
		physical app1 url=http://app1.example.com
		www5 state=draining`)
	chain := []string{"bySession BACKHAND", "byRandom", "addSession"}
	for _, m := range f.Members {
		req := candidacytest.Request(f)
		line := cookieFor(req, m, "addSession")
		set, err := http.ParseSetCookie(line)
		if err != nil || set.Name != "BACKHAND" {
			t.Fatalf("the cookie is %q: %v", line, err)
		}
		req = candidacytest.Request(f)
		req.Fields = candidacytest.Fields{Cookie: []string{"a=b; BACKHAND=" + set.Value}}
		got := selectFrom(req, chain...)
		if len(got) != 1 || got[0] != m {
			t.Errorf("the session of %s goes to %s", m.Name, candidacytest.Names(got))
		}
		if again := req.Session.Line(req, m); again != "" {
			t.Errorf("%s: the client has its cookie, and gets %q", m.Name, again)
		}
		for _, other := range f.Members {
			if other != m && req.Session.Line(req, other) == "" {
				t.Errorf("the client of %s moved to %s and gets no cookie", m.Name, other.Name)
			}
		}
	}
}

func TestAddSessionStaysTheSameCookie(t *testing.T) {
	f := candidacytest.Cluster("www1\nphysical app1")
	for name, want := range map[string]string{"www1": "BACKHAND=m439f77c8eef55c57;", "app1": "BACKHAND=mf5a87fa21671dd22;"} {
		got := cookieFor(candidacytest.Request(f), candidacytest.Member(f, name), "addSession")
		if !strings.HasPrefix(got, want) {
			t.Errorf("%s: %q, want %q: agents of another version have set it", name, got, want)
		}
	}
}

func TestAddSessionAttributes(t *testing.T) {
	f := candidacytest.Cluster("www1")
	for step, want := range map[string]string{
		"addSession":                      "BACKHAND=M; Path=/; SameSite=Lax; HttpOnly",
		"addSession sid":                  "sid=M; Path=/; SameSite=Lax; HttpOnly",
		"addSession sid=":                 "sid=M; Path=/; SameSite=Lax; HttpOnly",
		"addSession sid Secure":           "sid=M; Path=/; SameSite=Lax; Secure; HttpOnly",
		"addSession sid secure max-age=9": "sid=M; Path=/; Max-Age=9; SameSite=Lax; Secure; HttpOnly",
		"addSession sid Path=/a Domain=example.com SameSite=Strict": "sid=M; Path=/a; Domain=example.com; SameSite=Strict; HttpOnly",
		"addSession sid SameSite=None Secure":                       "sid=M; Path=/; SameSite=None; Secure; HttpOnly",
	} {
		line := cookieFor(candidacytest.Request(f), f.Members[0], step)
		set, err := http.ParseSetCookie(line)
		if err != nil {
			t.Fatalf("%s: %q: %v", step, line, err)
		}
		if got := strings.Replace(line, set.Value, "M", 1); got != want {
			t.Errorf("%s\ngot  %s\nwant %s", step, got, want)
		}
	}
}

func TestAddSessionRefusesMistakes(t *testing.T) {
	const usage = " (usage: addSession [NAME [ATTRIBUTE ...]])"
	wants := map[string]string{"addSession s SameSite=None": "addSession: browsers take SameSite=None only with Secure" + usage}
	wants["addSession ="] = `addSession: NAME is "", want the name of a cookie, at most 64 bytes` + usage
	for _, name := range []string{"a=b", "a;b", "ä", strings.Repeat("a", 65)} {
		wants["addSession "+name] = fmt.Sprintf("addSession: NAME is %q, want the name of a cookie, at most 64 bytes", name) + usage
	}
	for _, w := range []string{
		"Secure=", "Secure=no", "HttpOnly", "SameSite=lax", "SameSite", "Max-Age=0", "Max-Age=-1", "Max-Age=1h", "Max-Age=34560001", "Max-Age=",
		"Path=a", "Path=", "Path=/;Domain=x", "Path=/ä", `Path=/"`, "Path=/a;b", "Path=/" + strings.Repeat("a", 255), "Domain=", "Domain=a_b", "Domain=.a",
	} {
		wants["addSession s "+w] = fmt.Sprintf("addSession: %q is no attribute of a cookie, want Secure, SameSite=Lax, SameSite=Strict, "+
			"SameSite=None, Max-Age=SECONDS, Path=PATH or Domain=DOMAIN", w) + usage
	}
	checkErrors(t, wants)
}

func Example_addSession() {
	req := candidacytest.Request(candidacytest.Cluster("www1\nwww2"))
	req.Fields = candidacytest.Fields{Cookie: []string{"BACKHAND=m439f77c8eef55c57"}}
	explainRequest(req, "addSession")
	// Output:
	// addSession
	//   www1 (the client has its cookie)
	//   www2 (cookie BACKHAND=m5a36c2549999ab75)
}
