package config

import (
	"net/netip"
	"net/url"
	"strconv"
	"strings"
)

// listener is a [[listen]] that was read.
type listener struct {
	text string
	host netip.Addr // the zero Addr: all addresses
	port uint16
}

func (p *parser) readListen(s *section) {
	defer s.close()
	text, ok := s.text("address", `":80"`)
	if !ok {
		if !s.has("address") {
			s.missing("address", `":80"`)
		}
		return
	}
	line := s.lineOf("address")
	host, port, err := addrPort(text)
	if err != nil {
		p.wrong(line, "listen.address: %v", err)
		return
	}
	l := listener{text: text, host: host, port: port}
	if host.IsValid() && !host.IsUnspecified() && !p.env.local(host) {
		p.wrong(line, `listen.address %q is no address of this host: write ":%d" for all, or one of %s`,
			text, port, pairs(p.env.Interfaces))
		return
	}
	for _, o := range p.listens {
		if o.port == port && (o.covers(host) || l.covers(o.host)) {
			p.wrong(line, "listen.address %q is taken by %q: leave one away", text, o.text)
			return
		}
	}
	p.listens = append(p.listens, l)
	p.cfg.Listen = append(p.cfg.Listen, Listen{Address: text})
}

// covers reports whether connections to the address would come in here. [::] takes those of IPv4 too.
func (l listener) covers(a netip.Addr) bool {
	switch {
	case !l.host.IsValid() || l.host == netip.IPv6Unspecified():
		return true
	case l.host.IsUnspecified():
		return a.Is4()
	}
	return l.host == a
}

// own returns the listener of this very agent that requests to the URL would come back to, or "".
func (p *parser) own(u *url.URL) string {
	if u == nil {
		return ""
	}
	port, err := strconv.ParseUint(u.Port(), 10, 16)
	if err != nil {
		return ""
	}
	for _, a := range p.localAddrs(u.Hostname()) {
		for _, l := range p.listens {
			if l.port == uint16(port) && l.covers(a) {
				return l.text
			}
		}
	}
	return ""
}

// localAddrs returns the addresses of this host that a name or address in a URL means; names of others are not looked
// up.
func (p *parser) localAddrs(host string) []netip.Addr {
	loopback := []netip.Addr{netip.AddrFrom4([4]byte{127, 0, 0, 1}), netip.IPv6Loopback()}
	if a, err := netip.ParseAddr(host); err == nil {
		a = a.Unmap()
		switch {
		case a.IsUnspecified(): // the system takes it for loopback
			return loopback
		case p.env.local(a):
			return []netip.Addr{a}
		}
		return nil
	}
	switch {
	case strings.EqualFold(host, "localhost"):
		return loopback
	case strings.EqualFold(host, p.env.Hostname):
		out := loopback
		for _, i := range p.env.Interfaces {
			out = append(out, ifAddr(i))
		}
		return out
	}
	return nil
}
