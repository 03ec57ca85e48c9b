package h1

import (
	"bytes"
	"math"
)

// Request is the head of a request. Its slices point into the buffer that was parsed.
type Request struct {
	Head

	MethodID       MethodID // which one of the known ones the method is
	Form           Form     // of the target
	Scheme         Scheme   // of a target in absolute form
	ExpectContinue bool     // the client waits for 100 before it sends the body (RFC 9110, section 10.1.1)
	TETrailers     bool     // the client takes trailers (RFC 9110, section 10.1.4)
	MaxForwards    int32    // of TRACE and OPTIONS (RFC 9110, section 7.6.2); -1 if not limited

	Method    []byte // as it came; methods are case-sensitive
	Target    []byte // as it came
	Authority []byte // of a target in absolute or authority form, else nil
	Path      []byte // begins with a slash; "*" in asterisk form; nil in authority form
	Query     []byte // with its question mark; empty if there is none

	// Host is what the request is for, with the port if it names one: the target's authority, else the Host field. It is
	// empty only in HTTP/1.0.
	Host []byte
}

// MethodID names a method that somebody asks for. The zero value is any other.
type MethodID uint8

// The methods of RFC 9110, section 9, and PATCH (RFC 5789).
const (
	OtherMethod MethodID = iota
	MethodGet
	MethodHead
	MethodPost
	MethodPut
	MethodDelete
	MethodConnect
	MethodOptions
	MethodTrace
	MethodPatch
)

// Idempotent reports whether the request may be sent again (RFC 9110, section 9.2.2).
func (m MethodID) Idempotent() bool {
	switch m {
	case MethodGet, MethodHead, MethodPut, MethodDelete, MethodOptions, MethodTrace:
		return true
	}
	return false
}

func methodID(name []byte) MethodID {
	switch string(name) {
	case "GET":
		return MethodGet
	case "HEAD":
		return MethodHead
	case "POST":
		return MethodPost
	case "PUT":
		return MethodPut
	case "DELETE":
		return MethodDelete
	case "CONNECT":
		return MethodConnect
	case "OPTIONS":
		return MethodOptions
	case "TRACE":
		return MethodTrace
	case "PATCH":
		return MethodPatch
	}
	return OtherMethod
}

const (
	maxEmptyLines = 4  // before a request line
	maxMethod     = 64 // bytes; the longest registered one has 17
)

// ParseRequest reads the head of a request from the front of buf and returns how many bytes it takes, empty lines before
// it included. The error is ErrIncomplete if more bytes are needed, else an *Error with the status to answer. See doc.go
// for what happens when it is called again.
func ParseRequest(buf []byte, lim *Limits, r *Request) (n int, err error) {
	if len(buf) == 0 {
		return 0, ErrIncomplete
	}
	if !r.progress.resumes(buf) {
		r.Reset()
		r.progress = progress{base: &buf[0], state: atStart}
	}
	v := r.read(buf, lim)
	if v == incomplete {
		return 0, ErrIncomplete
	}
	r.progress.state = over
	if v != fine {
		return 0, InRequest.err(v)
	}
	return r.progress.line, nil
}

// Reset forgets a request that came only in part. The slice of fields is kept for the next one.
func (r *Request) Reset() {
	*r = Request{Head: Head{Section: Section{Fields: r.Fields[:0]}}}
}

// Begun reports whether, of a request that is not complete, more has come than empty lines: whether its sender waits for
// an answer, or is idle.
func (r *Request) Begun() bool {
	return r.progress.state != over && r.progress.clean > r.progress.start
}

func (r *Request) read(buf []byte, lim *Limits) verdict {
	if r.progress.state == atStart {
		if v := r.readStart(buf, lim); v != fine {
			return v
		}
		r.progress.state = inFields
	}
	if v := r.readFields(buf, lim); v != fine {
		return v
	}
	return r.readKnown(lim)
}

// readStart reads the request line: method SP target SP version (RFC 9112, section 3).
func (r *Request) readStart(buf []byte, lim *Limits) verdict {
	p := &r.progress
	if p.clean == p.start {
		if v := p.skipEmptyLines(buf); v != fine {
			return v
		}
	}
	line, v := p.next(buf, p.start, lim.line(), lineTooLong)
	if v != fine {
		return v
	}
	n := span(line, isToken)
	if n == len(line) {
		return badLine
	}
	if line[n] != ' ' {
		return badMethod
	}
	rest := line[n+1:]
	if len(rest) < len(" HTTP/1.1") {
		return badLine
	}
	split := len(rest) - len(" HTTP/1.1")
	if r.Minor, v = version(rest[split+1:]); v != fine {
		return v
	}
	if rest[split] != ' ' {
		return badLine
	}
	if n > maxMethod {
		return methodTooLong // RFC 9112, section 3
	}
	r.Method, r.MethodID = line[:n:n], methodID(line[:n])
	r.Target = rest[:split:split]
	if v := r.readTarget(); v != fine {
		if bytes.IndexByte(r.Target, ' ') >= 0 {
			return badLine
		}
		return v
	}
	return fine
}

