//go:build linux

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"backhand/agent/agenttest"
	"backhand/gossip/gossiptest/lab"
	"backhand/status"
)

// addr6 is a host's address of IPv6 in these tests.
func addr6(h *lab.Host) netip.Addr { return netip.MustParseAddr(fmt.Sprintf("fd58:4::%d", h.Number)) }

// transportCase is a way by which the agents of a cluster hear one another.
type transportCase struct {
	name   string
	addr   func(h *lab.Host) netip.Addr // that agents are reached at
	gossip string                       // lines of [gossip]
}

// A front and two members on hosts of their own, with real agents, hear one another by unicast alone or by IPv6 alone, and
// serve a load of a few seconds in which one of them leaves and comes back.
func TestTransportsOnRealHosts(t *testing.T) {
	lab.Need(t, "root", "ip", "nft")
	l := lab.New(t, 4)
	for _, h := range l.Hosts() {
		addr := netip.PrefixFrom(addr6(h), 64).String()
		if out, err := h.Command(t.Context(), "ip", "-6", "addr", "add", addr, "dev", h.Dev, "nodad").CombinedOutput(); err != nil {
			t.Fatalf("an IPv6 address for %s: %v: %s", h.Name, err, out)
		}
	}
	for _, h := range l.Hosts()[1:3] {
		startLabelled(t, h, filepath.Join(t.TempDir(), "asked"))
	}
	addr4 := func(h *lab.Host) netip.Addr { return h.Addr }
	for _, tc := range []transportCase{
		{"unicast peers", addr4, `peers  = ["10.58.4.1:4445", "10.58.4.2:4445", "10.58.4.3:4445"]
accept = ["10.58.4.0/24"]`},
		{"a group of IPv6, and agents that are reached by it", addr6, `send   = ["[ff05::db8:4445]:4445,1"]
accept = ["fd58:4::/64"]`},
		{"IPv6 peers beside a group of IPv4", addr6, `send   = ["239.255.221.20:4445,1"]
peers  = ["[fd58:4::1]:4445", "[fd58:4::2]:4445", "[fd58:4::3]:4445"]
accept = ["fd58:4::/64", "10.58.4.0/24"]`},
	} {
		t.Run(tc.name, func(t *testing.T) { tc.serves(t, l) })
	}
}

// serves starts the agents and runs the load.
func (tc *transportCase) serves(t *testing.T, l *lab.Lab) {
	program, dir := agenttest.BuildAgent(t), t.TempDir()
	front, visitor := l.Host(1), l.Host(4)
	start := func(h *lab.Host) *lab.Process { return tc.start(t, program, dir, h) }
	start(front)
	start(l.Host(2))
	leaver := start(l.Host(3))
	base := "http://" + netip.AddrPortFrom(tc.addr(front), 80).String()
	tc.seesMembers(t, visitor, base, 2)

	load := startFaultLoad(t, visitor, base+"/small?100")
	began := time.Now()
	pass(t, 1500*time.Millisecond)
	leaver.Stop(t)
	tc.seesMembers(t, visitor, base, 1)
	pass(t, 500*time.Millisecond)
	start(l.Host(3))
	tc.seesMembers(t, visitor, base, 2)
	pass(t, 1500*time.Millisecond)
	load.finish(t)
	seen := load.between(began, time.Now())
	if len(seen.failed) > 0 {
		t.Errorf("%d of %d requests failed, the first: %v", len(seen.failed), seen.requests, seen.failed[0].err)
	}
	for _, h := range []*lab.Host{l.Host(2), l.Host(3)} {
		if since := time.Since(seen.last[h.Name]); since > 5*time.Second {
			t.Errorf("%s served nothing in the last %v", h.Name, since)
		}
	}
}

// start starts the agent of a host: of the first one as front, of the others as members.
func (tc *transportCase) start(t *testing.T, program, dir string, h *lab.Host) *lab.Process {
	t.Helper()
	rest := "[[serve]]\nfarm = \"web\"\norigin = \"http://127.0.0.1:8080\"\n"
	if h.Number == 1 {
		rest = "[[route]]\npath = \"/\"\nfarm = \"web\"\n[status]\nallow = [\"10.58.4.0/24\", \"fd58:4::/64\"]\n"
	}
	file := filepath.Join(dir, h.Name+".toml")
	text := fmt.Sprintf("cluster = \"web\"\n[node]\naddress = %q\nname = %q\nstate_dir = %q\n[gossip]\ninterval = \"500ms\"\n%s\n[[listen]]\naddress = \":80\"\n%s",
		netip.AddrPortFrom(tc.addr(h), 80), h.Name, filepath.Join(dir, h.Name), tc.gossip, rest)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	p := h.Start(t, program, "run", "--config", file)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := p.WaitFor(ctx, "running"); err != nil {
		t.Fatalf("the agent at %s: %v:\n%s", h.Name, err, p.Output())
	}
	return p
}

// seesMembers waits until the front has that many members to choose from.
func (tc *transportCase) seesMembers(t *testing.T, visitor *lab.Host, base string, want int) {
	t.Helper()
	client := visitor.HTTPClient(t)
	lab.Eventually(t, 10*time.Second, func() error {
		v, err := viewAt(client, base)
		if err != nil {
			return err
		}
		var up []string
		for _, r := range v.Rows {
			if r.Farm == "web" && r.State == "up" {
				up = append(up, r.Name)
			}
		}
		if len(up) != want {
			return fmt.Errorf("the front has %s up, want %d members", strings.Join(up, " and "), want)
		}
		return nil
	})
}

// viewAt asks an agent what it sees.
func viewAt(client *http.Client, base string) (v status.View, err error) {
	res, err := client.Get(base + "/backhand/view.json")
	if err != nil {
		return v, err
	}
	defer res.Body.Close()
	return v, json.NewDecoder(res.Body).Decode(&v)
}

// pass lets a load run for a while.
func pass(t *testing.T, d time.Duration) {
	select {
	case <-time.After(d):
	case <-t.Context().Done():
	}
}
