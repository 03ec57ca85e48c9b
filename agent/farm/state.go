package farm

import (
	"bytes"
	"cmp"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"backhand/gossip/node"
)

// MaxBy is how many bytes of who said something are kept.
const MaxBy = 96

// pair is one of the two pairs of states that are said.
type pair uint8

const (
	onOff pair = iota
	upDown
	pairs = 2
)

// word returns the state of the pair.
func (p pair) word(set bool) string {
	switch {
	case p == onOff && set:
		return "off"
	case p == onOff:
		return "on"
	case set:
		return "down"
	}
	return "up"
}

// drainWord is the third word of onOff, which physicals alone have.
const drainWord = "drain"

// state is what was said last of a pair. The zero value is on, or up, and was never said.
type state struct {
	set     bool // it is off, or down
	drain   bool // it drains: of onOff only, and not while it is set
	why     string
	by      string    // who said it
	since   time.Time // since when it is so, by our own clock
	version version
}

// version tells which of two sayings is the newer. The zero value is older than all.
type version struct {
	counter uint64  // ms since 1970, or more
	node    node.ID // which was told
}

// maxAhead is how many ms, about a hundred years, a counter may be ahead of our clock: clocks may be wrong, but nobody shall
// use up all the numbers.
const maxAhead = 100 * 365 * 24 * 3600 * 1000

func millis(t time.Time) uint64 { return uint64(max(0, t.UnixMilli())) }

// plausible reports whether somebody can have counted so.
func plausible(counter uint64, now time.Time) bool {
	return counter > 0 && counter <= millis(now)+maxAhead
}

// next returns the version of what is said now.
func (v version) next(self node.ID, now time.Time) version {
	return version{max(v.counter+1, millis(now)), self}
}

func (v version) compare(o version) int {
	return cmp.Or(cmp.Compare(v.counter, o.counter), bytes.Compare(v.node[:], o.node[:]))
}

// newer reports whether s was said after o. Two that carry one version, as after a clock that was set back or from somebody
// who makes them up, are told apart by what they say, so that all agree even then.
func (s *state) newer(o *state) bool {
	c := s.version.compare(o.version)
	switch {
	case c != 0:
		return c > 0
	case s.set != o.set:
		return s.set
	case s.drain != o.drain:
		return s.drain
	}
	return cmp.Or(strings.Compare(s.why, o.why), strings.Compare(s.by, o.by)) > 0
}

// said reports whether anybody ever said it.
func (s *state) said() bool { return s.version != version{} }

// word returns the state in a word.
func (s *state) word(p pair) string {
	if s.drain {
		return drainWord
	}
	return p.word(s.set)
}

// agrees reports whether both are the same word, whatever the reason.
func (s *state) agrees(o *state) bool { return s.set == o.set && s.drain == o.drain }

// same reports whether both stand for the same, whenever it was said.
func (s *state) same(o *state) bool {
	return s.agrees(o) && (!s.set && !s.drain || s.why == o.why)
}

// fault is what our own check of a member found.
type fault struct {
	failed bool
	why    string
	since  time.Time // since when it is so; zero: since ever
}

// entity is a farm or a physical, and what is said of it.
type entity struct {
	farm   bool
	name   string
	states [pairs]state
	untold [pairs]bool // it was said here, and the others do not know yet
	queued bool        // it is in Store.newStates

	changed uint64 // number of the last change of which other engines are told, see Mark

	statistics // of a physical
}

// standing works out how a farm stands.
func (e *entity) standing() node.Standing {
	off, down := &e.states[onOff], &e.states[upDown]
	s := node.Standing{Off: off.set, Drain: off.drain, Down: down.set}
	switch {
	case s.Off || s.Drain:
		s.Why, s.Since = off.why, off.since
	case s.Down:
		s.Why, s.Since = down.why, down.since
	default:
		s.Since = later(off.since, down.since)
	}
	return s
}

// standing works out how a physical stands in a farm.
func (m *member) standing(now time.Time) node.Standing {
	s := m.entity.standing()
	said := s.Off || s.Drain || s.Down
	s.Down = s.Down || m.check.failed
	s.Out = m.isOut(now)
	switch {
	case said:
	case m.check.failed:
		s.Why, s.Since = m.check.why, m.check.since
	case s.Out:
		s.Since = m.awaited().Add(m.expect)
	default:
		s.Since = later(s.Since, m.check.since)
	}
	return s
}

// isOut reports whether statistics are expected, and none came for as long as that.
func (m *member) isOut(now time.Time) bool { return m.expect > 0 && now.Sub(m.awaited()) >= m.expect }

// awaited is since when statistics are waited for.
func (m *member) awaited() time.Time { return later(m.since, m.fresh) }

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// clean returns a text that may stand in a line, on a page and in a log: at most that many bytes of UTF-8, nothing that steers
// a terminal, and no end of a line.
func clean(s string, most int) string {
	s = s[:min(len(s), 4*most)] // more is cut off anyway
	s = strings.Map(func(r rune) rune {
		if r == utf8.RuneError || unicode.IsControl(r) {
			return ' '
		}
		return r
	}, s)
	s = strings.TrimSpace(s)
	for len(s) > most {
		_, size := utf8.DecodeLastRuneInString(s)
		s = s[:len(s)-size]
	}
	return strings.Clone(strings.TrimSpace(s)) // what it was cut from may be large
}

// isClean reports whether clean would leave nothing out of a text that somebody sent us.
func isClean(s string) bool {
	return utf8.ValidString(s) && strings.IndexFunc(s, unicode.IsControl) < 0
}
