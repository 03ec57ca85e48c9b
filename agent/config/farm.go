package config

import (
	"net/url"
	"slices"
	"strings"
	"time"

	"backhand/gossip/node"
)

const (
	maxCapacity = 1e6
	maxWorkers  = 1000000
)

// farmName reads the name of a farm, or of a member of one.
func (p *parser) farmName(s *section, key string) string {
	name, ok := s.text(key, `"web"`)
	switch {
	case !ok && s.has(key):
	case !ok:
		s.missing(key, `"web"`)
	case name == "" || len(name) > node.MaxFarm:
		p.wrong(s.lineOf(key), "%s has %d bytes: write 1 to %d", s.full(key), len(name), node.MaxFarm)
	case !onlyOf(name, farmSigns):
		p.wrong(s.lineOf(key), "%s is %q: write only letters, digits, dots, dashes and underscores", s.full(key), name)
	default:
		return name
	}
	return ""
}

// farmSigns may stand in the name of a farm, beside letters and digits.
const farmSigns = "._-"

// isFarmName reports whether a farm may have that name.
func isFarmName(s string) bool { return s != "" && len(s) <= node.MaxFarm && onlyOf(s, farmSigns) }

func (p *parser) readServe(s *section) {
	v := Serve{Farm: p.farmName(s, "farm")}
	if slices.ContainsFunc(p.cfg.Serve, func(o Serve) bool { return v.Farm != "" && o.Farm == v.Farm }) {
		p.wrong(s.lineOf("farm"), "serve.farm %q is served twice: leave one [[serve]] away", v.Farm)
	}
	if v.Origin = s.base("origin"); !s.has("origin") {
		s.missing("origin", `"http://127.0.0.1:8080"`)
	}
	v.Capacity = s.number("capacity", p.env.CPUs, maxCapacity)
	v.Workers = s.integer("workers", 0, 1, maxWorkers)
	var ok bool
	if v.Check, ok = s.text("check", `"/health"`); ok && !isTarget(v.Check) {
		p.wrong(s.lineOf("check"), `serve.check is %q: write a path that begins with /, such as "/health"`, v.Check)
	}
	v.StatusURL = s.page("status_url", `"http://127.0.0.1:8080/server-status?auto"`)
	v.Default = s.flag("default")
	v.Reach = p.readReach(s, v.Origin)
	p.cfg.Serve = append(p.cfg.Serve, v)
	if len(p.cfg.Serve) == node.MaxFarms+1 {
		p.wrong(s.line(), "one host serves at most %d farms: leave the others away", node.MaxFarms)
	}
	if v.Default && slices.ContainsFunc(p.cfg.Serve[:len(p.cfg.Serve)-1], func(o Serve) bool { return o.Default }) {
		p.wrong(s.lineOf("default"), "serve.default is there twice: mark one [[serve]] only")
	}
	s.close()
}

// isTarget reports whether a text may stand in a request line, as path and query.
func isTarget(s string) bool {
	odd := func(r rune) bool { return r <= ' ' || r >= 0x7f || r == '#' }
	return strings.HasPrefix(s, "/") && strings.IndexFunc(s, odd) < 0
}

func (p *parser) readFarm(s *section) {
	f := Farm{Name: p.farmName(s, "name")}
	if slices.ContainsFunc(p.cfg.Farm, func(o Farm) bool { return f.Name != "" && o.Name == f.Name }) {
		p.wrong(s.lineOf("name"), "farm.name %q is there twice: put all members into one [[farm]]", f.Name)
	}
	f.ExpectUpdate = p.readExpectUpdate(s, 0)
	f.Forwards = p.readForwards(s)
	f.Chain = p.readChain(s)
	f.Check = p.readCheck(s)
	members := s.sections("member")
	p.checkMembers(s)
	for _, ms := range members {
		p.readMember(ms, &f)
	}
	urls := make([]*url.URL, len(f.Member))
	for i, m := range f.Member {
		urls[i] = m.URL
	}
	f.Reach = p.readReach(s, urls...)
	p.cfg.Farm = append(p.cfg.Farm, f)
	p.member = append(p.member, members)
	s.close()
}

// checkMembers notes that a farm lacks members. One of nodes needs none here, but then there must be something else to say.
func (p *parser) checkMembers(s *section) {
	if s.has("member") && !s.empty("member") {
		return
	}
	if !s.has("chain") && !s.has("forward_off") && !s.has("forward_down") {
		p.wrong(s.lineOf("member"),
			`farm.member is missing: write member = [ { name = "app01", url = "http://10.58.4.21:8080" } ]`)
		return
	}
	for _, key := range []string{"expect_update", "check"} {
		if s.has(key) {
			p.odd(s.lineOf(key), "farm.%s is about servers without an agent, and the farm has no member that is one: leave it away, "+
				"since nodes tell of themselves", key)
		}
	}
}

func (p *parser) readMember(s *section, f *Farm) {
	m := Physical{Name: p.farmName(s, "name")}
	if slices.ContainsFunc(f.Member, func(o Physical) bool { return m.Name != "" && o.Name == m.Name }) {
		p.wrong(s.lineOf("name"), "farm.member.name %q is there twice in the farm: give each its own name", m.Name)
	}
	if m.URL = s.basePath("url"); !s.has("url") {
		s.missing("url", `"http://10.58.4.21:8080"`)
	}
	m.Capacity = s.number("capacity", 0, maxCapacity)
	m.Weight = s.number("weight", 1, maxCapacity)
	m.Labels = p.readLabelList(s)
	m.ExpectUpdate = p.readExpectUpdate(s, f.ExpectUpdate)
	m.Forwards = p.readForwards(s)
	if to := m.Forwards; f.Name != "" && (to.Off.Farm == f.Name || to.Down.Farm == f.Name) {
		p.wrong(s.line(), "farm.member %q has a forward to its own farm %q: leave it away, since the chain picks another member of "+
			"the farm then", m.Name, f.Name)
	}
	f.Member = append(f.Member, m)
	s.close()
}

const (
	minExpect = time.Second
	maxExpect = 24 * time.Hour
	// oftenPushed is the shortest time between two pushes that programs have as a rule.
	oftenPushed = time.Second
)

// readExpectUpdate reads within which time statistics must come of a server; def is what holds if nothing is said.
func (p *parser) readExpectUpdate(s *section, def time.Duration) time.Duration {
	d := s.duration("expect_update", def, 0, maxExpect)
	switch {
	case !s.has("expect_update") || d == 0:
	case d < minExpect:
		p.wrong(s.lineOf("expect_update"), `%s is %s: write a duration from %s to %s, or "0s" for never`, s.full("expect_update"),
			short(d), short(minExpect), short(maxExpect))
	case d < 3*oftenPushed:
		p.odd(s.lineOf("expect_update"), "%s is %s: who pushes once in %s is out as soon as one or two pushes are late; write three "+
			"times as long as it is from one push to the next, or more", s.full("expect_update"), short(d), short(oftenPushed))
	}
	return d
}
