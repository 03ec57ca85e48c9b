package status

import (
	"strconv"
	"strings"

	"backhand/gossip/node"
)

// Keys are the keys of this agent. Their secrets are nobody's business here.
type Keys struct {
	Mode    string         // receive-only, permissive or enforce, as gossip.key_mode has it
	Sealing uint8          // number of the key that beats leave sealed with; 0: they leave unsealed
	Held    []node.KeyMark // in the order of their numbers
}

// Seal says how a node's beats are proved, beside the keys of this agent.
type Seal struct {
	Key     int   `json:"key"`     // number of the key that its last beat was sealed with; 0: it was not sealed
	Holds   []int `json:"holds"`   // numbers of the keys that it holds
	Lacks   []int `json:"lacks"`   // this agent holds these, and it does not
	Extra   []int `json:"extra"`   // it holds these, and this agent does not
	Differs []int `json:"differs"` // both hold a key of these numbers, and not the same one
}

// newSeal compares what a node announced with our own keys. Both lists are in the order of their numbers.
func newSeal(n *node.Node, self bool, ours *Keys) Seal {
	s := Seal{Key: int(n.Key), Holds: []int{}, Lacks: []int{}, Extra: []int{}, Differs: []int{}}
	switch {
	case self && ours == nil:
		s.Key = 0
		return s
	case self: // what we have said of ourselves may be a beat old
		s.Key, s.Holds = int(ours.Sealing), numbers(ours.Held)
		return s
	}
	s.Holds = numbers(n.Keys)
	var held []node.KeyMark
	if ours != nil {
		held = ours.Held
	}
	theirs := n.Keys
	for len(held) > 0 || len(theirs) > 0 {
		switch {
		case len(held) == 0 || len(theirs) > 0 && theirs[0].ID < held[0].ID:
			s.Extra = append(s.Extra, int(theirs[0].ID))
			theirs = theirs[1:]
		case len(theirs) == 0 || held[0].ID < theirs[0].ID:
			s.Lacks = append(s.Lacks, int(held[0].ID))
			held = held[1:]
		default:
			if held[0].Mark != theirs[0].Mark {
				s.Differs = append(s.Differs, int(held[0].ID))
			}
			held, theirs = held[1:], theirs[1:]
		}
	}
	return s
}

func numbers(keys []node.KeyMark) []int {
	out := make([]int, 0, len(keys))
	for _, k := range keys {
		out = append(out, int(k.ID))
	}
	return out
}

// seal is the cell of a row: "2", "unsealed; lacks 1, 2".
func (r Row) seal() string {
	if r.Seal == nil {
		return none
	}
	text := "unsealed"
	if r.Seal.Key > 0 {
		text = strconv.Itoa(r.Seal.Key)
	}
	if note := r.Seal.note(); note != "" {
		text += "; " + note
	}
	return text
}

// note says how its keys differ from ours; "" if they do not.
func (s *Seal) note() string {
	var words []string
	for _, w := range []struct {
		what string
		keys []int
	}{{"lacks", s.Lacks}, {"also has", s.Extra}, {"has another", s.Differs}} {
		if len(w.keys) > 0 {
			words = append(words, w.what+" "+list(w.keys))
		}
	}
	return strings.Join(words, ", ")
}

func list(keys []int) string {
	words := make([]string, len(keys))
	for i, k := range keys {
		words[i] = strconv.Itoa(k)
	}
	return strings.Join(words, ", ")
}
