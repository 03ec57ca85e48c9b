package proxy

import (
	"sync"

	"backhand/proxy/h1"
)

// buffer is a piece of memory that is kept for the next who needs one. What has been read is b[r:w].
type buffer struct {
	b    []byte
	r, w int
}

// The sizes of buffers: most heads fit into the first, small answers into the second.
var bufferSizes = [...]int{2 << 10, 4 << 10, 16 << 10, 68 << 10}

// ordinary is the size of what is made to be sent.
const ordinary = 4 << 10

var bufferPools = [len(bufferSizes)]sync.Pool{}

// getBuffer returns an empty buffer of at least n bytes.
func getBuffer(n int) *buffer {
	for i, size := range bufferSizes {
		if n > size {
			continue
		}
		if b, ok := bufferPools[i].Get().(*buffer); ok {
			b.r, b.w = 0, 0
			return b
		}
		return &buffer{b: make([]byte, size)}
	}
	return &buffer{b: make([]byte, n)}
}

// putBuffer gives a buffer back. nil is none.
func putBuffer(b *buffer) {
	if b == nil {
		return
	}
	for i, size := range bufferSizes {
		if len(b.b) == size {
			bufferPools[i].Put(b)
			return
		}
	}
}

func (b *buffer) data() []byte  { return b.b[b.r:b.w] }
func (b *buffer) space() []byte { return b.b[b.w:] }
func (b *buffer) empty() bool   { return b.r == b.w }

// grown returns a buffer of at least twice the size, but never more than most, with what was read; b is given back. It
// returns nil if b is as large already.
func (b *buffer) grown(most int) *buffer {
	if len(b.b) >= most {
		return nil
	}
	g := getBuffer(min(2*len(b.b), most))
	g.w = copy(g.b, b.data())
	putBuffer(b)
	return g
}

// Heads of responses are kept apart from exchanges: an exchange that waits for its member has none, so that the few that are in
// use at a time are used again at once.
var responses = sync.Pool{New: func() any { return new(h1.Response) }}

// getResponse returns one that is empty.
func getResponse() *h1.Response { return responses.Get().(*h1.Response) }

// putResponse gives one back. nil is none.
func putResponse(r *h1.Response) {
	if r != nil {
		r.Reset()
		responses.Put(r)
	}
}
