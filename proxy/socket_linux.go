package proxy

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// agentSocket sets up a socket before it connects to another agent.
func agentSocket(_, _ string, c syscall.RawConn) error {
	var err error
	ctlErr := c.Control(func(fd uintptr) {
		err = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, 3000) // ms
		// Else each connection would need a port of its own on this address, however many members there are. Not vital.
		_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_BIND_ADDRESS_NO_PORT, 1)
	})
	if ctlErr != nil {
		return ctlErr
	}
	return err
}
