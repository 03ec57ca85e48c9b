package proxy

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"net/http"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"backhand/gossip/node"
)

// withEchoes is a front whose farm web has app1 and app2, both of which say what they got, and the chain takes app2.
func withEchoes(l *lab) *Handler {
	l.addNode("front", frontAddr)
	for name, addr := range map[string]string{"app1": "127.0.0.1:8081", "app2": "127.0.0.1:8082"} {
		l.serve(addr, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Server", name)
			echo(w, r)
		}))
		l.addPhysical("web", name, "http://"+addr)
	}
	l.serve(sorryAddr, http.HandlerFunc(echo))
	s := l.toWeb("order app2 app1")
	s.Cookie = testCookie()
	return l.agent("front", frontAddr, s)
}

// A member sees the cookie that names it, or its farm, and no other one; what stands beside it stays as it is.
func TestWhoSeesTheCookie(t *testing.T) {
	inLab(t, func(t *testing.T, l *lab) {
		withEchoes(l)
		app1, stay1, app2, web := wants(Stick, "app1"), wants(Stay, "app1"), wants(Stay, "app2"), wants(Move, "web")
		gold := wants(Move, "gold") // a farm that nobody knows
		for _, tc := range []struct {
			what   string
			fields []string
			server string
			want   []string
		}{
			{"no Cookie field", nil, "app2", nil},
			{"no such cookie", []string{"Cookie: a=1;b=2 ;; c"}, "app2", []string{"a=1;b=2 ;; c"}},
			{"a name that begins or ends so", []string{"Cookie: athena2=1; xathena=2; ATHENA=3"}, "app2", []string{"athena2=1; xathena=2; ATHENA=3"}},
			{"names that end or begin with it and are none for any", []string{"Cookie: x.athena=1; a=b?athena=2; c=athena; athena-2=3"}, "app2", []string{"x.athena=1; a=b?athena=2; c=athena; athena-2=3"}},
			{"what Python takes for it, behind a blank", []string{"Cookie: b=2; a=1 athena=" + gold}, "app2", []string{"b=2"}},
			{"what some take for it, behind a comma", []string{"Cookie: a=1,athena =" + app1 + "; b=2"}, "app2", []string{"b=2"}},
			{"what PHP takes for it, as an array", []string{"Cookie: athena[x]=" + gold + "; b=2"}, "app2", []string{"b=2"}},
			{"its own", []string{"Cookie: a=1; athena=" + app1 + ";b"}, "app1", []string{"a=1; athena=" + app1 + ";b"}},
			{"its own, in quotes", []string{`Cookie: athena="` + app1 + `"`}, "app1", []string{`athena="` + app1 + `"`}},
			{"its farm's", []string{"Cookie: athena=" + web}, "app2", []string{"athena=" + web}},
			{"its own beside another's", []string{"Cookie: athena=" + app1 + "; athena=" + app2 + "; athena=" + web}, "app1", []string{"athena=" + app1 + "; athena=" + web}},
			{"another farm's", []string{"Cookie: a=1; athena=" + gold}, "app2", []string{"a=1"}},
			{"one that is not signed", []string{"Cookie: a=1; athena=" + app1 + "x; b=2"}, "app2", []string{"a=1; b=2"}},
			{"one that is empty", []string{"Cookie: athena=; b=2"}, "app2", []string{"b=2"}},
			{"a name alone", []string{"Cookie: athena; b=2"}, "app2", []string{"b=2"}},
			{"nothing else in the field", []string{"Cookie: athena=" + gold}, "app2", nil},
			{"nothing else in one of two fields", []string{"Cookie: athena=" + gold, "Cookie: a=1"}, "app2", []string{"a=1"}},
			{"odd ones around it", []string{`Cookie: ;a = "x y" ;athena=` + gold + `;  b=é;c`}, "app2", []string{`;a = "x y" ;  b=é;c`}},
			{"the last one", []string{"Cookie: a=1; athena=" + gold}, "app2", []string{"a=1"}},
			{"white space around its name", []string{"Cookie: a=1;\tathena\t= " + gold + " ; b=2"}, "app2", []string{"a=1; b=2"}},
			{"the tenth", []string{"Cookie: " + strings.Repeat("athena=x; ", 9) + "athena=" + app2}, "app2", nil},
			{"one for whom it is moved away from", []string{"Cookie: athena=" + stay1 + "; a=1"}, "app2", []string{"a=1"}},
		} {
			down := tc.server == "app2" && strings.Contains(strings.Join(tc.fields, ""), stay1)
			l.see("front", nil, app1Is(node.Standing{Down: down}))
			got := l.get("/", tc.fields...)
			if d := cmp.Diff(tc.want, field(got.body, "Cookie")); d != "" || got.Header.Get("Server") != tc.server {
				t.Errorf("%s: %s sees (-want +got), want %s:\n%s", tc.what, got.Header.Get("Server"), tc.server, d)
			}
		}
	})
}

