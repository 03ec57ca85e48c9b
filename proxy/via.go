package proxy

import (
	"strings"

	"backhand/gossip/node"
	"backhand/proxy/h1"
)

// pseudonym is the name under which a node stands in Via fields.
func pseudonym(id node.ID) string { return "backhand-" + id.Short() }

// viaNames reports whether the Via fields say that a message went through that name before.
func viaNames(s *h1.Section, name string) bool {
	for _, l := range fieldLines(s, h1.Via) {
		for e := range strings.SplitSeq(l, ",") {
			if words := strings.Fields(e); len(words) >= 2 && strings.EqualFold(words[1], name) {
				return true
			}
		}
	}
	return false
}
