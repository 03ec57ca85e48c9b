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
	socket syscall.RawConn // below TLS, too; nil: there is none
	peeker *peeker         // at socket; nil: none was needed yet
	tls    *tls.Config     // by which it was made, as Reach has it
	from   netip.Addr
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
			c.socket = raw
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
	switch c.look() {
	case seenNothing:
		return false
	case seenData:
		// Below TLS that may be tickets for other sessions, until the first response was read.
		return c.tcp != nil || c.uses > 0
	case seenEnd:
		return true
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

// look looks at the socket.
func (c *memberConn) look() seen {
	if !canPeek || c.socket == nil {
		return seenUnknown
	}
	if c.peeker == nil {
		c.peeker = newPeeker(c.socket)
	}
	return c.peeker.look()
}

// looksItself reports whether ask finds out by itself what closedByPeer tells, which costs less.
func (c *memberConn) looksItself() bool { return canPeek && c.raw != nil && c.in == nil }
