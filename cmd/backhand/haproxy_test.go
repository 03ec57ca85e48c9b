//go:build linux

package main

import (
	"context"
	"encoding/csv"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"backhand/gossip/gossiptest/lab"
)

// haproxy is a real HAProxy, as its CLI tells of it.
type haproxy struct{ socket string }

func startHAProxy(t *testing.T, h *lab.Host, members ...*lab.Host) *haproxy {
	t.Helper()
	dir := t.TempDir()
	p := &haproxy{socket: filepath.Join(dir, "cli")}
	var conf strings.Builder
	fmt.Fprintf(&conf, `
global
	stats socket %s level admin
	maxconn 200
defaults
	mode http
	timeout connect 1s
	timeout client 20s
	timeout server 20s
listen web
	bind %s:80
	balance roundrobin
`, p.socket, h.Addr)
	for _, m := range members {
		fmt.Fprintf(&conf, "\tserver %s %s:80 weight 100 check inter 500ms agent-check agent-port 4447 agent-inter 300ms\n", m.Name, m.Addr)
	}
	file := filepath.Join(dir, "haproxy.cfg")
	if err := os.WriteFile(file, []byte(conf.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	h.Start(t, "haproxy", "-W", "-db", "-f", file)
	return p
}

// ask runs a command of the CLI.
func (p *haproxy) ask(command string) (string, error) {
	conn, err := net.DialTimeout("unix", p.socket, 5*time.Second)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(5 * time.Second))
	if _, err := io.WriteString(conn, command+"\n"); err != nil {
		return "", err
	}
	b, err := io.ReadAll(conn)
	return string(b), err
}

// server is what HAProxy makes of one: from "show servers state" and from the statistics that its page shows.
type server struct {
	weight, admin, op int    // op: 2 is running, 0 is stopped; admin: 8 is drained by force
	status, agent     string // as on the page: "UP", "DRAIN", "DOWN (agent)"; and what the agent said last
}

func (p *haproxy) server(name string) (s server, err error) {
	text, err := p.ask("show servers state web")
	if err != nil {
		return s, err
	}
	var titles []string
	for line := range strings.Lines(text) {
		words := strings.Fields(strings.TrimPrefix(line, "# "))
		if strings.HasPrefix(line, "# ") {
			titles = words
			continue
		}
		if len(words) < 8 || words[3] != name {
			continue
		}
		for i, title := range titles {
			n, _ := strconv.Atoi(words[i])
			switch title {
			case "srv_uweight":
				s.weight = n
			case "srv_admin_state":
				s.admin = n
			case "srv_op_state":
				s.op = n
			}
		}
	}
	return s, p.stats(name, &s)
}

func (p *haproxy) stats(name string, s *server) error {
	text, err := p.ask("show stat")
	if err != nil {
		return err
	}
	r := csv.NewReader(strings.NewReader(strings.TrimPrefix(text, "# ")))
	r.FieldsPerRecord = -1
	all, err := r.ReadAll()
	if err != nil {
		return err
	}
	for _, row := range all[1:] {
		if row[1] != name {
			continue
		}
		for i, title := range all[0] {
			switch title {
			case "status":
				s.status = row[i]
			case "last_agt":
				s.agent = row[i]
			}
		}
		return nil
	}
	return fmt.Errorf("HAProxy knows no %s", name)
}

func (p *haproxy) until(t *testing.T, h *lab.Host, within time.Duration, what string, holds func(server) bool) {
	t.Helper()
	lab.Eventually(t, within, func() error {
		s, err := p.server(h.Name)
		if err != nil || !holds(s) {
			return fmt.Errorf("%s: HAProxy has %s as %+v, %v", what, h.Name, s, err)
		}
		return nil
	})
}

// holder is an origin that answers as agenttest's do, and holds what asks for /hold until it is let go.
type holder struct {
	release chan struct{}
	entered chan struct{}
	server  *http.Server
}

func startHolder(t *testing.T, h *lab.Host) *holder {
	t.Helper()
	ln, err := h.Listen(t.Context(), "tcp", "127.0.0.1:8080")
	if err != nil {
		t.Fatal(err)
	}
	o := &holder{release: make(chan struct{}), entered: make(chan struct{}, 100)}
	mux := http.NewServeMux()
	mux.HandleFunc("/whoami.php", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintf(w, "label: %s\n", h.Name) })
	mux.HandleFunc("/hold", func(_ http.ResponseWriter, r *http.Request) {
		o.entered <- struct{}{}
		select {
		case <-o.release:
		case <-r.Context().Done():
		}
	})
	o.server = &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = o.server.Serve(ln)
	}()
	t.Cleanup(func() {
		_ = o.server.Close()
		<-done
	})
	return o
}

