package config

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"net/url"
	"path"
	"slices"
	"strconv"
	"strings"

	"backhand/gossip/node"
)

// Listen is an address on which requests come in.
type Listen struct {
	// Address is host:port, where an empty host is all addresses, or "unix:" and the path of a Unix socket.
	Address string
	// Peers says that other agents' hops are believed here. Default true. false is for an address that strangers reach.
	Peers bool
	// Certificates make the listener speak TLS, 1.2 or later. The name that a client asks for chooses among them; the
	// first one is for those who ask for none, or for one that is unknown. Default: plain text. At most 1000.
	Certificates []Certificate
	// ProxyProtocol is whose connections must begin with a header of the PROXY protocol, version 1 or 2, which says who
	// the client is; those of others must not. At a Unix socket, whose clients have no address, all must if it is not
	// empty. Default: nobody's.
	ProxyProtocol []netip.Prefix
	// Connections is how many there are at once at most; further ones are closed. Default: 0.8 of the files that the
	// process may have open (ulimit -n), as each takes one or, with its connection to a member, two. From 1 to 10,000,000.
	Connections int
	// ConnectionsPerAddress is how many one address may have at once. Default 0: no limit. Behind one address there may
	// be a whole company; the networks in ProxyProtocol are counted by who the client is.
	ConnectionsPerAddress int
	// Mode is the permissions of a Unix socket: who may write to it may connect. Default 0660.
	Mode fs.FileMode
}

// unixPrefix is what the address of a Unix socket begins with.
const unixPrefix = "unix:"

// UnixPath returns the path of a Unix socket, and false if the listener is none.
func (l Listen) UnixPath() (string, bool) { return strings.CutPrefix(l.Address, unixPrefix) }

// Key returns the address such that listeners with the same key can use one socket: ":80" and "[::]:80" can.
func (l Listen) Key() string {
	if _, isUnix := l.UnixPath(); isUnix {
		return l.Address
	}
	host, port, err := addrPort(l.Address)
	switch {
	case err != nil:
		return l.Address
	case !host.IsValid():
		host = netip.IPv6Unspecified()
	}
	return netip.AddrPortFrom(host, port).String()
}

// Bounds of a listener.
const (
	maxConnections = 10000000
	maxSocketPath  = 107 // bytes, the kernel's
	defaultMode    = 0o660
)

// listener is a [[listen]] that was read. Of a Unix socket only the text is set.
type listener struct {
	text string
	host netip.Addr // the zero Addr: all addresses
	port uint16     // 0: a Unix socket

	section *section
	conf    Listen
}

func (p *parser) readListen(s *section) {
	l := p.readListenOptions(s)
	text, ok := s.text("address", `":80"`)
	s.close()
	if !ok {
		if !s.has("address") {
			s.missing("address", `":80"`)
		}
		return
	}
	l.Address = text
	read := listener{text: text, section: s, conf: l}
	if _, isUnix := l.UnixPath(); isUnix {
		ok = p.checkUnix(&read)
	} else {
		ok = p.checkTCP(&read)
	}
	if ok {
		p.listens = append(p.listens, read)
		p.cfg.Listen = append(p.cfg.Listen, read.conf)
	}
}

// readListenOptions reads all but the address.
func (p *parser) readListenOptions(s *section) Listen {
	l := Listen{
		Peers:                 s.flagOr("peers", true),
		Certificates:          p.readCertificates(s),
		ProxyProtocol:         s.prefixes("proxy_protocol"),
		Connections:           s.integer("connections", p.defaultConnections(), 1, maxConnections),
		ConnectionsPerAddress: s.integer("connections_per_address", 0, 0, maxConnections),
		Mode:                  defaultMode,
	}
	if s.has("connections") && p.env.OpenFiles > 0 && l.Connections > p.env.OpenFiles {
		p.odd(s.lineOf("connections"), "listen.connections is %d, and this process may have %d files open: raise that limit "+
			"(ulimit -n, LimitNOFILE), or write less than %d", l.Connections, p.env.OpenFiles, p.env.OpenFiles)
	}
	if text, ok := s.text("mode", `"0660"`); ok {
		mode, err := strconv.ParseUint(text, 8, 32)
		if err != nil || mode > 0o777 {
			p.wrong(s.lineOf("mode"), `listen.mode is %q: write permissions as chmod takes them, from "0" to "0777"`, text)
		}
		l.Mode = fs.FileMode(mode)
	}
	return l
}

