package farm

import (
	"time"

	"backhand/gossip/node"
)

// How fast what is known is repeated.
const (
	repeatAll   = 10 * time.Second      // in which all is repeated, unless that takes more than
	repeatMost  = 50 * time.Millisecond // a note for each, of states and of statistics; of many agents more, see Audience
	repeatLate  = 4                     // notes that are made up for, if nobody asked in time
	repeatBytes = 800                   // that a note holds at least, if there are more: none is as large as the rest
	statsAtRest = repeatAll / 2         // a physical of which was told since then is not repeated
)

// turn is how far everything was repeated.
type turn struct {
	next int
	last time.Time
}

// due returns how many notes are to be filled now, if all that is repeated has so many bytes, with at least that time between
// two. Those for which there is no room stay due.
func (t *turn) due(all int, least time.Duration, room int, now time.Time) (notes int) {
	if all == 0 {
		t.last = now
		return 0
	}
	every := max(repeatAll/time.Duration(all/repeatBytes+2), least)
	if since := now.Sub(t.last); since < 0 || since > repeatLate*every {
		t.last = now.Add(-every)
	}
	for notes < room && now.Sub(t.last) >= every {
		t.last = t.last.Add(every)
		notes++
	}
	return notes
}

// run puts one after the other of that many places, from where the turn stands, until that many notes are full.
func (t *turn) run(out *packer, notes, places int, put func(at int) bool) {
	most := out.most
	out.most = min(most, len(out.notes)+notes)
	defer func() { out.most = most }()
	for range places {
		at := t.next % places
		if !put(at) {
			return
		}
		t.next = at + 1
	}
}

// repeatStates repeats those that are due.
func (s *Store) repeatStates(out *packer, now time.Time) {
	all := 0
	for _, e := range s.repeating {
		for p := range e.states {
			if e.states[p].said() {
				all += stateSize(e, pair(p))
			}
		}
	}
	if notes := s.statesTurn.due(all, s.audience.repeatMost(), out.room(), now); notes > 0 {
		s.statesTurn.run(out, notes, pairs*len(s.repeating), func(at int) bool {
			e, p := s.repeating[at/pairs], pair(at%pairs)
			return !e.states[p].said() || s.putState(out, e, p, now)
		})
	}
}

// stateSize returns how many bytes a record of it has.
func stateSize(e *entity, p pair) int {
	v := &e.states[p]
	return recordHead + 1 + 8 + len(node.ID{}) + 8 + 3 + len(e.name) + len(v.why) + len(v.by)
}

// repeatStats repeats those that are due, and were not told of lately.
func (s *Store) repeatStats(out *packer, now time.Time) {
	all := 0
	for _, e := range s.repeating {
		if e.repeats(now) {
			all += statsSize(e)
		}
	}
	if notes := s.statsTurn.due(all, s.audience.repeatMost(), out.room(), now); notes > 0 {
		s.statsTurn.run(out, notes, len(s.repeating), func(at int) bool {
			e := s.repeating[at]
			return !e.repeats(now) || now.Sub(e.toldOwn) < statsAtRest || s.putStats(out, e, true, now)
		})
	}
}

// repeats reports whether the others are to hear again what was pushed here.
func (s *statistics) repeats(now time.Time) bool {
	return !s.own.IsZero() && now.Sub(s.own) < staleAfter
}

// statsSize returns about how many bytes its records have, if its statistics have names of usual length.
func statsSize(e *entity) int { return recordHead + 4 + 1 + len(e.name) + 1 + len(e.stats)*(1+12+8+4) }
