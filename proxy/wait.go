package proxy

import (
	"context"
	"net"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// watchAfter is how long a response may take before the client is watched, to see whether it goes away: most take less,
// and watching costs a goroutine. With 20 ms, a front on which 512 clients wait all the time, so that each answer takes
// longer, needed a tenth more CPU.
const watchAfter = 100 * time.Millisecond

// afterOthers lets those go on first who are ready. Called before something is sent, it makes all read who have something to
// read, and then all send, as an event loop does: so those at the other ends find several messages when they wake, and need not
// be woken for each. With 512 connections that saves 8 % of what a request costs (contrib/bench, k512).
func afterOthers() { runtime.Gosched() }

// waits is how an exchange waits for its member: with time-outs, and such that it can be woken by those who find out
// meanwhile that waiting is in vain.
type waits struct {
	unwatch func() // ends the watch of the client; nil: there is none
	mayRing bool   // somebody else may ring the alarm
	gone    atomic.Bool

	total  time.Time // when all must be over; zero: no limit
	since  time.Time // from when the time-out of the present phase counts
	limit  time.Duration
	lookAt time.Time // when to look around next, at the latest; zero: there is nothing to look for

	alarm alarm
}

// alarm wakes an exchange that waits.
type alarm struct {
	mu     sync.Mutex
	rung   bool
	nc     net.Conn           // on which is waited; nil: on none
	cancel context.CancelFunc // of what is waited for otherwise; nil: nothing
}

func (a *alarm) ring() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.rung = true
	if a.nc != nil {
		_ = a.nc.SetReadDeadline(longAgo)
	}
	if a.cancel != nil {
		a.cancel()
	}
}

// expect says what ring is to wake from now on.
func (a *alarm) expect(nc net.Conn, cancel context.CancelFunc) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.nc, a.cancel, a.rung = nc, cancel, false
}

func (w *waits) begin(now time.Time, total time.Duration) {
	if total > 0 {
		w.total = now.Add(total)
	}
}

// from starts a phase: what is waited for must come within limit from now on.
func (w *waits) from(now time.Time, limit time.Duration) {
	w.since, w.limit = now, limit
}

// until returns when waiting ends: a time-out, or a look around that is due before.
func (w *waits) until() time.Time {
	t := w.deadline()
	if !w.lookAt.IsZero() && (t.IsZero() || w.lookAt.Before(t)) {
		return w.lookAt
	}
	return t
}

// deadline returns when waiting is in vain; zero: never.
func (w *waits) deadline() time.Time {
	t := w.total
	if w.limit > 0 {
		if l := w.since.Add(w.limit); t.IsZero() || l.Before(t) {
			t = l
		}
	}
	return t
}

func (w *waits) end() {
	if w.unwatch != nil {
		w.unwatch()
		w.unwatch = nil
	}
}

// arm sets the deadline of the next read, unless the alarm was rung already: then it returns false.
//
//go:noinline
func (x *exchange) arm(m *memberConn, now time.Time) bool {
	if !x.mayRing {
		m.rd.by(m.nc, now, x.until())
		return true
	}
	x.alarm.mu.Lock()
	defer x.alarm.mu.Unlock()
	if x.alarm.rung {
		x.alarm.rung = false
		return false
	}
	x.alarm.nc = m.nc
	m.rd.by(m.nc, now, x.until())
	return true
}

// more reads more from the member, into its buffer.
func (x *exchange) more(m *memberConn, now time.Time) error {
	for {
		if x.arm(m, now) {
			err := m.fill()
			if !timedOut(err) {
				return err
			}
		}
		var err error
		if now, err = x.lookAround(m); err != nil {
			return err
		}
	}
}

// goOn waits on if the error is a time-out, and nothing speaks against it.
func (x *exchange) goOn(m *memberConn, err error) error {
	if !timedOut(err) {
		return err
	}
	now, err := x.lookAround(m)
	if err != nil {
		return err
	}
	return x.more(m, now)
}

// lookAround finds out why waiting ended, and whether to go on.
func (x *exchange) lookAround(m *memberConn) (now time.Time, err error) {
	if x.mayRing {
		x.alarm.mu.Lock()
		x.alarm.rung = false
		m.rd.passed()
		x.alarm.mu.Unlock()
	} else {
		m.rd.passed()
	}
	now = x.tick()
	if x.gone.Load() {
		return now, because(clientGone, nil)
	}
	if err := x.body.look(now); err != nil {
		return now, err
	}
	if !x.lookAt.IsZero() && !now.Before(x.lookAt) {
		if err := x.lookForSilence(now); err != nil {
			return now, err
		}
	}
	if t := x.deadline(); !t.IsZero() && !now.Before(t) {
		if t.Equal(x.total) {
			return now, because(overall, os.ErrDeadlineExceeded)
		}
		return now, os.ErrDeadlineExceeded
	}
	return now, nil
}

// lookForSilence watches the client from now on, and gives up a node that has gone silent.
func (x *exchange) lookForSilence(now time.Time) error {
	x.lookAt = time.Time{}
	if !x.body.streaming() {
		x.watchClient()
	} else {
		x.lookAt = now.Add(watchAfter)
	}
	if m := x.ho.member; x.ho.toAgent && x.ho.waiting {
		n := x.h.cfg.Node(m.Node.ID)
		if n == nil || n.Age(now) > n.Beats(x.silentBeats()) {
			return because(fellSilent, nil)
		}
		x.lookAt = now.Add(n.Interval)
	}
	return nil
}

// silentBeats is how many beats a node must have missed for an answer of it not to be waited for any longer. Where some get lost
// by chance, three in a row do now and then. Who can be handed to another member takes no harm from that; the others are given
// up when chains drop the node, too.
func (x *exchange) silentBeats() float64 {
	if x.mayRepeat() {
		return 3
	}
	return 6
}

// watchClient notes if the client goes away, from now on.
func (x *exchange) watchClient() {
	if x.unwatch != nil {
		return
	}
	x.mayRing = true
	x.unwatch = x.f.watch(func() {
		x.gone.Store(true)
		x.alarm.ring()
	})
}

// stopWatching ends that. What the client may have sent meanwhile is kept by its front.
func (x *exchange) stopWatching() { x.waits.end() }
