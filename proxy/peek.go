package proxy

import "syscall"

// seen is what a look at a socket showed.
type seen uint8

const (
	seenNothing seen = iota
	seenData
	seenEnd     // or an error
	seenUnknown // this system cannot look
)

// peeker looks at what a socket has received without reading it. It is made once a connection, since a function that is given to
// RawConn is allocated.
type peeker struct {
	raw  syscall.RawConn
	f    func(fd uintptr)
	what seen
}

func newPeeker(raw syscall.RawConn) *peeker {
	p := &peeker{raw: raw}
	p.f = func(fd uintptr) { p.what = peek(fd) }
	return p
}

// look does not wait.
func (p *peeker) look() seen {
	if err := p.raw.Control(p.f); err != nil {
		return seenEnd
	}
	return p.what
}
