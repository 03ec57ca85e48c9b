package candidacy

import (
	"fmt"
	"time"

	"backhand/gossip/node"
)

const (
	defaultSlowStart = 30 * time.Second
	maxSlowStart     = time.Hour
)

func bySlowStart() Spec {
	return Spec{
		Name: "bySlowStart", Usage: "bySlowStart [SECONDS]",
		Doc: "Lets a member that is new have few requests at first, and more and more until SECONDS are over (default 30; also 5m; at " +
			"most 1h). After a third of the time, it stays for a third of the requests, at random, and is dropped for the others. It " +
			"is new when this host first sees that it may be chosen: it joined, started anew, came back up, or ended draining. " +
			"If all would be dropped, all stay.",
		Source: ours, Example: "bySlowStart 30s",
		Make: makeBySlowStart,
	}
}

func makeBySlowStart(a *Args) Step {
	s := slowStart{length: a.Seconds("SECONDS", defaultSlowStart, maxSlowStart)}
	return Step{
		Run: func(req *Request, in []*node.Member) []*node.Member {
			return prefer(in, func(m *node.Member) bool {
				part := s.part(req, m)
				return part >= 1 || req.Rand.Float64() < part
			})
		},
		Note: func(req *Request, m *node.Member) string {
			part := s.part(req, m)
			if part >= 1 {
				return ""
			}
			return fmt.Sprintf("here for %v, stays for %.0f%% of the requests",
				time.Duration(part*float64(s.length)).Round(100*time.Millisecond), 100*part)
		},
		Why: "too new for this request",
	}
}

// slowStart is bySlowStart with its argument.
type slowStart struct{ length time.Duration }

// part returns for which part of the requests the member stays; 1 or more for all.
func (s slowStart) part(req *Request, m *node.Member) float64 {
	since := m.Live.Since()
	if since.IsZero() {
		return 1 // nobody knows; it may be one that a session brought back
	}
	return max(0, float64(req.Now.Sub(since))/float64(s.length))
}

// prefer keeps those for whom keep holds; if it holds for nobody, it keeps all. keep is asked once of each, in their order.
func prefer(in []*node.Member, keep func(*node.Member) bool) []*node.Member {
	n := 0
	for _, m := range in {
		if keep(m) {
			in[n] = m
			n++
		}
	}
	if n == 0 {
		return in // nothing was written
	}
	clear(in[n:])
	return in[:n]
}
