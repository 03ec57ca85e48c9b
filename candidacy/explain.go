package candidacy

import (
	"slices"

	"backhand/gossip/node"
)

// Stage is what one step of a chain made of the candidates.
type Stage struct {
	Step    string // as it stands in the file
	Kept    []Mark // in the order in which the step left them
	Dropped []Mark // in the order in which they came
}

// Mark is a member in a stage, and what the step saw of it.
type Mark struct {
	Member *node.Member
	Note   string // why it was dropped, or what it was ordered by, in a few words; may be ""
}

// Explain runs the chain as Select does, and tells what each step did. The request's Rand decides as it would there, so
// that the same seed gives the same answer.
func (c *Chain) Explain(req *Request, in []*node.Member) []Stage {
	stages := make([]Stage, 0, len(c.steps))
	req.prepared = nil
	for i, s := range c.steps {
		before := slices.Clone(in)
		note := func(m *node.Member) string {
			if s.Note == nil {
				return ""
			}
			return s.Note(req, m)
		}
		if s.shuffles {
			shuffle(req, in, c.kept(i, len(in))) // chance is asked as often as by Select
		} else {
			req.digest = c.digestOf(i, req, in)
			in = s.Run(req, in)
		}
		st := Stage{Step: c.text[i]}
		for _, m := range in {
			st.Kept = append(st.Kept, Mark{Member: m, Note: note(m)})
		}
		for _, m := range before {
			if !slices.Contains(in, m) {
				st.Dropped = append(st.Dropped, Mark{Member: m, Note: reason(s.Why, note(m))})
			}
		}
		stages = append(stages, st)
	}
	return stages
}

// reason says why a member was dropped, and what the step saw of it.
func reason(why, note string) string {
	if why == "" || note == "" {
		return why + note
	}
	return why + ": " + note
}
