package proxy

import (
	"slices"

	"backhand/candidacy"
	"backhand/gossip/node"
)

// Trace is what became of one member in a decision.
type Trace struct {
	Member Mark    `json:"member"`          // noted: why it is no candidate of any chain, or is put last
	Start  int     `json:"start"`           // place among the candidates from which the chain starts, from 1; 0: it is none
	Of     int     `json:"of"`              // how many those are
	Steps  []Place `json:"steps,omitempty"` // as long as it was there
	Chosen bool    `json:"chosen"`          // the request goes to it
}

// Place is where a step left a member.
type Place struct {
	Step  string `json:"step"`
	Place int    `json:"place"`          // from 1; 0: it was dropped
	Of    int    `json:"of"`             // how many the step left
	Note  string `json:"note,omitempty"` // by what it was ordered, or why it was dropped
	Back  bool   `json:"back,omitempty"` // the step brought it back
}

// traces are those that are being written.
type traces []*trace

type trace struct {
	Trace
	member *node.Member
	there  bool // among those whom the last step left
}

// follow begins a trace for each member of the request's farm that is called so. own is this host's origin of that farm, or nil.
func follow(name string, req *candidacy.Request, own *Origin) (ts traces) {
	if name == "" {
		return nil
	}
	why := unfit(req, own)
	for _, m := range req.Farm.Members {
		if !isCalled(m, name) {
			continue
		}
		note := why[m]
		if note == "" && m.Live.Unreachable(req.Now) {
			note = noConnection
		}
		ts = append(ts, &trace{member: m, Trace: Trace{Member: mark(m, note)}})
	}
	return ts
}

func isCalled(m *node.Member, name string) bool {
	return m.Name == name || printable(m.Name) == name || m.HostPort() == name || m.Node != nil && m.Node.ID.String() == name
}

// start notes the candidates from which the chain starts.
func (ts traces) start(in []*node.Member) {
	for _, t := range ts {
		t.Start, t.Of = slices.Index(in, t.member)+1, len(in)
		t.there = t.Start > 0
	}
}

// step notes what a step did.
func (ts traces) step(st *candidacy.Stage) {
	for _, t := range ts {
		same := func(k candidacy.Mark) bool { return k.Member == t.member }
		p := Place{Step: st.Step, Of: len(st.Kept)}
		if i := slices.IndexFunc(st.Kept, same); i >= 0 {
			p.Place, p.Note, p.Back = i+1, printable(st.Kept[i].Note), !t.there
			t.there = true
			t.Steps = append(t.Steps, p)
		} else if t.there {
			t.there = false
			if i := slices.IndexFunc(st.Dropped, same); i >= 0 {
				p.Note = printable(st.Dropped[i].Note)
			}
			t.Steps = append(t.Steps, p)
		}
	}
}

// ended returns the traces, once it is known who was chosen.
func (ts traces) ended(d *decision) []Trace {
	var all []Trace
	for _, t := range ts {
		t.Chosen = d.member != nil && d.member.Key == t.member.Key
		all = append(all, t.Trace)
	}
	return all
}
