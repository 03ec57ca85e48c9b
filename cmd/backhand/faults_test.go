//go:build linux

package main

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"backhand/agent/agenttest"
	"backhand/gossip/gossiptest/lab"
	"backhand/gossip/wire"
	"backhand/status"
)

// faultBeat is the interval of the beats here, so that a test has time for many faults: six of them are byAge's limit.
const faultBeat = 250 * time.Millisecond

// faultCluster is a front and three members with keys, under load, an insider whose address is believed but who has no
// key, and a stranger from another network.
type faultCluster struct {
	*seedCluster
	keys     []wire.Key
	insider  *lab.Host
	stranger *lab.Host
	load     *faultLoad
	rest     map[string]string
	rows     []string // of the table
}

func startFaults(t *testing.T) *faultCluster {
	lab.Need(t, "root", "ip", "nft")
	l := lab.New(t, 6)
	c := &faultCluster{
		seedCluster: &seedCluster{
			t: t, lab: l, dir: t.TempDir(), program: agenttest.BuildAgent(t), front: l.Host(1), visitor: l.Host(5),
			members: []*lab.Host{l.Host(2), l.Host(3), l.Host(4)}, agents: map[string]*lab.Process{}, files: map[string]string{},
		},
		keys: []wire.Key{wire.NewKey(1)}, insider: l.Host(6), rest: map[string]string{},
		stranger: l.AddForeign(netip.MustParsePrefix("192.168.77.9/24")),
	}
	file := filepath.Join(c.dir, "keys")
	if err := os.WriteFile(file, []byte(c.keys[0].Line()+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c.gossip = fmt.Sprintf("interval = %q\nkeys = %q\n", faultBeat, file)
	const common = `
[[listen]]
address = ":80"

[proxy]
connect       = "500ms"
response_head = "2s"
drain         = "2s"

[status]
allow = ["127.0.0.0/8", "10.58.4.0/24"]
`
	up := map[string]status.State{}
	for _, h := range c.members {
		startLabelled(t, h, filepath.Join(c.dir, "asked"))
		c.rest[h.Name] = "[[serve]]\nfarm = \"web\"\norigin = \"http://127.0.0.1:8080\"\n" + common
		c.start(t, h, "run", c.rest[h.Name])
		up[h.Name] = "up"
	}
	c.start(t, c.front, "run", "[[route]]\npath = \"/\"\nfarm = \"web\"\nchain = [\"byAge 6b\", \"byRandom\"]\n"+common)
	c.waitFor(t, up)
	c.load = startFaultLoad(t, c.visitor, "http://"+c.front.Addr.String()+"/small?100")
	return c
}

// startLabelled starts an origin that says who it is.
func startLabelled(t *testing.T, h *lab.Host, log string) *lab.Process {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := h.Command(context.Background(), exe, "-test.run=^TestChaosOriginProcess$")
	cmd.Env = append(os.Environ(), chaosOrigin+"=127.0.0.1:8080", chaosLabel+"="+h.Name, chaosLog+"="+log)
	p := lab.Start(t, cmd)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := p.WaitFor(ctx, "an origin is running"); err != nil {
		t.Fatal(err)
	}
	return p
}

// fault is one thing that goes wrong.
type fault struct {
	name  string
	gone  []*lab.Host   // members that nobody is to be sent to as long as it lasts
	after time.Duration // within which that must be noticed
	begin func()
	lasts time.Duration
	end   func() // nil: it ends by itself
	nodes int    // that are heard beside those of the cluster

	mayPause bool // members may get no request for a second, although they are there: all clients may be waiting for the others
}

func each(hosts []*lab.Host, do func(*lab.Host)) {
	for _, h := range hosts {
		do(h)
	}
}

// suffer lets one fault come over the cluster, and notes what it did to it.
func (c *faultCluster) suffer(f fault) {
	t := c.t
	t.Helper()
	cpu := c.cpu()
	begin := time.Now()
	f.begin()
	select {
	case <-time.After(time.Until(begin.Add(f.lasts))):
	case <-t.Context().Done():
	}
	over := time.Now()
	used := (c.cpu() - cpu).Seconds() / over.Sub(begin).Seconds()
	if f.end != nil {
		f.end()
	}
	up := map[string]status.State{}
	for _, h := range c.members {
		up[h.Name] = "up"
	}
	c.waitFor(t, up)
	well := time.Now()
	lab.Eventually(t, 20*time.Second, func() error { return c.load.waits(well) })
	seen, after := c.load.between(begin, over), c.load.between(over, well)

	noticed := "-"
	if f.gone != nil {
		last := max(0, seen.slow.Sub(begin)) // of no slow request it is far below 0
		for _, h := range f.gone {
			last = max(last, seen.last[h.Name].Sub(begin))
		}
		noticed = fmt.Sprintf("%.2f", last.Seconds())
		if last > f.after {
			t.Errorf("%s: noticed after %v, want at most %v", f.name, last, f.after)
		}
	}
	wrong := 0
	for _, h := range c.members {
		if !slices.Contains(f.gone, h) && !f.mayPause && seen.gap[h.Name] > time.Second {
			wrong++
			t.Errorf("%s: %s got no request for %v", f.name, h.Name, seen.gap[h.Name])
		}
	}
	failed := append(seen.failed, after.failed...)
	for i, r := range failed {
		if i < 3 {
			t.Errorf("%s: %v after it began a request failed: %v", f.name, r.at.Sub(begin).Round(time.Millisecond), r.err)
		}
	}
	c.rows = append(c.rows, fmt.Sprintf("| %s | %d | %s | %d of %d | %d | %.0f %% |", f.name, 1+len(c.members)+f.nodes, noticed,
		len(failed), seen.requests+after.requests, wrong, 100*used))
}

// cpu returns the processor time that the front's agent has used.
func (c *faultCluster) cpu() time.Duration {
	c.t.Helper()
	return cpuOf(c.t, c.agents[c.front.Name])
}

// cpuOf returns the processor time that a process has used.
func cpuOf(t *testing.T, p *lab.Process) time.Duration {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.Pid()))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), ") ")
	fields := strings.Fields(rest) // from the third on, see proc_pid_stat(5)
	var user, system int64
	if _, err := fmt.Sscan(fields[11]+" "+fields[12], &user, &system); err != nil {
		t.Fatal(err)
	}
	return time.Duration(user+system) * time.Second / 100 // USER_HZ
}

