package proxy

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"backhand/gossip/node"
)

// wants returns the value of a cookie that counts for an hour.
func wants(do, target string) string { return saidBy(testCookie(), do, target) }

func saidBy(c *Cookie, do, target string) string {
	now := time.Now()
	v, err := c.Sign(Instruction{Do: do, Target: target, Expires: now.Add(time.Hour)}, now)
	if err != nil {
		panic(err)
	}
	return v
}

// carries is a Cookie field with these values, and cookies of others around them.
func carries(values ...string) string {
	f := "Cookie: a=1"
	for _, v := range values {
		f += "; athena=" + v
	}
	return f + "; b=2"
}

// withFarms is a front with two farms: web of app1, app2 and app3, of which its chain takes app3 first, then app2; and gold of
// gold1 and gold2, of which it takes gold2 first. Somebody is at sorryAddr.
func withFarms(l *lab, change ...func(*Site)) *Handler {
	l.addNode("front", frontAddr)
	for i, name := range []string{"app1", "app2", "app3", "gold1", "gold2"} {
		addr := fmt.Sprintf("127.0.0.1:%d", 8081+i)
		l.serve(addr, named(name))
		farm := "web"
		if i > 2 {
			farm = "gold"
		}
		l.addPhysical(farm, name, "http://"+addr)
	}
	l.serve(sorryAddr, http.HandlerFunc(sorry))
	s := l.toWeb("order gold2 gold1 app3 app2 app1")
	s.Cookie = testCookie()
	for _, f := range change {
		f(s)
	}
	return l.agent("front", frontAddr, s)
}

type cookieCase struct {
	what     string
	field    string // of the request
	off      string // forwards of app1
	down     string
	farms    []node.FarmInfo
	standing map[string]node.Standing
	body     string // a part of it
	results  []string
}

func (tc *cookieCase) check(t *testing.T, l *lab) {
	t.Helper()
	for i := range l.phys {
		l.phys[i].Forwards = node.Forwards{}
	}
	l.phys[0].Forwards = forwards(tc.off, tc.down)
	l.see("front", tc.farms, tc.standing)
	got := l.get("/a", tc.field)
	if o := l.outcome(); !strings.Contains(got.body, tc.body) || !cmp.Equal(tc.results, o.Cookies) {
		t.Errorf("%s: answered %d %q, and the cookies were %q; want %q and %q", tc.what, got.StatusCode, got.body, o.Cookies, tc.body, tc.results)
	}
}

// What app1 is, as its cookies must cope with it.
func app1Is(s node.Standing) map[string]node.Standing { return map[string]node.Standing{"app1": s} }

const memberTakesNone = `The member of the farm "web" to which a cookie binds this request takes none now.`

// mod_athena: to be sticky, to be sticky while the server is up, and to move to another farm are three instructions, and none
// counts without the secret key.
func TestAthena18StickyStickyWhileUpAndMoveToFarmAreDistinguishableAndNeedTheSecretKey(t *testing.T) {
	inLab(t, func(t *testing.T, l *lab) {
		withFarms(l)
		forged := NewCookie("athena", []byte("somebody-elses-key"))
		for _, tc := range []cookieCase{
			{what: "no cookie", field: "Cookie: a=b", body: "app3"},
			{what: "sticky", field: carries(wants(Stick, "app1")), body: "app1", results: []string{"stick"}},
			{what: "sticky while up", field: carries(wants(Stay, "app1")), body: "app1", results: []string{"stay"}},
			{what: "another farm", field: carries(wants(Move, "gold")), body: "gold2", results: []string{"farm"}},
			{
				what: "sticky, and the server is down", field: carries(wants(Stick, "app1")), standing: app1Is(isDown),
				body: memberTakesNone, results: []string{"stick"},
			},
			{
				what: "sticky while up, and the server is down", field: carries(wants(Stay, "app1")), standing: app1Is(isDown),
				body: "app3", results: []string{"moved"},
			},
			{what: "sticky, by another key", field: carries(saidBy(forged, Stick, "app1")), body: "app3", results: []string{"unsigned"}},
			{what: "sticky while up, by another key", field: carries(saidBy(forged, Stay, "app1")), body: "app3", results: []string{"unsigned"}},
			{what: "another farm, by another key", field: carries(saidBy(forged, Move, "gold")), body: "app3", results: []string{"unsigned"}},
			{what: "not signed at all", field: carries("v1.stick.999999999.app1"), body: "app3", results: []string{"malformed"}},
		} {
			tc.check(t, l)
		}
	})
}

