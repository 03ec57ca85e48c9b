package memberlist

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"

	"backhand/gossip"
	"backhand/gossip/wire"
)

// Ports if none are given. Datagrams and connections of memberlist use the first one, beats the second.
const (
	DefaultPort     = 4446
	DefaultBeatPort = 4447
)

// Config says where this node is found, and where it finds the others.
type Config struct {
	// Cluster is the cluster's name: another one's members are not heard. Required.
	Cluster string
	// Bind is the address of this host at which memberlist listens, for UDP and TCP. Its host may be 0.0.0.0 or [::]; then
	// Advertise is required. Required.
	Bind netip.AddrPort
	// BeatPort is the UDP port at the same host to which the others send beats. Default: that of Bind and one more.
	BeatPort uint16
	// Advertise is where others reach this node, if it is not Bind: in front of it the ports of both may be translated, that of
	// beats may not. Nothing is guessed.
	Advertise netip.AddrPort
	// Join are the seeds: addresses, names, or SRV records of members. They are tried until one answers, for ever, and again
	// when there is no other member. Our own address among them is passed over. None: we wait for others to come.
	Join []gossip.Peer
	// Accept is whose datagrams and connections are taken, by source address, and what addresses members may have.
	Accept []netip.Prefix
	// Keys encrypt what memberlist sends, and prove what it gets, by AES-256-GCM; beats are sealed before they come here. nil:
	// nothing is encrypted.
	Keys *wire.Keyring
	// Before is the transport that this one is to replace, if there is one: sockets at the same address and members go over to
	// this one. It is to be closed when this one has started.
	Before *Transport
	// Resolver looks names up. Default: [net.DefaultResolver].
	Resolver gossip.Resolver
	// Log takes what people should know. Default: nobody is told.
	Log *slog.Logger
}

// Transport is a [gossip.Transport] to the members that memberlist finds. The first call of Receive starts it; before, its
// sockets are open, and it sends nothing.
type Transport struct {
	cfg    Config // Join, Accept and Keys are as they were at first
	self   string // our name: Advertise
	label  string
	voice  *voice
	places places
	rejoin chan struct{} // something comes when the seeds are to be tried at once

	callEvery atomic.Int64 // ns; see the constant

	packets *net.UDPConn
	streams *net.TCPListener
	beats   *net.UDPConn

	accept atomic.Pointer[[]netip.Prefix]
	guard  atomic.Pointer[guard]
	engine atomic.Pointer[engine] // nil before the start
	copies gossip.Copies
	heir   atomic.Bool // another transport has our name: there is nobody to say good-bye for

	ctx     context.Context // ends with Close
	cancel  context.CancelFunc
	started sync.Once
	closing sync.Once
	wg      sync.WaitGroup // of our goroutines

	mu     sync.Mutex // one change at a time
	closed bool
	keys   *wire.Keyring
	join   []gossip.Peer
}

// Open checks the configuration and opens the sockets. Nothing is sent, and nothing runs, before Receive is called.
func Open(cfg Config) (*Transport, error) {
	if err := cfg.complete(); err != nil {
		return nil, err
	}
	t := &Transport{
		cfg: cfg, self: nameOf(cfg.Advertise), label: labelOf(cfg.Cluster), voice: newVoice(cfg.Log),
		places: places{at: map[netip.Addr]int{}}, rejoin: make(chan struct{}, 1),
		keys: cfg.Keys, join: slices.Clone(cfg.Join), copies: gossip.Copies{Whom: "members", Log: cfg.Log},
	}
	t.callEvery.Store(int64(callEvery))
	t.ctx, t.cancel = context.WithCancel(context.Background())
	t.SetAccept(cfg.Accept)
	t.guard.Store(t.guardOf(sealingOf(cfg.Keys)))
	if err := t.open(); err != nil {
		t.cancel()
		return nil, err
	}
	if b := cfg.Before; b != nil && b.self == t.self {
		b.heir.Store(true)
	}
	return t, nil
}

