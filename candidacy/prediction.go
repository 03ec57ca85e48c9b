package candidacy

import (
	"fmt"

	"backhand/gossip/node"
)

func addPrediction() Spec {
	return Spec{
		Name: "addPrediction", Usage: "addPrediction",
		Doc: "Counts the request among what the chosen member's beats say of it, until its next beat. For the steps that sort, it is 1 " +
			"more in the load average (byLoad, byCost) and among the busy children (byBusyChildren), and one CPU that is not idle " +
			"(byCPU). So one host's requests do not all go to the member that seemed least loaded a moment ago; of those of other " +
			"hosts it knows nothing. Candidates and their order stay as they are, and it may stand anywhere in the chain. Physicals " +
			"have no beat: the requests that this host has under way at them count anyway.",
		Source: builtinsH + "; what it adds is ours", Example: "addPrediction",
		Make: makeAddPrediction,
	}
}

func makeAddPrediction(*Args) Step {
	return Step{
		Ahead: Again, // it drops nobody
		Run: func(req *Request, in []*node.Member) []*node.Member {
			req.Predict = true
			return in
		},
		Note: func(_ *Request, m *node.Member) string {
			if m.Node == nil || predicted(m) == 0 {
				return ""
			}
			return fmt.Sprintf("%.0f since its beat", predicted(m))
		},
		OnlyFirst: true,
	}
}
