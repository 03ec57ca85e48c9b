package proxy

import (
	"bytes"
	"net/url"
	"strings"

	"backhand/proxy/h1"
)

// only returns the value of the field of that ID, if there is exactly one line of it.
func only(s *h1.Section, id h1.ID) (value []byte, ok bool) {
	n := 0
	for i := range s.Fields {
		if f := &s.Fields[i]; f.ID == id {
			value = f.Value
			n++
		}
	}
	return value, n == 1
}

// fieldLines returns the values of all lines of a field. Those that Connection names were not meant for us, but for the hop
// before: a client may name any field, to have it removed behind those who look at it (CVE-2024-45410).
func fieldLines(s *h1.Section, id h1.ID) []string {
	if !s.Has(id) {
		return nil
	}
	var out []string
	for i := range s.Fields {
		if f := &s.Fields[i]; f.ID == id && !f.Named {
			out = append(out, text(f.Value))
		}
	}
	return out
}

// saysClient reports whether proxies say in a field of that name, which is none of the known ones, who the client is. An
// underscore counts as a hyphen: CGI makes the same variable of both.
func saysClient(name []byte) bool {
	switch len(name) {
	case len("client-ip"): // as long as x-real-ip
		return sameField(name, "client-ip") || sameField(name, "x-real-ip")
	case len("true-client-ip"):
		return sameField(name, "true-client-ip")
	}
	return false
}

// sameField compares a name with one that is given in lower case.
func sameField(name []byte, with string) bool {
	if len(name) != len(with) {
		return false
	}
	for i := range name {
		c := lower(name[i])
		if c == '_' {
			c = '-'
		}
		if c != with[i] {
			return false
		}
	}
	return true
}

// passesInTrailers reports whether a trailer may be passed on. Those for framing, routing, authentication, request
// modifiers and response controls count only in a head, if at all, as do such as say what a body is (RFC 9110, section
// 6.5.1): who merges trailers into the head would else take them for what was checked there. Digests of the body are
// meant to come behind it (RFC 9530).
func passesInTrailers(f *h1.Field) bool {
	if f.Named || !f.ID.InTrailers() || saysClient(f.Name) {
		return false
	}
	if f.ID != h1.Unknown {
		return true
	}
	plain := strings.ReplaceAll(strings.ToLower(string(f.Name)), "_", "-")
	switch plain {
	case "authentication-info", "idempotency-key", "x-idempotency-key", "accept-ranges", "alt-svc", "refresh":
		return false
	case "content-digest":
		return true
	}
	for _, prefix := range []string{"proxy-", "if-", "content-"} {
		if strings.HasPrefix(plain, prefix) {
			return false
		}
	}
	return h1.IDOf(plain).InTrailers()
}

// connectionOptions returns a copy of what stands in the Connection field of a head.
func connectionOptions(s *h1.Section) (list []byte) {
	if !s.Has(h1.Connection) {
		return nil
	}
	for i := range s.Fields {
		if s.Fields[i].ID == h1.Connection {
			list = append(append(list, s.Fields[i].Value...), ',')
		}
	}
	return list
}

// names reports whether a list of Connection options names a field. If it is a trailer, that is for the next hop only as
// well (RFC 9110, section 7.6.1).
func names(options, field []byte) bool {
	for o := range bytes.SplitSeq(options, []byte(",")) {
		if bytes.EqualFold(bytes.TrimSpace(o), field) {
			return true
		}
	}
	return false
}

// trimAnnounced leaves in Trailer fields only the names of those that pass.
func trimAnnounced(s *h1.Section) {
	if !s.Has(h1.Trailer) {
		return
	}
	for i := range s.Fields {
		f := &s.Fields[i]
		if f.ID != h1.Trailer {
			continue
		}
		var left [][]byte
		for name := range bytes.SplitSeq(f.Value, []byte(",")) {
			name = bytes.TrimSpace(name)
			if h1.ValidToken(name) && passesInTrailers(&h1.Field{Name: name, ID: h1.IDOf(name)}) {
				left = append(left, name)
			}
		}
		f.Value = bytes.Join(left, []byte(", "))
		f.Named = f.Named || len(left) == 0 // it is not passed on
	}
}

// requestFields lets steps of a chain read what few of them ask for.
type requestFields struct {
	section *h1.Section // nil: no fields
	query   string
}

// AppendCookies appends the values of all cookies of that name, without quotes (RFC 6265, section 5.4, read leniently). They
// hold as long as the head does, as those of the others do.
func (f *requestFields) AppendCookies(dst []string, name string) []string {
	if f.section == nil || !f.section.Has(h1.Cookie) {
		return dst
	}
	for i := range f.section.Fields {
		if f.section.Fields[i].ID != h1.Cookie {
			continue
		}
		for c := range strings.SplitSeq(text(f.section.Fields[i].Value), ";") {
			if n, v, ok := strings.Cut(strings.TrimSpace(c), "="); ok && n == name {
				dst = append(dst, strings.Trim(v, `"`))
			}
		}
	}
	return dst
}

// AppendQuery appends the values of all arguments of that name, which may be parted by & or ;.
func (f *requestFields) AppendQuery(dst []string, name string) []string {
	for arg := range strings.FieldsFuncSeq(f.query, func(r rune) bool { return r == '&' || r == ';' }) {
		if n, v, _ := strings.Cut(arg, "="); decoded(n) == name {
			dst = append(dst, decoded(v))
		}
	}
	return dst
}

// AppendHeader appends the values of all fields of that name.
func (f *requestFields) AppendHeader(dst []string, name string) []string {
	if f.section == nil {
		return dst
	}
	for i := range f.section.Fields {
		line := &f.section.Fields[i]
		if !line.Named && len(line.Name) == len(name) && strings.EqualFold(text(line.Name), name) {
			dst = append(dst, text(line.Value))
		}
	}
	return dst
}

// decoded returns s without encoding, or as it is if that is malformed.
func decoded(s string) string {
	if d, err := url.QueryUnescape(s); err == nil {
		return d
	}
	return s
}
