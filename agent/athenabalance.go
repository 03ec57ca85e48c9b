package agent

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"time"
	"unicode"

	"backhand/agent/config"
	"backhand/candidacy"
	"backhand/gossip/node"
	"backhand/status/athena"
)

// maxForwards is how many forwards from farm to farm one query follows.
const maxForwards = 8

// maxReasons is how many members an answer without one tells the reasons of.
const maxReasons = 8

// queryScratch is what a query needs for a moment, kept from one to the next.
type queryScratch struct {
	req   candidacy.Request
	pcg   rand.PCG
	list  []*node.Member
	tried []*node.Member
	order []placed
}

// placed is a candidate, and what its place in the list goes by.
type placed struct {
	member *node.Member
	late   bool    // no connection to it could be made a moment ago
	under  float64 // requests of ours under way there, assignments included, for each slot
	chance uint64
}

func newQueryScratch() any {
	s := new(queryScratch)
	s.req.Rand = rand.New(&s.pcg)
	return s
}

func (e *engine) scratch(q *athena.Question, now time.Time) *queryScratch {
	s := e.scratches.Get().(*queryScratch)
	s.pcg.Seed(rand.Uint64(), rand.Uint64())
	s.req.Method, s.req.Client, s.req.Now = "GET", q.Client, now
	if !q.Client.IsValid() {
		s.req.Client = netip.IPv4Unspecified()
	}
	return s
}

func (e *engine) release(s *queryScratch) {
	clear(s.list[:cap(s.list)]) // members of a snapshot that is gone
	clear(s.tried[:cap(s.tried)])
	clear(s.order[:cap(s.order)])
	s.list, s.tried, s.order = s.list[:0], s.tried[:0], s.order[:0]
	s.req.Reset()
	e.scratches.Put(s)
}

// Balance chooses members of a farm by its chain. Where the farm takes no requests it follows its forwards, to other farms or to
// a URL. A query that wants to be explained is not counted: who asks how the choice is made need not mean it.
func (e *engine) Balance(q athena.Question) (c athena.Choice, err error) {
	a, now := e.agent, time.Now()
	cfg, snap := a.config.Load(), a.snapshot.Load()
	f := snap.Farm(q.Farm)
	if f == nil {
		return c, e.unknownFarm(q.Farm)
	}
	s := e.scratch(&q, now)
	defer e.release(s)
	for range maxForwards + 1 {
		e.choose(cfg, f, &q, s, &c)
		if len(c.Members) > 0 {
			return c, nil
		}
		to, why := f.Forward()
		if c.Why == "" { // of the farm that was asked for
			c.Why = why + unfitMembers(&s.req)
		}
		if q.Explain {
			c.Explain = append(c.Explain, fmt.Sprintf("farm %s: %s; goes on to %s", f.Name, printable(why), goal(to)))
		}
		if to.URL != nil {
			c.Forward = to.URL.String()
			return c, nil
		}
		if f = snap.Farm(to.Farm); f == nil {
			return c, nil
		}
	}
	return c, nil
}

// choose appends the members that the farm's chain picks, each another one, as many as are wanted and to be had.
func (e *engine) choose(cfg *config.Config, f *node.Farm, q *athena.Question, s *queryScratch, c *athena.Choice) {
	chain := chainFor(cfg, f.Name)
	s.req.Farm, s.tried = f, s.tried[:0]
	for range min(max(q.Members, 1), len(f.Candidates)+1) { // a step may add one
		var left []*node.Member
		if q.Explain {
			left = s.explain(chain, f, c)
		} else {
			s.list = chain.AppendCandidates(s.list[:0], &s.req, s.tried)
			s.sort()
			left = chain.Select(&s.req, s.list)
		}
		left = slices.DeleteFunc(left, func(m *node.Member) bool { return slices.Contains(s.tried, m) }) // a step may bring one back
		if len(left) == 0 {
			return
		}
		m := left[0]
		s.tried = append(s.tried, m)
		c.Members = append(c.Members, athena.Chosen{Name: m.Name, URL: memberURL(m)})
		if !q.Explain {
			e.assign(m, s.req.Now)
		}
	}
}

// assign counts a member as given away: among our requests under way there, and among what its beats say (see addPrediction).
func (e *engine) assign(m *node.Member, now time.Time) {
	e.assigned.add(m.Live, workTime(m), now)
	if m.Node != nil {
		m.Live.Predict(m.Node.Sequence)
	}
}

// sort brings the candidates in the order in which equals are to be chosen: the fewest of our requests under way for each slot
// first, and by chance where that is the same. Steps that sort keep the order of what is equal to them, as all members are whose
// statistics have not been pushed yet, and a chain that does not sort begins with the first.
func (s *queryScratch) sort() {
	salt := s.req.Rand.Uint64()
	s.order = s.order[:0]
	for _, m := range s.list {
		under := float64(m.Live.Outstanding()) / m.Slots()
		s.order = append(s.order, placed{m, m.Live.Unreachable(s.req.Now), under, node.Mix(salt ^ m.Hash)})
	}
	slices.SortFunc(s.order, func(a, b placed) int {
		if a.late != b.late {
			if a.late {
				return 1
			}
			return -1
		}
		if c := cmp.Compare(a.under, b.under); c != 0 {
			return c
		}
		return cmp.Compare(a.chance, b.chance)
	})
	for i := range s.order {
		s.list[i] = s.order[i].member
	}
}

// explain selects as the chain does, and tells how.
func (s *queryScratch) explain(chain *candidacy.Chain, f *node.Farm, c *athena.Choice) (left []*node.Member) {
	s.list = candidacy.AppendCandidates(s.list[:0], &s.req, s.tried) // none is left out ahead
	s.sort()
	left = slices.Clone(s.list)
	c.Explain = append(c.Explain, fmt.Sprintf("farm %s: candidates %s", f.Name, names(left)))
	if text := unfitMembers(&s.req); text != "" && len(s.tried) == 0 {
		c.Explain = append(c.Explain, "no candidates"+text)
	}
	for _, st := range chain.Explain(&s.req, s.list) {
		left = left[:0]
		for _, m := range st.Kept {
			left = append(left, m.Member)
		}
		line := st.Step + ": " + marks(st.Kept)
		if len(st.Dropped) > 0 {
			line += "; dropped " + marks(st.Dropped)
		}
		c.Explain = append(c.Explain, line)
	}
	return left
}

// names returns the members for people.
func names(members []*node.Member) string {
	all := make([]string, len(members))
	for i, m := range members {
		all[i] = printable(m.Name)
	}
	return cmp.Or(strings.Join(all, ", "), "none")
}

// marks returns the members with what a step says of each.
func marks(list []candidacy.Mark) string {
	all := make([]string, len(list))
	for i, m := range list {
		all[i] = printable(m.Member.Name)
		if m.Note != "" {
			all[i] += " (" + printable(m.Note) + ")"
		}
	}
	return cmp.Or(strings.Join(all, ", "), "none")
}

// printable returns a text of others such that it is part of a line.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return unicode.ReplacementChar
		}
		return r
	}, s)
}

// goal returns where a forward leads, for people.
func goal(to node.Forward) string {
	if to.URL != nil {
		return to.URL.Redacted()
	}
	return cmp.Or(to.Farm, "nowhere")
}

// unfitMembers tells of the first members that may not be chosen, and why.
func unfitMembers(req *candidacy.Request) string {
	all := candidacy.Unfit(req)
	if len(all) == 0 {
		return ""
	}
	text := ": " + marks(all[:min(len(all), maxReasons)])
	if more := len(all) - maxReasons; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return printable(text)
}
