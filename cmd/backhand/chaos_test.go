//go:build linux

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"backhand/agent/agenttest"
	"backhand/gossip/gossiptest/lab"
	"backhand/status"
)

// chaos is a front and three members with an origin each, which trouble comes over while requests of all kinds go
// through.
type chaos struct {
	*seedCluster
	load    *chaosLoad
	log     string // of what the origins were asked
	origins map[string]*lab.Process
	rest    map[string]string // of the agents' files
	ended   []*lab.Process
}

func startChaos(t *testing.T) *chaos {
	lab.Need(t, "root", "ip", "nft")
	l := lab.New(t, 5)
	dir := t.TempDir()
	c := &chaos{
		seedCluster: &seedCluster{
			t: t, lab: l, dir: dir, program: agenttest.BuildAgent(t), front: l.Host(1), visitor: l.Host(5),
			members: []*lab.Host{l.Host(2), l.Host(3), l.Host(4)}, agents: map[string]*lab.Process{}, files: map[string]string{},
		},
		log: filepath.Join(dir, "asked"), origins: map[string]*lab.Process{}, rest: map[string]string{},
	}
	const short = `
[proxy]
connect       = "500ms"
response_head = "2s"
response_idle = "4s"
drain         = "2s"

[status]
allow = ["127.0.0.0/8", "10.58.4.0/24"]
`
	up := map[string]status.State{}
	for _, h := range c.members {
		c.startOrigin(h)
		c.rest[h.Name] = `
[[serve]]
farm   = "web"
origin = "http://127.0.0.1:8080"

[[listen]]
address = ":80"
` + short
		c.startAgent(h)
		up[h.Name] = "up"
	}
	c.rest[c.front.Name] = fmt.Sprintf(`
[[listen]]
address = ":80"

[[route]]
path = "/"
farm = "web"

# Through which member a tunnel goes must not depend on who is the fastest.
[[route]]
path  = "/talk"
farm  = "web"
chain = ["byAge 6b", "byRandom"]

[log]
access = %q
format = "json"
`, filepath.Join(dir, "front.log")) + short
	c.startAgent(c.front)
	c.waitFor(t, up)
	return c
}

func (c *chaos) startOrigin(h *lab.Host) {
	c.t.Helper()
	exe, err := os.Executable()
	if err != nil {
		c.t.Fatal(err)
	}
	cmd := h.Command(context.Background(), exe, "-test.run=^TestChaosOriginProcess$")
	cmd.Env = append(os.Environ(), chaosOrigin+"=127.0.0.1:8080", chaosLabel+"="+h.Name, chaosLog+"="+c.log)
	p := lab.Start(c.t, cmd)
	c.says(p, "an origin is running")
	c.origins[h.Name] = p
}

func (c *chaos) startAgent(h *lab.Host) {
	c.t.Helper()
	if old := c.agents[h.Name]; old != nil {
		c.ended = append(c.ended, old)
	}
	c.start(c.t, h, "run", c.rest[h.Name])
}

func (c *chaos) says(p *lab.Process, what string) {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), 10*time.Second)
	defer cancel()
	if err := p.WaitFor(ctx, what); err != nil {
		c.t.Fatal(err)
	}
}

// kill ends a process at once.
func (c *chaos) kill(p *lab.Process) {
	c.t.Helper()
	if err := p.Signal(syscall.SIGKILL); err != nil {
		c.t.Fatal(err)
	}
	<-p.Done()
}

// pass lets the load run for a while.
func (c *chaos) pass(d time.Duration) {
	select {
	case <-time.After(d):
	case <-c.t.Context().Done():
	}
}

// comesBack waits until the front sees the member up, and a little longer.
func (c *chaos) comesBack(h *lab.Host) {
	c.t.Helper()
	c.waitFor(c.t, map[string]status.State{h.Name: "up"})
	c.pass(time.Second)
}