func TestCookiesThatNameAMember(t *testing.T) {
	isDrain := node.Standing{Drain: true}
	inLab(t, func(t *testing.T, l *lab) {
		withFarms(l)
		stick, stay := carries(wants(Stick, "app1")), carries(wants(Stay, "app1"))
		for _, tc := range []cookieCase{
			{what: "stick, off, forward for off", field: stick, off: away, down: closed, standing: app1Is(isOff), body: toAway, results: []string{"stick"}},
			{what: "stick, off, forward for down alone", field: stick, down: closed, standing: app1Is(isOff), body: memberTakesNone, results: []string{"stick"}},
			{what: "stick, down", field: stick, off: away, down: closed, standing: app1Is(isDown), body: toClosed, results: []string{"stick"}},
			{what: "stick, out", field: stick, off: away, down: closed, standing: app1Is(isOut), body: toClosed, results: []string{"stick"}},
			{what: "stick, out, no forward", field: stick, standing: app1Is(isOut), body: memberTakesNone, results: []string{"stick"}},
			{what: "stick, off, forward to a farm", field: stick, off: "gold", standing: app1Is(isOff), body: "gold2", results: []string{"stick"}},
			{what: "stick, off, forward to its own farm", field: stick, off: "web", standing: app1Is(isOff), body: memberTakesNone, results: []string{"stick"}},
			{
				what: "stick, off, forward to a farm that takes nothing", field: stick, off: "gold", standing: app1Is(isOff),
				farms: []node.FarmInfo{farm("gold", isOff, "", "")}, body: `No member of the farm "gold"`, results: []string{"stick"},
			},
			{what: "stick, draining", field: stick, off: away, down: closed, standing: app1Is(isDrain), body: "app1", results: []string{"stick"}},
			{what: "stay, draining", field: stay, standing: app1Is(isDrain), body: "app1", results: []string{"stay"}},
			{what: "no cookie, draining", field: "A: b", standing: map[string]node.Standing{"app3": isDrain}, body: "app2"},
			{what: "stay, off: its forward is for those who insist", field: stay, off: away, standing: app1Is(isOff), body: "app3", results: []string{"moved"}},
			{what: "stay, out", field: stay, down: closed, standing: app1Is(isOut), body: "app3", results: []string{"moved"}},
			{what: "nobody of that name", field: carries(wants(Stick, "app9")), body: "app3", results: []string{"no_member"}},
			{what: "a name that looks like a pattern", field: carries(wants(Stick, "app*")), body: "app3", results: []string{"no_member"}},
			{what: "a member of another farm", field: carries(wants(Stay, "gold1")), body: "app3", results: []string{"no_member"}},
			{
				what: "stick, in a farm that is off", field: stick, farms: []node.FarmInfo{farm("web", isOff, away, "")},
				body: toAway, results: []string{"moved"},
			},
			{
				what: "stay, in a farm that is down and has no forward", field: stay, farms: []node.FarmInfo{farm("web", isDown, "", "")},
				body: `No member of the farm "web" can take`, results: []string{"moved"},
			},
		} {
			tc.check(t, l)
		}
	})
}

func TestCookiesThatNameAFarm(t *testing.T) {
	inLab(t, func(t *testing.T, l *lab) {
		withFarms(l, func(s *Site) { s.Physicals = map[string]Reach{"bronze": {}} })
		gold := wants(Move, "gold")
		for _, tc := range []cookieCase{
			{what: "the farm of the route", field: carries(wants(Move, "web")), body: "app3", results: []string{"farm"}},
			{
				what: "a farm of the file of which nobody is known", field: carries(wants(Move, "bronze")),
				body: `No member of the farm "bronze" can take`, results: []string{"farm"},
			},
			{what: "a farm that nobody knows", field: carries(wants(Move, "silver")), body: "app3", results: []string{"no_farm"}},
			{
				what: "a farm that is off", field: carries(gold), farms: []node.FarmInfo{farm("gold", isOff, away, "")},
				body: toAway, results: []string{"farm"},
			},
			{
				what: "a farm that is down", field: carries(gold), farms: []node.FarmInfo{farm("gold", isDown, "", "web")},
				body: "app3", results: []string{"farm"},
			},
			{
				what: "a farm that is down, without a forward", field: carries(gold), farms: []node.FarmInfo{farm("gold", isDown, "", "")},
				body: `No member of the farm "gold" can take`, results: []string{"farm"},
			},
			{what: "and a member of it", field: carries(gold, wants(Stick, "gold1")), body: "gold1", results: []string{"farm", "stick"}},
			{what: "and a member of it, first", field: carries(wants(Stay, "gold1"), gold), body: "gold1", results: []string{"stay", "farm"}},
			{what: "and a member of another one", field: carries(gold, wants(Stick, "app1")), body: "gold2", results: []string{"farm", "no_member"}},
			{
				what: "one that nobody knows, and a member of the route's", field: carries(wants(Move, "silver"), wants(Stick, "app1")),
				body: "app1", results: []string{"no_farm", "stick"},
			},
		} {
			tc.check(t, l)
		}
	})
}

