package athena

import (
	"fmt"
	"strings"
	"time"

	"backhand/gossip/node"
)

// role is what a code is for, beside being shown.
type role uint8

const (
	shows     role = iota // it can be read only
	selects               // it names whom a request concerns
	also                  // it is another name for that
	within                // it names the farm that they are in
	formats               // it says how the reply is written; it has no value of its own
	state                 // on, off or drain, can be written
	health                // up or down, can be written
	reason                // why, is written with one of those
	statistic             // it stands for the pushed statistic of its name
)

// code is a field of a farm, a physical or the engine: one letter, or its long name, stands for it in formats, and as a key.
type code[T any] struct {
	letter byte
	name   string
	role   role
	means  string // with "(mod_athena)" at its end if it is attested there; else it is our own
	value  func(v *T, now time.Time) any
}

// table is all codes of a kind of entity.
type table[T any] struct {
	what  string // "farm", "physical" or "engine"
	codes []code[T]
	name  func(*T) string
	farm  func(*T) string      // that it is in; nil: it is in none
	stats func(*T) []node.Stat // pushed; nil: it has none
	wild  func(*T) bool        // an update whose name holds a * concerns it; nil: always
}

// find returns the code of a letter or a long name. Every other name that a statistic may have is a statistic's. Nil: there
// is no such code.
func (t *table[T]) find(key string) *code[T] {
	for i := range t.codes {
		if c := &t.codes[i]; key == c.name || len(key) == 1 && key[0] == c.letter {
			return c
		}
	}
	if t.stats == nil || len(key) == 1 || !node.ValidStatName(key) {
		return nil // letters are kept for codes
	}
	return &code[T]{name: key, role: statistic, value: func(v *T, _ time.Time) any { return pushed(t.stats(v), key) }}
}

// pushed returns the value of a statistic, or nil.
func pushed(stats []node.Stat, name string) any {
	for i := range stats {
		if stats[i].Name == name {
			return stats[i].Value
		}
	}
	return nil
}

// noCode returns what to say of a key that find does not know.
func (t *table[T]) noCode(key string) string {
	var all []string
	for i := range t.codes {
		all = append(all, t.codes[i].keys())
	}
	statistics := ""
	if t.stats != nil {
		statistics = fmt.Sprintf(", or a statistic's name: 2 to %d letters, digits, dots, dashes and underscores, the first a letter",
			node.MaxStatName)
	}
	return fmt.Sprintf("%s is no code of a %s: want one of %s%s", quote(key), t.what, strings.Join(all, ", "), statistics)
}

// keys returns the letter and the name, as h/name.
func (c *code[T]) keys() string { return string(rune(c.letter)) + "/" + c.name }

// appendLine writes all fields of an entity as k=v, its statistics last.
func (t *table[T]) appendLine(dst []byte, v *T, now time.Time) []byte {
	start := len(dst)
	for i := range t.codes {
		c := &t.codes[i]
		if c.listed() {
			if len(dst) > start {
				dst = append(dst, ' ')
			}
			dst = appendPair(dst, c.name, c.value(v, now))
		}
	}
	if t.stats != nil && len(t.stats(v)) > 0 {
		dst = appendStats(append(dst, ' '), t.stats(v), ' ')
	}
	return append(dst, '\n')
}

// listed reports whether the code has a place of its own where all fields of an entity are listed: statistics are there as
// what they are.
func (c *code[T]) listed() bool {
	return c.role != also && c.role != formats && c.role != statistic && c.name != allStats
}

// allStats is the name of the code for all statistics at once.
const allStats = "stats"

// object returns all fields of an entity for JSON.
func (t *table[T]) object(v *T, now time.Time) map[string]any {
	all := make(map[string]any, len(t.codes))
	for i := range t.codes {
		if c := &t.codes[i]; c.listed() || c.name == allStats {
			all[c.name] = jsonValue(c.value(v, now))
		}
	}
	return all
}

// help returns the table as text: letter, name, what can be done with it and what it means.
func (t *table[T]) help() string {
	var b strings.Builder
	for i := range t.codes {
		c := &t.codes[i]
		fmt.Fprintf(&b, "%c  %-12s %-8s %s\n", c.letter, c.name, c.uses(), c.means)
	}
	return b.String()
}

// uses says what can be done with a code.
func (c *code[T]) uses() string {
	switch c.role {
	case selects, also, within:
		return "selects"
	case formats:
		return "formats"
	case state, health, reason, statistic:
		return "written"
	}
	return "read"
}

// The words for whether an entity is in service. That a physical drains is our own.
const (
	onWord    = "on"
	offWord   = "off"
	drainWord = "drain"
)

func onOff(s *node.Standing) string {
	switch {
	case s.Off:
		return offWord
	case s.Drain:
		return drainWord
	}
	return onWord
}

func upDown(down bool) string {
	if down {
		return "down"
	}
	return "up"
}

// known returns a figure, or nil if it is 0, which stands for one that is not known.
func known(v float64) any {
	if v == 0 {
		return nil
	}
	return v
}
