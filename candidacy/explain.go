package candidacy

import (
	"fmt"
	"slices"
	"strings"
	"time"

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

// Unfit returns the members of the request's farm from which no chain starts, in the order of the farm, and why:
//
//	off, "new disks", for 3m0s
//	drain
//	out: no statistics for 12s
//	the farm is down, "night of the backup"
//
// Those that only another attempt leaves out, since they were tried, are not among them.
func Unfit(req *Request) []Mark {
	f := req.farm()
	var out []Mark
	for _, m := range f.Members {
		why := m.Unfit()
		switch {
		case why == "" && f.Standing.Fit():
			continue
		case why == "":
			why = "the farm is " + standingNote(&f.Standing, time.Time{}, req.Now)
		case m.Physical != nil:
			why = standingNote(&m.Physical.Standing, m.Physical.Updated, req.Now)
		}
		out = append(out, Mark{Member: m, Note: why})
	}
	return out
}

// standingNote says all that speaks against a physical or a farm. updated is when statistics of it came last.
func standingNote(s *node.Standing, updated, now time.Time) string {
	var said []string
	switch {
	case s.Off:
		said = append(said, "off")
	case s.Drain:
		said = append(said, "drain")
	}
	if s.Down {
		said = append(said, "down")
	}
	note := strings.Join(said, " and ")
	if note != "" && s.Why != "" {
		note += fmt.Sprintf(", %q", s.Why) // anybody may have written it
	}
	if note != "" && !s.Since.IsZero() {
		note += ", for " + roundAge(now.Sub(s.Since))
	}
	if !s.Out {
		return note
	}
	out := "out: no statistics yet"
	if !updated.IsZero() {
		out = "out: no statistics for " + roundAge(now.Sub(updated))
	}
	if note == "" {
		return out
	}
	return note + "; " + out
}

func roundAge(d time.Duration) string { return max(0, d).Round(time.Second).String() }

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