// Of several the first that is valid counts, and no more than eight are looked at.
func TestSeveralCookies(t *testing.T) {
	inLab(t, func(t *testing.T, l *lab) {
		withFarms(l)
		bad, good := "v1.stick.1.app1", wants(Stick, "app1")
		for _, tc := range []cookieCase{
			{what: "two members", field: carries(good, wants(Stay, "app2")), body: "app1", results: []string{"stick", "repeated"}},
			{what: "two farms", field: carries(wants(Move, "gold"), wants(Move, "web")), body: "gold2", results: []string{"farm", "repeated"}},
			{what: "the second is valid", field: carries(bad, good), body: "app1", results: []string{"malformed", "stick"}},
			{what: "in two fields", field: carries(bad) + "\n" + carries(good), body: "app1", results: []string{"malformed", "stick"}},
			{what: "in quotes", field: carries(`"` + good + `"`), body: "app1", results: []string{"stick"}},
			{what: "with white space around it", field: "Cookie:   athena = " + good + "  ;c", body: "app1", results: []string{"stick"}},
			{what: "a name in another case", field: "Cookie: Athena=" + good, body: "app3"},
			{what: "no value", field: "Cookie: athena", body: "app3", results: []string{"malformed"}},
			{
				what: "the eighth", field: carries(append(repeat(bad, 7), good)...), body: "app1",
				results: append(repeat("malformed", 7), "stick"),
			},
			{
				what: "the ninth", field: carries(append(repeat(bad, 8), good, good)...), body: "app3",
				results: append(repeat("malformed", 8), "too_many"),
			},
		} {
			tc.check(t, l)
		}
		at := time.Now()
		early, err := testCookie().Sign(Instruction{Stick, "app1", at.Add(2 * time.Second)}, at)
		if err != nil {
			t.Fatal(err)
		}
		(&cookieCase{what: "not yet expired", field: carries(early), body: "app1", results: []string{"stick"}}).check(t, l)
		time.Sleep(2 * time.Second) // in the bubble's time
		(&cookieCase{what: "expired", field: carries(early), body: "app3", results: []string{"expired"}}).check(t, l)
	})
}

func repeat(s string, n int) (list []string) {
	for range n {
		list = append(list, s)
	}
	return list
}

// Without [cookie], and over a hop, nobody looks at it.
func TestCookiesOfSitesWithoutOne(t *testing.T) {
	inLab(t, func(t *testing.T, l *lab) {
		withFarms(l, func(s *Site) { s.Cookie = nil })
		(&cookieCase{what: "no cookie is configured", field: carries(wants(Stick, "app1")), body: "app3"}).check(t, l)
	})
}

// To whom a request sticks it is offered once, and to nobody else; who only stays goes on to the others.
func TestCookiesAndConnectionsThatFail(t *testing.T) {
	inLab(t, func(t *testing.T, l *lab) {
		withFarms(l)
		l.addPhysical("web", "dead", "http://"+deadAddr)
		for _, tc := range []struct {
			what     string
			field    string
			wait     time.Duration
			status   int
			body     string
			attempts int
			results  []string
		}{
			{"stay", carries(wants(Stay, "dead")), 0, 200, "app3", 2, []string{"moved"}},
			{"stay, a moment later", carries(wants(Stay, "dead")), 0, 200, "app3", 1, []string{"moved"}},
			{"stick, a moment later", carries(wants(Stick, "dead")), 0, 502, "No member of the farm", 1, []string{"stick"}},
			{"stick", carries(wants(Stick, "dead")), time.Hour / 2, 502, "No member of the farm", 1, []string{"stick"}},
		} {
			time.Sleep(tc.wait) // in the bubble's time
			l.see("front", nil, nil)
			got := l.get("/", tc.field)
			o := l.outcome()
			if got.StatusCode != tc.status || !strings.Contains(got.body, tc.body) || o.Attempts != tc.attempts || !cmp.Equal(tc.results, o.Cookies) {
				t.Errorf("%s: answered %d %q after %d attempts, cookies %q; want %d %q, %d, %q", tc.what, got.StatusCode, got.body,
					o.Attempts, o.Cookies, tc.status, tc.body, tc.attempts, tc.results)
			}
		}
	})
}

