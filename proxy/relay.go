package proxy

import (
	"errors"
	"io"
	"net"
	"strings"
	"syscall"
	"time"

	"backhand/gossip/node"
	"backhand/proxy/h1"
)

// relay passes the response on, of which the head is there.
func (x *exchange) relay() {
	afterOthers()
	ho := &x.ho
	if x.res.Status == 101 {
		x.switchProtocols()
		return
	}
	x.stopWatching() // what is written shows whether the client is there
	x.from(ho.answered, x.site.ResponseIdle)
	x.h.date.add(x.res, ho.answered)
	x.lookAt = ho.start.Add(watchAfter)
	ho.startBody()
	x.status = x.res.Status
	if x.res.Framing == h1.FramingChunked {
		x.resOptions = connectionOptions(&x.res.Section) // the head will be gone when the trailers come
	}
	trimAnnounced(&x.res.Section)
	if x.res.Reason == nil {
		x.res.Reason = noReason
	}
	x.mapBack()
	x.tellAgent("")
	x.addCookie()
	err := x.f.respond(x.res, x.via())
	if err == nil {
		err = x.relayBody()
	}
	if err == nil {
		err = x.f.finish(x.responseTrailers())
	}
	x.told(err)
}

// addCookie adds the one that leads the client back to the member that answers, if the chain wants it. A client that came by
// https gives it to nobody else.
func (x *exchange) addCookie() {
	if c := x.ho.cookie; c != "" {
		if x.client.Proto == "https" && !strings.Contains(c, secure) {
			c += secure
		}
		x.res.Fields = append(x.res.Fields, h1.Field{Name: []byte("Set-Cookie"), Value: []byte(c), ID: h1.SetCookie})
	}
}

const secure = "; Secure"

// noReason makes the front write no reason phrase, where nil would make it write the usual one.
var noReason = []byte{}

// told counts how the response ended.
func (x *exchange) told(err error) {
	ho := &x.ho
	x.tick()
	err = toldClient(err)
	result := node.Completed
	switch {
	case x.route.failsWith(x.status), err != nil && reasonOf(err) == brokenOff:
		result = node.Failed
	case err != nil:
		result = node.GaveUp
	}
	if err == nil {
		ho.release()
		ho.end(result)
		return
	}
	ho.end(result)
	x.reason, x.out.Err = reasonOf(err), err
	x.f.abort()
	x.body.stop()
	ho.drop()
}

// via returns what we add to the Via field of a response.
func (x *exchange) via() []byte {
	switch {
	case x.ho.m.h2c != nil:
		return x.h.via20
	case x.res.Minor == 0:
		return x.h.via10
	}
	return x.h.via11
}

// bulk is how much is read at once of a long body, and spliceFrom from how many bytes on it is not read at all, but left
// to the kernel.
const (
	bulk       = 64 << 10
	spliceFrom = 32 << 10
)

// relayBody passes the body on. The error is a problem.
func (x *exchange) relayBody() error {
	ho := &x.ho
	for much := false; ; {
		m := ho.m
		p, err := ho.body.next(&m.stream, bulk)
		switch {
		case err != nil:
			return because(brokenOff, err)
		case len(p) > 0:
			x.sent += int64(len(p))
			if err := x.write(p); err != nil {
				return err
			}
			if m.in == nil || !m.in.empty() {
				continue
			}
			much = m.in.w == len(m.in.b)
			m.letGo()
		}
		if ho.body.done() {
			return nil
		}
		if err := x.flush(); err != nil {
			return err
		}
		if out := x.spliceable(); out != nil {
			paused, err := x.splice(out)
			if err != nil {
				return err
			}
			if !paused {
				continue
			}
		}
		m.letGo() // what was left may have been framing, up to the buffer's very end
		if much && m.in == nil {
			m.in = getBuffer(bulk)
		}
		much = false
		if err := x.moreBody(); err != nil {
			return err
		}
	}
}

// moreBody waits for more of the body.
func (x *exchange) moreBody() error {
	m := x.ho.m
	now := x.tick()
	x.from(now, x.site.ResponseIdle)
	err := x.more(m, now)
	switch {
	case err == nil:
		return nil
	case err == io.EOF && x.ho.body.framing == h1.FramingClose:
		x.ho.body.ended = true
		return nil
	}
	if _, ok := errors.AsType[*problem](err); ok {
		return err
	}
	return because(brokenOff, unexpected(err))
}

// responseTrailers returns those that may be passed on.
func (x *exchange) responseTrailers() []h1.Field {
	list := x.ho.body.trailers()
	if s := x.ho.m.h2c; s != nil {
		list = s.trailers()
	}
	n := 0
	for i := range list {
		if passesInTrailers(&list[i]) && !names(x.resOptions, list[i].Name) {
			list[n] = list[i]
			n++
		}
	}
	return list[:n]
}

// spliceable returns the client's connection if the rest of the body can go to it within the kernel.
func (x *exchange) spliceable() *net.TCPConn {
	b := &x.ho.body
	if x.f != front(&x.h1) || x.h1.c.tcp == nil || x.ho.m.tcp == nil || x.h1.answer.noBody {
		return nil
	}
	if b.framing != h1.FramingLength || b.left < spliceFrom || x.ho.m.in != nil {
		return nil
	}
	return x.h1.c.tcp
}

// The least and the most that is spliced at once, in bytes: the client has site.ClientIdle for each such part, and site.ResponseIdle
// besides. Who is slow gets small parts.
const (
	spliceLeast = 64 << 10
	spliceMost  = 4 << 20
)

// spliceWait is for how long a member may pause before its body is read in the ordinary way, in which the client can be
// watched.
const spliceWait = 50 * time.Millisecond

// splice passes the body on until its end, or until the member pauses; then paused is true.
//
// A time-out that comes from the client leaves bytes behind in the kernel's pipe, which are lost; one that comes from the
// member does not. That they can be told apart, the client's comes later.
func (x *exchange) splice(out *net.TCPConn) (paused bool, err error) {
	b, m := &x.ho.body, x.ho.m
	defer m.rd.passed()
	x.waitedFor(true)
	defer x.waitedFor(false)
	client := newPatience(out)
	client.begin(spliceWait+x.site.ClientIdle, x.total)
	defer client.end()
	for part := int64(spliceLeast); b.left > 0; {
		start := x.h.cfg.Now()
		_, _ = m.nc.SetReadDeadline(start.Add(spliceWait)), client.renew(start)
		n, err := out.ReadFrom(&io.LimitedReader{R: m.tcp, N: min(part, b.left)})
		b.left -= n
		x.sent += n
		b.ended = b.left == 0
		now := x.h.cfg.Now()
		switch {
		case err == nil && n == 0:
			return false, because(brokenOff, io.ErrUnexpectedEOF)
		case x.isOver(now):
			return false, because(overall, err)
		case timedOut(err) && now.Before(client.deadline()):
			return true, nil
		case err != nil:
			return false, x.spliceFailed(err)
		}
		if now.Sub(start) < time.Second {
			part = min(2*part, spliceMost)
		} else {
			part = max(part/2, spliceLeast)
		}
	}
	return false, nil
}

func (x *exchange) isOver(now time.Time) bool { return !x.total.IsZero() && !now.Before(x.total) }

// spliceFailed finds out who it was.
func (x *exchange) spliceFailed(err error) error {
	switch m := x.ho.m; {
	case timedOut(err):
		return because(clientSlow, err)
	case errors.Is(err, syscall.EPIPE), m.look() != seenEnd:
		return because(clientGone, err)
	}
	return because(brokenOff, err)
}
