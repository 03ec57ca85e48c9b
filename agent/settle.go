package agent

import (
	"context"
	"time"
)

// How long a starting agent listens to the cluster before it takes requests: until it has heard somebody and nobody new for
// a while, but no longer than an interval and what it may be late, nor than the most.
const (
	settleQuiet = 300 * time.Millisecond
	settleMost  = 2 * time.Second
	settleLook  = 20 * time.Millisecond
)

// settle waits until this node knows its peers. Without that a front would answer its first requests with 503, and a
// member would not believe the hops of fronts that it has not heard yet. Its ports are open meanwhile, so that clients wait a
// moment instead of being refused.
func (a *Agent) settle(ctx context.Context) {
	cfg := a.config.Load()
	if cfg.Gossip.Alone() && !cfg.Heartbeat.Listens() {
		return
	}
	start := time.Now()
	most := min(max(cfg.Gossip.Interval*11/10, heartbeatsCome(cfg)), settleMost)
	known, since := 0, start
	for ctx.Err() == nil {
		now := time.Now()
		if n := a.gossip.Known() + a.heardHosts(now); n != known {
			known, since = n, now
		}
		if now.Sub(start) >= most || known > 0 && now.Sub(since) >= settleQuiet {
			return
		}
		sleep(ctx, settleLook)
	}
}
