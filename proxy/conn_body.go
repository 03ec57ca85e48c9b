package proxy

import (
	"errors"
	"io"
	"time"

	"backhand/proxy/h1"
)

// bodyReader follows the framing of a body as it is read from a stream: of a request's, or of a response's.
type bodyReader struct {
	framing h1.Framing
	ended   bool  // all of it was read, trailers included
	left    int64 // of a body with a length
	err     error
	kept    *buffer // in which the trailers stand
	chunks  h1.Chunked
}

func (b *bodyReader) reset() {
	putBuffer(b.kept)
	b.framing, b.left, b.ended, b.err, b.kept = h1.FramingNone, 0, true, nil, nil
}

// start makes ready for a body.
func (b *bodyReader) start(m *h1.Request, lim *h1.Limits) { b.startAs(&m.Head, lim, h1.InRequest) }

func (b *bodyReader) startAs(m *h1.Head, lim *h1.Limits, d h1.Direction) {
	b.framing, b.left, b.err = m.Framing, m.Length, nil
	switch m.Framing {
	case h1.FramingLength:
		b.ended = m.Length == 0
	case h1.FramingChunked:
		b.ended = false
		b.chunks.Reset(lim, d)
	default:
		b.ended = m.Framing != h1.FramingClose
	}
}

func (b *bodyReader) done() bool { return b.ended }

// next takes content from what the stream has read, without waiting: p is valid until the stream is read from again. nil
// means that more must be read, unless the body has ended.
func (b *bodyReader) next(s *stream, most int) (p []byte, err error) {
	for !b.ended && b.err == nil && s.in != nil && !s.in.empty() {
		switch b.framing {
		case h1.FramingLength:
			p = s.take(int(min(b.left, int64(most))))
			b.left -= int64(len(p))
			b.ended = b.left == 0
			return p, nil
		case h1.FramingClose:
			return s.take(most), nil
		}
		n, part, err := b.chunks.Next(s.in.data()[:min(most, s.in.w-s.in.r)])
		switch {
		case err != nil:
			b.err = err
			return nil, err
		case part == h1.Trailers:
			more, err := b.readTrailers(s)
			if more || err != nil {
				b.err = err
				return nil, err
			}
		case part == h1.Data:
			return s.take(n), nil
		default:
			s.in.r += n
		}
	}
	return nil, b.err
}

// take takes at most n bytes of what was read.
func (s *stream) take(n int) []byte {
	p := s.in.data()
	p = p[:min(n, len(p))]
	s.in.r += len(p)
	return p
}

// readTrailers reads the trailers if all of them are there; else more is true.
func (b *bodyReader) readTrailers(s *stream) (more bool, err error) {
	n, err := b.chunks.ReadTrailers(s.in.data())
	if errors.Is(err, h1.ErrIncomplete) {
		s.compact()
		if len(s.in.space()) == 0 {
			g := s.in.grown(trailersMost)
			if g == nil {
				return false, errTrailers
			}
			s.in = g
		}
		return true, nil
	}
	if err != nil {
		return false, err
	}
	b.ended = true
	if len(b.chunks.Fields) == 0 {
		s.in.r += n
		return false, nil
	}
	// They stay where they are; what follows goes to another buffer.
	b.kept = s.in
	rest := s.in.data()[n:]
	s.in = nil
	if len(rest) > 0 {
		s.in = getBuffer(len(rest))
		s.in.w = copy(s.in.b, rest)
	}
	return false, nil
}

const trailersMost = 68 << 10

var errTrailers = errors.New("the trailers are longer than a head may be")

// trailers returns those of a body that has ended.
func (b *bodyReader) trailers() []h1.Field {
	if b.framing != h1.FramingChunked || b.kept == nil {
		return nil
	}
	return b.chunks.Fields
}

// readBody reads the request's body. What came in several chunks is put together.
func (f *h1Front) readBody(p []byte) (int, error) {
	c, b := f.c, &f.body
	for n := 0; ; {
		got, err := b.next(&c.stream, len(p)-n)
		if n += copy(p[n:], got); len(got) > 0 && n < len(p) && !b.ended {
			continue
		}
		c.letGo()
		switch {
		case b.ended:
			return n, io.EOF
		case n > 0:
			return n, nil // an error comes again
		case err != nil:
			return 0, err
		}
		if b.framing == h1.FramingLength && c.in == nil {
			return f.readStraight(p)
		}
		if err := c.fill(); err != nil {
			return 0, unexpected(err)
		}
	}
}

// readStraight reads of a body with a length into p, past the buffer.
func (f *h1Front) readStraight(p []byte) (int, error) {
	b := &f.body
	n, err := f.c.nc.Read(p[:min(int64(len(p)), b.left)])
	b.left -= int64(n)
	if b.ended = b.left == 0; b.ended {
		return n, io.EOF
	}
	if n > 0 {
		return n, nil
	}
	return 0, unexpected(err)
}

func unexpected(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

func (f *h1Front) trailers() []h1.Field { return f.body.trailers() }

func (f *h1Front) setBodyDeadline(t time.Time) {
	_ = f.c.nc.SetReadDeadline(t)
}
