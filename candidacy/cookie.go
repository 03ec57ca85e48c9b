package candidacy

import (
	"encoding/binary"
	"encoding/hex"
	"slices"
	"strconv"
	"strings"
	"time"

	"backhand/gossip/node"
)

const (
	defaultCookie    = "BACKHAND"
	maxCookieAge     = 400 * 24 * time.Hour // browsers keep none for longer (RFC 6265bis)
	maxCookiePath    = 255                  // bytes
	cookieAttributes = "Secure, SameSite=Lax, SameSite=Strict, SameSite=None, Max-Age=SECONDS, Path=PATH or Domain=DOMAIN"
)

func addSession() Spec {
	return Spec{
		Name: "addSession", Usage: "addSession [NAME [ATTRIBUTE ...]]",
		Doc: "Gives a client the cookie NAME (default BACKHAND) that leads it back to the member that has served it. It does so where a " +
			"bySession NAME stands in front of the steps that choose; the application need not do anything. The cookie is set when the " +
			"client has none, or when another member has served it. It is HttpOnly, SameSite=Lax, for Path=/, and ends with the " +
			"browser, and it is Secure for a client that came by https; ATTRIBUTE is any of " + cookieAttributes + " (at most " +
			"400 days). The cookie says nothing of the member's address. It is not signed: a client can choose its member by it, " +
			"and nothing else. Candidates and their order stay as they are.",
		Source: "backhand", Example: "addSession BACKHAND",
		Make: makeAddSession,
	}
}

func makeAddSession(a *Args) Step {
	c := parseCookie(a)
	set := SetCookie{Line: c.line}
	return Step{
		Ahead: Again, // it drops nobody
		Run: func(req *Request, in []*node.Member) []*node.Member {
			req.Session = set
			return in
		},
		Note: func(req *Request, m *node.Member) string {
			if c.line(req, m) == "" {
				return "the client has its cookie"
			}
			return "cookie " + c.session.name + "=" + mark(m)
		},
		OnlyFirst: true,
	}
}

// cookie is addSession with its arguments.
type cookie struct {
	session    session
	attributes string // as they stand behind the value
}

func parseCookie(a *Args) *cookie {
	c := &cookie{session: session{name: strings.TrimSuffix(a.Word(defaultCookie), "=")}}
	if name := c.session.name; !isToken(name) || len(name) > maxSessionName {
		a.Fail("NAME is %q, want the name of a cookie, at most %d bytes", name, maxSessionName)
	}
	given := map[string]string{"path": "/", "samesite": "Lax"}
	for w := a.Word(""); w != ""; w = a.Word("") {
		key, value, _ := strings.Cut(w, "=")
		key = strings.ToLower(key)
		if !validAttribute(key, value, w) {
			a.Fail("%q is no attribute of a cookie, want %s", w, cookieAttributes)
		}
		given[key] = value
	}
	if _, secure := given["secure"]; given["samesite"] == "None" && !secure {
		a.Fail("browsers take SameSite=None only with Secure")
	}
	for _, key := range []string{"Path", "Domain", "Max-Age", "SameSite"} {
		if v, ok := given[strings.ToLower(key)]; ok {
			c.attributes += "; " + key + "=" + v
		}
	}
	if _, secure := given["secure"]; secure {
		c.attributes += "; Secure"
	}
	c.attributes += "; HttpOnly"
	return c
}

// pathCharacters are those of a path (RFC 3986, section 3.3) that no cookie gives a meaning of its own.
const pathCharacters = "/abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~!$&'()*+=:@%"

func validAttribute(key, value, word string) bool {
	switch key {
	case "secure":
		return !strings.Contains(word, "=")
	case "samesite":
		return value == "Lax" || value == "Strict" || value == "None"
	case "max-age":
		s, err := strconv.ParseUint(value, 10, 32)
		return err == nil && s > 0 && time.Duration(s)*time.Second <= maxCookieAge
	case "domain":
		return validHostName(value)
	case "path":
		return strings.HasPrefix(value, "/") && len(value) <= maxCookiePath && strings.Trim(value, pathCharacters) == ""
	}
	return false
}

// line returns what stands in Set-Cookie, or "" if the client has that cookie.
func (c *cookie) line(req *Request, m *node.Member) string {
	own := mark(m)
	if slices.Contains(req.cookies(c.session.name), own) {
		return ""
	}
	return c.session.name + "=" + own + c.attributes
}

// markLetter begins a mark. It is no hexadecimal digit, so that no mark is an address.
const markLetter = 'm'

// mark returns what stands in the cookie for a member: m and the 16 hexadecimal digits of its hash. It stays the same as long
// as the node has its ID, or the physical its name.
func mark(m *node.Member) string {
	b := make([]byte, 0, 8)
	return string(markLetter) + hex.EncodeToString(binary.BigEndian.AppendUint64(b, m.Hash))
}

// markOf returns the hash of the member whose mark a value is.
func markOf(value string) (hash uint64, ok bool) {
	var b [8]byte
	if len(value) != 1+2*len(b) || value[0] != markLetter {
		return 0, false
	}
	if _, err := hex.Decode(b[:], []byte(value[1:])); err != nil {
		return 0, false
	}
	return binary.BigEndian.Uint64(b[:]), true
}
