//go:build linux

package main

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"backhand/agent/agenttest"
	"backhand/gossip/gossiptest/lab"
	"backhand/status"
)

// apacheGroup is where Apache's hosts announce themselves in these tests.
const apacheGroup = "239.0.1.1:27999"

// neighbourhood is a lab with a front, members and a visitor, of which only some are agents.
func neighbourhood(t *testing.T, members int) *seedCluster {
	l := lab.New(t, members+2)
	c := &seedCluster{
		t: t, lab: l, dir: t.TempDir(), program: agenttest.BuildAgent(t), front: l.Host(1), visitor: l.Host(members + 2),
		agents: map[string]*lab.Process{}, files: map[string]string{},
	}
	for i := range members {
		c.members = append(c.members, l.Host(i+2))
	}
	return c
}

// multicastRoute gives a host a route for what Apache sends and joins: it does not choose an interface itself.
func multicastRoute(t *testing.T, h *lab.Host) {
	t.Helper()
	if out, err := h.Command(t.Context(), "ip", "route", "add", "224.0.0.0/4", "dev", h.Dev).CombinedOutput(); err != nil {
		t.Fatalf("route for multicast at %s: %v: %s", h.Name, err, out)
	}
}

// startHeartbeatApache starts a real Apache with mod_heartbeat, on port 80 of the host.
func startHeartbeatApache(t *testing.T, h *lab.Host, config string) *agenttest.Origin {
	t.Helper()
	multicastRoute(t, h)
	return agenttest.StartApache(t, h, agenttest.Site{
		Addr: netip.AddrPortFrom(h.Addr, 80), Pages: map[string]string{"slow.php": "<?php sleep(8); echo 'slow';"},
		Config: "LoadModule heartbeat_module /usr/lib/apache2/modules/mod_heartbeat.so\nHeartbeatAddress " + apacheGroup + "\n" + config,
	})
}

// whoami asks who answers at a URL, from the visitor's host; "" if the status is not 200.
func (c *seedCluster) whoami(client *http.Client, url string) (label string, code int, err error) {
	res, err := client.Get(url)
	if err != nil {
		return "", 0, err
	}
	if res.StatusCode != http.StatusOK {
		_, err := io.Copy(io.Discard, res.Body)
		return "", res.StatusCode, errors.Join(err, res.Body.Close())
	}
	a, err := agenttest.ReadAnswer(res)
	return a.Label, res.StatusCode, err
}

// tally asks n times who answers.
func (c *seedCluster) tally(t *testing.T, url string, n int) map[string]int {
	t.Helper()
	client := c.visitor.HTTPClient(t)
	by := map[string]int{}
	for range n {
		label, code, err := c.whoami(client, url)
		if err != nil {
			t.Fatal(err)
		}
		if label == "" {
			label = strconv.Itoa(code)
		}
		by[label]++
	}
	return by
}

// rowsAt returns the rows of the front's page for an address and port.
func (c *seedCluster) rowsAt(t *testing.T, addr string) (out []status.Row) {
	t.Helper()
	for _, r := range c.view(t).Rows {
		if r.Address == addr && r.Farm == "web" {
			out = append(out, r)
		}
	}
	return out
}

// sideBySide runs tests at the same time, each in a lab of its own, where who is there mostly waits. It returns when all have
// ended.
func sideBySide(t *testing.T, tests map[string]func(*testing.T)) {
	t.Helper()
	t.Run("all", func(t *testing.T) {
		for name, test := range tests {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				test(t)
			})
		}
	})
}

// Agents beside real programs that are none.
func TestNeighbours(t *testing.T) {
	sideBySide(t, map[string]func(*testing.T){
		"HAProxy is steered": steersHAProxy, "mod_heartbeat makes a member": hearsModHeartbeat,
		"mod_heartmonitor chooses this host": tellsModHeartmonitor,
	})
}

func hearsModHeartbeat(t *testing.T) {
	lab.Need(t, "root", "ip", "nft", "apache2", "php")
	c := neighbourhood(t, 1)
	h := c.members[0]
	apache := startHeartbeatApache(t, h, "")
	c.start(t, c.front, "run", fmt.Sprintf(`
[heartbeat]
listen = %q
farm   = "web"

[[listen]]
address = ":80"

[[route]]
path       = "/"
farm       = "web"
when_empty = "503"

[status]
allow = ["127.0.0.0/8", "10.58.4.0/24"]
`, apacheGroup))
	addr := h.Addr.String() + ":80"
	wait := func(what string, holds func(r status.Row) bool) {
		t.Helper()
		lab.Eventually(t, 20*time.Second, func() error {
			rows := c.rowsAt(t, addr)
			if len(rows) == 1 && holds(rows[0]) {
				return nil
			}
			return fmt.Errorf("%s: the front sees %+v", what, rows)
		})
	}
	wait("Apache is a member that nobody vouches for", func(r status.Row) bool {
		return r.State == status.Up && r.Candidate && r.Untrusted && r.Name == h.Addr.String() && r.Service.Workers > 0
	})
	if by := c.tally(t, c.url("/whoami.php"), 20); by[h.Name] != 20 {
		t.Errorf("of 20 requests it got %v", by)
	}

	client := c.visitor.HTTPClient(t)
	for range 3 {
		go func() {
			if res, err := client.Get(c.url("/slow.php")); err == nil {
				_ = res.Body.Close()
			}
		}()
	}
	wait("its busy workers show", func(r status.Row) bool { return r.Service.InFlight >= 3 })

	t.Run("a silent one gets nothing any more", func(t *testing.T) {
		apache.Stop(t)
		wait("it is stale", func(r status.Row) bool { return r.State == status.Stale })
		if by := c.tally(t, c.url("/whoami.php"), 3); by["503"] != 3 {
			t.Errorf("requests without a member end in %v", by)
		}
	})
	t.Run("an agent on the host takes its place", func(t *testing.T) {
		apache.Start(t)
		wait("it is back", func(r status.Row) bool { return r.State == status.Up })
		c.start(t, h, "announce", fmt.Sprintf("[[serve]]\nfarm = \"web\"\norigin = \"http://%s\"\n", addr))
		wait("the agent alone is listed", func(r status.Row) bool { return r.State == status.Up && !r.Untrusted && r.Name == h.Name })
		if by := c.tally(t, c.url("/whoami.php"), 5); by[h.Name] != 5 {
			t.Errorf("of 5 requests it got %v", by)
		}
	})
}

