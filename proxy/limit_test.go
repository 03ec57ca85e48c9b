package proxy

import (
	"bufio"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"backhand/gossip/node"
)

// threeAgents are nodes www1, www2 and www3 that serve web, and a node other that hands requests to them. Their origins
// say their own name, what they see of Backhand fields, and hold back requests for /hold until they are released.
type threeAgents struct {
	*lab
	front   *Handler
	origins map[string]*Origin
	release chan struct{}
	asked   map[string]int
}

func newThreeAgents(l *lab) *threeAgents {
	a := &threeAgents{lab: l, origins: map[string]*Origin{}, release: make(chan struct{}), asked: map[string]int{}}
	l.t.Cleanup(func() { close(a.release); synctest.Wait() })
	l.addNode("front", frontAddr)
	l.addNode("other", "10.0.0.9:80")
	names := []string{"www1", "www2", "www3"}
	for i, name := range names {
		l.addNode(name, fmt.Sprintf("10.0.0.%d:80", 2+i), "web")
	}
	l.addNode("dead", deadAddr, "web")
	for i, name := range names {
		at := fmt.Sprintf("127.0.0.1:%d", 8081+i)
		l.serve(at, a.origin(name))
		a.origins[name] = origin("web", at)
		l.agent(name, fmt.Sprintf("10.0.0.%d:80", 2+i), &Site{Origins: []*Origin{a.origins[name]}})
	}
	a.front = l.agent("front", frontAddr, &Site{})
	return a
}

func (a *threeAgents) origin(name string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		n, _ := io.Copy(io.Discard, r.Body)
		if r.URL.Path == "/hold" {
			<-a.release
		}
		a.mu.Lock()
		a.asked[name]++
		a.mu.Unlock()
		w.Header().Set("Backhand-Load", "n=77 c=77 mu=77")
		w.Header().Set("Backhand-Limit", "77")
		w.Header().Set("Backhand-Proof", "v1 77")
		w.Header().Set(http.TrailerPrefix+"Backhand-Load", "n=77 c=77 mu=77")
		fmt.Fprintf(w, "%s %d", name, n)
		for f := range r.Header {
			if strings.HasPrefix(f, "Backhand") {
				fmt.Fprintf(w, " sees %s", f)
			}
		}
	}
}

// hopFrom is the field with which a node hands a request on.
func hopFrom(name string) string {
	return "Backhand-Hop: " + string(hop{idOf(name), "web", netip.MustParseAddr(clientAddr), "http"}.append(nil))
}

// busy has the node that is the ith work on so many requests, which another one has handed to it.
func (a *threeAgents) busy(i, n int) {
	for range n {
		c := a.conn("10.0.0.9", fmt.Sprintf("10.0.0.%d:80", 1+i))
		go func() {
			_, _ = io.WriteString(c, strings.ReplaceAll(request("GET", "/hold", hopFrom("other")), "\n", "\r\n"))
		}()
	}
	synctest.Wait()
}

