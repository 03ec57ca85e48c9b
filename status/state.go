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
	Draining    State = "draining"    // takes no new requests; a physical keeps the sessions that it has
	Leaving     State = "leaving"     // is about to stop
	Left        State = "left"        // said so, and is silent since
	Off         State = "off"         // a physical or a farm that was taken out of service by hand
	Down        State = "down"        // its origin is; of a physical or a farm: it was said to be
	Unreachable State = "unreachable" // we could not connect to it a moment ago
	Out         State = "out"         // a physical whose programs push no statistics any more
	Stale       State = "stale"       // silent for more than staleAfter of its own beats
	Unknown     State = "unknown"     // announces a state that we do not know
)

// states returns them from best to worst.
func states() []State {
	return []State{Up, Draining, Leaving, Left, Off, Down, Unreachable, Out, Stale, Unknown}
}

// staleAfter is how many of its own beats a node may miss: as many as the default byAge bears.
const staleAfter = 6

// silent reports whether nothing was heard of the member for too long. We ourselves and physicals never are.
func silent(m *node.Member, now time.Time) bool {
	return m.Node != nil && m.Age(now) > m.Node.Beats(staleAfter)
}

// faults are all that is wrong with a member, a bit for each. The lowest one gives the word for its state, all of them the
// reason.
type faults uint16

const (
	quiet faults = 1 << iota
	draining
	leaving
	gone
	unknown
	saidOff
	saidDown
	saidOut
	originDown
	unreachable
	kept // no fault of its own: we suspect ourselves
)

// judge returns what is wrong with a member.
func judge(m *node.Member, now time.Time) faults {
	var f faults
	if m.Live.Unreachable(now) {
		f |= unreachable
	}
	if m.Node == nil {
		return f | standing(m.Physical)
	}
	if !m.Service.Ready {
		f |= originDown
	}
	if m.Node.Kept {
		f |= kept
	}
	if silent(m, now) {
		if m.Node.State == node.Leaving {
			return f | gone // in good order
		}
		f |= quiet
	}
	switch m.Node.State {
	case node.Up:
	case node.Draining:
		f |= draining
	case node.Leaving:
		f |= leaving
	default:
		f |= unknown
	}
	return f
}

// standing returns what was said against a physical.
func standing(p *node.Physical) faults {
	var f faults
	if p.Standing.Off {
		f |= saidOff
	}
	if p.Standing.Drain {
		f |= draining
	}
	if p.Standing.Down {
		f |= saidDown
	}
	if p.Standing.Out {
		f |= saidOut
	}
	return f
}

// state returns the word for the faults.
func (f faults) state() State {
	switch f & -f {
	case 0, kept:
		return Up
	case quiet:
		return Stale
	case draining:
		return Draining
	case leaving:
		return Leaving
	case gone:
		return Left
	case saidOff:
		return Off
	case originDown, saidDown:
		return Down
	case saidOut:
		return Out
	case unreachable:
		return Unreachable
	}
	return Unknown
}

// why returns all the faults of a member in words, or "" if it has none.
func (f faults) why(m *node.Member, now time.Time) string {
	var why []string
	for bit := quiet; bit <= kept; bit <<= 1 {
		if f&bit != 0 {
			why = append(why, bit.reason(m, now))
		}
	}
	return strings.Join(why, "; ")
}

// reason returns one fault in words.
func (f faults) reason(m *node.Member, now time.Time) string {
	switch f {
	case quiet:
		return "silent for " + span(m.Age(now).Seconds())
	case draining:
		if m.Physical != nil {
			return withReason("takes no new requests", &m.Physical.Standing, now)
		}
		return "takes no new requests"
	case leaving:
		return "is about to stop"
	case gone:
		return "said that it would"
	case saidOff, saidDown, saidOut:
		return f.said(m.Physical, now)
	case originDown:
		if m.Service.Why != "" {
			return "origin down: " + clean(m.Service.Why)
		}
		return "origin down"
	case unreachable:
		return "the last connect failed"
	case kept:
		return "silent for " + span(max(0, now.Sub(m.Node.Heard)).Seconds()) + ", and kept, since this node may be deaf itself"
	}
	return "announces a state that this version does not know"
}

// said returns in words what was said against a physical. The reason and the time that go with off and down are told once.
func (f faults) said(p *node.Physical, now time.Time) string {
	switch {
	case f == saidOut && p.Updated.IsZero():
		return "no statistics came"
	case f == saidOut:
		return "no statistics for " + span(max(0, now.Sub(p.Updated)).Seconds())
	case f == saidDown && (p.Standing.Off || p.Standing.Drain):
		return "not well" // the reason stands beside the other
	case f == saidDown:
		return withReason("not well", &p.Standing, now)
	}
	return withReason("taken out of service", &p.Standing, now)
}

// withReason adds to a text why, and for how long, a physical or a farm is off or down, where that is known: "not well (disk
// full, for 3 min)".
func withReason(text string, s *node.Standing, now time.Time) string {
	if why := because(s, now); why != "" {
		text += " (" + why + ")"
	}
	return text
}

func because(s *node.Standing, now time.Time) string {
	var known []string
	if s.Why != "" {
		known = append(known, clean(s.Why))
	}
	if !s.Since.IsZero() {
		known = append(known, "for "+span(max(0, now.Sub(s.Since)).Seconds()))
	}
	return strings.Join(known, ", ")
}

// farmState returns the word for how a farm stands.
func farmState(f *node.Farm) State {
	switch {
	case f.Standing.Off:
		return Off
	case f.Standing.Down:
		return Down
	}
	return Up
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
// counts once, as the worst of its members. Of those that are not listed only what they announced is known.
func countStates(all roster, others *node.Others) []Count {
	order := states()
	n := make([]uint64, len(order))
	worst, physicals := 0, map[string]int{} // by name: those that several farms list are one
	for i := range all {
		at, state := all[i].member.Node, slices.Index(order, all[i].faults.state())
		if at == nil {
			name := all[i].member.Name
			physicals[name] = max(physicals[name], state)
			continue
		}
		worst = max(worst, state)
		if i+1 == len(all) || all[i+1].member.Node != at {
			n[worst]++
			worst = 0
		}
	}
	for _, state := range physicals {
		n[state]++
	}
	if others != nil {
		silent := others.Nodes
		for s, heard := range others.States {
			n[slices.Index(order, ownState(s))] += uint64(heard)
			silent -= heard
		}
		n[slices.Index(order, Stale)] += uint64(max(0, silent))
	}
	out := []Count{}
	for i, s := range order {
		if n[i] > 0 {
			out = append(out, Count{Name: string(s), N: n[i]})
		}
	}
	return out
}
