package candidacy

import (
	"fmt"
	"strings"

	"backhand/gossip/node"
)

// maxKeyName is the most bytes of the name of a cookie, argument or field.
const maxKeyName = 64

func byHash() Spec {
	return Spec{
		Name: "byHash", Usage: "byHash WHAT",
		Doc: "Sorts so that requests that are alike in WHAT go to the same member, from every host. WHAT is path, host, client (its " +
			"address), cookie:NAME, query:NAME or header:NAME (the first of that name). Each member gets as many keys as any other. If one " +
			"goes, its keys go to those that were the second choice, and no other key moves. A request without it, or in which " +
			"it is empty, leaves the order as it is.",
		Source: ours + "; rendezvous hashing: Thaler and Ravishankar, 1998", Example: "byHash path",
		Make: makeByHash,
	}
}

func makeByHash(a *Args) Step {
	k := parseHashKey(a)
	score := func(key uint64, m *node.Member) uint64 { return node.Mix(key ^ m.Hash) }
	rank := func(key uint64, m *node.Member) float64 { return -float64(score(key, m)) } // the highest comes first
	return Step{
		Run: func(req *Request, in []*node.Member) []*node.Member {
			key, ok := k.of(req)
			if !ok {
				return in
			}
			return sortBy(in, func(m *node.Member) float64 { return rank(key, m) })
		},
		First: func(req *Request, in []*node.Member) []*node.Member {
			key, ok := k.of(req)
			if !ok {
				return in
			}
			return firstBy(in, func(m *node.Member) float64 { return rank(key, m) })
		},
		Note: func(req *Request, m *node.Member) string {
			key, ok := k.of(req)
			if !ok {
				return "no " + k.text
			}
			return fmt.Sprintf("hash %04x", score(key, m)>>48)
		},
	}
}

// hashKey says what of a request is hashed.
type hashKey struct {
	text string // as in the file
	kind string
	name string // of a cookie, argument or field
}

func parseHashKey(a *Args) hashKey {
	k := hashKey{text: a.Need("WHAT")}
	named := false
	k.kind, k.name, named = strings.Cut(k.text, ":")
	switch k.kind {
	case "path", "host", "client":
		if !named {
			return k
		}
	case "cookie", "header":
		if isToken(k.name) && len(k.name) <= maxKeyName {
			return k
		}
	case "query":
		if k.name != "" && len(k.name) <= maxKeyName {
			return k
		}
	}
	a.Fail("WHAT is %q, want path, host, client, cookie:NAME, query:NAME or header:NAME, the NAME at most %d bytes", k.text, maxKeyName)
	return k
}

// isToken reports whether a field or cookie may have that name (RFC 9110, section 5.6.2).
func isToken(s string) bool {
	ok := func(r rune) bool {
		return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || strings.ContainsRune("!#$%&'*+-.^_`|~", r)
	}
	return s != "" && strings.IndexFunc(s, func(r rune) bool { return !ok(r) }) < 0
}

// of returns the hash of the request's key, and whether it has one.
func (k hashKey) of(req *Request) (hash uint64, ok bool) {
	switch k.kind {
	case "path":
		return hashText(req.Path)
	case "host":
		return hashText(req.Host)
	case "client":
		b := req.Client.As16() // an IPv4 address is the same whether written as IPv6 or not
		return hashBytes(b[:]), req.Client.IsValid()
	}
	var values []string
	switch k.kind {
	case "cookie":
		values = req.cookies(k.name)
	case "query":
		values = req.query(k.name)
	default:
		values = req.header(k.name)
	}
	if len(values) == 0 {
		return 0, false
	}
	return hashText(values[0])
}

func hashText(s string) (hash uint64, ok bool) { return hashBytes(s), s != "" }

// hashBytes is FNV-1a: the same number for the same bytes on every host, whatever its version, since all must agree. Who
// may write the key can choose its member; there is no secret in it.
func hashBytes[T string | []byte](s T) uint64 {
	const offset, prime = 14695981039346656037, 1099511628211
	h := uint64(offset)
	for i := range len(s) {
		h = (h ^ uint64(s[i])) * prime
	}
	return h
}
