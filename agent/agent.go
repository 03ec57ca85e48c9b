package agent

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"backhand/agent/config"
	"backhand/agent/farm"
	"backhand/candidacy"
	"backhand/gossip"
	"backhand/gossip/heartbeat"
	"backhand/gossip/node"
	"backhand/gossip/sampler"
	"backhand/proxy"
	"backhand/status"
)

// Options are what an agent needs besides its file. The zero value of each field has a default.
type Options struct {
	// Load reads the file again, for Reload. Without it there is no reload.
	Load func() (*config.Config, error)
	// Registry knows the candidacy functions. Default: candidacy.Builtin().
	Registry *candidacy.Registry
	// Sampler measures the host. Default: this host, by /proc.
	Sampler sampler.Sampler
	// Log gets what the operator should know. Default: slog.Default().
	Log *slog.Logger
	// Version is shown on the page.
	Version string
	// Note is shown at the top of the page, for a cluster whose figures are not what they seem.
	Note string
	// Announce makes an agent that only measures and announces: the web server keeps its port, and peers go to it
	// directly.
	Announce bool
	// Inherited are listening sockets that are used instead of opening those of the same addresses; see the function of
	// that name. Each must be that of a [[listen]]. They are the agent's from then on.
	Inherited []net.Listener
	// Notify tells the service manager how the agent is; see the function of that name. Default: nobody is told.
	Notify func(state string) error
}

// Agent is the running program.
type Agent struct {
	opt     Options
	log     *slog.Logger
	state   *state
	started time.Time
	speed   float64

	gossip    *gossip.Gossiper
	store     *farm.Store
	heartbeat *heartbeat.Monitor
	check     *agentCheck
	handler   *proxy.Handler
	metrics   *status.Metrics
	keys      keys
	keeper    *keeper

	config   atomic.Pointer[config.Config]
	serves   atomic.Pointer[[]*serve]
	access   atomic.Pointer[accessLog]
	snapshot atomic.Pointer[node.Snapshot]
	self     atomic.Pointer[node.Node]
	member   atomic.Uint32      // node.State of the member role
	kick     chan struct{}      // self has changed: merge at once
	mergeNow chan chan struct{} // merge at once, and close what was sent

	live *node.LiveSet // only merge uses it, and mark
	mark node.HighWater

	mirrors atomic.Pointer[[]*mirror] // engines that are told what is said here

	athena interfaces
	pushed ownStats
	layout sync.Mutex // held while config and what store has of it are read, or replaced, together

	describing sync.Mutex
	stale      atomic.Bool // self is not as we are any more
	dispatch   dispatchRate
	trouble    trouble

	reloading sync.Mutex         // one reload at a time; held while parts are replaced
	servers   map[string]*server // by config.Listen.Key
	shown     atomic.Pointer[[]shownServer]
	carriers  []carrier     // what beats go over
	clients   []*tls.Config // by which members are dialled, see clientTLS
	checks    []*farmCheck  // of members without an agent
	running   *group        // what Run has started; nil before
}

