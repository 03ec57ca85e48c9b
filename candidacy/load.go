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

func compareFigures(a, b ranked) int { return cmp.Compare(a.figure, b.figure) }

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
	slices.SortStableFunc(list, compareFigures)
	for i := range list {
		in[i] = list[i].member
	}
	clear(list) // members of a snapshot that is gone
	*kept = list
	return in
}

// firstBy brings forward the candidate that sortBy would make the first.
func firstBy(in []*node.Member, figure func(*node.Member) float64) []*node.Member {
	best, least := 0, math.Inf(1)
	for i, m := range in {
		if f := figure(m); f < least {
			best, least = i, f
		}
	}
	if best > 0 {
		in[0], in[best] = in[best], in[0]
	}
	return in
}

// predicted returns how many requests are added to what a node announced of the member, see addPrediction.
func predicted(m *node.Member) float64 { return float64(m.Live.Predicted(m.Node.Sequence)) }

// predictionNote tells what was added to a figure that the node announced.
func predictionNote(m *node.Member) string {
	if m.Node == nil || predicted(m) == 0 {
		return ""
	}
	return fmt.Sprintf(" + %.0f predicted", predicted(m))
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
			return m.Node.Stats.Load1 + predicted(m) - bias
		}
		return m.Node.Stats.Load1 + predicted(m)
	}
	return Step{
		Sorts: true,
		Run:   func(_ *Request, in []*node.Member) []*node.Member { return sortBy(in, load) },
		First: func(_ *Request, in []*node.Member) []*node.Member { return firstBy(in, load) },
		Note: func(_ *Request, m *node.Member) string {
			if m.Node == nil {
				return "load unknown"
			}
			return fmt.Sprintf("load %.2f", m.Node.Stats.Load1) + predictionNote(m) + biasNote(m, bias)
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
		return predicted(m)/float64(max(1, m.Node.Stats.CPUs)) - m.Node.Stats.CPUIdle
	}
	return Step{
		Sorts: true,
		Run:   func(_ *Request, in []*node.Member) []*node.Member { return sortBy(in, busy) },
		First: func(_ *Request, in []*node.Member) []*node.Member { return firstBy(in, busy) },
		Note: func(_ *Request, m *node.Member) string {
			if m.Node == nil {
				return "idle unknown"
			}
			idle := fmt.Sprintf("idle %.0f%%", 100*m.Node.Stats.CPUIdle)
			if n := predicted(m); n > 0 {
				return idle + fmt.Sprintf(" - %.0f predicted on %d CPUs", n, max(1, m.Node.Stats.CPUs))
			}
			return idle
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
	bias := float64(a.Int("BIAS", 0, 0))
	busy := func(req *Request, m *node.Member) float64 {
		if m.Self {
			return busyChildren(req, m) - bias
		}
		return busyChildren(req, m)
	}
	return Step{
		Sorts: true,
		Run: func(req *Request, in []*node.Member) []*node.Member {
			return sortBy(in, func(m *node.Member) float64 { return busy(req, m) })
		},
		First: func(req *Request, in []*node.Member) []*node.Member {
			return firstBy(in, func(m *node.Member) float64 { return busy(req, m) })
		},
		Note: func(req *Request, m *node.Member) string {
			if m.Service == nil {
				return fmt.Sprintf("%.0f busy", req.Under(m))
			}
			return fmt.Sprintf("%d busy", announcedBusy(m)) + predictionNote(m) + biasNote(m, bias)
		},
	}
}

func busyChildren(req *Request, m *node.Member) float64 {
	if m.Service == nil {
		return req.Under(m)
	}
	return float64(announcedBusy(m)) + predicted(m)
}

// announcedBusy returns how many children of its origin a node's last beat called busy.
func announcedBusy(m *node.Member) int {
	if m.Service.Workers > 0 {
		return m.Service.Busy
	}
	return m.Service.InFlight
}
