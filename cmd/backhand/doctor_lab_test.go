//go:build linux

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"backhand/agent/agenttest"
	"backhand/gossip/doctor"
	"backhand/gossip/gossiptest/lab"
	"backhand/gossip/wire"
)

// ward is three hosts: one for the doctor, and two with agents that have a key and let everybody look at their pages.
type ward struct {
	dir     string
	program string
	lab     *lab.Lab
	here    *lab.Host
	keys    string
}

const wardGossip = "send = [\"239.255.221.20:4445,1\"]\naccept = [\"10.58.4.0/24\"]\n"

func startWard(t *testing.T, gossip string) *ward {
	lab.Need(t, "root", "ip", "nft")
	l := lab.New(t, 3)
	w := &ward{dir: t.TempDir(), program: agenttest.BuildAgent(t), lab: l, here: l.Host(1)}
	w.keys = w.keyFile(t, "keys", wire.NewKey(1))
	for _, h := range l.Hosts() {
		// Without duplicate address detection, which would take a second.
		add := h.Command(t.Context(), "ip", "addr", "add", fmt.Sprintf("fd58:4::%d/64", h.Number), "dev", h.Dev, "nodad")
		if out, err := add.CombinedOutput(); err != nil {
			t.Fatalf("%v: %v: %s", add.Args, err, out)
		}
	}
	for i := 2; i <= 3; i++ {
		w.startAgent(t, l.Host(i), gossip)
	}
	return w
}

// startAgent starts one that ends with the test.
func (w *ward) startAgent(t *testing.T, h *lab.Host, gossip string) {
	t.Helper()
	p := h.Start(t, w.program, "run", "--config", w.file(t, h, "web", w.keys, gossip))
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := p.WaitFor(ctx, "running"); err != nil {
		t.Fatal(err)
	}
}

