package agent

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"backhand/agent/config"
	"backhand/agent/farm"
	"backhand/gossip/sampler"
)

// farmCheck asks one member of a farm, which runs no agent, whether it is well. What it finds counts here alone.
type farmCheck struct {
	what   checkKey
	roots  *x509.CertPool
	origin *sampler.Origin
	cancel context.CancelFunc // nil while it does not run

	mu      sync.Mutex
	stopped bool
	said    bool // something was found
	why     string
}

// checkKey says of whom a check is, and how it is made. While that stays the same, so does the check.
type checkKey struct {
	farm, name, url, serverName string
	check                       config.Check
	sendProxy                   int
}

// The bounds of how long one check may take: as long as there is from one to the next.
const (
	shortestCheck = time.Second
	longestCheck  = 10 * time.Second
)

// newFarmChecks makes the checks that the file asks for. Those of old that are the same are taken over with what they found.
func newFarmChecks(cfg *config.Config, old []*farmCheck) (all []*farmCheck, err error) {
	for _, f := range cfg.Farm {
		for _, m := range f.Member {
			if !f.Check.On() {
				continue
			}
			c := &farmCheck{roots: f.Reach.Identity.Roots, what: checkKey{
				farm: f.Name, name: m.Name, url: m.URL.String(), serverName: f.Reach.Identity.ServerName, check: f.Check,
				sendProxy: f.Reach.SendProxy,
			}}
			if before := sameCheck(old, c); before != nil {
				all = append(all, before)
				continue
			}
			c.origin, err = sampler.NewOrigin(sampler.OriginConfig{
				Farm: f.Name, URL: m.URL, Check: f.Check.Path, TLS: newClientTLS(f.Reach.Identity), Dial: dialCheck(f.Reach, m.URL),
				Timeout: min(max(f.Check.Interval, shortestCheck), longestCheck), Fall: f.Check.Fall, Rise: f.Check.Rise,
				Good: f.Check.Status.Has,
			})
			if err != nil {
				return nil, fmt.Errorf("check of member %q of farm %q: %w", m.Name, f.Name, err)
			}
			all = append(all, c)
		}
	}
	return all, nil
}

// sameCheck returns the one of the list that is the same, or nil.
func sameCheck(list []*farmCheck, c *farmCheck) *farmCheck {
	for _, o := range list {
		if o.what == c.what && o.roots.Equal(c.roots) {
			return o
		}
	}
	return nil
}

// swapChecks goes on with these checks. Called with reloading held.
func (a *Agent) swapChecks(all []*farmCheck) {
	for _, c := range a.checks {
		if sameCheck(all, c) != c {
			c.stop(a.store)
		}
	}
	a.checks = all
	for _, c := range all {
		if c.cancel == nil {
			ctx, cancel := context.WithCancel(a.running.ctx)
			c.cancel = cancel
			a.running.start(func(context.Context) { c.run(ctx, a.store) })
		}
	}
}

// run checks until the context ends. Where many members are checked, each has its own moment.
func (c *farmCheck) run(ctx context.Context, store *farm.Store) {
	sleep(ctx, rand.N(min(c.what.check.Interval, time.Second)))
	tick := time.NewTicker(c.what.check.Interval)
	defer tick.Stop()
	for ctx.Err() == nil {
		c.origin.Probe(ctx)
		if ctx.Err() == nil {
			c.tell(store)
		}
		select {
		case <-ctx.Done():
		case <-tick.C:
		}
	}
}

// tell passes on what was found, if that is news.
func (c *farmCheck) tell(store *farm.Store) {
	_, why := c.origin.Ready() // "" if it is
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.stopped || c.said && why == c.why {
		return
	}
	c.said, c.why = true, why
	var err error
	if why != "" {
		err = errors.New(why)
	}
	store.Check(c.what.farm, c.what.name, err, time.Now())
}

// stop ends the check, and takes back what it found: nobody looks any more.
func (c *farmCheck) stop(store *farm.Store) {
	if c.cancel != nil {
		c.cancel()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stopped = true
	if c.why != "" {
		store.Check(c.what.farm, c.what.name, nil, time.Now())
	}
}
