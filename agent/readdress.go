package agent

import (
	"context"
	"time"

	"backhand/agent/config"
	"backhand/gossip"
)

// addressEvery is how often the file is asked for another address, while beats do not leave from the one that it had.
const addressEvery = 2 * time.Second

// followAddress takes the file over anew when the host was readdressed, until the context ends: a template such as
// {{ GetInterfaceIP "eth0" }} gives another address then. A file that has been edited waits for its reload as ever.
func (a *Agent) followAddress(ctx context.Context) {
	if a.opt.Load == nil {
		return
	}
	var said trouble
	for {
		sleep(ctx, addressEvery)
		if ctx.Err() != nil {
			return
		}
		if !a.outage() {
			continue
		}
		old := a.config.Load()
		cfg, err := a.opt.Load()
		if err != nil || cfg.Hash != old.Hash || sameSource(old, cfg) {
			continue
		}
		a.log.Info("this host was readdressed", "before", old.Node.Address.String(), "now", cfg.Node.Address.String())
		said.note(a.log, "the new address cannot be taken over; trying on", a.Reload())
	}
}

// outage reports whether beats do not leave.
func (a *Agent) outage() bool {
	for _, f := range a.gossip.Findings(time.Now()) {
		if f.Kind == gossip.FindingOutage {
			return true
		}
	}
	return false
}

// sameSource reports whether beats leave from the same address by both.
func sameSource(a, b *config.Config) bool {
	return a.Node.Address == b.Node.Address && a.Gossip.Source == b.Gossip.Source && a.Gossip.Listen == b.Gossip.Listen
}
