package agent

import (
	"context"
	"time"

	"backhand/gossip/node"
)

// How often a snapshot is made: at most, while beats come in, and at least, so that the page's ages and the nodes that
// have been silent for an hour stay right.
const (
	mergeMost  = 50 * time.Millisecond
	mergeLeast = 100 * time.Millisecond
	// sweepEvery is how often what we know of members that are gone is forgotten.
	sweepEvery = time.Minute
	// mergeRest is how many times as long as a merge takes none is made: thousands of nodes, which beat every few seconds, cost
	// a fiftieth of a core at most.
	mergeRest = 50
)

// mergeLoop publishes snapshots until the context ends.
func (a *Agent) mergeLoop(ctx context.Context) {
	least := time.NewTicker(mergeLeast)
	defer least.Stop()
	swept := time.Now()
	var waiting []chan struct{} // of those who want to know that it was done
	for {
		for more := true; more; {
			select {
			case w := <-a.mergeNow:
				waiting = append(waiting, w)
			default:
				more = false
			}
		}
		now := a.merge()
		for _, w := range waiting {
			close(w)
		}
		waiting = nil
		if now.Sub(swept) > sweepEvery {
			a.live.Sweep()
			swept = now
		}
		sleep(ctx, max(mergeMost, mergeRest*time.Since(now)))
		select {
		case <-ctx.Done():
			return
		case <-a.gossip.Changed():
		case <-a.kick:
		case w := <-a.mergeNow:
			waiting = append(waiting, w)
		case <-least.C:
		}
	}
}

// merge makes one snapshot of what gossip heard, of ourselves, and of the farms and physicals in the file with what is said of
// them. Only New and then mergeLoop call it.
func (a *Agent) merge() time.Time {
	now := time.Now()
	a.describeAlone(now)
	a.athena.engine.assigned.expire(now)
	cfg, listed, farms := a.farmsNow(now)
	nodes, others := a.gossip.Survey(now, a.withAddrs(focus(cfg, a.snapshot.Load(), a.state.id)))
	nodes = a.keep(nodes, now)
	if self := a.self.Load(); self != nil {
		nodes = append(nodes, self)
	}
	nodes = a.withHeard(nodes, cfg, now)
	s := node.NewSnapshot(node.Parts{
		Taken: now, Self: a.state.id, Nodes: nodes, Others: others, Physicals: listed, Farms: farms,
		HighWater: a.mark.Update(nodes, others, now), Live: a.live,
	})
	// A site of the configuration before has other chains; until it goes, they begin with all candidates.
	for _, r := range cfg.Route {
		prepareWay(s, r.Chain, r.Farm, now)
	}
	if cfg.Athena.On() {
		for _, f := range s.Farms {
			chainFor(cfg, f.Name).Prepare(f, now)
		}
	}
	a.snapshot.Store(s)
	return now
}

// waitForMerge returns when there is a snapshot that was made after the call, or the context has ended.
func (a *Agent) waitForMerge(ctx context.Context) {
	done := make(chan struct{})
	select {
	case a.mergeNow <- done:
		<-done
	case <-ctx.Done():
	}
}

// describeAlone does what gossip does for a node that beats: it takes the figures once an interval, and at once after a
// change.
func (a *Agent) describeAlone(now time.Time) {
	cfg := a.config.Load()
	if !cfg.Gossip.Alone() {
		return
	}
	if self := a.self.Load(); a.stale.Swap(false) || self == nil || self.Age(now) >= cfg.Gossip.Interval {
		a.describe(now)
	}
}
