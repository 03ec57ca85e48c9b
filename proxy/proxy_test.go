package proxy

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"backhand/gossip/node"
)

// twoAgents is a front and one member with an origin behind it, that echoes.
func twoAgents(l *lab) (front, member *Handler) {
	l.addNode("front", frontAddr)
	l.addNode("www1", "10.0.0.2:80", "web")
	l.serve("127.0.0.1:8080", http.HandlerFunc(echo))
	front = l.agent("front", frontAddr, l.toWeb("order www1"))
	member = l.agent("www1", "10.0.0.2:80", &Site{Origins: []*Origin{origin("web", "127.0.0.1:8080")}})
	return front, member
}

func TestTwoAgents(t *testing.T) {
	inLab(t, func(t *testing.T, l *lab) {
		_, member := twoAgents(l)
		got := l.send("POST /a%7eb?x=1;y=2 HTTP/1.1\nHost: www.example.com:8080\nTransfer-Encoding: chunked\nTrailer: X-Sum\n" +
			"Backhand-Load: 9\nbackhand_hop: v1\nBackhand-Proof: x\nTE: trailers, gzip\nConnection: TE\n\n" +
			"5\nhello\n0\nX-Sum: 42\nX-More: 43\nBackhand-Sum: 1\n\n")
		if got.StatusCode != 200 {
			t.Fatalf("%d: %s", got.StatusCode, got.body)
		}
		for _, tc := range []struct{ field, want string }{
			{"Host", "www.example.com:8080"},
			{"X-Forwarded-For", "192.0.2.7"},
			{"X-Forwarded-Proto", "http"},
			{"X-Forwarded-Host", "www.example.com:8080"},
			{"Forwarded", `for=192.0.2.7;host="www.example.com:8080";proto=http`},
			{"Te", "trailers"},
			{"X-Sum", "42"},
			{"X-More", "43"},
		} {
			if d := cmp.Diff([]string{tc.want}, field(got.body, tc.field)); d != "" {
				t.Errorf("the origin sees %s (-want +got):\n%s", tc.field, d)
			}
		}
		front, www1 := pseudonym(idOf("front")), pseudonym(idOf("www1"))
		if d := cmp.Diff([]string{"1.1 " + front, "1.1 " + www1}, field(got.body, "Via")); d != "" {
			t.Errorf("the origin sees Via (-want +got):\n%s", d)
		}
		if d := cmp.Diff([]string{"1.1 " + www1, "1.1 " + front}, got.Header["Via"]); d != "" {
			t.Errorf("the client sees Via (-want +got):\n%s", d)
		}
		if !strings.HasPrefix(got.body, "POST /a%7eb?x=1;y=2\n") || !strings.Contains(got.body, "\n\nhello\n") {
			t.Errorf("the origin sees another request line or body:\n%s", got.body)
		}
		if strings.Contains(strings.ToLower(got.body), "backhand-load") || strings.Contains(strings.ToLower(got.body), "backhand_hop") ||
			strings.Contains(got.body, "Backhand-Hop") || strings.Contains(got.body, "Backhand-Proof") || strings.Contains(got.body, "Backhand-Sum") {
			t.Errorf("the origin sees fields of agents:\n%s", got.body)
		}
		want := &Outcome{
			Client: netip.MustParseAddr(clientAddr), Method: "POST", Target: "/a%7eb?x=1;y=2", Proto: "HTTP/1.1",
			Host: "www.example.com:8080", Route: "/", Farm: "web", Status: 200, Bytes: int64(len(got.body)), Attempts: 1,
		}
		o := *l.outcome()
		if o.Member == nil || o.Member.Name != "www1" {
			t.Errorf("the outcome has member %+v", o.Member)
		}
		o.Start, o.Wait, o.Took, o.Member = time.Time{}, 0, 0, nil
		if d := cmp.Diff(want, &o, cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); d != "" {
			t.Errorf("outcome (-want +got):\n%s", d)
		}
		live := l.liveOf("web", "www1")
		if live.Outstanding() != 0 || live.Chosen() != 1 || live.Failed() != 0 {
			t.Errorf("the front counts %d outstanding, %d chosen, %d failed; want 0, 1, 0", live.Outstanding(), live.Chosen(), live.Failed())
		}
		if self := member.cfg.Snapshot().Farm("web").Self; self.Live.Chosen() != 0 {
			t.Error("the member counts as chosen by itself what the front chose")
		}
		time.Sleep(time.Second) // of the bubble
		var s node.Service
		member.site.Load().Origins[0].Meter.Read(&s, time.Now())
		if s.Served != 1 || s.InFlight != 0 || s.Completions != 1 || s.Arrivals != 1 {
			t.Errorf("the member's meter says %+v", s)
		}
	})
}

