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
		Make: func(*Args) Step { return Step{Run: shuffle} },
	}
}

func shuffle(req *Request, in []*node.Member) []*node.Member {
	req.Rand.Shuffle(len(in), func(i, j int) { in[i], in[j] = in[j], in[i] })
	return in
}

func byLogWindow() Spec {
	return Spec{
		Name: "byLogWindow", Usage: "byLogWindow",
		Doc: "Keeps the first log2(n) of n candidates, rounded down, but at least one: 1 of 3, 2 of 4, 3 of 10. After " +
			"byRandom, each request is decided among a few members, so that not all go to the one that seemed least " +
			"loaded a second ago.",
		Source: whitePaper, Example: "byLogWindow",
		Make: func(*Args) Step { return Step{Run: logWindow, Why: "not among the first log2(n)"} },
	}
}

func logWindow(_ *Request, in []*node.Member) []*node.Member {
	if len(in) == 0 {
		return in
	}
	return in[:max(1, bits.Len(uint(len(in)))-1)]
}
