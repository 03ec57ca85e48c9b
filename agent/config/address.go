package config

import (
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"backhand/gossip/node"
)

// portOf reads a port from 1 to 65535.
func portOf(s string) (uint16, error) {
	n, err := strconv.ParseUint(s, 10, 16)
	if err != nil || n == 0 {
		return 0, fmt.Errorf("the port is %q: write a number from 1 to 65535", s)
	}
	return uint16(n), nil
}

// addrPort reads "host:port". The host is an IP address, or, if it is empty, the zero Addr.
func addrPort(s string) (netip.Addr, uint16, error) {
	host, port, err := net.SplitHostPort(s)
	if err != nil {
		bare := strings.Trim(s, "[]")
		if _, err := netip.ParseAddr(bare); err == nil {
			return netip.Addr{}, 0, fmt.Errorf("%q has no port: write address:port, such as %q", s, net.JoinHostPort(bare, "80"))
		}
		return netip.Addr{}, 0, fmt.Errorf(`%q is not an address: write address:port, such as "10.58.4.1:80" or "[fd00::1]:80"`, s)
	}
	n, err := portOf(port)
	if err != nil || host == "" {
		return netip.Addr{}, n, err
	}
	a, err := netip.ParseAddr(host)
	if err != nil {
		return netip.Addr{}, 0, fmt.Errorf("%q is not an IP address: write it in figures", host)
	}
	if a.Zone() != "" {
		return netip.Addr{}, 0, fmt.Errorf("%q has a zone, which other hosts cannot use: write an address without %%%s",
			host, a.Zone())
	}
	return a.Unmap(), n, nil
}

// hostPort reads "host:port", where the host may be a template that gives one address; if it is empty, it is the zero Addr.
// What is wrong is noted.
func (p *parser) hostPort(key string, line int, text string) (a netip.Addr, port uint16, ok bool) {
	if !isTemplate(text) {
		a, port, err := addrPort(text)
		if err != nil {
			p.wrong(line, "%s: %v", key, err)
		}
		return a, port, err == nil
	}
	tmpl, digits, err := splitTemplate(text)
	if err == nil {
		port, err = portOf(digits)
	}
	if err != nil {
		p.wrong(line, "%s: %v", key, err)
		return netip.Addr{}, 0, false
	}
	a, ok = p.evaluateOne(key, line, tmpl)
	return a, port, ok
}

// isLinkLocal reports whether an address of IPv6 means nothing to whoever does not know the interface.
func isLinkLocal(a netip.Addr) bool { return a.Is6() && a.IsLinkLocalUnicast() }

// prefix reads a CIDR, or an address, which stands for itself alone.
func prefix(s string) (netip.Prefix, error) {
	if x, err := netip.ParsePrefix(s); err == nil {
		if a := x.Addr(); a.Is4In6() && x.Bits() >= 96 {
			x = netip.PrefixFrom(a.Unmap(), x.Bits()-96)
		}
		return x.Masked(), nil
	}
	a, err := netip.ParseAddr(s)
	if err != nil || a.Zone() != "" {
		return netip.Prefix{}, fmt.Errorf(`%q is neither a CIDR nor an address: write one such as "10.58.4.0/24"`, s)
	}
	a = a.Unmap()
	return netip.PrefixFrom(a, a.BitLen()), nil
}

// loopback returns the addresses that only this host itself can use.
func loopback() []netip.Prefix {
	return []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}
}

// prefixes reads a list of CIDRs and addresses.
func (s *section) prefixes(key string) []netip.Prefix {
	var out []netip.Prefix
	for _, it := range s.texts(key, `"10.58.4.0/24"`) {
		x, err := prefix(it.text)
		if err != nil {
			s.wrong(it.line, "%s: %v", s.full(key), err)
			continue
		}
		out = append(out, x)
	}
	return out
}

const exampleBase = `"http://127.0.0.1:8080"`

// base reads "http://host:port", https or h2c, and gives a port to what has none, so that nobody needs to know which it
// is.
func (s *section) base(key string) *url.URL {
	u := s.url(key, exampleBase, "http", "https", "h2c")
	if u == nil {
		return nil
	}
	if u.Path != "" && u.Path != "/" || u.RawQuery != "" || u.ForceQuery {
		s.wrong(s.lineOf(key),
			"%s is %q: leave away what stands behind the port; the request's own path is used", s.full(key), u)
		return nil
	}
	u.Path = ""
	return u
}

// basePath reads what base does, and a path behind it, which loses the slash at its end.
func (s *section) basePath(key string) *url.URL {
	u := s.url(key, exampleBase, "http", "https", "h2c")
	switch {
	case u == nil:
		return nil
	case u.RawQuery != "" || u.ForceQuery:
		s.wrong(s.lineOf(key), "%s is %q: leave ? and what is behind it away; the request's own query is used", s.full(key), u)
		return nil
	}
	text, _ := s.text(key, exampleBase)
	_, rest, _ := strings.Cut(text, "://")
	n := strings.IndexByte(rest, '/')
	if n < 0 {
		return u
	}
	path := rest[n:] // as it is written; u has encoded what may not stand in it
	if err := checkSent(path); err != nil {
		s.wrong(s.lineOf(key), "%s is %q: %v", s.full(key), text, err)
		return nil
	}
	if strings.HasSuffix(path, "/") {
		u.Path, u.RawPath = strings.TrimSuffix(u.Path, "/"), strings.TrimSuffix(u.RawPath, "/")
	}
	return u
}

// page reads the URL of a page: "http://host:port/path?query".
func (s *section) page(key, example string) *url.URL { return s.url(key, example, "http") }

// url reads a URL of one of the schemes, and gives it a port if it has none.
func (s *section) url(key, example string, schemes ...string) *url.URL {
	text, ok := s.text(key, example)
	if !ok {
		return nil
	}
	u := s.parseURL(key, text, example, schemes...)
	if u != nil {
		u.Host = node.HostPort(u)
	}
	return u
}

// parseURL reads a URL of one of the schemes, with a port or without.
func (s *section) parseURL(key, text, example string, schemes ...string) *url.URL {
	u, err := url.Parse(text)
	why := ""
	switch {
	case err != nil || u.Scheme == "" || u.Opaque != "" || strings.ContainsAny(text, " \t\r\n"):
		why = "which is no URL: write one such as " + example
	case !slices.Contains(schemes, u.Scheme):
		why = "and only " + strings.Join(schemes, ", ") + " is spoken there: write one such as " + example
	case u.Hostname() == "" || u.User != nil || strings.Contains(text, "#"):
		why = "want a host and no user or fragment: write one such as " + example
	case !isHost(u.Hostname()):
		why = "and its host is neither a name nor an address: write one such as " + example
	}
	if why != "" {
		s.wrong(s.lineOf(key), "%s is %q, %s", s.full(key), text, why)
		return nil
	}
	if port := u.Port(); port != "" {
		if _, err := portOf(port); err != nil {
			s.wrong(s.lineOf(key), "%s is %q: %v", s.full(key), text, err)
			return nil
		}
	}
	return u
}

// isHost reports whether a text may be a host name or an IP address.
func isHost(s string) bool {
	if _, err := netip.ParseAddr(s); err == nil {
		return true
	}
	return len(s) > 0 && len(s) <= 255 && onlyOf(s, "-._") && strings.Trim(s, ".-") != ""
}

// onlyOf reports whether a text has only letters, digits and these others.
func onlyOf(s, others string) bool {
	return strings.IndexFunc(s, func(r rune) bool {
		isAlnum := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9'
		return !isAlnum && !strings.ContainsRune(others, r)
	}) < 0
}