// Every case goes over the real ReverseProxy to an own origin that echoes.
func TestHeads(t *testing.T) {
	inLab(t, func(t *testing.T, l *lab) {
		l.addNode("front", frontAddr, "web")
		l.serve("127.0.0.1:8080", http.HandlerFunc(echo))
		s := l.toWeb()
		s.Origins = []*Origin{origin("web", "127.0.0.1:8080")}
		s.Trusted = []netip.Prefix{netip.MustParsePrefix("192.0.2.9/32")}
		l.agent("front", frontAddr, s)
		for _, tc := range []struct {
			what, from string
			head       []string
			want       map[string][]string // what the origin sees; nil: nothing
		}{
			{
				"fields named in Connection go first", clientAddr,
				[]string{"Connection: X-Forwarded-For, Backhand-Hop, X-Own", "X-Own: 1", "X-Other: 2"},
				map[string][]string{"X-Forwarded-For": {"192.0.2.7"}, "Backhand-Hop": nil, "X-Own": nil, "X-Other": {"2"}, "Connection": nil},
			},
			{
				"hop-by-hop fields", clientAddr,
				[]string{"Keep-Alive: 5", "Proxy-Connection: x", "Proxy-Authorization: x", "TE: gzip", "Upgrade: h2c", "Connection: Upgrade, HTTP2-Settings", "HTTP2-Settings: x"},
				map[string][]string{
					"Keep-Alive": nil, "Proxy-Connection": nil, "Proxy-Authorization": nil, "Te": nil, "Upgrade": nil, "Http2-Settings": nil,
				},
			},
			{
				"what a client says of its past", clientAddr,
				[]string{"X-Forwarded-For: 1.2.3.4", "X-Forwarded-Port: 1", "X_Forwarded_For: 1.2.3.4", "Forwarded: for=1.2.3.4", "X-Forwarded-Server: x"},
				map[string][]string{
					"X-Forwarded-For": {"192.0.2.7"}, "X-Forwarded-Port": nil, "X_forwarded_for": nil, "X-Forwarded-Server": nil,
					"Forwarded": {"for=192.0.2.7;host=example.com;proto=http"},
				},
			},
			{
				"other fields that say who the client is", clientAddr,
				[]string{"X-Real-IP: 1.2.3.4", "Client-IP: 1.2.3.4", "True-Client-IP: 1.2.3.4", "X_Real_IP: 1.2.3.4", "X-Real-IPs: 5"},
				map[string][]string{
					"X-Real-Ip": nil, "Client-Ip": nil, "True-Client-Ip": nil, "X_real_ip": nil, "X-Real-Ips": {"5"},
				},
			},
			{
				"which a trusted proxy may send", "192.0.2.9",
				[]string{"X-Real-IP: 1.2.3.4", "Client-IP: 1.2.3.4", "True-Client-IP: 1.2.3.4", "X_Real_IP: 5.6.7.8"},
				map[string][]string{
					"X-Real-Ip": {"1.2.3.4"}, "Client-Ip": {"1.2.3.4"}, "True-Client-Ip": {"1.2.3.4"}, "X_real_ip": nil,
				},
			},
			{
				"what a trusted proxy says of it", "192.0.2.9",
				[]string{"X-Forwarded-For: 1.2.3.4", "X-Forwarded-Port: 1", "X_Forwarded_For: 5.6.7.8"},
				map[string][]string{"X-Forwarded-For": {"1.2.3.4, 192.0.2.9"}, "X-Forwarded-Port": {"1"}, "X_forwarded_for": nil},
			},
			{
				"our own fields", clientAddr,
				[]string{"Backhand-Load: 1", "Backhand-Limit: 2", "Backhand-Proof: 4", "BACKHAND_Refused: x", "Backhanded: 3"},
				map[string][]string{
					"Backhand-Load": nil, "Backhand-Limit": nil, "Backhand-Proof": nil, "Backhand_refused": nil, "Backhanded": {"3"},
				},
			},
			{
				"Via is added to", clientAddr,
				[]string{"Via: 1.0 other (a, b)"},
				map[string][]string{"Via": {"1.0 other (a, b)", "1.1 " + pseudonym(idOf("front"))}},
			},
			{
				"no field of ours that the client did not send", clientAddr, nil,
				map[string][]string{"User-Agent": nil, "Accept-Encoding": nil, "Accept": nil},
			},
			{
				"an idempotency key passes", clientAddr,
				[]string{"Idempotency-Key: 7", "Cookie: a=b; c=d"},
				map[string][]string{"Idempotency-Key": {"7"}, "Cookie": {"a=b; c=d"}},
			},
		} {
			got := l.sendTo(frontAddr, tc.from, request("GET", "/", tc.head...))
			for name, want := range tc.want {
				if d := cmp.Diff(want, field(got.body, name)); d != "" {
					t.Errorf("%s: the origin sees %s (-want +got):\n%s", tc.what, name, d)
				}
			}
		}
	})
}

