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
	"testing"
	"time"

	"backhand/agent"
	"backhand/agent/agenttest"
	"backhand/gossip/gossiptest/lab"
	"backhand/status"
)

// labBeat is the interval of the beats here. What a change of the network costs must be over within two of them.
const labBeat = 500 * time.Millisecond

// labAgent is an agent that serves nothing, on a host of its own.
type labAgent struct {
	*lab.Host
	process *lab.Process
	client  *agent.Client
}

// startLabAgents starts one on every host of a lab, and waits until all have heard of all. Their addresses are those that
// their interfaces have at the moment.
func startLabAgents(t *testing.T, l *lab.Lab) []*labAgent {
	t.Helper()
	program := agenttest.BuildAgent(t)
	var all []*labAgent
	for _, h := range l.Hosts() {
		dir := filepath.Join(t.TempDir(), h.Name)
		file := dir + ".toml"
		text := fmt.Sprintf(`cluster = "web"

[node]
address   = '{{ GetAllInterfaces | include "network" "10.58.4.0/24" | attr "address" }}:80'
name      = %q
state_dir = %q

[gossip]
send     = ["239.255.221.20:4445,1"]
accept   = ["10.58.4.0/24"]
interval = %q

[[listen]]
address = ":80"
`, h.Name, dir, labBeat)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		all = append(all, &labAgent{h, h.Start(t, program, "run", "--config", file), agent.NewClient(dir)})
	}
	lab.Eventually(t, 15*time.Second, func() error {
		for _, a := range all {
			if err := a.sees(t, status.Up, all...); err != nil {
				return err
			}
		}
		return nil
	})
	return all
}

func (a *labAgent) view(t *testing.T) status.View {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	v, err := a.client.View(ctx)
	if err != nil && !strings.Contains(err.Error(), "control.sock") { // which is not there in the first moments
		t.Fatalf("%s: %v", a.Name, err)
	}
	return v
}

// sees returns an error unless the agent takes all of them but itself for that.
func (a *labAgent) sees(t *testing.T, want status.State, others ...*labAgent) error {
	t.Helper()
	v := a.view(t)
	for _, o := range others {
		i := slices.IndexFunc(v.Rows, func(r status.Row) bool { return r.Name == o.Name })
		switch {
		case o == a:
		case i < 0:
			return fmt.Errorf("%s does not know %s", a.Name, o.Name)
		case v.Rows[i].State != want:
			return fmt.Errorf("%s is %s for %s, %v after its last beat; want %s", o.Name, v.Rows[i].State, a.Name, v.Rows[i].Host.Age, want)
		}
	}
	return nil
}

// heardSince returns an error unless the agent has heard the other since then.
func (a *labAgent) heardSince(t *testing.T, o *labAgent, then time.Time) error {
	t.Helper()
	v := a.view(t)
	i := slices.IndexFunc(v.Rows, func(r status.Row) bool { return r.Name == o.Name })
	if i < 0 {
		return fmt.Errorf("%s does not know %s", a.Name, o.Name)
	}
	if age := time.Duration(v.Rows[i].Host.Age * float64(time.Second)); age >= v.Now.Sub(then) {
		return fmt.Errorf("%s heard %s last %v ago, and %v ago all was well", a.Name, o.Name, age, v.Now.Sub(then))
	}
	return nil
}

// finds returns an error unless these are the kinds of the agent's findings.
func (a *labAgent) finds(t *testing.T, kinds ...string) error {
	t.Helper()
	var got []string
	for _, f := range a.view(t).Findings {
		got = append(got, f.Kind)
	}
	if !slices.Equal(got, kinds) {
		return fmt.Errorf("%s finds %q, want %q", a.Name, got, kinds)
	}
	return nil
}

