package proxy

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"backhand/candidacy"
	"backhand/gossip/node"
)

var (
	isOff  = node.Standing{Off: true}
	isDown = node.Standing{Down: true}
	isOut  = node.Standing{Out: true}
)

const sorryAddr = "192.0.2.99:8090"

// sorry answers with what it was asked for.
func sorry(w http.ResponseWriter, r *http.Request) {
	_, _ = fmt.Fprintf(w, "sorry %s at %s", r.RequestURI, r.Host)
}

// withForwards is a front with two farms, web of app1 and app2, and spare of spare1, and somebody at sorryAddr.
func withForwards(l *lab) *Handler {
	l.addNode("front", frontAddr)
	for i, name := range []string{"app1", "app2", "spare1"} {
		addr := fmt.Sprintf("127.0.0.1:%d", 8081+i)
		l.serve(addr, named(name))
		l.addPhysical(map[bool]string{true: "web", false: "spare"}[i < 2], name, "http://"+addr)
	}
	l.serve(sorryAddr, http.HandlerFunc(sorry))
	return l.agent("front", frontAddr, l.toWeb())
}

type forwardCase struct {
	what     string
	farms    []node.FarmInfo
	standing map[string]node.Standing
	body     string // a part of it
	status   int
	farm     string // that was asked
	forward  string
	empty    string
}

func (tc *forwardCase) check(t *testing.T, l *lab) {
	t.Helper()
	l.see("front", tc.farms, tc.standing)
	got := l.get("/a?b=c")
	o := l.outcome()
	if got.StatusCode != tc.status || !strings.Contains(got.body, tc.body) {
		t.Errorf("%s: answered %d %q, want %d %q", tc.what, got.StatusCode, got.body, tc.status, tc.body)
	}
	if o.Farm != tc.farm || o.Forward != tc.forward || o.Empty != tc.empty {
		t.Errorf("%s: the outcome has farm %q, forward %q and empty %q, want %q, %q and %q", tc.what, o.Farm, o.Forward, o.Empty,
			tc.farm, tc.forward, tc.empty)
	}
}

const away, closed = "http://" + sorryAddr + "/away.html", "http://" + sorryAddr + "/closed.html?why=down"

// What those two answer.
const toAway, toClosed = "sorry /away.html at " + sorryAddr, "sorry /closed.html?why=down at " + sorryAddr

func TestForwards(t *testing.T) {
	web := func(is node.Standing, off, down string) []node.FarmInfo {
		return []node.FarmInfo{farm("web", is, off, down)}
	}
	both := map[string]node.Standing{"app1": isOff, "app2": isOff}
	const nobody = `No member of the farm "web" can take the request now.`
	inLab(t, func(t *testing.T, l *lab) {
		withForwards(l)
		for _, tc := range []forwardCase{
			{"a farm that is well", web(node.Standing{}, away, closed), nil, "app1", 200, "web", "", ""},
			{"one member that is off", web(node.Standing{}, away, closed), map[string]node.Standing{"app1": isOff}, "app2", 200, "web", "", ""},
			{"a farm that is off, to another farm", web(isOff, "spare", closed), nil, "spare1", 200, "spare", "spare", "forward"},
			{"a farm that is down, to another farm", web(isDown, away, "spare"), nil, "spare1", 200, "spare", "spare", "forward"},
			{"off without a forward of its own", web(isOff, "", closed), nil, nobody, 503, "web", "", "503"},
			{"down without a forward of its own", web(isDown, away, ""), nil, nobody, 503, "web", "", "503"},
			{"no forward at all", web(isDown, "", ""), nil, nobody, 503, "web", "", "503"},
			{
				"members that are off or down", web(node.Standing{}, away, closed),
				map[string]node.Standing{"app1": isOff, "app2": isDown},
				toClosed, 200, "web", closed, "forward",
			},
			{
				"members that are out", web(node.Standing{}, away, closed),
				map[string]node.Standing{"app1": isOut, "app2": isOut},
				toClosed, 200, "web", closed, "forward",
			},
			{"members that are off", web(node.Standing{}, away, closed), both, toAway, 200, "web", away, "forward"},
			{
				"a forward to a farm that is off itself", append(web(isDown, "", "spare"), farm("spare", isOff, away, "")), nil,
				toAway, 200, "spare", away, "forward",
			},
			{
				"a forward to a farm that is down, and goes no further", append(web(isDown, "", "spare"), farm("spare", isDown, away, "")), nil,
				`No member of the farm "spare" can`, 503, "spare", "spare", "503",
			},
			{
				"forwards in a circle", append(web(isOff, "spare", ""), farm("spare", isOff, "web", "")), nil,
				`No member of the farm "spare" can`, 503, "spare", "spare", "503",
			},
			{"a forward to itself", web(isOff, "web", ""), nil, nobody, 503, "web", "", "503"},
			{
				"a forward to a farm that nobody knows", web(isOff, "nowhere", ""), nil,
				`No member of the farm "nowhere" can`, 503, "nowhere", "nowhere", "503",
			},
			{"a URL to which nothing can be sent", web(isOff, "ftp://"+sorryAddr+"/", ""), nil, nobody, 503, "web", "", "503"},
		} {
			tc.check(t, l)
		}
	})
}

