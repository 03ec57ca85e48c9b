package proxy

import (
	"strings"

	"backhand/gossip/node"
)

// A route may give its members other paths than its clients know: /reports/x is /app/x to them (ProxyPass /reports/
// http://farm_one/app/). Only the prefix is replaced. All readings of the path take the same route, or the request is refused
// (see path.go); so the prefix stands in the path as it came, too, if only with odd characters encoded.

// rewrite finds out the path that members get, if the route has another one for them. A path that leads out behind the prefix
// is refused: at the members it would lead above To.
func (x *exchange) rewrite() error {
	if x.route.To == "" {
		return nil
	}
	to, ok := x.route.appendTo(x.goal[:0], x.raw)
	if !ok {
		return becausef(badReadings, "%q, which leads above %q", x.raw, x.route.To)
	}
	x.goal, x.to = to, to
	return nil
}

// appendTo appends the path that members get for one as it came. ok is false if it leads out behind the prefix.
func (r *route) appendTo(b []byte, raw string) (to []byte, ok bool) {
	rest := behind(raw, r.prefix)
	if rest != "" && rest[0] != '/' || climbs(rest) {
		return b, false
	}
	b = append(append(b, r.to...), rest...)
	if len(b) == 0 {
		b = append(b, '/')
	}
	return b, true
}

// A physical whose URL has a path gets it before that of each request, whether the route rewrites or not: of
// http://app01:8080/app, a request for /x is one for /app/x.

// below returns the path that members get, below that of their own URL.
func (x *exchange) below() string {
	if x.to != nil {
		return text(x.to)
	}
	return x.raw
}

// pathAt returns the path that the member gets. It holds until it is asked for again. member may be nil.
func (x *exchange) pathAt(member *node.Member) []byte {
	path := x.to
	if path == nil {
		path = x.req.Path
	}
	if member == nil || member.Path() == "" {
		return path
	}
	x.full = append(append(x.full[:0], member.Path()...), path...)
	return x.full
}

// leadsAbove reports whether a path leads out of that of the chosen member's URL.
func (d *decision) leadsAbove(path string) bool {
	return d.member != nil && d.member.Path() != "" && climbs(path)
}

// ledAbove is the problem with a path that does. It stands by itself, so that next needs no room for it.
//
//go:noinline
func (x *exchange) ledAbove(d *decision) error {
	return becausef(badReadings, "%q, which leads above %q of member %q", x.raw, d.member.Path(), d.member.Name)
}

// behind returns what of a path, as it came, stands behind a prefix with which its rawReading begins.
func behind(raw, prefix string) string {
	i := 0
	for j := 0; j < len(prefix) && i < len(raw); j++ {
		if prefix[j] != '%' {
			i++
			continue
		}
		if raw[i] == '%' && i+2 < len(raw) && unhex(raw[i+1]) >= 0 && unhex(raw[i+2]) >= 0 {
			i += 2
		}
		i++
		j += 2
	}
	return raw[i:]
}

// climbs reports whether a path leads above where it begins, for any who reads it: one who decodes %2F and %5C, to whom a
// backslash is a slash, or several slashes one, or who cuts parameters off.
func climbs(path string) bool {
	if !strings.Contains(path, "..") && !strings.Contains(path, "%2e") && !strings.Contains(path, "%2E") {
		return false
	}
	depth := 0
	for segment := range strings.SplitSeq(decodeDelimiters(path), "/") {
		name, _, _ := strings.Cut(segment, ";")
		switch name {
		case "", ".":
		case "..":
			if depth--; depth < 0 {
				return true
			}
		default:
			depth++
		}
	}
	return false
}

// decodeDelimiters returns the path with what parts it, and its dots, decoded, and with slashes for backslashes.
func decodeDelimiters(path string) string {
	if strings.IndexByte(path, '%') < 0 && strings.IndexByte(path, '\\') < 0 {
		return path
	}
	b := make([]byte, 0, len(path))
	for i := 0; i < len(path); i++ {
		c := path[i]
		if c == '%' && i+2 < len(path) {
			hi, lo := unhex(path[i+1]), unhex(path[i+2])
			if d := byte(hi<<4 | lo); hi >= 0 && lo >= 0 && strings.IndexByte("./\\;", d) >= 0 {
				c = d
				i += 2
			}
		}
		if c == '\\' {
			c = '/'
		}
		b = append(b, c)
	}
	return string(b)
}

// validTo reports whether a path can take the place of a prefix: as it stands in request lines, and without dot segments.
func validTo(to string) bool {
	return strings.HasPrefix(to, "/") && strings.EqualFold(rawReading(to), to) && normalReading(to) == recode(to, true)
}
