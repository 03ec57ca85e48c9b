package proxy

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// acknowledged returns how many bytes the other end's system has taken in all; 0 if that cannot be known.
func acknowledged(raw syscall.RawConn) (n uint64) {
	_ = raw.Control(func(fd uintptr) {
		if info, err := unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO); err == nil {
			n = info.Bytes_acked
		}
	})
	return n
}
