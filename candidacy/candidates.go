package candidacy

import (
	"slices"

	"backhand/gossip/node"
)

// AppendCandidates appends to dst the members that a chain starts from: the farm's candidates without those already
// tried for this request, and last those to which a connection failed a moment ago (see [node.Live]). It notes tried in
// req, so that no step of the chain brings one of them back, and leaves room in dst for one that a step may add.
func AppendCandidates(dst []*node.Member, req *Request, tried []*node.Member) []*node.Member {
	req.tried, req.prepared = tried, nil
	if req.Farm == nil {
		return dst
	}
	return appendReachableFirst(dst, req, req.Farm.Candidates)
}

func appendReachableFirst(dst []*node.Member, req *Request, members []*node.Member) []*node.Member {
	if len(req.tried) == 0 && req.Farm.AllReachable(req.Now) {
		return append(slices.Grow(dst, len(members)+1), members...)
	}
	// Whether a member is reachable may change while we look, so each is asked once: the reachable are put down from
	// the front, the others from the back, and then the gap between them is closed.
	start := len(dst)
	dst = slices.Grow(dst, len(members)+1)
	dst = dst[:start+len(members)]
	front, back := start, len(dst)
	for _, m := range members {
		switch {
		case wasTried(m, req.tried):
		case m.Live.Unreachable(req.Now):
			back--
			dst[back] = m
		default:
			dst[front] = m
			front++
		}
	}
	late := dst[back:]
	slices.Reverse(late)
	return append(dst[:front], late...)
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
