package config

import (
	"slices"
	"strings"

	"backhand/gossip/node"
)

// readLabelList reads the labels of a server: "gpu", or "rack=7" for one with a value.
func (p *parser) readLabelList(s *section) (labels []node.Label) {
	const key = "labels"
	for _, it := range s.texts(key, `"gpu" or "rack=7"`) {
		name, value, _ := strings.Cut(it.text, "=")
		isThere := slices.ContainsFunc(labels, func(l node.Label) bool { return l.Key == name })
		switch {
		case name == "" || len(name) > node.MaxLabel:
			p.wrong(it.line, "%s has %q, with a key of %d bytes: write 1 to %d, and = before a value", s.full(key), it.text, len(name),
				node.MaxLabel)
		case !onlyOf(name, "._-"):
			p.wrong(it.line, "%s has the key %q: write only letters, digits, dots, dashes and underscores", s.full(key), name)
		case len(value) > node.MaxLabel:
			p.wrong(it.line, "%s has a value of %d bytes for %q: write at most %d", s.full(key), len(value), name, node.MaxLabel)
		case !isWord(value):
			p.wrong(it.line, "%s has the value %q: leave blanks and control characters away, so that a chain can name it", s.full(key),
				value)
		case isThere:
			p.wrong(it.line, "%s has %q twice: leave one away", s.full(key), name)
		default:
			labels = append(labels, node.Label{Key: name, Value: value})
		}
	}
	if len(labels) > node.MaxLabels {
		p.wrong(s.lineOf(key), "%s has %d labels: write at most %d", s.full(key), len(labels), node.MaxLabels)
	}
	slices.SortFunc(labels, func(a, b node.Label) int { return strings.Compare(a.Key, b.Key) })
	return labels
}