// defaultConnections returns 0.8 of the files that the process may have open.
func (p *parser) defaultConnections() int {
	return min(max(p.env.OpenFiles/5*4, 1), maxConnections)
}

// checkUnix reports whether the address of a Unix socket can be used.
func (p *parser) checkUnix(l *listener) bool {
	file, _ := l.conf.UnixPath()
	line := l.section.lineOf("address")
	var err error
	switch {
	case !path.IsAbs(file):
		err = errors.New(`write an absolute path behind it, such as "unix:/run/backhand/http.sock"`)
	case len(path.Clean(file)) > maxSocketPath:
		err = fmt.Errorf("the path has %d bytes: write at most %d", len(file), maxSocketPath)
	case strings.HasSuffix(file, "/") || strings.ContainsRune(file, 0):
		err = errors.New("that is no name of a file")
	}
	if err != nil {
		p.wrong(line, "listen.address is %q: %v", l.text, err)
		return false
	}
	l.conf.Address = unixPrefix + path.Clean(file)
	for _, o := range p.listens {
		if o.conf.Address == l.conf.Address {
			p.wrong(line, "listen.address %q is taken by %q: leave one away", l.text, o.text)
			return false
		}
	}
	if l.conf.ConnectionsPerAddress > 0 && len(l.conf.ProxyProtocol) == 0 {
		p.odd(l.section.lineOf("connections_per_address"), "listen.connections_per_address does nothing at a Unix socket, "+
			"whose clients have no address: leave it away, or have proxy_protocol say who they are")
	}
	return true
}

// checkTCP reports whether a TCP address can be used.
func (p *parser) checkTCP(l *listener) bool {
	line := l.section.lineOf("address")
	var err error
	if l.host, l.port, err = addrPort(l.text); err != nil {
		_, noPort := portOf(l.text)
		switch {
		case noPort == nil:
			err = fmt.Errorf(`%q has no colon: write ":%s" for all addresses of this host`, l.text, l.text)
		case path.IsAbs(l.text):
			err = fmt.Errorf("%q is a path: write %q for a Unix socket", l.text, unixPrefix+l.text)
		}
		p.wrong(line, "listen.address: %v", err)
		return false
	}
	if l.section.has("mode") {
		p.wrong(l.section.lineOf("mode"), "listen.mode is for Unix sockets: leave it away")
	}
	if l.host.IsValid() && !l.host.IsUnspecified() && !p.env.local(l.host) {
		p.wrong(line, `listen.address %q is no address of this host: write ":%d" for all, or one of %s`,
			l.text, l.port, pairs(p.env.Interfaces))
		return false
	}
	for _, o := range p.listens {
		if o.port == l.port && (o.covers(l.host) || l.covers(o.host)) {
			p.wrong(line, "listen.address %q is taken by %q: leave one away", l.text, o.text)
			return false
		}
	}
	return true
}

// covers reports whether connections to the address would come in here. [::] takes those of IPv4 too.
func (l listener) covers(a netip.Addr) bool {
	switch {
	case l.port == 0:
		return false
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
	_, digits, _ := net.SplitHostPort(node.HostPort(u)) // the URL was checked
	port, err := portOf(digits)
	if err != nil {
		return ""
	}
	for _, a := range p.localAddrs(u.Hostname()) {
		for _, l := range slices.Concat(p.listens, p.athenaAt) {
			if l.port == port && l.covers(a) {
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
