package sim

import (
	"cmp"
	"math"
	"time"
)

// Case is one combination of what a scenario varies.
type Case struct {
	Fronts   int
	Load     float64       // 0 if arrivals were recorded
	Mean     time.Duration // of the work
	Interval time.Duration // of the beats
}

// cases returns all combinations, in the order of the file.
func (s *Scenario) cases() []Case {
	loads := s.Arrivals.Load
	if len(s.Arrivals.Rates) > 0 || s.Arrivals.Trace != nil {
		loads = []float64{0}
	}
	fronts := s.Fronts.Count
	if s.Fronts.AreMembers {
		fronts = []int{s.Members.Count}
	}
	means := s.Work.Mean
	if s.Work.Kind == Recorded {
		means = []time.Duration{time.Duration(s.Work.mean(0) * float64(time.Second))}
	}
	var out []Case
	for _, mean := range means {
		for _, interval := range s.Gossip.Interval {
			for _, load := range loads {
				for _, f := range fronts {
					out = append(out, Case{Fronts: f, Load: load, Mean: mean, Interval: interval})
				}
			}
		}
	}
	return out
}

// rate returns how many requests a second come in the case, on average.
func (s *Scenario) rate(c Case) float64 {
	switch a := &s.Arrivals; {
	case a.Trace != nil:
		last := a.Trace[len(a.Trace)-1].At
		return float64(len(a.Trace)) / cmp.Or(last.Seconds(), 1)
	case len(a.Rates) > 0:
		sum := 0.0
		for _, r := range a.Rates {
			sum += r
		}
		return sum / float64(len(a.Rates))
	}
	return c.Load * s.capacity(c)
}

// capacity returns how many requests a second all members could serve.
func (s *Scenario) capacity(c Case) float64 {
	speeds := float64(s.Members.Count)
	for _, slow := range s.Members.Slow {
		speeds -= float64(slow.Count) * (1 - 1/slow.Factor)
	}
	if a := &s.Antagonist; a.Share > 0 {
		speeds *= 1 - a.Share*(1-1/a.Factor)
	}
	return speeds * float64(s.Members.Slots) / s.Work.mean(c.Mean)
}

// K returns how many requests a member gets in one interval: a chain that sorts by what beats say is better than chance
// only while that is below about five (reference: balancing, table 3).
func (s *Scenario) K(c Case) float64 {
	return s.rate(c) / float64(s.Members.Count) * c.Interval.Seconds()
}

// playTime returns for how long cases are simulated at least.
func (s *Scenario) playTime() time.Duration { return s.WarmUp + s.Measure }

// How often a front's snapshot is made. An agent makes one at most every 50 ms, and never spends more than a tenth of a
// core on it. Here one core makes those of all fronts, so that they are made less often the more there are and the larger
// they are; half of the interval is always soon enough, since that is how old beats are anyway.
const (
	refreshMost  = 50 * time.Millisecond
	refreshNodes = 4000 // fronts times nodes up to which refreshMost is kept
)

func (s *Scenario) refresh(c Case) time.Duration {
	if s.Fronts.Refresh > 0 {
		return s.Fronts.Refresh
	}
	nodes := s.Members.Count
	if !s.Fronts.AreMembers {
		nodes += c.Fronts
	}
	often := time.Duration(math.Round(float64(refreshMost) * float64(c.Fronts*nodes) / refreshNodes))
	return min(max(often, refreshMost), max(c.Interval/2, refreshMost))
}
