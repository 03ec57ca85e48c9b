package gossip

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"backhand/gossip/node"
	"backhand/gossip/wire"
)

// Config says what a [Gossiper] announces, where, and whom it believes.
type Config struct {
	// Cluster is the name that is bound into every beat. Required.
	Cluster string
	// ID and Boot say who we are. ID is required; Boot must be greater than at the start before.
	ID   node.ID
	Boot uint64
	// Raise is called, at most once a minute, when another agent has our id and a greater boot: as long as ours is the lesser
	// one nobody takes our beats any more, not even when the other has gone. It returns the boot to go on with, which must
	// be remembered over restarts, or 0 to leave things as they are. nil: they are left.
	Raise func(heard uint64) uint64
	// Interval between two beats, from 100 ms to 60 s. Shorter means fresher figures, for which every node pays with a
	// datagram from each of the others. Each beat is up to a tenth earlier or later, so that nodes started together do not
	// send together. In a large cluster all nodes beat more seldom: N of them at most once in N/2000 s. Default: 1 s.
	Interval time.Duration
	// Keys prove our beats and those of the others. nil: none, and whoever may send from an address in Accept is believed.
	Keys *wire.Keyring
	// Accept is whose beats are taken, by source address. None: nobody's.
	Accept []netip.Prefix
	// Transports carry beats and notes. Once New has returned without an error they belong to the Gossiper: Run closes them,
	// and so does SetTransports(nil) where Run is not called. None: we are alone.
	Transports []Transport
	// Describe returns what to announce. It is called for each beat, by one goroutine at a time, and should take no longer
	// than a reading of the host's figures does. ID, Boot, Sequence, Interval, versions and Stats.SendLate are filled in
	// afterwards. Required.
	Describe func(now time.Time) node.Node
	// Told is called for each note of another node whose beats are heard, with the time when it came: once, by however many
	// transports. payload holds until Told returns. Each transport has a goroutine that calls it, several at the same time,
	// and takes in nothing else meanwhile: it must not block. An error says that the payload is no good, which is counted as
	// malformed, and logged now and then. nil: notes are checked and counted, and nobody is told.
	Told func(from node.ID, payload []byte, at time.Time) error
	// Log takes what people should know. Default: nobody is told.
	Log *slog.Logger
	// Rand is the chance in the intervals; nobody else may use it. Default: one of our own.
	Rand *rand.Rand
}

// Gossiper announces one node and listens to the others. Its methods may be called by any number of goroutines.
type Gossiper struct {
	cfg      Config
	cluster  wire.Hash
	start    time.Time
	interval atomic.Int64
	accept   atomic.Pointer[[]netip.Prefix]
	keys     atomic.Pointer[wire.Keyring]
	boot     atomic.Uint64
	sequence atomic.Uint64 // of the beat that was sent last
	notes    atomic.Uint64 // that were sent: the sequence of the last one
	counters counters

	leaving atomic.Bool
	leave   chan chan struct{} // what comes is closed by the announcer when the leaving beats are out
	soon    chan struct{}
	changed chan struct{}
	started atomic.Bool
	ended   chan struct{}

	dropLog    [Reasons]seldom
	cloneLog   seldom
	receiveLog seldom
	lateness   lateness

	mu        sync.Mutex
	table     *Table
	suspicion suspicion
	snooping  snooping
	addr      netip.AddrPort // that we announced last
	twin      twin
	links     []*link // never changed, but replaced
	running   context.Context
	wg        sync.WaitGroup // of the goroutines that receive
}

// link is a transport in use.
type link struct {
	Transport
	health health
}

// New checks the configuration and returns a Gossiper that does nothing until Run.
func New(cfg Config) (*Gossiper, error) {
	switch {
	case cfg.Cluster == "":
		return nil, errors.New("gossip: want the name of a cluster")
	case cfg.ID.IsZero():
		return nil, errors.New("gossip: want a node id")
	case cfg.Describe == nil:
		return nil, errors.New("gossip: want a function that describes the node")
	}
	if cfg.Interval == 0 {
		cfg.Interval = time.Second
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Rand == nil {
		cfg.Rand = rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64()))
	}
	g := &Gossiper{
		cfg: cfg, cluster: wire.HashCluster(cfg.Cluster), start: time.Now(), table: NewTable(cfg.ID, cfg.Boot),
		leave: make(chan chan struct{}), soon: make(chan struct{}, 1), changed: make(chan struct{}, 1),
		ended: make(chan struct{}),
	}
	if err := g.SetInterval(cfg.Interval); err != nil {
		return nil, err
	}
	g.boot.Store(cfg.Boot)
	g.keys.Store(cfg.Keys)
	g.SetAccept(cfg.Accept)
	g.SetTransports(cfg.Transports)
	return g, nil
}