// A node that is busier than the limit sends the request back, and another one takes it. The one that would be the last is
// not told of any limit.
func TestLimit(t *testing.T) {
	get, big := request("GET", "/"), strings.Repeat("x", 100<<10)
	post := func(body string) string {
		return fmt.Sprintf("POST / HTTP/1.1\nHost: x\nContent-Length: %d\n\n%s", len(body), body)
	}
	chunked := "POST / HTTP/1.1\nHost: x\nTransfer-Encoding: chunked\n\n"
	for _, tc := range []struct {
		what     string
		busy     [3]int // requests under way already
		chain    []string
		tries    int
		request  string
		want     string
		refusals int
		attempts int
	}{
		{"without a limit", [3]int{2}, []string{"order www1 www2"}, 3, get, "www1 0", 0, 1},
		{"as busy as the limit", [3]int{2}, []string{"order www1 www2", "limit 2 2"}, 3, get, "www1 0", 0, 1},
		{"busier than the limit", [3]int{2}, []string{"order www1 www2", "limit 1.5 2"}, 3, get, "www2 0", 1, 1},
		{"busier than almost nothing", [3]int{1}, []string{"order www1 www2", "limit 0.0000000001 2"}, 3, get, "www2 0", 1, 1},
		{"a POST with a body that is kept", [3]int{2}, []string{"order www1 www2", "limit 1 2"}, 3, post("hello"), "www2 5", 1, 1},
		{"a chunked body that is here", [3]int{2}, []string{"order www1 www2", "limit 1 2"}, 3, chunked + "5\nhello\n0\n\n", "www2 5", 1, 1},
		{"a body that is too long", [3]int{2}, []string{"order www1 www2", "limit 1 2"}, 3, post(big), "www1 102400", 0, 1},
		{
			"a chunked body that is too long",
			[3]int{2},
			[]string{"order www1 www2", "limit 1 2"},
			3,
			chunked + "19000\n" + big + "\n0\n\n", "www1 102400", 0, 1,
		},
		{"nobody may refuse", [3]int{2}, []string{"order www1 www2", "limit 1 0"}, 3, get, "www1 0", 0, 1},
		{"nobody else is left", [3]int{2}, []string{"order www1", "limit 1 2"}, 3, get, "www1 0", 0, 1},
		{"no other may be tried", [3]int{2}, []string{"order www1 www2", "limit 1 2"}, 1, get, "www1 0", 0, 1},
		{"the last may not refuse", [3]int{2, 2, 0}, []string{"order www1 www2 www3", "limit 1 1"}, 3, get, "www2 0", 1, 1},
		{"two may refuse", [3]int{2, 2, 0}, []string{"order www1 www2 www3", "limit 1 2"}, 3, get, "www3 0", 2, 1},
		{"no more than tries allows", [3]int{2, 2, 2}, []string{"order www1 www2 www3", "limit 1 8"}, 2, get, "www2 0", 1, 1},
		{"all are busy", [3]int{2, 2, 2}, []string{"order www1 www2 www3", "limit 1 8"}, 5, get, "www3 0", 2, 1},
		{"the other one is dead", [3]int{2}, []string{"order www1 dead", "limit 1 2"}, 3, get, "www1 0", 1, 2},
		{"two are busy, and the third is dead", [3]int{2, 2}, []string{"order www1 www2 dead", "limit 1 8"}, 5, get, "www1 0", 2, 2},
		{"the first one is dead", [3]int{0, 2}, []string{"order dead www2 www3", "limit 1 2"}, 3, get, "www3 0", 1, 2},
	} {
		inLab(t, func(t *testing.T, l *lab) {
			a := newThreeAgents(l)
			for i, n := range tc.busy {
				a.busy(i+1, n)
			}
			s := l.toWeb(tc.chain...)
			s.Tries = tc.tries
			a.front.SetSite(s)
			got, o := l.send(tc.request), l.outcome()
			if got.body != tc.want || o.Refusals != tc.refusals || o.Attempts != tc.attempts || o.Err != nil {
				t.Errorf("%s: %q after %d refusals and %d attempts, %v; want %q, %d, %d",
					tc.what, got.body, o.Refusals, o.Attempts, o.Err, tc.want, tc.refusals, tc.attempts)
			}
			for name := range got.Header {
				if strings.HasPrefix(name, "Backhand") {
					t.Errorf("%s: the client sees %s", tc.what, name)
				}
			}
			refused := 0
			for i, name := range []string{"www1", "www2", "www3"} {
				live := l.liveOf("web", name)
				if live.Failed() != 0 || live.Outstanding() != 0 || live.Pending(time.Now(), time.Minute) != 0 {
					t.Errorf("%s: %s failed %d, outstanding %d", tc.what, name, live.Failed(), live.Outstanding())
				}
				if load := a.origins[name].Meter.Load(time.Now()); load.InFlight != float64(tc.busy[i]) {
					t.Errorf("%s: %s has %v under way, want %d", tc.what, name, load.InFlight, tc.busy[i])
				}
				if h := live.LastHeard(); live.Refused() > 0 && (h.InFlight != float64(tc.busy[i]) || h.Own != 0) && !strings.HasPrefix(tc.want, name) {
					t.Errorf("%s: of %s is heard %+v with the refusal", tc.what, name, h)
				}
				refused += int(live.Refused())
			}
			if refused != tc.refusals {
				t.Errorf("%s: %d refusals are counted, want %d", tc.what, refused, tc.refusals)
			}
		})
	}
}

// A refusal charges the origin with nothing, and is counted.
// Where the last that may refuse has no origin, those who were only too busy are asked once more.
func TestTheBusyAreBetterThanThoseWhoseOriginIsDown(t *testing.T) {
	inLab(t, func(t *testing.T, l *lab) {
		a := newThreeAgents(l)
		a.busy(1, 2)
		a.busy(2, 2)
		a.origins["www3"].Ready = func() (bool, string) { return false, "gone" }
		s := l.toWeb("order www1 www2 www3", "limit 1 8")
		s.Tries = 3
		a.front.SetSite(s)
		got, o := l.get("/"), l.outcome()
		if got.body != "www1 0" || o.Refusals != 3 || o.Attempts != 1 {
			t.Errorf("%d %q after %d refusals and %d attempts, %v; want www1's answer after 3 and 1", got.StatusCode, got.body, o.Refusals, o.Attempts, o.Err)
		}
	})
}