func TestAnsweredHere(t *testing.T) {
	inLab(t, func(t *testing.T, l *lab) {
		l.addNode("front", frontAddr)
		l.serve("127.0.0.1:8080", named("physical"))
		l.addPhysical("web", "p", "http://127.0.0.1:8080")
		h := l.agent("front", frontAddr, &Site{
			Routes: l.routes(
				Route{Path: "/app", Farm: "web", Chain: l.chain()},
				Route{Path: "/none", Farm: "nobody", Chain: l.chain()},
			),
			StatusPath: "/backhand/", Status: named("status"),
		})
		for _, tc := range []struct {
			what, request string
			status        int
			body          string // a part of it
			reason        string
		}{
			{"a route", request("GET", "/app/x"), 200, "physical", ""},
			{"an absolute target", "GET http://example.com/app HTTP/1.1\nHost: other\n\n", 200, "physical", ""},
			{"CONNECT", "CONNECT a:80 HTTP/1.1\nHost: a:80\n\n", 405, "does not offer", "method"},
			{"a loop", request("GET", "/app", "Via: 1.1 x, 1.1 "+strings.ToUpper(pseudonym(idOf("front")))), 508, "circle", "loop"},
			{"no route", request("GET", "/else"), 404, "No route", "route"},
			{"a path with two readings", request("GET", "/app/../else"), 400, "two ways", "readings"},
			{"an encoded path with two readings", request("GET", "/%61pp"), 400, "two ways", "readings"},
			{"two readings that lead to the same place", request("GET", "/app/x/../y"), 200, "physical", ""},
			{"a path with a fragment", request("GET", "/app#x"), 400, "must be encoded", "target"},
			{"a farm that nobody serves", request("GET", "/none"), 503, `farm "nobody"`, "empty"},
			{"the status page", request("GET", "/backhand/x"), 200, "status", "status"},
			{"the bare status path", request("GET", "/backhand?a=1"), 200, "status", "status"},
			{"the status page in disguise", request("GET", "/%62ackhand/x"), 400, "two ways", "readings"},
			{"the status page behind two slashes", request("GET", "//backhand/x"), 400, "two ways", "readings"},
			{"the status page behind a backslash", request("GET", "/\\backhand"), 400, "two ways", "readings"},
			{"two slashes that lead round a route", request("GET", "//app/x"), 400, "two ways", "readings"},
			{"two slashes behind a detour", request("GET", "/x/..//app/x"), 400, "two ways", "readings"},
			{"a backslash that leads round a route", request("GET", "/\\app/x"), 400, "two ways", "readings"},
			{"a backslash for the border of a segment", request("GET", "/app\\x"), 400, "two ways", "readings"},
			{"slashes that change no route", request("GET", "/app//x\\y//"), 200, "physical", ""},
			{"parameters of a segment, which are a part of it", request("GET", "/app;a/x"), 404, "No route", "route"},
			{"a target of another scheme", request("GET", "x:/foo://h/app"), 400, "does not have the form", "target_form"},
			{"the status page by a detour", request("GET", "/app/../backhand/"), 400, "two ways", "readings"},
			{"the status page is before loops", request("GET", "/backhand/", "Via: 1.1 "+pseudonym(idOf("front"))), 200, "status", "status"},
			{"TRACE that may go no further", request("TRACE", "/app", "Max-Forwards: 0"), 405, "", "method"},
			{"OPTIONS that may go no further", request("OPTIONS", "/app", "Max-Forwards: 0"), 204, "", "options"},
			{"a hop header from a client", request("GET", "/app", "Backhand-Hop: v1 x web 1.2.3.4 http"), 421, "not believed", "hop"},
		} {
			got := l.send(tc.request)
			if got.StatusCode != tc.status || !strings.Contains(got.body, tc.body) {
				t.Errorf("%s: %d %q, want %d and %q", tc.what, got.StatusCode, got.body, tc.status, tc.body)
			}
			if o := l.outcome(); o.Status != tc.status || o.Reason != tc.reason || (o.Err != nil) != (tc.status >= 400) {
				t.Errorf("%s: outcome %d, %q, %v; want %d, %q", tc.what, o.Status, o.Reason, o.Err, tc.status, tc.reason)
			}
			if missing := missingField(got); missing != "" {
				t.Errorf("%s: the field %s is missing or wrong in %v", tc.what, missing, got.Header)
			}
			if tc.status >= 400 && (!strings.HasSuffix(got.body, ".\n") || got.Header.Get("Content-Type") != "text/plain; charset=utf-8") {
				t.Errorf("%s: %q is no sentence in plain text", tc.what, got.body)
			}
		}
		if n := h.InFlight(); n != 0 {
			t.Errorf("%d requests count as under way", n)
		}
	})
}

