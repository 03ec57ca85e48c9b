package h1

import "bytes"

// Field is one header or trailer field. Name and Value point into the buffer that was parsed; Value is without white
// space around it.
type Field struct {
	Name, Value []byte
	ID          ID
	Named       bool // the Connection field names it, so that it is not passed on; it may still be read
}

// Section is a header or trailer section, and how far reading it has come.
type Section struct {
	Fields []Field // in the order in which they came

	seen     uint64 // a bit for each ID that is among them
	progress progress
}

// progress is where reading goes on when more of a message has come.
type progress struct {
	base  *byte // the buffer's first byte: if it moved, what was found points to the old place
	state state
	start int // where the message begins, behind empty lines
	line  int // where the line begins that is to be read next
	clean int // up to here there is no LF from line on
}

type state uint8

const (
	over     state = iota // the next call begins a message
	atStart               // the start line is not complete
	inFields              // the field section is not complete
)

// Has reports whether a field of that ID is there. It takes no search.
func (s *Section) Has(id ID) bool { return s.seen>>id&1 != 0 }

// Value returns the value of the first field of that ID, or nil if there is none.
func (s *Section) Value(id ID) []byte {
	if !s.Has(id) {
		return nil
	}
	for i := range s.Fields {
		if s.Fields[i].ID == id {
			return s.Fields[i].Value
		}
	}
	return nil
}

// Lookup returns the value of the first field of that name, in any case, and whether there is one.
func (s *Section) Lookup(name string) (value []byte, ok bool) {
	for i := range s.Fields {
		if f := &s.Fields[i]; len(f.Name) == len(name) && equalFold(f.Name, name) {
			return f.Value, true
		}
	}
	return nil, false
}

// resumes reports whether buf is what was read of before, with more behind it.
func (p *progress) resumes(buf []byte) bool {
	return p.state != over && p.base == &buf[0] && p.clean <= len(buf)
}

// next returns the next line without its end. Whether a line is too long is decided before anything in it is looked at:
// so the verdict is the same when it comes in pieces. Both from, where counting begins, and most are in bytes.
func (p *progress) next(buf []byte, from, most int, tooLong verdict) (line []byte, v verdict) {
	i := bytes.IndexByte(buf[p.clean:], '\n')
	if i < 0 {
		p.clean = len(buf)
		if len(buf)-from >= most {
			return nil, tooLong
		}
		return nil, incomplete
	}
	end := p.clean + i
	if end+1-from > most {
		return nil, tooLong
	}
	if end == p.line || buf[end-1] != '\r' {
		return nil, bareLF // RFC 9112, section 2.2, lets us refuse it
	}
	line = buf[p.line : end-1 : end-1]
	p.line, p.clean = end+1, end+1
	return line, fine
}

// readFields reads field lines up to and with the empty line behind them.
func (s *Section) readFields(buf []byte, lim *Limits) verdict {
	head, most := lim.head(), lim.fields()
	for {
		line, v := s.progress.next(buf, s.progress.start, head, headTooLong)
		switch {
		case v != fine:
			return v
		case len(line) == 0:
			return fine
		case len(s.Fields) >= most:
			return tooManyFields
		}
		if v := s.add(line); v != fine {
			return v
		}
	}
}

// add takes a field line (RFC 9112, section 5).
func (s *Section) add(line []byte) verdict {
	n := span(line, isToken)
	if n == 0 || n == len(line) || line[n] != ':' {
		return whyNoField(line, n)
	}
	value := trim(line[n+1:])
	if !ValidValue(value) {
		return badValue
	}
	id := identify(line[:n])
	s.seen |= 1 << id
	s.Fields = append(s.Fields, Field{Name: line[:n:n], Value: value, ID: id})
	return fine
}

// whyNoField says what is wrong with a line of which the first n bytes could be a name.
func whyNoField(line []byte, n int) verdict {
	switch {
	case line[0] == ' ' || line[0] == '\t':
		return folded // RFC 9112, sections 2.2 and 5.2
	case bytes.IndexByte(line, ':') < 0:
		return noColon
	case n > 0 && line[n] != ':' && trim(line[n:])[0] == ':':
		return spaceBeforeColon // RFC 9112, section 5.1
	}
	return badName
}

// equalFold is for names of equal length of which neither need be a known one.
func equalFold[A, B ~string | ~[]byte](a A, b B) bool {
	for i := range len(a) {
		if lower(a[i]) != lower(b[i]) {
			return false
		}
	}
	return true
}

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c | 0x20
	}
	return c
}

// element cuts the first element off a comma-separated list (RFC 9110, section 5.6.1). Empty elements are skipped, as a
// recipient must; ok is false when there is no more. Quoted strings are not known here: the lists that are read hold
// tokens.
func element(list []byte) (first, rest []byte, ok bool) {
	for len(list) > 0 {
		first, rest = list, nil
		if i := bytes.IndexByte(list, ','); i >= 0 {
			first, rest = list[:i], list[i+1:]
		}
		if first = trim(first); len(first) > 0 {
			return first, rest, true
		}
		list = rest
	}
	return nil, nil, false
}
