package proxy

import (
	"net/url"
	"strings"

	"backhand/gossip/node"
	"backhand/proxy/h1"
)

// What members of a route that rewrites say of their URLs is of no use to clients: they have other paths, and perhaps hosts
// that nobody outside knows. So these fields of a response are mapped back, as ProxyPassReverse and its kind did:
//
//	Location, Content-Location, Refresh   a URL whose host is that of a member, or the farm's name; also a path alone, and one
//	                                      behind the host that the client asked for
//	Set-Cookie                            Domain, if it is the host of a member or the farm's name, is dropped, so that the
//	                                      cookie is for the host alone that the client asked for; Path is mapped
//
// A path is mapped if it is what members have in place of the route's, or below: that of the member's own URL, if it has one,
// with To behind it. What else there is stays as it is, and so does what cannot be read without doubt:
// anybody may have had a hand in a URL that an application sends.

// mapping leads from what members say to what clients know.
type mapping struct {
	public string // path, without slash at the end
	base   string // what the member's URL has before all paths, likewise
	to     string // what members have in place of public, behind that, likewise
	scheme string // http or https, of the client
	site   string // host, and port, that the client asked for; "": it did not say
	host   string // that members were told it is; "": likewise

	farms   [2]string // names by which the farm may call itself
	members []*node.Member
	own     *url.URL // of our own origin, if it is that which answers; else nil
}

// mapBack maps the head of a response.
func (x *exchange) mapBack() {
	if x.to == nil && x.ho.base() == "" || x.ho.instead != nil {
		return
	}
	var m *mapping
	for i := range x.res.Fields {
		f := &x.res.Fields[i]
		by := mapperOf(f)
		if by == nil {
			continue
		}
		if m == nil {
			m = x.mapping()
		}
		if value, ok := by(m, text(f.Value)); ok {
			f.Value = []byte(value)
		}
	}
}

// mapperOf returns what maps the value of a field; nil if it is not mapped.
func mapperOf(f *h1.Field) func(m *mapping, value string) (mapped string, ok bool) {
	switch {
	case f.ID == h1.Location, f.ID == h1.Unknown && equalFold(f.Name, "Content-Location"):
		return (*mapping).url
	case f.ID == h1.Unknown && equalFold(f.Name, "Refresh"):
		return (*mapping).refresh
	case f.ID == h1.SetCookie:
		return (*mapping).cookie
	}
	return nil
}

// base returns the path in the member's URL.
func (ho *handover) base() string {
	if ho.member == nil {
		return ""
	}
	return ho.member.Path()
}

func (x *exchange) mapping() *mapping {
	m := &mapping{
		base: x.ho.base(), scheme: x.client.Proto, site: x.client.Host, host: x.host,
		farms: [2]string{x.route.Farm, x.out.Farm},
	}
	if x.to != nil {
		m.public, m.to = x.route.prefix, x.route.to
	}
	if !h1.ValidHost([]byte(m.site)) { // a proxy in front may have said anything
		m.site = m.host
	}
	if f := x.h.cfg.Snapshot().Farm(x.out.Farm); f != nil {
		m.members = f.Members
	}
	if o := x.ho.origin; o != nil {
		m.own = o.URL
	}
	return m
}

// url maps a URL, or a path alone. ok is false if it stays as it is.
func (m *mapping) url(s string) (mapped string, ok bool) {
	if !visible(s) || strings.IndexByte(s, '\\') >= 0 {
		return "", false // browsers drop white space, and turn backslashes: what we read is not what they do
	}
	scheme, rest, ok := cutScheme(s)
	authority, more, hasHost := cutAuthority(rest)
	switch {
	case !ok, scheme != "" && !hasHost, hasHost && !h1.ValidHost([]byte(authority)):
		return "", false
	case !hasHost:
		return m.pathAlone(rest)
	}
	if name := bare(scheme, authority); !strings.EqualFold(name, bare(m.scheme, m.host)) {
		more, ok = m.ours(name, more)
		return m.scheme + "://" + m.site + more, ok && m.site != ""
	}
	if more, ok = m.path(more); !ok {
		return "", false
	}
	return s[:len(s)-len(rest)] + "//" + authority + more, true
}

// ours maps a path at a host, if that is one of ours. If it is not below the path of the member that answers, it may be below
// that of another one there.
func (m *mapping) ours(authority, path string) (mapped string, ok bool) {
	if !m.isOurs(authority) {
		return "", false
	}
	if mapped, ok = m.path(path); ok {
		return mapped, true
	}
	for _, member := range m.members {
		if member.Path() != m.base && strings.EqualFold(authority, bare(schemeOf(member), member.HostPort())) {
			if mapped, ok = m.pathBelow(member.Path(), path); ok {
				return mapped, true
			}
		}
	}
	return "", false
}

// pathAlone maps a path. One that would then read as a host gets the client's before it.
func (m *mapping) pathAlone(s string) (mapped string, ok bool) {
	if !strings.HasPrefix(s, "/") {
		return "", false // relative to a path that the client knows by another name, but as deep
	}
	mapped, ok = m.path(s)
	if ok && strings.HasPrefix(mapped, "//") {
		return m.scheme + "://" + m.site + mapped, m.site != ""
	}
	return mapped, ok
}

// path maps a path with what stands behind it. ok is false if it is not what the member has in place of public, or below.
func (m *mapping) path(s string) (mapped string, ok bool) { return m.pathBelow(m.base, s) }

