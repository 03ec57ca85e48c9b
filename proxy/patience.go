package proxy

import (
	"crypto/tls"
	"net"
	"sync"
	"syscall"
	"time"
)

// patience gives the other end of a connection time for what is written to it, and cuts off who takes too little.
//
// A deadline alone would cut off the slow, too: once the kernel's buffer is full, it says that there is room only when a
// third of it is free, and that may be more than a megabyte. So it is looked for what the other end has acknowledged. A
// deadline cannot be moved when it has passed: of TLS, and of what is spliced, nobody knows then what was written.
type patience struct {
	nc  net.Conn
	raw syscall.RawConn // of the socket below; nil: it is none of TCP

	mu    sync.Mutex
	on    bool
	idle  time.Duration
	endBy time.Time // when the time ends in any case; zero: never
	by    time.Time // the deadline as it is set
	known bool      // acked was looked for since the deadline was set
	acked uint64
	timer *time.Timer
}

func newPatience(nc net.Conn) *patience { return &patience{nc: nc, raw: socketBelow(nc)} }

// socketBelow returns the TCP socket of a connection, or nil.
func socketBelow(nc net.Conn) syscall.RawConn {
	for {
		switch c := nc.(type) {
		case *tls.Conn:
			nc = c.NetConn()
		case *served:
			nc = c.Conn
		case *net.TCPConn:
			raw, err := c.SyscallConn()
			if err != nil {
				return nil
			}
			return raw
		default:
			return nil
		}
	}
}

// looksAWait is how often is looked while the other end has time.
const looksAWait = 4

// begin starts to count: from each call of renew, the other end has that time for what is written, and again whenever it
// has taken slowPart.
func (p *patience) begin(idle time.Duration, endBy time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.on, p.idle, p.endBy = true, idle, endBy
	switch every := idle / looksAWait; {
	case p.raw == nil:
	case p.timer == nil:
		p.timer = time.AfterFunc(every, p.look)
	default:
		p.timer.Reset(every)
	}
}

// renew says that something else is about to be written.
func (p *patience) renew(now time.Time) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.known = false
	return p.set(now)
}

func (p *patience) set(now time.Time) error {
	p.by = now.Add(p.idle)
	if !p.endBy.IsZero() && p.endBy.Before(p.by) {
		p.by = p.endBy
	}
	return p.nc.SetWriteDeadline(p.by)
}

func (p *patience) look() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.on {
		return
	}
	n := acknowledged(p.raw)
	switch {
	case !p.known:
		p.known, p.acked = true, n
	case n-p.acked >= slowPart:
		p.acked = n
		_ = p.set(time.Now())
	}
	p.timer.Reset(p.idle / looksAWait)
}

// deadline returns when the other end's time ends.
func (p *patience) deadline() time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.by
}

// end stops counting.
func (p *patience) end() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.on = false
	if p.timer != nil {
		p.timer.Stop()
	}
	_ = p.nc.SetWriteDeadline(time.Time{}) // it may be closed by now
}
