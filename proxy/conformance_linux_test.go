package proxy_test

import (
	"net"
	"time"

	"golang.org/x/sys/unix"
)

// delivered waits until the other end's system has all that was written to a connection.
func delivered(c *net.TCPConn) {
	raw, err := c.SyscallConn()
	if err != nil {
		return
	}
	for end := time.Now().Add(patience); time.Now().Before(end); {
		left := 0
		if raw.Control(func(fd uintptr) { left, err = unix.IoctlGetInt(int(fd), unix.SIOCOUTQ) }) != nil || err != nil || left == 0 {
			return
		}
	}
}