// pathBelow maps a path at a member whose URL has another path.
func (m *mapping) pathBelow(base, s string) (mapped string, ok bool) {
	n := strings.IndexAny(s, "?#")
	if n < 0 {
		n = len(s)
	}
	rest, ok := m.behind(base, s[:n])
	if !ok || climbs(rest) {
		return "", false
	}
	mapped = m.public + rest
	if mapped == "" {
		mapped = "/"
	}
	return mapped + s[n:], true
}

// behind returns what of a path stands behind base and To; ok is false if they are not its first segments.
func (m *mapping) behind(base, path string) (rest string, ok bool) {
	if rest, ok = strings.CutPrefix(path, base); ok {
		rest, ok = strings.CutPrefix(rest, m.to)
	}
	return rest, ok && (rest == "" || rest[0] == '/')
}

// refresh maps the URL in a value such as 5; url=/app/x, with or without quotes.
func (m *mapping) refresh(s string) (mapped string, ok bool) {
	at := strings.IndexAny(s, "; ,\t")
	if at < 0 {
		return "", false
	}
	at += len(s[at:]) - len(strings.TrimLeft(s[at:], " \t"))
	if at < len(s) && (s[at] == ';' || s[at] == ',') {
		at++
	}
	u := strings.TrimLeft(s[at:], " \t")
	if len(u) > len("url") && strings.EqualFold(u[:len("url")], "url") {
		if v, is := strings.CutPrefix(strings.TrimLeft(u[len("url"):], " \t"), "="); is {
			u = strings.TrimLeft(v, " \t")
		}
	}
	if u != "" && (u[0] == '"' || u[0] == '\'') {
		quote := u[0]
		u = u[1:]
		if end := strings.IndexByte(u, quote); end >= 0 {
			to, ok := m.url(u[:end])
			return s[:len(s)-len(u)] + to + u[end:], ok
		}
	}
	to, ok := m.url(u)
	return s[:len(s)-len(u)] + to, ok
}

// cookie maps a cookie's Path, and drops a Domain that only members have.
func (m *mapping) cookie(s string) (mapped string, ok bool) {
	first, rest, more := strings.Cut(s, ";")
	if !more {
		return "", false
	}
	var b strings.Builder
	b.WriteString(first)
	keepPath := strings.HasPrefix(strings.ToLower(strings.TrimSpace(first)), "__host-") // has none but the root
	for attribute := range strings.SplitSeq(rest, ";") {
		name, value, _ := strings.Cut(attribute, "=")
		switch value = strings.TrimSpace(value); strings.ToLower(strings.TrimSpace(name)) {
		case "domain":
			if m.isOurName(strings.TrimPrefix(value, ".")) {
				ok = true
				continue
			}
		case "path":
			if p, is := m.cookiePath(value); is && !keepPath {
				attribute, ok = name+"="+p, true
			}
		}
		b.WriteByte(';')
		b.WriteString(attribute)
	}
	return b.String(), ok
}

// cookiePath maps the path of a cookie. That for all that members have is for all that the client knows of them, with and
// without a slash at the end.
func (m *mapping) cookiePath(s string) (mapped string, ok bool) {
	if s == "" || s[0] != '/' || strings.IndexByte(m.public, ';') >= 0 {
		return "", false
	}
	if s == "/" && m.base+m.to == "" && m.public != "" {
		return m.public, true
	}
	rest, ok := m.behind(m.base, s)
	if !ok {
		return "", false
	}
	if m.public+rest == "" {
		return "/", true
	}
	return m.public + rest, true
}

// isOurs reports whether that is a member, or the farm itself.
func (m *mapping) isOurs(authority string) bool {
	for _, name := range m.farms {
		if strings.EqualFold(authority, name) {
			return true
		}
	}
	for _, member := range m.members {
		if strings.EqualFold(authority, bare(schemeOf(member), member.HostPort())) {
			return true
		}
	}
	return m.own != nil && strings.EqualFold(authority, bare(m.own.Scheme, m.own.Host))
}

// isOurName reports whether a cookie's domain is the host of a member, or the farm itself, and not that of the client.
func (m *mapping) isOurName(domain string) bool {
	if domain == "" || strings.EqualFold(domain, hostName(m.site)) {
		return false
	}
	for _, name := range m.farms {
		if strings.EqualFold(domain, name) {
			return true
		}
	}
	for _, member := range m.members {
		if strings.EqualFold(domain, hostName(member.HostPort())) {
			return true
		}
	}
	return m.own != nil && strings.EqualFold(domain, m.own.Hostname())
}

func schemeOf(m *node.Member) string {
	switch {
	case m.URL != nil:
		return m.URL.Scheme
	case m.Node.TLS:
		return "https"
	}
	return "http"
}

// cutScheme cuts the scheme off a URL, if it has one. ok is false if that is none of HTTP's.
func cutScheme(s string) (scheme, rest string, ok bool) {
	i := strings.IndexAny(s, ":/?#")
	if i < 0 || s[i] != ':' {
		return "", s, true
	}
	scheme = strings.ToLower(s[:i])
	return scheme, s[i+1:], scheme == "http" || scheme == "https"
}

// cutAuthority parts what stands between two slashes and the path. ok is false if there are no two slashes.
func cutAuthority(s string) (authority, path string, ok bool) {
	s, ok = strings.CutPrefix(s, "//")
	if !ok {
		return "", s, false
	}
	n := strings.IndexAny(s, "/?#")
	switch {
	case n < 0:
		return s, "/", true
	case s[n] != '/':
		return s[:n], "/" + s[n:], true
	}
	return s[:n], s[n:], true
}

// bare returns an authority without the port that the scheme implies.
func bare(scheme, authority string) string {
	implied := ":80"
	if scheme == "https" {
		implied = ":443"
	}
	return strings.TrimSuffix(strings.TrimSuffix(authority, implied), ":")
}
