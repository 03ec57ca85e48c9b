package h1

// ID names a field that somebody on the way of a message looks at. The zero value is any other field.
type ID uint8

// The known fields. Those that the parsers read themselves come first.
const (
	Unknown ID = iota

	Host
	ContentLength
	TransferEncoding
	Connection
	Upgrade
	Expect
	TE
	MaxForwards

	KeepAlive
	ProxyConnection
	ProxyAuthenticate
	ProxyAuthorization
	HTTP2Settings

	BackhandHop
	BackhandLoad
	BackhandLimit
	BackhandRefused
	BackhandProof
	BackhandOther // any other name that begins with Backhand-, or with an underscore for a hyphen

	Forwarded
	XForwardedFor
	XForwardedHost
	XForwardedProto
	XForwardedOther // any other name that begins with X-Forwarded-, or with an underscore for a hyphen
	Via

	Trailer
	Cookie
	SetCookie
	Authorization
	WWWAuthenticate
	CacheControl
	Pragma
	Range
	IfMatch
	IfNoneMatch
	IfModifiedSince
	IfUnmodifiedSince
	IfRange
	Age
	Date
	Expires
	Location
	RetryAfter
	Vary
	Warning
	ContentType
	ContentEncoding
	ContentRange

	Server
	UserAgent
	Referer
	Accept
	AcceptEncoding
	AcceptLanguage

	ids // how many there are
)

// Section.seen has a bit for each.
const _ = uint8(64 - ids)

// What becomes of a field on its way.
const (
	hopByHop  = 1 << iota // for the next recipient only: RFC 9110, section 7.6.1
	headOnly              // not in trailers
	forwarder             // X-Forwarded-* and Forwarded
	ours                  // Backhand-*
)

// known says of each ID its name and what becomes of it. Trailers must not carry what frames, routes, modifies or
// authenticates a message or says how its content is read (RFC 9110, section 6.5.1), since whoever merged them into the
// head would change it after the decision.
var known = [ids]struct {
	name string
	what uint8
}{
	Host:             {"Host", headOnly},
	ContentLength:    {"Content-Length", headOnly},
	TransferEncoding: {"Transfer-Encoding", hopByHop | headOnly},
	Connection:       {"Connection", hopByHop | headOnly},
	Upgrade:          {"Upgrade", hopByHop | headOnly},
	Expect:           {"Expect", headOnly},
	TE:               {"TE", hopByHop | headOnly},
	MaxForwards:      {"Max-Forwards", headOnly},

	KeepAlive:          {"Keep-Alive", hopByHop | headOnly},
	ProxyConnection:    {"Proxy-Connection", hopByHop | headOnly},
	ProxyAuthenticate:  {"Proxy-Authenticate", hopByHop | headOnly},
	ProxyAuthorization: {"Proxy-Authorization", hopByHop | headOnly},
	HTTP2Settings:      {"HTTP2-Settings", hopByHop | headOnly},

	BackhandHop:     {"Backhand-Hop", ours | headOnly},
	BackhandLoad:    {"Backhand-Load", ours | headOnly},
	BackhandLimit:   {"Backhand-Limit", ours | headOnly},
	BackhandRefused: {"Backhand-Refused", ours | headOnly},
	BackhandProof:   {"Backhand-Proof", ours | headOnly},
	BackhandOther:   {"", ours | headOnly},

	Forwarded:       {"Forwarded", forwarder | headOnly},
	XForwardedFor:   {"X-Forwarded-For", forwarder | headOnly},
	XForwardedHost:  {"X-Forwarded-Host", forwarder | headOnly},
	XForwardedProto: {"X-Forwarded-Proto", forwarder | headOnly},
	XForwardedOther: {"", forwarder | headOnly},
	Via:             {"Via", headOnly},

	Trailer:           {"Trailer", headOnly},
	Cookie:            {"Cookie", headOnly},
	SetCookie:         {"Set-Cookie", headOnly},
	Authorization:     {"Authorization", headOnly},
	WWWAuthenticate:   {"WWW-Authenticate", headOnly},
	CacheControl:      {"Cache-Control", headOnly},
	Pragma:            {"Pragma", headOnly},
	Range:             {"Range", headOnly},
	IfMatch:           {"If-Match", headOnly},
	IfNoneMatch:       {"If-None-Match", headOnly},
	IfModifiedSince:   {"If-Modified-Since", headOnly},
	IfUnmodifiedSince: {"If-Unmodified-Since", headOnly},
	IfRange:           {"If-Range", headOnly},
	Age:               {"Age", headOnly},
	Date:              {"Date", headOnly},
	Expires:           {"Expires", headOnly},
	Location:          {"Location", headOnly},
	RetryAfter:        {"Retry-After", headOnly},
	Vary:              {"Vary", headOnly},
	Warning:           {"Warning", headOnly},
	ContentType:       {"Content-Type", headOnly},
	ContentEncoding:   {"Content-Encoding", headOnly},
	ContentRange:      {"Content-Range", headOnly},

	Server:         {"Server", 0},
	UserAgent:      {"User-Agent", 0},
	Referer:        {"Referer", 0},
	Accept:         {"Accept", 0},
	AcceptEncoding: {"Accept-Encoding", 0},
	AcceptLanguage: {"Accept-Language", 0},
}

