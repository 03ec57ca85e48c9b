package agent

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"time"

	"backhand/gossip/node"
)

// ownStatFor is for how long a statistic of this node is announced after it was pushed. Whoever hears it cannot tell how old it
// is: one that nobody pushes any more must not be announced for ever.
const ownStatFor = 5 * time.Minute

// ownStats are the statistics of this node that programs on it have pushed. They travel in its beats, with each farm that it
// serves.
type ownStats struct {
	mu  sync.Mutex
	all []node.Stat // by name; never changed, but replaced
}

// update takes the statistics in, if then succeeds: all or none. then may be nil.
func (o *ownStats) update(stats []node.Stat, now time.Time, then func() error) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	next := slices.Clone(fresh(o.all, now))
	for _, s := range stats {
		if err := checkStat(s); err != nil {
			return err
		}
		if s.At.IsZero() || s.At.After(now) {
			s.At = now
		}
		s.Name = strings.Clone(s.Name) // it may be part of a request
		byName := func(o node.Stat, name string) int { return strings.Compare(o.Name, name) }
		i, found := slices.BinarySearchFunc(next, s.Name, byName)
		switch {
		case !found:
			next = slices.Insert(next, i, s)
		case !s.At.Before(next[i].At):
			next[i] = s
		}
	}
	if len(next) > node.MaxFarmStats {
		return fmt.Errorf("this node would have %d statistics, and at most %d fit into its beats: push fewer", len(next),
			node.MaxFarmStats)
	}
	names := 0
	for i := range next {
		names += len(next[i].Name)
	}
	if names > node.MaxFarmStatsSize {
		return fmt.Errorf("the names of this node's statistics would have %d bytes, and at most %d fit into its beats: "+
			"shorten them, or push fewer", names, node.MaxFarmStatsSize)
	}
	if then != nil {
		if err := then(); err != nil {
			return err
		}
	}
	o.all = next
	return nil
}

// list returns those that are to be announced. They are never changed.
func (o *ownStats) list(now time.Time) []node.Stat {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.all = fresh(o.all, now)
	return o.all
}

// fresh returns those that are not too old; the same ones, if all are not.
func fresh(all []node.Stat, now time.Time) []node.Stat {
	old := func(s node.Stat) bool { return now.Sub(s.At) >= ownStatFor }
	if !slices.ContainsFunc(all, old) {
		return all
	}
	return slices.DeleteFunc(slices.Clone(all), old)
}

func checkStat(s node.Stat) error {
	switch {
	case !node.ValidStatName(s.Name):
		return fmt.Errorf("statistic %.64q: write 1 to %d letters, digits, dots, dashes and underscores, the first a letter", s.Name,
			node.MaxStatName)
	case math.IsNaN(s.Value) || math.IsInf(s.Value, 0) || s.Value < 0:
		return fmt.Errorf("statistic %q is %v: write a number from 0", s.Name, s.Value)
	}
	return nil
}
