package sim

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/BurntSushi/toml"

	"backhand/candidacy"
)

// MaxSize is the most bytes a scenario file may have, and each of the recordings that it names.
const (
	MaxSize      = 256 << 10
	MaxRecording = 64 << 20
)

// Bounds of a scenario: what is more takes days, or more memory than there is.
const (
	maxNodes    = 10_000
	maxSeeds    = 100
	maxSweep    = 16 // values of a key that has several
	maxPlay     = 24 * time.Hour
	maxRequests = 1e9 // of one simulation
)

// Parse reads a scenario from a file's text, whose name is only for messages. open returns what is in a recording that the
// file names. The error is always a *[Mistakes].
func Parse(name, text string, open func(name string) ([]byte, error)) (*Scenario, error) {
	p := &parser{open: open, s: new(Scenario)}
	if len(text) > MaxSize {
		p.wrong("%s: the file is too large: keep it below %d bytes", name, MaxSize)
		return nil, &p.Mistakes
	}
	top := &table{Mistakes: &p.Mistakes, name: name}
	if _, err := toml.Decode(strings.TrimPrefix(text, "\ufeff"), &top.values); err != nil {
		var e toml.ParseError
		if errors.As(err, &e) {
			err = fmt.Errorf("line %d: this is no good TOML: %s", e.Position.Line, e.Message)
		}
		p.wrong("%s: %v", name, err)
		return nil, &p.Mistakes
	}
	p.read(top)
	if len(p.Mistakes) == 0 {
		p.checkSums(top)
	}
	if len(p.Mistakes) > 0 {
		return nil, &p.Mistakes
	}
	return p.s, nil
}

type parser struct {
	Mistakes
	open func(name string) ([]byte, error)
	s    *Scenario
}

func (p *parser) read(top *table) {
	s := p.s
	s.Title = top.text("title")
	for _, n := range top.integers("seeds", []int{1}, 0, 1<<53, maxSeeds) {
		s.Seeds = append(s.Seeds, uint64(n))
	}
	s.WarmUp = top.duration("warm_up", 15*time.Second, 0, maxPlay)
	s.Measure = top.duration("measure", 45*time.Second, time.Millisecond, maxPlay)
	s.Delay = top.duration("delay", 500*time.Microsecond, 0, time.Minute)
	p.readMembers(top.table("members"))
	p.readAntagonist(top.table("antagonist"))
	p.readWork(top.table("work"))
	p.readFronts(top.table("fronts"))
	p.readArrivals(top.table("arrivals"))
	p.readGossip(top.table("gossip"))
	for _, t := range top.tables("failure") {
		p.readFailure(t)
	}
	for _, t := range top.tables("policy") {
		p.readPolicy(t)
	}
	if len(s.Policies) == 0 && len(p.Mistakes) == 0 {
		p.wrong("%s: there is no policy: write [[policy]] with chain = [\"auto\"] or rival = \"leastconn\"", top.name)
	}
	top.close()
}

func (p *parser) readMembers(t *table) {
	m := &p.s.Members
	m.Count = t.integer("count", 0, 1, maxNodes)
	if m.Count == 0 && !t.has("count") {
		t.bad("count", "is missing: write count = 100")
	}
	m.Slots = t.integer("slots", 1, 1, 100_000)
	m.FIFO = t.choice("discipline", "sharing", "fifo") == 1
	m.Workers = t.integer("workers", 0, 0, 1_000_000)
	left := m.Count
	for _, sub := range t.tables("slow") {
		slow := Slow{Count: sub.integer("count", 1, 1, max(1, left)), Factor: sub.number("factor", 1, 0.01, 1000)}
		sub.close()
		left -= slow.Count
		m.Slow = append(m.Slow, slow)
	}
	t.close()
}

func (p *parser) readAntagonist(t *table) {
	p.s.Antagonist = Antagonist{
		Share:  t.number("share", 0, 0, 0.99),
		Length: t.duration("length", 30*time.Second, time.Millisecond, time.Hour),
		Factor: t.number("factor", 2, 1, 1000),
	}
	t.close()
}

func (p *parser) readWork(t *table) {
	w := &p.s.Work
	w.Kind = WorkKind(t.choice("kind", "exponential", "pareto", "constant", "recorded"))
	w.Mean = t.durations("mean", []time.Duration{50 * time.Millisecond}, time.Microsecond, time.Hour, maxSweep)
	w.Alpha = t.number("alpha", 1.5, 0.1, 10)
	w.CV = t.number("cv", 2.3, 0.01, 1000)
	if most := maxCV(w.Alpha); w.Kind == Pareto && w.CV >= most {
		t.bad("cv", "is %v, want less than %.3g: no Pareto distribution with alpha = %v varies more", w.CV, most, w.Alpha)
	}
	if w.Kind == Recorded {
		w.Trace = p.recordedWorks(t)
	}
	t.text("file")
	t.close()
}

