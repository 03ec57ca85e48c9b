package proxy

import (
	"context"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"backhand/candidacy"
)

// given returns the names of the cookies that a response gives, and the last one.
func given(res *http.Response) (names []string, last *http.Cookie) {
	for _, c := range res.Cookies() {
		names, last = append(names, c.Name), c
	}
	return names, last
}

// Over both versions of HTTP, from members with an agent of their own, and beside what the origin itself says.
func TestSessionCookieOverAHop(t *testing.T) {
	inLab(t, func(t *testing.T, l *lab) {
		l.reg = candidacy.Builtin()
		l.addNode("front", frontAddr)
		for name, addr := range map[string]string{"www1": "10.0.0.2:80", "www2": "10.0.0.3:80"} {
			l.addNode(name, addr, "web")
			own := strings.Replace(addr, ":80", ":8080", 1)
			l.serve(own, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Add("Set-Cookie", "a=1; Path=/x")
				w.Header().Add("Set-Cookie", "b=2")
				named(name)(w, r)
			}))
		}
		for _, n := range l.nodes[1:] {
			s := l.toWeb("addSession OTHER") // a hop takes no route
			s.Origins = []*Origin{origin("web", strings.Replace(n.Addr.String(), ":80", ":8080", 1))}
			l.agent(n.Name, n.Addr.String(), s)
		}
		l.agent("front", frontAddr, l.toWeb("bySession BACKHAND", "byRandom", "addSession"))
		tr := &http.Transport{Protocols: onlyH2C, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return l.net.dial(ctx, netip.MustParseAddr(clientAddr), frontAddr)
		}}
		t.Cleanup(tr.CloseIdleConnections)
		http2 := func(fields http.Header) (*http.Response, string) {
			req := newRequest(t, "GET", "/", nil)
			req.Header = fields
			return fetch(tr, req)
		}

		first := l.get("/")
		names, cookie := given(first.Response)
		if d := cmp.Diff([]string{"a", "b", "BACKHAND"}, names); d != "" || cookie.Secure {
			t.Fatalf("the client is given %v", first.Header["Set-Cookie"])
		}
		for range 5 {
			res, body := http2(http.Header{"Cookie": {"BACKHAND=" + cookie.Value}})
			if names, _ := given(res); body != first.body || !cmp.Equal(names, []string{"a", "b"}) {
				t.Errorf("over HTTP/2, %s answers and gives %v, want %s and its own", body, res.Header["Set-Cookie"], first.body)
			}
		}
		res, body := http2(http.Header{})
		names, cookie = given(res)
		if d := cmp.Diff([]string{"a", "b", "BACKHAND"}, names); d != "" || res.ProtoMajor != 2 {
			t.Fatalf("over %s, the client is given %v", res.Proto, res.Header["Set-Cookie"])
		}
		if got := l.get("/", "Cookie: BACKHAND="+cookie.Value); got.body != body {
			t.Errorf("%s answers, and over HTTP/2 %s did", got.body, body)
		}
	})
}

// Who came by https gives the cookie to nobody who listens on the way.
func TestSessionCookieIsSecureOverHTTPS(t *testing.T) {
	inLab(t, func(t *testing.T, l *lab) {
		l.reg = candidacy.Builtin()
		l.addPhysical("web", "p1", "http://127.0.0.1:8081")
		l.serve("127.0.0.1:8081", named("p1"))
		for steps, want := range map[string]string{
			"addSession": "; Path=/; SameSite=Lax; HttpOnly; Secure",
			"addSession BACKHAND Secure SameSite=None": "; Path=/; SameSite=None; Secure; HttpOnly",
		} {
			s := l.toWeb(steps)
			s.Trusted = []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}
			l.agent("front", frontAddr, s)
			got := l.get("/", "X-Forwarded-Proto: https").Header["Set-Cookie"]
			if len(got) != 1 || !strings.HasSuffix(got[0], want) {
				t.Errorf("%s gives %q, want one that ends in %q", steps, got, want)
			}
			if plain := l.get("/").Header["Set-Cookie"]; len(plain) != 1 || strings.Contains(plain[0], "Secure") != strings.Contains(steps, "Secure") {
				t.Errorf("without https, %s gives %q", steps, plain)
			}
		}
	})
}

// A client that is sent to a member itself needs nothing to be led back there; nor is it for us to give it anything then.
func TestNoSessionCookieWithARedirect(t *testing.T) {
	inLab(t, func(t *testing.T, l *lab) {
		l.reg = candidacy.Builtin()
		l.addNode("www1", "10.0.0.2:80", "web")
		h := l.agent("front", frontAddr, l.toWeb("addSession", "HTTPRedirectToIP"))
		got := l.get("/x")
		if got.StatusCode != 302 || got.Header.Get("Location") != "http://10.0.0.2/x" || len(got.Header["Set-Cookie"]) != 0 {
			t.Errorf("%d to %q, with %v", got.StatusCode, got.Header.Get("Location"), got.Header["Set-Cookie"])
		}
		if e := h.Explain(Question{Target: "/x"}); e.Redirect == "" || e.Cookie != "" {
			t.Errorf("explained as %q with the cookie %q", e.Redirect, e.Cookie)
		}
	})
}

// The member that answers is the one that counts, not the one that was chosen first and could not be reached.
func TestSessionCookieAfterAFailure(t *testing.T) {
	inLab(t, func(t *testing.T, l *lab) {
		l.reg = candidacy.Builtin()
		l.addPhysical("web", "p1", "http://127.0.0.1:8081") // where nobody listens
		l.addPhysical("web", "p2", "http://127.0.0.1:8082")
		l.serve("127.0.0.1:8082", named("p2"))
		h := l.agent("front", frontAddr, l.toWeb("bySession BACKHAND", "addSession"))
		first := l.get("/")
		_, cookie := given(first.Response)
		if first.body != "p2" || cookie == nil || h.Explain(Question{Target: "/", Header: http.Header{"Cookie": {cookie.Name + "=" + cookie.Value}}}).Chosen.Name != "p2" {
			t.Errorf("%s answers, and the client is given %v", first.body, first.Header["Set-Cookie"])
		}
		if n := h.cfg.Snapshot().Farm("web").Members[0]; !n.Live.Unreachable(time.Now()) {
			t.Errorf("%s was not even tried", n.Name)
		}
	})
}
