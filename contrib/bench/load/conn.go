package load

import (
	"errors"
	"syscall"
)

type state uint8

const (
	closed state = iota
	connecting
	idle    // nothing asked
	writing // the request is not sent whole
	inHead  // of the answer
	inBody
)

// conn is a connection and the request on it.
type conn struct {
	fd     int
	state  state
	closes bool  // the answer ends it
	start  int64 // when the request was sent or, in the open loop, due
	sent   int   // bytes of the request
	left   int64 // bytes of the answer's body to come
	head   []byte
	nth    int32 // its place among the connections
}

// begin sends a request on c, over a new connection if there is none. Its latency counts from start.
func (g *generator) begin(c *conn, start int64) {
	c.start, c.sent, c.closes = start, 0, false
	if c.state != closed {
		g.write(c)
		return
	}
	fd, err := dial(g.spec.Addr, g.dialled)
	g.dialled++
	if err == nil {
		ev := syscall.EpollEvent{Events: syscall.EPOLLIN | syscall.EPOLLOUT | epollET, Fd: c.nth}
		if err = syscall.EpollCtl(g.ep, syscall.EPOLL_CTL_ADD, fd, &ev); err != nil {
			syscall.Close(fd)
		}
	}
	if err != nil {
		g.result.Errors++
		g.mode.failed(c)
		return
	}
	c.fd, c.state, c.head = fd, connecting, c.head[:0]
}

// drop closes the connection.
func (g *generator) drop(c *conn) {
	syscall.Close(c.fd)
	c.state = closed
}

// fail ends a request that will have no answer.
func (g *generator) fail(c *conn, counter *int) {
	*counter++
	g.drop(c)
	g.mode.failed(c)
}

// event acts on what epoll says of c.
func (g *generator) event(c *conn, events uint32) {
	if c.state == closed {
		return
	}
	switch {
	case c.state == connecting && events&(syscall.EPOLLERR|syscall.EPOLLHUP) != 0:
		g.fail(c, &g.result.Errors)
		return
	case c.state == connecting && events&syscall.EPOLLOUT == 0:
		return
	case c.state == connecting, c.state == writing && events&syscall.EPOLLOUT != 0:
		g.write(c)
	}
	if c.state > connecting && events&(syscall.EPOLLIN|syscall.EPOLLHUP|syscall.EPOLLERR) != 0 {
		g.read(c)
	}
}

func (g *generator) write(c *conn) {
	for c.sent < len(g.request) {
		n, e := send(c.fd, g.request[c.sent:])
		if e == syscall.EAGAIN {
			c.state = writing
			return
		}
		if e != 0 {
			g.fail(c, &g.result.Errors)
			return
		}
		c.sent += n
	}
	c.state, c.head = inHead, c.head[:0]
}

// read takes what has come, until there is no more or the answer is complete.
func (g *generator) read(c *conn) {
	for {
		var n int
		var e syscall.Errno
		switch c.state {
		case inHead:
			n, e = recv(c.fd, c.head[len(c.head):cap(c.head)], 0)
		case inBody:
			n, e = recv(c.fd, g.junk[:min(c.left, int64(len(g.junk)))], msgTrunc)
		default:
			g.peek(c)
			return
		}
		if e == syscall.EAGAIN {
			return
		}
		if n <= 0 || e != 0 {
			g.fail(c, &g.result.Errors)
			return
		}
		g.result.Bytes += int64(n)
		if c.state == inBody {
			c.left -= int64(n)
		} else if !g.readHead(c, n) {
			return
		}
		if c.state == inBody && c.left <= 0 {
			g.finish(c)
			return
		}
	}
}

// readHead looks at a head of which n more bytes have come. It reports false if the answer is of no use.
func (g *generator) readHead(c *conn, n int) bool {
	c.head = c.head[:len(c.head)+n]
	h, err := parseHead(c.head)
	if errors.Is(err, errPartial) && len(c.head) < cap(c.head) {
		return true
	}
	if err == nil && !h.ok {
		g.result.Status++
	}
	if err != nil {
		counter := &g.result.Length
		if h.size > 0 && !h.ok {
			counter = &g.result.Status
		}
		g.fail(c, counter)
		return false
	}
	c.state, c.closes = inBody, h.closes
	c.left = h.length - int64(len(c.head)-h.size)
	if h.ok && (h.length != g.spec.Length || c.left < 0) {
		g.result.Length++
	}
	return true
}

// peek looks at a connection on which no answer is due: whether the other side has closed it, or says what nobody asked.
func (g *generator) peek(c *conn) {
	var b [1]byte
	n, e := recv(c.fd, b[:], syscall.MSG_PEEK)
	switch {
	case e == syscall.EAGAIN, n > 0 && c.state == writing: // an early answer is read when the request is sent
	case c.state == writing:
		g.fail(c, &g.result.Errors)
	default:
		if n > 0 {
			g.result.Length++
		}
		g.drop(c)
	}
}

// finish ends a request whose answer is complete.
func (g *generator) finish(c *conn) {
	t := g.now()
	g.took = append(g.took, uint32(min((t-c.start)/int64(tick), 1<<32-1)))
	c.state = idle
	if g.spec.Close || c.closes {
		g.drop(c)
	}
	g.mode.free(c, t)
}
