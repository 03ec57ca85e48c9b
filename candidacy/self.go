package candidacy

import (
	"slices"

	"backhand/gossip/node"
)

// off returns backhand_off, under the name that the book on Apache gives it.
func off() Spec {
	return Spec{
		Name: "off", Usage: "off",
		Doc: "Ends balancing: only this host itself is left, or nobody where it is no candidate. when_empty decides then, " +
			"and by default hands the request to this host's own origin all the same.",
		Source: builtinsH + " (backhand_off)", Example: "off",
		Make: func(*Args) Step { return Step{Run: keepSelf, Why: "only this host stays"} },
	}
}

// keepSelf takes self from the candidates rather than from the farm, so that a further attempt does not try it again.
func keepSelf(_ *Request, in []*node.Member) []*node.Member {
	return slices.DeleteFunc(in, func(m *node.Member) bool { return !m.Self })
}

func removeSelf() Spec {
	return Spec{
		Name: "removeSelf", Usage: "removeSelf",
		Doc:    "Drops this host itself, as on a host that only balances.",
		Source: builtinsH, Example: "removeSelf",
		Make: func(*Args) Step { return Step{Ahead: Once, sifts: true, Run: dropSelf, Why: "is this host"} },
	}
}

func dropSelf(_ *Request, in []*node.Member) []*node.Member {
	return slices.DeleteFunc(in, func(m *node.Member) bool { return m.Self })
}

func addSelf() Spec {
	return Spec{
		Name: "addSelf", Usage: "addSelf",
		Doc: "Puts this host itself back, at the end, if an earlier step dropped it. It must serve the farm, its origin must " +
			"be up, it must not be draining, and the farm must be neither off nor down.",
		Source: builtinsH, Example: "addSelf",
		Make: func(*Args) Step { return Step{Run: appendSelf} },
	}
}

func appendSelf(req *Request, in []*node.Member) []*node.Member {
	if req.Farm == nil || req.Farm.Self == nil {
		return in
	}
	self := req.Farm.Self
	isSelf := func(m *node.Member) bool { return m.Self }
	if self.Unfit() != "" || !req.Farm.Standing.Fit() || wasTried(self, req.tried) || slices.ContainsFunc(in, isSelf) {
		return in
	}
	return append(in, self)
}
