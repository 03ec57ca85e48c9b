package proxy

import (
	"syscall"
	"unsafe"
)

// look looks at what a socket has received without reading it. It is made once a connection, since a function that is
// given to RawConn is allocated.
type look struct {
	raw   syscall.RawConn
	f     func(uintptr)
	b     [1]byte
	n     int
	errno syscall.Errno
}

func newLook(raw syscall.RawConn) *look {
	l := &look{raw: raw}
	l.f = func(fd uintptr) {
		// It never waits, so that the scheduler need not know of it; and it costs a third of poll(2), which would tell the
		// same. syscall.Recvfrom allocates an address.
		n, _, errno := syscall.RawSyscall6(syscall.SYS_RECVFROM, fd, uintptr(unsafe.Pointer(&l.b)), 1,
			syscall.MSG_PEEK|syscall.MSG_DONTWAIT, 0, 0)
		l.n, l.errno = int(n), errno
	}
	return l
}

// once does not wait.
func (l *look) once() seen {
	err := l.raw.Control(l.f)
	switch {
	case err != nil:
		return seenEnd
	case l.errno == syscall.EAGAIN:
		return seenNothing
	case l.errno == 0 && l.n > 0:
		return seenData
	}
	return seenEnd
}
