//go:build !race

package proxy

import (
	"syscall"
	"unsafe"
)

// receive reads what a socket has received, and send writes what it has room for, without waiting: so the scheduler need not know
// of it. read and write would go through the layer of files first, which costs a fifteenth of what a request does altogether; Recvfrom and
// Sendto of package syscall allocate an address.
func receive(fd uintptr, p []byte) (int, error) {
	return transfer(syscall.SYS_RECVFROM, fd, p, syscall.MSG_DONTWAIT)
}

func send(fd uintptr, p []byte) (int, error) {
	return transfer(syscall.SYS_SENDTO, fd, p, syscall.MSG_DONTWAIT|syscall.MSG_NOSIGNAL)
}

// transfer returns -1 with an error, as read and write do.
func transfer(call, fd uintptr, p []byte, flags uintptr) (int, error) {
	for {
		n, _, errno := syscall.RawSyscall6(call, fd, uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)), flags, 0, 0)
		switch errno {
		case 0:
			return int(n), nil
		case syscall.EINTR:
			continue
		case syscall.EAGAIN:
			return -1, syscall.EAGAIN // made of a constant, it takes no memory
		}
		return -1, errno
	}
}
