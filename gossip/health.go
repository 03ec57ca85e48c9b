package gossip

import (
	"errors"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// unheardMost is how many beats are sent, and for how long at least, before it is said that none of them has come back.
	unheardMost  = 5
	unheardSince = 3 * time.Second
)

// looper is what a Transport has of which every datagram comes back to us too, and to other agents on this host: that of
// multicast and broadcast.
type looper interface {
	// Rejoin leaves the group and joins it again, so that switches hear of us. If there is no group, as with broadcast, it is
	// errors.ErrUnsupported.
	Rejoin() error
	// Multicast reports whether there is a group.
	Multicast() bool
}

// looperOf returns t as a looper, or nil if it is none.
func looperOf(t Transport) looper {
	if w, ok := t.(*Watched); ok {
		t, _, _ = w.get()
	}
	l, _ := t.(looper)
	return l
}

// health is what is known of how a link works. Its methods may be called by several goroutines.
type health struct {
	mu      sync.Mutex
	sendErr error     // of the last beat
	wayErr  error     // what a Watched found wrong
	down    time.Time // since when one of them is not nil
	joined  time.Time // when the transport was opened, or its group joined again

	failing atomic.Bool // the last Receive failed
	failed  int         // such times in a row
	recvErr error       // if they are many
	unread  time.Time   // since when

	looped  time.Time // when a beat of ours came back last
	unheard int       // beats that were sent since
	first   time.Time // when the first of these was
}

// turn is what a note has changed.
type turn uint8

const (
	same  turn = iota
	begun      // an outage
	over       // an outage
)

// sending notes that a beat is about to leave.
func (h *health) sending(now time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.unheard == 0 {
		h.first = now
	}
	h.unheard++
}

// sent notes how it left.
func (h *health) sent(err error, now time.Time) turn {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.sendErr = err
	if err != nil {
		h.unheard = max(0, h.unheard-1) // it cannot come back
	}
	return h.turn(now)
}

// found notes what is wrong with the way, or nil.
func (h *health) found(err error, now time.Time) turn {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.wayErr = err
	return h.turn(now)
}

// turn is called with mu held.
func (h *health) turn(now time.Time) turn {
	bad, was := h.sendErr != nil || h.wayErr != nil, !h.down.IsZero()
	switch {
	case bad && !was:
		h.down = now
		return begun
	case !bad && was:
		h.down = time.Time{}
		return over
	}
	return same
}

// cannotReceive notes that the link could not receive.
func (h *health) cannotReceive(err error, now time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.failing.Store(true)
	if h.failed == 0 {
		h.unread = now
	}
	if h.failed++; h.failed >= failuresMost {
		h.recvErr = err
	}
}

// receives notes that it could. It is called for every datagram.
func (h *health) receives() {
	if !h.failing.Load() {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.failing.Store(false)
	h.failed, h.recvErr = 0, nil
}

// unreadable returns since when the link cannot receive, and why; nil: it can.
func (h *health) unreadable() (since time.Time, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.unread, h.recvErr
}

// outage returns since when something keeps beats from leaving, and what; nil: nothing does.
func (h *health) outage() (since time.Time, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.wayErr != nil { // it says more than a system call does
		return h.down, h.wayErr
	}
	return h.down, h.sendErr
}

// opened notes that the transport is another one, or its group was joined again.
func (h *health) opened(now time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.joined, h.unheard = now, 0
}

// loop notes that a beat of ours came back.
func (h *health) loop(now time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.looped, h.unheard = now, 0
}

// deaf reports whether beats leave, but none comes back, and since when.
func (h *health) deaf(now time.Time) (since time.Time, deaf bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.first, h.unheard >= unheardMost && now.Sub(h.first) >= unheardSince
}

// membership returns when the link was joined last, and when a beat of ours came back last.
func (h *health) membership() membership {
	h.mu.Lock()
	defer h.mu.Unlock()
	return membership{joined: h.joined, looped: h.looped}
}

// rejoin leaves the group of the link and joins it again.
func (l *link) rejoin(now time.Time) error {
	t := looperOf(l.Transport)
	if t == nil {
		return errors.ErrUnsupported
	}
	err := t.Rejoin()
	if w, ok := l.Transport.(*Watched); ok && err != nil && !errors.Is(err, errors.ErrUnsupported) {
		w.receiveFailed.Store(failuresMost) // it may have left the group and be in none now: open it anew
	}
	if err != nil {
		return err
	}
	l.health.opened(now)
	return nil
}
