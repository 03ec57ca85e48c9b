package status

import (
	"cmp"
	"math"
	"strconv"
	"strings"
	"time"

	"backhand/gossip/node"
)

// Standing is how a physical or a farm stands, by what was said of it: three states that are kept apart. It takes requests if
// none of them is true.
type Standing struct {
	Off   bool      `json:"off"`            // taken out of service by hand
	Drain bool      `json:"drain"`          // keeps the sessions that it has, and gets nothing else; never of a farm
	Down  bool      `json:"down"`           // not well, as people, scripts or checks say
	Out   bool      `json:"out"`            // expected statistics did not come; never of a farm
	Why   string    `json:"why,omitempty"`  // the reason that was given for off, drain or down
	Since time.Time `json:"since,omitzero"` // since when it stands so; zero if that is not known
}

func newStanding(s *node.Standing) *Standing {
	return &Standing{Off: s.Off, Drain: s.Drain, Down: s.Down, Out: s.Out, Why: clean(s.Why), Since: s.Since.Round(0)}
}

// words are the three states in mod_athena's words: "on, up, in".
func (s *Standing) words() string {
	word := func(is bool, yes, no string) string {
		if is {
			return yes
		}
		return no
	}
	return word(s.Off, "off", word(s.Drain, "drain", "on")) + ", " + word(s.Down, "down", "up") + ", " + word(s.Out, "out", "in")
}

// Forwards are where requests go that a farm or a physical does not take: the name of a farm, or a URL.
type Forwards struct {
	Off  string `json:"off,omitempty"`  // while it is off
	Down string `json:"down,omitempty"` // while it is down or out; of a farm also while all its members are unfit
}

func newForwards(f node.Forwards) *Forwards {
	if f.Off.IsZero() && f.Down.IsZero() {
		return nil
	}
	return &Forwards{Off: forwardText(f.Off), Down: forwardText(f.Down)}
}

// forwardText writes a forward as the file has it, less a password.
func forwardText(f node.Forward) string {
	if f.URL != nil {
		return clean(f.URL.Redacted())
	}
	return clean(f.Farm)
}

// fillPhysical fills in what the file says of a physical beyond its address, and what was said of it.
func (r *Row) fillPhysical(p *node.Physical, now time.Time) {
	r.Standing, r.Forwards = newStanding(&p.Standing), newForwards(p.Forwards)
	r.Capacity, r.Weight, r.Labels = finite(p.Capacity), finite(cmp.Or(p.Weight, 1)), newLabels(p.Labels)
	if !p.Updated.IsZero() {
		age := max(0, now.Sub(p.Updated)).Seconds()
		r.UpdateAge = &age
	}
}

// Stat is a figure that programs push.
type Stat struct {
	Name  string  `json:"name"`
	Value float64 `json:"value"`
	Age   float64 `json:"age_seconds"` // since it was pushed; of another node since its beat came
}

// newStats returns what programs push of a member.
func newStats(m *node.Member, now time.Time) []Stat {
	var all []node.Stat
	switch {
	case m.Physical != nil:
		all = m.Physical.Stats
	case m.Service != nil:
		all = m.Service.Pushed
	}
	var out []Stat
	for _, s := range all {
		age := m.Age(now)
		if !s.At.IsZero() {
			age = max(0, now.Sub(s.At))
		}
		out = append(out, Stat{Name: clean(s.Name), Value: finite(s.Value), Age: age.Seconds()})
	}
	return out
}

// shownStats is how many statistics of a member the page and the terminal show. There may be 64; all are in the JSON.
const shownStats = 4

// pushed lists what programs push: "queue 3, threads 12, 5 more".
func (r Row) pushed() string {
	var words []string
	for _, s := range r.Stats[:min(len(r.Stats), shownStats)] {
		words = append(words, s.Name+" "+plain(s.Value))
	}
	if more := len(r.Stats) - len(words); more > 0 {
		words = append(words, number(uint64(more))+" more")
	}
	return strings.Join(words, ", ")
}

// plain writes a figure of which nobody knows what it is: whole numbers as such, of others four digits.
func plain(v float64) string {
	if v == math.Trunc(v) && math.Abs(v) < 1e12 {
		return strconv.FormatFloat(v, 'f', 0, 64)
	}
	return strconv.FormatFloat(v, 'g', 4, 64)
}

// standing lists the three states of a physical, or "" of a node, whose own agent decides.
func (r Row) standing() string {
	if r.Standing == nil {
		return ""
	}
	return r.Standing.words()
}