func TestNetworkChangesUnderAnAgent(t *testing.T) {
	lab.Need(t, "root", "ip", "nft")
	l := lab.New(t, 2)
	all := startLabAgents(t, l)
	one, two := all[0], all[1]
	for _, tc := range []struct {
		name        string
		change      func()
		finds       []string // what host 1 finds wrong then; nil: it heals at once
		heal        func()
		readdressed bool
	}{
		{"the link is taken down, and up", one.LinkDown, []string{"outage"}, one.LinkUp, false},
		{"the cable is pulled, and plugged in", func() { l.Cut(1) }, []string{"outage"}, func() { l.Heal(1) }, false},
		{"the interface is unplugged, and another one plugged in", one.Unplug, []string{"outage"}, one.Plug, false},
		{"the interface is renamed", func() {}, nil, func() { one.Rename("lan0") }, false},
		{"the cable is moved to another port of the switch", func() {}, nil, one.Move, false},
		{"the host is readdressed", func() {}, nil, func() { one.Readdress(netip.MustParseAddr("10.58.4.77")) }, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			tc.change()
			if tc.finds != nil {
				lab.Eventually(t, 5*time.Second, func() error { return one.finds(t, tc.finds...) })
				lab.Eventually(t, 5*time.Second, func() error {
					if err := two.heardSince(t, one, time.Now().Add(-2*labBeat)); err == nil {
						return fmt.Errorf("%s still hears %s", two.Name, one.Name)
					}
					return nil
				})
			}
			tc.heal()
			healed := time.Now()
			within := 2 * labBeat
			if tc.readdressed {
				within += 2500 * time.Millisecond // until the agent asks the file for another address
			}
			lab.Eventually(t, 20*time.Second, func() error {
				if err := one.heardSince(t, two, healed); err != nil {
					return err
				}
				return two.heardSince(t, one, healed)
			})
			// The machine that the test runs on may be busy, and the hosts are asked in turn.
			took, slack := time.Since(healed), 500*time.Millisecond
			t.Logf("both hear each other %v after it healed", took)
			if took > within+slack {
				t.Errorf("that took %v, want %v", took, within)
			}
			lab.Eventually(t, 5*time.Second, func() error { return one.finds(t) })
			out := one.process.Output()
			began, ended := strings.Count(out, "do not leave this host"), strings.Count(out, "leave this host again")
			if began != ended && !tc.readdressed { // which ends with a reload, by which others sockets take over
				t.Errorf("%d outages were logged, and %d times that one was over:\n%s", began, ended, out)
			}
		})
	}
}

// A host that is cut off suspects itself. It keeps those that TCP still reaches, and the others drop it as ever.
func TestHostThatIsCutOff(t *testing.T) {
	lab.Need(t, "root", "ip", "nft")
	l := lab.New(t, 4)
	all := startLabAgents(t, l)
	one, others := all[0], all[1:]
	soon := func(holds func() error) {
		t.Helper()
		lab.Eventually(t, 10*time.Second, holds)
	}
	const dropped = 7 * labBeat // longer than six beats, after which the default chain drops a node

	// At the switch, so that its own link stays up.
	for _, protocol := range []string{"udp", "tcp"} {
		one.Mute(protocol)
		one.Deafen(protocol)
	}
	soon(func() error { return one.finds(t, "alone") })
	soon(func() error { return one.sees(t, status.Stale, others...) })
	for _, o := range others {
		soon(func() error { return o.sees(t, status.Stale, one) })
		if err := o.sees(t, status.Up, others...); err != nil {
			t.Errorf("one is cut off: %v", err)
		}
		if err := o.finds(t); err != nil {
			t.Error(err)
		}
	}
	one.Clear()
	soon(func() error { return one.sees(t, status.Up, all...) })
	soon(func() error { return one.finds(t) })
	back := time.Now() // it is over once most are heard; all must be, so that they fall silent together again
	for _, o := range others {
		soon(func() error { return one.heardSince(t, o, back) })
	}

	one.Deafen("udp")
	soon(func() error { return one.finds(t, "alone") })
	time.Sleep(dropped) // within which nobody may be dropped
	if err := one.sees(t, status.Up, all...); err != nil {
		t.Errorf("only beats are lost: %v", err)
	}
	for _, o := range others {
		if err := o.sees(t, status.Up, all...); err != nil {
			t.Errorf("they still hear it: %v", err)
		}
	}
	others[2].process.Stop(t)
	soon(func() error { return one.sees(t, status.Stale, others[2]) })
	if err := one.sees(t, status.Up, others[:2]...); err != nil {
		t.Errorf("one more is gone: %v", err)
	}
	one.Clear()
	soon(func() error { return one.finds(t) })
	soon(func() error { return one.sees(t, status.Up, others[:2]...) })
	if n := strings.Count(one.process.Output(), "finding=alone"); n != 2 {
		t.Errorf("that it was alone, and that this is over, was logged in %d lines, want 2, however often within a minute:\n%s",
			n, one.process.Output())
	}
}
