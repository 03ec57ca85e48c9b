package agent

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strconv"
	"strings"
	"testing"
	"time"

	"backhand/agent/config"
	"backhand/candidacy"
	"backhand/gossip"
	"backhand/gossip/heartbeat"
	"backhand/gossip/node"
	"backhand/status"
)

// apache is what stands for Apache's cluster modules, on loopback: mod_heartbeat by Send, mod_heartmonitor by what is heard.
type apache struct {
	gossip.Transport
	group string
	heard chan string
}

func newApache(t *testing.T) *apache {
	t.Helper()
	_, port, _ := net.SplitHostPort(freePort(t))
	d, err := gossip.ParseDestination("239.0.1.1:" + port + ",0")
	if err != nil {
		t.Fatal(err)
	}
	tr, err := gossip.Open(d, gossip.SocketConfig{Source: netip.MustParseAddr("127.0.0.1")})
	if err != nil {
		t.Fatal(err)
	}
	a := &apache{Transport: tr, group: d.String(), heard: make(chan string, 1000)}
	done := make(chan struct{})
	go func() {
		defer close(done)
		buf := make([]byte, 2000)
		for {
			n, _, err := tr.Receive(buf)
			if errors.Is(err, net.ErrClosed) {
				return
			}
			select {
			case a.heard <- string(buf[:n]):
			default:
			}
		}
	}()
	t.Cleanup(func() {
		_ = tr.Close()
		<-done
	})
	return a
}

// beat announces a web server on loopback once a tenth of a second until the test ends, or stop is called.
func (a *apache) beat(t *testing.T, text string) (stop func()) {
	quit, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(100 * time.Millisecond)
		defer tick.Stop()
		for {
			_ = a.Send([]byte(text))
			select {
			case <-quit:
				return
			case <-tick.C:
			}
		}
	}()
	var stopped bool
	stop = func() {
		if !stopped {
			stopped = true
			close(quit)
			<-done
		}
	}
	t.Cleanup(stop)
	return stop
}

// announced waits until the agent with that port says so.
func (a *apache) announced(f *fixture, want string) {
	f.t.Helper()
	_, port, _ := net.SplitHostPort(strings.TrimPrefix(f.url, "http://"))
	want += "&port=" + port
	f.eventually(func() error {
		for {
			select {
			case got := <-a.heard:
				if got == want {
					return nil
				}
			default:
				return fmt.Errorf("mod_heartmonitor does not hear %q", want)
			}
		}
	})
}