// An answer upon which the route would ask somebody else is an answer, if nobody else may be asked.
func TestCookiesAndRetries(t *testing.T) {
	inLab(t, func(t *testing.T, l *lab) {
		withFarms(l, func(s *Site) {
			s.Routes = l.routes(Route{Path: "/", Farm: "web", Chain: l.chain("order app3 app1"), RetryOn: []int{503}})
		})
		l.serve("127.0.0.1:8088", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "busy", http.StatusServiceUnavailable) }))
		l.addPhysical("web", "busy", "http://127.0.0.1:8088")
		l.see("front", nil, nil)
		for _, tc := range []struct {
			do       string
			body     string
			attempts int
			result   string
		}{{Stay, "app3", 2, "moved"}, {Stick, "busy\n", 1, "stick"}} {
			got := l.get("/", carries(wants(tc.do, "busy")))
			if o := l.outcome(); got.body != tc.body || o.Attempts != tc.attempts || !cmp.Equal([]string{tc.result}, o.Cookies) {
				t.Errorf("%s: answered %d %q after %d attempts, cookies %q", tc.do, got.StatusCode, got.body, o.Attempts, o.Cookies)
			}
		}
	})
}

// A node keeps those who are bound to it while it drains; one whose beats do not come is asked by those who stick to it alone.
func TestCookiesThatNameNodes(t *testing.T) {
	inLab(t, func(t *testing.T, l *lab) {
		l.addNode("front", frontAddr, "web")
		own := origin("web", "127.0.0.1:8080")
		up := true
		own.Ready = func() (bool, string) { return up, "HTTP 500" }
		l.serve("127.0.0.1:8080", named("the front's own"))
		www1 := l.addNode("www1", "10.0.0.2:80", "web")
		l.serve("127.0.0.1:8081", named("www1's own"))
		l.agent("www1", "10.0.0.2:80", &Site{Origins: []*Origin{origin("web", "127.0.0.1:8081")}})
		l.addPhysical("web", "app1", "http://127.0.0.1:8082")
		l.serve("127.0.0.1:8082", named("app1"))
		s := l.toWeb("order app1")
		s.Cookie, s.Origins = testCookie(), []*Origin{own}
		l.agent("front", frontAddr, s)
		for _, tc := range []struct {
			what, do, target string
			state            node.State
			silent           time.Duration
			down             bool // our own origin
			body             string
			result           string
		}{
			{"stick to another node", Stick, "www1", node.Up, 0, false, "www1's own", "stick"},
			{"stay with another node", Stay, "www1", node.Up, 0, false, "www1's own", "stay"},
			{"stick, draining", Stick, "www1", node.Draining, 0, false, "www1's own", "stick"},
			{"stay, draining", Stay, "www1", node.Draining, 0, false, "www1's own", "stay"},
			{"stick, leaving", Stick, "www1", node.Leaving, 0, false, memberTakesNone, "stick"},
			{"stay, leaving", Stay, "www1", node.Leaving, 0, false, "app1", "moved"},
			{"stick, silent", Stick, "www1", node.Up, 10 * time.Second, false, "www1's own", "stick"},
			{"stay, silent", Stay, "www1", node.Up, 10 * time.Second, false, "app1", "moved"},
			{"stick to this node", Stick, "front", node.Up, 0, false, "the front's own", "stick"},
			{"stay with this node", Stay, "front", node.Up, 0, false, "the front's own", "stay"},
			{"stick to this node, whose origin is down", Stick, "front", node.Up, 0, true, memberTakesNone, "stick"},
			{"stay with this node, whose origin is down", Stay, "front", node.Up, 0, true, "app1", "moved"},
		} {
			up = !tc.down
			www1.State, www1.Heard = tc.state, time.Now().Add(-tc.silent)
			l.nodes[0].Heard = time.Now()
			l.see("front", nil, nil)
			got := l.get("/", carries(wants(tc.do, tc.target)))
			if o := l.outcome(); !strings.Contains(got.body, tc.body) || !cmp.Equal([]string{tc.result}, o.Cookies) {
				t.Errorf("%s: answered %d %q, cookies %q; want %q, %s", tc.what, got.StatusCode, got.body, o.Cookies, tc.body, tc.result)
			}
		}
	})
}

