package config

import (
	"math"
	"math/bits"
	"slices"
	"strings"
	"time"

	"backhand/candidacy"
	"backhand/gossip/node"
)

// chainStep is a step of a chain, and where it stands.
type chainStep struct {
	candidacy.Step
	key  string // "route.chain" or "farm.chain"
	name string // of its function
	text string
	line int
}

// chainSteps returns the steps of a chain that was found right, those that "auto" stands for one by one.
func (p *parser) chainSteps(s *section, c *candidacy.Chain) []chainStep {
	var lines []int
	for _, it := range s.table.keys["chain"].list {
		n := 1
		if t, _ := it.raw.(string); strings.TrimSpace(t) == candidacy.Auto {
			n = len(candidacy.DefaultChain())
		}
		for range n {
			lines = append(lines, it.at())
		}
	}
	var all []chainStep
	for i, text := range c.Text() {
		step, err := p.reg.Step(text)
		if err != nil || i >= len(lines) {
			break // of a registry whose functions come and go
		}
		all = append(all, chainStep{Step: step, key: s.full("chain"), name: strings.Fields(text)[0], text: text, line: lines[i]})
	}
	return all
}

// warnChain is about chains that a user has written.
func (p *parser) warnChain(s *section, c *candidacy.Chain, farm string) {
	steps := p.chainSteps(s, c)
	p.warnAlone(steps, farm)
	if !p.sends() {
		return
	}
	if p.advice {
		p.warnHerd(steps)
	}
	p.warnAge(s, steps, farm)
}

// warnHerd is about chains by which all fronts may choose the same member (DESIGN.md, section 7). How many requests that
// takes is not known from a file: a running agent warns of those that there are.
func (p *parser) warnHerd(steps []chainStep) {
	shuffled, narrowed := false, false
	for _, st := range steps {
		switch {
		case st.name == "byRandom" || st.name == "byCapacity" || st.name == "byWater":
			shuffled = true
		case st.name == "byLogWindow":
			narrowed = shuffled
		case st.Sorts && !narrowed:
			p.odd(st.line, "%s: %q sorts by what every node hears alike, without byRandom and byLogWindow before it: from one "+
				"beat to the next, all nodes send all requests to the same member; write them before it, or \"auto\" instead of the "+
				"whole chain", st.key, st.text)
			return
		case st.Sorts:
			p.odd(st.line, "%s: %q sorts by what every node hears alike: where a member gets more than about five requests in one "+
				"gossip.interval (K of 'backhand status'), all run to the same few members; \"auto\" does not", st.key, st.text)
			return
		}
	}
}

// warnAlone is about steps that have nothing to choose from. bySession leaves one only sometimes.
func (p *parser) warnAlone(steps []chainStep, farm string) {
	n := p.membersOf(farm)
	if n == 1 {
		return // it may be the first of many
	}
	for i, st := range steps {
		switch st.name {
		case "off":
			n = 1
		case "byLogWindow":
			if n < math.MaxInt {
				n = max(1, bits.Len(uint(n))-1)
			}
		}
		if n != 1 {
			continue
		}
		for _, behind := range steps[i+1:] {
			if behind.OnlyFirst || behind.name == "addSelf" || strings.HasPrefix(behind.name, "HTTPRedirect") {
				continue
			}
			p.odd(behind.line, "%s: %q stands behind %q, which leaves one, so that it has nothing to choose from: put it "+
				"before, or leave it away", behind.key, behind.text, st.text)
			return
		}
		return
	}
}

// membersOf returns how many members a farm has, if that is known from the file: if no other node can serve it.
func (p *parser) membersOf(farm string) int {
	if p.sends() || p.hears(farm) {
		return math.MaxInt
	}
	n := 0
	for _, f := range p.cfg.Farm {
		if f.Name == farm {
			n += len(f.Member)
		}
	}
	if p.serves(farm) {
		n++
	}
	return n
}

func (p *parser) warnAge(s *section, steps []chainStep, farm string) {
	interval := p.cfg.Gossip.Interval
	has := func(name string) bool {
		return slices.ContainsFunc(steps, func(st chainStep) bool { return st.name == name })
	}
	for _, st := range steps {
		if st.name != "byAge" {
			continue
		}
		switch age := ageOf(st.text); {
		case age.Beats > 0 && age.Beats < 3:
			p.odd(st.line, "%s: %q drops a member after one or two lost beats; write 3b or more", st.key, st.text)
		case age.Beats == 0 && age.Time < 3*interval:
			p.odd(st.line, "%s: %q is less than three beats of %s; write %s or more, or 3b",
				st.key, st.text, short(interval), short(3*interval))
		}
	}
	if !has("byAge") && !has("off") && (p.serves(farm) || !p.hasPhysicals(farm)) {
		p.odd(s.lineOf("chain"),
			"%s has no byAge: nodes that have died stay candidates; write \"byAge 6b\" as the first step or after "+
				"removeSelf", s.full("chain"))
	}
}

// ageOf reads a step of byAge as the function itself would.
func ageOf(step string) candidacy.Age {
	var age candidacy.Age
	r := candidacy.NewRegistry(candidacy.Spec{Name: "byAge", Make: func(a *candidacy.Args) candidacy.Step {
		age = a.Age("age", candidacy.Age{Time: 5 * time.Second})
		return candidacy.Step{Run: func(_ *candidacy.Request, in []*node.Member) []*node.Member { return in }}
	}})
	if _, errs := r.Parse([]string{step}); errs != nil {
		return candidacy.Age{Time: time.Hour} // the chain is right, so this byAge is another program's own
	}
	return age
}