func portOf(t *testing.T, s *httptest.Server) int {
	t.Helper()
	_, port, _ := net.SplitHostPort(s.Listener.Addr().String())
	n, err := strconv.Atoi(port)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// rowOf returns the row of the server on that port, of the farm.
func (f *fixture) rowOf(port int) (row status.Row, ok bool) {
	f.t.Helper()
	v, err := f.client().View(f.t.Context())
	if err != nil {
		f.t.Fatal(err)
	}
	for _, r := range v.Rows {
		if strings.HasSuffix(r.Address, ":"+strconv.Itoa(port)) && r.Farm != "" {
			return r, true
		}
	}
	return row, false
}

func TestHostThatApacheAnnouncesServes(t *testing.T) {
	a, o := newApache(t), origin(t, "o1")
	port := portOf(t, o)
	f := start(t, fmt.Sprintf(`{head}
[gossip]
accept = ["127.0.0.0/8"]
[heartbeat]
listen = %q
farm = "web"
port = %d
capacity = 3
[[route]]
path = "/"
farm = "web"
when_empty = "503"
`, a.group, port), Options{})
	if code, _ := f.get("/x"); code != 503 {
		t.Errorf("before anybody was heard: %d", code)
	}
	a.beat(t, "v=1&ready=5&busy=2")
	f.eventually(func() error {
		code, body := f.get("/x")
		if code != 200 || !strings.HasPrefix(body, "o1 127.0.0.1") {
			return fmt.Errorf("%d %s", code, body)
		}
		return nil
	})
	r, ok := f.rowOf(port)
	if !ok || !r.Untrusted || !r.Direct || r.State != status.Up || r.Name != "127.0.0.1" || r.Seal != nil ||
		r.Service.Workers != 7 || r.Service.InFlight != 2 || r.Service.Slots != 3 {
		t.Errorf("the page has %+v, %+v", r, r.Service)
	}
	if _, page := f.get("/backhand/"); !strings.Contains(page, `<span class="tag">untrusted</span>`) {
		t.Error("the page does not mark it as untrusted")
	}
	_ = a.Send([]byte("v=1&ready=none&busy=2"))
	f.eventually(func() error {
		_, metrics := f.get("/backhand/metrics")
		if !strings.Contains(metrics, `backhand_beats_rejected_total{reason="heartbeat_malformed"} 1`) {
			return errors.New("the metrics do not tell of what is no heartbeat")
		}
		return nil
	})

	// A reload turns it off and on again, and keeps who is known if only the farm changes.
	f.reloads(t, "{head}\n")
	if _, ok := f.rowOf(port); ok {
		t.Error("without [heartbeat] the host is still there")
	}
	if _, metrics := f.get("/backhand/metrics"); strings.Contains(metrics, "heartbeat_") {
		t.Error("without [heartbeat] there are metrics of it")
	}
	again := "{head}\n[gossip]\naccept = [\"127.0.0.0/8\"]\n[heartbeat]\nlisten = %q\nfarm = %q\nport = %d\n"
	f.reloads(t, fmt.Sprintf(again, a.group, "shop", port))
	f.eventually(func() error {
		if r, ok := f.rowOf(port); !ok || r.Farm != "shop" {
			return fmt.Errorf("after a reload: %+v", r)
		}
		return nil
	})
	links := f.heartbeat.Links()
	f.reloads(t, fmt.Sprintf(again, a.group, "web", port))
	if r, ok := f.rowOf(port); !ok || r.Farm != "web" || f.heartbeat.Links() != links {
		t.Errorf("after a change of the farm alone: %+v", r)
	}
}

func (f *fixture) reloads(t *testing.T, text string) {
	t.Helper()
	f.write(text)
	if err := f.client().Do(t.Context(), "reload"); err != nil {
		t.Fatal(err)
	}
}

// announcing is an agent that tells Apache of its origin.
const announcing = `{head}
[[serve]]
farm = "web"
origin = %q
capacity = 8
%s
[gossip]
accept = ["127.0.0.0/8"]
[heartbeat]
listen = %q
send = %q
`

func TestApacheHearsThisHost(t *testing.T) {
	a, o := newApache(t), origin(t, "o1")
	f := start(t, fmt.Sprintf(announcing, o.URL, "", a.group, a.group), Options{})
	a.announced(f, "v=1&ready=8&busy=0")
	if l := f.heartbeat.Links(); l.Listen != l.Send {
		t.Error("one group takes two sockets")
	}
	v, err := f.client().View(t.Context())
	if err != nil || len(v.Rows) != 1 || v.Rows[0].Untrusted {
		t.Errorf("it takes its own announcement for another host: %+v, %v", v.Rows, err)
	}
	if err := f.client().Do(t.Context(), "drain"); err != nil {
		t.Fatal(err)
	}
	a.announced(f, "v=1&ready=0&busy=0")
	if err := f.client().Do(t.Context(), "undrain"); err != nil {
		t.Fatal(err)
	}
	f.reloads(t, fmt.Sprintf(announcing, o.URL, "workers = 150", a.group, a.group))
	a.announced(f, "v=1&ready=150&busy=0")
	o.Close()
	a.announced(f, "v=1&ready=0&busy=0")
}

func TestLastWordToApache(t *testing.T) {
	a, o := newApache(t), origin(t, "o1")
	f := start(t, fmt.Sprintf(announcing, o.URL, "", a.group, a.group), Options{})
	a.announced(f, "v=1&ready=8&busy=0")
	f.stop()
	if err := f.ended(); err != nil {
		t.Fatal(err)
	}
	a.announced(f, "v=1&ready=0&busy=0")
}

func TestWorkers(t *testing.T) {
	now := time.Unix(1, 0)
	busy := func(s *serve, n int) *serve {
		for range n {
			_ = s.meter.Begin(now)
		}
		return s
	}
	f := prepare(t, "")
	o := origin(t, "o1")
	for _, row := range []struct {
		what  string
		serve string
		n     int
		want  heartbeat.Message
	}{
		{"slots, where workers are not known", "capacity = 2.5", 2, heartbeat.Message{Ready: 1, Busy: 2}},
		{"workers of the file", "capacity = 2.5\nworkers = 150", 30, heartbeat.Message{Ready: 120, Busy: 30}},
		{"more requests than workers", "workers = 2", 3, heartbeat.Message{Ready: 1, Busy: 3}},
	} {
		f.write("{head}\n[[serve]]\nfarm = \"web\"\norigin = \"" + o.URL + "\"\n" + row.serve)
		cfg, err := config.Load(f.file, candidacy.Builtin())
		if err != nil {
			t.Fatal(err)
		}
		serves, err := newServes(cfg.Serve, nil)
		if err != nil {
			t.Fatal(err)
		}
		if got := heartbeat.Announce(busy(serves[0], row.n).workers(now)); got != row.want {
			t.Errorf("%s: %+v, want %+v", row.what, got, row.want)
		}
	}
}

func TestNeighboursThatCannotBeOpened(t *testing.T) {
	o := origin(t, "o1")
	taken := listenOn(t, "tcp", "127.0.0.1:0")
	f := prepare(t, "")
	f.write(fmt.Sprintf(checked, o.URL, taken.Addr(), "127.0.0.1"))
	err := f.open(Options{})
	if err == nil || !strings.Contains(err.Error(), "agent_check: listen "+taken.Addr().String()+": the port is in use") {
		t.Errorf("got %v", err)
	}
	// Nothing stays open: the same file works once the port is free.
	_ = taken.Close()
	if err := f.open(Options{}); err != nil {
		t.Fatal(err)
	}
	f.run()
}

func TestNodeIsNotShadowedByItsOwnHeartbeat(t *testing.T) {
	// Where all agents listen to the group that they announce to, each hears all; they must be listed once.
	a, o := newApache(t), origin(t, "o1")
	f := start(t, fmt.Sprintf(announcing, o.URL, "", a.group, a.group), Options{})
	_, port, _ := net.SplitHostPort(strings.TrimPrefix(f.url, "http://"))
	a.beat(t, "v=1&ready=75&busy=0&port="+port)
	a.beat(t, "v=1&ready=75&busy=0&port=1")
	f.eventually(func() error {
		if len(f.heartbeat.AppendNodes(nil, time.Now(), nil)) < 2 {
			return errors.New("not heard yet")
		}
		return nil
	})
	f.waitForMerge(t.Context())
	var trusted, untrusted []string
	for _, n := range f.Snapshot().Nodes {
		list := &trusted
		if n.Untrusted {
			list = &untrusted
		}
		*list = append(*list, n.Addr.String())
	}
	if len(trusted) != 1 || len(untrusted) != 1 || untrusted[0] != "127.0.0.1:1" || f.Snapshot().Node(f.state.id) == nil {
		t.Errorf("nodes %v, hosts %v", trusted, untrusted)
	}
	if f.self.Load().State != node.Up {
		t.Error("it is not up")
	}
}

// An agent that only announces sees no requests, and knows of them by the status page.
func TestAnnounceToNeighbours(t *testing.T) {
	a, addr := newApache(t), freePort(t)
	o := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, "BusyWorkers: 30\nIdleWorkers: 120\n")
	}))
	defer o.Close()
	f := prepare(t, "")
	f.write(fmt.Sprintf(`{head}
[[serve]]
farm = "web"
origin = %q
status_url = "%s/?auto"
[agent_check]
listen = %q
allow = ["127.0.0.1"]
[heartbeat]
send = %q
`, o.URL, o.URL, addr, a.group))
	if err := f.open(Options{Announce: true}); err != nil {
		t.Fatal(err)
	}
	f.run()
	a.announced(f, "v=1&ready=120&busy=30")
	f.hears(addr, "80% up ready\n")
}

// A front that knows of members by heartbeats alone takes no request before it has heard them.
func TestStartingFrontHearsApacheFirst(t *testing.T) {
	a, o := newApache(t), origin(t, "o1")
	a.beat(t, "v=1&ready=5&busy=2")
	f := start(t, fmt.Sprintf(`{head}
[gossip]
accept = ["127.0.0.0/8"]
[heartbeat]
listen = %q
farm = "web"
port = %d
[[route]]
path = "/"
farm = "web"
when_empty = "503"
`, a.group, portOf(t, o)), Options{})
	if code, body := f.get("/x"); code != 200 {
		t.Errorf("the first request is answered with %d %s", code, body)
	}
}
