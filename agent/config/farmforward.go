package config

import (
	"net/url"
	"slices"
	"strings"

	"backhand/gossip/node"
)

const (
	exampleForward = `"archive", a farm, or "https://www.example.com/sorry.html"`
	exampleURL     = `"https://www.example.com/sorry.html"`
)

// forwardKeys are the keys that name where requests go instead.
func forwardKeys() []string { return []string{"forward_off", "forward_down"} }

// readForwards reads where requests go that a farm, or a member, does not take.
func (p *parser) readForwards(s *section) node.Forwards {
	return node.Forwards{Off: p.readForward(s, "forward_off"), Down: p.readForward(s, "forward_down")}
}

// readForward reads the name of a farm, or a complete URL.
func (p *parser) readForward(s *section, key string) (f node.Forward) {
	text, ok := s.text(key, exampleForward)
	switch {
	case !ok:
	case strings.Contains(text, "://"):
		f.URL = p.completeURL(s, key, text)
	case isFarmName(text):
		f.Farm = text
	default:
		p.wrong(s.lineOf(key), "%s is %q: write the name of a farm, or a complete URL such as %s", s.full(key), text, exampleURL)
	}
	return f
}

// completeURL reads a URL that takes the place of that of a request, its path and query included.
func (p *parser) completeURL(s *section, key, text string) *url.URL {
	u := s.parseURL(key, text, exampleURL, "http", "https")
	if u == nil {
		return nil
	}
	if !isTarget(u.RequestURI()) {
		s.wrong(s.lineOf(key), "%s is %q: write %%XX for what may not stand in a request, such as letters that are no ASCII",
			s.full(key), text)
		return nil
	}
	u.Host = strings.TrimSuffix(u.Host, ":")
	return u
}

// checkForwards notes forwards that lead nowhere, or back.
func (p *parser) checkForwards() {
	for i, f := range p.cfg.Farm {
		p.checkForward(p.farm[i], f.Forwards)
		for j, m := range f.Member {
			p.checkForward(p.member[i][j], m.Forwards)
		}
	}
	c := circles{parser: p, followed: map[string]bool{}}
	for _, f := range p.cfg.Farm {
		c.follow(f.Name, nil)
	}
}

func (p *parser) checkForward(s *section, all node.Forwards) {
	for _, key := range forwardKeys() {
		to := all.Down
		if key == "forward_off" {
			to = all.Off
		}
		switch {
		case to.Farm != "" && !p.mayServe(to.Farm):
			p.wrong(s.lineOf(key), "%s names farm %q, which has no [[serve]] and no [[farm]], and without gossip.send or gossip.peers "+
				"nobody else can serve it; correct the name or add one of them", s.full(key), to.Farm)
		case to.URL != nil && !p.announce && p.own(to.URL) != "":
			p.wrong(s.lineOf(key), "%s %v is this agent itself, which listens on %q: name the farm that it would choose from, or another "+
				"host", s.full(key), to.URL, p.own(to.URL))
		}
	}
}

// mayServe reports whether a farm of that name may have members, for all that the file tells.
func (p *parser) mayServe(farm string) bool {
	return p.sends() || p.hears(farm) || p.serves(farm) || p.isFarm(farm)
}

// circles finds forwards from farm to farm that lead in a circle.
type circles struct {
	*parser
	followed map[string]bool // farms from which no other circle can be reached
}

// follow goes on from a farm that was reached by a way, and notes each circle once.
func (c *circles) follow(name string, way []string) {
	if i := slices.Index(way, name); i >= 0 {
		at := c.farmSection(name)
		c.wrong(at.line(), "the forwards of farm %s lead in a circle: %s: let one of them lead to a URL, or leave it away", name,
			strings.Join(append(way[i:], name), ", "))
		return
	}
	i := slices.IndexFunc(c.cfg.Farm, func(f Farm) bool { return name != "" && f.Name == name })
	if i < 0 || c.followed[name] {
		return
	}
	for _, to := range []node.Forward{c.cfg.Farm[i].Forwards.Off, c.cfg.Farm[i].Forwards.Down} {
		if to.Farm != "" {
			c.follow(to.Farm, append(slices.Clone(way), name))
		}
	}
	c.followed[name] = true
}

// farmSection returns where the farm of that name stands, which is there.
func (p *parser) farmSection(name string) *section {
	return p.farm[slices.IndexFunc(p.cfg.Farm, func(f Farm) bool { return f.Name == name })]
}