// startHeartmonitorApache starts a real Apache that balances over members by their heartbeats, below /app/, and returns the file
// in which mod_heartmonitor keeps them.
func startHeartmonitorApache(t *testing.T, h *lab.Host, members ...*lab.Host) (storage string) {
	t.Helper()
	multicastRoute(t, h)
	// Not t.TempDir: its parent is closed to the user that Apache runs as, which writes there.
	dir, err := os.MkdirTemp("", "backhand-heartmonitor-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	storage = filepath.Join(dir, "heartbeats")
	var conf strings.Builder
	for _, m := range []string{"proxy", "proxy_http", "slotmem_shm", "proxy_balancer", "heartmonitor", "lbmethod_heartbeat"} {
		fmt.Fprintf(&conf, "LoadModule %s_module /usr/lib/apache2/modules/mod_%[1]s.so\n", m)
	}
	// 0 servers in shared memory: a file, which a test can read.
	fmt.Fprintf(&conf, "HeartbeatListen %s\nHeartbeatMaxServers 0\nHeartbeatStorage %s\n<Proxy balancer://web>\n", apacheGroup, storage)
	for _, m := range members {
		fmt.Fprintf(&conf, "BalancerMember http://%s:80\n", m.Addr)
	}
	conf.WriteString("ProxySet lbmethod=heartbeat\n</Proxy>\nProxyPass /app/ balancer://web/\n")
	agenttest.StartApache(t, h, agenttest.Site{Addr: netip.AddrPortFrom(h.Addr, 80), Config: conf.String()})
	return storage
}

// storedAs waits until mod_heartmonitor has written down what a host says of itself.
func storedAs(t *testing.T, storage string, h *lab.Host, want string) {
	t.Helper()
	lab.Eventually(t, 30*time.Second, func() error {
		text, err := os.ReadFile(storage)
		if err != nil {
			return err
		}
		for line := range strings.Lines(string(text)) {
			if addr, said, _ := strings.Cut(line, " "); addr == h.Addr.String() && strings.HasPrefix(said, "&"+want+"&") {
				return nil
			}
		}
		return fmt.Errorf("mod_heartmonitor has not heard %q of %s; it has written:\n%s", want, h.Addr, text)
	})
}

func tellsModHeartmonitor(t *testing.T) {
	lab.Need(t, "root", "ip", "nft", "apache2", "php", "nginx")
	c := neighbourhood(t, 2)
	ours, theirs := c.members[0], c.members[1]
	// Real mod_heartbeat beside our announcement. With no busy worker its chooser takes a quarter of those that are ready.
	startHeartbeatApache(t, theirs, "StartServers 16\nMinSpareServers 16\nMaxSpareServers 20\n")
	storage := startHeartmonitorApache(t, c.front, ours, theirs)
	agenttest.StartNginx(t, ours, site(""))
	c.start(t, ours, "run", fmt.Sprintf(`
[[serve]]
farm    = "web"
origin  = "http://127.0.0.1:8080"
workers = 64

[heartbeat]
send = %q

[[listen]]
address = ":80"
`, apacheGroup))
	app := c.url("/app/whoami.php")
	lab.Eventually(t, 30*time.Second, func() error {
		if by := c.tally(t, app, 10); by[ours.Name] == 0 || by[theirs.Name] == 0 {
			return fmt.Errorf("Apache does not choose both: %v", by)
		}
		return nil
	})
	storedAs(t, storage, ours, "ready=64&busy=0")
	// 16 of 20 by what is ready: 64 to about 16, both quartered. Below a half would take a chance of 1 in 10^12.
	if by := c.tally(t, app, 100); by[ours.Name] < 50 || by[theirs.Name] == 0 || len(by) != 2 {
		t.Errorf("of 100 requests each got %v", by)
	}

	c.command(t, ours, "drain")
	storedAs(t, storage, ours, "ready=0&busy=0")
	if by := c.tally(t, app, 30); by[theirs.Name] != 30 {
		t.Errorf("while this host drains, each got %v", by)
	}
	c.command(t, ours, "undrain")
	storedAs(t, storage, ours, "ready=64&busy=0")
	if by := c.tally(t, app, 30); by[ours.Name] == 0 {
		t.Errorf("after that each got %v", by)
	}
}
