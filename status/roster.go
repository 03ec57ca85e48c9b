package status

import (
	"time"

	"backhand/gossip/node"
)

// roster is all that is known, with an entry for each row of a page without end: the nodes in the order of the snapshot,
// each with its farms by name, and then the physicals. Whoever announces nodes can make it long, so an entry is small, and
// rows and figures are made only of those that are kept.
type roster []entry

// entry is what a row is made of.
type entry struct {
	number int          // from 0, which is this node if it announces anything
	member *node.Member // of a node that serves nothing a stand-in, without a farm
	farm   *tally
	rank   rank
	faults faults
	chosen uint64 // others go on counting, so it is read only once: the shares of a farm add up
}

// tally is what the entries of one farm share.
type tally struct {
	of         *node.Farm // nil for nodes that serve nothing
	routed     bool       // a route names the farm
	candidates map[*node.Member]bool
	chosen     uint64 // the sum over its members
}

// rank says who is kept where there are too many. It does not depend on names: a host that poses as thousands of nodes
// chooses theirs, and would choose those that come first.
type rank uint8

const (
	rankSelf     rank = iota
	rankPhysical      // stands in the file
	rankChosen        // was handed a request
	rankRouted        // serves a farm that a route names
	rankOther
	ranks // how many there are
)

func newRoster(s *node.Snapshot, routes []Route, now time.Time) roster {
	routed := make(map[string]bool, len(routes))
	for _, r := range routes {
		routed[r.Farm] = true
	}
	all, next := placesOfNodes(s, now)
	for _, f := range s.Farms {
		t := newTally(f, routed[f.Name])
		for _, m := range f.Members {
			e := newEntry(m, t, now)
			t.chosen += e.chosen
			if m.Node == nil {
				all = append(all, e)
			} else {
				all[next[m.Node]] = e
				next[m.Node]++
			}
		}
	}
	for i := range all {
		all[i].number = i
	}
	return all
}

// placesOfNodes returns a roster with a place for each member that a node is, and where the places of each node begin. Those
// of nodes that serve nothing are taken already.
func placesOfNodes(s *node.Snapshot, now time.Time) (roster, map[*node.Node]int) {
	first, places := make(map[*node.Node]int, len(s.Nodes)), 0
	for _, n := range s.Nodes {
		first[n] = places
		places += max(1, len(n.Services))
	}
	all := make(roster, places)
	none, ready, live := &tally{}, &node.Service{Ready: true}, new(node.Live)
	for _, n := range s.Nodes {
		if len(n.Services) == 0 {
			m := &node.Member{Name: n.Name, Self: n.ID == s.Self, Node: n, Service: ready, Live: live}
			all[first[n]] = newEntry(m, none, now)
		}
	}
	return all, first
}

func newTally(f *node.Farm, routed bool) *tally {
	t := &tally{of: f, routed: routed, candidates: make(map[*node.Member]bool, len(f.Candidates))}
	for _, m := range f.Candidates {
		t.candidates[m] = true
	}
	return t
}

func newEntry(m *node.Member, t *tally, now time.Time) entry {
	e := entry{member: m, farm: t, faults: judge(m, now), chosen: m.Live.Chosen(), rank: rankOther}
	switch {
	case m.Self:
		e.rank = rankSelf
	case m.Node == nil:
		e.rank = rankPhysical
	case e.chosen > 0:
		e.rank = rankChosen
	case t.routed:
		e.rank = rankRouted
	}
	return e
}

// share returns how much of all that was handed to the farm the member got.
func (e entry) share() float64 {
	if e.farm.chosen == 0 {
		return 0
	}
	return float64(e.chosen) / float64(e.farm.chosen)
}

// why returns all that is wrong with the member in words, what is said of its farm included; "" if nothing is.
func (e entry) why(now time.Time) string {
	why := e.faults.why(e.member, now)
	if e.farm.of == nil || e.farm.of.Standing.Fit() {
		return why
	}
	if why != "" {
		why += "; "
	}
	return why + withReason("its farm is "+string(farmState(e.farm.of)), &e.farm.of.Standing, now)
}

// keep returns at most that many entries, of the best ranks, in the order in which they were. Of the rank for which there
// is no more room, the first stay.
func (r roster) keep(most int) roster {
	if len(r) <= most {
		return r
	}
	var room [ranks]int
	for i := range r {
		room[r[i].rank]++
	}
	left := most
	for i := range room {
		room[i] = min(room[i], left)
		left -= room[i]
	}
	kept := make(roster, 0, most)
	for _, e := range r {
		if room[e.rank] > 0 {
			room[e.rank]--
			kept = append(kept, e)
		}
	}
	return kept
}

// members returns the entries without those of nodes that serve nothing.
func (r roster) members() roster {
	out := make(roster, 0, len(r))
	for _, e := range r {
		if e.member.Farm != "" {
			out = append(out, e)
		}
	}
	return out
}

// nodes returns one entry for each node: that of its members that ranks best.
func (r roster) nodes() roster {
	out := make(roster, 0, len(r))
	for _, e := range r {
		last := len(out) - 1
		switch {
		case e.member.Node == nil:
		case last < 0 || out[last].member.Node != e.member.Node:
			out = append(out, e)
		case e.rank < out[last].rank:
			out[last] = e
		}
	}
	return out
}

// rows returns the rows of the entries; ours are this agent's keys, or nil.
func (r roster) rows(ours *Keys, now time.Time) []Row {
	rows := make([]Row, 0, len(r))
	for _, e := range r {
		row := e.row(now)
		if n := e.member.Node; n != nil && !n.Untrusted {
			seal := newSeal(n, e.member.Self, ours)
			row.Seal = &seal
		}
		rows = append(rows, row)
	}
	return rows
}

// physicals returns how many physicals there are. Those of one name that several farms list are one.
func (r roster) physicals() int {
	names := map[string]bool{}
	for i := range r {
		if r[i].member.Node == nil {
			names[r[i].member.Name] = true
		}
	}
	return len(names)
}