// What is removed leaves no trace of where it was.
func TestFieldWithoutTheCookie(t *testing.T) {
	x := &exchange{}
	x.site = newSite(&Site{Cookie: testCookie()})
	for value, want := range map[string]string{
		"athena=x; a=1":            "Cookie: a=1\r\n",
		"athena=x;\t a=1;  b":      "Cookie: a=1;  b\r\n",
		"a=1; athena=x":            "Cookie: a=1\r\n",
		"a=1;athena=x;b=2":         "Cookie: a=1;b=2\r\n",
		"athena=x; athena=y":       "",
		"theme=athena;; b":         "Cookie: theme=athena;; b\r\n",
		"athena=x; theme=athena ;": "Cookie: theme=athena ;\r\n",
	} {
		f := &sectionOf("Cookie: " + value).Fields[1] // behind Host
		if got := string(x.appendCookies([]byte("A: b\r\n"), f, &x.ho)); got != "A: b\r\n"+want {
			t.Errorf("%q becomes %q, want %q", value, got, want)
		}
	}
}

// An address outside sees none.
func TestCompleteURLSeesNoCookie(t *testing.T) {
	inLab(t, func(t *testing.T, l *lab) {
		withEchoes(l)
		for i := range l.phys {
			l.phys[i].Forwards = forwards(away, "")
		}
		l.see("front", nil, app1Is(isOff))
		got := l.get("/", carries(wants(Stick, "app1"), wants(Move, "web")))
		if d := cmp.Diff([]string{"a=1; b=2"}, field(got.body, "Cookie")); d != "" || !strings.HasPrefix(got.body, "GET /away.html\n") {
			t.Errorf("it sees (-want +got):\n%s\n%s", d, got.body)
		}
	})
}

// Without a route nothing is decided by it; but who is not named does not see it.
func TestCookieWithoutARoute(t *testing.T) {
	inLab(t, func(t *testing.T, l *lab) {
		l.addNode("front", frontAddr, "web")
		l.serve(ownAddr, http.HandlerFunc(echo))
		l.agent("front", frontAddr, &Site{Origins: []*Origin{origin("web", ownAddr)}, Cookie: testCookie()})
		for _, tc := range []struct {
			value string
			sees  bool
		}{
			{wants(Stick, "front"), true}, {wants(Stay, "www1"), false}, {wants(Move, "web"), true}, {wants(Move, "gold"), false}, {"x", false},
		} {
			want := "a=1; b=2"
			if tc.sees {
				want = strings.TrimPrefix(carries(tc.value), "Cookie: ")
			}
			got := l.get("/", carries(tc.value))
			if d := cmp.Diff([]string{want}, field(got.body, "Cookie")); d != "" {
				t.Errorf("with %q it sees (-want +got):\n%s", tc.value, d)
			}
		}
	})
}

// Over a hop the front has decided who gets the request and what of its cookies. The agent there removes nothing.
func TestCookieOverAHop(t *testing.T) {
	inLab(t, func(t *testing.T, l *lab) {
		l.addNode("front", frontAddr)
		l.addNode("www1", "10.0.0.2:80", "web")
		l.serve(ownAddr, http.HandlerFunc(echo))
		s := l.toWeb()
		s.Cookie = testCookie()
		l.agent("front", frontAddr, s)
		member := &Site{Origins: []*Origin{origin("web", ownAddr)}, Cookie: NewCookie("athena", []byte("of-another-cluster"))}
		l.agent("www1", "10.0.0.2:80", member)
		named, other := wants(Stick, "www1"), wants(Stick, "www2")
		got := l.get("/", carries(named, other))
		if d := cmp.Diff([]string{strings.TrimPrefix(carries(named), "Cookie: ")}, field(got.body, "Cookie")); d != "" {
			t.Errorf("behind the hop is seen (-want +got):\n%s", d)
		}
		l.outcome()
		if o := l.last["www1"]; !o.Hop || o.Cookies != nil {
			t.Errorf("the member's outcome: %+v", o)
		}
		own := l.sendTo("10.0.0.2:80", clientAddr, request("GET", "/", carries(named))) // a client of its own
		if d := cmp.Diff([]string{"a=1; b=2"}, field(own.body, "Cookie")); d != "" {
			t.Errorf("of a client of its own is seen (-want +got):\n%s", d)
		}
	})
}