func TestLimitIsCheckedBeforeTheOriginIsAsked(t *testing.T) {
	inLab(t, func(t *testing.T, l *lab) {
		a := newThreeAgents(l)
		a.busy(1, 2)
		a.front.SetSite(l.toWeb("order www1 www2", "limit 1 2"))
		l.get("/")
		time.Sleep(time.Second)
		var m node.Service
		a.origins["www1"].Meter.Read(&m, time.Now())
		if math.Round(m.Arrivals) != 2 || math.Round(m.Refusals) != 1 || m.Errors != 0 || m.InFlight != 2 || m.Served != 0 {
			t.Errorf("the meter says %+v", m)
		}
		if a.asked["www1"] != 0 || a.asked["www2"] != 1 {
			t.Errorf("the origins were asked %v", a.asked)
		}
	})
}

// Only agents may say how busy an origin may be, and only in a way that agents write.
func TestLimitsThatDoNotCount(t *testing.T) {
	inLab(t, func(t *testing.T, l *lab) {
		a := newThreeAgents(l)
		a.busy(1, 2)
		a.front.SetSite(l.toWeb("order www1"))
		for _, tc := range []struct {
			what, to, from string
			fields         []string
			refused        string
		}{
			{"a limit over a hop", "10.0.0.2:80", "10.0.0.9", []string{hopFrom("other"), "Backhand-Limit: 1"}, "busy"},
			{"a limit that is kept", "10.0.0.2:80", "10.0.0.9", []string{hopFrom("other"), "Backhand-Limit: 2"}, ""},
			{"a limit that is no number", "10.0.0.2:80", "10.0.0.9", []string{hopFrom("other"), "Backhand-Limit: 1e0"}, ""},
			{"a limit below zero", "10.0.0.2:80", "10.0.0.9", []string{hopFrom("other"), "Backhand-Limit: -1"}, ""},
			{"two limits", "10.0.0.2:80", "10.0.0.9", []string{hopFrom("other"), "Backhand-Limit: 1", "Backhand-Limit: 1"}, ""},
			{"another spelling", "10.0.0.2:80", "10.0.0.9", []string{hopFrom("other"), "Backhand_Limit: 1"}, ""},
			{"a client's limit at the agent", "10.0.0.2:80", clientAddr, []string{"Backhand-Limit: 1", "Backhand-Load: n=1 c=1 mu=1"}, ""},
			{"a client's limit at the front", frontAddr, clientAddr, []string{"Backhand-Limit: 1", "Backhand-Load: n=1 c=1 mu=1"}, ""},
			{"a limit with a hop that is not believed", "10.0.0.2:80", clientAddr, []string{hopFrom("other"), "Backhand-Limit: 9"}, "hop"},
		} {
			got := l.sendTo(tc.to, tc.from, request("GET", "/", tc.fields...))
			if refused := got.Header.Get("Backhand-Refused"); refused != tc.refused || refused == "" && got.body != "www1 0" {
				t.Errorf("%s: %d, refused %q, %q", tc.what, got.StatusCode, refused, got.body)
			}
			load := got.Header["Backhand-Load"]
			if over := tc.from == "10.0.0.9"; len(load) > 1 || (len(load) == 1) != over {
				t.Errorf("%s: the load is said as %q", tc.what, load)
			}
		}
	})
}

// An origin all of whose connections are in use is no reason to keep a request that another member can take.
func TestFullQueueOnAHop(t *testing.T) {
	inLab(t, func(t *testing.T, l *lab) {
		a := newThreeAgents(l)
		full := *a.origins["www1"]
		full.Reach = Reach{Conns: 2, Queue: 10 * time.Millisecond}
		l.handler["www1"].SetSite(&Site{Origins: []*Origin{&full}})
		a.busy(1, 2)
		got := l.sendTo("10.0.0.2:80", "10.0.0.9", request("GET", "/", hopFrom("other")))
		if got.StatusCode != 503 || got.Header.Get("Backhand-Refused") != "busy" || got.Header.Get("Backhand-Load") != "n=2 c=4 mu=0" {
			t.Errorf("%d %v %q", got.StatusCode, got.Header, got.body)
		}
		a.front.SetSite(l.toWeb("order www1 www2"))
		if got, o := l.get("/"), l.outcome(); got.body != "www2 0" || o.Refusals != 1 || o.Attempts != 1 {
			t.Errorf("%q after %d refusals and %d attempts", got.body, o.Refusals, o.Attempts)
		}
		time.Sleep(time.Second)
		var m node.Service
		if full.Meter.Read(&m, time.Now()); m.Errors != 0 || m.InFlight != 2 || m.Refusals == 0 {
			t.Errorf("the meter says %+v", m)
		}
	})
}

