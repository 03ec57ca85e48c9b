package gossip

import (
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"runtime"
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
)

// announcer sends our beats. It is used by one goroutine.
type announcer struct {
	g        *Gossiper
	rand     *rand.Rand
	sequence uint64
	buffers  [][]byte
	pace     time.Duration // from one beat to the next
	unfit    bool          // what Describe returned last was no node to announce

	next    time.Time     // when the next beat is planned
	last    time.Time     // when the last one was out
	late    time.Duration // how much later than planned that was
	quick   int           // that many more beats follow after gap each, before the interval counts again
	gap     time.Duration
	waiting []chan struct{} // to be closed when the quick beats are out
}

// announce sends our beats until ctx ends, on a thread of its own that the kernel prefers where it lets us. The ancestor's
// announcer was a process like any other, and on a loaded host, of all hosts, its beats came late or not at all: people were
// told to renice it to -20, or to give it real time.
func (g *Gossiper) announce(ctx context.Context) {
	runtime.LockOSThread() // for good: the thread, with its niceness, ends when this goroutine does
	hurry()
	a := announcer{g: g, rand: g.cfg.Rand}
	a.run(ctx)
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
	a.g.lateness.note(a.last, a.late, a.pace)
	if a.quick > 0 {
		a.quick--
		a.next = a.last.Add(a.gap)
		return
	}
	for _, out := range a.waiting {
		close(out)
	}
	a.waiting = nil
	a.next = a.last.Add(time.Duration(float64(a.pace) * (1 - node.Jitter + 2*node.Jitter*a.rand.Float64())))
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
	a.pace = g.pace()
	if g.alone() {
		return
	}
	a.sequence++
	g.sequence.Store(a.sequence)
	n := g.cfg.Describe(now)
	n.ID, n.Boot, n.Sequence = g.cfg.ID, g.boot.Load(), a.sequence
	n.Interval = a.pace
	n.VersionMin, n.VersionMax = wire.VersionMin, wire.VersionMax
	keys := g.keys.Load()
	n.Keys = keys.Held()
	n.Stats.SendLate = a.late
	if g.leaving.Load() {
		n.State = node.Leaving
	}
	var err error
	a.buffers, err = wire.Append(a.buffers[:0], &n, g.cluster, keys)
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
	l.health.sending(time.Now())
	for _, b := range a.buffers {
		if err := l.Send(b); err != nil {
			g.counters.sendErrors.Add(1)
			failed = err
			continue
		}
		g.counters.sent.Add(1)
	}
	if !errors.Is(failed, net.ErrClosed) { // else it is a link no more
		g.logOutage(l, l.health.sent(failed, time.Now()))
	}
}
