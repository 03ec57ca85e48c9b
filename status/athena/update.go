package athena

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"backhand/gossip/node"
)

// change is what one embedded request says of some entities.
type change struct {
	names  []string // with * for any characters
	within string   // farm; "": any
	update node.Update
	why    *arg
}

func (h *handler) updateFarm(x *exchange) error {
	return updateAll(h, x, h.farms, h.cfg.Engine.Farms)
}

func (h *handler) updatePhys(x *exchange) error {
	return updateAll(h, x, h.physes, h.cfg.Engine.Physes)
}

// updateAll hands on what all embedded requests say, once all of it is understood.
func updateAll[T any](h *handler, x *exchange, t *table[T], list func(time.Time) []T) error {
	if len(x.args) == 0 {
		return x.wrong(0, "want the name of a %s, as in h=NAME, and what is said of it", t.what)
	}
	now := h.cfg.Now()
	var updates []node.Update
	var all []T
	sought := 0 // names for which all there is was gone through
	for i := range x.ends {
		c, err := t.readChange(&x.query, x.request(i), now)
		if err != nil {
			return err
		}
		names := c.names
		if c.within != "" || slices.ContainsFunc(names, func(s string) bool { return strings.Contains(s, "*") }) {
			if sought += len(names); sought > maxRequests {
				return tooMany()
			}
			if all == nil {
				all = list(now)
			}
			if names, err = t.resolve(all, names, c.within); err != nil {
				return err
			}
		}
		if len(updates)+len(names) > maxRequests {
			return tooMany()
		}
		for _, name := range names {
			u := c.update
			u.Farm, u.Name = t.what == "farm", name
			updates = append(updates, u)
		}
	}
	if len(updates) == 0 { // * of nothing at all
		return nil
	}
	if err := h.cfg.Engine.Update(x.by(), updates); err != nil {
		return err
	}
	h.counts.Updates.Add(uint64(len(updates)))
	return nil
}

// by returns who sends an update, and for whom.
func (x *exchange) by() string {
	var b strings.Builder
	if x.holder != "" {
		b.WriteString(x.holder + " at ")
	}
	for i, a := range x.asking {
		if i > 0 {
			b.WriteString(" for ")
		}
		b.WriteString(a.String())
	}
	return b.String()
}

// resolve returns the names that patterns stand for, each once: a physical is the same in all its farms.
func (t *table[T]) resolve(all []T, patterns []string, farm string) (names []string, err error) {
	chosen, err := t.choose(all, patterns, farm, true)
	if err != nil {
		return nil, err
	}
	seen := make(map[string]bool, len(chosen))
	for _, e := range chosen {
		if n := t.name(e); !seen[n] {
			names, seen[n] = append(names, n), true
		}
	}
	return names, nil
}

// readChange reads one embedded request.
func (t *table[T]) readChange(q *query, args []arg, now time.Time) (c change, err error) {
	for i := range args {
		if err := t.readField(q, &args[i], now, &c); err != nil {
			return c, err
		}
	}
	switch {
	case len(c.names) == 0 && len(args) == 0:
		return c, q.wrong(0, "want the name of a %s in each request, as in h=NAME", t.what)
	case len(c.names) == 0:
		return c, q.wrong(args[0].at, "want the name of a %s in each request, as in h=NAME", t.what)
	case c.why != nil && !c.update.SaysState():
		return c, q.wrong(c.why.at, "want state or health beside why: it is the reason for what they say")
	}
	return c, nil
}

// readField reads one argument.
func (t *table[T]) readField(q *query, a *arg, now time.Time, c *change) error {
	code := t.codeOf(a)
	if code == nil {
		return q.wrong(a.at, "%s", t.noCode(a.key))
	}
	if a.stat && code.role != statistic {
		return q.wrong(a.at, "%s is no name of a statistic: it stands for something else here", quote(a.key))
	}
	if code.role == selects {
		return t.readName(q, a, &c.names)
	}
	value, err := q.plain(a)
	if err != nil {
		return err
	}
	u, twice, want := &c.update, false, ""
	switch code.role {
	case within:
		twice, c.within = c.within != "", value
	case state:
		twice = u.Off != nil
		want = t.setState(u, value)
	case health:
		twice = u.Down != nil
		u.Down, want = choice(value, "up", "down")
	case reason:
		twice, c.why, u.Why = c.why != nil, a, value
		if len(value) > node.MaxWhy {
			want = fmt.Sprintf("at most %d bytes", node.MaxWhy)
		}
	case statistic:
		if len(u.Stats) == node.MaxStats {
			return q.wrong(a.at, "want at most %d statistics of one physical", node.MaxStats)
		}
		twice = slices.ContainsFunc(u.Stats, func(s node.Stat) bool { return s.Name == code.name })
		want = addStat(u, code.name, value, now)
	default:
		return q.wrong(a.at, "%s can only be read", quote(a.key))
	}
	switch {
	case twice:
		return q.wrong(a.at, "%s is given twice in one request", quote(a.key))
	case want != "":
		return q.wrong(a.valueAt, "want %s for %s, not %s", want, quote(a.key), quote(value))
	}
	return nil
}

// setState has an update say that its entity is on, off or drains, or returns what the value could have been.
func (t *table[T]) setState(u *node.Update, value string) (want string) {
	drains := t.what == "physical"
	switch {
	case value == drainWord && drains:
		u.Off, u.Drain = new(false), new(true)
		return ""
	case value == drainWord:
		return "on or off (a farm cannot drain: drain its physicals, by update/phys?g=FARM,h=*,state=drain)"
	}
	u.Off, want = choice(value, onWord, offWord)
	if want != "" && drains {
		want = "on, off or drain"
	}
	return want
}

// choice returns whether a value is the second of two words, or what it could have been.
func choice(value, no, yes string) (is *bool, want string) {
	switch value {
	case no, yes:
		b := value == yes
		return &b, ""
	}
	return nil, no + " or " + yes
}

// addStat adds a statistic to an update, or returns what its value could have been.
func addStat(u *node.Update, name, value string, now time.Time) (want string) {
	v, ok := parseNumber(value)
	if !ok {
		return "a number from 0 up, as 0.4,"
	}
	u.Stats = append(u.Stats, node.Stat{Name: name, Value: v, At: now})
	return ""
}

// parseNumber reads a decimal number that is finite and not negative.
func parseNumber(s string) (v float64, ok bool) {
	if s == "" || strings.Trim(s, "0123456789.eE+-") != "" {
		return 0, false // ParseFloat reads inf, nan and hexadecimal numbers as well
	}
	v, err := strconv.ParseFloat(s, 64)
	if err != nil || v < 0 {
		return 0, false
	}
	return math.Abs(v), true // -0 is 0
}
