package h1

// Response is the head of a response. Its slices point into the buffer that was parsed.
type Response struct {
	Head

	Status int    // 100 to 599
	Reason []byte // may be empty
}

// Interim reports whether another response to the same request follows: 1xx, but not 101.
func (r *Response) Interim() bool { return r.Status < 200 && r.Status != 101 }

// ParseResponse reads the head of a response to a request with that method from the front of buf and returns how many
// bytes it takes. The error is ErrIncomplete if more bytes are needed, else an *Error with status 502. See doc.go for
// what happens when it is called again.
func ParseResponse(buf []byte, lim *Limits, method MethodID, r *Response) (n int, err error) {
	if len(buf) == 0 {
		return 0, ErrIncomplete
	}
	if !r.progress.resumes(buf) {
		r.Reset()
		r.progress = progress{base: &buf[0], state: atStart}
	}
	v := r.read(buf, lim, method)
	if v == incomplete {
		return 0, ErrIncomplete
	}
	r.progress.state = over
	if v != fine {
		return 0, InResponse.err(v)
	}
	return r.progress.line, nil
}

// Reset forgets a response that came only in part. The slice of fields is kept for the next one.
func (r *Response) Reset() {
	*r = Response{Head: Head{Section: Section{Fields: r.Fields[:0]}}}
}

func (r *Response) read(buf []byte, lim *Limits, method MethodID) verdict {
	if r.progress.state == atStart {
		if v := r.readStart(buf, lim); v != fine {
			return v
		}
		r.progress.state = inFields
	}
	if v := r.readFields(buf, lim); v != fine {
		return v
	}
	if v := r.readCommon(lim, InResponse); v != fine {
		return v
	}
	r.frame(method)
	return fine
}

// readStart reads the status line: version SP status SP [reason] (RFC 9112, section 4).
func (r *Response) readStart(buf []byte, lim *Limits) verdict {
	if buf[0] != 'H' {
		return badVersion // not HTTP: there may never be a line
	}
	line, v := r.progress.next(buf, 0, lim.line(), lineTooLong)
	if v != fine {
		return v
	}
	const form = "HTTP/1.1 200"
	if len(line) < len(form) {
		return badLine
	}
	if r.Minor, v = version(line[:8]); v != fine {
		return v
	}
	if line[8] != ' ' {
		return badLine
	}
	for _, c := range line[9:12] {
		if !digit(c) {
			return badStatus
		}
		r.Status = r.Status*10 + int(c-'0')
	}
	if r.Status < 100 || r.Status > 599 {
		return badStatus // RFC 9110, section 15
	}
	return r.readReason(line[12:])
}

func (r *Response) readReason(b []byte) verdict {
	switch {
	case len(b) == 0:
		return fine
	case digit(b[0]):
		return badStatus
	case b[0] != ' ':
		return badLine
	case !ValidValue(b[1:]):
		return badValue
	}
	r.Reason = b[1:]
	return fine
}

// frame finds how the body ends, by the rules of RFC 9112, section 6.3, in their order.
func (r *Response) frame(method MethodID) {
	switch {
	case r.Status == 101:
		r.Framing = FramingTunnel
	case method == MethodConnect && r.Status/100 == 2:
		r.Framing = FramingTunnel
	case r.Status < 200 || r.Status == 204:
		// What says that it has a body may be followed by one, which must not be taken for the next response.
		r.unreliable = r.chunked || r.Length > 0
	case method == MethodHead || r.Status == 304:
	case r.chunked:
		r.Framing = FramingChunked
	case r.Length >= 0:
		r.Framing = FramingLength
	default:
		r.Framing = FramingClose
	}
	if r.Framing == FramingTunnel || r.Status < 200 || r.Status == 204 {
		r.Length, r.chunked = -1, false // must not be there: RFC 9110, section 8.6; RFC 9112, section 6.1
	}
}
