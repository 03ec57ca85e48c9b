package config

import (
	"errors"
	"fmt"
	"hash/fnv"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"backhand/gossip/node"
)

// A route that rewrites names its goal by a URL, since ProxyPass wanted one. If the host in it is a farm of this file, or a word
// alone, members of that farm are asked. Any other host is left as it is (mod_athena): requests go to that very URL. It is a farm
// of its own then, with itself as the only member, so that it has states, statistics and a place on the page as others have.
// Farm and member are called host:port, with the port always there: no other farm can have that name. It is sent the Host of the
// client, as all members are.

// goal is a URL in to.
type goal struct {
	text   string
	scheme string
	host   string   // as it is written, without its port
	url    *url.URL // where requests go if the host is no farm, with its port; nil: it can only be a farm
	port   bool     // the port is written
	path   string   // without slash at the end, but for "/"
}

const (
	exampleTo = `"http://reports/app/"`
	farmGoal  = "write http:// and the name of a farm, such as " + exampleTo + "; whether its members speak TLS, their own URLs say"
	otherGoal = "; or write the URL of a server, whose host has a dot or a port"
)

// readFarmOf reads the farm of a route: by its name or, where the path is rewritten, by a URL.
func (p *parser) readFarmOf(s *section, r *Route) (g goal) {
	text, ok := s.text("to", exampleTo)
	switch {
	case !s.has("to"):
		r.Farm = p.farmName(s, "farm")
		return g
	case s.has("farm"):
		p.wrong(s.lineOf("farm"), "route.farm and route.to are both there: leave farm away, as the host in to is the farm")
	}
	if s.get("farm"); !ok {
		return g
	}
	g, err := readGoal(text)
	if err != nil {
		p.wrong(s.lineOf("to"), "route.to is %q: %v", text, err)
		return goal{}
	}
	r.To = g.path
	return g
}

// readGoal reads "http://farm/path/", or the URL of a server.
func readGoal(text string) (g goal, err error) {
	scheme, rest, ok := strings.Cut(text, "://")
	if !ok || !slices.Contains([]string{"http", "https", "h2c"}, scheme) {
		return g, errors.New(farmGoal + otherGoal)
	}
	g = goal{text: text, scheme: scheme, host: rest, path: "/"}
	if i := strings.IndexByte(rest, '/'); i >= 0 {
		g.host, g.path = rest[:i], rest[i:]
	}
	if err := g.readHost(); err != nil {
		return goal{}, err
	}
	if err := checkSent(g.path); err != nil {
		return goal{}, err
	}
	if len(g.path) > 1 {
		g.path = strings.TrimSuffix(g.path, "/")
	}
	return g, nil
}

// checkSent returns what is wrong with a path that is sent to members in place of a route's, or before it.
func checkSent(path string) error {
	if err := checkPath(path); err != nil {
		return err
	}
	if i := strings.IndexAny(path, "[]"); i >= 0 { // which are compared if need be, but not sent
		return fmt.Errorf("write %%%02X for the byte %q", path[i], path[i:i+1])
	}
	return nil
}

// readHost finds out whether the host can be that of a server: an address, or a name with a dot or a port.
func (g *goal) readHost() error {
	u, err := url.Parse(g.scheme + "://" + g.host)
	isServer := err == nil && u.Host == g.host && isHost(u.Hostname()) && !strings.HasSuffix(g.host, ":") &&
		(u.Port() != "" || strings.ContainsAny(g.host, ".:"))
	switch {
	case !isServer && !isFarmName(g.host):
		return fmt.Errorf("%q is no name of a farm: write only letters, digits, dots, dashes and underscores, at most %d%s", g.host,
			node.MaxFarm, otherGoal)
	case !isServer:
		return nil
	}
	if g.port = u.Port() != ""; g.port {
		if _, err := portOf(u.Port()); err != nil {
			return err
		}
		g.host = strings.TrimSuffix(g.host, ":"+u.Port())
	}
	u.Host = strings.ToLower(node.HostPort(u))
	g.url = u
	return nil
}

// farm returns what the farm of a server is called, and its only member: host:port or, where that is too long for a name, its
// beginning with a sum of the whole.
func (g *goal) farm() string {
	name := g.url.Host
	if len(name) <= node.MaxFarm {
		return name
	}
	sum := fnv.New32a()
	_, _ = sum.Write([]byte(name)) // which never fails
	mark := fmt.Sprintf("~%08x", sum.Sum32())
	return name[:node.MaxFarm-len(mark)] + mark
}

// setGoals finds out which routes that rewrite lead to a farm, and which to another host. It takes the whole file to know.
func (p *parser) setGoals() {
	for i, g := range p.goals {
		if g.path != "" {
			p.cfg.Route[i].Farm = p.farmOf(i, &g)
		}
	}
}

// farmOf returns the farm to which a route leads; "" if there is a mistake in it.
func (p *parser) farmOf(route int, g *goal) string {
	wrong := func(what string) string {
		p.wrong(p.route[route].lineOf("to"), "route.to is %q: %s", g.text, what)
		return ""
	}
	switch isFarm := g.url == nil || p.namesFarm(g.host); {
	case !isFarm:
		return p.hostFarm(route, g)
	case g.port:
		return wrong("leave the port away; each member of a farm has its own")
	case g.scheme != "http":
		return wrong(farmGoal)
	}
	return g.host
}

// namesFarm reports whether the file speaks of a farm of that name, other than in to.
func (p *parser) namesFarm(name string) bool {
	return p.isFarm(name) || p.serves(name) || p.hears(name) ||
		slices.ContainsFunc(p.cfg.Route, func(r Route) bool { return r.To == "" && r.Farm == name })
}

// hostFarm returns the farm of a host that is no farm, which is made for the first route that leads there.
func (p *parser) hostFarm(route int, g *goal) string {
	s, name := p.route[route], g.farm()
	line := s.lineOf("to")
	if i := slices.IndexFunc(p.cfg.Farm, func(f Farm) bool { return f.Name == name }); i >= 0 {
		if o := p.cfg.Farm[i].Member[0].URL; o.Scheme != g.scheme {
			p.wrong(line, "route.to is %q, and another route has %s:// for the same port: write the scheme that is spoken there", g.text,
				o.Scheme)
		}
		return name
	}
	if l := p.own(g.url); l != "" && !p.announce {
		p.wrong(line, "route.to %q is this agent itself, which listens on %q: name the farm that it would choose from, or another host",
			g.text, l)
		return ""
	}
	if _, err := netip.ParseAddr(g.url.Hostname()); err != nil && !g.port && p.sends() {
		p.odd(line, "route.to is %q, and %q is no farm of this file, so it is taken for a host: write its port, %q, or, if it is a farm "+
			"that other nodes serve, add [[farm]] name = %q with a chain", g.text, g.host, g.url.Host, g.host)
	}
	none := &section{findings: p.findings, name: "farm"} // with the default of every key
	p.cfg.Farm = append(p.cfg.Farm, Farm{
		Name: name, Chain: p.defaultChain(s), Reach: p.readReach(none, g.url),
		Member: []Physical{{Name: name, URL: g.url, Weight: 1}},
	})
	p.farm, p.member = append(p.farm, none), append(p.member, []*section{none})
	return name
}

// farmKey returns the key that names the farm of a route.
func farmKey(s *section) string {
	if s.has("to") {
		return "to"
	}
	return "farm"
}