func TestChaos(t *testing.T) {
	c := startChaos(t)
	a, b, stopped := c.members[0], c.members[1], c.members[2]
	c.load = startChaosLoad(t, c.visitor, c.front.Addr.String()+":80")
	tunnels := c.load.openTunnels(t, len(c.members))
	c.pass(time.Second)
	story := &chaosStory{t: t}

	story.tells("the origin of " + a.Name + " is killed")
	c.kill(c.origins[a.Name])
	c.pass(1500 * time.Millisecond)
	c.startOrigin(a)
	c.comesBack(a)

	story.tells("the agent of " + b.Name + " is killed")
	c.kill(c.agents[b.Name])
	c.pass(1500 * time.Millisecond)
	c.startAgent(b)
	c.comesBack(b)

	story.tells("the agent of " + stopped.Name + " is stopped for 5 s")
	if err := c.agents[stopped.Name].Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	c.pass(5 * time.Second)
	if err := c.agents[stopped.Name].Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	c.comesBack(stopped)

	story.tells("TCP with " + b.Name + " goes nowhere for 4 s, while its beats arrive")
	b.Mute("tcp")
	b.Deafen("tcp")
	c.pass(4 * time.Second)
	b.Clear()
	c.comesBack(b)

	story.tells(a.Name + " is cut off for 4 s")
	c.lab.Cut(a.Number)
	c.pass(4 * time.Second)
	c.lab.Heal(a.Number)
	c.comesBack(a)

	story.tells("the front is reloaded five times")
	for range 5 {
		if err := c.agents[c.front.Name].Signal(syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
		c.pass(200 * time.Millisecond)
	}
	c.checkTunnels(tunnels, stopped.Name)

	for _, h := range c.members {
		story.tells("the agent of " + h.Name + " is restarted")
		c.agents[h.Name].Stop(t)
		c.startAgent(h)
		c.comesBack(h)
	}
	story.tells("all is well")
	c.pass(500 * time.Millisecond)
	results := c.load.finish()
	c.checkAgents() // which takes longer than the log
	c.checkResults(story, results)
	c.checkRuns(results)
}

// chaosStory is what was done when.
type chaosStory struct {
	t     *testing.T
	at    []time.Time
	parts []string
}

func (s *chaosStory) tells(part string) {
	s.at, s.parts = append(s.at, time.Now()), append(s.parts, part)
}

// during returns what was going on at a time.
func (s *chaosStory) during(at time.Time) string {
	was := "before it began"
	for i, from := range s.at {
		if at.After(from) {
			was = fmt.Sprintf("%v after %s", at.Sub(from).Round(time.Millisecond), s.parts[i])
		}
	}
	return was
}

// checkTunnels fails for upgraded connections that go through no process that was killed, and through no network that
// was cut, and are not alive.
func (c *chaos) checkTunnels(tunnels []*chaosTunnel, alive string) {
	c.t.Helper()
	through := 0
	for _, w := range tunnels {
		if w.label != alive {
			continue
		}
		through++
		if err := w.err.Load(); err != nil {
			c.t.Errorf("an upgraded connection through %s ended after %d lines: %v", alive, w.lines.Load(), *err)
		}
		before := w.lines.Load()
		lab.Eventually(c.t, 5*time.Second, func() error {
			if w.lines.Load() == before {
				return fmt.Errorf("an upgraded connection through %s is silent", alive)
			}
			return nil
		})
	}
	if through == 0 {
		c.t.Errorf("no upgraded connection went through %s", alive)
	}
}

// checkResults fails for each response that is another's, or complete by mistake, and for each request that failed and
// should not have. Those that the budget did not let run again are counted apart: it is there so that they do not.
func (c *chaos) checkResults(story *chaosStory, results []chaosResult) {
	c.t.Helper()
	counts, log := map[string]int{}, c.frontLog()
	for i := range results {
		r := &results[i]
		outcome := "well"
		switch line := log[r.target()]; {
		case r.wrong != "":
			outcome = "WRONG"
		case r.status == http.StatusOK && r.err != nil:
			outcome = "broken off, and seen to be"
		case r.status == http.StatusOK:
		case r.status == 0:
			outcome = "FAILED WITHOUT AN ANSWER"
		case !r.kind.again:
			outcome = "not to be sent twice"
		case line.overBudget():
			outcome = "over the budget"
		default:
			outcome = "FAILED"
		}
		if counts[outcome]++; counts[outcome] <= 10 && strings.ToUpper(outcome) == outcome {
			c.t.Errorf("%s: %s (%s), %s, for %v: %d %q, %v %s\nthe front's log: %+v", outcome, r.kind.name, r.how, story.during(r.at),
				r.end.Sub(r.at).Round(time.Millisecond), r.status, r.said, r.err, r.wrong, log[r.target()])
		}
	}
	c.t.Logf("%d requests in %v: %v", len(results), results[len(results)-1].end.Sub(results[0].at).Round(time.Second), counts)
	if counts["well"] < 1000 {
		c.t.Errorf("only %d requests went well: that is no load", counts["well"])
	}
	if counts["over the budget"] > 30 {
		c.t.Errorf("%d requests did not run again, since others did", counts["over the budget"])
	}
}

// chaosLine is what the front logged of a request.
type chaosLine struct {
	Target, Member, Reason, Error string
	Status, Attempts, Refusals    int
}

// overBudget reports whether the request might have run again, but for the budget: one member was asked, and did not
// answer.
func (l chaosLine) overBudget() bool {
	return l.Attempts == 1 && (l.Reason == "silent" || l.Reason == "timeout" || l.Reason == "closed")
}

func (c *chaos) frontLog() map[string]chaosLine {
	c.t.Helper()
	text, err := os.ReadFile(filepath.Join(c.dir, "front.log"))
	if err != nil {
		c.t.Fatal(err)
	}
	lines := map[string]chaosLine{}
	for line := range strings.Lines(string(text)) {
		var l chaosLine
		if err := json.Unmarshal([]byte(line), &l); err != nil {
			c.t.Fatalf("%q: %v", line, err)
		}
		lines[l.Target] = l
	}
	return lines
}

// checkRuns fails for each request that ran twice and must not.
func (c *chaos) checkRuns(results []chaosResult) {
	c.t.Helper()
	text, err := os.ReadFile(c.log)
	if err != nil {
		c.t.Fatal(err)
	}
	ran, twice, harm := map[string]int{}, 0, []string(nil)
	for line := range strings.Lines(string(text)) {
		method, id, _ := strings.Cut(strings.TrimSpace(line), " ")
		ran[id]++
		if ran[id] == 2 {
			twice++
		}
		if ran[id] == 2 && method == http.MethodPost {
			harm = append(harm, id)
		}
	}
	if len(harm) > 0 {
		c.t.Errorf("%d requests ran twice that must not: %v", len(harm), harm[:min(len(harm), 10)])
	}
	for _, r := range results {
		if r.status == http.StatusOK && ran[r.id] == 0 {
			c.t.Errorf("%s (%s) was answered, and no origin was asked", r.id, r.kind.name)
		}
	}
	c.t.Logf("%d requests ran, %d of them twice", len(ran), twice)
}

// checkAgents waits until no agent has anything under way, and fails if one of them ever panicked.
func (c *chaos) checkAgents() {
	c.t.Helper()
	lab.Eventually(c.t, 10*time.Second, func() error {
		for _, h := range append([]*lab.Host{c.front}, c.members...) {
			v, err := viewOf(h)
			if err != nil {
				return err
			}
			for _, r := range v.Rows {
				if r.Outstanding != 0 || r.Self && r.Service != nil && r.Service.InFlight != 0 {
					return fmt.Errorf("%s has %d under way at %s, which says %+v", h.Name, r.Outstanding, r.Name, r.Service)
				}
			}
		}
		return nil
	})
	all := c.ended
	for _, p := range c.agents {
		all = append(all, p)
	}
	for _, p := range all {
		if out := p.Output(); strings.Contains(out, "panic") || strings.Contains(out, "goroutine ") || strings.Contains(out, "mistake in this program") {
			c.t.Errorf("%s:\n%s", p, out)
		}
	}
}

// viewOf asks the agent at a host what it sees.
func viewOf(h *lab.Host) (v status.View, err error) {
	client := &http.Client{Transport: &http.Transport{DialContext: h.Dial, DisableKeepAlives: true}, Timeout: 5 * time.Second}
	res, err := client.Get("http://" + h.Addr.String() + "/backhand/view.json")
	if err != nil {
		return v, err
	}
	defer res.Body.Close()
	return v, json.NewDecoder(res.Body).Decode(&v)
}