// missingField returns which field that belongs to the status is not there.
func missingField(got reply) string {
	for status, want := range map[int][2]string{
		405: {"Allow", "GET"}, 204: {"Allow", "GET"}, 503: {"Retry-After", "1"},
		421: {"Backhand-Refused", "hop"},
	} {
		if got.StatusCode == status && !strings.HasPrefix(got.Header.Get(want[0]), want[1]) {
			return want[0]
		}
	}
	return ""
}

func TestNoRouteGoesToTheOwnOrigin(t *testing.T) {
	inLab(t, func(t *testing.T, l *lab) {
		l.addNode("front", frontAddr, "web", "api")
		l.serve("127.0.0.1:8080", named("web"))
		l.serve("127.0.0.1:8081", named("api"))
		web, api := origin("web", "127.0.0.1:8080"), origin("api", "127.0.0.1:8081")
		h := l.agent("front", frontAddr, &Site{Origins: []*Origin{web}})
		marked := *api
		marked.Default = true
		for _, tc := range []struct {
			what    string
			origins []*Origin
			status  int
			body    string
		}{
			{"the only one", []*Origin{web}, 200, "web"},
			{"the one that is marked", []*Origin{web, &marked}, 200, "api"},
			{"two, none marked", []*Origin{web, api}, 404, "No route"},
			{"one that is down", []*Origin{origin("web", "127.0.0.1:9")}, 502, `farm "web"`},
		} {
			h.SetSite(&Site{Origins: tc.origins})
			got := l.get("/")
			if got.StatusCode != tc.status || !strings.Contains(got.body, tc.body) {
				t.Errorf("%s: %d %q, want %d %q", tc.what, got.StatusCode, got.body, tc.status, tc.body)
			}
			if o := l.outcome(); o.Route != "" || o.Self != (tc.status != 404) {
				t.Errorf("%s: the outcome has route %q, self %v", tc.what, o.Route, o.Self)
			}
		}
	})
}

