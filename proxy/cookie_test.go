package proxy

import (
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"backhand/candidacy"
)

// A client comes back to the member that has served it, as long as that one is there.
func TestSessionCookie(t *testing.T) {
	inLab(t, func(t *testing.T, l *lab) {
		l.reg = candidacy.Builtin()
		stop := map[string]func() error{}
		for name, addr := range map[string]string{"p1": "127.0.0.1:8081", "p2": "127.0.0.1:8082"} {
			l.addPhysical("web", name, "http://"+addr)
			stop[name] = l.serve(addr, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Set-Cookie", "own=1")
				named(name)(w, r)
			})).Close
		}
		l.agent("front", frontAddr, l.toWeb("bySession BACKHAND", "byRandom", "addSession BACKHAND Max-Age=60"))

		first := l.get("/")
		set := first.Cookies()
		if len(set) != 2 || set[0].Name != "own" || set[1].Name != "BACKHAND" || set[1].MaxAge != 60 || !set[1].HttpOnly {
			t.Fatalf("the client is given %v", first.Header["Set-Cookie"])
		}
		cookie := "Cookie: own=1; BACKHAND=" + set[1].Value
		for range 10 {
			got := l.get("/", cookie)
			if got.body != first.body {
				t.Errorf("served by %s, and first by %s", got.body, first.body)
			}
			if d := cmp.Diff([]string{"own=1"}, got.Header["Set-Cookie"]); d != "" {
				t.Errorf("a client that has its cookie is given (-want +got):\n%s", d)
			}
		}

		_ = stop[first.body]()
		moved := l.get("/", cookie)
		if moved.body == first.body || len(moved.Cookies()) != 2 || moved.Cookies()[1].Value == set[1].Value {
			t.Errorf("after %s went, %s answers and gives %v", first.body, moved.body, moved.Header["Set-Cookie"])
		}
		for range 10 {
			if got := l.get("/", "Cookie: BACKHAND="+moved.Cookies()[1].Value); got.body != moved.body || len(got.Cookies()) != 1 {
				t.Errorf("served by %s, and moved to %s; given %v", got.body, moved.body, got.Header["Set-Cookie"])
			}
		}
	})
}

// What backhand says of its own accord leads nobody anywhere.
func TestNoSessionCookieWithoutAMember(t *testing.T) {
	inLab(t, func(t *testing.T, l *lab) {
		l.reg = candidacy.Builtin()
		l.addPhysical("web", "p1", "http://127.0.0.1:8081") // where nobody listens
		l.agent("front", frontAddr, l.toWeb("addSession"))
		got := l.get("/")
		if got.StatusCode < 500 || strings.Join(got.Header["Set-Cookie"], "") != "" {
			t.Errorf("%d, with the cookies %v", got.StatusCode, got.Header["Set-Cookie"])
		}
	})
}
