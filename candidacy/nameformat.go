package candidacy

import (
	"strconv"
	"strings"

	"backhand/gossip/node"
)

// maxFormat is the most bytes of a FORMAT: what is longer makes no valid host name.
const maxFormat = 255

// nameFormat makes a host name of a member's name and of the Host that the client asked for.
type nameFormat struct {
	pieces []namePiece
	port   string // that the format ends in; "" if it names none
}

// namePiece is literal text, or one of the two names without some of its parts.
type namePiece struct {
	text  string // literal, if name is 0
	name  byte   // 'S', the member's name, or 'H', the Host
	strip int    // how many of its parts to leave away
	right bool   // strip those at the end, not at the start
}

// parseNameFormat reads text with the pieces %S, %H, %#S, %#H, %-#S and %-#H, # being one digit.
func parseNameFormat(a *Args, format string) nameFormat {
	var f nameFormat
	if len(format) > maxFormat {
		a.Fail("FORMAT is %d bytes long, want at most %d", len(format), maxFormat)
		return f
	}
	rest, port, hasPort := strings.Cut(format, ":")
	if hasPort {
		if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 || port[0] == '0' {
			a.Fail("FORMAT is %q: %q is no port, want 1 to 65535", format, port)
		}
		f.port = port
	}
	if rest == "" {
		a.Fail("FORMAT is %q, want a name in front of the port", format)
	}
	for rest != "" {
		text, piece, found := strings.Cut(rest, "%")
		if strings.ContainsFunc(text, func(r rune) bool { return r != '.' && !isHostRune(r) }) {
			a.Fail("FORMAT is %q: %q cannot stand in a host name, want letters, digits, hyphens and dots", format, text)
		}
		f.pieces = append(f.pieces, namePiece{text: text})
		if !found {
			break
		}
		p, behind, ok := parseNamePiece(piece)
		if !ok {
			a.Fail("FORMAT is %q: want S or H behind %%, or %%2S or %%-2S to leave two parts away", format)
			break
		}
		f.pieces, rest = append(f.pieces, p), behind
	}
	return f
}

// parseNamePiece reads a piece of which the % was read, and returns what stands behind it.
func parseNamePiece(s string) (p namePiece, behind string, ok bool) {
	s, p.right = strings.CutPrefix(s, "-")
	if s != "" && '0' <= s[0] && s[0] <= '9' {
		p.strip, s = int(s[0]-'0'), s[1:]
	} else if p.right {
		return p, "", false
	}
	if s == "" || s[0] != 'S' && s[0] != 'H' {
		return p, "", false
	}
	p.name = s[0]
	return p, s[1:], true
}

// host returns the name with the port to send the client to, or "" if it is no valid one.
func (f nameFormat) host(req *Request, m *node.Member) string {
	var b strings.Builder
	for _, p := range f.pieces {
		switch p.name {
		case 'S':
			b.WriteString(p.cut(m.Name))
		case 'H':
			b.WriteString(p.cut(req.Host))
		default:
			b.WriteString(p.text)
		}
	}
	switch {
	case !validHostName(b.String()):
		return ""
	case f.port != "":
		return b.String() + ":" + f.port
	}
	return withPort(b.String(), portOf(m))
}

// cut leaves parts of a name away, all of them if it has no more.
func (p namePiece) cut(name string) string {
	for range p.strip {
		at := strings.IndexByte(name, '.')
		if p.right {
			at = strings.LastIndexByte(name, '.')
		}
		switch {
		case at < 0:
			return ""
		case p.right:
			name = name[:at]
		default:
			name = name[at+1:]
		}
	}
	return name
}
