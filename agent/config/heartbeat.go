package config

import (
	"cmp"
	"net/netip"
	"strings"

	"backhand/gossip"
)

// Heartbeat says how hosts without an agent are heard that run Apache's mod_heartbeat, and how this host is announced to
// Apache's mod_heartmonitor.
type Heartbeat struct {
	// Listen is the group on which mod_heartbeat announces: an IPv4 address and port, "239.0.1.1:27999". None: nobody is heard.
	// Whom gossip.accept names is believed.
	Listen gossip.Destination
	// Send is the group on which mod_heartmonitor listens, with ",ttl" behind it if need be. None: nothing is announced.
	Send gossip.Destination
	// Farm is what the hosts serve that are heard, and what is announced of this host. Default: that of the only [[serve]].
	Farm string
	// Port of the web servers that do not say theirs, as mod_heartbeat does not. Default 80.
	Port uint16
	// Capacity is how many requests each of the hosts runs at full speed at once, up to 1e6. Default 0: not known, which counts
	// as 1, alike for all.
	Capacity float64
}

// Listens reports whether hosts are heard.
func (h Heartbeat) Listens() bool { return h.Listen.Addr.IsValid() }

// Sends reports whether this host is announced.
func (h Heartbeat) Sends() bool { return h.Send.Addr.IsValid() }

// exampleGroup is a group of those that an organisation may give out itself (RFC 2365), and the port of Apache's manual.
const exampleGroup = "239.0.1.1:27999"

func (p *parser) readHeartbeat(s *section) {
	h := &p.cfg.Heartbeat
	h.Listen = p.group(s, "listen")
	h.Send = p.group(s, "send")
	h.Farm = p.onlyFarm(s)
	h.Port = uint16(s.integer("port", 80, 1, 65535))
	h.Capacity = s.number("capacity", 0, maxCapacity)
	s.close()
	if s.table == nil {
		return
	}
	if !s.has("listen") && !s.has("send") {
		p.wrong(s.line(), "heartbeat does nothing: write listen = %q to hear hosts with Apache's mod_heartbeat, send = %q to be "+
			"heard by mod_heartmonitor, or both", exampleGroup, exampleGroup)
	}
	for _, key := range []string{"port", "capacity"} {
		if s.has(key) && !s.has("listen") {
			p.odd(s.lineOf(key), "heartbeat.%s is about hosts that are heard, and there is no heartbeat.listen: leave it away, or "+
				"write listen = %q", key, exampleGroup)
		}
	}
	p.heartbeat = s
}

// group reads the address of a multicast group of IPv4. Apache knows no other.
func (p *parser) group(s *section, key string) gossip.Destination {
	text, ok := s.text(key, `"`+exampleGroup+`"`)
	if !ok {
		return gossip.Destination{}
	}
	d, err := gossip.ParseDestination(text)
	switch {
	case err != nil:
		p.wrong(s.lineOf(key), "%s: %v", s.full(key), err)
	case !d.Addr.Addr().Is4() || !d.Multicast():
		p.wrong(s.lineOf(key), "%s is %q: write a multicast group of IPv4, 224.0.0.0 to 239.255.255.255, as in Apache's "+
			"HeartbeatListen, such as %q", s.full(key), text, exampleGroup)
	default:
		return d
	}
	return gossip.Destination{}
}

// onlyFarm reads the farm that a section is about. Where the host serves just one, it need not be written.
func (p *parser) onlyFarm(s *section) string {
	switch {
	case s.has("farm"):
		return p.farmName(s, "farm")
	case s.table != nil && len(p.cfg.Serve) == 1:
		s.get("farm")
		return p.cfg.Serve[0].Farm
	case s.table != nil:
		s.missing("farm", `"web"`)
	}
	s.get("farm")
	return ""
}

// hears reports whether hosts that serve the farm may be heard, be the rest of the section right or not.
func (p *parser) hears(farm string) bool {
	return p.heartbeat != nil && p.heartbeat.has("listen") && p.cfg.Heartbeat.Farm == farm
}

// checkHeartbeat notes what does not fit between [heartbeat] and the rest of the file.
func (p *parser) checkHeartbeat() {
	s, h := p.heartbeat, p.cfg.Heartbeat
	if s == nil {
		return
	}
	if h.Listens() && (!p.gossip.has("accept") || p.gossip.empty("accept") && !p.sends()) {
		p.wrong(s.lineOf("listen"), `heartbeat.listen without gossip.accept: nobody would be heard: write [gossip] `+
			`accept = ["10.58.4.0/24"], the network of the other hosts`)
	}
	if h.Sends() && h.Farm != "" && !p.serves(h.Farm) {
		p.wrong(s.lineOf("send"), "heartbeat.send announces how busy this host is with farm %q, which it does not serve: add a "+
			"[[serve]], or leave send away", h.Farm)
	}
	for _, key := range []string{"listen", "send"} {
		d := map[string]gossip.Destination{"listen": h.Listen, "send": h.Send}[key]
		if d.Addr.IsValid() && p.beatsGoTo(d.Addr) {
			p.wrong(s.lineOf(key), "heartbeat.%s %v is in gossip.send, too, and the two would not understand each other: give each a "+
				"group or a port of its own", key, d.Addr)
		}
	}
	hasWay := p.node.has("address") || p.gossip.has("source") || p.gossip.has("interface")
	if (h.Listens() || h.Sends()) && !hasWay {
		p.wrong(s.line(), `heartbeat without node.address: write [node] address = "10.58.4.1:80", where peers reach this host, or `+
			`[gossip] interface = "eth0", by which heartbeats come and go`)
	}
	if a := p.cfg.Gossip.Source; a.IsValid() && !a.Is4() && !p.env.hasFamily(cmp.Or(p.cfg.Gossip.Interface, p.env.interfaceOf(a)), true) {
		p.wrong(s.line(), "heartbeat is IPv4 and %v is not, nor has its interface such an address: write [gossip] source = an IPv4 "+
			"address of this host, one of %s", a, pairs(p.env.ofFamily(true)))
	}
	if h.Listens() && !p.cfg.Node.Address.Addr().IsLoopback() {
		p.odd(s.lineOf("listen"), "heartbeats of Apache carry no proof of origin, whatever keys there are: whoever can send from an "+
			"address in gossip.accept can take requests of farm %q; keep others out of that network", h.Farm)
	}
}

func (p *parser) beatsGoTo(a netip.AddrPort) bool {
	for _, d := range p.cfg.Gossip.Send {
		if d.Addr == a {
			return true
		}
	}
	return false
}

// neighbours returns for the summary what is shared with programs that are no agents.
func (c *Config) neighbours() (text string) {
	if c.Heartbeat.Listens() {
		text += "; hears Apache's heartbeats to " + c.Heartbeat.Listen.Addr.String()
	}
	if c.Heartbeat.Sends() {
		text += "; tells Apache at " + c.Heartbeat.Send.Addr.String()
	}
	if c.AgentCheck.Listen != "" {
		text += "; answers HAProxy at " + c.AgentCheck.Listen
	}
	if c.Athena.On() {
		text += "; answers programs at " + strings.Join(c.Athena.Listen, " and ") + c.Athena.Path
	}
	for i := range c.Mirror {
		text += []string{"; mirrors to ", " and "}[min(i, 1)] + c.Mirror[i].To.String()
	}
	return text
}