// skipEmptyLines goes to the first byte of the request line (RFC 9112, section 2.2). That byte is looked at at once: a
// client that speaks TLS or anything else may never send a line.
func (p *progress) skipEmptyLines(buf []byte) verdict {
	for p.start < len(buf) {
		switch c := buf[p.start]; {
		case c == '\n':
			return bareLF
		case c != '\r' && class[c]&isToken == 0:
			return badMethod
		case c != '\r':
			p.line, p.clean = p.start, p.start
			return fine
		case p.start+1 == len(buf):
			return incomplete
		case buf[p.start+1] != '\n':
			return badLine
		case p.start/2 == maxEmptyLines:
			return tooManyEmptyLines
		}
		p.start += 2
		p.clean = p.start
	}
	return incomplete
}

// version reads HTTP-version (RFC 9112, section 2.3) and returns the minor one: 0 or 1.
func version(b []byte) (minor uint8, v verdict) {
	const form = "HTTP/d.d"
	if len(b) != len(form) || string(b[:5]) != form[:5] || b[6] != '.' || !digit(b[5]) || !digit(b[7]) {
		return 0, badVersion
	}
	if b[5] != '1' {
		return 0, otherVersion
	}
	return min(b[7]-'0', 1), fine
}

func digit(c byte) bool { return '0' <= c && c <= '9' }

// readKnown reads the fields that decide about routing, body and connection, when all have come.
func (r *Request) readKnown(lim *Limits) verdict {
	if v := r.readHost(); v != fine {
		return v
	}
	if v := r.readCommon(lim, InRequest); v != fine {
		return v
	}
	switch {
	case r.chunked:
		r.Framing = FramingChunked
	case r.Length >= 0:
		r.Framing = FramingLength
	}
	if r.MethodID == MethodTrace && (r.chunked || r.Length > 0) {
		return traceWithBody // RFC 9110, section 9.3.8
	}
	r.ExpectContinue = r.Has(Expect) && r.Minor >= 1 && (r.chunked || r.Length > 0) && r.lists(Expect, "100-continue")
	r.TETrailers = r.Has(TE) && r.lists(TE, "trailers")
	return r.readMaxForwards()
}

// readHost reads Host (RFC 9112, section 3.2), and takes the target's authority instead where there is one.
func (r *Request) readHost() verdict {
	count := 0
	for i := range r.Fields {
		if f := &r.Fields[i]; f.ID == Host {
			r.Host = f.Value
			count++
		}
	}
	switch {
	case count > 1:
		return hostRepeated
	case count == 0 && r.Minor >= 1:
		return hostMissing
	case count == 1:
		if _, ok := splitAuthority(r.Host); !ok {
			return badHost
		}
	}
	if r.Authority != nil {
		r.Host = r.Authority
	}
	return fine
}

// lists reports whether the fields of that ID hold the element.
func (s *Section) lists(id ID, want string) bool {
	for i := range s.Fields {
		if s.Fields[i].ID != id {
			continue
		}
		for list := s.Fields[i].Value; ; {
			e, rest, ok := element(list)
			if !ok {
				break
			}
			if len(e) == len(want) && equalFold(e, want) {
				return true
			}
			list = rest
		}
	}
	return false
}

// readMaxForwards reads Max-Forwards of the two methods that have it. What is malformed is refused: it is meant to end
// loops. A number too large for us is as good as the largest.
func (r *Request) readMaxForwards() verdict {
	r.MaxForwards = -1
	if !r.Has(MaxForwards) || r.MethodID != MethodTrace && r.MethodID != MethodOptions {
		return fine
	}
	for i := range r.Fields {
		f := &r.Fields[i]
		if f.ID != MaxForwards {
			continue
		}
		digits := bytes.IndexFunc(f.Value, func(c rune) bool { return c < '0' || '9' < c }) < 0
		if r.MaxForwards >= 0 || !digits || len(f.Value) == 0 {
			return badMaxForwards
		}
		n, ok := number(f.Value)
		if !ok {
			n = math.MaxInt32
		}
		r.MaxForwards = int32(min(n, math.MaxInt32))
	}
	return fine
}
