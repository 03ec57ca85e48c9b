//go:build linux

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"backhand/agent/agenttest"
	"backhand/gossip/gossiptest/lab"
	"backhand/status"
)

// seedCluster is the example that the project starts from, on hosts of their own: a pure balancer, Apache with mod_php on two hosts,
// nginx on one, the agent on all four.
type seedCluster struct {
	t       *testing.T
	lab     *lab.Lab
	dir     string
	program string
	front   *lab.Host
	visitor *lab.Host
	members []*lab.Host
	origins []*agenttest.Origin
	agents  map[string]*lab.Process
	files   map[string]string
	gossip  string // more lines of [gossip]
}

func startSeedCluster(t *testing.T) *seedCluster {
	lab.Need(t, "root", "ip", "nft", "apache2", "php", "nginx")
	l := lab.New(t, 5)
	c := &seedCluster{
		t: t, lab: l, dir: t.TempDir(), program: agenttest.BuildAgent(t), front: l.Host(1), visitor: l.Host(5),
		members: []*lab.Host{l.Host(2), l.Host(3), l.Host(4)},
		agents:  map[string]*lab.Process{}, files: map[string]string{},
	}
	c.origins = []*agenttest.Origin{
		agenttest.StartApache(t, c.members[0], site("")), // which sees the client's address in X-Forwarded-For
		// The very lines that the README gives: mod_remoteip makes the address REMOTE_ADDR, and takes it out of the field.
		agenttest.StartApache(t, c.members[1], site("RemoteIPHeader X-Forwarded-For\nRemoteIPInternalProxy 127.0.0.1\n")),
		agenttest.StartNginx(t, c.members[2], site("set_real_ip_from 127.0.0.1;\nreal_ip_header X-Forwarded-For;\n")),
	}
	for _, h := range c.members {
		c.start(t, h, "run", `
[[serve]]
farm   = "web"
origin = "http://127.0.0.1:8080"

[[listen]]
address = ":80"
`)
	}
	c.start(t, c.front, "run", `
[[listen]]
address = ":80"

[[route]]
path  = "/"
farm  = "web"
chain = ["removeSelf", "byAge 6", "byRandom", "byLogWindow", "byLoad"]

[status]
allow = ["127.0.0.0/8", "10.58.4.0/24"]
`)
	c.waitFor(t, map[string]status.State{c.members[0].Name: "up", c.members[1].Name: "up", c.members[2].Name: "up"})
	return c
}

func site(config string) agenttest.Site { return agenttest.Site{Config: config} }

// start starts an agent at a host, with what is the same on all of them before the rest of its file.
func (c *seedCluster) start(t *testing.T, h *lab.Host, command, rest string) {
	t.Helper()
	file := filepath.Join(c.dir, h.Name+".toml")
	text := fmt.Sprintf(`cluster = "web"

[node]
address   = "%s:80"
name      = %q
state_dir = %q

[gossip]
send   = ["239.255.221.20:4445,1"]
accept = ["10.58.4.0/24"]
%s
%s`, h.Addr, h.Name, filepath.Join(c.dir, h.Name), c.gossip, rest)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	p := h.Start(t, c.program, command, "--config", file)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := p.WaitFor(ctx, "running"); err != nil {
		t.Fatalf("the agent at %s: %v:\n%s", h.Name, err, p.Output())
	}
	c.agents[h.Name], c.files[h.Name] = p, file
}

// client is a browser's place on the network: a host that has no agent.
func (c *seedCluster) client() *lab.Host { return c.visitor }

func (c *seedCluster) url(path string) string { return "http://" + c.front.Addr.String() + path }

