package candidacy

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"backhand/gossip/node"
)

func byStat() Spec {
	return Spec{
		Name: "byStat", Usage: "byStat NAME [asc|desc|<N|>N ...]",
		Doc: "Chooses by any figure that is known of a member. byStat mem_used sorts by it, lowest first (asc; desc: highest first), those " +
			"of which it is not known last. byStat load1 <4 drops those of which it is not below 4, or not known, and leaves the order " +
			"alone; >N, <=N and >=N likewise, and several at once; with asc or desc it sorts as well. NAME is one of " +
			figureNames() + ". stat.NAME is the statistic that programs push under that name, of physicals and nodes; it is not known " +
			"of those of which nobody pushes it.",
		Source: ours, Example: "byStat load1 <4 asc",
		Make: makeByStat,
	}
}

func figureNames() string {
	var b strings.Builder
	for i, f := range node.Figures() {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(f.Name)
		if f.Unit != "" {
			b.WriteString(" (" + f.Unit + ")")
		}
	}
	b.WriteString(", " + node.PushedPrefix + "NAME")
	return b.String()
}

func makeByStat(a *Args) Step {
	s := parseStat(a)
	step := Step{
		Sorts: s.sorts && !s.figure.Own,
		Run: func(req *Request, in []*node.Member) []*node.Member {
			in = s.keep(req, in)
			if !s.sorts {
				return in
			}
			return sortBy(in, func(m *node.Member) float64 { return s.rank(req, m) })
		},
		First: func(req *Request, in []*node.Member) []*node.Member {
			in = s.keep(req, in)
			if !s.sorts {
				return in
			}
			return firstBy(in, func(m *node.Member) float64 { return s.rank(req, m) })
		},
		Note: s.note,
		Why:  s.why(),
	}
	if !s.sorts && !s.figure.Own {
		step.Ahead = Once // what was announced or pushed does not change within a snapshot
	}
	return step
}

// stat is byStat with its arguments.
type stat struct {
	figure node.Figure
	sorts  bool
	desc   bool
	bounds []bound
}

// bound is a limit that the figure must keep.
type bound struct {
	text  string // as in the file
	above bool   // the figure must be above it, not below
	equal bool   // it may be the limit itself
	limit float64
}

// maxBounds is the most bounds of one step; more is a mistake.
const maxBounds = 4

func parseStat(a *Args) stat {
	s := stat{}
	name := a.Need("NAME")
	figure, ok := node.FigureNamed(name)
	pushed, isPushed := strings.CutPrefix(name, node.PushedPrefix)
	switch {
	case ok || name == "":
	case isPushed:
		a.Fail("%w", badStatName(pushed))
	default:
		a.Fail("no figure is named %q, want one of %s", name, figureNames())
	}
	s.figure = figure
	for w := a.Word(""); w != ""; w = a.Word("") {
		switch {
		case w == "asc" || w == "desc":
			if s.sorts {
				a.Fail("%q is one order too many", w)
			}
			s.sorts, s.desc = true, w == "desc"
		case len(s.bounds) == maxBounds:
			a.Fail("%q is one argument too many, want at most %d bounds", w, maxBounds)
			return s
		default:
			s.bounds = append(s.bounds, parseBound(a, w))
		}
	}
	s.sorts = s.sorts || len(s.bounds) == 0
	return s
}

// badStatName is what is wrong with a name that no statistic can have.
func badStatName(name string) error {
	return fmt.Errorf("no statistic can be named %q, want 1 to %d letters, digits, dots, dashes and underscores, the first a letter",
		name, node.MaxStatName)
}

func parseBound(a *Args, w string) bound {
	b := bound{text: w}
	rest, below := strings.CutPrefix(w, "<")
	if !below {
		rest, b.above = strings.CutPrefix(w, ">")
	}
	rest, b.equal = strings.CutPrefix(rest, "=")
	limit, err := strconv.ParseFloat(rest, 64)
	if !below && !b.above || err != nil || math.IsNaN(limit) || math.IsInf(limit, 0) {
		a.Fail("%q is no order and no bound, want asc, desc, <N, <=N, >N or >=N, without a space in front of the number", w)
	}
	b.limit = limit
	return b
}

// keeps reports whether a figure keeps the bound. One that is not known does not.
func (b *bound) keeps(v float64) bool {
	switch {
	case v == b.limit:
		return b.equal
	case b.above:
		return v > b.limit
	}
	return v < b.limit
}

func (s *stat) keep(req *Request, in []*node.Member) []*node.Member {
	if len(s.bounds) == 0 {
		return in
	}
	return slices.DeleteFunc(in, func(m *node.Member) bool {
		v := s.figure.Read(m, req.Now)
		for i := range s.bounds {
			if !s.bounds[i].keeps(v) {
				return true
			}
		}
		return false
	})
}

// rank returns what the members are sorted by. NaN comes last.
func (s *stat) rank(req *Request, m *node.Member) float64 {
	v := s.figure.Read(m, req.Now)
	if s.desc {
		return -v
	}
	return v
}

func (s *stat) note(req *Request, m *node.Member) string {
	v := s.figure.Read(m, req.Now)
	if math.IsNaN(v) {
		return s.figure.Name + " unknown"
	}
	return strings.TrimSpace(fmt.Sprintf("%s %.4g %s", s.figure.Name, v, s.figure.Unit))
}

func (s *stat) why() string {
	if len(s.bounds) == 0 {
		return ""
	}
	texts := make([]string, len(s.bounds))
	for i, b := range s.bounds {
		texts[i] = b.text
	}
	return "not " + strings.Join(texts, " ")
}
