package proxy

import (
	"strings"

	"backhand/gossip/node"
	"backhand/proxy/h1"
)

// pseudonym is the name under which a node stands in Via fields.
func pseudonym(id node.ID) string { return "backhand-" + id.Short() }

// viaNames reports whether the Via fields say that a message went through that name before. Lines that Connection names
// were not meant for us, see fieldLines.
func viaNames(s *h1.Section, name string) bool {
	for i := range s.Fields {
		if f := &s.Fields[i]; f.ID == h1.Via && !f.Named && viaLineNames(text(f.Value), name) {
			return true
		}
	}
	return false
}

func viaLineNames(line, name string) bool {
	for e := range strings.SplitSeq(line, ",") {
		n := 0
		for word := range strings.FieldsSeq(e) {
			if n++; n == 2 && strings.EqualFold(word, name) { // behind the protocol
				return true
			}
		}
	}
	return false
}
