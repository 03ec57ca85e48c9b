package proxy

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// look looks at what a socket has received without reading it. It is made once a connection, since a function that is
// given to RawConn is allocated.
type look struct {
	raw syscall.RawConn
	f   func(uintptr)
	fd  [1]unix.PollFd
	err error
}

func newLook(raw syscall.RawConn) *look {
	l := &look{raw: raw}
	l.f = func(fd uintptr) {
		l.fd[0] = unix.PollFd{Fd: int32(fd), Events: unix.POLLIN | unix.POLLRDHUP}
		_, l.err = unix.Poll(l.fd[:], 0) // recvfrom with MSG_PEEK shows the same, but allocates
	}
	return l
}

// once does not wait.
func (l *look) once() seen {
	if err := l.raw.Control(l.f); err != nil || l.err != nil {
		return seenEnd
	}
	switch l.fd[0].Revents {
	case 0:
		return seenNothing
	case unix.POLLIN:
		return seenData
	}
	return seenEnd
}