// Eight forwards are followed, and not one more.
func TestForwardsInARow(t *testing.T) {
	inLab(t, func(t *testing.T, l *lab) {
		withForwards(l)
		row := func(n int) []node.FarmInfo { // of n forwards, the last to the farm spare
			list := []node.FarmInfo{farm("web", isOff, "f1", "")}
			for i := 1; i < n-1; i++ {
				list = append(list, farm(fmt.Sprint("f", i), isOff, fmt.Sprint("f", i+1), ""))
			}
			return append(list, farm(fmt.Sprint("f", n-1), isOff, "spare", ""))
		}
		for _, tc := range []forwardCase{
			{"eight in a row", row(8), nil, "spare1", 200, "spare", "spare", "forward"},
			{"nine in a row", row(9), nil, `No member of the farm "f8" can`, 503, "f8", "f8", "503"},
		} {
			tc.check(t, l)
		}
	})
}

// mod_athena: with the farm disabled, or all members sick, the complete alternative URL is used.
func TestAthena12CompleteURLOfAFarmThatIsDisabledOrSick(t *testing.T) {
	inLab(t, func(t *testing.T, l *lab) {
		withForwards(l)
		sick := map[string]node.Standing{"app1": isDown, "app2": isOut}
		for _, tc := range []forwardCase{
			{"disabled", []node.FarmInfo{farm("web", isOff, away, "")}, nil, toAway, 200, "web", away, "forward"},
			{"sick", []node.FarmInfo{farm("web", node.Standing{}, "", closed)}, sick, toClosed, 200, "web", closed, "forward"},
			{"well again", []node.FarmInfo{farm("web", node.Standing{}, away, closed)}, nil, "app1", 200, "web", "", ""},
		} {
			tc.check(t, l)
		}
	})
}

// mod_athena: off and down can be redirected differently.
func TestAthena13OffAndDownAreRedirectedDifferently(t *testing.T) {
	both := func(s node.Standing) map[string]node.Standing { return map[string]node.Standing{"app1": s, "app2": s} }
	with := func(s node.Standing) []node.FarmInfo { return []node.FarmInfo{farm("web", s, away, closed)} }
	inLab(t, func(t *testing.T, l *lab) {
		withForwards(l)
		for _, tc := range []forwardCase{
			{"the farm is off", with(isOff), nil, toAway, 200, "web", away, "forward"},
			{"the farm is down", with(isDown), nil, toClosed, 200, "web", closed, "forward"},
			{"all members are off", with(node.Standing{}), both(isOff), toAway, 200, "web", away, "forward"},
			{"all members are down", with(node.Standing{}), both(isDown), toClosed, 200, "web", closed, "forward"},
		} {
			tc.check(t, l)
		}
	})
}

