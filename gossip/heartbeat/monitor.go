package heartbeat

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"backhand/gossip"
	"backhand/gossip/node"
)

// Config says whom a [Monitor] believes and what it announces.
type Config struct {
	// Accept reports whether what comes from an address may be believed. It is asked for every datagram. Required.
	Accept func(from netip.Addr) bool
	// Self returns what this host announces. It is called once a second as long as there is somewhere to send it, and once more
	// at the end. Required.
	Self func(now time.Time) Message
	// Changed is called when somebody was heard. It must not block. Default: nobody is told.
	Changed func()
	// Log takes what people should know. Default: nobody is told.
	Log *slog.Logger
}

// Service is what all hosts are taken to serve, since they do not say so.
type Service struct {
	Farm     string
	Port     uint16  // of those that do not say theirs
	Capacity float64 // requests that each runs at full speed at once; 0: not known
}

// Links are the ways to the others. A Listen that is Send as well is one socket.
type Links struct {
	Listen gossip.Transport // nil: nobody is heard
	Send   gossip.Transport // nil: nothing is announced
}

// Reason is why a datagram was dropped.
type Reason uint8

// The reasons, in the order in which they are checked.
const (
	DropCIDR      Reason = iota // it came from an address that is not accepted
	DropMalformed               // against the format
	DropFull                    // there is no room for its sender
	Reasons                     // how many reasons there are
)

// String returns the word that metrics use.
func (r Reason) String() string {
	names := [Reasons]string{"cidr", "malformed", "full"}
	if r >= Reasons {
		return "unknown"
	}
	return names[r]
}

// Monitor hears the others and announces this host. Its methods may be called by any number of goroutines.
type Monitor struct {
	cfg     Config
	started atomic.Bool
	dropped [Reasons]atomic.Uint64
	dropLog [Reasons]atomic.Int64 // when the next line may be logged, ns since 1970

	mu      sync.Mutex
	table   *table
	links   Links
	running context.Context
	wg      sync.WaitGroup // of the goroutines that receive

	outage bool // the last message could not be sent; only the announcing goroutine uses it
	buf    []byte
}

// New returns a Monitor that does nothing until Run.
func New(cfg Config) (*Monitor, error) {
	if cfg.Accept == nil || cfg.Self == nil {
		return nil, errors.New("heartbeat: want Accept and Self")
	}
	if cfg.Changed == nil {
		cfg.Changed = func() {}
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	return &Monitor{cfg: cfg, table: newTable()}, nil
}

// Set replaces what the hosts serve, and the ways to them: those that are not used any more are closed, new ones belong to the
// Monitor from now on. Once Run has ended, all are closed. Where nobody is listened to any more, nobody is known.
func (m *Monitor) Set(s Service, l Links) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.table.setService(s)
	if l.Listen == nil {
		m.table = newTable()
		m.table.service = s
	}
	if m.running != nil && m.running.Err() != nil {
		l.Close()
		l = Links{}
	}
	old := m.links
	m.links = l
	closeLinks(old, l)
	if m.running == nil {
		return
	}
	for _, t := range l.all() {
		if !old.has(t) {
			m.wg.Go(func() { m.receive(m.running, t) })
		}
	}
}

// Links returns the ways that are in use.
func (m *Monitor) Links() Links {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.links
}

// all returns each transport once.
func (l Links) all() []gossip.Transport {
	var out []gossip.Transport
	if l.Listen != nil {
		out = append(out, l.Listen)
	}
	if l.Send != nil && l.Send != l.Listen {
		out = append(out, l.Send)
	}
	return out
}

func (l Links) has(t gossip.Transport) bool { return t == l.Listen || t == l.Send }

// Close closes both.
func (l Links) Close() { closeLinks(l, Links{}) }

// closeLinks closes those of l that are not in kept as well.
func closeLinks(l, kept Links) {
	for _, t := range l.all() {
		if !kept.has(t) {
			_ = t.Close() // of a datagram socket nothing gets lost
		}
	}
}

// Run hears and announces until ctx ends. Then it announces once more, closes the ways, and returns when all that it started
// has ended. Other than for a second call the error is nil: what the network does ends nothing.
func (m *Monitor) Run(ctx context.Context) error {
	if !m.started.CompareAndSwap(false, true) {
		return errors.New("heartbeat: a Monitor runs once")
	}
	m.mu.Lock()
	m.running = ctx
	for _, t := range m.links.all() {
		m.wg.Go(func() { m.receive(ctx, t) })
	}
	m.mu.Unlock()

	tick := time.NewTicker(Interval)
	defer tick.Stop()
	for ctx.Err() == nil {
		m.announce()
		select {
		case <-tick.C:
		case <-ctx.Done():
		}
	}
	m.announce() // by now it says that this host takes nothing more
	m.Set(Service{}, Links{})
	m.wg.Wait()
	return nil
}

// announce sends one message. A network that is down ends nothing; that is logged once when it goes and once when it is back.
func (m *Monitor) announce() {
	to := m.Links().Send
	if to == nil {
		return
	}
	m.buf = m.cfg.Self(time.Now()).Append(m.buf[:0])
	err := to.Send(m.buf)
	switch {
	case errors.Is(err, net.ErrClosed):
		return // it was replaced just now
	case err != nil && !m.outage:
		m.cfg.Log.Warn("heartbeats for Apache do not leave this host; trying on", "to", to.String(), "err", err)
	case err == nil && m.outage:
		m.cfg.Log.Info("heartbeats for Apache leave this host again", "to", to.String())
	}
	m.outage = err != nil
}

// AppendNodes appends the hosts that were heard within the last hour to the nodes, in no order. Who is there already wins
// over a host at the same address, and so does a physical of the farm: what a key or the file vouches for is not replaced by
// what anybody can send. The nodes never change.
func (m *Monitor) AppendNodes(nodes []*node.Node, now time.Time, physicals []node.Physical) []*node.Node {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.table.append(nodes, now, physicals)
}

// Addrs returns the addresses of the hosts that are known; nil: there are none.
func (m *Monitor) Addrs() map[netip.Addr]bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.table.ports) == 0 {
		return nil
	}
	addrs := make(map[netip.Addr]bool, len(m.table.ports))
	for a := range m.table.ports {
		addrs[a] = true
	}
	return addrs
}

// Dropped returns how many datagrams were dropped, by Reason.
func (m *Monitor) Dropped() (out [Reasons]uint64) {
	for r := range out {
		out[r] = m.dropped[r].Load()
	}
	return out
}
