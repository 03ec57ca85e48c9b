package farm

import (
	"time"

	"backhand/gossip/node"
)

// Hear takes in a note of another agent: of what it says, that which is newer than what we know, of what our file lists. The
// error is that it is malformed: then nothing of it is taken.
func (s *Store) Hear(from node.ID, payload []byte, now time.Time) error {
	n, err := parseNote(payload, now)
	if err != nil || from == s.self {
		return err
	}
	s.mu.Lock()
	defer s.unlock(now)
	for i := range n.states {
		v := &n.states[i]
		if e := s.entities[kindOf(v.farm)][v.name]; e != nil {
			s.say(e, v.pair, v.state, from)
		}
	}
	for i := range n.stats {
		v := &n.stats[i]
		if e := s.entities[kindOf(false)][v.name]; e != nil && e.hearAll(v, now) {
			s.change()
		}
	}
	return nil
}

// hearAll takes in what another agent told, and reports whether that was anything new.
func (s *statistics) hearAll(v *statsSaid, now time.Time) (news bool) {
	for _, st := range v.stats {
		if s.hear(st, now) {
			news = true
		}
	}
	if v.fresh.After(s.fresh) {
		s.fresh, news = v.fresh, true
	}
	return news
}
