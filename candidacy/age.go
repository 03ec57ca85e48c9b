package candidacy

import (
	"math"
	"slices"
	"time"

	"backhand/gossip/node"
)

// defaultAge is the white paper's. The book has 20 s; beats come every second in both, and five lost in a row are enough.
const defaultAge = 5 * time.Second

func byAge() Spec {
	return Spec{
		Name: "byAge", Usage: "byAge [SECONDS]",
		Doc: "Drops members of which the last news is older than SECONDS (default 5; also 500ms, or 6b: for as long as six " +
			"of the member's own beats take, so that six in a row were missed). Age is the time since the beat came plus how old its " +
			"figures were when it was sent. This host itself is never too old, and a physical has no beat: both stay. A physical is " +
			"out when its expect_update says so.",
		Source: whitePaper, Example: "byAge 6",
		Make: makeByAge,
	}
}

func makeByAge(a *Args) Step {
	limit := a.Age("SECONDS", Age{Time: defaultAge})
	return Step{
		Ahead: Again, Holds: limit.holds, sifts: true,
		Run: func(req *Request, in []*node.Member) []*node.Member {
			return slices.DeleteFunc(in, func(m *node.Member) bool { return limit.exceeded(m, req.Now) })
		},
		Note: func(req *Request, m *node.Member) string {
			switch {
			case m.Self:
				return "this host"
			case m.Node == nil:
				return "no beat"
			}
			return "age " + m.Age(req.Now).Round(100*time.Millisecond).String()
		},
		Why: "older than " + limit.String(),
	}
}

// holds returns until when none of the members is older than that.
func (l Age) holds(in []*node.Member) time.Time {
	until := time.Unix(0, math.MaxInt64)
	for _, m := range in {
		if m.Self || m.Node == nil || m.Node.Kept {
			continue
		}
		most := l.Time
		if l.Beats > 0 {
			most = min(m.Node.Beats(l.Beats), maxAge)
		}
		if t := m.Node.Heard.Add(most - m.Node.SampleAge); t.Before(until) {
			until = t
		}
	}
	return until
}

// exceeded reports whether what is known of the member is strictly older than that.
func (l Age) exceeded(m *node.Member, now time.Time) bool {
	switch {
	case m.Node == nil:
		return false
	case l.Beats > 0:
		return m.Age(now) > m.Node.Beats(l.Beats)
	}
	return m.Age(now) > l.Time
}