// view asks the front what it sees.
func (c *seedCluster) view(t *testing.T) (v status.View) {
	t.Helper()
	res, err := c.client().HTTPClient(t).Get(c.url("/backhand/view.json"))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("view.json: %v %v: %s", res.Status, err, body)
	}
	if err := json.Unmarshal(body, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

// waitFor waits until the front sees these members in these states.
func (c *seedCluster) waitFor(t *testing.T, want map[string]status.State) {
	t.Helper()
	lab.Eventually(t, 15*time.Second, func() error {
		seen := map[string]status.State{}
		for _, r := range c.view(t).Rows {
			if r.Farm != "" {
				seen[r.Name] = r.State
			}
		}
		for name, state := range want {
			if seen[name] != state {
				return fmt.Errorf("the front sees %v, want %v", seen, want)
			}
		}
		return nil
	})
}

// load is a steady stream of requests of several methods, and what became of each.
type loadRun struct {
	mu      sync.Mutex
	results []result
	stop    context.CancelFunc
	done    chan struct{}
}

type result struct {
	at     time.Time // when it was sent
	method string
	label  string // of the origin that answered
	err    error
}

// startLoad sends requests from the client's host through the front, a few at a time, until it is stopped.
func (c *seedCluster) startLoad(t *testing.T, methods ...string) *loadRun {
	ctx, cancel := context.WithCancel(t.Context())
	l := &loadRun{stop: cancel, done: make(chan struct{})}
	client := c.client().HTTPClient(t)
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() {
			tick := time.NewTicker(20 * time.Millisecond) // 200 requests a second in all
			defer tick.Stop()
			for i := w; ; i++ {
				select {
				case <-ctx.Done():
					return
				case <-tick.C:
				}
				l.add(c.request(client, methods[i%len(methods)]))
			}
		})
	}
	go func() { wg.Wait(); close(l.done) }()
	t.Cleanup(func() { cancel(); <-l.done })
	return l
}

func (c *seedCluster) request(client *http.Client, method string) result {
	r := result{at: time.Now(), method: method}
	var body io.Reader
	if method == http.MethodPost || method == http.MethodPut {
		body = strings.NewReader("a=1")
	}
	req, err := http.NewRequest(method, c.url("/whoami.php?q=a;b"), body)
	if err == nil {
		var res *http.Response
		if res, err = client.Do(req); err == nil {
			var a agenttest.Answer
			if a, err = agenttest.ReadAnswer(res); err == nil && a.Method != method {
				err = fmt.Errorf("the origin saw method %q", a.Method)
			}
			r.label = a.Label
		}
	}
	r.err = err
	return r
}

func (l *loadRun) add(r result) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.results = append(l.results, r)
}

// end stops the load and returns all results.
func (l *loadRun) end() []result {
	l.stop()
	<-l.done
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.results
}

// more waits until that many more requests were answered, which takes as long as it takes.
func (l *loadRun) more(t *testing.T, n int) {
	t.Helper()
	l.mu.Lock()
	want := len(l.results) + n
	l.mu.Unlock()
	lab.Eventually(t, 30*time.Second, func() error {
		l.mu.Lock()
		defer l.mu.Unlock()
		if len(l.results) < want {
			return fmt.Errorf("%d of %d requests ended", len(l.results), want)
		}
		return nil
	})
}

// check fails the test for every request that failed since then, and returns how many each origin served.
func check(t *testing.T, results []result, since time.Time) map[string]int {
	t.Helper()
	by, failed := map[string]int{}, 0
	for _, r := range results {
		switch {
		case r.at.Before(since):
		case r.err == nil:
			by[r.label]++
		case failed < 10:
			t.Errorf("%s, sent at %s: %v", r.method, r.at.Format("15:04:05.000"), r.err)
			failed++
		default:
			failed++
		}
	}
	if failed > 0 {
		t.Errorf("%d of %d requests failed", failed, len(results))
	}
	return by
}

func TestSeedClusterOnRealHosts(t *testing.T) {
	c := startSeedCluster(t)
	t.Run("requests are spread over the three", c.spread)
	t.Run("a PHP page sees the client's address", c.clientAddress)
	t.Run("nobody outside accept becomes a candidate, and is counted", c.foreigner)
	t.Run("no request of any method fails when Apache is stopped on one of three", c.originStops)
	t.Run("a member whose cable is pulled is out of the chain within byAge, and comes back by itself", c.cable)
	t.Run("a draining member gets no new requests", c.drain)
	t.Run("an agent that is asked to stop loses no request", c.leaves)
}

func (c *seedCluster) spread(t *testing.T) {
	l := c.startLoad(t, http.MethodGet)
	l.more(t, 300)
	by := check(t, l.end(), time.Time{})
	for _, h := range c.members {
		if by[h.Name] < 30 {
			t.Errorf("%s served %d requests of 300; in all: %v", h.Name, by[h.Name], by)
		}
	}
}

