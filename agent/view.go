package agent

import (
	"fmt"
	"slices"
	"time"

	"backhand/agent/config"
	"backhand/gossip"
	"backhand/gossip/node"
	"backhand/proxy"
	"backhand/status"
)

// View returns what the page shows.
func (a *Agent) View() status.View {
	s, info := a.source()
	return status.NewView(s, info, time.Now())
}

// source gives the page and the metrics the snapshot that requests are balanced by, and what else there is to show.
func (a *Agent) source() (*node.Snapshot, status.Info) {
	cfg := a.config.Load()
	info := status.Info{
		Cluster: cfg.Cluster, Name: cfg.Node.Name, ID: a.state.id, State: a.State(), Version: a.opt.Version,
		Started: a.started, ConfigPath: cfg.Path, ConfigHash: cfg.Hash, Warnings: a.warnings(cfg), Note: a.opt.Note,
		Unauthenticated: unauthenticated(cfg, a.keys.ring.Load()),
		Keys:            a.shownKeys(),
		Findings:        a.findings(time.Now()),
		FindingKinds:    append(gossip.FindingKinds(), keysFinding),
		Requests:        a.metrics.Total().Requests,
		Beats:           beats(a.gossip.Counters()),
		LogLost:         a.access.Load().Lost(),
		Listeners:       a.listeners(),
		Mirrors:         a.mirrorFigures(),
	}
	info.Beats.Rejected = append(info.Beats.Rejected, a.heartbeatDrops()...)
	for _, r := range cfg.Route {
		name := proxyRoute(r).Label()
		totals := a.metrics.Route(name)
		info.Routes = append(info.Routes, status.Route{
			Name: name, Farm: r.Farm, Chain: r.Chain.Text(), Sorts: r.Chain.Sorts(), WhenEmpty: a.whenEmpty(r),
			Requests: totals.Requests, Empty: totals.Empty,
			Dropped: r.Chain.Dropped(),
		})
	}
	return a.snapshot.Load(), info
}

// warnings are those of the file, and what has turned out since.
func (a *Agent) warnings(cfg *config.Config) []string {
	all := append(slices.Clone(cfg.Warnings), a.mirrorWarnings()...)
	if n := a.gossip.Counters().Clones; n > 0 {
		all = append(all, fmt.Sprintf("%d beats came from another agent with this node's id: is its state_dir a copy of ours? "+
			"Remove it there and restart that agent", n))
	}
	if n := a.access.Load().Lost(); n > 0 {
		all = append(all, fmt.Sprintf("%d lines of the access log %s could not be written", n, cfg.Log.Access))
	}
	return all
}

// whenEmpty returns what happens where the chain leaves nobody, the default filled in.
func (a *Agent) whenEmpty(r config.Route) string {
	switch {
	case r.WhenEmpty != "":
		return r.WhenEmpty
	case serveOf(*a.serves.Load(), r.Farm) != nil:
		return "self"
	}
	return "503"
}

func beats(c gossip.Counters) status.Beats {
	b := status.Beats{Sent: c.Sent, Received: c.Received}
	for r := range gossip.Reasons {
		b.Rejected = append(b.Rejected, status.Count{Name: r.String(), N: c.Dropped[r]})
	}
	b.Rejected = append(b.Rejected, status.Count{Name: "clone", N: c.Clones})
	return b
}

// done is told of every request that has ended.
func (a *Agent) done(o *proxy.Outcome) {
	if o.Attempts > 0 && !o.Hop {
		a.dispatch.count.Add(1)
	}
	a.access.Load().Log(o)
	ob := status.Observation{
		Route: o.Route, Farm: o.Farm, Empty: o.Empty, Reason: o.Reason, Status: o.Status, Attempts: o.Attempts, Refusals: o.Refusals,
		Unproved: o.Unproved, Cookies: o.Cookies, Wait: o.Wait, Took: o.Took,
	}
	if o.Member != nil {
		ob.Member = o.Member.Name
	}
	a.metrics.Observe(ob)
}

// ReopenLogs goes on in a fresh access log: the old one has been moved.
func (a *Agent) ReopenLogs() { a.access.Load().Reopen() }
