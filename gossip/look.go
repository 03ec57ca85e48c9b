package gossip

import (
	"context"
	"errors"
	"net"
	"time"
)

// lookEvery is how often the network is looked at: what a change of it costs in beats must be over within two intervals.
const lookEvery = 250 * time.Millisecond

// watch looks at the network until ctx ends.
func (g *Gossiper) watch(ctx context.Context) {
	news := openNews()
	defer news.close()
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	told := teller{open: map[string]bool{}, next: map[string]time.Time{}}
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		now := time.Now()
		g.look(now, news.any())
		told.tell(g.cfg.Log, g.Findings(now), now)
	}
}

// look has transports opened anew whose way has changed, and groups joined again that a switch forgets, and asks whether it
// is ourselves whom nobody is heard by.
func (g *Gossiper) look(now time.Time, news bool) {
	g.mu.Lock()
	links := g.links
	g.mu.Unlock()
	var m membership // of all groups together
	for _, l := range links {
		g.lookAt(l, now, news)
		if t := looperOf(l.Transport); t != nil && t.Multicast() {
			m = m.later(l.health.membership())
		}
	}
	g.mu.Lock()
	rejoin := false
	if g.suspicion.holds() || g.snooping.phase != unsuspected || !g.table.heard(now) {
		nodes := g.table.peek()
		g.suspicion.look(nodes, now)
		rejoin = g.snooping.look(nodes, m, now)
	}
	g.mu.Unlock()
	if !rejoin {
		return
	}
	for _, l := range links {
		_ = l.rejoin(now) // what is wrong shows when the next beat is sent
	}
}

func (g *Gossiper) lookAt(l *link, now time.Time, news bool) {
	w, ok := l.Transport.(*Watched)
	if !ok {
		return
	}
	reopened, err := w.check(now, news)
	if errors.Is(err, net.ErrClosed) {
		return // it is a link no more
	}
	g.logOutage(l, l.health.found(err, now))
	if reopened {
		l.health.opened(now)
		g.cfg.Log.Info("the sockets for beats were opened anew", "to", l.String(), "by", w.way)
		g.Beat()
	}
}

// logOutage logs once when beats of a link begin to stay away, and once when that is over.
func (g *Gossiper) logOutage(l *link, t turn) {
	switch t {
	case begun:
		_, err := l.health.outage()
		g.cfg.Log.Warn("beats do not leave this host; trying on", "to", l.String(), "err", err)
	case over:
		g.cfg.Log.Info("beats leave this host again", "to", l.String())
	}
}

// later returns what holds for both together.
func (m membership) later(o membership) membership {
	if o.joined.After(m.joined) {
		m.joined = o.joined
	}
	if o.looped.After(m.looped) {
		m.looped = o.looped
	}
	return m
}
