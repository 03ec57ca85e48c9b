package agent

import (
	"sync"
	"time"

	"backhand/gossip/node"
)

// freeOf returns which part of what a service can do at once is free, from 0 to 1: of its slots, on average since the beat
// before. An agent that only announces sees no requests; it goes by the workers that the origin's status page calls busy.
func freeOf(s *node.Service, direct bool) (free float64, known bool) {
	busy, of := s.Average, s.Slots
	if direct {
		busy, of = float64(s.Busy), float64(s.Workers)
	}
	if of <= 0 {
		return 0, false
	}
	return max(0, 1-busy/of), true
}

// How the free share becomes a percentage of the server's weight. HAProxy sends requests in proportion to weights, so that
// these are a control loop: who says that it is free gets more, and is less free when it is asked next. With equal members
// that are busy to the part u, each of which takes over what another one loses, a weight that is 10 % too high comes back
// u/(1-u) times that too low. Hence both: the least weight keeps that gain at 4, and the average is slow. Where HAProxy asks
// every two seconds, weights swing for ever without it, and begin to do so with 2 s (see TestWeightsDoNotSwing); the rest is for
// the chance in requests, of which a second sees few.
const (
	leastFree   = 0.2              // what is said of a farm that is full: 20 %
	freeTime    = 10 * time.Second // in which the average goes 63 % of the way
	freeMostWay = 0.2              // of the way at one beat, where beats are rare
)

// freeShare is which part of a farm is free, smoothed.
type freeShare struct {
	mu    sync.Mutex
	farm  string
	at    time.Time // of the last beat; zero: there was none
	share float64
}

// note takes in what was free since the beat before.
func (f *freeShare) note(farm string, free float64, now time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.at.IsZero() || f.farm != farm {
		f.share = free
	} else {
		way := min(now.Sub(f.at).Seconds()/freeTime.Seconds(), freeMostWay)
		f.share += max(0, way) * (free - f.share)
	}
	f.farm, f.at = farm, now
}

// percent returns it as HAProxy is told: 100 before the first beat, and never less than leastFree, let alone 0, which would
// take the server out.
func (f *freeShare) percent() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.at.IsZero() {
		return 100
	}
	return int(100*max(leastFree, min(1, f.share)) + 0.5)
}
