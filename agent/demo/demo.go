package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"time"

	"backhand/agent"
	"backhand/agent/config"
	"backhand/candidacy"
	"backhand/gossip/node"
)

// Options of a demo.
type Options struct {
	For     time.Duration // how long it runs; 0: until the context ends
	Rate    int           // requests a second that it sends itself; 0: none
	Out     io.Writer     // what a person reads
	Log     *slog.Logger  // what the agents log
	Version string
}

// The cast: the first is the front that clients talk to. Speeds differ as those of real fleets do.
var cast = []struct {
	name string
	work time.Duration
}{
	{"www1", 30 * time.Millisecond},
	{"www2", 20 * time.Millisecond},
	{"www3", 30 * time.Millisecond},
	{"www4", 45 * time.Millisecond},
	{"www5", 90 * time.Millisecond},
}

const (
	mortal    = "www3"           // dies and comes back
	diesEvery = 20 * time.Second // from one death to the next
	diesAfter = 6 * time.Second  // the first
	deadFor   = 6 * time.Second
	showEvery = 2 * time.Second
	firstPort = 8080 // where clients ask
	firstTell = 4446 // where programs ask, and tell
	ports     = 50   // how many are tried
	needed    = 3    // nodes that must have served, or the demo has not shown what it should
	enough    = 50   // requests after which that can be said
)

// cluster is the running demo.
type cluster struct {
	opt     Options
	dir     string
	port    string // where each agent takes requests
	tell    string // where programs ask each agent, and tell it
	toys    []*toy
	servers []*toy // without agents
	agents  []*agent.Agent
	load    *load

	saying sync.Mutex // held while a line is written to opt.Out
}

// Run runs the demo until the context or its time ends. It returns an error if the cluster did not do what the demo is there to
// show: requests went to at least three members.
func Run(ctx context.Context, opt Options) (err error) {
	if opt.For > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, opt.For)
		defer cancel()
	}
	c := &cluster{opt: opt}
	if c.dir, err = os.MkdirTemp("", "backhand-demo-"); err != nil {
		return err
	}
	defer os.RemoveAll(c.dir)
	defer c.bury()
	if err := c.build(); err != nil {
		return err
	}
	return c.run(ctx)
}

// build makes everything that can fail, and starts nothing but the toys.
func (c *cluster) build() (err error) {
	if c.port, err = c.pickPort(firstPort); err != nil {
		return err
	}
	if c.tell, err = c.pickPort(firstTell); err != nil {
		return err
	}
	if err := c.addServers(); err != nil {
		return err
	}
	name := "demo-" + node.NewID().Short() // two demos on one machine do not meet
	for i := range cast {
		if err := c.addAgent(name, i); err != nil {
			return err
		}
	}
	c.load = newLoad(max(1, c.opt.Rate), c.url("/"), c.url("/auto/"), c.url(reportsPath))
	return nil
}

// addAgent makes one agent, with its toy origin and its file.
func (c *cluster) addAgent(cluster string, i int) error {
	who, registry := cast[i], candidacy.Builtin()
	t, err := newToy(who.name, who.work, ip(i))
	if err != nil {
		return fmt.Errorf("toy origin of %s: %w", who.name, err)
	}
	c.toys = append(c.toys, t)
	file := c.file(who.name)
	if err := os.WriteFile(file, []byte(c.text(cluster, i)), 0o600); err != nil {
		return err
	}
	load := func() (*config.Config, error) {
		cfg, err := config.Load(file, registry, config.ForRun())
		if err == nil {
			cfg.Warnings = nil // that loopback is accepted is the point of a demo
		}
		return cfg, err
	}
	cfg, err := load()
	if err != nil {
		return err
	}
	a, err := agent.New(cfg, agent.Options{
		Load: load, Registry: registry, Sampler: t, Log: c.opt.Log.With("node", who.name), Version: c.opt.Version,
		Note: "A demo on one machine: the load figures of each node are those of its toy origin, not of this host.",
	})
	if err != nil {
		return err
	}
	c.agents = append(c.agents, a)
	return nil
}