// complete fills in what was left out.
func (c *Config) complete() error {
	if c.Cluster == "" {
		return errors.New("memberlist: want the name of a cluster")
	}
	c.Bind = netip.AddrPortFrom(c.Bind.Addr().Unmap(), c.Bind.Port())
	if !c.Advertise.IsValid() {
		c.Advertise = c.Bind
	}
	c.Advertise = netip.AddrPortFrom(c.Advertise.Addr().Unmap(), c.Advertise.Port())
	if c.BeatPort == 0 {
		c.BeatPort = c.Bind.Port() + 1
	}
	switch {
	case !c.Bind.Addr().IsUnspecified() && !gossip.IsHostAddr(c.Bind.Addr()) || c.Bind.Port() == 0:
		return fmt.Errorf("memberlist: %v is no address to listen at: want one of this host, with a port", c.Bind)
	case !gossip.IsHostAddr(c.Advertise.Addr()) || c.Advertise.Port() == 0:
		return fmt.Errorf("memberlist: others cannot reach %v: want the address that they can reach this host by", c.Advertise)
	case c.BeatPort == 0 || c.BeatPort == c.Bind.Port():
		return fmt.Errorf("memberlist: beats cannot come in at port %d: want one that is not that of %v", c.BeatPort, c.Bind)
	}
	if c.Resolver == nil {
		c.Resolver = net.DefaultResolver
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return nil
}

// start starts the library and our goroutines, once. Its error means that it could not; it is not tried again.
func (t *Transport) start() (err error) {
	t.started.Do(func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		if t.closed {
			return
		}
		var e *engine
		if e, err = t.newEngine(sealingOf(t.keys)); err != nil {
			return
		}
		if b := t.cfg.Before; b != nil {
			t.cfg.Before = nil
			if old := b.engine.Load(); old != nil {
				e.roster.succeed(old.roster)
			}
		}
		t.engine.Store(e)
		t.wg.Go(t.readPackets)
		t.wg.Go(t.acceptStreams)
		t.wg.Go(t.seek)
	})
	return err
}

// SetKeys replaces Config.Keys. Beats go on meanwhile, and nobody takes us for dead.
func (t *Transport) SetKeys(keys *wire.Keyring) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.keys = keys
	s := sealingOf(keys)
	if e := t.engine.Load(); e != nil && !t.closed && !e.rekey(s) && !t.restart(e, s) {
		return
	}
	t.guard.Store(t.guardOf(s))
}

// restart starts the library anew, with the same sockets, name and members: other members see no difference but that we
// join again. It reports whether it could.
func (t *Transport) restart(old *engine, s sealing) bool {
	e, err := t.newEngine(s)
	if err != nil {
		t.cfg.Log.Error("memberlist goes on with the keys that it had: restart the agent", "err", err)
		return false
	}
	e.roster.succeed(old.roster)
	t.engine.Store(e)
	old.shutdown()
	t.seekNow()
	return true
}

// SetAccept replaces Config.Accept. Members outside of it get nothing any more, and are soon taken for dead.
func (t *Transport) SetAccept(accept []netip.Prefix) {
	accept = slices.Clone(accept)
	t.accept.Store(&accept)
	if e := t.engine.Load(); e != nil {
		e.roster.refresh()
	}
}

// SetJoin replaces Config.Join.
func (t *Transport) SetJoin(join []gossip.Peer) {
	t.mu.Lock()
	t.join = slices.Clone(join)
	t.mu.Unlock()
	t.seekNow()
}

func (t *Transport) accepts(a netip.Addr) bool {
	return slices.ContainsFunc(*t.accept.Load(), func(p netip.Prefix) bool { return p.Contains(a) })
}

func (t *Transport) guardNow() guard { return *t.guard.Load() }

func (t *Transport) guardOf(s sealing) *guard { return &guard{label: t.label, encrypted: s.incoming} }

// Send implements [gossip.Transport]: it sends the datagram to each live member. If there is none, nothing is sent, which is no
// error; if it cannot leave for some, that is logged once.
func (t *Transport) Send(b []byte) error {
	if t.ctx.Err() != nil {
		return net.ErrClosed
	}
	return t.copies.Send(t.beats, b, t.destinations())
}

func (t *Transport) destinations() []netip.AddrPort {
	if e := t.engine.Load(); e != nil {
		return e.roster.destinations()
	}
	return nil
}

// Fanout returns how many datagrams one Send sends. The interval of beats stretches with it, so that nobody sends more than
// 256 a second: the limit of this transport, see the package's doc.
func (t *Transport) Fanout() int { return len(t.destinations()) }

// Receive implements [gossip.Transport]. Its first call starts the transport.
func (t *Transport) Receive(b []byte) (int, netip.AddrPort, error) {
	if err := t.start(); err != nil {
		return 0, netip.AddrPort{}, err
	}
	n, from, err := t.beats.ReadFromUDPAddrPort(b)
	if err != nil {
		return 0, netip.AddrPort{}, err
	}
	return n, netip.AddrPortFrom(from.Addr().Unmap(), from.Port()), nil
}

// Close implements [gossip.Transport]. It tells the others that we leave, for which it waits 2 s at most.
func (t *Transport) Close() error {
	t.closing.Do(func() {
		t.mu.Lock()
		t.closed = true
		if b := t.cfg.Before; b != nil { // we never started, so it stays
			b.heir.Store(false)
		}
		t.mu.Unlock()
		t.cancel()
		_ = t.beats.Close() // wakes Receive, before anything takes time
		e := t.engine.Load()
		if e != nil && !t.heir.Load() {
			if err := e.leave(); err != nil {
				t.cfg.Log.Info("no member may have heard that this one leaves; they will find out", "err", err)
			}
		}
		t.voice.muted.Store(true)
		if e != nil {
			e.shutdown()
		}
		t.closeSockets()
		t.wg.Wait()
	})
	return nil
}

// String implements [gossip.Transport].
func (t *Transport) String() string { return "memberlist " + t.self }
