package h1

import "bytes"

// Form is the form of a request's target (RFC 9112, section 3.2).
type Form uint8

// The forms.
const (
	OriginForm    Form = iota // /path?query
	AbsoluteForm              // http://host/path?query
	AuthorityForm             // host:port, with CONNECT
	AsteriskForm              // *, with OPTIONS
)

// Scheme is what a target in absolute form begins with.
type Scheme uint8

// The schemes.
const (
	NoScheme Scheme = iota // the target is in another form
	HTTP
	HTTPS
)

var (
	slash    = []byte("/")
	asterisk = []byte("*")
)

// readTarget takes the target apart. Each form but the first two belongs to one method (RFC 9112, sections 3.2.1 to
// 3.2.4).
func (r *Request) readTarget() verdict {
	t := r.Target
	switch {
	case len(t) == 0:
		return badLine
	case r.MethodID == MethodConnect:
		return r.readAuthorityForm()
	case t[0] == '/':
		return r.readPath(t)
	case len(t) == 1 && t[0] == '*':
		r.Form, r.Path = AsteriskForm, t
		if r.MethodID != MethodOptions {
			return badForm
		}
		return fine
	}
	return r.readAbsoluteForm()
}

// readPath splits path and query, and sees that both hold nothing that they must not. A question mark is left in
// the query.
func (r *Request) readPath(b []byte) verdict {
	i := 0
	for ; i < len(b) && b[i] != '?'; i++ {
		switch {
		case class[b[i]]&isTarget == 0:
			return badTarget
		case b[i] == '%' && (i+2 >= len(b) || class[b[i+1]]&class[b[i+2]]&isHex == 0):
			return badTarget
		}
	}
	r.Path, r.Query = b[:i:i], b[i:]
	if span(r.Query, isTarget) < len(r.Query) {
		return badTarget
	}
	return fine
}

// readAbsoluteForm reads the form that clients use towards proxies, and which every recipient must accept.
func (r *Request) readAbsoluteForm() verdict {
	r.Form = AbsoluteForm
	i := bytes.Index(r.Target, []byte("://"))
	if i < 0 {
		return badForm
	}
	switch scheme := r.Target[:i]; {
	case sameName(scheme, "http"):
		r.Scheme = HTTP
	case sameName(scheme, "https"):
		r.Scheme = HTTPS
	case span(scheme, isToken) < len(scheme) || len(scheme) == 0:
		return badForm
	default:
		return badScheme
	}
	rest := r.Target[i+len("://"):]
	n := bytes.IndexAny(rest, "/?#")
	if n < 0 {
		n = len(rest)
	}
	if v := r.readAuthority(rest[:n:n]); v != fine {
		return v
	}
	if v := r.readPath(rest[n:]); v != fine {
		return v
	}
	if len(r.Path) > 0 {
		return fine
	}
	r.Path = slash
	if r.MethodID == MethodOptions && len(r.Query) == 0 {
		r.Path = asterisk // RFC 9112, section 3.2.4
	}
	return fine
}

// readAuthorityForm reads host:port, where the port must be there (RFC 9110, section 9.3.6).
func (r *Request) readAuthorityForm() verdict {
	r.Form = AuthorityForm
	if bytes.IndexByte(r.Target, '/') >= 0 {
		return badForm
	}
	if v := r.readAuthority(r.Target); v != fine {
		return v
	}
	if port, _ := splitAuthority(r.Target); len(port) == 0 {
		return badAuthority
	}
	return fine
}

func (r *Request) readAuthority(b []byte) verdict {
	if bytes.IndexByte(b, '@') >= 0 {
		return hasUserinfo // RFC 9110, section 4.2.4
	}
	if _, ok := splitAuthority(b); !ok {
		return badAuthority
	}
	r.Authority = b
	return fine
}

// ValidHost reports whether b can be the value of Host: see doc.go for what is narrower than RFC 3986.
func ValidHost(b []byte) bool {
	_, ok := splitAuthority(b)
	return ok
}

const maxHost = 255 // bytes, as DNS has it

// splitAuthority reads uri-host [":" port] (RFC 9110, section 4.2.1). The port may be empty behind its colon.
func splitAuthority(b []byte) (port []byte, ok bool) {
	n := span(b, isHost)
	if len(b) > 0 && b[0] == '[' {
		n = bytes.IndexByte(b, ']') + 1
		if n == 0 || !validIPv6(b[1:n-1]) {
			return nil, false
		}
	}
	if n == 0 || n > maxHost {
		return nil, false
	}
	if n == len(b) {
		return nil, true
	}
	if b[n] != ':' {
		return nil, false
	}
	port = b[n+1:]
	if len(port) == 0 {
		return nil, true
	}
	value, ok := number(port)
	return port, ok && len(port) <= 5 && 1 <= value && value <= 65535
}

// validIPv6 reports whether b is an IPv6 address without zone (RFC 3986, section 3.2.2).
func validIPv6(b []byte) bool {
	groups, shortened := 0, false
	if len(b) >= 2 && b[0] == ':' && b[1] == ':' {
		shortened, b = true, b[2:]
	}
	for len(b) > 0 {
		n := span(b, isHex)
		if n < len(b) && b[n] == '.' {
			if !validIPv4(b) {
				return false
			}
			groups += 2
			break
		}
		if n == 0 || n > 4 {
			return false
		}
		groups++
		if b = b[n:]; len(b) == 0 {
			break
		}
		if b[0] != ':' || len(b) == 1 {
			return false
		}
		if b = b[1:]; b[0] == ':' {
			if shortened {
				return false
			}
			shortened, b = true, b[1:]
		}
	}
	if shortened {
		return groups < 8 // "::" stands for one group at least
	}
	return groups == 8
}

// validIPv4 reports whether b is four numbers from 0 to 255, without zeros in front.
func validIPv4(b []byte) bool {
	for i := range 4 {
		n := 0
		for n < len(b) && digit(b[n]) {
			n++
		}
		value, ok := number(b[:n])
		if !ok || n > 3 || value > 255 || n > 1 && b[0] == '0' {
			return false
		}
		b = b[n:]
		if i == 3 {
			break
		}
		if len(b) == 0 || b[0] != '.' {
			return false
		}
		b = b[1:]
	}
	return len(b) == 0
}
