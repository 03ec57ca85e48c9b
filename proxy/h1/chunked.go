package h1

import "math"

// Chunked follows a chunked body (RFC 9112, section 7.1) as it passes, however it was cut, and checks every byte that is
// not data. It keeps none of them. Reset it before each body.
//
// Next goes as far as the last chunk. What is behind that, the trailer section with the empty line that ends it, is read
// by ReadTrailers, from a buffer that holds it from its beginning.
type Chunked struct {
	// Section holds the trailers, when ReadTrailers has come to its end.
	Section

	direction  Direction
	state      chunkState
	escaped    bool  // within a quoted string, behind a backslash
	digits     uint8 // of the size
	left       int64 // bytes of data to come, in this chunk
	line       int   // bytes of the line
	extensions int   // bytes of all lines that belong to extensions
	failed     verdict
	limits     *Limits
}

// Part is what bytes of a chunked body are.
type Part uint8

// The parts.
const (
	// Frame is for sizes, extensions and line ends. Whoever recodes the body drops them.
	Frame Part = iota
	// Data is for what the body is made of.
	Data
	// Trailers begin here, or the empty line that says there are none.
	Trailers
)

type chunkState uint8

const (
	inSize      chunkState = iota // hexadecimal digits
	beforeSemi                    // white space behind size or extension, a semicolon must follow
	beforeName                    // white space behind the semicolon
	inName                        // an extension's name
	afterName                     // white space behind it, = or ; must follow
	beforeValue                   // white space behind =
	inToken                       // an extension's value
	inQuoted                      // the same as a quoted string
	afterQuoted                   // behind the closing quote
	lineEnd                       // LF must follow
	inData
	dataCR // CR must follow
	dataLF // LF must follow
	inTrailers
)

const maxChunkDigits = 16

// Reset makes ready for a body. The slice of trailers is kept.
func (c *Chunked) Reset(lim *Limits, d Direction) {
	*c = Chunked{Section: Section{Fields: c.Fields[:0]}, limits: lim, direction: d}
}

// Left returns how many bytes of data follow before the chunk ends; 0 if the next byte is none. They may be moved past
// Next (Skip).
func (c *Chunked) Left() int64 {
	if c.state != inData {
		return 0
	}
	return c.left
}

// Skip says that n bytes of data, at most Left, went another way.
func (c *Chunked) Skip(n int64) {
	if n < 0 || n > c.Left() {
		panic("h1: more skipped than is left of the chunk")
	}
	c.pass(n)
}

func (c *Chunked) pass(n int64) {
	c.left -= n
	if c.state == inData && c.left == 0 {
		c.state = dataCR
	}
}

// Next says what b begins with: its first n bytes are all of one part. n is 0 only if b is empty or the trailers begin.
// The error is an *Error, and stays.
func (c *Chunked) Next(b []byte) (n int, p Part, err error) {
	switch {
	case c.failed != fine:
		return 0, Frame, c.direction.err(c.failed)
	case c.state == inTrailers:
		return 0, Trailers, nil
	case c.state == inData:
		n = int(min(c.left, int64(len(b))))
		c.pass(int64(n))
		return n, Data, nil
	}
	for n < len(b) && c.state != inData && c.state != inTrailers {
		if v := c.frame(b[n]); v != fine {
			c.failed = v
			return 0, Frame, c.direction.err(v)
		}
		n++
	}
	return n, Frame, nil
}

// Pass goes over b as far as the body goes in it, for those who pass it on as it is, extensions included. It returns how
// many bytes that are, and whether the trailers begin behind them.
func (c *Chunked) Pass(b []byte) (n int, trailers bool, err error) {
	for n < len(b) && c.state != inTrailers {
		m, _, err := c.Next(b[n:])
		if err != nil {
			return 0, false, err
		}
		n += m
	}
	return n, c.state == inTrailers, nil
}

// ReadTrailers reads the trailer section from the front of buf and returns how many bytes it takes; the body ends behind
// them. The rules and limits are those of header fields. The error is ErrIncomplete if more bytes are needed, which are
// to be given with those that came before, else an *Error. Not all trailers may be passed on, see ID.InTrailers.
func (c *Chunked) ReadTrailers(buf []byte) (n int, err error) {
	if len(buf) == 0 {
		return 0, ErrIncomplete
	}
	if !c.progress.resumes(buf) {
		c.Section = Section{Fields: c.Fields[:0], progress: progress{base: &buf[0], state: inFields}}
	}
	v := c.readFields(buf, c.limits)
	if v == incomplete {
		return 0, ErrIncomplete
	}
	c.progress.state = over
	if v != fine {
		return 0, c.direction.err(v)
	}
	return c.progress.line, nil
}