func TestBrake(t *testing.T) {
	start := time.Date(2000, 1, 1, 0, 0, 0, 900_000_000, time.UTC)
	at := func(ms int) time.Time { return start.Add(time.Duration(ms) * time.Millisecond) }
	count := func(b *brake, ms, requests, refusals int) {
		for range requests {
			b.request(at(ms))
		}
		for range refusals {
			b.refusal(at(ms))
		}
	}
	b := &brake{since: start}
	for _, tc := range []struct {
		what               string
		ms                 int
		requests, refusals int
		want               float64 // at that time, before they come
	}{
		{"at first", 0, 10, 10, 1},
		{"as many refusals as requests", 1000, 10, 11, 1},
		{"more refusals than requests, in the second that goes on", 1999, 0, 0, 1},
		{"in the second behind it", 2000, 10, 25, 2},
		{"at its end", 2999, 0, 0, 2},
		{"and still", 3000, 10, 9, 2},
		{"when it is over", 4000, 1, 5, 1},
		{"nothing for a while", 6000, 1, 5, 1},
		{"on again", 7000, 0, 0, 2},
		{"a clock that went back changes nothing", 100, 0, 0, 2},
		{"long afterwards", 1000_000, 0, 0, 1},
	} {
		if got := b.factor(at(tc.ms)); got != tc.want {
			t.Errorf("%s: limits are multiplied by %v, want %v", tc.what, got, tc.want)
		}
		count(b, tc.ms, tc.requests, tc.refusals)
	}
}

// The brake sees what goes over the wire, and what it says goes there.
func TestBrakeLoosensLimits(t *testing.T) {
	inLab(t, func(t *testing.T, l *lab) {
		a := newThreeAgents(l)
		a.busy(1, 3)
		a.busy(2, 3)
		a.busy(3, 1)
		a.front.SetSite(l.toWeb("order www1 www2 www3", "limit 2 3"))
		time.Sleep(time.Until(a.front.brake.since.Add(10 * time.Second)))
		for i, want := range []string{"www3 0", "www1 0", "www3 0"} {
			if got := l.get("/"); got.body != want {
				t.Errorf("second %d: %q, want %q", i, got.body, want)
			}
			time.Sleep(time.Second)
		}
	})
}

func TestPrediction(t *testing.T) {
	inLab(t, func(t *testing.T, l *lab) {
		a := newThreeAgents(l)
		l.addPhysical("web", "p", "http://127.0.0.1:8089")
		l.rawMember("127.0.0.1:8089", func(_ int, c net.Conn, r *bufio.Reader) { says(200, "p")(0, c, r) })
		for _, n := range l.nodes {
			n.Sequence = 7
		}
		snap := l.snapshot("front")
		a.front.cfg.Snapshot = func() *node.Snapshot { return snap }
		for _, tc := range []struct {
			what, who string
			chain     []string
			want      int64
		}{
			{"a node", "www1", []string{"order www1 www2", "predict"}, 1},
			{"once more", "www1", []string{"order www1", "predict"}, 2},
			{"a chain that does not want it", "www1", []string{"order www1"}, 2},
			{"the client goes there itself", "www2", []string{"order www2", "predict", "redirect www2"}, 1},
			{"a node that cannot be connected to", "dead", []string{"order dead", "predict"}, 1},
			{"a physical, which has no beats", "p", []string{"order p", "predict"}, 0},
			{"nobody", "www3", []string{"order nobody", "predict"}, 0},
		} {
			a.front.SetSite(l.toWeb(tc.chain...))
			a.front.Explain(Question{Target: "/"})
			l.get("/")
			if got := l.liveOf("web", tc.who).Predicted(7); got != tc.want {
				t.Errorf("%s: %d are predicted, want %d", tc.what, got, tc.want)
			}
			if got := l.liveOf("web", tc.who).Predicted(8); got != 0 {
				t.Errorf("%s: %d are predicted for another beat", tc.what, got)
			}
		}
	})
}
