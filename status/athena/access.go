package athena

import (
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"strings"
)

// maxAsking is how many addresses one request may name. Whoever needs more may not use the interface.
const maxAsking = 32

// admit returns an error if one of those who ask may not use a part, or has not the token that it takes. Where there is nothing,
// whoever may use some part is told so.
func (h *handler) admit(x *exchange, part Part, there bool) error {
	var err error
	if x.asking, err = appendAsking(x.asking, x.r); err != nil {
		return &failure{http.StatusForbidden, "it is not clear who asks: " + err.Error()}
	}
	for _, a := range x.asking {
		switch {
		case there && !h.cfg.Allow(part, a):
			return &failure{http.StatusForbidden, fmt.Sprintf("%v may not use %v: see allow and allow_%v under [athena] of the "+
				"agent's file", a, part, part)}
		case !there && !h.anyPart(a):
			return &failure{http.StatusForbidden, fmt.Sprintf("%v may not use this: see allow under [athena] of the agent's file", a)}
		}
	}
	if (part == PartUpdate || part == PartMirror) && fromAnotherSite(x.r) {
		return &failure{http.StatusForbidden, "a page of another site has sent this, or a browser that does not say whose page did: no page changes anything " +
			"here; use curl, or 'backhand set'"}
	}
	if !there {
		return h.prove(x, allParts)
	}
	return h.prove(x, setOf(part))
}

func (h *handler) anyPart(a netip.Addr) bool {
	for p := PartBalance; p <= PartMirror; p++ {
		if h.cfg.Allow(p, a) {
			return true
		}
	}
	return false
}

// fromAnotherSite reports whether a browser sent the request for a page that is not ours, or may have. Writes are GETs here, which
// any page in the browser of somebody on the right network could send. Browsers say for whom they ask only where they trust the way:
// over https, and to loopback by its own name.
func fromAnotherSite(r *http.Request) bool {
	switch r.Header.Get("Sec-Fetch-Site") {
	case "none", "same-origin":
		return false
	case "":
		return r.Header.Get("Origin") != "" || strings.HasPrefix(r.UserAgent(), "Mozilla/") // as that of every browser begins
	}
	return true
}

// appendAsking appends the addresses of all who take part in a request, as package status does: the TCP peer first, then
// every one in X-Forwarded-For, X-Real-Ip and Forwarded, whoever wrote it there. An error means that nobody knows who asks.
func appendAsking(all []netip.Addr, r *http.Request) ([]netip.Addr, error) {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return all, fmt.Errorf("the connection's own address is %s", quote(r.RemoteAddr))
	}
	all = append(all, peer.Addr().Unmap().WithZone(""))
	for _, field := range [...]string{"X-Forwarded-For", "X-Real-Ip"} {
		for _, value := range r.Header[field] {
			for word := range strings.SplitSeq(value, ",") {
				if all, err = appendAddress(all, strings.Trim(word, " \t")); err != nil {
					return all, fmt.Errorf("%s: %w", field, err)
				}
			}
		}
	}
	for _, value := range r.Header["Forwarded"] {
		if all, err = appendForwarded(all, value); err != nil {
			return all, fmt.Errorf("%s: %w", "Forwarded", err)
		}
	}
	return all, nil
}

// appendForwarded reads the addresses of for= and by= (RFC 7239). Commas and semicolons within quotes are taken for separators
// too: no address has any, so at worst it finds too many and refuses.
func appendForwarded(all []netip.Addr, value string) ([]netip.Addr, error) {
	for pair := range strings.FieldsFuncSeq(value, func(r rune) bool { return r == ',' || r == ';' }) {
		if pair = strings.Trim(pair, " \t"); pair == "" {
			continue
		}
		name, text, ok := strings.Cut(pair, "=")
		if !ok {
			return all, errors.New("want pairs like for=192.0.2.1 with ; or , between them")
		}
		if !strings.EqualFold(name, "for") && !strings.EqualFold(name, "by") {
			continue
		}
		var err error
		if all, err = appendAddress(all, strings.Trim(text, `"`)); err != nil {
			return all, err
		}
	}
	return all, nil
}

// appendAddress reads 192.0.2.1, 192.0.2.1:80, 2001:db8::1, [2001:db8::1] or [2001:db8::1]:80.
func appendAddress(all []netip.Addr, text string) ([]netip.Addr, error) {
	if len(all) >= maxAsking {
		return all, fmt.Errorf("more than %d addresses", maxAsking)
	}
	inner := text
	if strings.HasPrefix(text, "[") && strings.HasSuffix(text, "]") {
		inner = text[1 : len(text)-1]
	}
	a, err := netip.ParseAddr(inner)
	if err != nil {
		var p netip.AddrPort
		if p, err = netip.ParseAddrPort(text); err != nil {
			return all, fmt.Errorf("%s is no address", quote(text))
		}
		a = p.Addr()
	}
	return append(all, a.Unmap().WithZone("")), nil
}