// What explain tells is what becomes of a request.
func TestExplainCookies(t *testing.T) {
	inLab(t, func(t *testing.T, l *lab) {
		h := withFarms(l)
		type told struct {
			Orders []Ordered
			Bound  bool
			Chosen string
			Status int
			Answer string
			Steps  int
		}
		until := time.Now().Add(time.Hour)
		for _, tc := range []struct {
			what     string
			values   []string
			standing map[string]node.Standing
			want     told
		}{
			{"no cookie", nil, nil, told{Chosen: "app3", Steps: 1}},
			{"stick", []string{wants(Stick, "app1")}, nil, told{
				Orders: []Ordered{{Stick, "app1", until, "stick", "the member has the request, whatever befalls it"}}, Bound: true, Chosen: "app1",
			}},
			{"stick, down", []string{wants(Stick, "app1")}, app1Is(isDown), told{
				Orders: []Ordered{{Stick, "app1", until, "stick", "the member has the request, whatever befalls it"}}, Bound: true,
				Status: 503, Answer: memberTakesNone,
			}},
			{"stay, down", []string{wants(Stay, "app1")}, app1Is(isDown), told{
				Orders: []Ordered{{
					Stay, "app1", until, "moved",
					"the member, or its farm, takes nothing now: the request goes where it would without the cookie",
				}}, Chosen: "app3", Steps: 1,
			}},
			{"a farm, and garbage", []string{"x", wants(Move, "gold")}, nil, told{
				Orders: []Ordered{
					{Result: "malformed", Why: "it does not count: it is not v1.DO.EXPIRES.TARGET.MAC"},
					{Move, "gold", until, "farm", "the request is one for that farm"},
				}, Chosen: "gold2", Steps: 1,
			}},
			{"a name that does something to terminals", []string{wants(Stick, "a\x1b[m\u202e")}, nil, told{
				Orders: []Ordered{{Stick, "a\ufffd[m\ufffd", until, "no_member", "it does not count: the farm has no member of that name"}},
				Chosen: "app3", Steps: 1,
			}},
		} {
			l.see("front", nil, tc.standing)
			e := h.Explain(Question{Target: "/", Header: http.Header{"Cookie": {strings.TrimPrefix(carries(tc.values...), "Cookie: ")}}})
			got := told{Orders: e.Orders, Bound: e.Bound, Status: e.Status, Answer: e.Answer, Steps: len(e.Steps)}
			if e.Chosen != nil {
				got.Chosen = e.Chosen.Name
			}
			if d := cmp.Diff(tc.want, got); d != "" {
				t.Errorf("%s (-want +got):\n%s", tc.what, d)
			}
		}
		if l.outcomes() != 0 {
			t.Error("explaining counts")
		}
	})
}

// A host that was set up anew under its old name, at another address, is another node, and the one before is still listed.
func TestCookiesNameWhoIsThereOfSeveral(t *testing.T) {
	for _, tc := range []struct {
		what  string
		left  string // which of the two has left, by its id: the first of the page, or the second
		do    string
		heard time.Duration // how long ago that was heard which has not left
	}{
		{"stick, and the first has left", "node-a", Stick, 0},
		{"stick, and the second has left", "node-b", Stick, 0},
		{"stay, and the first has left", "node-a", Stay, 0},
		{"stick, and the one that is there is silent", "node-a", Stick, time.Hour},
	} {
		inLab(t, func(t *testing.T, l *lab) {
			l.addNode("front", frontAddr)
			want := ""
			for id, addr := range map[string]string{"node-a": "10.0.0.8:80", "node-b": "10.0.0.9:80"} {
				n := l.addNode(id, addr, "web")
				n.Name, n.Direct = "www1", true
				if id == tc.left {
					n.State = node.Leaving
				} else {
					n.Heard, want = n.Heard.Add(-tc.heard), id
				}
				l.serve(addr, named(id))
			}
			l.serve("127.0.0.1:8081", named("app1"))
			l.addPhysical("web", "app1", "http://127.0.0.1:8081")
			s := l.toWeb("order app1")
			s.Cookie = testCookie()
			l.agent("front", frontAddr, s)
			if got := l.get("/", carries(wants(tc.do, "www1"))); got.body != want {
				t.Errorf("%s: answered %d %q, want %q", tc.what, got.StatusCode, got.body, want)
			}
		})
	}
}
