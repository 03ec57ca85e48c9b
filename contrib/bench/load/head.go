package load

import (
	"bytes"
	"errors"
)

// head is what matters of the head of an answer.
type head struct {
	size   int   // bytes of the head, the empty line included
	ok     bool  // HTTP/1.1 with status 200
	closes bool  // the connection ends with this answer
	length int64 // of the body
}

var (
	errPartial  = errors.New("the head is not complete")
	errNoLength = errors.New("no usable Content-Length")
)

// parseHead reads the head at the beginning of b. Without a Content-Length that says how long the body is, the error is
// errNoLength, and ok is still right.
func parseHead(b []byte) (h head, err error) {
	end := bytes.Index(b, []byte("\r\n\r\n"))
	if end < 0 {
		return head{}, errPartial
	}
	h.size = end + 4
	h.length = -1
	line, rest := cutLine(b[:end])
	h.ok = len(line) >= 12 && string(line[:12]) == "HTTP/1.1 200" && (len(line) == 12 || line[12] == ' ')
	for len(rest) > 0 {
		line, rest = cutLine(rest)
		if len(line) == 0 || line[0]|0x20 != 'c' && line[0]|0x20 != 't' {
			continue
		}
		if v, is := field(line, "content-length"); is {
			n, fine := number(v)
			if !fine || h.length >= 0 && h.length != n {
				return h, errNoLength
			}
			h.length = n
		} else if v, is := field(line, "connection"); is {
			h.closes = h.closes || bytes.EqualFold(v, []byte("close"))
		} else if _, is := field(line, "transfer-encoding"); is {
			return h, errNoLength // chunked, most likely: the origin does not, so a proxy need not
		}
	}
	if h.length < 0 {
		return h, errNoLength
	}
	return h, nil
}

func cutLine(b []byte) (line, rest []byte) {
	line, rest, _ = bytes.Cut(b, []byte("\r\n"))
	return line, rest
}

// field returns the value if the line is the field of that name, which is given in lower case.
func field(line []byte, name string) (value []byte, is bool) {
	if len(line) <= len(name) || line[len(name)] != ':' || !bytes.EqualFold(line[:len(name)], []byte(name)) {
		return nil, false
	}
	return bytes.Trim(line[len(name)+1:], " \t"), true
}

// number reads a length of at most 18 digits.
func number(b []byte) (n int64, ok bool) {
	if len(b) == 0 || len(b) > 18 {
		return 0, false
	}
	for _, c := range b {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + int64(c-'0')
	}
	return n, true
}