// table logs what was found.
func (c *faultCluster) table() {
	c.t.Logf("beats every %v, byAge 6b:\n\n| fault | nodes | noticed after s | requests failed | wrongly dropped | CPU of the front |\n"+
		"|---|---|---|---|---|---|\n%s\n", faultBeat, strings.Join(c.rows, "\n"))
}

// TestFaults has real agents in networks that fail in all the ways that networks and hosts do.
func TestFaults(t *testing.T) {
	c := startFaults(t)
	defer c.table()
	a, b, d := c.members[0], c.members[1], c.members[2]
	silence := 6*faultBeat + faultBeat*11/10 // byAge, and the beat that just came

	all := append([]*lab.Host{c.front}, c.members...)
	for _, percent := range []int{10, 30} {
		c.suffer(fault{
			name: fmt.Sprintf("every host loses %d %% of the beats", percent), lasts: 3 * time.Second,
			begin: func() { each(all, func(h *lab.Host) { h.LoseBeats(percent) }) }, end: func() { each(all, (*lab.Host).Clear) },
		})
	}
	c.suffer(fault{
		name: "every host loses 10 % of all packets", mayPause: true, lasts: 3 * time.Second,
		begin: func() { each(all, func(h *lab.Host) { h.Lose(10) }) }, end: func() { each(all, (*lab.Host).Clear) },
	})
	echo := c.newEcho(c.insider)
	c.suffer(fault{
		name: "every beat comes three times, late and out of order", lasts: 3 * time.Second, begin: echo.begin, end: echo.end,
	})
	c.suffer(fault{
		name: "one way: a member's beats get lost", gone: []*lab.Host{a}, after: silence, lasts: 3 * time.Second,
		begin: func() { a.Mute("udp") }, end: a.Clear,
	})
	c.suffer(fault{
		name: "one way: a member hears no beats", lasts: 3 * time.Second, begin: func() { a.Deafen("udp") }, end: a.Clear,
	})
	c.suffer(fault{
		name: "a member's switch port goes down", gone: []*lab.Host{b}, after: silence, lasts: 3 * time.Second,
		begin: func() { c.lab.Cut(b.Number) }, end: func() { c.lab.Heal(b.Number) },
	})
	c.suffer(fault{
		name: "a partition takes two of three members away", gone: []*lab.Host{a, b}, after: silence, mayPause: true, lasts: 3 * time.Second,
		begin: func() { c.lab.Cut(a.Number); c.lab.Cut(b.Number) }, end: func() { c.lab.Heal(a.Number); c.lab.Heal(b.Number) },
	})
	c.suffer(fault{
		name: "a member's interface goes down", gone: []*lab.Host{d}, after: silence, lasts: 3 * time.Second,
		begin: d.LinkDown, end: d.LinkUp,
	})
	c.suffer(fault{
		name: "a member's agent is killed", gone: []*lab.Host{a}, after: 100 * time.Millisecond, lasts: time.Second,
		begin: func() { _ = c.agents[a.Name].Signal(syscall.SIGKILL) },
		end:   func() { <-c.agents[a.Name].Done(); c.start(t, a, "run", c.rest[a.Name]) },
	})
	c.suffer(fault{
		name: "a member's agent leaves", gone: []*lab.Host{b}, after: 100 * time.Millisecond, lasts: time.Second,
		begin: func() { _ = c.agents[b.Name].Signal(syscall.SIGTERM) },
		end:   func() { <-c.agents[b.Name].Done(); c.start(t, b, "run", c.rest[b.Name]) },
	})
	c.suffer(fault{
		name: "a member's agent is stopped by SIGSTOP", gone: []*lab.Host{d}, after: silence, lasts: 4 * time.Second,
		begin: func() { _ = c.agents[d.Name].Signal(syscall.SIGSTOP) }, end: func() { _ = c.agents[d.Name].Signal(syscall.SIGCONT) },
	})
	c.load.finish(t)
}

