package gossip

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Resolver looks names up. A [*net.Resolver] is one.
type Resolver interface {
	// LookupNetIP returns the addresses of a host; network is "ip4" or "ip6".
	LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
	// LookupSRV returns SRV records; service and proto are empty, and name is the whole name.
	LookupSRV(ctx context.Context, service, proto, name string) (cname string, records []*net.SRV, err error)
}

const (
	// A name is looked up again every lookupEvery, give or take a tenth; after an error sooner at first: the pause doubles
	// from lookupAgain.
	lookupEvery = 30 * time.Second
	lookupAgain = time.Second
	// lookupTime is how long one may take, with all the hosts that its SRV records name.
	lookupTime = 10 * time.Second
	// lookupsMost is how many names are looked up at a time.
	lookupsMost = 8
)

// directory knows the addresses of peers. Names are looked up in the background, each by a goroutine of its own; whoever
// wants the addresses gets those of last time.
type directory struct {
	self     netip.AddrPort // left out of the addresses, which are of its family
	resolver Resolver
	log      *slog.Logger
	slots    chan struct{} // one for each lookup under way

	end   context.CancelFunc
	ended sync.WaitGroup

	peers []*known
	addrs atomic.Pointer[[]netip.AddrPort]
	mu    sync.Mutex // of publish, and of the addrs of those peers that are names
	cut   bool       // there are more than MaxPeers, which was said
}

// known is a peer with the addresses that were found last.
type known struct {
	Peer
	addrs []netip.AddrPort

	// Only the goroutine of the name uses these.
	targets []target                // that its addresses are of; of a host name it is itself the only one
	hosts   map[string][]netip.Addr // of the targets
	failed  int                     // lookups in a row
}

type target struct {
	host string
	port uint16
}

// newDirectory starts to look up the names. What the one before, if there was one, knows of them holds until more is known.
func newDirectory(cfg *UnicastConfig, peers []Peer, before *directory) *directory {
	ctx, cancel := context.WithCancel(context.Background())
	d := &directory{
		self: cfg.Listen, resolver: cfg.Resolver, log: cfg.Log, slots: make(chan struct{}, lookupsMost), end: cancel,
	}
	for _, p := range peers {
		if d.find(p) != nil {
			continue // it is there twice
		}
		k := before.find(p)
		if k == nil {
			k = &known{Peer: p}
		}
		if a := p.AddrPort(); a.IsValid() && a.Addr().Is4() == d.self.Addr().Is4() {
			k.addrs = []netip.AddrPort{a}
		}
		d.peers = append(d.peers, k)
	}
	d.publish() // before anybody else can
	for _, k := range d.peers {
		if !k.AddrPort().IsValid() {
			d.ended.Go(func() { d.follow(ctx, k) })
		}
	}
	return d
}

// find returns what the directory knows of a peer, or nil.
func (d *directory) find(p Peer) *known {
	if d == nil {
		return nil
	}
	i := slices.IndexFunc(d.peers, func(k *known) bool { return k.Peer == p })
	if i < 0 {
		return nil
	}
	return d.peers[i]
}

// isOf reports whether the directory is that of these peers.
func (d *directory) isOf(peers []Peer) bool {
	return slices.EqualFunc(d.peers, peers, func(k *known, p Peer) bool { return k.Peer == p })
}

// close ends all lookups, and returns when they have ended.
func (d *directory) close() {
	d.end()
	d.ended.Wait()
}

// follow looks a name up again and again until the context ends.
func (d *directory) follow(ctx context.Context, k *known) {
	for {
		select {
		case d.slots <- struct{}{}:
		case <-ctx.Done():
			return
		}
		err := d.lookUp(ctx, k)
		<-d.slots
		if ctx.Err() != nil {
			return
		}
		d.note(k, err)
		pause := lookupEvery
		if k.failed > 0 {
			pause = min(lookupAgain<<min(k.failed-1, 10), lookupEvery)
		}
		if !wait(ctx, time.Duration(float64(pause)*(0.9+0.2*rand.Float64()))) {
			return
		}
	}
}

// lookUp learns the addresses of a peer. Those that could not be looked up now stay as they were; then there is an error.
func (d *directory) lookUp(ctx context.Context, k *known) error {
	ctx, cancel := context.WithTimeout(ctx, lookupTime)
	defer cancel()
	wrong := d.findTargets(ctx, k)
	hosts := make(map[string][]netip.Addr, len(k.targets))
	var addrs []netip.AddrPort
	for _, t := range k.targets {
		if _, done := hosts[t.host]; !done {
			found, err := d.findHost(ctx, t.host)
			if err != nil {
				found, wrong = k.hosts[t.host], cmp.Or(wrong, err)
			}
			hosts[t.host] = found
		}
		for _, a := range hosts[t.host] {
			addrs = append(addrs, netip.AddrPortFrom(a, t.port))
		}
		if len(addrs) > MaxPeers {
			addrs = addrs[:MaxPeers+1] // of which publish cuts the last one, and says so
			break
		}
	}
	k.hosts = hosts
	d.learn(k, addrs)
	return wrong
}

