package proxy

import (
	"fmt"
	"net/http"
	"strings"

	"backhand/gossip/node"
)

// pseudonym is the name under which a node stands in Via fields.
func pseudonym(id node.ID) string { return "backhand-" + id.Short() }

// addVia says that we passed a message on which came with that version of HTTP (RFC 9110, section 7.6.3).
func addVia(h http.Header, major, minor int, name string) {
	h.Add("Via", fmt.Sprintf("%d.%d %s", major, minor, name))
}

// viaNames reports whether the Via fields say that a message went through that name before.
func viaNames(lines []string, name string) bool {
	for _, l := range lines {
		for e := range strings.SplitSeq(l, ",") {
			if words := strings.Fields(e); len(words) >= 2 && strings.EqualFold(words[1], name) {
				return true
			}
		}
	}
	return false
}
