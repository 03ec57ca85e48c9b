package proxy

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// writeReady sends the pieces, as far as that needs no waiting, and leaves what remains in them.
func (s *stream) writeReady(fd uintptr) {
	pieces := s.pieces[:s.count]
	for {
		var n int
		var err error
		if len(pieces) == 1 {
			n, err = send(fd, pieces[0])
		} else {
			n, err = unix.Writev(int(fd), pieces)
		}
		switch {
		case err == syscall.EINTR:
			continue
		case err == syscall.EAGAIN:
			return
		case err != nil:
			s.writeErr = err
			return
		}
		for i := range pieces {
			k := min(n, len(pieces[i]))
			pieces[i] = pieces[i][k:]
			n -= k
		}
		return
	}
}
