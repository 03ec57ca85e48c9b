package gossip

import (
	"context"
	"math/rand/v2"
	"time"

	"backhand/gossip/node"
	"backhand/gossip/wire"
)

const (
	quickGap   = 200 * time.Millisecond // between the first beats after the start
	quickBeats = 3                      // that many
	leaveGap   = 50 * time.Millisecond  // between beats of a node that leaves
	leaveBeats = 3
	soonGap    = 200 * time.Millisecond // from any beat to one that Beat asks for, at least
	jitter     = 0.1                    // share of the interval by which a beat may be early or late
)

// announcer sends our beats. It is used by one goroutine.
type announcer struct {
	g        *Gossiper
	rand     *rand.Rand
	sequence uint64
	buffers  [][]byte
	unfit    bool // what Describe returned last was no node to announce

	next    time.Time     // when the next beat is planned
	last    time.Time     // when the last one was out
	late    time.Duration // how much later than planned that was
	quick   int           // that many more beats follow after gap each, before the interval counts again
	gap     time.Duration
	waiting []chan struct{} // to be closed when the quick beats are out
}

func (a *announcer) run(ctx context.Context) {
	a.next, a.quick, a.gap = time.Now(), quickBeats-1, quickGap
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
			a.beat()
		case <-a.g.soon:
			a.hasten(time.Now())
		case out := <-a.g.leave:
			a.startLeaving(time.Now(), out)
		}
		timer.Reset(time.Until(a.next))
	}
}

// beat sends one and plans the next.
func (a *announcer) beat() {
	a.send(time.Now())
	a.last = time.Now()
	a.late = max(0, a.last.Sub(a.next))
	if a.quick > 0 {
		a.quick--
		a.next = a.last.Add(a.gap)
		return
	}
	for _, out := range a.waiting {
		close(out)
	}
	a.waiting = nil
	interval := float64(a.g.interval.Load())
	a.next = a.last.Add(time.Duration(interval * (1 - jitter + 2*jitter*a.rand.Float64())))
}

// hasten plans the next beat as soon as it may be.
func (a *announcer) hasten(now time.Time) {
	soon := now
	if earliest := a.last.Add(soonGap); earliest.After(now) {
		soon = earliest
	}
	if soon.Before(a.next) {
		a.next = soon
	}
}

// startLeaving plans the leaving beats; of somebody who asks while they go out, the last ones do.
func (a *announcer) startLeaving(now time.Time, out chan struct{}) {
	if a.waiting == nil {
		a.next, a.quick, a.gap = now, leaveBeats-1, leaveGap
	}
	a.waiting = append(a.waiting, out)
}

// send sends one beat over all transports.
func (a *announcer) send(now time.Time) {
	g := a.g
	if g.alone() {
		return
	}
	a.sequence++
	n := g.cfg.Describe(now)
	n.ID, n.Boot, n.Sequence = g.cfg.ID, g.boot.Load(), a.sequence
	n.Interval = time.Duration(g.interval.Load())
	n.VersionMin, n.VersionMax = wire.VersionMin, wire.VersionMax
	n.Stats.SendLate = a.late
	if g.leaving.Load() {
		n.State = node.Leaving
	}
	var err error
	a.buffers, err = wire.Append(a.buffers[:0], &n, g.cluster)
	if err != nil {
		g.counters.sendErrors.Add(1)
		if !a.unfit {
			g.cfg.Log.Error("this node cannot be announced", "err", err)
		}
		a.unfit = true
		return
	}
	a.unfit = false
	for _, l := range g.announced(n.Addr) {
		a.sendOver(l)
	}
}

// sendOver sends the datagrams over one transport. A network that is down ends nothing: the next beat tries again. It is
// logged once when it goes and once when it is back.
func (a *announcer) sendOver(l *link) {
	g := a.g
	var failed error
	for _, b := range a.buffers {
		if err := l.Send(b); err != nil {
			g.counters.sendErrors.Add(1)
			failed = err
			continue
		}
		g.counters.sent.Add(1)
	}
	switch {
	case failed != nil && !l.outage:
		g.cfg.Log.Warn("beats do not leave this host; trying on", "to", l.String(), "err", failed)
	case failed == nil && l.outage:
		g.cfg.Log.Info("beats leave this host again", "to", l.String())
	}
	l.outage = failed != nil
}