func TestHop(t *testing.T) {
	inLab(t, func(t *testing.T, l *lab) {
		twoAgents(l)
		l.addNode("www2", "10.0.0.3:80", "web")
		hopOf := func(sender, farm string) string {
			return "Backhand-Hop: " + string(hop{idOf(sender), farm, netip.MustParseAddr("192.0.2.7"), "https"}.append(nil))
		}
		for _, tc := range []struct {
			what, from, field string
			status            int
			refused           string
		}{
			{"from the front itself", "10.0.0.1", hopOf("front", "web"), 200, ""},
			{"from a client", "192.0.2.7", hopOf("front", "web"), 421, "hop"},
			{"from an accepted address that has another id", "10.0.0.3", hopOf("front", "web"), 421, "hop"},
			{"from an accepted address of nobody", "10.0.0.77", hopOf("front", "web"), 421, "hop"},
			{"from a node that nobody knows", "10.0.0.1", hopOf("ghost", "web"), 421, "hop"},
			{"malformed", "10.0.0.1", "Backhand-Hop: v1 web", 421, "hop"},
			{"for a farm that is not served", "10.0.0.1", hopOf("front", "api"), 503, "origin"},
		} {
			got := l.sendTo("10.0.0.2:80", tc.from, request("GET", "/", tc.field, "X-Forwarded-For: 192.0.2.7", "Forwarded: for=192.0.2.7", "X-Real-IP: 192.0.2.7"))
			if got.StatusCode != tc.status || got.Header.Get("Backhand-Refused") != tc.refused {
				t.Errorf("%s: %d, refused %q; want %d, %q", tc.what, got.StatusCode, got.Header.Get("Backhand-Refused"), tc.status, tc.refused)
			}
			if tc.status != 200 {
				continue
			}
			if d := cmp.Diff([]string{"192.0.2.7"}, field(got.body, "X-Forwarded-For")); d != "" {
				t.Errorf("%s: a hop changed X-Forwarded-For (-want +got):\n%s", tc.what, d)
			}
			if d := cmp.Diff([]string{"192.0.2.7"}, field(got.body, "X-Real-Ip")); d != "" {
				t.Errorf("%s: a hop changed X-Real-IP (-want +got):\n%s", tc.what, d)
			}
			if d := cmp.Diff([]string{"for=192.0.2.7"}, field(got.body, "Forwarded")); d != "" {
				t.Errorf("%s: a hop changed Forwarded (-want +got):\n%s", tc.what, d)
			}
		}
	})
}

// One hop ever: a member whose own chain would send the request on serves it all the same.
func TestOneHopOnly(t *testing.T) {
	inLab(t, func(t *testing.T, l *lab) {
		l.addNode("front", frontAddr)
		l.addNode("www1", "10.0.0.2:80", "web")
		l.addNode("www2", "10.0.0.3:80", "web")
		l.serve("127.0.0.1:8081", named("one"))
		l.serve("127.0.0.1:8082", named("two"))
		l.agent("front", frontAddr, l.toWeb("order www1"))
		s := l.toWeb("order www2")
		s.Origins = []*Origin{origin("web", "127.0.0.1:8081")}
		l.agent("www1", "10.0.0.2:80", s)
		l.agent("www2", "10.0.0.3:80", &Site{Origins: []*Origin{origin("web", "127.0.0.1:8082")}})
		if got := l.get("/"); got.body != "one" {
			t.Errorf("a request that came over a hop is served by %q, want one", got.body)
		}
		if got := l.sendTo("10.0.0.2:80", clientAddr, request("GET", "/")); got.body != "two" {
			t.Errorf("a request from a client is served by %q, want two", got.body)
		}
	})
}