// when_empty is for where there is no forward; and no way leads to a farm that was taken out of service.
func TestForwardsGoBeforeWhenEmpty(t *testing.T) {
	inLab(t, func(t *testing.T, l *lab) {
		l.addNode("front", frontAddr, "web", "spare")
		l.serve("127.0.0.1:8080", named("web's own"))
		l.serve("127.0.0.1:8081", named("spare's own"))
		l.serve(sorryAddr, http.HandlerFunc(sorry))
		own := []*Origin{origin("web", "127.0.0.1:8080"), origin("spare", "127.0.0.1:8081")}
		site := func(empty string, steps ...string) *Site {
			return &Site{Origins: own, Routes: l.routes(Route{Farm: "web", Chain: l.chain(steps...), WhenEmpty: empty})}
		}
		h := l.agent("front", frontAddr, site(""))
		for _, tc := range []struct {
			what  string
			empty string
			steps []string
			farms []node.FarmInfo
			body  string
			want  string // Outcome.Empty
		}{
			{"the chain left nobody, and there is a forward", "self", []string{"none"}, []node.FarmInfo{farm("web", node.Standing{}, "", closed)}, toClosed, "forward"},
			{"and none", "self", []string{"none"}, nil, "web's own", "self"},
			{"any, and there is a forward", "any", []string{"none"}, []node.FarmInfo{farm("web", node.Standing{}, "", closed)}, toClosed, "forward"},
			{"a farm that is off", "self", []string{"withSelf"}, []node.FarmInfo{farm("web", isOff, "", "")}, `"web" can`, "503"},
			{"a farm that is off, by default", "", []string{"withSelf"}, []node.FarmInfo{farm("web", isOff, "", "")}, `"web" can`, "503"},
			{"a farm that is down, and any", "any", []string{"withSelf"}, []node.FarmInfo{farm("web", isDown, "", "")}, `"web" can`, "none"},
			{"another farm, by the same chain", "", []string{"withSelf"}, []node.FarmInfo{farm("web", isDown, "", "spare")}, "spare's own", "forward"},
			{"where the chain leaves nobody of the other farm", "self", []string{"none"}, []node.FarmInfo{farm("web", isDown, "", "spare")}, "spare's own", "self"},
		} {
			l.see("front", tc.farms, nil)
			h.SetSite(site(tc.empty, tc.steps...))
			got := l.get("/")
			if o := l.outcome(); !strings.Contains(got.body, tc.body) || o.Empty != tc.want {
				t.Errorf("%s: answered %d %q, empty %q; want %q, %q", tc.what, got.StatusCode, got.body, o.Empty, tc.body, tc.want)
			}
		}
	})
}

// The URL takes the place of path, query and host; the rest of the request is as any member would get it.
func TestForwardToACompleteURL(t *testing.T) {
	inLab(t, func(t *testing.T, l *lab) {
		l.addNode("front", frontAddr)
		l.serve(sorryAddr, http.HandlerFunc(echo))
		s := &Site{Routes: l.routes(Route{Path: "/public", To: "/app", Farm: "web", Chain: l.chain()})}
		h := l.agent("front", frontAddr, s)
		const to = "http://" + sorryAddr + "/a%20b//c/%2F?d=1;e=é f"
		l.see("front", []node.FarmInfo{farm("web", isOff, to, "")}, nil)
		for range 2 {
			got := l.send(request("POST", "/public/x?y=z", "Content-Length: 5", "Cookie: a=b", "X-Forwarded-For: 1.2.3.4") + "hello")
			for _, want := range []string{"POST /a%20b//c/%2F?d=1;e=%C3%A9%20f\n", "\n\nhello\n", "Cookie: a=b\n"} {
				if !strings.Contains(got.body, want) {
					t.Errorf("it did not get %q:\n%s", want, got.body)
				}
			}
			for name, want := range map[string]string{
				"Host": sorryAddr, "X-Forwarded-For": clientAddr, "X-Forwarded-Host": "example.com", "X-Forwarded-Proto": "http",
				"Via": "1.1 " + h.pseudonym,
			} {
				if d := cmp.Diff([]string{want}, field(got.body, name)); d != "" {
					t.Errorf("it got %s (-want +got):\n%s", name, d)
				}
			}
			if strings.Contains(got.body, "Backhand-") {
				t.Errorf("it got a field of agents:\n%s", got.body)
			}
		}
		o := l.outcome()
		if o.Attempts != 1 || o.Status != 200 || o.Member == nil || o.Member.Name != mustURL(to).String() || o.Err != nil {
			t.Errorf("outcome: %+v, member %+v", o, o.Member)
		}
		if n := l.net.dialled(sorryAddr); n != 1 {
			t.Errorf("two requests took %d connections, want 1", n)
		}
		if st := h.members.stats(); len(st) != 1 || st[0].destination != (destination{addr: sorryAddr, kind: toPhysical}) {
			t.Errorf("the connections are %+v", st)
		}
	})
}

