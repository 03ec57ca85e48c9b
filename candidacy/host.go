package candidacy

import (
	"regexp"
	"slices"

	"backhand/gossip/node"
)

// maxPattern is the most bytes of a pattern; package regexp bounds what it may expand to.
const maxPattern = 256

func byHostname() Spec {
	return Spec{
		Name: "byHostname", Usage: "byHostname REGEXP",
		Doc: "Keeps members whose name matches REGEXP anywhere (www, ^www[0-9]+$, (sun|alpha); at most 256 bytes). Lower and " +
			"upper case differ, unless it begins with (?i). The syntax is RE2's; the usual POSIX extended patterns mean the same.",
		Source: whitePaper + "; " + book, Example: "byHostname (sun|alpha)",
		Make: makeByHostname,
	}
}

func makeByHostname(a *Args) Step {
	pattern := a.Need("REGEXP")
	if len(pattern) > maxPattern {
		a.Fail("REGEXP is %d bytes long, want at most %d", len(pattern), maxPattern)
		return Step{}
	}
	re, err := regexp.Compile(pattern)
	if err != nil {
		a.Fail("REGEXP is %q: %w", pattern, err)
		return Step{}
	}
	return Step{
		Run: func(_ *Request, in []*node.Member) []*node.Member {
			return slices.DeleteFunc(in, func(m *node.Member) bool { return !re.MatchString(m.Name) })
		},
		Why: "does not match",
	}
}
