package proxy

import (
	"errors"
	"io"
	"time"

	"backhand/proxy/h1"
)

// keepBody is how much of a request's body is kept, in bytes, so that it can be sent once more.
const keepBody = 64 << 10

// fillFirst is for how much of a short body there is room at first, in bytes. More is made as it arrives: what a client
// announces costs it nothing.
const fillFirst = 4 << 10

// requestBody is the body of a request, which may have to be sent to more than one member. One that is announced to be
// short is read before anything is sent, so that a slow client keeps no member waiting and its own faults come to light
// first. Of any other the beginning is kept as it passes; that is done by a pump (pump.go), in a goroutine of its own.
type requestBody struct {
	x     *exchange
	none  bool
	asked bool    // the client was told to go on, or does not wait for that
	pump  *pump   // what sends it to the member that is asked; nil: nobody does
	kept  *buffer // the beginning; nil: nothing
	read  int64   // what the client has sent of it
	err   error   // with which it ended; io.EOF if well
}

func (b *requestBody) begin(x *exchange) {
	b.x = x
	b.none = x.req.Framing == h1.FramingNone || x.req.Framing == h1.FramingLength && x.req.Length == 0
	b.asked = !x.req.ExpectContinue || x.h1.c != nil && x.h1.c.in != nil // what is here already need not be asked for
}

func (b *requestBody) release() { putBuffer(b.kept) }

// fill reads a body that is announced to be short. If the client wants to be asked for it (Expect: 100-continue), it is
// asked when a member does.
func (b *requestBody) fill() error {
	x := b.x
	switch {
	case b.none || !b.asked:
		return nil
	case x.req.Framing == h1.FramingChunked:
		return b.fillAtHand()
	case x.req.Length > keepBody:
		return nil
	}
	want := int(x.req.Length)
	b.kept = getBuffer(min(want, fillFirst))
	var renewed time.Time
	for b.err == nil && b.kept.w < want {
		if len(b.kept.space()) == 0 {
			b.kept = b.kept.grown(want)
		}
		if now := x.h.cfg.Now(); now.Sub(renewed) > time.Second/10 {
			renewed = now
			x.f.setBodyDeadline(x.bodyBy(now))
		}
		space := b.kept.space()
		n, err := x.f.readBody(space[:min(len(space), want-b.kept.w)])
		b.kept.w += n
		b.took(n, err)
	}
	x.tick()
	if b.err == nil {
		b.err = io.EOF
	}
	return b.fault()
}

// bodyBy returns when the next part of a body must have come: the request's own end holds here, too.
func (x *exchange) bodyBy(now time.Time) time.Time {
	by := now.Add(x.site.ClientIdle)
	if !x.total.IsZero() && x.total.Before(by) {
		return x.total
	}
	return by
}

// fillAtHand reads what has come of a chunked body already: if it is malformed, no member sees anything of the request,
// and if that is all, it can be sent again.
func (b *requestBody) fillAtHand() error {
	x := b.x
	x.f.setBodyDeadline(longAgo)
	b.kept = getBuffer(fillFirst)
	for b.err == nil && b.kept.w < keepBody {
		if len(b.kept.space()) == 0 {
			b.kept = b.kept.grown(keepBody)
		}
		space := b.kept.space()
		n, err := x.f.readBody(space[:min(len(space), keepBody-b.kept.w)])
		b.kept.w += n
		if timedOut(err) {
			b.read += int64(n)
			break
		}
		b.took(n, err)
	}
	x.f.setBodyDeadline(time.Time{})
	return b.fault()
}

// took notes what a read brought.
func (b *requestBody) took(n int, err error) {
	b.read += int64(n)
	switch most := b.x.site.MaxBody; {
	case most > 0 && b.read > most:
		b.err = because(bodyTooLong, nil)
	case err != nil:
		b.err = err
	}
}

// fault returns what is wrong with the body, as a problem, or nil.
func (b *requestBody) fault() error {
	if b.err == nil || b.err == io.EOF {
		return nil
	}
	if p, ok := errors.AsType[*problem](b.err); ok {
		return p
	}
	return clientError(b.err)
}

// whole reports whether all of the body is here, to be sent as often as is wanted.
func (b *requestBody) whole() bool { return b.none || b.err == io.EOF && b.replayable() }

// atOnce reports whether the body can be sent as it is kept, behind the head.
func (b *requestBody) atOnce() bool { return b.whole() && b.x.req.Framing != h1.FramingChunked }

// replayable reports whether the body can be sent from its beginning.
func (b *requestBody) replayable() bool { return b.none || b.read == int64(b.keptBytes()) }

func (b *requestBody) keptBytes() int {
	if b.kept == nil {
		return 0
	}
	return b.kept.w
}

// content returns what is kept.
func (b *requestBody) content() []byte {
	if b.kept == nil {
		return nil
	}
	return b.kept.b[:b.kept.w]
}