// What a URL answers is between it and the client.
func TestAnswerOfACompleteURLPassesAsItIs(t *testing.T) {
	inLab(t, func(t *testing.T, l *lab) {
		l.addNode("front", frontAddr)
		l.serve(sorryAddr, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header()["Set-Cookie"] = []string{"a=b; Domain=web; Path=/app/x"}
			w.Header().Set("Location", "/app/x")
			w.WriteHeader(307)
		}))
		l.reg = candidacy.Builtin()
		s := &Site{Routes: l.routes(Route{Path: "/public", To: "/app", Farm: "web", Chain: l.chain("addSession")})}
		l.agent("front", frontAddr, s)
		l.see("front", []node.FarmInfo{farm("web", isOff, away, "")}, nil)
		got := l.get("/public/x")
		if got.StatusCode != 307 || got.Header.Get("Location") != "/app/x" {
			t.Errorf("answered %d, Location %q", got.StatusCode, got.Header.Get("Location"))
		}
		if d := cmp.Diff([]string{"a=b; Domain=web; Path=/app/x"}, got.Header["Set-Cookie"]); d != "" {
			t.Errorf("Set-Cookie (-want +got):\n%s", d)
		}
	})
}

// Forwards are for a request that was tried in vain, too; but each is tried once.
func TestForwardsAfterFailures(t *testing.T) {
	inLab(t, func(t *testing.T, l *lab) {
		l.addNode("front", frontAddr)
		l.addPhysical("web", "dead1", "http://127.0.0.1:8081")
		l.addPhysical("spare", "dead2", "http://127.0.0.1:8082")
		l.serve(sorryAddr, http.HandlerFunc(sorry))
		l.agent("front", frontAddr, l.toWeb())
		const nobodyThere = "http://192.0.2.98:8090/"
		for _, tc := range []struct {
			what     string
			farms    []node.FarmInfo
			status   int
			attempts int
			forward  string
			reason   string
		}{
			{"without a forward", nil, 502, 1, "", "connect"},
			{"to a URL", []node.FarmInfo{farm("web", node.Standing{}, "", closed)}, 200, 2, closed, ""},
			{"to a farm, and on", []node.FarmInfo{farm("web", node.Standing{}, "", "spare"), farm("spare", node.Standing{}, "", closed)}, 200, 3, closed, ""},
			{"to a URL at which nobody is", []node.FarmInfo{farm("web", node.Standing{}, "", nobodyThere)}, 502, 2, nobodyThere, "connect"},
		} {
			l.see("front", tc.farms, nil)
			got := l.get("/")
			o := l.outcome()
			if got.StatusCode != tc.status || o.Attempts != tc.attempts || o.Forward != tc.forward || o.Reason != tc.reason {
				t.Errorf("%s: answered %d after %d attempts, forward %q, reason %q; want %d, %d, %q, %q", tc.what,
					got.StatusCode, o.Attempts, o.Forward, o.Reason, tc.status, tc.attempts, tc.forward, tc.reason)
			}
		}
	})
}

