package proxy

import (
	"io"
	"os"
	"sync"
	"time"
)

// pausableBody reads a body of net/http's such that a deadline interrupts a read and breaks nothing. The body itself is
// read by a goroutine, never further ahead than one buffer, and only when somebody wants it.
type pausableBody struct {
	body     io.Reader
	deadline bodyDeadline

	buf   *buffer // the goroutine's from ask to got
	err   error   // with which reading ended; as buf
	asked bool    // the goroutine reads
	ask   chan struct{}
	got   chan struct{} // capacity 1
	ended chan struct{} // closed when the goroutine has ended; nil: it was never started
}

// bodyBuffer is how much of a body is read at once, in bytes: a frame of HTTP/2.
const bodyBuffer = frameSize

// Read is called by one goroutine at a time. With an empty p it returns when there is something to be read, or nothing
// more.
func (b *pausableBody) Read(p []byte) (int, error) {
	for {
		passed := b.deadline.wait()
		select {
		case <-passed:
			return 0, os.ErrDeadlineExceeded
		default:
		}
		if !b.asked {
			if n, err := b.take(p); n > 0 || err != nil || b.buf != nil && !b.buf.empty() {
				return n, err
			}
			b.start()
		}
		select {
		case <-b.got:
			b.asked = false
		case <-passed:
			return 0, os.ErrDeadlineExceeded
		}
	}
}

// take returns what was read.
func (b *pausableBody) take(p []byte) (int, error) {
	if b.buf == nil {
		return 0, b.err
	}
	n := copy(p, b.buf.data())
	if b.buf.r += n; b.buf.empty() {
		return n, b.err
	}
	return n, nil
}

// start has the goroutine read on.
func (b *pausableBody) start() {
	if b.ended == nil {
		b.buf = getBuffer(bodyBuffer)
		b.ask, b.got, b.ended = make(chan struct{}), make(chan struct{}, 1), make(chan struct{})
		go b.run()
	}
	b.asked = true
	b.ask <- struct{}{}
}

func (b *pausableBody) run() {
	defer close(b.ended)
	for range b.ask {
		n, err := b.body.Read(b.buf.b)
		b.buf.r, b.buf.w, b.err = 0, n, err
		b.got <- struct{}{}
	}
}

// stop ends reading. interrupt must make a read of the body return. Nobody may be in Read.
func (b *pausableBody) stop(interrupt func()) {
	b.deadline.set(time.Time{})
	if b.ended == nil {
		return
	}
	if b.asked {
		interrupt()
	}
	close(b.ask)
	<-b.ended
	putBuffer(b.buf)
	b.buf = nil
}

// done reports whether the body was read to its end. Nobody may be in Read.
func (b *pausableBody) done() bool { return !b.asked && b.err == io.EOF }

// bodyDeadline is a time that can be waited for, and moved meanwhile.
type bodyDeadline struct {
	mu     sync.Mutex
	at     time.Time     // zero: none
	passed chan struct{} // closed when at has passed
	closed bool          // passed is
	timer  *time.Timer
}

// wait returns a channel that is closed when the deadline has passed.
func (d *bodyDeadline) wait() <-chan struct{} {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.passed == nil {
		d.passed = make(chan struct{})
	}
	return d.passed
}

// set moves the deadline.
func (d *bodyDeadline) set(t time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.at = t
	if d.closed || d.passed == nil {
		d.passed, d.closed = make(chan struct{}), false
	}
	left := time.Until(t)
	switch {
	case t.IsZero():
		if d.timer != nil {
			d.timer.Stop()
		}
	case left <= 0:
		d.pass()
	case d.timer == nil:
		d.timer = time.AfterFunc(left, d.fire)
	default:
		d.timer.Reset(left)
	}
}

// fire is called by the timer, perhaps after the deadline was moved.
func (d *bodyDeadline) fire() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.at.IsZero() && !time.Now().Before(d.at) {
		d.pass()
	}
}

func (d *bodyDeadline) pass() {
	if !d.closed {
		close(d.passed)
		d.closed = true
	}
}
