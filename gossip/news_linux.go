package gossip

import (
	"errors"

	"golang.org/x/sys/unix"
)

// news is a netlink socket on which the kernel tells that an interface or an address has changed (rtnetlink(7)). What exactly
// it says is not read: whoever wants to know looks at the interfaces. It is for one goroutine.
type news struct{ fd int }

// openNews returns one that knows nothing, so that the interfaces are looked at every few seconds, if the system has none.
func openNews() *news {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.NETLINK_ROUTE)
	if err != nil {
		return &news{fd: -1}
	}
	groups := uint32(unix.RTMGRP_LINK | unix.RTMGRP_IPV4_IFADDR | unix.RTMGRP_IPV6_IFADDR)
	if unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Groups: groups}) != nil {
		_ = unix.Close(fd)
		return &news{fd: -1}
	}
	return &news{fd: fd}
}

// any reports whether something has changed since the call before. It does not wait.
func (n *news) any() (changed bool) {
	if n.fd < 0 {
		return false
	}
	var b [1]byte // the rest of a message is thrown away
	for range 1000 {
		_, _, err := unix.Recvfrom(n.fd, b[:], unix.MSG_DONTWAIT)
		switch {
		case err == nil, errors.Is(err, unix.ENOBUFS): // more news than the socket could hold
			changed = true
		case errors.Is(err, unix.EINTR):
		default:
			return changed
		}
	}
	return changed
}

func (n *news) close() {
	if n.fd >= 0 {
		_ = unix.Close(n.fd)
	}
}
