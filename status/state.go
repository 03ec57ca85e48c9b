package status

import (
	"slices"
	"strings"
	"time"

	"backhand/gossip/node"
)

// State is one word for how a member stands. It is for people: who may be chosen is [Row.Candidate], which the snapshot
// alone decides. A stale member may well be a candidate, since silence is byAge's business.
type State string

// The states, from best to worst.
const (
	Up          State = "up"
	Draining    State = "draining"    // takes no new requests
	Leaving     State = "leaving"     // is about to stop
	Left        State = "left"        // said so, and is silent since
	Down        State = "down"        // its origin is
	Unreachable State = "unreachable" // we could not connect to it a moment ago
	Stale       State = "stale"       // silent for more than staleAfter of its own intervals
	Unknown     State = "unknown"     // announces a state that we do not know
)

// states returns them from best to worst.
func states() []State {
	return []State{Up, Draining, Leaving, Left, Down, Unreachable, Stale, Unknown}
}

// staleAfter is how many of its own intervals a node may be silent: as many as the default byAge bears.
const staleAfter = 6

// silent reports whether nothing was heard of the member for too long. We ourselves and physicals never are.
func silent(m *node.Member, now time.Time) bool {
	return m.Node != nil && m.Age(now) > staleAfter*m.Node.Interval
}

// judge returns the state of a member and why it is not up. The worst of what is wrong gives the word, all of it the
// reason.
func judge(m *node.Member, now time.Time) (State, string) {
	state := Up
	var why []string
	wrong := func(s State, reason string) {
		if state == Up {
			state = s
		}
		why = append(why, reason)
	}
	quiet := silent(m, now)
	if quiet && m.Node.State != node.Leaving {
		wrong(Stale, "silent for "+span(m.Age(now).Seconds()))
	}
	if m.Node != nil {
		switch m.Node.State {
		case node.Up:
		case node.Draining:
			wrong(Draining, "takes no new requests")
		case node.Leaving:
			if quiet {
				wrong(Left, "said that it would")
			} else {
				wrong(Leaving, "is about to stop")
			}
		default:
			wrong(Unknown, "announces a state that this version does not know")
		}
		if !m.Service.Ready {
			wrong(Down, originDown(m.Service.Why))
		}
	}
	if m.Live.Unreachable(now) {
		wrong(Unreachable, "the last connect failed")
	}
	return state, strings.Join(why, "; ")
}

func originDown(why string) string {
	if why == "" {
		return "origin down"
	}
	return "origin down: " + clean(why)
}

// ownState returns the word for what this agent says of itself.
func ownState(s node.State) State {
	switch s {
	case node.Draining:
		return Draining
	case node.Leaving:
		return Leaving
	}
	return Up
}

// countStates returns how many nodes and physicals are in each of the states that occur. One that serves several farms
// counts once, as the worst of its rows.
func countStates(rows []Row) []Count {
	worst := map[string]int{} // node, or farm and name of a physical, to index in states
	for i := range rows {
		key := rows[i].ID
		if rows[i].Physical {
			key = rows[i].Farm + "/" + rows[i].Name
		}
		worst[key] = max(worst[key], slices.Index(states(), rows[i].State))
	}
	n := map[int]uint64{}
	for _, s := range worst {
		n[s]++
	}
	out := []Count{}
	for i, s := range states() {
		if n[i] > 0 {
			out = append(out, Count{Name: string(s), N: n[i]})
		}
	}
	return out
}
