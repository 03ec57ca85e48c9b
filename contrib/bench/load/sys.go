package load

import (
	"net/netip"
	"syscall"
	"time"
	"unsafe"
)

// The system calls of the hot path are raw: the scheduler need not know of them, as this thread has nothing else to do,
// and the runtime's monitor would wake up every 20 us to look after a thread that is in a call it knows of.

const (
	sysEpollPwait2    = 441 // Linux 5.11; the same number on all architectures
	bindAddressNoPort = 24  // IP_BIND_ADDRESS_NO_PORT
	msgTrunc          = syscall.MSG_TRUNC
	epollET           = 1 << 31
	sources           = 16 // connections come from 127.0.1.1 to 127.0.1.16, so that ports do not run out
)

func send(fd int, b []byte) (int, syscall.Errno) {
	n, _, e := syscall.RawSyscall6(syscall.SYS_SENDTO, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)),
		syscall.MSG_NOSIGNAL, 0, 0)
	return int(n), e
}

func recv(fd int, b []byte, flags int) (int, syscall.Errno) {
	n, _, e := syscall.RawSyscall6(syscall.SYS_RECVFROM, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)),
		uintptr(flags), 0, 0)
	return int(n), e
}

// wait waits for events. Its time is exact to microseconds, which that of epoll_wait is not.
func wait(ep int, events []syscall.EpollEvent, most time.Duration) (int, syscall.Errno) {
	t := syscall.NsecToTimespec(int64(most))
	n, _, e := syscall.RawSyscall6(sysEpollPwait2, uintptr(ep), uintptr(unsafe.Pointer(unsafe.SliceData(events))), uintptr(len(events)),
		uintptr(unsafe.Pointer(&t)), 0, 0)
	return int(n), e
}

// dial begins a connection from one of our sources; nth says from which.
func dial(to netip.AddrPort, nth int) (fd int, err error) {
	fd, err = syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_NONBLOCK|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, err
	}
	_ = syscall.SetsockoptInt(fd, syscall.IPPROTO_TCP, syscall.TCP_NODELAY, 1)
	_ = syscall.SetsockoptInt(fd, syscall.IPPROTO_IP, bindAddressNoPort, 1)
	err = syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 1, byte(1 + nth%sources)}})
	if err == nil {
		err = syscall.Connect(fd, &syscall.SockaddrInet4{Port: int(to.Port()), Addr: to.Addr().As4()})
	}
	if err != nil && err != syscall.EINPROGRESS {
		syscall.Close(fd)
		return -1, err
	}
	return fd, nil
}