func TestWhomItIsSentTo(t *testing.T) {
	inLab(t, func(t *testing.T, l *lab) {
		l.addNode("front", frontAddr, "web")
		l.addNode("direct", "10.0.0.5:80", "web").Direct = true
		l.addPhysical("web", "phys", "http://127.0.0.1:8088")
		for _, addr := range []string{"10.0.0.5:80", "127.0.0.1:8088", "127.0.0.1:8080"} {
			l.serve(addr, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Backhand-Load", "n=1 c=1 mu=1")
				w.Header().Set("Backhand-Proof", "v1")
				w.Header().Set("Backhand-Refused", "origin")
				w.Header().Set("Trailer", "Backhand-Sum, X-Sum")
				w.WriteHeader(503) // none of them is an agent: no refusal
				echo(w, r)
				w.Header().Set("Backhand-Sum", "1")
				w.Header().Set("X-Sum", "2")
				w.Header().Set(http.TrailerPrefix+"Backhand-Late", "3")
				w.Header().Set(http.TrailerPrefix+"X-Late", "4")
			}))
		}
		h := l.agent("front", frontAddr, l.toWeb())
		for _, who := range []string{"direct", "phys", "front"} {
			s := l.toWeb("order " + who)
			s.Origins = []*Origin{origin("web", "127.0.0.1:8080")}
			h.SetSite(s)
			got := l.get("/")
			if got.StatusCode != 503 || strings.Contains(got.body, "Backhand") {
				t.Errorf("%s gets:\n%s", who, got.body)
			}
			for name := range got.Header {
				if strings.HasPrefix(name, "Backhand") {
					t.Errorf("%s: the client sees %s", who, name)
				}
			}
			if d := cmp.Diff(http.Header{"X-Sum": {"2"}, "X-Late": {"4"}}, got.Trailer); d != "" {
				t.Errorf("%s: trailers (-want +got):\n%s", who, d)
			}
			o := l.outcome()
			if o.Member == nil || o.Member.Name != who || o.Self != (who == "front") || o.Err != nil || o.Refusals != 0 {
				t.Errorf("%s: outcome %+v", who, o)
			}
			if live := l.liveOf("web", who); live.Failed() != 1 || live.Refused() != 0 || live.Outstanding() != 0 {
				t.Errorf("%s: failed %d, refused %d, outstanding %d; want 1, 0, 0", who, live.Failed(), live.Refused(), live.Outstanding())
			}
			if h := l.liveOf("web", who).LastHeard(); who != "front" && h.At != 0 {
				t.Errorf("%s: is no agent, and is believed about its load: %+v", who, h)
			}
		}
	})
}

func TestResponsesPassAsTheyAre(t *testing.T) {
	inLab(t, func(t *testing.T, l *lab) {
		l.addPhysical("web", "p", "http://127.0.0.1:8080")
		l.serve("127.0.0.1:8080", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			h := w.Header()
			switch r.URL.Path {
			case "/plain":
				h["Content-Type"], h["Date"] = nil, []string{"Thu, 01 Jan 1970 00:00:00 GMT"}
				_, _ = io.WriteString(w, "<html>")
			case "/hints":
				h.Set("Link", "</x>; rel=preload")
				h.Set("Backhand-Load", "1")
				w.WriteHeader(103)
				h.Del("Backhand-Load")
				w.WriteHeader(204)
			case "/hidden":
				h.Set("Connection", "X-Private, Via")
				h.Set("X-Private", "1")
				h.Set("Keep-Alive", "1")
				h.Set("Content-Encoding", "gzip")
				_, _ = w.Write([]byte{0x1f, 0x8b})
			}
		}))
		l.agent("front", frontAddr, l.toWeb())
		if got := l.get("/plain"); got.Header["Content-Type"] != nil || got.Header.Get("Date")[:3] != "Thu" || got.body != "<html>" {
			t.Errorf("a response without type comes as %+v", got.Header)
		}
		got := l.get("/hidden")
		if got.Header["X-Private"] != nil || got.Header["Keep-Alive"] != nil || got.body != "\x1f\x8b" || len(got.Header["Via"]) != 1 {
			t.Errorf("hop-by-hop fields of a response: %+v, body %q", got.Header, got.body)
		}
		c := l.conn(clientAddr, frontAddr)
		go func() { _, _ = io.WriteString(c, "GET /hints HTTP/1.1\r\nHost: x\r\n\r\n") }()
		r := bufio.NewReader(c)
		first, err := http.ReadResponse(r, nil)
		if err != nil || first.StatusCode != 103 || first.Header.Get("Link") == "" || first.Header.Get("Backhand-Load") != "" {
			t.Errorf("early hints come as %+v, %v", first, err)
		}
		if second, err := http.ReadResponse(r, nil); err != nil || second.StatusCode != 204 {
			t.Errorf("and after them %+v, %v", second, err)
		}
	})
}