// A session that belongs to a physical which is unfit goes where that one's requests go; nobody else's does.
func TestForwardOfAMember(t *testing.T) {
	inLab(t, func(t *testing.T, l *lab) {
		l.reg = candidacy.Builtin()
		l.addNode("front", frontAddr)
		for i, name := range []string{"app1", "app2", "spare1"} {
			addr := fmt.Sprintf("10.0.1.%d:80", i+1)
			l.serve(addr, named(name))
			l.addPhysical(map[bool]string{true: "web", false: "spare"}[i < 2], name, "http://"+addr)
		}
		l.serve(sorryAddr, http.HandlerFunc(sorry))
		h := l.agent("front", frontAddr, l.toWeb("bySession SID"))
		const first, second = "SID=0a000101", "SID=0a000102"
		for _, tc := range []struct {
			what      string
			off, down string // forwards of app1
			standing  node.Standing
			cookie    string
			body      string
			forward   string
		}{
			{"its member is well", away, closed, node.Standing{}, first, "app1", ""},
			{"its member is off", away, closed, isOff, first, toAway, away},
			{"its member is down", away, closed, isDown, first, toClosed, closed},
			{"its member is out", away, closed, isOut, first, toClosed, closed},
			{"its member is off, to another farm", "spare", "", isOff, first, "spare1", "spare"},
			{"its member is off, without a forward for that", "", closed, isOff, first, "app2", ""},
			{"its member is off, to its own farm", "web", "", isOff, first, "app2", ""},
			{"its member is off, to a farm without members", "nobody", "", isOff, first, "app2", ""},
			{"its member is off, to where nobody answers", "http://192.0.2.98/", "", isOff, first, "app2", ""},
			{"another member's session", away, closed, isOff, second, "app2", ""},
			{"no session", away, closed, isOff, "a=b", "app2", ""},
		} {
			l.phys[0].Forwards = forwards(tc.off, tc.down)
			l.see("front", nil, map[string]node.Standing{"app1": tc.standing})
			got := l.get("/", "Cookie: "+tc.cookie)
			if o := l.outcome(); got.body != tc.body || o.Forward != tc.forward {
				t.Errorf("%s: answered %d %q, forward %q; want %q, %q", tc.what, got.StatusCode, got.body, o.Forward, tc.body, tc.forward)
			}
			if tc.forward != "" || strings.Contains(tc.off, "192.0.2.98") { // where nobody answers, nobody knows before
				continue
			}
			e := h.Explain(Question{Target: "/", Header: http.Header{"Cookie": {tc.cookie}}})
			if e.Chosen == nil || e.Chosen.Name != tc.body || len(e.Candidates)+len(e.Unfit) != 2 || len(e.Steps) != 1 || len(e.Forwards) != 0 {
				t.Errorf("%s: explained as %+v", tc.what, e)
			}
		}
	})
}

// Over a hop, the farm is the one at which the forwards end; there, none is followed.
func TestForwardToNodes(t *testing.T) {
	inLab(t, func(t *testing.T, l *lab) {
		l.addNode("front", frontAddr)
		l.addNode("www1", "10.0.0.2:80", "spare")
		l.serve("127.0.0.1:8080", http.HandlerFunc(echo))
		l.farms = []node.FarmInfo{farm("web", isOff, "spare", "")}
		l.agent("front", frontAddr, l.toWeb())
		l.farms = []node.FarmInfo{farm("spare", isOff, away, "")}
		l.agent("www1", "10.0.0.2:80", &Site{Origins: []*Origin{origin("spare", "127.0.0.1:8080")}})
		got := l.get("/a")
		if got.StatusCode != 200 || !strings.HasPrefix(got.body, "GET /a\nHost: example.com\n") {
			t.Errorf("answered %d:\n%s", got.StatusCode, got.body)
		}
		l.outcome()
		if o := l.last["www1"]; o == nil || !o.Hop || o.Farm != "spare" || o.Forward != "" {
			t.Errorf("the member's outcome: %+v", o)
		}
	})
}

