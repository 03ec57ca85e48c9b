package proxy

import (
	"cmp"
	"crypto/tls"
	"maps"
	"math"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// destination is where a connection leads and how it is made: the key of a pool.
type destination struct {
	addr string // host:port. A name is resolved at each dial, so that a change of its addresses is seen
	tls  bool
	h2c  bool   // HTTP/2 is spoken, in plain text
	kind uint8  // toAgent, toOrigin or toPhysical
	farm string // whose Reach holds; "" for agents
}

// speaks says in what a member is spoken to, by the scheme of its address.
func (d *destination) speaks(scheme string) { d.tls, d.h2c = scheme == "https", scheme == "h2c" }

// The kinds of a destination.
const (
	toAgent uint8 = iota + 1
	toOrigin
	toPhysical
)

// The defaults of a Reach. An idle connection is kept shorter than the other end keeps it: agents do so for 60 s by
// default, Apache for 5 s.
const (
	defaultConns = 1024
	defaultQueue = time.Second
	idleToAgent  = 30 * time.Second
	idleToServer = 4 * time.Second
)

const (
	sweepPause = 250 * time.Millisecond // at least, between two sweeps
	forgetPool = time.Minute            // after which a pool that is empty and not asked for is forgotten
)

// poolsConfig is what all pools have in common.
type poolsConfig struct {
	Dial      dialFunc          // nil: on the network of this host
	LocalAddr func() netip.Addr // from which agents are dialled; invalid or nil: any
	Now       func() time.Time  // nil: time.Now
}

// pools are the connections to members, by destination. They outlive reloads. One timer closes what was idle for too
// long; it runs while there are pools, until closeIdle.
type pools struct {
	cfg    poolsConfig
	byDest atomic.Pointer[map[destination]*pool] // does not change; replaced under mu
	next   atomic.Int64                          // when the timer fires, in ns since 1970; MaxInt64: never

	mu     sync.Mutex // to be locked before that of a pool
	timer  *time.Timer
	pruned time.Time // when empty pools were last looked for
}

func newPools(cfg poolsConfig) *pools {
	if cfg.LocalAddr == nil {
		cfg.LocalAddr = func() netip.Addr { return netip.Addr{} }
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	ps := &pools{cfg: cfg, pruned: cfg.Now()}
	ps.byDest.Store(&map[destination]*pool{})
	ps.next.Store(math.MaxInt64)
	return ps
}

// at returns the pool of a destination, to be used now. What r and connect say holds from now on; neither does r change
// later. Pools to agents go by our own address, too.
func (ps *pools) at(d destination, r *Reach, connect time.Duration) *pool {
	p := (*ps.byDest.Load())[d]
	if p == nil {
		p = ps.add(d)
	}
	if !p.wanted.Load() {
		p.wanted.Store(true)
	}
	var from netip.Addr
	if d.kind == toAgent {
		from = ps.cfg.LocalAddr()
	}
	if s := p.settings.Load(); s.reach != r || s.connect != connect || s.from != from {
		p.change(r, connect, from)
	}
	return p
}

func (ps *pools) add(d destination) *pool {
	ps.mu.Lock()
	old := *ps.byDest.Load()
	p := old[d]
	if p == nil {
		p = &pool{destination: d, all: ps}
		p.wanted.Store(true)
		p.settings.Store(&poolSettings{})
		m := maps.Clone(old)
		m[d] = p
		ps.byDest.Store(&m)
	}
	ps.mu.Unlock()
	ps.sweepBy(ps.cfg.Now().Add(forgetPool))
	return p
}

// sweepBy has a sweep made at that time, or before.
func (ps *pools) sweepBy(due time.Time) {
	at := due.UnixNano()
	if at >= ps.next.Load() {
		return
	}
	ps.mu.Lock()
	defer ps.mu.Unlock()
	if at >= ps.next.Load() {
		return
	}
	ps.next.Store(at)
	wait := max(due.Sub(ps.cfg.Now()), sweepPause)
	if ps.timer == nil {
		ps.timer = time.AfterFunc(wait, ps.sweep)
	} else {
		ps.timer.Reset(wait)
	}
}

// sweep closes connections that were idle for too long, and forgets empty pools.
func (ps *pools) sweep() {
	ps.mu.Lock()
	ps.next.Store(math.MaxInt64) // first, so that what becomes idle behind our back sets the timer again
	ps.mu.Unlock()
	now := ps.cfg.Now()
	for _, p := range *ps.byDest.Load() {
		if due := p.expire(now); !due.IsZero() {
			ps.sweepBy(due)
		}
	}
	if due := ps.forget(now); !due.IsZero() {
		ps.sweepBy(due)
	}
}

// forget drops pools that are empty and were not asked for since the last time. It returns when to look again; zero if
// there are none left.
func (ps *pools) forget(now time.Time) time.Time {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	all := *ps.byDest.Load()
	if now.Sub(ps.pruned) >= forgetPool {
		ps.pruned = now
		all = maps.Clone(all)
		maps.DeleteFunc(all, func(_ destination, p *pool) bool { return p.retire() })
		ps.byDest.Store(&all)
	}
	if len(all) == 0 {
		return time.Time{}
	}
	return ps.pruned.Add(forgetPool)
}

// closeIdle closes all idle connections and stops the timer, until there is another connection or pool.
func (ps *pools) closeIdle() {
	ps.mu.Lock()
	ps.next.Store(math.MaxInt64)
	if ps.timer != nil {
		ps.timer.Stop()
	}
	ps.mu.Unlock()
	for _, p := range *ps.byDest.Load() {
		p.closeIdle()
	}
}

// poolStats are the numbers of one pool. Idle connections are open ones, and so are those that are being made.
type poolStats struct {
	destination
	open, idle, waiting int
}

// stats returns the numbers of all pools, by farm and address.
func (ps *pools) stats() []poolStats {
	var list []poolStats
	for _, p := range *ps.byDest.Load() {
		list = append(list, p.stats())
	}
	slices.SortFunc(list, func(a, b poolStats) int {
		return cmp.Or(strings.Compare(a.farm, b.farm), strings.Compare(a.addr, b.addr), cmp.Compare(a.kind, b.kind))
	})
	return list
}

// poolSettings are what holds for a pool now. They do not change.
type poolSettings struct {
	reach   *Reach // what they were made of
	connect time.Duration
	from    netip.Addr // of agents' pools: our own address

	conns       int
	queue, idle time.Duration
	client      *tls.Config // with which TLS is begun; nil: plain text
}

func (d destination) newSettings(r *Reach, connect time.Duration, from netip.Addr, old *poolSettings) *poolSettings {
	idle := idleToServer
	if d.kind == toAgent {
		idle = idleToAgent
	}
	s := &poolSettings{
		reach: r, connect: connect, from: from,
		conns: cmp.Or(r.Conns, defaultConns), queue: cmp.Or(r.Queue, defaultQueue), idle: cmp.Or(r.Idle, idle),
	}
	switch {
	case !d.tls:
	case old.client != nil && old.reach.TLS == r.TLS:
		s.client = old.client
	default:
		s.client = dialTLS(r.TLS, d.addr)
	}
	return s
}

// allow reports whether a connection may be used, or used again.
func (s *poolSettings) allow(c *memberConn) bool {
	return !c.bound && s.reach.ProxyProtocol == 0 && c.tls == s.reach.TLS && c.from == s.from
}