func TestRedirect(t *testing.T) {
	inLab(t, func(t *testing.T, l *lab) {
		l.addNode("front", frontAddr, "web")
		l.addPhysical("web", "p", "http://127.0.0.1:8080")
		l.serve("127.0.0.1:8080", named("p"))
		l.serve("127.0.0.1:8081", named("self"))
		h := l.agent("front", frontAddr, l.toWeb())
		for _, tc := range []struct {
			what     string
			chain    []string
			location string // "": a hop
			body     string
		}{
			{"to a host", []string{"order p", "redirect www.example:8080"}, "http://www.example:8080/a%7e?b;c", "Another server"},
			{"no host is a hop", []string{"order p", "redirect"}, "", "p"},
			{"never to oneself", []string{"order front", "redirect www.example"}, "", "self"},
			{"a name that is no host is a hop", []string{"order p", "redirect evil.example/x"}, "", "p"},
			{"nor one with a space", []string{"order p", "redirect evil.example X"}, "", "p"},
		} {
			s := l.toWeb(tc.chain...)
			s.Origins = []*Origin{origin("web", "127.0.0.1:8081")}
			h.SetSite(s)
			got := l.get("/a%7e?b;c")
			if got.Header.Get("Location") != tc.location || !strings.HasPrefix(got.body, tc.body) || (got.StatusCode == 302) != (tc.location != "") {
				t.Errorf("%s: %d, Location %q, %q", tc.what, got.StatusCode, got.Header.Get("Location"), got.body)
			}
			if o := l.outcome(); o.Err != nil || o.Status == 302 && (o.Reason != "redirect" || o.Attempts != 0 || o.Member.Name != "p") {
				t.Errorf("%s: outcome %+v", tc.what, o)
			}
		}
	})
}

func TestSetSiteLeavesRequestsUnderWay(t *testing.T) {
	inLab(t, func(t *testing.T, l *lab) {
		goOn := make(chan struct{})
		l.addPhysical("old", "o", "http://127.0.0.1:8081")
		l.addPhysical("new", "n", "http://127.0.0.1:8082")
		l.serve("127.0.0.1:8081", named("old"))
		l.serve("127.0.0.1:8082", named("new"))
		l.addPhysical("gate", "g", "http://127.0.0.1:8083")
		l.serve("127.0.0.1:8083", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { <-goOn; _, _ = io.WriteString(w, "late") }))
		site := func(farm string) *Site {
			return &Site{Routes: l.routes(
				Route{Path: "/", Farm: farm, Chain: l.chain()}, Route{Path: "/gate", Farm: "gate", Chain: l.chain()},
			)}
		}
		h := l.agent("front", frontAddr, site("old"))
		slow := make(chan reply, 1)
		go func() { slow <- l.get("/gate") }()
		// A body that comes late: the decision is made after the reload, by the site from before it.
		c := l.conn(clientAddr, frontAddr)
		write(t, c, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\na")
		synctest.Wait()
		if h.InFlight() != 2 {
			t.Errorf("%d requests in flight, want 2", h.InFlight())
		}
		next := site("new")
		next.ResponseHead = time.Hour // other connections, too
		h.SetSite(next)
		write(t, c, "b")
		if got := l.read(c, "POST"); got.body != "old" {
			t.Errorf("a request from before the reload goes to %q", got.body)
		}
		if got := l.get("/"); got.body != "new" {
			t.Errorf("a request after the reload goes to %q", got.body)
		}
		drained := make(chan error, 2)
		go func() { drained <- h.Drain(t.Context()) }()
		go func() { drained <- h.Drain(t.Context()) }()
		synctest.Wait()
		select {
		case err := <-drained:
			t.Fatalf("Drain did not wait: %v", err)
		default:
		}
		short, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := h.Drain(short); err == nil || !strings.Contains(err.Error(), "1 requests") {
			t.Errorf("Drain that may wait a second says %v", err)
		}
		close(goOn)
		if got := <-slow; got.body != "late" {
			t.Errorf("the slow request got %q", got.body)
		}
		for range 2 {
			if err := <-drained; err != nil {
				t.Errorf("Drain: %v", err)
			}
		}
		if l.outcomes() != 3 {
			t.Errorf("%d outcomes, want 3", l.outcomes())
		}
	})
}

func write(t *testing.T, w io.Writer, s string) {
	t.Helper()
	if _, err := io.WriteString(w, s); err != nil {
		t.Fatal(err)
	}
}
