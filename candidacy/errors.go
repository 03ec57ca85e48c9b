package candidacy

import (
	"fmt"
	"time"

	"backhand/gossip/node"
)

// defaultErrorWindow is as long as a member's agent counts an error among the requests under way there.
const defaultErrorWindow = 5 * time.Second

func byError() Spec {
	return Spec{
		Name: "byError", Usage: "byError [SECONDS]",
		Doc: "Lets each request that a member has failed count as one that is still under way there for SECONDS (default 5; at " +
			"most 60), in the steps behind it that look at this host's own requests: byTraffic, byWater, byBusyChildren of physicals. " +
			"A member that fails at once would otherwise look idle, and draw all requests. What counts as failed: no connection, " +
			"no answer in time, an answer that is malformed or breaks off, and the statuses in error_on of the route.",
		Source: ours, Example: "byError 5s",
		Make: makeByError,
	}
}

func makeByError(a *Args) Step {
	window := a.Seconds("SECONDS", defaultErrorWindow, node.MaxPending)
	return Step{
		Ahead: Again, sifts: true, // it drops nobody
		Run: func(req *Request, in []*node.Member) []*node.Member {
			req.ErrorWindow = window
			return in
		},
		Note: func(req *Request, m *node.Member) string {
			if n := m.Live.Pending(req.Now, window); n > 0 {
				return fmt.Sprintf("%d failed", n)
			}
			return ""
		},
	}
}