// String returns the name as it is usually written, or "" if the ID stands for more than one name.
func (id ID) String() string { return known[id].name }

// HopByHop reports whether the field is for the next recipient only and is never passed on. Those that Connection names
// are so too, see Field.Named.
func (id ID) HopByHop() bool { return known[id].what&hopByHop != 0 }

// InTrailers reports whether the field may be passed on in a trailer section.
func (id ID) InTrailers() bool { return known[id].what&headOnly == 0 }

// Ours reports whether the field is one of Backhand-*.
func (id ID) Ours() bool { return known[id].what&ours != 0 }

// Forwarder reports whether the field tells who forwarded the request and for whom: Forwarded, and all of X-Forwarded-*.
func (id ID) Forwarder() bool { return known[id].what&forwarder != 0 }

// IDOf returns the ID of a field's name in any case. The name must be a token, as those of parsed fields are.
func IDOf[S ~string | ~[]byte](name S) ID { return identify([]byte(name)) }

// identify finds a name by its length and its first and last letter, which hardly two of the known ones share, and then
// compares.
func identify(name []byte) ID {
	if len(name) == 0 {
		return Unknown
	}
	for id := byShape.first[shape(len(name), name[0], name[len(name)-1])]; id != Unknown; id = byShape.next[id] {
		if sameName(name, known[id].name) {
			return id
		}
	}
	switch name[0] | 0x20 {
	case 'b':
		if hasPrefix(name, "backhand-") {
			return BackhandOther
		}
	case 'x':
		if hasPrefix(name, "x-forwarded-") {
			return XForwardedOther
		}
	}
	return Unknown
}

// byShape is a hash table of the known names, made once.
var byShape = makeShapes()

type shapes struct {
	first [256]ID // by shape
	next  [ids]ID // those of the same shape, one after the other
}

func makeShapes() (s shapes) {
	for id := Unknown + 1; id < ids; id++ {
		name := known[id].name
		if name == "" {
			continue
		}
		at := shape(len(name), name[0], name[len(name)-1])
		s.next[id], s.first[at] = s.first[at], id
	}
	return s
}

func shape(length int, first, last byte) uint8 {
	return uint8(length)*9 ^ (first|0x20)<<3 ^ (last|0x20)*5
}

// sameName reports whether two tokens are equal but for the case of letters. For characters of a token, setting bit 5
// makes only a letter's two cases equal, of what a known name may hold: letters, digits and hyphens.
func sameName[S ~string | ~[]byte](name []byte, known S) bool {
	if len(name) != len(known) {
		return false
	}
	for i, c := range name {
		if c|0x20 != known[i]|0x20 {
			return false
		}
	}
	return true
}

// hasPrefix reports whether a name begins with what is given in lower case. An underscore counts as a hyphen: CGI makes
// the same variable of both.
func hasPrefix(name []byte, prefix string) bool {
	if len(name) < len(prefix) {
		return false
	}
	for i := range len(prefix) {
		c := name[i]
		if c == '_' {
			c = '-'
		}
		if c|0x20 != prefix[i] {
			return false
		}
	}
	return true
}
