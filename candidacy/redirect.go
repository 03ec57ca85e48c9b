package candidacy

import (
	"net"
	"net/netip"
	"strings"

	"backhand/gossip/node"
)

func httpRedirectToIP() Spec {
	return Spec{
		Name: "HTTPRedirectToIP", Usage: "HTTPRedirectToIP",
		Doc: "Sends the client itself to the chosen member (302) instead of handing its request on: to the member's IP " +
			"address, with the port if it is not the scheme's default. Candidates and their order stay as they are.",
		Source: announcement, Example: "HTTPRedirectToIP",
		Make: func(*Args) Step { return redirectStep(addressOf) },
	}
}

func httpRedirectToName() Spec {
	return Spec{
		Name: "HTTPRedirectToName", Usage: "HTTPRedirectToName [FORMAT]",
		Doc: "Sends the client itself to the chosen member (302) instead of handing its request on: to a name made by FORMAT " +
			"(default %S), in which %S is the member's name and %H the Host that the client asked for; %2S is that without its " +
			"first two parts, %-2S without its last two; anything else stands for itself. So %-2S.%1H makes " +
			"www-1.datacenter-3.client.com of the member www-1.datacenter-3.provider.net and the Host www.client.com. The " +
			"member's port follows if it is not the scheme's default, unless FORMAT ends in one (%S:8080). If this makes no " +
			"valid host name, the request is handed on. Candidates and their order stay as they are.",
		Source: announcement + "; the syntax of FORMAT is unconfirmed", Example: "HTTPRedirectToName %-2S.%1H",
		Make: makeHTTPRedirectToName,
	}
}

func makeHTTPRedirectToName(a *Args) Step {
	f := parseNameFormat(a, a.Word("%S"))
	return redirectStep(f.host)
}

// redirectStep returns a step that leaves the candidates alone and turns the answer into a redirect.
func redirectStep(host func(*Request, *node.Member) string) Step {
	return Step{
		Run: func(req *Request, in []*node.Member) []*node.Member {
			req.Redirect = Redirect{On: true, Host: host}
			return in
		},
		Note: func(req *Request, m *node.Member) string {
			if m.Self {
				return "this host, no redirect"
			}
			if h := host(req, m); h != "" {
				return "redirect to " + h
			}
			return "no valid name, no redirect"
		},
	}
}

// addressOf returns where the member itself can be reached: by IP address, or by the host that the file names.
func addressOf(_ *Request, m *node.Member) string {
	host := ""
	if addr, ok := m.Addr(); !ok {
		host = m.URL.Hostname()
	} else if addr.IsValid() && addr.Zone() == "" { // a zone means something on this host only
		host = addr.Unmap().String()
	}
	return withPort(host, portOf(m))
}

// portOf returns the port at which the member is reached, or "" if it is the default one of its scheme.
func portOf(m *node.Member) string {
	_, port, err := net.SplitHostPort(m.HostPort())
	secure := m.URL != nil && m.URL.Scheme == "https" || m.Node != nil && m.Node.TLS
	if err != nil || secure && port == "443" || !secure && port == "80" {
		return ""
	}
	return port
}

// withPort returns host:port, host alone if there is no port, or "" if host is none that may stand in a Location.
func withPort(host, port string) string {
	addr, err := netip.ParseAddr(host)
	switch {
	case err != nil && !validHostName(host):
		return ""
	case port != "":
		return net.JoinHostPort(host, port)
	case addr.Is6():
		return "[" + host + "]"
	}
	return host
}

// validHostName is strict since names come in beats, from anybody: nothing in one may end the host of a Location early,
// such as a slash, an @, or a line break. Dots must stand between parts.
func validHostName(s string) bool {
	if s == "" || len(s) > node.MaxName {
		return false
	}
	for part := range strings.SplitSeq(s, ".") {
		if part == "" || len(part) > 63 {
			return false
		}
	}
	return strings.IndexFunc(s, func(r rune) bool { return r != '.' && !isHostRune(r) }) < 0
}

func isHostRune(r rune) bool {
	return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || r == '-'
}
