package proxy

import (
	"crypto/tls"
	"net"
	"net/netip"
	"syscall"
	"time"
)

// memberConn is a connection to a member. Who got it from a pool gives it back or drops it.
type memberConn struct {
	pool  *pool
	h2c   *h2cStream // that this is; nil: it is a connection
	uses  int        // requests that went over it before
	since time.Time  // when it became idle
	bound bool       // it began with a PROXY header, and is for one client only
	ended bool       // written under pool.mu
	stream
	look *look       // at the socket below; nil if there is none
	tls  *tls.Config // by which it was made, as Reach has it
	from netip.Addr
}

func newMemberConn(p *pool, s *poolSettings, nc net.Conn, bound bool) *memberConn {
	c := &memberConn{pool: p, bound: bound, tls: s.reach.TLS, from: s.from}
	c.begin(nc)
	c.least = ordinary
	below := nc
	if t, ok := nc.(*tls.Conn); ok {
		below = t.NetConn()
	}
	if sc, ok := below.(syscall.Conn); ok {
		if raw, err := sc.SyscallConn(); err == nil {
			c.look = newLook(raw)
		}
	}
	return c
}

// end closes the connection, and reports whether it was open.
func (c *memberConn) end() bool {
	c.pool.mu.Lock()
	open := !c.ended
	c.ended = true
	c.pool.mu.Unlock()
	if open {
		_ = c.nc.Close() // nothing is to be sent any more
	}
	return open
}

// glance is how long closedByPeer looks at a connection that is no socket.
const glance = 50 * time.Microsecond

// closedByPeer reports whether the member has closed an idle connection, or sent what nobody asked for, so that it is
// not to be used. On a socket, that costs one system call, and nothing is read.
func (c *memberConn) closedByPeer() bool {
	if c.in != nil || c.h2c != nil {
		return c.h2c == nil
	}
	if c.look != nil {
		switch c.look.once() {
		case seenNothing:
			return false
		case seenData:
			// Below TLS that may be tickets for other sessions, until the first response was read.
			return c.tcp != nil || c.uses > 0
		case seenEnd:
			return true
		}
	}
	defer c.rd.passed()
	if err := c.nc.SetReadDeadline(time.Now().Add(glance)); err != nil {
		return true
	}
	var b [1]byte
	n, err := c.nc.Read(b[:])
	if t, ok := err.(net.Error); n > 0 || err != nil && !(ok && t.Timeout()) {
		return true
	}
	return c.nc.SetReadDeadline(time.Time{}) != nil
}

// seen is what a look at a socket showed.
type seen uint8

const (
	seenNothing seen = iota
	seenData
	seenEnd     // or an error
	seenUnknown // this system cannot look
)
