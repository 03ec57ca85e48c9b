//go:build linux

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/ipv4"

	"backhand/agent/agenttest"
	"backhand/gossip/gossiptest"
	"backhand/gossip/gossiptest/lab"
	"backhand/gossip/wire"
)

// TestTenThousandNodes has one real agent hear ten thousand nodes, each of which beats once a second, five times as often as
// agents in so large a cluster would. All is sealed. What it costs is logged; only that it works is judged.
func TestTenThousandNodes(t *testing.T) {
	lab.Need(t, "root", "ip", "nft")
	const nodes, long = 10_000, 5 * time.Second
	l := lab.New(t, 2)
	front, crowd := l.Host(1), l.Host(2)
	c := &seedCluster{
		t: t, lab: l, dir: t.TempDir(), program: agenttest.BuildAgent(t), front: front, visitor: crowd,
		agents: map[string]*lab.Process{}, files: map[string]string{},
	}
	key, file := wire.NewKey(1), filepath.Join(c.dir, "keys")
	if err := os.WriteFile(file, []byte(key.Line()+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c.gossip = fmt.Sprintf("keys = %q\n", file)
	c.start(t, front, "run", `
[[listen]]
address = ":80"

[[route]]
path = "/"
farm = "web"

[status]
allow = ["127.0.0.0/8", "10.58.4.0/24"]
`)
	ring, err := wire.NewKeyring("web", []wire.Key{key}, wire.Enforce)
	if err != nil {
		t.Fatal(err)
	}
	socket := onGroup(t, crowd)
	all := gossiptest.NewCrowd(nodes, 1, "web", ring, crowd.Addr, "web", time.Now())
	empty := residentOf(t, c.agents[front.Name])
	stop := make(chan struct{})
	var sent atomic.Int64
	ended := make(chan error, 1)
	go func() { ended <- beatEvenly(socket, all, nodes, stop, &sent) }()
	lab.Eventually(t, 30*time.Second, func() error { // it knows all of them, and more is no news
		if n := sent.Load(); n < 2*nodes {
			return fmt.Errorf("only %d beats were sent", n)
		}
		return nil
	})
	cpu, before, begin := cpuOf(t, c.agents[front.Name]), sent.Load(), time.Now()
	time.Sleep(long) // which is what is measured
	took := time.Since(begin).Seconds()
	used, rate := (cpuOf(t, c.agents[front.Name])-cpu).Seconds()/took, float64(sent.Load()-before)/took
	grown := residentOf(t, c.agents[front.Name]) - empty
	v := c.view(t)
	close(stop)
	if err := <-ended; err != nil {
		t.Error(err)
	}
	t.Logf("%d nodes, %.0f sealed beats a second: %.1f %% of a core with all that the agent does; %d KiB more, %.2f KiB a node",
		nodes, rate, 100*used, grown>>10, float64(grown)/1024/nodes)
	if v.Nodes < nodes {
		t.Errorf("the agent knows %d nodes, want %d and itself", v.Nodes, nodes)
	}
	if len(v.Rows) > nodes/10 {
		t.Errorf("%d are listed one by one, want only those that the chain may choose", len(v.Rows))
	}
	r := faultRequest(crowd.HTTPClient(t), "http://"+front.Addr.String()+"/")
	if r.err == nil || !strings.Contains(r.err.Error(), "502") { // whoever is chosen is no more than a name
		t.Errorf("a request: %v, want 502 from a member that is none", r.err)
	}
}

// beatEvenly sends the nodes' beats, each once a second, in steps of a millisecond, until stop is closed.
func beatEvenly(socket *ipv4.PacketConn, all *gossiptest.Crowd, nodes int, stop chan struct{}, sent *atomic.Int64) error {
	n := 0
	begin := time.Now()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-stop:
			return nil
		case <-tick.C:
		}
		for due := int(time.Since(begin).Seconds() * float64(nodes)); n < due; n++ {
			b, err := all.Beat(n % nodes)
			if err == nil {
				_, err = socket.WriteTo(b, nil, faultGroup)
			}
			if err != nil {
				return err
			}
			sent.Add(1)
		}
	}
}

// residentOf returns the bytes of memory that the process holds.
func residentOf(t *testing.T, p *lab.Process) int {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", p.Pid()))
	if err != nil {
		t.Fatal(err)
	}
	var size, resident int
	if _, err := fmt.Sscan(string(text), &size, &resident); err != nil {
		t.Fatal(err)
	}
	return resident * os.Getpagesize()
}