func (c *seedCluster) clientAddress(t *testing.T) {
	browser := c.client().HTTPClient(t)
	seen := map[string]bool{}
	lab.Eventually(t, 10*time.Second, func() error {
		req, err := http.NewRequest(http.MethodGet, c.url("/whoami.php"), nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("X-Forwarded-For", "203.0.113.66") // a lie
		req.Host = "shop.example"
		res, err := browser.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		a, err := agenttest.ReadAnswer(res)
		if err != nil {
			t.Fatal(err)
		}
		client := c.client().Addr.String()
		want := map[string][2]string{ // REMOTE_ADDR, X-Forwarded-For
			c.members[0].Name: {"127.0.0.1", client}, c.members[1].Name: {client, ""}, c.members[2].Name: {client, client},
		}[a.Label]
		if got := [2]string{a.RemoteAddr, a.ForwardedFor}; got != want {
			t.Errorf("%s saw REMOTE_ADDR and X-Forwarded-For %q, want %q", a.Label, got, want)
		}
		if a.Host != "shop.example" {
			t.Errorf("%s saw Host %q", a.Label, a.Host)
		}
		if seen[a.Label] = true; len(seen) < len(c.members) {
			return fmt.Errorf("only %v have answered", seen)
		}
		return nil
	})
}

func (c *seedCluster) foreigner(t *testing.T) {
	foreign := c.lab.AddForeign(netip.MustParsePrefix("192.168.77.9/24"))
	before := rejected(c.view(t), "cidr")
	c.startForeign(t, foreign)
	lab.Eventually(t, 10*time.Second, func() error {
		v := c.view(t)
		if n := rejected(v, "cidr"); n < before+3 {
			return fmt.Errorf("%d beats were rejected for their address, %d before", n, before)
		}
		for _, r := range v.Rows {
			if strings.HasPrefix(r.Address, foreign.Addr.String()) {
				t.Errorf("the stranger has a row: %+v", r)
			}
		}
		return nil
	})
}

// startForeign starts an agent that is in the same cluster but for its address. It believes everybody.
func (c *seedCluster) startForeign(t *testing.T, h *lab.Host) {
	file := filepath.Join(c.dir, "foreign.toml")
	text := fmt.Sprintf(`cluster = "web"
[node]
address   = "%s:80"
state_dir = %q
[gossip]
send   = ["239.255.221.20:4445,1"]
accept = ["0.0.0.0/0"]
[[serve]]
farm   = "web"
origin = "http://127.0.0.1:8080"
[[listen]]
address = ":80"
`, h.Addr, filepath.Join(c.dir, "foreign"))
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	h.Start(t, c.program, "run", "--config", file)
}

func rejected(v status.View, reason string) uint64 {
	i := slices.IndexFunc(v.Beats.Rejected, func(c status.Count) bool { return c.Name == reason })
	if i < 0 {
		return 0
	}
	return v.Beats.Rejected[i].N
}

func (c *seedCluster) originStops(t *testing.T) {
	victim := c.members[0].Name
	l := c.startLoad(t, http.MethodGet, http.MethodPost, http.MethodPut, http.MethodDelete)
	l.more(t, 100)
	c.origins[0].Finish(t) // as systemctl stop apache2 does
	stopped := time.Now()
	c.waitFor(t, map[string]status.State{victim: status.Down})
	l.more(t, 200)
	c.origins[0].Start(c.t) // it outlives this subtest
	c.waitFor(t, map[string]status.State{victim: status.Up})
	l.more(t, 200)
	results := l.end()
	check(t, results, time.Time{})
	after := slices.IndexFunc(results, func(r result) bool { return r.label == victim && r.at.After(stopped) })
	if after < 0 {
		t.Errorf("%s served nothing after it was back", victim)
	}
}

func (c *seedCluster) cable(t *testing.T) {
	victim := c.members[1]
	l := c.startLoad(t, http.MethodGet, http.MethodPost)
	l.more(t, 100)
	c.lab.Cut(victim.Number)
	cut := time.Now()
	// byAge 6, and a beat that was on its way.
	judged := cut.Add(7 * time.Second)
	lab.Eventually(t, 10*time.Second, func() error {
		if left := time.Until(judged); left > 0 {
			return fmt.Errorf("%v to go", left)
		}
		return nil
	})
	l.more(t, 200)
	c.waitFor(t, map[string]status.State{victim.Name: status.Stale})
	c.page(t, map[string]string{victim.Name: "stale"})
	healed := time.Now()
	c.lab.Heal(victim.Number)
	c.waitFor(t, map[string]status.State{victim.Name: status.Up})
	l.more(t, 200)
	results := l.end()
	check(t, results, judged)
	for _, r := range results {
		if r.label == victim.Name && r.at.After(judged) && r.at.Before(healed) {
			t.Errorf("%s was chosen %v after its cable was pulled", victim.Name, r.at.Sub(cut))
		}
	}
	if !slices.ContainsFunc(results, func(r result) bool { return r.label == victim.Name && r.at.After(healed) }) {
		t.Errorf("%s served nothing after its cable was back", victim.Name)
	}
}

func (c *seedCluster) drain(t *testing.T) {
	h := c.members[2]
	c.command(t, h, "drain")
	c.waitFor(t, map[string]status.State{h.Name: status.Draining})
	l := c.startLoad(t, http.MethodGet, http.MethodPost)
	l.more(t, 200)
	if by := check(t, l.end(), time.Time{}); by[h.Name] != 0 {
		t.Errorf("a draining member served %d of %v", by[h.Name], by)
	}
	c.command(t, h, "undrain")
	c.waitFor(t, map[string]status.State{h.Name: status.Up})
}

func (c *seedCluster) leaves(t *testing.T) {
	h := c.members[1]
	l := c.startLoad(t, http.MethodGet, http.MethodPost, http.MethodPut)
	l.more(t, 100)
	p := c.agents[h.Name]
	p.Stop(t)
	if code := p.ExitCode(); code != 0 {
		t.Errorf("the agent ended with %d, want 0:\n%s", code, p.Output())
	}
	l.more(t, 200)
	check(t, l.end(), time.Time{})
}

// command runs a command of the program at a host, for the agent there.
func (c *seedCluster) command(t *testing.T, h *lab.Host, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	out, err := h.Command(ctx, c.program, append(args, "--config", c.files[h.Name])...).CombinedOutput()
	if err != nil {
		t.Fatalf("backhand %v at %s: %v:\n%s", args, h.Name, err, out)
	}
	return string(out)
}

func TestAnnounceBesideAnApacheThatKeepsPort80(t *testing.T) {
	lab.Need(t, "root", "ip", "nft", "apache2", "php")
	l := lab.New(t, 3)
	c := &seedCluster{
		t: t, lab: l, dir: t.TempDir(), program: agenttest.BuildAgent(t), front: l.Host(1), visitor: l.Host(3),
		agents: map[string]*lab.Process{}, files: map[string]string{},
	}
	h := l.Host(2)
	agenttest.StartApache(t, h, agenttest.Site{
		Addr:   netip.AddrPortFrom(h.Addr, 80),
		Config: "RemoteIPHeader X-Forwarded-For\nRemoteIPInternalProxy " + c.front.Addr.String() + "\n",
	})
	c.start(t, h, "announce", fmt.Sprintf(`
[[serve]]
farm       = "web"
origin     = "http://%s:80"
status_url = "http://%s:80/server-status?auto"
`, h.Addr, h.Addr))
	c.start(t, c.front, "run", `
[[listen]]
address = ":80"

[[route]]
path  = "/"
farm  = "web"
chain = ["byAge 6", "byBusyChildren"]

[status]
allow = ["127.0.0.0/8", "10.58.4.0/24"]
`)
	lab.Eventually(t, 10*time.Second, func() error {
		for _, r := range c.view(t).Rows {
			if r.Name == h.Name && r.Candidate && r.Direct && r.Service.Workers > 0 {
				return nil
			}
		}
		return fmt.Errorf("the front does not see %s, or not its workers", h.Name)
	})
	res, err := l.Host(3).HTTPClient(t).Get(c.url("/whoami.php"))
	if err != nil {
		t.Fatal(err)
	}
	a, err := agenttest.ReadAnswer(res)
	if err != nil {
		t.Fatal(err)
	}
	if a.Label != h.Name || a.RemoteAddr != l.Host(3).Addr.String() {
		t.Errorf("answered by %q for %q, want %q for %q", a.Label, a.RemoteAddr, h.Name, l.Host(3).Addr)
	}
}
