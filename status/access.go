package status

import (
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"strings"
)

// Bounds of what is looked at to learn for whom a request is. Whoever needs more may not see the page.
const (
	maxAsking      = 32   // addresses, the TCP peer among them
	maxAskingBytes = 4096 // of all the fields together
)

// addressLists are the fields that hold addresses with commas between them.
func addressLists() []string { return []string{"X-Forwarded-For", "X-Real-Ip"} }

// asking returns the addresses of all who take part in a request, as far as it tells: the TCP peer first, then every
// address in X-Forwarded-For, X-Real-Ip and Forwarded (RFC 7239), whoever wrote it there. An error means that some of it
// cannot be understood, so that nobody knows who asks.
func asking(r *http.Request) ([]netip.Addr, error) {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	switch {
	case err != nil && (r.RemoteAddr == "" || r.RemoteAddr[0] == '@' || r.RemoteAddr[0] == '/'):
		return nil, errors.New("the connection is one of a Unix socket, whose clients have no address; ask over TCP")
	case err != nil:
		return nil, fmt.Errorf("the connection's own address is %q", r.RemoteAddr)
	}
	all := []netip.Addr{peer.Addr().Unmap().WithZone("")}
	size := 0
	for _, field := range append(addressLists(), "Forwarded") {
		for _, value := range r.Header.Values(field) {
			if size += len(value); size > maxAskingBytes {
				return nil, errors.New("the fields that name addresses are too long")
			}
			if field == "Forwarded" {
				all, err = appendForwarded(all, value)
			} else {
				all, err = appendList(all, value)
			}
			if err != nil {
				return nil, fmt.Errorf("%s: %w", field, err)
			}
		}
	}
	return all, nil
}

// appendList reads addresses with commas between them.
func appendList(all []netip.Addr, value string) ([]netip.Addr, error) {
	for word := range strings.SplitSeq(value, ",") {
		var err error
		if all, err = appendAddress(all, strings.Trim(word, " \t")); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// appendForwarded reads the addresses in for= and by= of one Forwarded field (RFC 7239, section 4).
func appendForwarded(all []netip.Addr, value string) ([]netip.Addr, error) {
	for rest, more := value, true; more; {
		var name, text string
		var err error
		if name, text, rest, more, err = forwardedPair(rest); err != nil {
			return nil, err
		}
		if strings.EqualFold(name, "for") || strings.EqualFold(name, "by") {
			if all, err = appendAddress(all, text); err != nil {
				return nil, err
			}
		}
	}
	return all, nil
}

var errForwarded = errors.New("want pairs like for=192.0.2.1 with ; or , between them")

// forwardedPair cuts the first name=value off a Forwarded field. An empty pair, as in "for=192.0.2.1;", is allowed.
func forwardedPair(s string) (name, value, rest string, more bool, err error) {
	s = strings.TrimLeft(s, " \t")
	end := strings.IndexAny(s, "=;,")
	if end < 0 {
		end = len(s)
	}
	name = strings.TrimRight(s[:end], " \t")
	if s = s[end:]; strings.HasPrefix(s, "=") {
		if value, s, err = forwardedValue(s[1:]); err != nil {
			return "", "", "", false, err
		}
		s = strings.TrimLeft(s, " \t")
		if name == "" {
			return "", "", "", false, errForwarded
		}
	} else if name != "" {
		return "", "", "", false, errForwarded
	}
	switch {
	case s == "":
		return name, value, "", false, nil
	case s[0] == ';' || s[0] == ',':
		return name, value, s[1:], true, nil
	}
	return "", "", "", false, errForwarded
}

// forwardedValue cuts a token or a quoted string off.
func forwardedValue(s string) (value, rest string, err error) {
	if !strings.HasPrefix(s, `"`) {
		end := strings.IndexAny(s, " \t;,\"")
		if end < 0 {
			end = len(s)
		}
		return s[:end], s[end:], nil
	}
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch {
		case s[i] == '"':
			return b.String(), s[i+1:], nil
		case s[i] == '\\' && i+1 < len(s):
			i++
		}
		b.WriteByte(s[i])
	}
	return "", "", errForwarded // the quote is never closed
}

// appendAddress reads one address, with or without a port: 192.0.2.1, 192.0.2.1:80, 2001:db8::1, [2001:db8::1]:80 or
// [2001:db8::1].
func appendAddress(all []netip.Addr, text string) ([]netip.Addr, error) {
	if len(all) >= maxAsking {
		return nil, fmt.Errorf("more than %d addresses", maxAsking)
	}
	a, err := netip.ParseAddr(text)
	if err != nil {
		if inner, ok := strings.CutPrefix(text, "["); ok && strings.HasSuffix(inner, "]") {
			a, err = netip.ParseAddr(strings.TrimSuffix(inner, "]"))
		}
	}
	if err != nil {
		var p netip.AddrPort
		p, err = netip.ParseAddrPort(text)
		a = p.Addr()
	}
	if err != nil {
		return nil, fmt.Errorf("%q is no address", text)
	}
	return append(all, a.Unmap().WithZone("")), nil
}
