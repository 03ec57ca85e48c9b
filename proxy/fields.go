package proxy

import (
	"iter"
	"maps"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

// Hop-by-hop fields (RFC 9110, section 7.6.1), those named in Connection first, are removed by httputil.ReverseProxy in
// both directions, before anything of ours is added. What it does not know of is here.

// namedInConnection returns a function that reports whether the Connection field names a field, so that it was meant
// for the next hop only. A client may name any field, to have it removed behind those who look at it (CVE-2024-45410).
func namedInConnection(h http.Header) func(name string) bool {
	list := splitList(h["Connection"])
	return func(name string) bool {
		for _, n := range list {
			if strings.EqualFold(n, name) {
				return true
			}
		}
		return false
	}
}

// removePrefixed removes all fields whose names begin with the prefix, which is given in lower case. An underscore
// counts as a hyphen: CGI makes the same variable of both.
func removePrefixed(h http.Header, prefix string) {
	for name := range h {
		if hasPrefix(name, prefix) {
			delete(h, name)
		}
	}
}

func hasPrefix(name, prefix string) bool {
	if len(name) < len(prefix) {
		return false
	}
	for i := range len(prefix) {
		c := name[i]
		switch {
		case 'A' <= c && c <= 'Z':
			c += 'a' - 'A'
		case c == '_':
			c = '-'
		}
		if c != prefix[i] {
			return false
		}
	}
	return true
}

const ourFields = "backhand-"

// removeForwarded removes what a client says of its past; of a trusted proxy (keep) only what is written with
// underscores.
func removeForwarded(h http.Header, keep bool) {
	for name := range h {
		plain := strings.ReplaceAll(strings.ToLower(name), "_", "-")
		if saysClient(plain) && (!keep || strings.Contains(name, "_")) {
			delete(h, name)
		}
	}
}

// saysClient reports whether proxies say in that field who the client is.
func saysClient(name string) bool {
	switch name {
	case "forwarded", "x-real-ip", "client-ip", "true-client-ip":
		return true
	}
	return hasPrefix(name, "x-forwarded-")
}

// removeUntrusted removes from trailers what counts only in a head, if at all: fields for framing, routing,
// authentication, request modifiers and response controls, and such as say what a body is (RFC 9110, section 6.5.1).
// Who merges trailers into the head would else take them for what was checked there. Digests of the body are meant to
// come behind it (RFC 9530).
func removeUntrusted(trailer http.Header) {
	removePrefixed(trailer, ourFields)
	removeForwarded(trailer, false)
	for name := range trailer {
		plain := strings.ReplaceAll(strings.ToLower(name), "_", "-")
		if isHeadOnly(plain) {
			delete(trailer, name)
		}
	}
}

func isHeadOnly(name string) bool {
	switch name {
	case "host", "connection", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade", "via",
		"authorization", "www-authenticate", "authentication-info", "cookie", "set-cookie",
		"cache-control", "expect", "max-forwards", "pragma", "range", "idempotency-key", "x-idempotency-key",
		"accept-ranges", "age", "alt-svc", "date", "expires", "location", "refresh", "retry-after", "vary", "warning":
		return true
	case "content-digest":
		return false
	}
	return hasPrefix(name, "proxy-") || hasPrefix(name, "if-") || hasPrefix(name, "content-")
}

// upgrade returns the protocol that the client asks to switch to, if we let it: only WebSocket. Of others nobody knows
// what they carry past us (h2c, TLS).
func upgrade(r *http.Request) string {
	u := r.Header["Upgrade"]
	ok := len(u) == 1 && strings.EqualFold(u[0], "websocket") && namedInConnection(r.Header)("Upgrade") &&
		r.Method == http.MethodGet && r.ContentLength == 0 && r.ProtoMajor == 1 && r.ProtoMinor == 1
	if !ok {
		return ""
	}
	return u[0]
}

// withoutUpgrade returns the head without Upgrade fields. What is given does not change.
func withoutUpgrade(h http.Header) http.Header {
	h = maps.Clone(h)
	delete(h, "Upgrade")
	return h
}

// maxForwards returns how many more times a TRACE or OPTIONS may be passed on, and false if that is not limited (RFC
// 9110, section 7.6.2).
func maxForwards(r *http.Request) (int, bool) {
	v := r.Header["Max-Forwards"]
	if len(v) != 1 || r.Method != http.MethodTrace && r.Method != http.MethodOptions {
		return 0, false
	}
	n, err := strconv.ParseUint(v[0], 10, 31)
	return int(n), err == nil
}

// requestFields lets steps of a chain read what few of them ask for.
type requestFields struct {
	header http.Header
	query  string
}

// Cookies yields the values of all cookies of that name, without quotes (RFC 6265, section 5.4, read leniently).
func (f *requestFields) Cookies(name string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for _, line := range f.header["Cookie"] {
			for c := range strings.SplitSeq(line, ";") {
				n, v, ok := strings.Cut(strings.TrimSpace(c), "=")
				if ok && n == name && !yield(strings.Trim(v, `"`)) {
					return
				}
			}
		}
	}
}

// Query yields the values of all arguments of that name, which may be parted by & or ;.
func (f *requestFields) Query(name string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for arg := range strings.FieldsFuncSeq(f.query, func(r rune) bool { return r == '&' || r == ';' }) {
			n, v, _ := strings.Cut(arg, "=")
			if decoded(n) == name && !yield(decoded(v)) {
				return
			}
		}
	}
}

// decoded returns s without encoding, or as it is if that is malformed.
func decoded(s string) string {
	if d, err := url.QueryUnescape(s); err == nil {
		return d
	}
	return s
}
