package candidacy

import (
	"slices"

	"backhand/gossip/node"
)

// AppendCandidates appends to dst the members that a chain starts from: the farm's candidates without those already
// tried for this request, and last those to which a connection failed a moment ago (see [node.Live]).
func AppendCandidates(dst []*node.Member, req *Request, tried []*node.Member) []*node.Member {
	if req.Farm == nil {
		return dst
	}
	late := 0
	for _, m := range req.Farm.Candidates {
		switch {
		case wasTried(m, tried):
		case m.Live.Unreachable(req.Now):
			dst = append(dst, m)
			late++
		default:
			// The reachable keep their order before the others, which are few: move those up by one.
			dst = slices.Insert(dst, len(dst)-late, m)
		}
	}
	return dst
}

// wasTried compares by key: between two attempts a new snapshot may have come, with new Members.
func wasTried(m *node.Member, tried []*node.Member) bool {
	for _, t := range tried {
		if t.Key == m.Key {
			return true
		}
	}
	return false
}
