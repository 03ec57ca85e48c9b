package config

import (
	"net/netip"
)

// AgentCheck says where HAProxy may ask how busy this host is: the agent-check of its server lines.
type AgentCheck struct {
	// Listen is host:port, where an empty host is all addresses. None: nobody can ask.
	Listen string
	// Farm is what the answers are about, which this host must serve. Default: that of the only [[serve]].
	Farm string
	// Allow is who may ask. Default: gossip.accept.
	Allow []netip.Prefix
}

func (p *parser) readAgentCheck(s *section) {
	c := &p.cfg.AgentCheck
	const example = `"10.58.4.1:4447"`
	text, ok := s.text("listen", example)
	c.Farm = p.onlyFarm(s)
	c.Allow = s.prefixes("allow")
	s.close()
	switch {
	case s.table == nil:
		return
	case !ok && !s.has("listen"):
		s.missing("listen", example)
	case ok:
		p.checkAgentListen(s, text)
	}
	p.agentCheck = s
	if c.Farm != "" && !p.serves(c.Farm) {
		p.wrong(s.lineOf("farm"), "agent_check.farm %q is not served by this host, so that there is nothing to say of it: add a "+
			"[[serve]], or leave [agent_check] away", c.Farm)
	}
	switch {
	case s.empty("allow"):
		p.wrong(s.lineOf("allow"), `agent_check.allow is empty: nobody could ask: write allow = ["10.58.4.9"], the address of HAProxy`)
	case s.has("allow"):
	case p.gossip.has("accept") && !p.gossip.empty("accept"):
		c.Allow = p.cfg.Gossip.Accept
	default:
		p.wrong(s.line(), `agent_check without allow or gossip.accept: nobody could ask: write allow = ["10.58.4.9"], the address of `+
			`HAProxy`)
	}
}

// checkAgentListen takes the address over if it can be one to listen on.
func (p *parser) checkAgentListen(s *section, text string) {
	line := s.lineOf("listen")
	l := listener{text: text}
	var err error
	l.host, l.port, err = addrPort(text)
	switch {
	case err != nil:
		p.wrong(line, "agent_check.listen: %v", err)
		return
	case l.host.IsValid() && !l.host.IsUnspecified() && !p.env.local(l.host):
		p.wrong(line, `agent_check.listen %q is no address of this host: write ":%d" for all, or one of %s`, text, l.port,
			pairs(p.env.Interfaces))
		return
	}
	for _, o := range p.listens {
		if o.port == l.port && (o.covers(l.host) || l.covers(o.host)) && !p.announce {
			p.wrong(line, "agent_check.listen %q is taken by the [[listen]] %q: give each its own port", text, o.text)
			return
		}
	}
	p.cfg.AgentCheck.Listen = text
}

// tells reports whether a host that takes no beats' part still has somebody to tell how busy it is.
func (p *parser) tells() bool {
	return p.agentCheck != nil || p.heartbeat != nil && p.heartbeat.has("send")
}
