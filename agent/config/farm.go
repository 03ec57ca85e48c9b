package config

import (
	"net/url"
	"slices"
	"strings"

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
	case !onlyOf(name, "._-"):
		p.wrong(s.lineOf(key), "%s is %q: write only letters, digits, dots, dashes and underscores", s.full(key), name)
	default:
		return name
	}
	return ""
}

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
	members := s.sections("member")
	if !s.has("member") || s.empty("member") {
		p.wrong(s.lineOf("member"),
			`farm.member is missing: write member = [ { name = "app01", url = "http://10.58.4.21:8080" } ]`)
	}
	for _, ms := range members {
		m := Physical{Name: p.farmName(ms, "name")}
		if slices.ContainsFunc(f.Member, func(o Physical) bool { return m.Name != "" && o.Name == m.Name }) {
			p.wrong(ms.lineOf("name"), "farm.member.name %q is there twice in the farm: give each its own name", m.Name)
		}
		if m.URL = ms.base("url"); !ms.has("url") {
			ms.missing("url", `"http://10.58.4.21:8080"`)
		}
		m.Capacity = ms.number("capacity", 0, maxCapacity)
		f.Member = append(f.Member, m)
		ms.close()
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