// frame takes a byte that is not data.
func (c *Chunked) frame(b byte) verdict {
	switch c.state {
	case dataCR:
		c.state = dataLF
		return unless(b == '\r', badChunkEnd)
	case dataLF:
		c.state, c.digits, c.line = inSize, 0, 0
		return unless(b == '\n', badChunkEnd)
	}
	if c.line++; c.line > c.limits.chunkLine() {
		return chunkLineTooLong
	}
	switch {
	case c.state == lineEnd:
		return c.endLine(b)
	case c.state == inSize:
		return c.size(b)
	}
	if c.extensions++; c.extensions > c.limits.chunkExtensions() {
		return tooManyExtensions
	}
	return c.extension(b)
}

func unless(ok bool, v verdict) verdict {
	if ok {
		return fine
	}
	return v
}

// size takes a byte of chunk-size, which has at most 16 digits, zeros in front included.
func (c *Chunked) size(b byte) verdict {
	if class[b]&isHex == 0 {
		if c.digits == 0 {
			return badChunkSize
		}
		return c.afterSize(b)
	}
	d := int64(b & 0xf)
	if b > '9' {
		d += 9
	}
	if c.digits == maxChunkDigits || c.left > (math.MaxInt64-d)/16 {
		return chunkTooLarge
	}
	c.left, c.digits = c.left*16+d, c.digits+1
	return fine
}

func (c *Chunked) afterSize(b byte) verdict {
	switch b {
	case '\r':
		c.state = lineEnd
	case ';':
		c.state = beforeName
	case ' ', '\t':
		c.state = beforeSemi
	default:
		return badChunkSize
	}
	return fine
}

// endLine takes the LF behind the CR of a chunk's first line. A bare CR is refused here, a bare LF above.
func (c *Chunked) endLine(b byte) verdict {
	switch {
	case b != '\n':
		return badChunkExtension
	case c.left == 0:
		c.state = inTrailers
	default:
		c.state = inData
	}
	return fine
}

// extension takes a byte of *( BWS ";" BWS name [ BWS "=" BWS value ] ), RFC 9112, section 7.1.1.
func (c *Chunked) extension(b byte) verdict {
	blank := b == ' ' || b == '\t'
	token := class[b]&isToken != 0
	switch c.state {
	case beforeSemi:
		return c.to(beforeName, b == ';', blank)
	case beforeName:
		return c.to(inName, token, blank)
	case inName, afterName:
		switch {
		case b == '=':
			c.state = beforeValue
			return fine
		case blank:
			c.state = afterName
			return fine
		case b == '\r' && c.state == afterName:
			return badChunkExtension
		case token && c.state == inName:
			return fine
		}
		return c.endExtension(b)
	case beforeValue:
		if b == '"' {
			c.state = inQuoted
			return fine
		}
		return c.to(inToken, token, blank)
	case inToken:
		if token {
			return fine
		}
		return c.endExtension(b)
	case inQuoted:
		return c.quoted(b)
	}
	return c.endExtension(b) // afterQuoted
}

// to goes to a state if a byte that leads there came, and stays if one came that may be repeated.
func (c *Chunked) to(s chunkState, leads, repeats bool) verdict {
	if leads {
		c.state = s
	}
	return unless(leads || repeats, badChunkExtension)
}

func (c *Chunked) endExtension(b byte) verdict {
	switch b {
	case ';':
		c.state = beforeName
	case '\r':
		c.state = lineEnd
	case ' ', '\t':
		c.state = beforeSemi
	default:
		return badChunkExtension
	}
	return fine
}

// quoted takes a byte of a quoted string (RFC 9110, section 5.6.4).
func (c *Chunked) quoted(b byte) verdict {
	switch {
	case c.escaped:
		c.escaped = false
		return unless(class[b]&isText != 0, badChunkExtension)
	case b == '\\':
		c.escaped = true
	case b == '"':
		c.state = afterQuoted
	default:
		return unless(class[b]&isQuoted != 0, badChunkExtension)
	}
	return fine
}
