package farm

import "time"

// Audience is who hears our notes. Each of many agents must not repeat what it knows as often as one of few would, nor may a note
// of which each agent gets a copy by itself cost as much as its beats do many times over.
type Audience struct {
	Agents int // that repeat what they know, this one included; 0 counts as 1
	Copies int // datagrams that one note takes; 0 counts as 1
}

const (
	// repeatRate is how many repeats a second all agents together send of states, and as many of statistics. Ten agents reach it
	// if each repeats as fast as it may.
	repeatRate = 200
	// copyRate is how many datagrams a second an agent sends at most, if each note takes several.
	copyRate = 512
)

// SetAudience says who hears our notes from now on. Until it is called, one agent does.
func (s *Store) SetAudience(a Audience) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.audience = a
}

// tellRate returns how many notes a second may leave.
func (a Audience) tellRate() float64 { return min(tellRate, copyRate/float64(max(a.Copies, 1))) }

// repeatMost returns the least time between two repeats of ours: half of what may leave is for news.
func (a Audience) repeatMost() time.Duration {
	alone := time.Duration(a.Agents) * time.Second / repeatRate
	copied := time.Duration(a.Copies) * 4 * time.Second / copyRate // states, and statistics
	return max(repeatMost, alone, copied)
}
