package proxy

import (
	"strings"
)

const upperHex = "0123456789ABCDEF"

// target splits a request's target, as it came, into path and query. Of the absolute form (RFC 9112, section 3.2.2) the
// host is left away. ok is false for what names no path, or another scheme than http and https.
func target(s string) (path, query string, ok bool) {
	if !strings.HasPrefix(s, "/") {
		scheme, rest, found := strings.Cut(s, "://")
		if !found || !strings.EqualFold(scheme, "http") && !strings.EqualFold(scheme, "https") {
			return "", "", false
		}
		i := strings.IndexAny(rest, "/?")
		if i == 0 || rest == "" {
			return "", "", false // without host (RFC 9110, section 4.2.1)
		}
		if i < 0 {
			return "/", "", true
		}
		s = rest[i:]
	}
	path, query, _ = strings.Cut(s, "?")
	if path == "" {
		path = "/"
	}
	return path, query, !strings.Contains(path, "#")
}

// rawReading returns the path as one reads it who resolves nothing: only letters that have no business in a path are
// encoded, and the digits of encoded ones are in upper case.
func rawReading(path string) string {
	if isPlain(path, false) {
		return path
	}
	return recode(path, false)
}

// normalReading returns the path with unreserved characters decoded (RFC 3986, section 6.2.2.2) and dot segments
// removed (section 5.2.4). %2F and %5C stay as they are: decoded, they would be new segments.
func normalReading(path string) string {
	if isPlain(path, true) {
		return path
	}
	return removeDots(recode(path, true))
}

// mergedReading returns the path as those read it to whom a backslash is a slash, and several slashes one; then as
// normalReading. For a path without such it is what normalReading returns.
func mergedReading(path string) string {
	if strings.IndexByte(path, '\\') < 0 && !strings.Contains(path, "//") {
		return normalReading(path)
	}
	b := make([]byte, 0, len(path))
	for i := range len(path) {
		c := path[i]
		if c == '\\' {
			c = '/'
		}
		if c == '/' && len(b) > 0 && b[len(b)-1] == '/' {
			continue
		}
		b = append(b, c)
	}
	return normalReading(string(b))
}

// otherReadings returns how a path may be read besides as normalReading has it.
func otherReadings(path string) [2]string { return [2]string{rawReading(path), mergedReading(path)} }

// isPlain reports whether the path needs no work; that of nearly every request is so.
func isPlain(path string, dots bool) bool {
	for i := range len(path) {
		switch c := path[i]; {
		case c == '%', !isPathByte(c):
			return false
		case dots && c == '.' && i > 0 && path[i-1] == '/':
			return false
		}
	}
	return true
}

// recode encodes what must be encoded, and decodes unreserved characters if decode is set.
func recode(path string, decode bool) string {
	b := make([]byte, 0, len(path)+8)
	for i := 0; i < len(path); i++ {
		c := path[i]
		encoded := false
		if c == '%' && i+2 < len(path) {
			hi, lo := unhex(path[i+1]), unhex(path[i+2])
			if encoded = hi >= 0 && lo >= 0; encoded {
				c = byte(hi<<4 | lo)
				i += 2
			}
		}
		if isPathByte(c) && (!encoded || decode && isUnreserved(c)) {
			b = append(b, c)
			continue
		}
		b = append(b, '%', upperHex[c>>4], upperHex[c&15])
	}
	return string(b)
}

// removeDots is remove_dot_segments of RFC 3986, section 5.2.4, for a path that begins with a slash.
func removeDots(path string) string {
	var out []string
	segments := strings.Split(path[1:], "/")
	for i, s := range segments {
		last := i == len(segments)-1
		switch s {
		case ".":
		case "..":
			out = out[:max(0, len(out)-1)]
		default:
			out = append(out, s)
			continue
		}
		if last {
			out = append(out, "")
		}
	}
	return "/" + strings.Join(out, "/")
}

// isUnreserved: RFC 3986, section 2.3.
func isUnreserved(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte("-._~", c) >= 0
}

// isPathByte: pchar of RFC 3986, section 3.3, and the slash, without the percent sign.
func isPathByte(c byte) bool {
	return isUnreserved(c) || strings.IndexByte("/!$&'()*+,;=:@", c) >= 0
}

func unhex(c byte) int {
	switch {
	case '0' <= c && c <= '9':
		return int(c - '0')
	case 'a' <= c && c <= 'f':
		return int(c-'a') + 10
	case 'A' <= c && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}
