package config

import (
	"maps"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"backhand/gossip/node"
)

// readLabels reads node.labels, of which the user chooses the keys.
func (p *parser) readLabels(s *section) {
	if s.table == nil {
		return
	}
	size := 0
	for _, key := range slices.Sorted(maps.Keys(s.table.keys)) {
		value, ok := s.text(key, `"r1"`)
		size += len(key) + len(value)
		switch line := s.lineOf(key); {
		case !ok:
		case key == "" || len(key) > node.MaxLabel:
			p.wrong(line, "%s has a key of %d bytes: write 1 to %d", s.name, len(key), node.MaxLabel)
		case !onlyOf(key, "._-"):
			p.wrong(line, "%s has the key %q: write only letters, digits, dots, dashes and underscores", s.name, key)
		case len(value) > node.MaxLabel:
			p.wrong(line, "%s has %d bytes: write at most %d", s.full(key), len(value), node.MaxLabel)
		case !isWord(value):
			p.wrong(line, "%s is %q: leave blanks and control characters away, so that a chain can name it", s.full(key), value)
		default:
			p.cfg.Node.Labels = append(p.cfg.Node.Labels, node.Label{Key: key, Value: value})
		}
	}
	switch n := len(s.table.keys); {
	case n > node.MaxLabels:
		p.wrong(s.line(), "%s has %d labels: write at most %d", s.name, n, node.MaxLabels)
	case size > node.MaxLabelsSize:
		p.wrong(s.line(), "%s has %d bytes in its keys and values: write at most %d, so that they fit into a beat", s.name, size,
			node.MaxLabelsSize)
	}
}

// isWord reports whether a text can be one word of a step.
func isWord(s string) bool {
	odd := func(r rune) bool { return r == ' ' || !unicode.IsPrint(r) }
	return utf8.ValidString(s) && strings.IndexFunc(s, odd) < 0
}