func (w *ward) keyFile(t *testing.T, name string, k wire.Key) string {
	t.Helper()
	path := filepath.Join(w.dir, name)
	if err := os.WriteFile(path, []byte(k.Line()+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// file writes the configuration of a host.
func (w *ward) file(t *testing.T, h *lab.Host, cluster, keys, gossip string) string {
	t.Helper()
	path := filepath.Join(w.dir, h.Name+".toml")
	text := fmt.Sprintf(`cluster = %q
[node]
address   = "%s:80"
name      = %q
state_dir = %q
[gossip]
keys = %q
%s
[[listen]]
address = ":80"
[status]
allow = ["127.0.0.0/8", "10.58.4.0/24"]
`, cluster, h.Addr, h.Name, filepath.Join(w.dir, h.Name), keys, gossip)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// doctor runs it on the first host, and returns what it says and its exit code.
func (w *ward) doctor(t *testing.T, file string) (r doctor.Report, code int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	cmd := w.here.Command(ctx, w.program, "doctor", "--config", file, "--for", "1500ms", "--json")
	out, err := cmd.Output()
	exit, failed := errors.AsType[*exec.ExitError](err)
	switch {
	case failed:
		code = exit.ExitCode()
	case err != nil:
		t.Fatal(err)
	}
	if err := json.Unmarshal(out, &r); err != nil {
		t.Fatalf("exit code %d, %v: %s", code, err, out)
	}
	return r, code
}

// nft runs a script at a host, and undoes it when the test ends.
func (w *ward) nft(t *testing.T, h *lab.Host, rule string) {
	t.Helper()
	run := func(script string) {
		if out, err := h.Command(context.Background(), "nft", script).CombinedOutput(); err != nil {
			t.Errorf("nft %s: %v: %s", script, err, out)
		}
	}
	run("add table inet ward; add chain inet ward in { type filter hook input priority 0; }; add rule inet ward in " + rule)
	t.Cleanup(func() { run("delete table inet ward") })
}

// expect checks the exit code, which checks failed, and what the first of them says and does about it.
func expect(t *testing.T, r doctor.Report, code int, failed string, says ...string) {
	t.Helper()
	var names []string
	text := ""
	for _, c := range r.Checks {
		if c.State == doctor.Fail {
			names = append(names, c.Check)
			text += c.Text + ": " + c.Do + "\n"
		}
	}
	wantCode := 0
	if failed != "" {
		wantCode = 1
	}
	var all strings.Builder
	_ = r.WriteText(&all)
	t.Logf("the doctor says:\n%s", &all)
	missing := false
	for _, s := range says {
		missing = missing || !strings.Contains(text+r.Verdict, s)
	}
	if got := strings.Join(names, " "); got != failed || code != wantCode || missing {
		t.Errorf("exit code %d, %q failed; want %d, %q with %q", code, got, wantCode, failed, says)
	}
}

func TestDoctorOnRealHosts(t *testing.T) {
	sideBySide(t, map[string]func(*testing.T){
		"multicast": doctorOfMulticast, "peers and memberlist": doctorOfPeers, "IPv6": doctorOfIPv6,
	})
}

func doctorOfMulticast(t *testing.T) {
	w := startWard(t, wardGossip)
	t.Run("healthy", w.healthy)
	t.Run("firewalls", w.firewalls)
	t.Run("keys", w.wrongKeys)
	t.Run("the file", w.wrongFile)
	t.Run("one-way", w.oneWay)
	t.Run("this host", w.wrongHost)
}

// good is the file of the first host with nothing wrong in it.
func (w *ward) good(t *testing.T) string { return w.file(t, w.here, "web", w.keys, wardGossip) }

func (w *ward) healthy(t *testing.T) {
	t.Run("all is well, and no agent runs here", func(t *testing.T) {
		r, code := w.doctor(t, w.good(t))
		expect(t, r, code, "", "All is well: 2 peers are heard and hear this host.")
	})
	t.Run("all is well, and the agent runs", func(t *testing.T) {
		w.startAgent(t, w.here, wardGossip)
		r, code := w.doctor(t, w.good(t))
		expect(t, r, code, "", "All is well: 2 peers are heard and hear this host.")
	})
}

func (w *ward) firewalls(t *testing.T) {
	t.Run("a firewall here drops UDP", func(t *testing.T) {
		w.nft(t, w.here, "meta l4proto udp drop")
		r, code := w.doctor(t, w.good(t))
		expect(t, r, code, "loopback", "a firewall of this host drops", "10.58.4.2 and 10.58.4.3 come to eth0")
	})
	t.Run("a firewall here drops UDP, and the agent runs", func(t *testing.T) {
		w.startAgent(t, w.here, wardGossip)
		w.nft(t, w.here, "meta l4proto udp drop")
		r, code := w.doctor(t, w.good(t))
		expect(t, r, code, "loopback", "a firewall of this host drops", "10.58.4.2 and 10.58.4.3 come to eth0")
	})
	t.Run("a firewall here drops what one peer sends", func(t *testing.T) {
		w.nft(t, w.here, "ip saddr 10.58.4.2 udp dport 4445 drop")
		r, code := w.doctor(t, w.good(t))
		expect(t, r, code, "firewall", "beats from 10.58.4.2 come to eth0 and reach no program")
	})
}

func (w *ward) wrongKeys(t *testing.T) {
	t.Run("the wrong key", func(t *testing.T) {
		r, code := w.doctor(t, w.file(t, w.here, "web", w.keyFile(t, "other", wire.NewKey(1)), wardGossip))
		expect(t, r, code, "keys", "beats from 10.58.4.2 and 10.58.4.3 are sealed with another key 1")
	})
	t.Run("a key that is not held", func(t *testing.T) {
		r, code := w.doctor(t, w.file(t, w.here, "web", w.keyFile(t, "two", wire.NewKey(2)), wardGossip))
		expect(t, r, code, "keys", "are sealed with key 1, and this host holds key 2")
	})
}

func (w *ward) wrongFile(t *testing.T) {
	t.Run("the wrong cluster", func(t *testing.T) {
		r, code := w.doctor(t, w.file(t, w.here, "wbe", w.keys, wardGossip))
		expect(t, r, code, "cluster", "beats from 10.58.4.2 and 10.58.4.3 are of another cluster", `none of "wbe"`)
	})
	t.Run("a CIDR that drops everybody", func(t *testing.T) {
		r, code := w.doctor(t, w.file(t, w.here, "web", w.keys, strings.Replace(wardGossip, "10.58.4.0/24", "10.58.4.128/25", 1)))
		expect(t, r, code, "accept", "beats from 10.58.4.2 and 10.58.4.3 are dropped by gossip.accept", `add "10.58.4.0/24"`)
	})
}

func (w *ward) oneWay(t *testing.T) {
	w.nft(t, w.lab.Host(2), "udp dport 4445 drop")
	r, code := w.doctor(t, w.good(t))
	expect(t, r, code, "hears", "one-way: host2 (10.58.4.2) is heard, and does not hear this host")
}

func (w *ward) wrongHost(t *testing.T) {
	t.Run("another program has the port", func(t *testing.T) {
		var c net.PacketConn
		if err := w.here.Do(func() (err error) {
			c, err = net.ListenPacket("udp4", "0.0.0.0:4445")
			return err
		}); err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		r, code := w.doctor(t, w.good(t))
		expect(t, r, code, "port", fmt.Sprintf("(pid %d), which does not share it", os.Getpid()))
	})
	t.Run("strict rp_filter", func(t *testing.T) {
		foreign := w.lab.AddForeign(netip.MustParsePrefix("192.168.77.9/24"))
		w.startAgent(t, foreign, wardGossip)
		for _, command := range []string{
			"ip route del 192.168.77.0/24", "echo 1 > /proc/sys/net/ipv4/conf/all/rp_filter",
		} {
			if out, err := w.here.Command(t.Context(), "sh", "-c", command).CombinedOutput(); err != nil {
				t.Fatalf("%s: %v: %s", command, err, out)
			}
		}
		r, code := w.doctor(t, w.file(t, w.here, "web", w.keys, strings.Replace(wardGossip, "10.58.4.0/24", `10.58.4.0/24", "192.168.77.0/24`, 1)))
		expect(t, r, code, "rp_filter", "beats from 192.168.77.9 come to eth0, and the kernel drops them: rp_filter is strict")
	})
}

func doctorOfPeers(t *testing.T) {
	const peers = "peers = [\"10.58.4.1:4445\", \"10.58.4.2:4445\", \"10.58.4.3:4445\"]\naccept = [\"10.58.4.0/24\"]\n"
	const members = "[gossip.memberlist]\njoin = [\"10.58.4.2:4446\"]\n"
	w := startWard(t, peers+members)
	t.Run("unicast, and no agent runs here", func(t *testing.T) {
		r, code := w.doctor(t, w.file(t, w.here, "web", w.keys, peers))
		expect(t, r, code, "", "All is well: 2 peers are heard and hear this host.")
	})
	t.Run("unicast, and one peer is not there", func(t *testing.T) {
		r, code := w.doctor(t, w.file(t, w.here, "web", w.keys, strings.Replace(peers, "[", `["10.58.4.9:4445", `, 1)))
		expect(t, r, code, "answers", "no answer from 10.58.4.9:4445")
	})
	t.Run("unicast, and a firewall here drops UDP", func(t *testing.T) {
		w.nft(t, w.here, "meta l4proto udp drop")
		r, code := w.doctor(t, w.file(t, w.here, "web", w.keys, peers))
		expect(t, r, code, "firewall", "beats from 10.58.4.2 and 10.58.4.3 come to eth0 and reach no program")
	})
	t.Run("unicast, and the agent runs", func(t *testing.T) {
		w.startAgent(t, w.here, peers)
		r, code := w.doctor(t, w.file(t, w.here, "web", w.keys, peers))
		expect(t, r, code, "", "All is well: 2 peers are heard and hear this host.")
	})
	t.Run("memberlist, and the agent runs", func(t *testing.T) {
		const gossip = "accept = [\"10.58.4.0/24\"]\n" + members
		w.startAgent(t, w.here, gossip)
		lab.Eventually(t, 10*time.Second, func() error {
			r, code := w.doctor(t, w.file(t, w.here, "web", w.keys, gossip))
			if code != 0 || r.Verdict != "All is well: 2 peers are heard and hear this host." {
				return fmt.Errorf("exit code %d: %+v", code, r)
			}
			return nil
		})
	})
	t.Run("memberlist, and nobody listens at the seed", func(t *testing.T) {
		gossip := "accept = [\"10.58.4.0/24\"]\n" + strings.Replace(members, ":4446", ":4", 1)
		r, code := w.doctor(t, w.file(t, w.here, "web", w.keys, gossip))
		expect(t, r, code, "doors", "no answer from 10.58.4.2:4: connect: connection refused")
	})
}

func doctorOfIPv6(t *testing.T) {
	const gossip = "send = [\"[ff05::db8:4445]:4445,1\"]\naccept = [\"10.58.4.0/24\", \"fd58:4::/64\"]\n"
	w := startWard(t, gossip)
	t.Run("all is well", func(t *testing.T) {
		r, code := w.doctor(t, w.file(t, w.here, "web", w.keys, gossip))
		expect(t, r, code, "", "All is well: 2 peers are heard and hear this host.")
	})
	t.Run("a firewall here drops what others send", func(t *testing.T) {
		w.nft(t, w.here, "ip6 saddr != ::1 iifname eth0 udp dport 4445 drop")
		r, code := w.doctor(t, w.file(t, w.here, "web", w.keys, gossip))
		expect(t, r, code, "loopback", "a firewall of this host drops", "fd58:4::2 and fd58:4::3 come to eth0 and reach no program")
	})
}