// findTargets learns the hosts that a peer stands for. If it cannot, they stay as they were.
func (d *directory) findTargets(ctx context.Context, k *known) error {
	if !k.IsSRV() {
		k.targets = []target{{k.Host, k.Port}}
		return nil
	}
	targets, err := lookUpSRV(ctx, d.resolver, k.Host)
	if err == nil {
		k.targets = targets
	}
	return err
}

// lookUpSRV returns the hosts that the SRV records of a name stand for, at least one.
func lookUpSRV(ctx context.Context, resolver Resolver, name string) (targets []target, err error) {
	_, records, err := resolver.LookupSRV(ctx, "", "", name)
	if err != nil {
		return nil, err
	}
	for _, r := range records[:min(len(records), MaxPeers)] {
		if r.Port != 0 && isHostName(r.Target) { // "." says that there is no such service
			targets = append(targets, target{r.Target, r.Port})
		}
	}
	if targets == nil {
		return nil, fmt.Errorf("no SRV record of %s names a host and a port", name)
	}
	slices.SortFunc(targets, func(a, b target) int { return cmp.Or(cmp.Compare(a.host, b.host), cmp.Compare(a.port, b.port)) })
	return targets, nil
}

// LookUp returns the addresses that a peer stands for, at most that many: its own, those of its name, or those of the hosts that
// its SRV records name. An error says what could not be looked up; there may be addresses all the same.
func (p Peer) LookUp(ctx context.Context, resolver Resolver, most int) (addrs []netip.AddrPort, err error) {
	if a := p.AddrPort(); a.IsValid() {
		return []netip.AddrPort{a}, nil
	}
	targets := []target{{p.Host, p.Port}}
	if p.IsSRV() {
		if targets, err = lookUpSRV(ctx, resolver, p.Host); err != nil {
			return nil, err
		}
	}
	for _, t := range targets[:min(len(targets), most)] {
		if len(addrs) == most {
			break
		}
		found, hostErr := resolver.LookupNetIP(ctx, "ip", t.host)
		if hostErr != nil {
			err = hostErr
		}
		for _, a := range found[:min(len(found), most-len(addrs))] {
			addrs = append(addrs, netip.AddrPortFrom(a.Unmap(), t.port))
		}
	}
	if addrs == nil && err == nil {
		err = fmt.Errorf("%s has no address", p.Host)
	}
	return addrs, err
}

// findHost returns the addresses of a host to which our socket can send.
func (d *directory) findHost(ctx context.Context, host string) ([]netip.Addr, error) {
	is4 := d.self.Addr().Is4()
	network := "ip6"
	if is4 {
		network = "ip4"
	}
	all, err := d.resolver.LookupNetIP(ctx, network, host)
	if err != nil {
		return nil, err
	}
	var found []netip.Addr
	for _, a := range all {
		if a = a.Unmap(); a.Is4() == is4 && IsHostAddr(a) {
			found = append(found, a)
		}
	}
	if found == nil {
		return nil, fmt.Errorf("%s has no %s address, which gossip.listen %v could send to", host, family(is4), d.self)
	}
	slices.SortFunc(found, netip.Addr.Compare) // name servers tell them in ever another order
	return found[:min(len(found), MaxPeers+1)], nil
}

// learn takes over the addresses of a peer.
func (d *directory) learn(k *known, addrs []netip.AddrPort) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if slices.Equal(k.addrs, addrs) {
		return
	}
	k.addrs = addrs
	d.publish()
}

// note says it once when a name cannot be looked up any more, and once when it can be again.
func (d *directory) note(k *known, err error) {
	switch {
	case err != nil && k.failed == 0:
		d.log.Warn("a name in gossip.peers cannot be looked up; its last addresses are kept, and it is tried again",
			"name", k.Host, "addresses", len(k.addrs), "err", err)
	case err == nil && k.failed > 0:
		d.log.Info("a name in gossip.peers can be looked up again", "name", k.Host, "addresses", len(k.addrs))
	}
	k.failed++
	if err == nil {
		k.failed = 0
	}
}

// publish puts together the addresses of all peers, each once. It is called with mu held, but for the first time.
func (d *directory) publish() {
	seen := map[netip.AddrPort]bool{d.self: true}
	addrs := []netip.AddrPort{}
	for _, k := range d.peers {
		for _, a := range k.addrs {
			if !seen[a] {
				seen[a] = true
				addrs = append(addrs, a)
			}
		}
	}
	cut := len(addrs) > MaxPeers
	if cut && !d.cut {
		d.log.Warn("gossip.peers has too many addresses; the last ones hear nothing of this node", "addresses", len(addrs),
			"limit", MaxPeers)
	}
	d.cut = cut
	addrs = addrs[:min(len(addrs), MaxPeers)]
	d.addrs.Store(&addrs)
}

// now returns the addresses that are known at the moment.
func (d *directory) now() []netip.AddrPort { return *d.addrs.Load() }
