package config

import (
	"net/netip"
	"path"
	"strings"

	"backhand/gossip/node"
)

const defaultStateDir = "/var/lib/backhand"

// maxSpeed is far above what is measured, which is about a hundred.
const maxSpeed = 1e9

// maxStateDir leaves room for "/control.sock" in the 107 bytes that the name of a Unix socket may have.
const maxStateDir = 107 - len("/control.sock")

func (p *parser) readNode(s *section) {
	n := &p.cfg.Node
	if text, ok := s.text("address", `"10.58.4.1:80"`); ok {
		p.readAddress(text)
	}
	name, named := s.text("name", `"www1"`)
	n.Name = name
	switch {
	case !s.has("name"):
		if n.Name = p.env.Hostname; n.Name == "" && !p.broken {
			p.wrong(s.line(), `the name of this host is not known: write [node] name = "www1"`)
		}
	case named && (name == "" || len(name) > node.MaxName):
		p.wrong(s.lineOf("name"), "node.name has %d bytes: write 1 to %d", len(name), node.MaxName)
	}
	if n.Zone, _ = s.text("zone", `"rack1"`); len(n.Zone) > node.MaxZone {
		p.wrong(s.lineOf("zone"), "node.zone has %d bytes: write at most %d", len(n.Zone), node.MaxZone)
	}
	p.readLabels(s.section("labels"))
	n.Speed = s.number("speed", 0, maxSpeed)
	n.Identity = p.readIdentity(s)
	p.readStateDir(s)
	s.close()
}

// readAddress reads node.address: "[https://]host:port", where the host may be a template.
func (p *parser) readAddress(text string) {
	n, line := &p.cfg.Node, p.node.lineOf("address")
	rest, isTLS := strings.CutPrefix(text, "https://")
	n.TLS = isTLS
	if !isTLS {
		rest = strings.TrimPrefix(rest, "http://")
	}
	a, port, ok := p.hostPort("node.address", line, rest)
	switch {
	case !ok:
	case !a.IsValid() || a.IsUnspecified():
		p.wrong(line,
			"node.address %q names no host: write the address by which peers reach this host, one of %s", text, pairs(p.env.Interfaces))
	case !p.env.local(a):
		p.wrong(line,
			"node.address %v is unreachable, since no interface of this host has it: write one of %s", a, pairs(p.env.Interfaces))
	case isLinkLocal(a):
		p.wrong(line, "node.address %v is link-local, which other hosts cannot use as it is: write another one of %s", a,
			pairs(p.env.Interfaces))
	default:
		n.Address = netip.AddrPortFrom(a, port)
	}
}

func (p *parser) readStateDir(s *section) {
	n := &p.cfg.Node
	dir, ok := s.text("state_dir", `"`+defaultStateDir+`"`)
	switch {
	case !s.has("state_dir"):
		n.StateDir = defaultStateDir
		if err := p.env.Writable(n.StateDir); err != nil {
			n.StateDir = ""
			p.odd(s.line(), "no state_dir: %v: the id of this node is another one at every start, and commands that ask "+
				"the running agent do not work; write [node] state_dir = a directory that can be written", err)
		}
	case !ok:
	case !path.IsAbs(dir):
		p.wrong(s.lineOf("state_dir"), "node.state_dir is %q: write a path that begins with /", dir)
	case len(dir) > maxStateDir:
		p.wrong(s.lineOf("state_dir"), "node.state_dir has %d bytes: write at most %d, or its control socket has no name",
			len(dir), maxStateDir)
	default:
		n.StateDir = path.Clean(dir)
		if err := p.env.Writable(n.StateDir); err != nil {
			p.wrong(s.lineOf("state_dir"), "node.state_dir %q cannot be written: %v: give it to the user that the agent runs as, "+
				"or leave state_dir away", dir, err)
		}
	}
}
