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
	"syscall"
	"testing"
	"time"

	"backhand/agent/agenttest"
	"backhand/gossip/gossiptest/lab"
	"backhand/status"
)

// cloud is two networks with a router between them, which passes on no multicast, and an agent on each host.
type cloud struct {
	t       *testing.T
	hosts   []*lab.Host // two in each network
	program string
	dir     string
	agents  map[*lab.Host]*lab.Process
}

func startCloud(t *testing.T) *cloud {
	lab.Need(t, "root", "ip", "nft")
	west := lab.NewOn(t, netip.MustParsePrefix("10.58.4.0/24"), 2)
	east := lab.NewOn(t, netip.MustParsePrefix("10.58.5.0/24"), 2)
	lab.Connect(t, west, east)
	c := &cloud{
		t: t, hosts: append(west.Hosts(), east.Hosts()...), program: agenttest.BuildAgent(t), dir: t.TempDir(),
		agents: map[*lab.Host]*lab.Process{},
	}
	if out, err := c.hosts[0].Command(t.Context(), c.program, "keygen", filepath.Join(c.dir, "keys")).CombinedOutput(); err != nil {
		t.Fatalf("keygen: %v: %s", err, out)
	}
	for _, h := range c.hosts {
		serveName(t, h, cloudName(h))
		c.write(t, h, "")
		c.start(h)
	}
	c.allSee(t, c.hosts, status.Up)
	return c
}

func cloudName(h *lab.Host) string { return "www-" + h.Addr.String() }

func (c *cloud) file(h *lab.Host) string { return filepath.Join(c.dir, cloudName(h)+".toml") }

// write writes the file of a host, with more lines of [gossip.memberlist].
func (c *cloud) write(t *testing.T, h *lab.Host, more string) {
	t.Helper()
	text := fmt.Sprintf(`cluster = "web"
[node]
address   = "%s:80"
name      = %q
state_dir = %q
[gossip]
accept = ["10.58.4.0/24", "10.58.5.0/24"]
keys   = %q
[gossip.memberlist]
join = ["10.58.4.1:4446"]
%s
[[serve]]
farm   = "web"
origin = "http://127.0.0.1:8080"
[[listen]]
address = ":80"
[[route]]
path  = "/"
farm  = "web"
chain = ["removeSelf", "byAge 6", "byRandom"]
[status]
allow = ["0.0.0.0/0"]
`, h.Addr, cloudName(h), filepath.Join(c.dir, cloudName(h)), filepath.Join(c.dir, "keys"), more)
	if err := os.WriteFile(c.file(h), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// start starts an agent, which runs until the end of the whole test.
func (c *cloud) start(h *lab.Host) {
	t := c.t
	t.Helper()
	p := h.Start(t, c.program, "run", "--config", c.file(h))
	ctx, cancel := context.WithTimeout(t.Context(), 15*time.Second)
	defer cancel()
	if err := p.WaitFor(ctx, "running"); err != nil {
		t.Fatalf("the agent at %v: %v", h.Addr, err)
	}
	c.agents[h] = p
}

// allSee waits until the agents at these hosts all see one another in this state.
func (c *cloud) allSee(t *testing.T, hosts []*lab.Host, state status.State) {
	t.Helper()
	for _, h := range hosts {
		lab.Eventually(t, 90*time.Second, func() error { return sees(t, h, hosts, state) })
	}
}

// stay fails unless the agents at these hosts see one another up all the time: memberlist takes seconds to find somebody dead.
func (c *cloud) stay(t *testing.T, hosts []*lab.Host, d time.Duration) {
	t.Helper()
	for end := time.Now().Add(d); time.Now().Before(end); time.Sleep(200 * time.Millisecond) {
		for _, h := range hosts {
			if err := sees(t, h, hosts, status.Up); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// In a cloud all agents find each other from one seed, with keys, and requests go over the router.
func TestMemberlistOverARouter(t *testing.T) {
	c := startCloud(t)
	seed, others, last := c.hosts[0], c.hosts[1:], c.hosts[3]
	t.Run("requests go over the router", func(t *testing.T) {
		client, got := seed.HTTPClient(t), map[string]int{}
		for range 200 {
			res, err := client.Get("http://10.58.4.1/")
			if err != nil {
				t.Fatal(err)
			}
			body, err := io.ReadAll(res.Body)
			res.Body.Close()
			if err != nil || res.StatusCode != http.StatusOK {
				t.Fatalf("%v %v: %s", res.Status, err, body)
			}
			got[string(body)]++
		}
		for _, h := range others {
			if got[cloudName(h)] == 0 {
				t.Errorf("%s had none of the requests: %v", cloudName(h), got)
			}
		}
	})
	t.Run("a reload with another port for beats", func(t *testing.T) {
		c.write(t, last, "beat_port = 4500")
		if err := c.agents[last].Signal(syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		if err := c.agents[last].WaitFor(ctx, "msg=reloaded"); err != nil {
			t.Fatal(err)
		}
		c.stay(t, c.hosts, 8*time.Second)
	})
	t.Run("the seed is gone, and nobody else goes with it", func(t *testing.T) {
		if err := c.agents[seed].Signal(syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		_ = c.agents[seed].Wait(t.Context()) // it was killed
		c.stay(t, others, 8*time.Second)
		c.start(seed) // its own seed, which nobody told of the others
		c.allSee(t, c.hosts, status.Up)
	})
	t.Run("an agent that stops is out at once", func(t *testing.T) {
		c.agents[last].Stop(t)
		for _, h := range c.hosts[:3] {
			lab.Eventually(t, 3*time.Second, func() error {
				if sees(t, h, []*lab.Host{last}, status.Leaving) == nil {
					return nil
				}
				return sees(t, h, []*lab.Host{last}, status.Left)
			})
		}
	})
}

// serveName answers every request at a host's port 8080 of loopback with that name.
func serveName(t *testing.T, h *lab.Host, name string) {
	t.Helper()
	ln, err := h.Listen(t.Context(), "tcp", "127.0.0.1:8080")
	if err != nil {
		t.Fatal(err)
	}
	s := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, name) })}
	go s.Serve(ln)
	t.Cleanup(func() { s.Close() })
}

// sees returns an error unless the agent at a host sees the nodes of all these in this state.
func sees(t *testing.T, h *lab.Host, want []*lab.Host, state status.State) error {
	t.Helper()
	res, err := h.HTTPClient(t).Get("http://" + h.Addr.String() + "/backhand/view.json")
	if err != nil {
		return err
	}
	defer res.Body.Close()
	var v status.View
	if err := json.NewDecoder(res.Body).Decode(&v); err != nil {
		return err
	}
	seen := map[string]status.State{}
	for _, r := range v.Rows {
		seen[r.Name] = r.State
	}
	for _, w := range want {
		if name := cloudName(w); seen[name] != state {
			return fmt.Errorf("%v sees %v, want %s %s", h.Addr, seen, name, state)
		}
	}
	return nil
}