// In HTTP/2, of the client and of the member.
func TestCookieInHTTP2(t *testing.T) {
	inLab(t, func(t *testing.T, l *lab) {
		l.addNode("front", frontAddr)
		l.serve("127.0.0.1:8081", http.HandlerFunc(echo))
		l.serveH2C(h2cAddr, http.HandlerFunc(echo))
		l.addPhysical("web", "app1", "http://127.0.0.1:8081")
		l.addPhysical("web", "app2", "h2c://"+h2cAddr)
		s := l.toWeb("order app1")
		s.Cookie = testCookie()
		l.agent("front", frontAddr, s)
		tr := l.h2()
		for _, tc := range []struct {
			value, want string
			host        string // by which it is known who answered
		}{
			{wants(Stick, "app2"), "a=1; athena={}; b=2", "app2"},
			{wants(Stick, "app3"), "a=1; b=2", "app1"},
		} {
			req := newRequest(t, "GET", "/", nil)
			req.Header = http.Header{"Cookie": {"a=1", "athena=" + tc.value, "b=2"}}
			_, got := fetch(tr, req)
			if d := cmp.Diff([]string{strings.Replace(tc.want, "{}", tc.value, 1)}, field(got, "Cookie")); d != "" {
				t.Errorf("%s sees (-want +got):\n%s\n%s", tc.host, d, got)
			}
			if o := l.outcome(); o.Member == nil || o.Member.Name != tc.host || o.Proto != "HTTP/2.0" {
				t.Errorf("answered by %+v over %s, want %s", o.Member, o.Proto, tc.host)
			}
		}
	})
}

// A connection that is upgraded is bound, and its head cleared, like any other.
func TestCookieOfAnUpgrade(t *testing.T) {
	inLab(t, func(t *testing.T, l *lab) {
		l.addNode("front", frontAddr)
		saw := make(chan []string, 2)
		for name, addr := range map[string]string{"app1": "127.0.0.1:8081", "app2": "127.0.0.1:8082"} {
			l.addPhysical("web", name, "http://"+addr)
			l.rawMember(addr, func(_ int, c net.Conn, r *bufio.Reader) {
				req, err := http.ReadRequest(r)
				if err != nil {
					return
				}
				saw <- append([]string{name}, req.Header["Cookie"]...)
				_, _ = io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nhello\n")
			})
		}
		s := l.toWeb("order app2")
		s.Cookie = testCookie()
		l.agent("front", frontAddr, s)
		app1 := wants(Stay, "app1")
		for _, tc := range []struct{ value, name, sees string }{
			{app1, "app1", "a=1; athena=" + app1 + "; b=2"}, {wants(Stay, "app9"), "app2", "a=1; b=2"},
		} {
			c := l.conn(clientAddr, frontAddr)
			go func() {
				_, _ = io.WriteString(c, strings.Replace(webSocket, "\r\n\r\n", "\r\n"+carries(tc.value)+"\r\n\r\n", 1))
			}()
			r := bufio.NewReader(c)
			if res, err := http.ReadResponse(r, nil); err != nil || res.StatusCode != 101 {
				t.Fatalf("%+v, %v", res, err)
			}
			readLine(t, r, "hello")
			if d := cmp.Diff([]string{tc.name, tc.sees}, <-saw); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
			_ = c.Close()
		}
	})
}

// Requests with cookies of others only cost nothing more, where one is looked for.
func TestCookiesOfOthersAllocateNothing(t *testing.T) {
	answer := []byte("HTTP/1.1 200 OK\r\nDate: Sat, 01 Jan 2000 00:00:00 GMT\r\nContent-Length: 1024\r\n\r\n" + strings.Repeat("x", 1024))
	member := listenLoopback(t, func(c net.Conn) {
		buf := make([]byte, 8<<10)
		for {
			if n, err := c.Read(buf); err != nil || bytes.Contains(buf[:n], []byte("athena=")) {
				return
			}
			if _, err := c.Write(answer); err != nil {
				return
			}
		}
	})
	routes, err := NewRoutes([]Route{{Farm: "web", Chain: anyChain(t)}})
	if err != nil {
		t.Fatal(err)
	}
	snap := node.NewSnapshot(node.Parts{Taken: time.Now(), Live: node.NewLiveSet(), Physicals: []node.Physical{
		{Farm: "web", Name: "p", URL: mustURL("http://" + member.Addr().String())},
	}})
	h := New(Config{Snapshot: func() *node.Snapshot { return snap }, Done: func(*Outcome) {}}, &Site{Routes: routes, Cookie: testCookie()})
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	srv := h.NewServer(ServerConfig{})
	var wg sync.WaitGroup
	wg.Go(func() { _ = srv.Serve(ln) })
	t.Cleanup(func() { _ = srv.Close(); wg.Wait(); h.members.closeIdle() })
	p := newPlainClient(t, ln.Addr().String())
	p.request = []byte(strings.Replace(plainGET, "\r\n\r\n", "\r\nCookie: PHPSESSID=0a000002; theme=athena; x\r\n\r\n", 1))
	info, _ := debug.ReadBuildInfo() // with -race a sync.Pool forgets things at random
	race := slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"})
	if n := testing.AllocsPerRun(1000, func() { p.get(t) }); n != 0 && !race {
		t.Errorf("a request allocates %v times", n)
	}
}
