package proxy

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// forwarding is what we know and say of the client.
type forwarding struct {
	Client netip.Addr // the first address from the right that is not a trusted proxy's
	Proto  string     // with which the client came: http or https
	Host   string     // that the client asked for

	addresses []string // X-Forwarded-For, entry by entry
	elements  []string // Forwarded, element by element
}

// forwardingOf judges a request that came from peer, not over a hop. What the client itself says of its past counts
// only if peer is a trusted proxy.
func forwardingOf(r *http.Request, peer netip.Addr, trusted []netip.Prefix) forwarding {
	f := forwarding{Client: peer, Proto: "http", Host: r.Host}
	if r.TLS != nil {
		f.Proto = "https"
	}
	if contains(trusted, peer) {
		f.inherit(r.Header, peer, trusted)
	}
	f.addresses = append(f.addresses, peer.String())
	f.elements = append(f.elements, element(peer, f.Host, f.Proto))
	return f
}

// inherit takes over what a trusted proxy says: X-Forwarded-* first, Forwarded where they are silent.
func (f *forwarding) inherit(h http.Header, peer netip.Addr, trusted []netip.Prefix) {
	named := namedInConnection(h)
	value := func(name string) []string {
		if named(name) {
			return nil
		}
		return h[name]
	}
	past, _ := parseForwarded(value("Forwarded"))
	var pastFor []string
	for _, e := range past {
		pastFor = append(pastFor, e.For)
	}
	f.addresses = splitList(value("X-Forwarded-For"))
	if len(f.addresses) == 0 {
		f.addresses = withoutHidden(pastFor)
	}
	f.Client = rightmost(f.addresses, peer, trusted)
	if len(past) > 0 && rightmost(pastFor, peer, trusted) == f.Client {
		f.elements = splitForwarded(strings.Join(value("Forwarded"), ","))
	} else {
		past = nil // it tells another story than X-Forwarded-For
		for _, a := range f.addresses {
			if ip, ok := parseNodeName(a); ok {
				f.elements = append(f.elements, element(ip, "", ""))
			}
		}
	}
	f.Proto, f.Host = inherited(value("X-Forwarded-Proto"), past, f.Proto, f.Host, value("X-Forwarded-Host"))
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

// set puts the fields into the head of a request that is handed on, in place of all that there is of them.
func (f *forwarding) set(h http.Header) {
	h["X-Forwarded-For"] = []string{strings.Join(f.addresses, ", ")}
	h["X-Forwarded-Proto"] = []string{f.Proto}
	h["X-Forwarded-Host"] = nil
	if f.Host != "" {
		h["X-Forwarded-Host"] = []string{f.Host}
	}
	h["Forwarded"] = []string{strings.Join(f.elements, ", ")}
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
