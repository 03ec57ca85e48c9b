//go:build !linux || race

package proxy

import "syscall"

// receive reads what a socket has received, and send writes what it has room for, without waiting. The race detector knows what
// read and write do.
func receive(fd uintptr, p []byte) (int, error) { return ignoringEINTR(syscall.Read, int(fd), p) }

func send(fd uintptr, p []byte) (int, error) { return ignoringEINTR(syscall.Write, int(fd), p) }

func ignoringEINTR(do func(int, []byte) (int, error), fd int, p []byte) (int, error) {
	for {
		n, err := do(fd, p)
		if err != syscall.EINTR {
			return n, err
		}
	}
}
