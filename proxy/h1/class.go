package h1

import "encoding/binary"

// What an octet may be part of.
const (
	isToken  = 1 << iota // tchar: RFC 9110, section 5.6.2
	isTarget             // a path or a query, see doc.go
	isHost               // unreserved and sub-delims: RFC 3986, section 3.2.2, less percent-encoding
	isHex                // HEXDIG in either case
	isText               // field-vchar, obs-text, SP and HTAB: RFC 9110, section 5.5
	isQuoted             // qdtext: RFC 9110, section 5.6.4
)

// class is what each octet is, made once.
var class = classes()

func classes() (t [256]uint8) {
	for i := range t {
		c := byte(i)
		alnum := '0' <= c && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'z'
		visible := 0x21 <= c && c <= 0x7e
		add := func(yes bool, what uint8) {
			if yes {
				t[i] |= what
			}
		}
		add(alnum || anyOf(c, "!#$%&'*+-.^_`|~"), isToken)
		add(visible && c != '#', isTarget)
		add(alnum || anyOf(c, "-._~!$&'()*+,;="), isHost)
		add('0' <= c && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'f', isHex)
		add(visible || c >= 0x80 || c == ' ' || c == '\t', isText)
		add((visible || c >= 0x80 || c == ' ' || c == '\t') && c != '"' && c != '\\', isQuoted)
	}
	return t
}

func anyOf(c byte, set string) bool {
	for i := range len(set) {
		if set[i] == c {
			return true
		}
	}
	return false
}

// span returns how many octets b begins with that are all of the class.
func span(b []byte, what uint8) int {
	for i, c := range b {
		if class[c]&what == 0 {
			return i
		}
	}
	return len(b)
}

// ValidToken reports whether b can be a method, a field's name or an option (RFC 9110, section 5.6.2).
func ValidToken(b []byte) bool { return len(b) > 0 && span(b, isToken) == len(b) }

const (
	eachByte = 0x0101010101010101
	topBits  = 0x8080808080808080
)

// ValidValue reports whether b can be a field's value (RFC 9110, section 5.5), white space around it aside. Most
// values are long and valid, so eight octets are looked at together, and one by one only where one may be a control
// character.
func ValidValue(b []byte) bool {
	for len(b) >= 8 {
		w := binary.LittleEndian.Uint64(b)
		control := (w - 0x20*eachByte) &^ w // top bit set if any octet is below 0x20
		del := w ^ 0x7f*eachByte
		del = (del - eachByte) &^ del // top bit set if any octet is 0x7f
		if (control|del)&topBits != 0 && span(b[:8], isText) < 8 {
			return false
		}
		b = b[8:]
	}
	return span(b, isText) == len(b)
}

// trim returns b without spaces and tabs around it, and without room to append to.
func trim(b []byte) []byte {
	for len(b) > 0 && (b[0] == ' ' || b[0] == '\t') {
		b = b[1:]
	}
	for len(b) > 0 && (b[len(b)-1] == ' ' || b[len(b)-1] == '\t') {
		b = b[:len(b)-1]
	}
	return b[:len(b):len(b)]
}
