package proxy

import (
	"strings"

	"backhand/proxy/h1"
)

// appendCookies appends a Cookie field for a member. A cookie with an instruction goes to nobody but the member that it names, or
// the members of the farm that it names; from what all others get it is removed, whether it counts or not. What stands beside
// it stays as it is, byte for byte.
//
//go:noinline
func (x *exchange) appendCookies(b []byte, f *h1.Field, ho *handover) []byte {
	c := x.site.Cookie
	if !strings.Contains(text(f.Value), c.name) {
		return f.Append(b)
	}
	from, kept := len(b), 0
	b = append(append(b, f.Name...), ": "...)
	for piece := range strings.SplitSeq(text(f.Value), ";") {
		if value, is := c.in(piece); is && !x.orders.passes(value, ho) || !is && c.hides(piece) {
			continue
		}
		if kept == 0 {
			piece = strings.TrimLeft(piece, " \t")
		} else {
			b = append(b, ';')
		}
		b = append(b, piece...)
		kept++
	}
	if kept == 0 {
		return b[:from]
	}
	return append(b, "\r\n"...)
}

// hides reports whether a piece that is another cookie is this one for some application: Python ends a cookie at a blank or a comma,
// and PHP reads a dot, a blank and a bracket in a name as an underscore, and what is in brackets as an array.
func (c *Cookie) hides(piece string) bool {
	name, _, _ := strings.Cut(piece, "=")
	if name, _, _ = strings.Cut(strings.Trim(name, " \t"), "["); sameToPHP(name, c.name) {
		return true
	}
	for rest := piece; ; {
		i := strings.Index(rest, c.name)
		if i < 0 {
			return false
		}
		behind := strings.TrimLeft(rest[i+len(c.name):], " \t")
		if i > 0 && strings.IndexByte(" \t,", rest[i-1]) >= 0 && strings.HasPrefix(behind, "=") {
			return true
		}
		rest = rest[i+1:]
	}
}

func sameToPHP(a, b string) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range len(a) {
		if a[i] != b[i] && (!isUnderscoreToPHP(a[i]) || !isUnderscoreToPHP(b[i])) {
			return false
		}
	}
	return true
}

func isUnderscoreToPHP(c byte) bool { return c == '_' || c == '.' || c == ' ' }

// passes reports whether a cookie with that value is for whom the request is handed to.
func (o *orders) passes(value string, ho *handover) bool {
	if o == nil {
		return false
	}
	for i := range o.list {
		if a := &o.list[i]; a.valid && a.value == value && a.names(ho) {
			return true
		}
	}
	return false
}

// names reports whether an order is about whom the request is handed to.
func (a *order) names(ho *handover) bool {
	switch {
	case ho.instead != nil:
		return false
	case a.Do != Move:
		return ho.member != nil && ho.member.Name == a.Target
	case ho.member != nil:
		return ho.member.Farm == a.Target
	}
	return ho.origin != nil && ho.origin.Farm == a.Target
}
