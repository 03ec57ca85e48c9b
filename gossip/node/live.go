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
	failed      atomic.Uint64
	refused     atomic.Uint64
	latency     atomic.Int64 // ns
	unreachable atomic.Pointer[unreachable]
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

// Fail counts a request that the member failed: never one that its client gave up or got wrong.
func (l *Live) Fail() { l.failed.Add(1) }

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
	l.unreachable.CompareAndSwap(old, &unreachable{until: now.Add(step), step: step})
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

// LiveSet holds the Live of every member by its key. Only one goroutine may use it at a time.
type LiveSet struct {
	byKey map[string]*liveEntry
	round uint64
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
		e = &liveEntry{live: new(Live)}
		s.byKey[key] = e
	}
	e.round = s.round
	return e.live
}

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
