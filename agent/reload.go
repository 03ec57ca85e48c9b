package agent

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"backhand/agent/config"
	"backhand/gossip/node"
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
func (a *Agent) replace(cfg *config.Config) (err error) {
	old := a.config.Load()
	if err := needsRestart(old, cfg); err != nil {
		return err
	}
	var undo undoer
	defer func() {
		if err != nil {
			undo.all()
		}
	}()
	oldServes := *a.serves.Load()
	serves, err := newServes(cfg.Serve, oldServes)
	if err != nil {
		return err
	}
	ring, err := cfg.Keyring()
	if err != nil {
		return err
	}
	site, err := a.site(cfg, serves)
	if err != nil {
		return err
	}
	listeners, err := a.openServers(cfg, nil)
	if err != nil {
		return err
	}
	undo.add(func() { a.takeBack(listeners) })
	carriers, transports, err := a.openTransports(cfg)
	if err != nil {
		return err
	}
	undo.add(func() { closeAll(transports) })
	neighbours, err := a.openNeighbours(old, cfg)
	if err != nil {
		return err
	}
	undo.add(func() { a.takeBackNeighbours(neighbours) })
	access := a.access.Load()
	if cfg.Log != old.Log {
		if access, err = openAccessLog(cfg.Log, a.log); err != nil {
			return err
		}
	}
	probe(a.running.ctx, serves)

	a.config.Store(cfg)
	a.serves.Store(&serves)
	for _, s := range serves {
		s.meter.SetSlots(s.cfg.Capacity, time.Now())
	}
	a.handler.SetSite(site)
	a.gossip.SetAccept(cfg.Gossip.Accept)
	a.gossip.SetInterval(cfg.Gossip.Interval)
	a.setKeys(ring)
	a.swapTransports(cfg, carriers)
	kept := serves
	if old.Gossip.Interval != cfg.Gossip.Interval {
		kept = nil // their checks keep step with the beats
	}
	stopProbes(oldServes, kept)
	a.startProbes(serves)
	a.swapServers(cfg, listeners)
	a.swapNeighbours(old, cfg, neighbours)
	a.swapAccess(access)
	a.changed()
	a.waitForMerge(a.running.ctx) // who reloaded may rely on the farms that the file lists
	return nil
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
