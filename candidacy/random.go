package candidacy

import (
	"math/bits"

	"backhand/gossip/node"
)

func byRandom() Spec {
	return Spec{
		Name: "byRandom", Usage: "byRandom",
		Doc:    "Shuffles the candidates, each order being equally likely.",
		Source: whitePaper, Example: "byRandom",
		Make: func(*Args) Step {
			return Step{shuffles: true, Run: func(req *Request, in []*node.Member) []*node.Member {
				return shuffle(req, in, len(in))
			}}
		},
	}
}

// shuffle brings candidates into random order, but no more of them than the first n.
func shuffle(req *Request, in []*node.Member, n int) []*node.Member {
	for i := range min(n, len(in)-1) {
		j := i + req.Rand.IntN(len(in)-i)
		in[i], in[j] = in[j], in[i]
	}
	return in
}

func byLogWindow() Spec {
	return Spec{
		Name: "byLogWindow", Usage: "byLogWindow",
		Doc: "Keeps the first log2(n) of n candidates, rounded down, but at least one: 1 of 3, 2 of 4, 3 of 10. After " +
			"byRandom, each request is decided among a few members, so that not all go to the one that seemed least " +
			"loaded a second ago.",
		Source: whitePaper, Example: "byLogWindow",
		Make: func(*Args) Step {
			return Step{Run: keepLogWindow, window: logWindow, Why: "not among the first log2(n)"}
		},
	}
}

func keepLogWindow(_ *Request, in []*node.Member) []*node.Member { return in[:logWindow(len(in))] }

// logWindow returns how many of n are kept.
func logWindow(n int) int {
	if n == 0 {
		return 0
	}
	return max(1, bits.Len(uint(n))-1)
}
