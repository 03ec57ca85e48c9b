package config

import (
	"slices"
)

// sends reports whether beats are sent, be it said right or not.
func (p *parser) sends() bool { return p.sendsBy() != "" }

// sendsBy returns the first key of gossip that says where beats go, or "".
func (p *parser) sendsBy() string {
	for _, key := range []string{"send", "peers", "memberlist"} {
		if p.gossip.has(key) && !p.gossip.empty(key) {
			return key
		}
	}
	return ""
}

// checkNode notes what is not said about this node and must be.
func (p *parser) checkNode() {
	const address = `write [node] address = "10.58.4.1:80", where peers reach this host`
	const accept = `write accept = ["10.58.4.0/24"], the network of the other hosts`
	by := p.sendsBy()
	line := p.gossip.lineOf(by)
	switch {
	case by == "":
	case !p.gossip.has("accept"):
		p.wrong(line, "gossip.%s without gossip.accept: nobody would be heard: %s", by, accept)
	case p.gossip.empty("accept"):
		p.wrong(p.gossip.lineOf("accept"), "gossip.accept is empty: nobody would be heard: %s", accept)
	}
	switch {
	case p.node.has("address"):
	case by != "":
		p.wrong(line, "gossip.%s without node.address: %s", by, address)
	case len(p.serve) > 0:
		p.wrong(p.serve[0].line(), "serve without node.address: %s", address)
	}
}

// checkUse notes what an agent lacks that takes requests, or one that only announces.
func (p *parser) checkUse(top *section) {
	if p.run && (!top.has("listen") || top.empty("listen")) && p.athena == nil {
		p.wrong(1,
			`there is no [[listen]], so no request could come in: write [[listen]] address = ":80"; only 'backhand announce' `+
				`needs none`)
	}
	if p.announce && len(p.serve) == 0 {
		p.wrong(1, `there is no [[serve]], so there is nothing to announce: write [[serve]] farm = "web", `+
			`origin = "http://127.0.0.1:80"`)
	}
	if p.announce && !p.sends() && !p.tells() {
		p.wrong(p.gossip.line(), `there is no gossip.send and no gossip.peers, so there is nowhere to announce: write [gossip] `+
			`send = ["239.255.221.20:4445,1"]`)
	}
}

// serves reports whether this host itself serves the farm.
func (p *parser) serves(farm string) bool {
	return slices.ContainsFunc(p.cfg.Serve, func(s Serve) bool { return s.Farm == farm })
}

func (p *parser) checkWhenEmpty() {
	for i, r := range p.cfg.Route {
		if r.WhenEmpty == "self" && r.Farm != "" && !p.serves(r.Farm) {
			p.wrong(p.route[i].lineOf("when_empty"),
				`route.when_empty is "self", and this host does not serve %q: write "any" or "503", `+
					`or add a [[serve]]`, r.Farm)
		}
	}
}

// checkOverlaps notes routes of which nothing says which one is meant.
func (p *parser) checkOverlaps() {
	for i, r := range p.cfg.Route {
		for j, o := range p.cfg.Route[:i] {
			if r.Path == "" || r.Path != o.Path || !share(r.Host, o.Host) || !share(r.Files, o.Files) {
				continue
			}
			p.wrong(p.route[i].lineOf("path"),
				"route.path %q is there already, in line %d, for the same host and files: make them differ "+
					"or leave one route away", r.Path, p.route[j].lineOf("path"))
			break
		}
	}
}

// share reports whether two lists have an element in common; an empty list, which stands for everything, is only like
// another one.
func share(a, b []string) bool {
	if len(a) == 0 || len(b) == 0 {
		return len(a) == len(b)
	}
	return slices.ContainsFunc(a, func(x string) bool { return slices.Contains(b, x) })
}

// checkOrigins notes origins and members that are this agent itself, so that requests would go in a circle. An agent that
// only announces has no listeners.
func (p *parser) checkOrigins() {
	if p.announce {
		return
	}
	for i, s := range p.cfg.Serve {
		if l := p.own(s.Origin); l != "" {
			p.wrong(p.serve[i].lineOf("origin"),
				"serve.origin %v is this agent itself, which listens on %q: write the address of the web "+
					"server, and let it use another port", s.Origin, l)
		}
	}
	for i, f := range p.cfg.Farm {
		for j, m := range f.Member {
			if l := p.own(m.URL); l != "" {
				p.wrong(p.member[i][j].lineOf("url"),
					"farm.member.url %v is this agent itself, which listens on %q: write a [[serve]] for "+
						"the web server of this host", m.URL, l)
			}
		}
	}
}