// TestFloods has somebody send 50,000 datagrams a second to a cluster that serves load, or as many as the machine can, and a
// thousand nodes join it.
func TestFloods(t *testing.T) {
	c := startFaults(t)
	defer c.table()
	// The front gets all of it. That the others do too costs the machine more than it can do.
	shielded := append([]*lab.Host{c.visitor}, c.members...)
	each(shielded, func(h *lab.Host) { h.Shield(c.insider.Addr); h.Shield(c.stranger.Addr) })
	for _, f := range []struct {
		name string
		kind func(*faultCluster) *flood
	}{
		{"beats from outside of gossip.accept", (*faultCluster).foreignBeats},
		{"beats that are not sealed", (*faultCluster).unsealedBeats},
		{"beats sealed with another key", (*faultCluster).forgedBeats},
		{"beats that were heard before", (*faultCluster).replays},
		{"garbage", (*faultCluster).garbage},
	} {
		fl := f.kind(c)
		c.suffer(fault{name: "a flood of " + f.name, lasts: 3 * time.Second, begin: fl.begin, end: fl.end})
		sent := fl.sent.Load()
		if sent < 60_000 {
			t.Errorf("%s: only %d were sent in 3 s: that is no flood", f.name, sent)
		}
		c.rows[len(c.rows)-1] += fmt.Sprintf(" %d datagrams a second |", sent/3)
	}
	each(shielded, (*lab.Host).Clear)
	v := c.view(t)
	if v.Nodes != 1+len(c.members) {
		t.Errorf("the front knows %d nodes, want %d", v.Nodes, 1+len(c.members))
	}
	crowd := c.crowd(1000)
	crowd.begin()
	defer crowd.end()
	lab.Eventually(t, 10*time.Second, func() error {
		if n := c.view(t).Nodes; n < 1000 {
			return fmt.Errorf("the front knows %d nodes", n)
		}
		return nil
	})
	a := c.members[0]
	stretched := 1004 * time.Second / 2000
	c.suffer(fault{name: "1,000 more nodes", nodes: 1000, begin: func() {}, lasts: 3 * time.Second})
	c.suffer(fault{
		name: "1,000 more nodes: a member's beats get lost", nodes: 1000, gone: []*lab.Host{a},
		after: 6*stretched + stretched*11/10, lasts: 5 * time.Second, begin: func() { a.Mute("udp") }, end: a.Clear,
	})
	c.load.finish(t)
}
