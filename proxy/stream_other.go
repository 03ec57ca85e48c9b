//go:build !linux

package proxy

import "syscall"

// writeReady sends the pieces, as far as that needs no waiting, and leaves what remains in them.
func (s *stream) writeReady(fd uintptr) {
	for i := range s.pieces[:s.count] {
		n, err := send(fd, s.pieces[i])
		if n > 0 {
			s.pieces[i] = s.pieces[i][n:]
		}
		if err != nil && err != syscall.EAGAIN {
			s.writeErr = err
		}
		if len(s.pieces[i]) > 0 {
			break
		}
	}
}
