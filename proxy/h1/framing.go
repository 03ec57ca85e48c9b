package h1

import (
	"bytes"
	"math"
)

// Framing is how the end of a message's body is found (RFC 9112, section 6.3).
type Framing uint8

const (
	// FramingNone is for a message without a body: it ends with its head.
	FramingNone Framing = iota
	// FramingLength is for a body of Length bytes, which may be 0.
	FramingLength
	// FramingChunked is for a body in chunks, see Chunked.
	FramingChunked
	// FramingClose is for a response that ends when the connection does.
	FramingClose
	// FramingTunnel is for a response that ends HTTP on the connection: 101, and 2xx to CONNECT.
	FramingTunnel
)

// Head is what requests and responses have in common.
type Head struct {
	Section

	Upgrade []byte  // the value of the only Upgrade field, if Connection names it and both speak HTTP/1.1; else nil
	Length  int64   // what Content-Length says, -1 if absent or not allowed there; in a response it may go with FramingNone
	Framing Framing // how the body ends
	Minor   uint8   // of the version: 0 or 1; what is higher is read as 1

	Close     bool // the Connection field holds close
	KeepAlive bool // the Connection field holds keep-alive

	chunked    bool
	unreliable bool // what a response that must have no body said of one
}

// Persistent reports whether the sender lets the connection live after this message (RFC 9112, section 9.3). A client
// of HTTP/1.0 that asks for keep-alive gets it: towards it we are no proxy.
func (h *Head) Persistent() bool {
	return !h.Close && !h.unreliable && (h.Minor >= 1 || h.KeepAlive) && h.Framing < FramingClose
}

// readCommon reads the fields that decide about body and connection. A plain GET has few of them, so what is there is
// asked first.
func (h *Head) readCommon(lim *Limits, d Direction) verdict {
	h.Length = -1
	if h.Has(ContentLength) {
		if v := h.readLength(d); v != fine {
			return v
		}
	}
	if h.Has(TransferEncoding) {
		if v := h.readCodings(); v != fine {
			return v
		}
	}
	if h.Has(Connection) {
		return h.readConnection(lim)
	}
	return fine
}

// readLength reads Content-Length (RFC 9110, section 8.6; RFC 9112, section 6.3). Repeated with the same value, a
// recipient may refuse it or take it; requests are refused, as nobody sends that in good faith.
func (h *Head) readLength(d Direction) verdict {
	for i := range h.Fields {
		f := &h.Fields[i]
		if f.ID != ContentLength {
			continue
		}
		n, ok := number(f.Value)
		switch {
		case !ok:
			return badLength
		case h.Length >= 0 && (d == InRequest || n != h.Length):
			return lengthRepeated
		}
		h.Length = n
	}
	return fine
}

// number reads 1*DIGIT, as 64 bits with a sign can hold it.
func number(b []byte) (n int64, ok bool) {
	for _, c := range b {
		if c < '0' || '9' < c {
			return 0, false
		}
		d := int64(c - '0')
		if n > (math.MaxInt64-d)/10 {
			return 0, false
		}
		n = n*10 + d
	}
	return n, len(b) > 0
}

// readCodings reads Transfer-Encoding (RFC 9112, sections 6.1 and 6.3). All lines together are one list. Empty elements
// of a list are skipped elsewhere, but not here, where others read them differently.
func (h *Head) readCodings() verdict {
	switch {
	case h.Minor == 0:
		return codingTooOld
	case h.Length >= 0:
		return lengthAndCoding
	}
	other := false
	for i := range h.Fields {
		if h.Fields[i].ID != TransferEncoding {
			continue
		}
		for list, more := h.Fields[i].Value, true; more; {
			var coding []byte
			coding, list, more = bytes.Cut(list, comma)
			coding = trim(coding)
			isChunked := sameName(coding, "chunked")
			switch {
			case span(coding, isToken) == 0:
				return badCoding
			case isChunked && h.chunked:
				return codingRepeated
			case h.chunked:
				return chunkedNotLast
			}
			h.chunked = isChunked
			other = other || !isChunked
		}
	}
	switch {
	case !h.chunked:
		return chunkedNotLast
	case other:
		return codingUnknown
	}
	return fine
}

var comma = []byte(",")

// readConnection reads Connection (RFC 9110, section 7.6.1): what it says of the connection, and which fields are not
// to be passed on. The number of options is bounded since each is compared with each field.
func (h *Head) readConnection(lim *Limits) verdict {
	left := lim.fields()
	for i := range h.Fields {
		if h.Fields[i].ID != Connection {
			continue
		}
		for list := h.Fields[i].Value; ; left-- {
			option, rest, ok := element(list)
			if !ok {
				break
			}
			if left == 0 {
				return tooManyOptions
			}
			if v := h.readOption(option); v != fine {
				return v
			}
			list = rest
		}
	}
	return fine
}

func (h *Head) readOption(option []byte) verdict {
	if !ValidToken(option) {
		return badConnection
	}
	switch {
	case sameName(option, "close"):
		h.Close = true
		return fine
	case sameName(option, "keep-alive"):
		h.KeepAlive = true
	}
	id := identify(option)
	switch id {
	case Host, ContentLength:
		return badOption
	case Upgrade:
		h.readUpgrade()
	}
	if id != Unknown && !h.Has(id) {
		return fine
	}
	for i := range h.Fields {
		if f := &h.Fields[i]; len(f.Name) == len(option) && equalFold(f.Name, option) {
			f.Named = true
		}
	}
	return fine
}

// readUpgrade takes the Upgrade field (RFC 9110, section 7.8: ignored in HTTP/1.0). Several of them are ignored, as a
// recipient may: which one was meant is not worth a guess.
func (h *Head) readUpgrade() {
	if h.Minor == 0 || !h.Has(Upgrade) {
		return
	}
	h.Upgrade = nil
	for i := range h.Fields {
		if h.Fields[i].ID != Upgrade {
			continue
		}
		if h.Upgrade != nil {
			h.Upgrade = nil
			return
		}
		h.Upgrade = h.Fields[i].Value
	}
}
