package agent

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"backhand/agent/config"
	"backhand/gossip"
	"backhand/gossip/node"
	"backhand/gossip/wire"
	"backhand/proxy"
)

// Reload reads the file again and takes it over: all of it, or on an error nothing. Requests under way keep the routes
// they came in by, the node keeps its id, its boot and its counters.
func (a *Agent) Reload() error {
	if a.opt.Load == nil {
		return errNoReload
	}
	a.reloading.Lock() // before the file is read: of two reloads the later one wins
	defer a.reloading.Unlock()
	cfg, err := a.opt.Load()
	if err != nil {
		return err
	}
	if a.running == nil || a.running.ctx.Err() != nil || a.State() == node.Leaving {
		return errors.New("the agent is starting or about to stop")
	}
	a.notify(nowReloading())
	defer a.notify(nowReady) // as it was, if not as the file says
	if err := a.replace(cfg); err != nil {
		return err
	}
	for _, w := range cfg.Warnings {
		a.log.Warn(w)
	}
	a.log.Info("reloaded", "file", cfg.Path)
	return nil
}

// replace opens what is new, and once nothing can fail any more, swaps.
func (a *Agent) replace(cfg *config.Config) error {
	old := a.config.Load()
	if err := needsRestart(old, cfg); err != nil {
		return err
	}
	var undo undoer
	p, err := a.openParts(old, cfg, &undo)
	if err != nil {
		undo.all()
		return err
	}
	probe(a.running.ctx, p.serves)
	a.takeOver(old, cfg, p)
	return nil
}

// parts are what a reload has made and opened.
type parts struct {
	serves     []*serve
	ring       *wire.Keyring
	site       *proxy.Site
	listeners  *opened
	carriers   []carrier
	neighbours *neighbours
	athena     *openedAthena
	checks     []*farmCheck
	access     *accessLog
}

// openParts makes and opens all that can fail. What it has opened before an error, undo closes.
func (a *Agent) openParts(old, cfg *config.Config, undo *undoer) (_ *parts, err error) {
	p := &parts{access: a.access.Load()}
	if p.serves, err = newServes(cfg.Serve, *a.serves.Load()); err != nil {
		return nil, err
	}
	if p.ring, err = cfg.Keyring(); err != nil {
		return nil, err
	}
	if p.checks, err = newFarmChecks(cfg, a.checks); err != nil {
		return nil, err
	}
	if p.site, err = a.site(cfg, p.serves); err != nil {
		return nil, err
	}
	if p.listeners, err = a.openServers(cfg, nil); err != nil {
		return nil, err
	}
	undo.add(func() { a.takeBack(p.listeners) })
	var transports []gossip.Transport
	if p.carriers, transports, err = a.openTransports(cfg); err != nil {
		return nil, err
	}
	undo.add(func() { closeAll(transports) })
	if p.neighbours, err = a.openNeighbours(old, cfg); err != nil {
		return nil, err
	}
	undo.add(func() { a.takeBackNeighbours(p.neighbours) })
	if p.athena, err = a.openAthena(cfg); err != nil {
		return nil, err
	}
	undo.add(func() { a.takeBackAthena(p.athena) })
	if cfg.Log != old.Log {
		if p.access, err = openAccessLog(cfg.Log, a.log); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// takeOver goes on with the new parts, and ends those that they replace.
func (a *Agent) takeOver(old, cfg *config.Config, p *parts) {
	oldServes := *a.serves.Load()
	a.setConfig(cfg)
	a.serves.Store(&p.serves)
	for _, s := range p.serves {
		s.meter.SetSlots(s.cfg.Capacity, time.Now())
	}
	a.handler.SetSite(p.site)
	a.gossip.SetAccept(cfg.Gossip.Accept)
	_ = a.gossip.SetInterval(cfg.Gossip.Interval) // which was checked
	a.setKeys(p.ring)
	a.swapTransports(cfg, p.carriers)
	kept := p.serves
	if old.Gossip.Interval != cfg.Gossip.Interval {
		kept = nil // their checks keep step with the beats
	}
	stopProbes(oldServes, kept)
	a.startProbes(p.serves)
	a.swapServers(cfg, p.listeners)
	a.swapNeighbours(old, cfg, p.neighbours)
	a.swapChecks(p.checks)
	a.setAthena(cfg) // first: a listener that begins shall not answer by the tokens of before
	a.swapAthena(cfg, p.athena)
	a.swapMirrors(cfg)
	a.swapAccess(p.access)
	a.changed()
	a.waitForMerge(a.running.ctx) // who reloaded may rely on the farms that the file lists
}

// needsRestart names what a reload cannot change.
func needsRestart(old, cfg *config.Config) error {
	var what []string
	if old.Cluster != cfg.Cluster {
		what = append(what, "cluster")
	}
	if old.Node.StateDir != cfg.Node.StateDir {
		what = append(what, "node.state_dir")
	}
	if what == nil {
		return nil
	}
	return fmt.Errorf("%s has changed: that needs a restart; nothing was reloaded", strings.Join(what, " and "))
}

// swapAccess goes on with another access log, and lets the one before write what it has.
func (a *Agent) swapAccess(l *accessLog) {
	old := a.access.Swap(l)
	if old == l {
		return
	}
	a.running.start(l.run)
	a.running.start(func(ctx context.Context) {
		sleep(ctx, time.Second) // requests that end just now may have it in hand
		old.stop()
	})
}
