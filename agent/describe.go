package agent

import (
	"cmp"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"backhand/gossip/node"
	"backhand/gossip/sampler"
)

// describe says how this node is now. Gossip calls it for every beat; what it returned last is also what we ourselves
// take this node for.
func (a *Agent) describe(now time.Time) node.Node {
	a.describing.Lock() // a reload may change who calls
	defer a.describing.Unlock()
	cfg, ring := a.config.Load(), a.keys.ring.Load()
	stats, err := a.opt.Sampler.Sample(now)
	a.trouble.note(a.log, "the host's load figures cannot be read; the last ones are announced", err)
	stats.Speed = cmp.Or(cfg.Node.Speed, a.speed)
	stats.Dispatched = a.dispatch.rate(now)
	n := node.Node{
		ID: a.state.id, Boot: a.state.bootNumber(), Name: cfg.Node.Name, Zone: cfg.Node.Zone,
		Labels: cfg.Node.Labels, Addr: cfg.Node.Address, TLS: cfg.Node.TLS, Direct: a.opt.Announce, State: a.State(),
		ConfigHash: cfg.Hash, Interval: cfg.Gossip.Interval, Stats: stats, Heard: now,
		Key: ring.Sealing(), Keys: ring.Held(),
	}
	pushed := a.pushed.list(now)
	for _, s := range *a.serves.Load() {
		svc := s.service(now, a.muOf(s.cfg.Farm), a.log)
		svc.Pushed = pushed
		n.Services = append(n.Services, svc)
	}
	a.check.note(&n, now)
	a.self.Store(&n)
	a.mergeSoon()
	return n
}

// muOf returns how many requests a second one busy slot of the farm's members completes, as the last snapshot has it; 0 if
// that is not known.
func (a *Agent) muOf(farm string) float64 {
	s := a.snapshot.Load()
	if s == nil {
		return 0
	}
	if f := s.Farm(farm); f != nil {
		return f.Mu
	}
	return 0
}

func (a *Agent) mergeSoon() {
	select {
	case a.kick <- struct{}{}:
	default: // it is due anyway
	}
}

// openSampler sets the sampler that was not given.
func (a *Agent) openSampler() error {
	if a.opt.Sampler != nil {
		return nil
	}
	host, err := sampler.NewHost(sampler.ProcRoot, sampler.CgroupRoot)
	if err != nil {
		return err
	}
	a.opt.Sampler = host
	return nil
}

// speedTime is how long the first start takes to measure the speed of a CPU: mod_backhand's took seconds, and blocked the start.
const speedTime = 50 * time.Millisecond

// measureSpeed takes the speed from the state directory or, at the first start, measures it.
func (a *Agent) measureSpeed() error {
	if v, ok := a.state.speed(a.log); ok {
		a.speed = v
		return nil
	}
	a.speed = sampler.Speed(speedTime)
	return a.state.keepSpeed(a.speed)
}

// dispatchRate counts the requests for which this node chose a member.
type dispatchRate struct {
	count atomic.Uint64

	// Only describe uses these.
	last uint64
	at   time.Time
}

// rate returns the requests a second since the call before; 0 at the first.
func (d *dispatchRate) rate(now time.Time) float64 {
	count, since := d.count.Load(), now.Sub(d.at).Seconds()
	if d.at.IsZero() || since <= 0 {
		d.last, d.at = count, now
		return 0
	}
	r := float64(count-d.last) / since
	d.last, d.at = count, now
	return r
}

// trouble logs when something starts to go wrong, and when it is over, instead of once a second.
type trouble struct {
	mu   sync.Mutex
	last string
}

func (t *trouble) note(log *slog.Logger, what string, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	text := ""
	if err != nil {
		text = err.Error()
	}
	switch {
	case text != "" && t.last == "":
		log.Warn(what, "err", err)
	case text == "" && t.last != "":
		log.Info("well again", "after", what)
	}
	t.last = text
}
