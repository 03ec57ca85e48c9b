package farm

import "encoding/binary"

// reader takes values off the front of b. The first mistake sticks, and all values after it are zero.
type reader struct {
	b    []byte
	what malformed
}

func (r *reader) ok() bool { return r.what == "" }

func (r *reader) fail(what malformed) {
	if r.ok() {
		r.b, r.what = nil, what
	}
}

func (r *reader) take(n int) []byte {
	if n > len(r.b) {
		r.fail("cut short")
		return nil
	}
	b := r.b[:n]
	r.b = r.b[n:]
	return b
}

// record takes what is preceded by two bytes of length.
func (r *reader) record() reader {
	b := r.take(int(r.u16()))
	return reader{b: b, what: r.what}
}

func (r *reader) u8() uint8 {
	if b := r.take(1); b != nil {
		return b[0]
	}
	return 0
}

func (r *reader) u16() uint16 {
	if b := r.take(2); b != nil {
		return binary.BigEndian.Uint16(b)
	}
	return 0
}

func (r *reader) u32() uint32 {
	if b := r.take(4); b != nil {
		return binary.BigEndian.Uint32(b)
	}
	return 0
}

func (r *reader) u64() uint64 {
	if b := r.take(8); b != nil {
		return binary.BigEndian.Uint64(b)
	}
	return 0
}

func (r *reader) text(most int) string {
	b := r.take(int(r.u8()))
	if len(b) > most {
		r.fail("text too long")
		return ""
	}
	return string(b)
}