// text is the file of one node: the very one that a host of its own would have.
func (c *cluster) text(cluster string, i int) string {
	text := fmt.Sprintf(`# %[1]s of the demo. It can be changed while the demo runs: backhand reload --config FILE
cluster = %[2]q

[node]
address   = "%[3]s:%[4]s"
name      = %[1]q
state_dir = %[5]q

[gossip]
send   = ["239.255.221.20:4445,0"] # TTL 0: nothing leaves this machine
accept = ["127.0.0.0/8"]
interval = "250ms" # the second of the ancestor is too long for a chain that sorts by load, at this many requests

[[serve]]
farm     = "web"
origin   = "http://%[6]s"
capacity = %[7]d

[[listen]]
address = "%[3]s:%[4]s"
%[8]s`, cast[i].name, cluster, ip(i), c.port, filepath.Join(c.dir, cast[i].name), c.toys[i].addr, toySlots, c.reportsText(i))
	if i == 0 {
		text += `
[[route]]
path  = "/" # the chain of mod_backhand's own example
farm  = "web"
chain = ["removeSelf", "byAge 6", "byRandom", "byLogWindow", "byLoad"]

[[route]]
path  = "/auto/" # no chain, so that it gets auto; here this node serves, too
farm  = "web"
` + reportsRoute
	}
	return text
}

func (c *cluster) run(ctx context.Context) error {
	life, cancel := context.WithCancel(ctx)
	defer cancel()
	var wg sync.WaitGroup
	broke := make(chan error, len(c.agents))
	for _, a := range c.agents {
		wg.Go(func() {
			if err := a.Run(life); err != nil {
				broke <- err
				cancel()
			}
		})
	}
	c.intro()
	c.meet(life)
	loading, stopLoad := context.WithCancel(life)
	var loads sync.WaitGroup
	if c.opt.Rate > 0 {
		loads.Go(func() { c.load.run(loading) })
	}
	wg.Go(func() { c.drama(life) })
	wg.Go(func() { c.chores(life) })
	for i, t := range c.servers {
		wg.Go(func() { c.push(life, t, c.engine(i)) })
	}
	c.show(life)
	// The requests end before the agents go, for which they would wait otherwise.
	stopLoad()
	loads.Wait()
	wg.Wait()
	select {
	case err := <-broke:
		return err
	default:
		return c.verdict()
	}
}

// bury ends the toys.
func (c *cluster) bury() {
	for _, t := range slices.Concat(c.toys, c.servers) {
		t.die()
	}
}

// pickPort finds a port that is free on all five addresses, for agents as for people it is simpler to have one.
func (c *cluster) pickPort(first int) (string, error) {
	for p := first; p < first+ports; p++ {
		if err := free(p); err != nil {
			if errors.Is(err, errAddress) {
				return "", err
			}
			continue
		}
		if p != first {
			c.say("port %d is taken: the demo uses %d", first, p)
		}
		return strconv.Itoa(p), nil
	}
	return "", fmt.Errorf("no port from %d to %d is free on 127.0.0.1 to 127.0.0.%d", first, first+ports-1, len(cast))
}

var errAddress = errors.New("this system has no 127.0.0.2; the demo needs Linux")

func free(port int) error {
	for i := range cast {
		ln, err := net.Listen("tcp", net.JoinHostPort(ip(i), strconv.Itoa(port)))
		if err != nil {
			if i > 0 && !isInUse(err) {
				return fmt.Errorf("%w (%w)", errAddress, err)
			}
			return err
		}
		ln.Close()
	}
	return nil
}

func isInUse(err error) bool { return errors.Is(err, syscall.EADDRINUSE) }

func ip(i int) string { return "127.0.0." + strconv.Itoa(i+1) }

func (c *cluster) url(path string) string { return "http://" + ip(0) + ":" + c.port + path }

func (c *cluster) file(name string) string { return filepath.Join(c.dir, name+".toml") }

func total(m map[string]int) (n int) {
	for _, v := range m {
		n += v
	}
	return n
}

// pause waits, and reports false if the context ended first.
func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