func TestExplainForwards(t *testing.T) {
	inLab(t, func(t *testing.T, l *lab) {
		h := withForwards(l)
		type told struct {
			Forwards   []Forward
			Candidates string
			Unfit      string
			Chosen     string
			Action     string
			Answer     string
		}
		for _, tc := range []struct {
			what     string
			farms    []node.FarmInfo
			standing map[string]node.Standing
			want     told
		}{
			{"no forward is needed", []node.FarmInfo{farm("web", node.Standing{}, away, closed)}, nil, told{Candidates: "app1 app2", Chosen: "app1"}},
			{
				"another farm",
				[]node.FarmInfo{farm("web", node.Standing{Off: true, Why: "new disks\x1b"}, "spare", "")},
				nil,
				told{Forwards: []Forward{{"web", "it is off: new disks\ufffd", "spare"}}, Candidates: "spare1", Chosen: "spare1", Action: "forward"},
			},
			{
				"a URL",
				[]node.FarmInfo{farm("web", node.Standing{}, "", closed)},
				map[string]node.Standing{"app1": isDown, "app2": isOff},
				told{
					Forwards: []Forward{{"web", "none of its members is fit", closed}}, Unfit: "app1 (down) app2 (off)",
					Chosen: closed, Action: "forward",
				},
			},
			{
				"one that leads no further",
				[]node.FarmInfo{farm("web", isOff, "spare", ""), farm("spare", isDown, "", "")},
				nil,
				told{
					Forwards: []Forward{{"web", "it is off", "spare"}}, Unfit: "spare1 (the farm is down)", Action: "503",
					Answer: `No member of the farm "spare" can take the request now.`,
				},
			},
		} {
			l.see("front", tc.farms, tc.standing)
			e := h.Explain(Question{Target: "/", Node: "spare1"})
			got := told{Forwards: e.Forwards, Action: e.Action, Answer: e.Answer}
			var names, unfit []string
			for _, m := range e.Candidates {
				names = append(names, m.Name)
			}
			for _, m := range e.Unfit {
				unfit = append(unfit, m.Name+" ("+m.Note+")")
			}
			got.Candidates, got.Unfit = strings.Join(names, " "), strings.Join(unfit, " ")
			if e.Chosen != nil {
				got.Chosen = e.Chosen.Name
			}
			if d := cmp.Diff(tc.want, got); d != "" {
				t.Errorf("%s (-want +got):\n%s", tc.what, d)
			}
			if asked := len(e.Traces) > 0; asked != (tc.farms[0].Forwards.Off.Farm == "spare") {
				t.Errorf("%s: the way of spare1 is told: %v", tc.what, asked)
			}
		}
		if n := l.outcomes(); n != 0 {
			t.Errorf("%d outcomes: explaining is counted as asking", n)
		}
	})
}

// A client that sends its body slowly, and one that asks before it sends it, find the URL as they would find a member.
func TestForwardOfABody(t *testing.T) {
	inLab(t, func(t *testing.T, l *lab) {
		l.addNode("front", frontAddr)
		l.serve(sorryAddr, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			n, err := io.Copy(io.Discard, r.Body)
			_, _ = fmt.Fprintln(w, n, err)
		}))
		l.agent("front", frontAddr, l.toWeb())
		l.see("front", []node.FarmInfo{farm("web", isOff, away, "")}, nil)
		const size = 300 << 10
		got := l.send(request("PUT", "/", fmt.Sprintf("Content-Length: %d", size)) + strings.Repeat("x", size))
		if got.StatusCode != 200 || got.body != fmt.Sprintln(size, nil) {
			t.Errorf("answered %d %q", got.StatusCode, got.body)
		}
	})
}