// Run announces and listens until ctx ends. Then it closes the transports, and returns when all that it started has
// ended. Other than for a second call of Run the error is nil: what the network does ends nothing.
func (g *Gossiper) Run(ctx context.Context) error {
	if !g.started.CompareAndSwap(false, true) {
		return errors.New("gossip: a Gossiper runs once")
	}
	defer close(g.ended)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()

	g.mu.Lock()
	g.running = ctx
	for _, l := range g.links {
		g.wg.Go(func() { g.receive(ctx, l) })
	}
	g.mu.Unlock()

	var wg sync.WaitGroup
	wg.Go(func() { g.announce(ctx) })
	wg.Go(func() { g.watch(ctx) })
	wg.Wait()

	g.SetTransports(nil)
	g.wg.Wait()
	return nil
}

// SetTransports replaces the transports, for a configuration that was read anew. Those that are not in the list any more
// are closed; so are all of them once Run has ended.
func (g *Gossiper) SetTransports(list []Transport) {
	g.mu.Lock()
	ended := g.running != nil && g.running.Err() != nil
	var links []*link
	for _, t := range list {
		l := &link{Transport: t}
		l.health.opened(time.Now())
		switch i := slices.IndexFunc(g.links, func(l *link) bool { return l.Transport == t }); {
		case ended:
			_ = t.Close()
			continue
		case i >= 0:
			l = g.links[i]
		case g.running != nil:
			g.wg.Go(func() { g.receive(g.running, l) })
		}
		links = append(links, l)
	}
	gone := slices.DeleteFunc(slices.Clone(g.links), func(l *link) bool { return slices.Contains(links, l) })
	g.links = links
	g.mu.Unlock() // taking leave may take a while
	for _, l := range gone {
		if err := l.Close(); err != nil {
			g.cfg.Log.Warn("gossip transport did not close well", "to", l.String(), "err", err)
		}
	}
}

// SetAccept replaces Config.Accept. It holds for every beat that comes from now on; nodes that are listed stay.
func (g *Gossiper) SetAccept(accept []netip.Prefix) {
	accept = slices.Clone(accept)
	g.accept.Store(&accept)
}

// SetKeys replaces Config.Keys. It holds for every beat that comes from now on, and a beat of ours tells of it at once; nodes
// that are listed stay, as long as what they send is taken.
func (g *Gossiper) SetKeys(keys *wire.Keyring) {
	g.keys.Store(keys)
	g.Beat()
}

// Latest returns boot and sequence of the beat that was sent last; the sequence is 0 before the first.
func (g *Gossiper) Latest() (boot, sequence uint64) { return g.boot.Load(), g.sequence.Load() }

// SetInterval replaces Config.Interval, from the next beat on.
func (g *Gossiper) SetInterval(d time.Duration) error {
	if d < wire.MinInterval || d > wire.MaxInterval {
		return fmt.Errorf("gossip: the interval is %v, want %v to %v", d, wire.MinInterval, wire.MaxInterval)
	}
	g.interval.Store(int64(d))
	return nil
}

// Beat announces a change of state soon: at once, or if that would make more than five beats a second, a little later. It
// does not wait.
func (g *Gossiper) Beat() {
	select {
	case g.soon <- struct{}{}:
	default: // one is under way that will tell of this change too
	}
}

// Leave says that this node is about to stop: from now on every beat does. It sends three such beats, 50 ms apart, so that
// hardly any peer misses them all, and returns when they are out, or ctx or Run has ended. If Run was never called, there
// is nobody to tell.
func (g *Gossiper) Leave(ctx context.Context) {
	g.leaving.Store(true)
	if !g.started.Load() {
		return
	}
	out := make(chan struct{})
	select {
	case g.leave <- out:
	case <-g.ended:
		return
	case <-ctx.Done():
		return
	}
	select {
	case <-out:
	case <-g.ended:
	case <-ctx.Done():
	}
}

// Nodes returns the peers, in no order: also those that are silent or have left, until that is an hour ago. The nodes
// never change.
func (g *Gossiper) Nodes(now time.Time) []*node.Node {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.table.Expire(now)
	return g.table.AppendNodes(make([]*node.Node, 0, g.table.Len()))
}

// Changed returns a channel on which something comes if a beat was taken since the last time. One value stands for any
// number of beats.
func (g *Gossiper) Changed() <-chan struct{} { return g.changed }

// Counters returns what was counted up to now.
func (g *Gossiper) Counters() Counters { return g.counters.read() }

// announced notes the address that we announce, and returns the transports to do it by.
func (g *Gossiper) announced(addr netip.AddrPort) []*link {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.addr = addr
	return g.links
}

// alone reports whether there is nobody to announce to.
func (g *Gossiper) alone() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.links) == 0
}