// hold has as many requests under way at a host until they are let go.
func (o *holder) hold(t *testing.T, c *seedCluster, h *lab.Host, n int) {
	t.Helper()
	client := c.visitor.HTTPClient(t)
	for range n {
		go func() {
			if res, err := client.Get("http://" + h.Addr.String() + "/hold"); err == nil {
				_ = res.Body.Close()
			}
		}()
	}
	for range n {
		select {
		case <-o.entered:
		case <-time.After(10 * time.Second):
			t.Fatal("the requests do not reach the origin")
		}
	}
}

// steered is a HAProxy in front of two agents with 4 slots each.
type steered struct {
	*seedCluster
	*haproxy
	first, second *lab.Host
	origin        *holder // of the first
}

func steersHAProxy(t *testing.T) {
	lab.Need(t, "root", "ip", "nft", "haproxy")
	c := &steered{seedCluster: neighbourhood(t, 2)}
	c.first, c.second = c.members[0], c.members[1]
	c.origin = startHolder(t, c.first)
	startHolder(t, c.second)
	for _, h := range c.members {
		c.start(t, h, "run", fmt.Sprintf(`
[[serve]]
farm     = "web"
origin   = "http://127.0.0.1:8080"
capacity = 4

[agent_check]
listen = "%s:4447"

[[listen]]
address = ":80"
`, h.Addr))
	}
	c.haproxy = startHAProxy(t, c.front, c.first, c.second)
	for _, h := range c.members {
		c.until(t, h, 10*time.Second, "idle", func(s server) bool {
			return s.weight == 100 && s.admin == 0 && s.op == 2 && s.status == "UP"
		})
	}
	t.Run("the weight follows the load", c.weightFollows)
	t.Run("drain and undrain", c.drainsThere)
	restart := func() { startHolder(t, c.first) } // until the end of the whole test
	t.Run("its origin dies", func(t *testing.T) { c.originDies(t, restart) })
	t.Run("the agent leaves", c.agentLeaves)
}

func (c *steered) weightFollows(t *testing.T) {
	c.origin.hold(t, c.seedCluster, c.first, 4) // all of its slots
	c.until(t, c.first, 30*time.Second, "all slots busy", func(s server) bool { return s.weight <= 40 && s.op == 2 })
	if s, err := c.server(c.second.Name); err != nil || s.weight != 100 {
		t.Errorf("the idle one is %+v, %v", s, err)
	}
	if by := c.tally(t, c.url("/whoami.php"), 70); by[c.first.Name] == 0 || by[c.first.Name] > 25 || len(by) != 2 {
		t.Errorf("of 70 requests each got %v, want 2 of 7 at most at the busy one, and some", by)
	}
	close(c.origin.release)
	c.until(t, c.first, 60*time.Second, "idle again", func(s server) bool { return s.weight >= 80 })
}

func (c *steered) drainsThere(t *testing.T) {
	c.command(t, c.first, "drain")
	c.until(t, c.first, 10*time.Second, "draining", func(s server) bool {
		return s.admin&8 != 0 && strings.HasPrefix(s.status, "DRAIN")
	})
	if by := c.tally(t, c.url("/whoami.php"), 20); by[c.second.Name] != 20 {
		t.Errorf("while it drains, each got %v", by)
	}
	c.command(t, c.first, "undrain")
	c.until(t, c.first, 10*time.Second, "taken back", func(s server) bool { return s.admin == 0 && s.op == 2 && s.weight > 0 })
	if by := c.tally(t, c.url("/whoami.php"), 20); by[c.first.Name] == 0 {
		t.Errorf("after that each got %v", by)
	}
}

func (c *steered) originDies(t *testing.T, restart func()) {
	_ = c.origin.server.Close()
	c.until(t, c.first, 10*time.Second, "without origin", func(s server) bool {
		return s.op == 0 && strings.HasPrefix(s.status, "DOWN") && strings.Contains(s.agent, "origin down: connect")
	})
	restart()
	c.until(t, c.first, 20*time.Second, "with its origin again", func(s server) bool { return s.op == 2 && s.weight > 0 })
}

func (c *steered) agentLeaves(t *testing.T) {
	agent := c.agents[c.second.Name]
	if err := agent.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	c.until(t, c.second, 10*time.Second, "leaving", func(s server) bool {
		return s.op == 0 && strings.Contains(s.agent, "about to stop")
	})
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if err := agent.Wait(ctx); err != nil {
		t.Errorf("it ended with %v", err)
	}
	if by := c.tally(t, c.url("/whoami.php"), 10); by[c.first.Name] != 10 {
		t.Errorf("without it, each got %v", by)
	}
}
