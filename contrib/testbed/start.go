package main

import (
	"embed"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"backhand/contrib/testbed/ideal"
	"backhand/contrib/testbed/origin"
)

//go:embed conf
var confFiles embed.FS

const (
	originPort  = ":8080"
	controlPort = ":8081" // of the ideal front
	apacheBeats = "239.255.221.21:27999"
	// What the members tell Apache that they have: more than run at once, as web servers are set up.
	apacheWorkers = 64
)

// values are what the files in conf/ are filled in with.
type values struct {
	Run, Addr, Name string
	Members         []string // origins
	// of HAProxy and Apache
	Balance, Beats string
	// of agents
	Cluster  string
	Interval time.Duration
	Member   bool
	Slots    int
	Chain    []string
	Keys     string // file
}

// folder returns the folder of a host, which is the same in all rows: an agent keeps there what it found out about its
// host.
func (b *bed) folder(name string) (string, error) {
	dir := filepath.Join(b.dir, name)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	return dir, os.Chmod(dir, 0o755)
}

func (b *bed) origins() (list []string) {
	for i := range b.opt.members {
		list = append(list, address(memberHost(i))+originPort)
	}
	return list
}

func (b *bed) startOrigins(p *processes, t turn) error {
	spec := origin.Spec{Slots: t.trace.Slots, Workers: apacheWorkers}
	if t.policy.key == keyApache {
		spec.Beats = apacheBeats
	}
	for i := range b.opt.members {
		dir, err := b.folder(fmt.Sprintf("m%d", i))
		if err != nil {
			return err
		}
		// Its agent reads it as /proc/loadavg.
		avg := filepath.Join(dir, "loadavg")
		if err := os.WriteFile(avg, origin.LoadAverage(0), 0o644); err != nil {
			return err
		}
		host := memberHost(i)
		spec.Members = append(spec.Members, origin.Member{
			Namespace: b.net.host(host), Listen: address(host) + originPort, Load: avg,
		})
	}
	text, err := json.Marshal(spec)
	if err != nil {
		return err
	}
	_, err = p.start("origins", roleOrigins, exec.Command(b.self, originCommand, string(text)))
	return err
}

// startSelf starts this program as another one, at a host. What it shall do is in its arguments.
func (b *bed) startSelf(p *processes, host int, name, role, command string, spec any) error {
	text, err := json.Marshal(spec)
	if err != nil {
		return err
	}
	cmd := b.net.command(host, b.self, command, string(text))
	cmd.Env = append(os.Environ(), oneThread)
	_, err = p.start(name, role, cmd)
	return err
}

// oneThread is what all that we have written gets: so many hosts share the machine.
const oneThread = "GOMAXPROCS=1"

func (b *bed) startAgents(p *processes, t turn) error {
	for i := range b.opt.members {
		v := values{Name: fmt.Sprintf("m%d", i), Addr: address(memberHost(i)), Member: true, Slots: t.trace.Slots}
		if err := b.startAgent(p, t, memberHost(i), roleAgents, v); err != nil {
			return err
		}
	}
	return nil
}

// startAgent starts the agent of a host. One of a member sees the load average of its own origin, not the machine's.
func (b *bed) startAgent(p *processes, t turn, host int, role string, v values) (err error) {
	if v.Run, err = b.folder(v.Name); err != nil {
		return err
	}
	v.Cluster, v.Interval = b.net.prefix, t.Gossip
	file, err := fill("agent.toml", v.Run, v)
	if err != nil {
		return err
	}
	argv := []string{b.binary, "run", "--config", file}
	if v.Member {
		mount := []string{"sh", "-c", `mount --bind "$0" /proc/loadavg && exec "$@"`, filepath.Join(v.Run, "loadavg")}
		argv = append(mount, argv...)
	}
	cmd := b.net.command(host, argv...)
	cmd.Env = append(os.Environ(), oneThread)
	_, err = p.start(v.Name, role, cmd)
	return err
}

func (b *bed) startIdeal(p *processes, t turn) ([]string, error) {
	addr := address(frontHost(0))
	spec := ideal.Spec{Listen: addr + ":80", Control: addr + controlPort, Slots: t.trace.Slots}
	for i := range b.opt.members {
		spec.Members = append(spec.Members, address(memberHost(i))+":80")
	}
	return []string{spec.Listen}, b.startSelf(p, frontHost(0), "ideal", roleFronts, idealCommand, spec)
}

func (b *bed) startFronts(p *processes, t turn) (addrs []string, err error) {
	for i := range t.Fronts {
		v := values{Name: fmt.Sprintf("f%d", i), Addr: address(frontHost(i)), Chain: t.policy.chain}
		addrs = append(addrs, v.Addr+":80")
		if err := b.startAgent(p, t, frontHost(i), roleFronts, v); err != nil {
			return nil, err
		}
	}
	return addrs, nil
}

func (b *bed) startRivals(p *processes, t turn) (addrs []string, err error) {
	for i := range t.Fronts {
		name := fmt.Sprintf("f%d", i)
		v := values{
			Name: name, Addr: address(frontHost(i)), Members: b.origins(), Balance: t.policy.balance, Beats: apacheBeats,
		}
		if v.Run, err = b.folder(name + "-" + t.policy.key); err != nil {
			return nil, err
		}
		file, err := fill(t.policy.conf, v.Run, v)
		if err != nil {
			return nil, err
		}
		argv := []string{t.policy.program}
		for _, a := range t.policy.args {
			argv = append(argv, strings.NewReplacer("{conf}", file, "{run}", v.Run).Replace(a))
		}
		addrs = append(addrs, v.Addr+":80")
		if _, err := p.start(name, roleFronts, b.net.command(frontHost(i), argv...)); err != nil {
			return nil, err
		}
	}
	return addrs, nil
}
