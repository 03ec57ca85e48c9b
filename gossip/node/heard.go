package node

import (
	"math"
	"sync/atomic"
	"time"
)

// Load is what an agent says of a farm that it serves with each response to another agent. What multicast says is known
// to all alike, and a second old; this only to who was answered, and fresh (reference: balancing, 3.2).
type Load struct {
	InFlight float64 // requests under way at the origin, the one that is answered and the errors of the last seconds included
	Slots    float64 // requests that the origin runs at full speed at once
	Mu       float64 // requests a second that one busy slot completes; 0 if not known
}

// Heard is the last Load that a member has sent to this agent.
type Heard struct {
	Load
	Own     float64 // requests that this agent itself had under way at the member then
	Begun   float64 // requests that it has handed to the member since, and that are not over
	Failed  uint32  // requests that it had failed until then: the end of the count
	Pending uint32  // of these, those of the last five seconds: as many as the member counts itself
	At      int64   // when that was, in ns since 1970; 0: never
}

// Since returns how many of the requests that the member has failed within the window before now came after that was
// heard, and how many fewer of those before are within it than were then.
func (h *Heard) Since(l *Live, now time.Time, window time.Duration) (failed, forgotten float64) {
	pending := uint32(l.Pending(now, window))
	since := min(uint32(l.Failed())-h.Failed, pending)
	before := pending - since
	if h.Pending > before {
		forgotten = float64(h.Pending - before)
	}
	return float64(since), forgotten
}

// heard keeps a Heard without a lock. Its words may be of two responses that came at the same time, which does no harm.
type heard struct {
	at     atomic.Int64
	counts atomic.Uint64 // InFlight and Own, as float32
	chosen atomic.Uint64 // requests that were ever handed to the member until then
	rates  atomic.Uint64 // the time of a request, and the part of a slot, that is 1/Mu and 1/Slots: what is divided by often
	failed atomic.Uint64 // Failed and Pending
}

// Heard notes what the member has said with a response, before the request is counted as ended.
func (l *Live) Heard(load Load, now time.Time) {
	l.heard.counts.Store(pack(load.InFlight, float64(l.Outstanding())))
	l.heard.chosen.Store(l.Chosen())
	l.heard.rates.Store(pack(1/load.Mu, 1/max(load.Slots, minSlots)))
	if n := l.Failed(); n > 0 {
		l.heard.failed.Store(n<<32 | uint64(uint32(l.Pending(now, lateTime))))
	}
	l.heard.at.Store(now.UnixNano())
}

// begun returns how many requests were handed to the member since it was heard last and are not over, of those that this
// agent has under way there.
func (l *Live) begun(own float64) float64 {
	return min(float64(int64(l.chosen.Load()-l.heard.chosen.Load())), own)
}

// Reckon returns how busy the member is by what it said last and by our own requests since then, each of which counts
// weight times, and what a request costs there: the seconds that a slot needs for it (infinite if not known) and the part
// of the slots that it takes. at is when it was said, as in Heard: if that is 0, the rest means nothing. Errors are not in
// it: ok is false if there were any.
func (l *Live) Reckon(weight float64) (at int64, busy, seconds, part float64, ok bool) {
	own := float64(l.outstanding.Load())
	inFlight, then := unpack(l.heard.counts.Load())
	seconds, part = unpack(l.heard.rates.Load())
	busy = max(own, inFlight+own-then) + (weight-1)*l.begun(own)
	return l.heard.at.Load(), busy, seconds, part, l.errors.Load() == nil
}

// LastHeard returns what was noted last; At is 0 if nothing was.
func (l *Live) LastHeard() Heard {
	var h Heard
	if h.At = l.heard.at.Load(); h.At != 0 {
		h.InFlight, h.Own = unpack(l.heard.counts.Load())
		h.Begun = l.begun(float64(l.Outstanding()))
		perRequest, perSlot := unpack(l.heard.rates.Load())
		h.Slots, h.Mu = 1/perSlot, 1/perRequest
		failed := l.heard.failed.Load()
		h.Failed, h.Pending = uint32(failed>>32), uint32(failed)
	}
	return h
}

func pack(a, b float64) uint64 {
	return uint64(math.Float32bits(float32(a)))<<32 | uint64(math.Float32bits(float32(b)))
}

func unpack(v uint64) (a, b float64) {
	return float64(math.Float32frombits(uint32(v >> 32))), float64(math.Float32frombits(uint32(v)))
}

// MaxPending is for how long an error can be asked for.
const MaxPending = time.Minute

const (
	pendingStep  = 500 * time.Millisecond
	pendingSteps = 128 // more than MaxPending, and a power of two
)

// errorLog counts errors by half seconds. Each word holds the number of the half second and the count in it.
type errorLog [pendingSteps]atomic.Uint64

func stepOf(t time.Time) uint64 { return uint64(t.UnixNano() / int64(pendingStep)) }

const pendingBits = 24

func (e *errorLog) add(now time.Time) {
	step := stepOf(now)
	w := &e[step%pendingSteps]
	for {
		old := w.Load()
		next := old + 1
		if old>>pendingBits != step {
			next = step<<pendingBits | 1
		}
		if next>>pendingBits != step || w.CompareAndSwap(old, next) { // no more than the word can count
			return
		}
	}
}

// within counts the errors in the half seconds that began less than the window before now, or now.
func (e *errorLog) within(now time.Time, window time.Duration) int {
	last := stepOf(now)
	n := 0
	for back := range uint64(min(window, MaxPending) / pendingStep) {
		if w := e[(last-back)%pendingSteps].Load(); w>>pendingBits == last-back {
			n += int(w & (1<<pendingBits - 1))
		}
	}
	return n
}
