package node

import (
	"sync/atomic"
	"time"
)

// Live is what this agent itself knows of one member, request by request. It outlives snapshots. All methods may be
// called at the same time by any number of goroutines; none takes a lock.
type Live struct {
	outstanding atomic.Int64
	chosen      atomic.Uint64
	heard       heard
	errors      atomic.Pointer[errorLog] // nil until the first
	unreachable atomic.Pointer[unreachable]
	latest      *atomic.Int64 // until when some member of the set is unreachable, ns since 1970; nil: of no set
	prediction  atomic.Uint64
	since       atomic.Int64 // ns since 1970; 0: it may not be chosen
	failed      atomic.Uint64
	refused     atomic.Uint64
	latency     atomic.Int64 // ns

	boot uint64 // of the node, as the last snapshot saw it; only NewSnapshot uses it
}

// unreachable is a member whose last connect failed. It is made on failure only, so that the path of a request that
// succeeds does not allocate.
type unreachable struct {
	until time.Time
	step  time.Duration
}

// How long a member that could not be connected to is put last: the first time, and at most.
const (
	unreachableFirst = time.Second
	unreachableMost  = 10 * time.Second
)

// Start counts a request that is about to be handed to the member.
func (l *Live) Start() {
	l.outstanding.Add(1)
	l.chosen.Add(1)
}

// End counts the end of a request counted by Start: its last byte was passed on, or it failed.
func (l *Live) End() { l.outstanding.Add(-1) }

// Outstanding returns how many requests this agent has under way at the member.
func (l *Live) Outstanding() int64 { return l.outstanding.Load() }

// Chosen returns how many requests this agent ever handed to the member.
func (l *Live) Chosen() uint64 { return l.chosen.Load() }

// Fail counts a request that the member failed, in whatever way that cost the client or would have: never one that its
// client gave up or got wrong.
func (l *Live) Fail(now time.Time) {
	l.failed.Add(1)
	log := l.errors.Load()
	if log == nil {
		l.errors.CompareAndSwap(nil, new(errorLog))
		log = l.errors.Load()
	}
	log.add(now)
}

// Pending returns how many requests the member has failed within the window before now, to half a second. The window is
// at most MaxPending long.
func (l *Live) Pending(now time.Time, window time.Duration) int {
	log := l.errors.Load()
	if log == nil || window <= 0 {
		return 0
	}
	return log.within(now, window)
}

// Failed returns how many requests the member failed.
func (l *Live) Failed() uint64 { return l.failed.Load() }

// Refuse counts a request that the member sent back before it had asked its origin.
func (l *Live) Refuse() { l.refused.Add(1) }

// Refused returns how many requests the member sent back.
func (l *Live) Refused() uint64 { return l.refused.Load() }

// latencyWeight is the weight of the newest answer in Latency.
const latencyWeight = 1.0 / 16

// Answered notes how long the member took, from when the request was handed to it until the head of its answer was
// there. Answers at the same time may get lost in the average, which does it no harm.
func (l *Live) Answered(took time.Duration) {
	old := l.latency.Load()
	if old == 0 {
		l.latency.Store(max(1, int64(took)))
		return
	}
	l.latency.Store(max(1, old+int64(latencyWeight*float64(int64(took)-old))))
}

// Latency returns how long the member took lately, on average over some twenty answers; 0 before the first.
func (l *Live) Latency() time.Duration { return time.Duration(l.latency.Load()) }

// ConnectFailed notes that no connection to the member could be made. It is put last for a second; each further
// failure after that time doubles it, up to ten seconds.
func (l *Live) ConnectFailed(now time.Time) {
	old := l.unreachable.Load()
	step := unreachableFirst
	if old != nil {
		if now.Before(old.until) {
			return // one outage, seen by several requests at once
		}
		step = min(2*old.step, unreachableMost)
	}
	until := now.Add(step)
	if l.unreachable.CompareAndSwap(old, &unreachable{until: until, step: step}) && l.latest != nil {
		for was := l.latest.Load(); was < until.UnixNano() && !l.latest.CompareAndSwap(was, until.UnixNano()); {
			was = l.latest.Load()
		}
	}
}

// Connected notes that a connection to the member was made.
func (l *Live) Connected() {
	if l.unreachable.Load() != nil {
		l.unreachable.Store(nil)
	}
}

// Unreachable reports whether the member is to be put last at the time now, since a connect to it failed lately.
func (l *Live) Unreachable(now time.Time) bool {
	u := l.unreachable.Load()
	return u != nil && now.Before(u.until)
}

// Since returns since when the member may be chosen, as far as this agent saw it; the zero time if it may not be. A node
// that starts anew may be chosen since then.
func (l *Live) Since() time.Time {
	if ns := l.since.Load(); ns != 0 {
		return time.Unix(0, ns)
	}
	return time.Time{}
}

// see notes at a snapshot whether the member may be chosen.
func (l *Live) see(m *Member, fit bool, now time.Time) {
	boot := uint64(0)
	if m.Node != nil {
		boot = m.Node.Boot
	}
	switch {
	case !fit:
		l.since.Store(0)
	case l.since.Load() == 0 || boot != l.boot:
		l.since.Store(now.UnixNano())
		l.heard.at.Store(0) // how busy it was before says nothing
	}
	l.boot = boot
}

// predictionBits are those of a prediction that count; the others are the end of the beat's sequence.
const predictionBits = 24

// Predict adds one to what is predicted of the member's figures, since its beat of that sequence: the request that it is
// given now is not in them.
func (l *Live) Predict(sequence uint64) {
	for {
		old := l.prediction.Load()
		add := uint64(1)
		if old>>predictionBits == sequence<<predictionBits>>predictionBits {
			add = min(old&(1<<predictionBits-1)+1, 1<<predictionBits-1)
		}
		if l.prediction.CompareAndSwap(old, sequence<<predictionBits|add) {
			return
		}
	}
}

// Predicted returns how often Predict was called for the beat of that sequence: any other beat begins anew.
func (l *Live) Predicted(sequence uint64) int64 {
	p := l.prediction.Load()
	if p>>predictionBits != sequence<<predictionBits>>predictionBits {
		return 0
	}
	return int64(p & (1<<predictionBits - 1))
}

// LiveSet holds the Live of every member by its key. Only one goroutine may use it at a time.
type LiveSet struct {
	byKey  map[string]*liveEntry
	round  uint64
	latest atomic.Int64 // see Live
}

type liveEntry struct {
	live  *Live
	round uint64 // the last in which it was asked for
}

// NewLiveSet returns an empty set.
func NewLiveSet() *LiveSet { return &LiveSet{byKey: map[string]*liveEntry{}} }

// Get returns the Live of the member with that key, always the same as long as it is asked for in every round.
func (s *LiveSet) Get(key string) *Live {
	e := s.byKey[key]
	if e == nil {
		e = &liveEntry{live: &Live{latest: &s.latest}}
		s.byKey[key] = e
	}
	e.round = s.round
	return e.live
}

// anyUnreachable reports whether any member may be unreachable at that time.
func (s *LiveSet) anyUnreachable(now time.Time) bool { return now.UnixNano() < s.latest.Load() }

// Sweep forgets the members that were not asked for since the last Sweep, so that the set stays as small as the
// cluster.
func (s *LiveSet) Sweep() {
	for k, e := range s.byKey {
		if e.round != s.round {
			delete(s.byKey, k)
		}
	}
	s.round++
}
