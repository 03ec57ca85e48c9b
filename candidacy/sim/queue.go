package sim

import "math"

// never is later than everything.
const never = math.MaxInt64

// Times within a simulation are in ns since its start. What happens next comes from four places: the next arrival, the
// next completion, the messages under way, and everything else. They are kept apart since the first three, of which there
// are millions, need no heap.

// alarm is something that happens at a time of its own.
type alarm struct {
	at      int64
	order   uint64 // of two at the same time, the one that was set first comes first
	kind    alarmKind
	who     int32 // which node, or member
	failure int   // which of the scenario's
	r       *request
}

// alarmKind says what an alarm is about.
type alarmKind uint8

const (
	beatDue alarmKind = iota
	beatHeard
	antagonistDue
	failureBegins
	failureEnds
	loadAverageDue
	sampleDue
	fastErrorDue
	attemptTimesOut
)

// alarms is a heap of them, earliest first.
type alarms struct {
	heap  []alarm
	order uint64
}

func (q *alarms) next() int64 {
	if len(q.heap) == 0 {
		return never
	}
	return q.heap[0].at
}

func (q *alarms) set(a alarm) {
	q.order++
	a.order = q.order
	h := append(q.heap, a)
	i := len(h) - 1
	for i > 0 {
		up := (i - 1) / 2
		if !a.before(&h[up]) {
			break
		}
		h[i] = h[up]
		i = up
	}
	h[i] = a
	q.heap = h
}

func (q *alarms) pop() alarm {
	h := q.heap
	first, last := h[0], h[len(h)-1]
	h[len(h)-1] = alarm{}
	h = h[:len(h)-1]
	q.heap = h
	for i := 0; len(h) > 0; {
		down := 2*i + 1
		if down+1 < len(h) && h[down+1].before(&h[down]) {
			down++
		}
		if down >= len(h) || !h[down].before(&last) {
			h[i] = last
			break
		}
		h[i] = h[down]
		i = down
	}
	return first
}

func (a *alarm) before(b *alarm) bool { return a.at < b.at || a.at == b.at && a.order < b.order }

// message is something on its way between two nodes. All take the same time, so that the first sent is the first there.
type message struct {
	at   int64
	kind messageKind
	r    *request
	// Of a probe.
	front, member int32
	load          float64
	latency       float64
}

// messageKind says where a message goes.
type messageKind uint8

const (
	toMember messageKind = iota
	toFront
	probeToMember
	probeToFront
)

// messages is a queue, first in, first out.
type messages struct {
	ring  []message // its length is a power of two
	first int
	count int
}

func (q *messages) next() int64 {
	if q.count == 0 {
		return never
	}
	return q.ring[q.first].at
}

func (q *messages) push(m message) {
	if q.count == len(q.ring) {
		bigger := make([]message, max(64, 2*len(q.ring)))
		n := copy(bigger, q.ring[q.first:])
		copy(bigger[n:], q.ring[:q.first])
		q.ring, q.first = bigger, 0
	}
	q.ring[(q.first+q.count)&(len(q.ring)-1)] = m
	q.count++
}

func (q *messages) pop() message {
	m := q.ring[q.first]
	q.first = (q.first + 1) & (len(q.ring) - 1)
	q.count--
	return m
}

// earliest finds the member whose next completion comes first: a tournament in which each node of the tree holds the
// winner of the two below it, so that a change costs one match a level.
type earliest struct {
	at     []int64 // by member
	winner []int32 // a tree in an array, its root at 1; leaves are implied
	leaves int
}

func newEarliest(members int) earliest {
	e := earliest{leaves: 1}
	for e.leaves < members {
		e.leaves *= 2
	}
	e.at = make([]int64, e.leaves)
	for i := range e.at {
		e.at[i] = never
	}
	e.winner = make([]int32, 2*e.leaves)
	for i := range e.leaves {
		e.winner[e.leaves+i] = int32(i)
	}
	for i := e.leaves - 1; i > 0; i-- {
		e.winner[i] = e.winner[2*i]
	}
	return e
}

// first returns the member that is next, and when.
func (e *earliest) first() (member int32, at int64) {
	member = e.winner[1]
	return member, e.at[member]
}

func (e *earliest) set(member int32, at int64) {
	e.at[member] = at
	for i := (e.leaves + int(member)) / 2; i > 0; i /= 2 {
		a, b := e.winner[2*i], e.winner[2*i+1]
		if e.at[b] < e.at[a] {
			a = b
		}
		e.winner[i] = a
	}
}
