package farm

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"backhand/gossip/node"
)

// staleAfter is after how long a statistic that nobody pushed again may make room for another, and is not repeated any more.
const staleAfter = time.Hour

// statistics are those of a physical.
type statistics struct {
	stats []stat      // by name, each name once
	shown []node.Stat // the same, for everybody to read; nil if something changed since
	fresh time.Time   // when the youngest was taken, or somebody said that it is alive; zero: never

	own       time.Time // the same, of those that were pushed here, or to another engine that mirrors to us
	pushed    time.Time // the same, of those that were pushed here
	toldOwn   time.Time // when the others were last told of them
	aliveNews bool      // own is not told yet
	waiting   bool      // it is in Store.newStats
}

// stat is a statistic, and what the others know of it.
type stat struct {
	node.Stat
	own      bool // it was pushed here, or to another engine that mirrors to us
	news     bool // and is not told yet
	mirrored bool // and it was another engine
}

// validStat returns what is wrong with a statistic that was pushed.
func validStat(s *node.Stat) error {
	switch {
	case !node.ValidStatName(s.Name):
		return fmt.Errorf("statistic %.64q: write 1 to %d letters, digits, dots, dashes and underscores, the first a letter",
			s.Name, node.MaxStatName)
	case math.IsNaN(s.Value) || math.IsInf(s.Value, 0):
		return fmt.Errorf("statistic %q is no finite number: write one", s.Name)
	case s.Value < 0:
		return fmt.Errorf("statistic %q is %v: write 0 or more", s.Name, s.Value)
	}
	return nil
}

func (s *statistics) find(name string) (at int, found bool) {
	return slices.BinarySearchFunc(s.stats, name, func(v stat, name string) int { return strings.Compare(v.Name, name) })
}

// forgetStale drops those that nobody pushed for long, so that others have room.
func (s *statistics) forgetStale(now time.Time) {
	s.stats = slices.DeleteFunc(s.stats, func(v stat) bool { return now.Sub(v.At) >= staleAfter })
	s.shown = nil
}

// push takes in a statistic that was pushed here. It replaces one that is not younger.
func (s *statistics) push(v node.Stat, now time.Time) {
	if i, found := s.find(v.Name); !found || !v.At.Before(s.stats[i].At) {
		s.put(stat{Stat: v, own: true, news: true}, now)
	}
}

// hear takes in one that another agent told of. It replaces one that is older. It reports whether it did anything.
func (s *statistics) hear(v node.Stat, now time.Time) bool {
	if i, found := s.find(v.Name); found && !v.At.After(s.stats[i].At) {
		return false
	}
	return s.put(stat{Stat: v}, now)
}

// put writes a statistic. It reports false if there is no room.
func (s *statistics) put(v stat, now time.Time) bool {
	i, found := s.find(v.Name)
	if !found && len(s.stats) >= node.MaxStats {
		s.forgetStale(now)
		i, _ = s.find(v.Name)
	}
	switch {
	case found:
		v.Name = s.stats[i].Name
		s.stats[i] = v
	case len(s.stats) >= node.MaxStats:
		return false
	default:
		v.Name = strings.Clone(v.Name) // it may be part of a request
		s.stats = slices.Insert(s.stats, i, v)
	}
	s.shown = nil
	return true
}

// show returns the statistics as others may have them, and keep them.
func (s *statistics) show() []node.Stat {
	if s.shown == nil && len(s.stats) > 0 {
		s.shown = make([]node.Stat, len(s.stats))
		for i := range s.stats {
			s.shown[i] = s.stats[i].Stat
		}
	}
	return s.shown
}

// when returns when a statistic was taken, of which that is said.
func when(said, now time.Time) time.Time {
	if said.IsZero() || said.After(now) {
		return now
	}
	return said
}
