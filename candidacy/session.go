package candidacy

import (
	"encoding/hex"
	"net/netip"
	"slices"
	"strings"

	"backhand/gossip/node"
)

// What bySession reads. Nothing longer is a name that anybody gives a session.
const (
	defaultSession = "PHPSESSID="
	maxSessionName = 64
)

// drainingBeats is for how many of its intervals a draining member may be silent and still keep its sessions: it is no
// candidate, so that byAge, in front of bySession, never saw it.
const drainingBeats = 6

func bySession() Spec {
	return Spec{
		Name: "bySession", Usage: "bySession [NAME]",
		Doc: "Keeps only the member that the client's session belongs to: the first whose IP address begins the value of the " +
			"cookie NAME (default PHPSESSID=), or else of the query argument of that name, or of a path parameter " +
			"(/cart;NAME=...), as 8 hexadecimal digits for IPv4 (0a000005 is 10.0.0.5, each octet two digits) or 32 for IPv6. " +
			"The rest of the value is free. The cookie of addSession is understood as well. A draining member keeps its " +
			"sessions. One of a physical that is off, down or out goes to that physical's forward, if the file has one. Without a " +
			"session, or if it names no candidate, the list stays as it is.",
		Source: "README.bySession; path parameters are ours", Example: "bySession PHPSESSID=",
		Make: makeBySession,
	}
}

func makeBySession(a *Args) Step {
	name := strings.TrimSuffix(a.Word(defaultSession), "=")
	if name == "" || len(name) > maxSessionName || strings.ContainsAny(name, `=;,&"\`) {
		a.Fail("NAME is %q, want the name of a cookie, at most %d bytes", name, maxSessionName)
	}
	s := session{name: name}
	return Step{Run: s.keepOwner, Note: s.note, Why: "the session belongs to another"}
}

// session is the cookie or query argument that says to whom a session belongs.
type session struct{ name string }

func (s session) keepOwner(req *Request, in []*node.Member) []*node.Member {
	if m := s.owner(req, in); m != nil {
		return append(in[:0], m)
	}
	if f := s.forward(req); !f.IsZero() {
		req.Forward = f
	}
	return in
}

// forward returns where a session goes that belongs to a physical which is off, down or out; zero if the file has it nowhere.
func (s session) forward(req *Request) node.Forward {
	members := req.farm().Members
	for i, m := range members {
		if f := forwardOf(m); !f.IsZero() && s.owner(req, members[i:i+1]) == m {
			return f
		}
	}
	return node.Forward{}
}

// forwardOf returns where the requests of a physical go while it is off, down or out; zero if it is neither, or if the file has
// it nowhere. Nodes have none. One that merely drains keeps its sessions.
func forwardOf(m *node.Member) node.Forward {
	if m.Physical == nil {
		return node.Forward{}
	}
	switch s := &m.Physical.Standing; {
	case s.Off:
		return m.Physical.Forwards.Off
	case s.Down || s.Out:
		return m.Physical.Forwards.Down
	}
	return node.Forward{}
}

// owner returns the first member that a value names, or nil.
func (s session) owner(req *Request, in []*node.Member) *node.Member {
	if m := firstOwner(req.cookies(s.name), req, in); m != nil {
		return m
	}
	if m := firstOwner(req.query(s.name), req, in); m != nil {
		return m
	}
	return firstOwner(req.pathParameters(s.name), req, in)
}

func firstOwner(values []string, req *Request, in []*node.Member) *node.Member {
	for _, value := range values {
		if m := ownerOf(value, req, in); m != nil {
			return m
		}
	}
	return nil
}

func (s session) note(req *Request, m *node.Member) string {
	if s.owner(req, []*node.Member{m}) != m {
		return ""
	}
	if addr, ok := m.Addr(); ok {
		return "is " + addr.String()
	}
	return "is named by its cookie"
}

// pathParameters returns those of that name: of /a;x=1;y=2/b;x=3, x is 1 and 3. Servlets have no other place for the session
// of a client without cookies.
func (r *Request) pathParameters(name string) []string {
	r.values = r.values[:0]
	for _, rest, found := strings.Cut(r.Path, ";"); found; _, rest, found = strings.Cut(rest, ";") {
		word, _, _ := strings.Cut(rest, ";")
		word, _, _ = strings.Cut(word, "/")
		if n, v, ok := strings.Cut(word, "="); ok && n == name {
			r.values = append(r.values, v)
		}
	}
	return r.values
}

// ownerOf returns the member that a session's value names: a candidate, or else a draining one that was not tried yet.
func ownerOf(value string, req *Request, in []*node.Member) *node.Member {
	if m := sessionMember(in, value); m != nil || req.Farm == nil {
		return m
	}
	m := sessionMember(req.Farm.Draining, value)
	if m == nil || wasTried(m, req.tried) || (Age{Beats: drainingBeats}).exceeded(m, req.Now) {
		return nil
	}
	return m
}

// sessionMember returns the first member whose address begins the value, or whose mark it is. The longer form goes
// first: of 32 digits that name no IPv6 member, the first 8 may be an IPv4 address and the rest the application's.
func sessionMember(members []*node.Member, value string) *node.Member {
	if hash, ok := markOf(value); ok {
		i := slices.IndexFunc(members, func(m *node.Member) bool { return m.Hash == hash })
		if i < 0 {
			return nil
		}
		return members[i]
	}
	for _, digits := range [...]int{32, 8} {
		addr, ok := hexAddr(value, digits)
		if !ok {
			continue
		}
		for _, m := range members {
			if a, ok := m.Addr(); ok && a.Unmap() == addr {
				return m
			}
		}
	}
	return nil
}

// hexAddr returns the IP address that so many hexadecimal digits at the start of a value are.
func hexAddr(value string, digits int) (netip.Addr, bool) {
	if len(value) < digits {
		return netip.Addr{}, false
	}
	var b [16]byte
	if _, err := hex.Decode(b[:], []byte(value[:digits])); err != nil {
		return netip.Addr{}, false
	}
	addr, ok := netip.AddrFromSlice(b[:digits/2])
	return addr.Unmap(), ok
}
