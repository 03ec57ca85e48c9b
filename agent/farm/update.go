package farm

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"backhand/gossip/node"
)

// maxNamed is how many names an UnknownError spells out.
const maxNamed = 32

// UnknownError says that the file does not list what was named.
type UnknownError struct {
	What  string   // "farm" or "physical"
	Name  string   // what was named
	Known []string // what there is, sorted; nobody may write to it
}

// Error names what there is instead, as far as that can be read.
func (e *UnknownError) Error() string {
	known := "none"
	switch more := len(e.Known) - maxNamed; {
	case more > 0:
		known = fmt.Sprintf("%s and %d more", strings.Join(e.Known[:maxNamed], ", "), more)
	case len(e.Known) > 0:
		known = strings.Join(e.Known, ", ")
	}
	return fmt.Sprintf("%s %.64q is not in the file: it lists %s", e.What, e.Name, known)
}

// LimitError says that a physical would have more statistics than it may.
type LimitError struct {
	Name string // of the physical
	Most int    // statistics
}

// Error says what to do.
func (e *LimitError) Error() string {
	return fmt.Sprintf("physical %q would have more than %d statistics: push fewer names; those that nobody pushed for %v make "+
		"room", e.Name, e.Most, staleAfter)
}

// kindName returns what people call the kind.
func kindName(farm bool) string {
	if farm {
		return "farm"
	}
	return "physical"
}

// Update takes in what somebody says: all of the updates, in their order, or on an error none. by is who that is, of which
// MaxBy bytes are kept, and of a reason node.MaxWhy. The error is an [*UnknownError], a [*LimitError], or names the update
// that is wrong.
func (s *Store) Update(now time.Time, by string, updates []node.Update) error {
	s.mu.Lock()
	defer s.unlock(now)
	if err := s.checkUpdates(updates, now); err != nil {
		return err
	}
	by = clean(by, MaxBy)
	for i := range updates {
		s.apply(&updates[i], by, now)
	}
	return nil
}

// checkUpdates returns why the updates cannot be taken.
func (s *Store) checkUpdates(updates []node.Update, now time.Time) error {
	pushed := 0
	for i := range updates {
		pushed += len(updates[i].Stats)
	}
	var added map[*entity][]string // statistics that are new
	for i := range updates {
		u := &updates[i]
		kind := kindOf(u.Farm)
		e := s.entities[kind][u.Name]
		if e == nil {
			return &UnknownError{What: kindName(u.Farm), Name: u.Name, Known: s.known[kind]}
		}
		if err := checkUpdate(u); err != nil {
			return fmt.Errorf("update %d, of %s %q: %w", i+1, kindName(u.Farm), u.Name, err)
		}
		if added[e] == nil && len(e.stats)+pushed > node.MaxStats {
			e.forgetStale(now)
		}
		for k := range u.Stats {
			name := u.Stats[k].Name
			if _, known := e.find(name); known || slices.Contains(added[e], name) {
				continue
			}
			if added == nil {
				added = map[*entity][]string{}
			}
			added[e] = append(added[e], name)
			if len(e.stats)+len(added[e]) > node.MaxStats {
				return &LimitError{Name: u.Name, Most: node.MaxStats}
			}
		}
	}
	return nil
}

// checkUpdate returns what is wrong with an update by itself.
func checkUpdate(u *node.Update) error {
	switch {
	case u.Farm && len(u.Stats) > 0:
		return errors.New("a farm has no statistics: push them for its members")
	case u.Farm && u.Drain != nil && *u.Drain:
		return errors.New("a farm cannot drain: drain its members, or say off")
	case u.Farm && !u.SaysState():
		return errors.New("it says nothing: say on, off, up or down")
	}
	for i := range u.Stats {
		if err := validStat(&u.Stats[i]); err != nil {
			return err
		}
	}
	return nil
}

// apply takes in an update that was found right.
func (s *Store) apply(u *node.Update, by string, now time.Time) {
	e := s.entities[kindOf(u.Farm)][u.Name]
	v := state{why: clean(u.Why, node.MaxWhy), by: by}
	if off, drain, said := u.OnOff(); said {
		v.set, v.drain = off, drain
		s.tell(e, onOff, v, now)
	}
	if u.Down != nil {
		v.set, v.drain = *u.Down, false
		s.tell(e, upDown, v, now)
	}
	if len(u.Stats) == 0 && !u.SaysState() {
		s.alive(e, now)
	}
	for _, v := range u.Stats {
		v.At, v.Value = when(v.At, now), math.Abs(v.Value) // of 0 there are two
		e.push(v, now)
		s.alive(e, v.At)
	}
}

// tell takes in a state that is said here, and has the others told of it.
func (s *Store) tell(e *entity, p pair, v state, now time.Time) {
	v.since, v.version = now, e.states[p].version.next(s.self, now)
	s.say(e, p, v, node.ID{})
	s.tellState(e, p)
}

// alive notes that a physical was heard of by us.
func (s *Store) alive(e *entity, at time.Time) {
	e.fresh, e.own, e.pushed = later(e.fresh, at), later(e.own, at), later(e.pushed, at)
	s.touch(e)
	s.tellStats(e)
	s.change()
}
