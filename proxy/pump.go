package proxy

import (
	"fmt"
	"io"
	"runtime/debug"
	"sync/atomic"
	"time"

	"backhand/proxy/h1"
)

// pump sends a request's body to a member while the exchange waits for the response. It is the only one that touches the
// body until it has ended.
type pump struct {
	x       *exchange
	m       *memberConn
	hold    chan struct{} // closed when the member, or time, says to go on (Expect: 100-continue); nil: at once
	stopped atomic.Bool
	ended   atomic.Bool   // nothing of the body is touched any more
	done    chan struct{} // closed at the very end

	seen    bool  // the exchange has noted its end
	err     error // of sending to the member
	mistake any   // of ours, with which it ended
}

// waitForContinue is how long a member may think about Expect: 100-continue. Then what the client sends is passed on all
// the same: neither members nor clients need wait for a 100 (RFC 9110, section 10.1.1).
const waitForContinue = time.Second

// startPump begins to send the body, from its beginning.
func (x *exchange) startPump(m *memberConn) {
	b := &x.body
	p := &pump{x: x, m: m, done: make(chan struct{})}
	if !b.asked {
		p.hold = make(chan struct{})
	}
	x.stopWatching()
	x.mayRing, b.pump = true, p
	go p.run(p.hold)
}

// streaming reports whether a pump may still be at work.
func (b *requestBody) streaming() bool { return b.pump != nil && !b.pump.seen }

// look notes whether the pump has ended, from when the response's time counts. It returns what is wrong with the body.
func (b *requestBody) look(now time.Time) error {
	p := b.pump
	if p == nil || p.seen {
		return nil
	}
	if !p.ended.Load() {
		return nil
	}
	p.seen = true
	p.blame()
	if b.x.ho.waiting {
		b.x.from(now, b.x.site.ResponseHead)
	}
	b.x.lookAt = now.Add(watchAfter)
	return b.fault()
}

// stop ends the pump, if there is one, and reports whether the member got all of the body.
func (b *requestBody) stop() (sent bool) {
	p := b.pump
	if p == nil {
		return true
	}
	b.pump = nil
	if p.ended.Load() {
		<-p.done
		p.blame()
		return p.err == nil && b.err == io.EOF
	}
	p.stopped.Store(true)
	b.x.f.setBodyDeadline(longAgo)
	p.m.pool.drop(p.m) // it may be writing
	p.goOn()
	<-p.done
	b.x.f.setBodyDeadline(time.Time{})
	if timedOut(b.err) {
		b.err = nil // that was us
	}
	return false
}

// goOn says that the client need not be waited for any more.
func (p *pump) goOn() {
	if p.hold != nil {
		close(p.hold)
		p.hold = nil
	}
}

func (p *pump) run(hold <-chan struct{}) {
	defer close(p.done)
	defer func() {
		if r := recover(); r != nil {
			p.mistake = fmt.Sprintf("%v, while a body was sent: %s", r, debug.Stack())
		}
		p.ended.Store(true)
		p.x.alarm.ring() // the exchange waits without a time-out until then
	}()
	p.err = p.work(hold)
}

// blame lets a mistake of ours go on in the goroutine of the exchange, where it ends one connection and not all.
func (p *pump) blame() {
	if m := p.mistake; m != nil {
		p.mistake = nil
		panic(m)
	}
}

func (p *pump) work(hold <-chan struct{}) error {
	if hold != nil {
		t := time.NewTimer(waitForContinue)
		defer t.Stop()
		select {
		case <-hold:
		case <-t.C:
		}
	}
	if err := p.send(p.x.body.content()); err != nil {
		return err
	}
	out := getBuffer(16 << 10)
	defer putBuffer(out)
	for p.x.body.err == nil && !p.stopped.Load() {
		part := p.read(out.b)
		if err := p.send(part); err != nil {
			return err
		}
	}
	if p.x.body.err == io.EOF {
		return p.sendEnd()
	}
	return nil
}

// read returns the next part of the body. It is kept as long as there is room for all that was read.
func (p *pump) read(space []byte) []byte {
	b := &p.x.body
	keep := b.replayable() && b.keptBytes() < keepBody
	if keep {
		if b.kept == nil {
			b.kept = getBuffer(fillFirst)
		} else if len(b.kept.space()) == 0 {
			b.kept = b.kept.grown(keepBody)
		}
		space = b.kept.space()
		space = space[:min(len(space), keepBody-b.kept.w)]
	}
	p.x.f.setBodyDeadline(p.x.h.cfg.Now().Add(p.x.site.ClientIdle))
	if p.stopped.Load() {
		p.x.f.setBodyDeadline(longAgo) // stop may have set it before we did
	}
	n, err := p.x.f.readBody(space)
	if keep {
		b.kept.w += n
	}
	b.took(n, err)
	return space[:n]
}

// send writes a part of the body to the member, framed.
func (p *pump) send(part []byte) error {
	if len(part) == 0 {
		return nil
	}
	m, idle := p.m, p.x.site.ClientIdle
	if p.x.req.Framing == h1.FramingLength || m.h2c != nil {
		return m.write(part, idle)
	}
	var size [20]byte
	m.pieces[0], m.pieces[1], m.pieces[2] = h1.AppendChunkHeader(size[:0], int64(len(part))), part, crlf
	return m.writePieces(3, idle)
}

// sendEnd writes what follows the last part.
func (p *pump) sendEnd() error {
	if p.m.h2c != nil {
		p.m.h2c.upload.finish(headerOf(p.x.requestTrailers))
		return nil
	}
	if p.x.req.Framing == h1.FramingLength {
		return nil
	}
	b := h1.AppendLastChunk(nil)
	for f := range p.x.requestTrailers {
		b = f.Append(b)
	}
	return p.m.write(h1.AppendEnd(b), p.x.site.ClientIdle)
}

// requestTrailers returns those of the request that may be passed on.
func (x *exchange) requestTrailers(yield func(*h1.Field) bool) {
	options := connectionOptions(&x.req.Section)
	list := x.f.trailers()
	for i := range list {
		if f := &list[i]; passesInTrailers(f) && !names(options, f.Name) && !yield(f) {
			return
		}
	}
}
