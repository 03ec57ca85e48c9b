package candidacy

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"sync"

	"backhand/gossip/node"
)

// ranked is a candidate and the figure by which it is sorted. Figures are read once, before the sort: some of them change
// at any time, and an order that changes under a sort is none.
type ranked struct {
	member *node.Member
	figure float64
}

// rankings are lists to sort by, kept from one decision to the next. On the stack, one would make that of each connection
// larger for good.
var rankings = sync.Pool{New: func() any { return new([]ranked) }}

// sortBy sorts by figure, lowest first. Candidates with equal figures keep their order, so that a byRandom before breaks
// ties. What is no number comes last: a node may announce anything.
func sortBy(in []*node.Member, figure func(*node.Member) float64) []*node.Member {
	kept := rankings.Get().(*[]ranked)
	defer rankings.Put(kept)
	list := (*kept)[:0]
	for _, m := range in {
		f := figure(m)
		if math.IsNaN(f) {
			f = math.Inf(1)
		}
		list = append(list, ranked{m, f})
	}
	slices.SortStableFunc(list, func(a, b ranked) int { return cmp.Compare(a.figure, b.figure) })
	for i := range list {
		in[i] = list[i].member
	}
	clear(list) // members of a snapshot that is gone
	*kept = list
	return in
}

func byLoad() Spec {
	return Spec{
		Name: "byLoad", Usage: "byLoad [BIAS]",
		Doc: "Sorts by load average of the last minute, lowest first. BIAS (default 0; 0.5 is a sensible value) is " +
			"subtracted from this host's own, since handing a request on costs something too. Physicals, of which no load " +
			"is known, come last in the order they had.",
		Source: whitePaper + "; BIAS: " + book, Example: "byLoad 0.5",
		Make: makeByLoad,
	}
}

func makeByLoad(a *Args) Step {
	bias := a.Float("BIAS", 0, 0)
	load := func(m *node.Member) float64 {
		switch {
		case m.Node == nil:
			return math.Inf(1)
		case m.Self:
			return m.Node.Stats.Load1 - bias
		}
		return m.Node.Stats.Load1
	}
	return Step{
		Sorts: true,
		Run:   func(_ *Request, in []*node.Member) []*node.Member { return sortBy(in, load) },
		Note: func(_ *Request, m *node.Member) string {
			if m.Node == nil {
				return "load unknown"
			}
			return fmt.Sprintf("load %.2f", m.Node.Stats.Load1) + biasNote(m, bias)
		},
	}
}

// biasNote tells why this host comes before others whose figure is lower.
func biasNote(m *node.Member, bias float64) string {
	if !m.Self || bias == 0 {
		return ""
	}
	return fmt.Sprintf(" - %v for this host", bias)
}

func byCPU() Spec {
	return Spec{
		Name: "byCPU", Usage: "byCPU",
		Doc: "Sorts by how idle the CPUs were between the last two beats, most idle first. Physicals, of which that is not " +
			"known, come last in the order they had.",
		Source: whitePaper, Example: "byCPU",
		Make: makeByCPU,
	}
}

func makeByCPU(*Args) Step {
	busy := func(m *node.Member) float64 {
		if m.Node == nil {
			return math.Inf(1)
		}
		return -m.Node.Stats.CPUIdle
	}
	return Step{
		Sorts: true,
		Run:   func(_ *Request, in []*node.Member) []*node.Member { return sortBy(in, busy) },
		Note: func(_ *Request, m *node.Member) string {
			if m.Node == nil {
				return "idle unknown"
			}
			return fmt.Sprintf("idle %.0f%%", 100*m.Node.Stats.CPUIdle)
		},
	}
}

func byBusyChildren() Spec {
	return Spec{
		Name: "byBusyChildren", Usage: "byBusyChildren [BIAS]",
		Doc: "Sorts by busy children of the origin, fewest first: its busy processes or threads where it reports them, else " +
			"the requests under way at it. BIAS (a whole number, default 0) is subtracted from this host's own. A physical " +
			"counts with the requests that this agent itself has under way at it.",
		Source: builtinsH + "; its BIAS is unconfirmed", Example: "byBusyChildren 2",
		Make: makeByBusyChildren,
	}
}

func makeByBusyChildren(a *Args) Step {
	bias := a.Int("BIAS", 0, 0)
	return Step{
		Sorts: true,
		Run: func(_ *Request, in []*node.Member) []*node.Member {
			return sortBy(in, func(m *node.Member) float64 {
				if m.Self {
					return float64(busyChildren(m) - int64(bias))
				}
				return float64(busyChildren(m))
			})
		},
		Note: func(_ *Request, m *node.Member) string {
			return fmt.Sprintf("%d busy", busyChildren(m)) + biasNote(m, float64(bias))
		},
	}
}

func busyChildren(m *node.Member) int64 {
	switch {
	case m.Service == nil:
		return m.Live.Outstanding()
	case m.Service.Workers > 0:
		return int64(m.Service.Busy)
	}
	return int64(m.Service.InFlight)
}
