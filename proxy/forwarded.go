package proxy

import (
	"bytes"
	"net/netip"
	"slices"
	"strings"

	"backhand/proxy/h1"
)

// forwarding is what we know and say of the client.
type forwarding struct {
	Client netip.Addr // the first address from the right that is not a trusted proxy's
	Proto  string     // with which the client came: http or https
	Host   string     // that the client asked for

	peer      netip.Addr
	trusted   bool     // peer is a trusted proxy
	addresses []string // X-Forwarded-For without peer, entry by entry
	elements  []string // Forwarded without peer, element by element
}

// of judges a request that did not come over a hop. What the client itself says of its past counts only if it is a
// trusted proxy.
func (f *forwarding) of(req *h1.Request, a *arrival, trusted []netip.Prefix) {
	*f = forwarding{Client: a.peer, peer: a.peer, Proto: "http", Host: text(req.Host)}
	if a.tls {
		f.Proto = "https"
	}
	if f.trusted = contains(trusted, a.peer); f.trusted {
		f.inherit(&req.Section, trusted)
	}
}

// inherit takes over what a trusted proxy says: X-Forwarded-* first, Forwarded where they are silent.
func (f *forwarding) inherit(s *h1.Section, trusted []netip.Prefix) {
	past, _ := parseForwarded(fieldLines(s, h1.Forwarded))
	var pastFor []string
	for _, e := range past {
		pastFor = append(pastFor, e.For)
	}
	f.addresses = splitList(fieldLines(s, h1.XForwardedFor))
	if len(f.addresses) == 0 {
		f.addresses = withoutHidden(pastFor)
	}
	f.Client = rightmost(f.addresses, f.peer, trusted)
	if len(past) > 0 && rightmost(pastFor, f.peer, trusted) == f.Client {
		f.elements = splitForwarded(strings.Join(fieldLines(s, h1.Forwarded), ","))
	} else {
		past = nil // it tells another story than X-Forwarded-For
		for _, a := range f.addresses {
			if ip, ok := parseNodeName(a); ok {
				f.elements = append(f.elements, element(ip, "", ""))
			}
		}
	}
	f.Proto, f.Host = inherited(fieldLines(s, h1.XForwardedProto), past, f.Proto, f.Host, fieldLines(s, h1.XForwardedHost))
}

// keeps reports whether a field in which a trusted proxy says more of its past passes as it is. Those that append writes
// do not, nor what is written with underscores.
func (f *forwarding) keeps(fd *h1.Field) bool {
	switch fd.ID {
	case h1.Unknown, h1.XForwardedOther:
		return f.trusted && bytes.IndexByte(fd.Name, '_') < 0
	}
	return false
}

// append writes the fields, in place of all that there were.
func (f *forwarding) append(b []byte) []byte {
	b = append(b, "X-Forwarded-For: "...)
	for _, a := range f.addresses {
		b = append(append(b, a...), ", "...)
	}
	b = f.peer.AppendTo(b)
	b = append(b, "\r\nX-Forwarded-Proto: "...)
	b = append(b, f.Proto...)
	if f.Host != "" {
		b = append(b, "\r\nX-Forwarded-Host: "...)
		b = append(b, f.Host...)
	}
	b = append(b, "\r\nForwarded: "...)
	for _, e := range f.elements {
		b = append(append(b, e...), ", "...)
	}
	b = appendElement(b, f.peer, f.Host, f.Proto)
	return append(b, "\r\n"...)
}

// inherited returns proto and host as X-Forwarded-* have them, else as the first element of Forwarded does, else as
// given.
func inherited(xProto []string, past []forwardedElement, proto, host string, xHost []string) (string, string) {
	if len(past) > 0 {
		proto = knownProto(past[0].Proto, proto)
		if past[0].Host != "" {
			host = past[0].Host
		}
	}
	if l := splitList(xProto); len(l) > 0 {
		proto = knownProto(l[0], proto)
	}
	if l := splitList(xHost); len(l) > 0 {
		host = l[0]
	}
	return proto, host
}

func knownProto(s, otherwise string) string {
	if s = strings.ToLower(s); s == "http" || s == "https" {
		return s
	}
	return otherwise
}

// rightmost returns the first address from the right that no trusted proxy has. It stops at an entry that is no
// address: what stands left of it was vouched for by nobody.
func rightmost(list []string, peer netip.Addr, trusted []netip.Prefix) netip.Addr {
	client := peer
	for _, s := range slices.Backward(list) {
		if !contains(trusted, client) {
			break
		}
		a, ok := parseNodeName(s)
		if !ok {
			break
		}
		client = a
	}
	return client
}

func contains(list []netip.Prefix, a netip.Addr) bool {
	return slices.ContainsFunc(list, func(p netip.Prefix) bool { return p.Contains(a) })
}

// splitList returns the entries of a field that is a list of words, of all its lines.
func splitList(lines []string) []string {
	var out []string
	for _, l := range lines {
		for s := range strings.SplitSeq(l, ",") {
			if s = strings.TrimSpace(s); s != "" {
				out = append(out, s)
			}
		}
	}
	return out
}

// withoutHidden leaves away the names of Forwarded that are no addresses ("unknown", "_gate"), which X-Forwarded-For
// has not.
func withoutHidden(names []string) []string {
	var out []string
	for _, s := range names {
		if a, ok := parseNodeName(s); ok {
			out = append(out, a.String())
		}
	}
	return out
}

// parseNodeName reads an address as X-Forwarded-For and Forwarded write it (RFC 7239, section 6): with or without port,
// IPv6 in brackets or, in the former, bare.
func parseNodeName(s string) (netip.Addr, bool) {
	if a, err := netip.ParseAddr(s); err == nil {
		return plainAddr(a), true
	}
	if ap, err := netip.ParseAddrPort(s); err == nil {
		return plainAddr(ap.Addr()), true
	}
	if in, ok := strings.CutPrefix(s, "["); ok {
		if in, ok = strings.CutSuffix(in, "]"); ok {
			a, err := netip.ParseAddr(in)
			return plainAddr(a), err == nil && a.Is6()
		}
	}
	return netip.Addr{}, false
}