// New makes an agent of a configuration that was found right. It takes the state directory and opens listeners and
// gossip sockets, so that what cannot work is said before anything runs. After an error nothing stays open.
func New(cfg *config.Config, opt Options) (_ *Agent, err error) {
	a := &Agent{
		opt: opt, kick: make(chan struct{}, 1), mergeNow: make(chan chan struct{}),
		live: node.NewLiveSet(), started: time.Now(), keeper: newKeeper(),
	}
	a.defaults()
	a.athena.engine = newEngine(a)
	a.member.Store(uint32(node.Up))
	a.config.Store(cfg)

	var undo undoer
	defer func() {
		if err != nil {
			undo.all()
		}
	}()
	undo.add(func() { closeAll(opt.Inherited) })
	if a.state, err = openState(cfg.Node.StateDir, a.started, a.log); err != nil {
		return nil, err
	}
	undo.add(a.state.close)
	if err := a.openStore(cfg); err != nil {
		return nil, err
	}
	if err := a.measureSpeed(); err != nil {
		return nil, err
	}
	serves, err := newServes(cfg.Serve, nil)
	if err != nil {
		return nil, err
	}
	a.serves.Store(&serves)
	if a.checks, err = newFarmChecks(cfg, nil); err != nil {
		return nil, err
	}
	access, err := openAccessLog(cfg.Log, a.log)
	if err != nil {
		return nil, err
	}
	undo.add(access.close)
	a.access.Store(access)
	carriers, transports, err := a.openTransports(cfg)
	if err != nil {
		return nil, err
	}
	undo.add(func() { closeAll(transports) })
	a.carriers = carriers
	if err := a.openSampler(); err != nil {
		return nil, err
	}
	if err := a.addNeighbours(cfg, &undo); err != nil {
		return nil, err
	}
	if err := a.addAthena(cfg, &undo); err != nil {
		return nil, err
	}
	if err := a.wire(cfg, transports); err != nil {
		return nil, err
	}
	listeners, err := a.openServers(cfg, opt.Inherited)
	if err != nil {
		return nil, err
	}
	a.setServers(listeners.fresh)
	return a, nil
}

func (a *Agent) defaults() {
	if a.opt.Registry == nil {
		a.opt.Registry = candidacy.Builtin()
	}
	a.log = a.opt.Log
	if a.log == nil {
		a.log = slog.Default()
	}
}

// wire makes the parts know each other, as far as they do.
func (a *Agent) wire(cfg *config.Config, transports []gossip.Transport) (err error) {
	ring, err := cfg.Keyring()
	if err != nil {
		return err
	}
	a.keys.ring.Store(ring)
	a.gossip, err = gossip.New(gossip.Config{
		Cluster: cfg.Cluster, ID: a.state.id, Boot: a.state.bootNumber(), Raise: a.raise, Interval: cfg.Gossip.Interval,
		Accept: cfg.Gossip.Accept, Keys: ring, Transports: transports, Describe: a.describe,
		Told: a.store.Hear, Log: a.log,
	})
	if err != nil {
		return fmt.Errorf("gossip: %w", err)
	}
	a.merge()
	a.metrics = status.NewMetrics(a.source)
	site, err := a.site(cfg, *a.serves.Load())
	if err != nil {
		return err
	}
	a.handler = proxy.New(proxy.Config{
		Self: a.state.id, Snapshot: a.snapshot.Load, Node: a.node, Accept: a.accepts, LocalAddr: a.dialFrom,
		Proof: &proof{ring: &a.keys.ring, latest: a.gossip.Latest, node: a.node}, Done: a.done, Log: a.log,
	}, site)
	return nil
}

// dialFrom is the address that hops leave from: peers believe a hop only from the address that its sender announces.
func (a *Agent) dialFrom() netip.Addr { return a.config.Load().Node.Address.Addr() }

func (a *Agent) raise(heard uint64) uint64 { return a.state.raise(heard, time.Now(), a.log) }

// accepts reports whether beats and hops of that address may be believed.
func (a *Agent) accepts(addr netip.Addr) bool {
	addr = addr.Unmap()
	return slices.ContainsFunc(a.config.Load().Gossip.Accept, func(p netip.Prefix) bool { return p.Contains(addr) })
}

// Run runs the agent until the context ends and everything that it started has ended: nil if it went in good order. It
// may be called once.
func (a *Agent) Run(ctx context.Context) error {
	// What runs inside outlives ctx: a leaving agent still has to say so, and to finish its requests.
	g := newGroup(context.WithoutCancel(ctx))
	a.probeAll(ctx)
	a.reloading.Lock()
	a.running = g
	g.run("gossip", a.gossip.Run)
	a.runNeighbours(g)
	g.start(a.store.Run)
	g.start(a.tellLoop)
	g.start(a.mergeLoop)
	g.start(a.keepLoop)
	g.start(a.followAddress)
	g.start(a.watchKeys)
	g.start(a.access.Load().run)
	a.startProbes(*a.serves.Load())
	a.swapChecks(a.checks)
	control, err := a.listenControl()
	if err != nil {
		g.fail(err)
	} else if control != nil {
		g.run("control", control.run)
	}
	a.settle(ctx)
	for _, s := range a.servers {
		a.serve(s)
	}
	a.answerNeighbours(g)
	for _, s := range a.athena.servers {
		a.serveAthena(s)
	}
	a.swapMirrors(a.config.Load())
	a.announceStart()
	a.reloading.Unlock()
	a.notify(nowReady)

	select {
	case <-ctx.Done():
	case <-g.ctx.Done(): // a part broke: the others go with it
	}
	a.leave(g)
	g.cancel()
	a.cutOff(ctx)
	a.access.Load().stop() // last, so that requests which were cut off have their lines
	err = g.wait()
	a.state.close()
	return err
}