func (p *parser) readFronts(t *table) {
	f := &p.s.Fronts
	f.Count = t.integers("count", []int{1}, 1, maxNodes, maxSweep)
	f.Zipf = t.number("zipf", 0, 0, 10)
	f.Refresh = t.duration("refresh", 0, time.Millisecond, time.Minute)
	f.Tries = t.integer("tries", 3, 1, 16)
	f.AreMembers = t.flag("are_members")
	if f.AreMembers && t.has("count") {
		t.bad("count", "leave it away: with are_members, each member is a front")
	}
	t.close()
}

func (p *parser) readArrivals(t *table) {
	a := &p.s.Arrivals
	a.Load = t.numbers("load", nil, 0.0001, 100, maxSweep)
	a.Step = t.duration("step", time.Second, time.Millisecond, time.Hour)
	ways := 0
	for _, key := range []string{"load", "rate", "rates", "trace"} {
		if t.has(key) {
			ways++
		}
	}
	if ways > 1 {
		t.wrong("%s: want one of load, rate, rates and trace", t.name)
	}
	if ways == 0 {
		a.Load = []float64{0.85}
	}
	if t.has("rate") {
		a.Rates = []float64{t.number("rate", 1, 0.001, 1e7)}
	}
	if t.has("rates") {
		a.Rates = p.recordedRates(t)
	}
	if t.has("trace") {
		a.Trace = p.recordedArrivals(t)
	}
	t.get("rate")
	t.text("rates")
	t.text("trace")
	t.close()
}

func (p *parser) readGossip(t *table) {
	p.s.Gossip = Gossip{
		Interval: t.durations("interval", []time.Duration{time.Second}, 10*time.Millisecond, time.Hour, maxSweep),
		Jitter:   t.number("jitter", 0.1, 0, 0.9),
		Loss:     t.number("loss", 0, 0, 0.99),
	}
	t.close()
}

func (p *parser) readFailure(t *table) {
	f := Failure{
		Kind:    FailureKind(t.choice("kind", "refuses", "silent", "slow", "errors")),
		At:      t.duration("at", 0, 0, maxPlay),
		For:     t.duration("for", 0, 0, maxPlay),
		Members: t.integer("members", 1, 1, max(1, p.s.Members.Count)),
		Factor:  t.number("factor", 10, 0.01, 1e6),
	}
	if !t.has("kind") {
		t.bad("kind", "is missing: write one of refuses, silent, slow, errors")
	}
	if f.Kind != Slowed && t.has("factor") {
		t.bad("factor", "leave it away: it is for kind = \"slow\"")
	}
	t.close()
	p.s.Failures = append(p.s.Failures, f)
}

func (p *parser) readPolicy(t *table) {
	pol := Policy{Name: t.text("name"), Rival: t.text("rival"), Chain: t.texts("chain")}
	t.close()
	switch {
	case t.has("rival") == t.has("chain"):
		t.wrong("%s: want either a chain or a rival", t.name)
	case t.has("rival"):
		if !slices.Contains(rivalNames(), pol.Rival) {
			t.bad("rival", "is %q, want one of %s", pol.Rival, strings.Join(rivalNames(), ", "))
		}
		if pol.Name == "" {
			pol.Name = pol.Rival
		}
	default:
		p.checkChain(t, &pol)
	}
	for _, other := range p.s.Policies {
		if other.Name == pol.Name {
			t.bad("name", "%q is there already: give each policy a name of its own", pol.Name)
		}
	}
	p.s.Policies = append(p.s.Policies, pol)
}

func (p *parser) checkChain(t *table, pol *Policy) {
	if len(pol.Chain) == 0 {
		t.bad("chain", "it is empty: write [\"auto\"]")
	}
	_, errs := candidacy.Builtin().Parse(pol.Chain)
	for _, e := range errs {
		t.bad("chain", "%v", e)
	}
	if pol.Name == "" {
		pol.Name = strings.Join(pol.Chain, ", ")
	}
}

// checkSums checks what no key alone can be blamed for.
func (p *parser) checkSums(top *table) {
	s := p.s
	if s.playTime() > maxPlay {
		p.wrong("%s: warm_up and measure are %v together, want at most %v", top.name, s.playTime(), maxPlay)
		return
	}
	for _, c := range s.cases() {
		if n := s.rate(c) * s.playTime().Seconds(); n > maxRequests {
			p.wrong("%s: a case would have %.2g requests, want at most %.0g: shorten measure, or lower the load", top.name, n, maxRequests)
			return
		}
	}
	if n := len(s.tasks()); n > 10_000 {
		p.wrong("%s: there would be %d simulations, want at most 10000", top.name, n)
	}
}
