package farm

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"backhand/gossip/node"
)

// Mark is up to where another engine has been told. The zero value is nothing at all.
type Mark uint64

// maxDifferences is how many differences Mirror names.
const maxDifferences = 1000

// sameStat is how much younger a statistic must be to count as pushed again, if its value is the same: on its way from one engine
// to another its age is never exactly kept.
const sameStat = time.Second

// Said returns what other engines are to be told of what was said since the mark, and the mark for the next time. Since the zero
// Mark that is all farms and physicals of the file, with the members of each farm; also those of which nobody ever said anything,
// so that differences of the two files are found. All statistics of a physical go together.
func (s *Store) Said(since Mark) (all []node.Said, next Mark) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var members map[string][]string
	if since == 0 {
		members = s.listedIn()
	}
	for _, e := range s.repeating {
		if e.changed < uint64(since) {
			continue
		}
		v := node.Said{Farm: e.farm, Name: e.name, OnOff: e.saidOf(onOff), UpDown: e.saidOf(upDown)}
		switch {
		case !e.farm:
			v.Stats, v.Updated = e.pushedHere(), e.pushed
		case since == 0:
			v.Members = append([]string{}, members[e.name]...)
		}
		all = append(all, v)
	}
	return all, Mark(s.changes + 1)
}

// touch has other engines told of a farm or physical, at their next turn.
func (s *Store) touch(e *entity) {
	s.changes++
	e.changed = s.changes
}

// saidOf returns what was said of a pair; nil if nobody ever did.
func (e *entity) saidOf(p pair) *node.SaidState {
	v := &e.states[p]
	if !v.said() {
		return nil
	}
	return &node.SaidState{
		State: v.word(p), Why: v.why, By: v.by, Since: v.since, Counter: v.version.counter, Node: v.version.node,
	}
}

// pushedHere returns the statistics that programs have pushed to this very agent: the others have a mirror of their own.
func (s *statistics) pushedHere() (all []node.Stat) {
	for i := range s.stats {
		if st := &s.stats[i]; st.own && !st.mirrored {
			all = append(all, st.Stat)
		}
	}
	return all
}

// listedIn returns the names of the physicals of each farm, sorted.
func (l *layout) listedIn() map[string][]string {
	all := make(map[string][]string, len(l.farms))
	for at := range l.members {
		all[at.farm] = append(all[at.farm], at.name)
	}
	for _, names := range all {
		slices.Sort(names)
	}
	return all
}

// Mirror takes in what another engine tells: of what our file lists, that which is newer than what we know. The other agents hear
// of it as if it had been said here. Further engines hear of the states alone: nobody could tell how often a statistic has gone
// round. by is who tells, for the log: who said it is in what is told, and may be invented. It returns how many of them the file lists, and in what else the two files differ, a sentence each, at most 1,001. The
// error is that something cannot be: then nothing is taken.
func (s *Store) Mirror(by string, said []node.Said, now time.Time) (listed int, differences []string, err error) {
	states := make([][pairs]*state, len(said))
	for i := range said {
		if states[i], err = checkSaid(&said[i], now); err != nil {
			return 0, nil, fmt.Errorf("%s %.64q: %w", kindName(said[i].Farm), said[i].Name, err)
		}
	}
	s.mu.Lock()
	defer s.unlock(now)
	var d differing
	var here map[string][]string
	for i := range said {
		v := &said[i]
		e := s.entities[kindOf(v.Farm)][v.Name]
		if e == nil {
			d.add("%s %.64q is not listed here", kindName(v.Farm), v.Name)
			continue
		}
		listed++
		s.mirrorStates(e, states[i], by)
		switch {
		case !v.Farm:
			s.mirrorStats(e, v, now, &d)
		case v.Members != nil:
			if here == nil {
				here = s.listedIn()
			}
			d.members(v, here[v.Name])
		}
	}
	return listed, d.end(), nil
}

// checkSaid returns the states that another engine tells of; nil is one of which it tells nothing.
func checkSaid(v *node.Said, now time.Time) (states [pairs]*state, err error) {
	for p, said := range [pairs]*node.SaidState{onOff: v.OnOff, upDown: v.UpDown} {
		if said == nil {
			continue
		}
		k := keptState{
			State: said.State, Why: said.Why, By: said.By, Since: said.Since, Counter: said.Counter, Node: said.Node.String(),
		}
		st, err := k.state(pair(p), now)
		if err != nil {
			return states, err
		}
		if v.Farm && st.drain {
			return states, errors.New("a farm cannot drain")
		}
		states[p] = &st
	}
	switch {
	case v.Farm && len(v.Stats) > 0:
		return states, errors.New("a farm has no statistics")
	case len(v.Stats) > node.MaxStats:
		return states, fmt.Errorf("%d statistics: want at most %d", len(v.Stats), node.MaxStats)
	}
	for i := range v.Stats {
		if err := validStat(&v.Stats[i]); err != nil {
			return states, err
		}
	}
	return states, nil
}

// mirrorStates takes in states. Those that are no news are not told on, so that engines which mirror each other come to rest.
func (s *Store) mirrorStates(e *entity, states [pairs]*state, by string) {
	for p, v := range states {
		if v != nil && v.newer(&e.states[p]) {
			before := len(s.news)
			s.say(e, pair(p), *v, node.ID{})
			for i := range s.news[before:] {
				s.news[before+i].mirrored = by
			}
			s.tellState(e, pair(p))
		}
	}
}

// mirrorStats takes in statistics of a physical, and that it was alive then.
func (s *Store) mirrorStats(e *entity, v *node.Said, now time.Time, d *differing) {
	fresh, news := v.Updated, false
	if fresh.After(now) {
		fresh = now
	}
	for _, st := range v.Stats {
		st.At, st.Value = when(st.At, now), math.Abs(st.Value) // of 0 there are two
		if i, found := e.find(st.Name); found && !renews(&st, &e.stats[i].Stat) {
			continue
		}
		fresh = later(fresh, st.At)
		if !e.put(stat{Stat: st, own: true, news: true, mirrored: true}, now) {
			d.add("physical %.64q has %d statistics here already: %q was not taken", e.name, node.MaxStats, st.Name)
			continue
		}
		news = true
	}
	if fresh.After(e.fresh) {
		e.fresh, e.own, news = fresh, later(e.own, fresh), true
	}
	if news {
		s.tellStats(e)
		s.change()
	}
}

// renews reports whether a statistic was pushed after the one that is known.
func renews(st, known *node.Stat) bool {
	younger := st.At.Sub(known.At)
	return younger >= sameStat || younger > 0 && st.Value != known.Value
}

// differing gathers in what two files differ.
type differing struct {
	all  []string
	more int
}

func (d *differing) add(format string, args ...any) {
	if len(d.all) == maxDifferences {
		d.more++
		return
	}
	d.all = append(d.all, fmt.Sprintf(format, args...))
}

func (d *differing) end() []string {
	if d.more > 0 {
		return append(d.all, fmt.Sprintf("%d differences more", d.more))
	}
	return d.all
}

// members compares the physicals of a farm with those that our file lists in it, sorted.
func (d *differing) members(v *node.Said, here []string) {
	there := slices.Compact(slices.Sorted(slices.Values(v.Members)))
	for _, name := range there {
		if _, found := slices.BinarySearch(here, name); !found {
			d.add("farm %.64q: its member %.64q is not listed here", v.Name, name)
		}
	}
	for _, name := range here {
		if _, found := slices.BinarySearch(there, name); !found {
			d.add("farm %.64q: its member %.64q is listed here only", v.Name, name)
		}
	}
}