// leave tells the cluster, waits until it must have heard, and finishes the requests under way.
func (a *Agent) leave(g *group) {
	cfg := a.config.Load()
	drain, cancel := context.WithTimeout(g.ctx, cfg.Proxy.Drain)
	defer cancel()
	a.notify(nowStopping)
	a.log.Info("leaving", "requests", a.handler.InFlight())
	a.reloading.Lock()
	for _, s := range a.servers {
		s.proxy.SetLeaving(true)
	}
	a.reloading.Unlock()
	_ = a.setState(node.Leaving) // nothing forbids leaving
	a.gossip.Leave(drain)
	sleep(drain, farewell(cfg))
	a.reloading.Lock()
	defer a.reloading.Unlock()
	var wg sync.WaitGroup
	for _, s := range a.servers {
		wg.Go(func() { _ = s.proxy.Shutdown(drain) }) // what is left then is counted below
	}
	for _, s := range a.athena.servers {
		wg.Go(func() { s.shutdown(drain) })
	}
	wg.Wait()
	if err := a.handler.Drain(drain); err != nil {
		a.log.Warn("requests were cut off, since they took longer than proxy.drain", "requests", a.handler.InFlight(),
			"drain", cfg.Proxy.Drain)
		return
	}
	a.log.Info("left; no request was cut off")
}

// cutOff waits for the handlers of requests that were cut off. They end at once, unless something holds them that should not.
func (a *Agent) cutOff(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	if err := a.handler.Drain(ctx); err != nil {
		a.log.Error("requests that were cut off do not end", "err", err)
	}
}

// State returns what the agent announces of itself as a member.
func (a *Agent) State() node.State { return node.State(a.member.Load()) }

// setState changes it and lets the cluster know at once. A leaving agent stays one.
func (a *Agent) setState(s node.State) error {
	for {
		old := a.member.Load()
		if node.State(old) == node.Leaving && s != node.Leaving {
			return errors.New("the agent is about to stop")
		}
		if a.member.CompareAndSwap(old, uint32(s)) {
			a.changed()
			return nil
		}
	}
}

// Drain makes the others send no new requests here; those that arrive are served. Undrain ends that. Both come back
// once it is announced.
func (a *Agent) Drain() error { return a.setState(node.Draining) }

// Undrain makes a draining agent a member again.
func (a *Agent) Undrain() error { return a.setState(node.Up) }

// changed tells the cluster and ourselves at once that what we announce has changed.
func (a *Agent) changed() {
	a.stale.Store(true)
	a.gossip.Beat()
	a.mergeSoon()
}

// Snapshot returns the cluster as it is known now.
func (a *Agent) Snapshot() *node.Snapshot { return a.snapshot.Load() }

// announceStart says what the operator will want to see first.
func (a *Agent) announceStart() {
	cfg := a.config.Load()
	for _, w := range cfg.Warnings {
		a.log.Warn(w)
	}
	for _, s := range a.servers {
		from := "opened"
		if s.passed {
			from = "passed by systemd"
		}
		a.log.Info("listening", "address", s.conf.String(), "socket", from)
	}
	a.log.Info("running", "cluster", cfg.Cluster, "node", cfg.Node.Name, "id", a.state.id.Short(), "version", a.opt.Version,
		"keys", fmt.Sprint(a.keys.ring.Load()))
}

// sleep waits that long, or until the context ends.
func sleep(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}
