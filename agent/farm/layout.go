package farm

import (
	"maps"
	"slices"
	"time"

	"backhand/gossip/node"
)

// Layout is what the file lists. Names have 1 to node.MaxFarm bytes.
type Layout struct {
	Farms []FarmEntry // each name once
}

// FarmEntry is a farm of the file.
type FarmEntry struct {
	Name         string
	ExpectUpdate time.Duration // within which statistics of each member are expected; 0: none are
	Forwards     node.Forwards
	Members      []MemberEntry // each name once; none of a farm that only nodes serve
}

// MemberEntry is a physical, as one farm lists it.
type MemberEntry struct {
	Name         string
	ExpectUpdate time.Duration // 0: the farm's
	Forwards     node.Forwards
}

// place is where a physical is listed.
type place struct{ farm, name string }

// member is a physical, as one farm lists it, and what is known of it only there.
type member struct {
	*entity
	at       place
	forwards node.Forwards
	expect   time.Duration
	since    time.Time // when statistics were first expected
	check    fault
	out      bool // as Fill found it last
}

// listedFarm is a farm, as the file lists it.
type listedFarm struct {
	*entity
	forwards node.Forwards
}

// layout is what the file lists, with what is said of it.
type layout struct {
	farms     []listedFarm // in the order of the file
	members   map[place]*member
	entities  [2]map[string]*entity // physicals, farms: see kindOf
	known     [2][]string           // their names, sorted; never written to
	repeating []*entity             // all of them, in one order
}

// kindOf returns the place of farms, or of physicals, in layout.
func kindOf(farm bool) int {
	if farm {
		return 1
	}
	return 0
}

// SetLayout goes on with another file, from that time on. What remains keeps its states and statistics.
func (s *Store) SetLayout(l Layout, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	old := s.layout
	s.layout = newLayout(l, &old, now)
	for kind, all := range old.entities {
		for name := range all {
			if s.layout.entities[kind][name] == nil {
				s.unsaved() // the file need not hold it any more
			}
		}
	}
	gone := func(e *entity) bool { return s.layout.entities[kindOf(e.farm)][e.name] != e }
	s.newStates = slices.DeleteFunc(s.newStates, gone)
	s.newStats = slices.DeleteFunc(s.newStats, gone)
	s.change()
}

// newLayout takes over what the old one knows of what remains.
func newLayout(l Layout, old *layout, now time.Time) layout {
	fresh := layout{members: map[place]*member{}, entities: [2]map[string]*entity{{}, {}}}
	for _, f := range l.Farms {
		fresh.farms = append(fresh.farms, listedFarm{fresh.keep(old, true, f.Name), f.Forwards})
		for _, m := range f.Members {
			expect := m.ExpectUpdate
			if expect == 0 {
				expect = f.ExpectUpdate
			}
			at := place{f.Name, m.Name}
			v := &member{
				entity: fresh.keep(old, false, m.Name), at: at, forwards: m.Forwards, expect: max(0, expect), since: now,
			}
			if before := old.members[at]; before != nil {
				v.check, v.out = before.check, before.out
				if before.expect > 0 {
					v.since = before.since
				}
			}
			fresh.members[at] = v
		}
	}
	for kind, all := range fresh.entities {
		fresh.known[kind] = slices.Sorted(maps.Keys(all))
	}
	return fresh
}

// keep returns the farm or physical of that name: that of the old layout, if it had it.
func (l *layout) keep(old *layout, farm bool, name string) *entity {
	kind := kindOf(farm)
	e := l.entities[kind][name]
	if e != nil {
		return e
	}
	if e = old.entities[kind][name]; e == nil {
		e = &entity{farm: farm, name: name}
	}
	l.entities[kind][name] = e
	l.repeating = append(l.repeating, e)
	return e
}
