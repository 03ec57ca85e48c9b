package farm

import "time"

// How fast notes are sent. A note is one datagram.
const (
	tellEvery = 40 * time.Millisecond // how often notes are made at most, so that what is new is out after 50 ms
	tellRate  = 180                   // notes a second, and
	tellBurst = 20                    // that many more at once: at most 200 within a second
	idleEvery = time.Second           // how often, if the file lists nothing
)

// Notes returns what the others are to hear now, each at most [MaxNote] bytes and the caller's to keep, and after how long to ask
// again at the latest. It may be asked more often: what is new goes at once, but what comes right behind it waits, so that it
// goes together. States go before statistics; what is too much at once waits, too.
func (s *Store) Notes(now time.Time) (payloads [][]byte, again time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.repeating) == 0 {
		return nil, idleEvery
	}
	if since := now.Sub(s.told); since >= 0 && since < tellEvery {
		return nil, tellEvery - since
	}
	out := packer{most: s.budget.at(now, s.audience)}
	s.newStates = flush(s.newStates, func(e *entity) bool { return s.putStates(&out, e, now) })
	s.repeatStates(&out, now)
	s.newStats = flush(s.newStats, func(e *entity) bool { return s.putStats(&out, e, false, now) })
	s.repeatStats(&out, now)
	if s.budget.left -= float64(len(out.notes)); out.notes != nil {
		s.told = now
	}
	return out.notes, tellEvery
}

// packer puts records into notes.
type packer struct {
	notes [][]byte
	most  int // notes
}

// room returns how many more notes there may be.
func (p *packer) room() int { return p.most - len(p.notes) }

// add reports whether there was room for the record.
func (p *packer) add(record []byte) bool {
	last := len(p.notes) - 1
	if last < 0 || len(p.notes[last])+len(record) > MaxNote {
		if len(p.notes) >= p.most {
			return false
		}
		p.notes = append(p.notes, append(make([]byte, 0, MaxNote), noteVersion))
		last++
	}
	p.notes[last] = append(p.notes[last], record...)
	return true
}

// budget says how many notes may go. The zero value has all of them.
type budget struct {
	left float64
	last time.Time
}

// at returns how many may go to them at that time.
func (b *budget) at(now time.Time, a Audience) int {
	if since := now.Sub(b.last); since > 0 {
		rate := a.tellRate()
		b.left = min(tellBurst, max(1, rate), b.left+since.Seconds()*rate)
	}
	b.last = now
	return int(b.left)
}

// tellState has the others told of a state.
func (s *Store) tellState(e *entity, p pair) {
	e.untold[p] = true
	if !e.queued {
		e.queued = true
		s.newStates = append(s.newStates, e)
	}
}

// tellStats has the others told of statistics, or that a physical is alive.
func (s *Store) tellStats(e *entity) {
	e.aliveNews = true
	if !e.waiting {
		e.waiting = true
		s.newStats = append(s.newStats, e)
	}
}

// flush puts one after the other, for as long as there is room, and returns those that are left.
func flush(queue []*entity, put func(*entity) bool) []*entity {
	done := 0
	for done < len(queue) && put(queue[done]) {
		done++
	}
	left := queue[:copy(queue, queue[done:])]
	clear(queue[len(left):])
	return left
}

// putStates puts what is new of one, and reports whether there was room for it.
func (s *Store) putStates(out *packer, e *entity, now time.Time) bool {
	for p := range e.untold {
		if e.untold[p] {
			if !s.putState(out, e, pair(p), now) {
				return false
			}
			e.untold[p] = false
		}
	}
	e.queued = false
	return true
}

// putState puts a state, and reports whether there was room for it.
func (s *Store) putState(out *packer, e *entity, p pair, now time.Time) bool {
	v := stateSaid{farm: e.farm, name: e.name, pair: p, state: e.states[p]}
	s.scratch = appendState(s.scratch[:0], &v, now)
	return out.add(s.scratch)
}

// putStats puts what is new of one, or all that was pushed here, and reports whether there was room for it.
func (s *Store) putStats(out *packer, e *entity, all bool, now time.Time) bool {
	v := statsSaid{name: e.name, fresh: e.own}
	var from []*stat
	for i := range e.stats {
		st := &e.stats[i]
		if st.own && (all || st.news) {
			v.stats, from = append(v.stats, st.Stat), append(from, st)
		}
	}
	for all || e.aliveNews || len(from) > 0 {
		var n int
		s.scratch, n = appendStats(s.scratch[:0], &v, now)
		if !out.add(s.scratch) {
			return false
		}
		for _, st := range from[:n] {
			st.news = false
		}
		v.stats, from = v.stats[n:], from[n:]
		e.aliveNews, e.toldOwn = false, now
		if len(from) == 0 {
			break
		}
	}
	if !all {
		e.waiting = false
	}
	return true
}
