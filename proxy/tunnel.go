package proxy

import (
	"errors"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"backhand/gossip/node"
)

// switchProtocols passes a 101 on, and then whatever both ends say (RFC 9110, section 7.8).
func (x *exchange) switchProtocols() {
	ho := &x.ho
	f, ok := x.f.(*h1Front)
	if !ok || ho.upgrade == "" || !equalFold(x.res.Upgrade, ho.upgrade) {
		err := becausef(notHTTP, "%s switches to %q, where %q was asked for", ho.dest.addr, x.res.Upgrade, ho.upgrade)
		x.body.stop() // it may be a request with a body
		ho.drop()
		ho.fail(notHTTP)
		x.fail(err)
		return
	}
	ho.end(node.Completed) // what comes now is no request
	ho.hear()
	x.stopWatching()
	x.status = 101
	f.c.last = true
	f.c.t.upgraded.Store(true)
	x.mapBack()
	x.tellAgent("")
	err := f.respond(x.res, x.via())
	if err == nil {
		err = f.finish(nil)
	}
	if err != nil {
		x.reason, x.out.Err = reasonOf(err), err
	} else {
		t := &tunnel{idle: x.site.TunnelIdle, h: x.h}
		t.run(&f.c.stream, &ho.m.stream)
		x.sent = t.toClient.Load()
	}
	f.abort()
	ho.drop()
	x.tick()
}

// tunnel passes bytes on in both directions until both have ended, one has failed, or both were silent for too long.
type tunnel struct {
	h        *Handler
	idle     time.Duration
	toClient atomic.Int64 // bytes
	moved    atomic.Int64 // bytes in both directions
}

func (t *tunnel) run(client, member *stream) {
	var wg sync.WaitGroup
	defer wg.Wait()
	wg.Go(func() { t.pass(member, client, &t.toClient) })
	t.pass(client, member, nil)
}

// pass hands on what comes from one end to the other. If that ends well, the other is told so, and may go on talking;
// else both are cut off.
func (t *tunnel) pass(from, to *stream, count *atomic.Int64) {
	for {
		if from.in != nil {
			p := from.take(len(from.in.b))
			err := to.write(p, t.idle)
			t.moved.Add(int64(len(p)))
			if count != nil {
				count.Add(int64(len(p)))
			}
			from.letGo()
			if err != nil {
				break
			}
		}
		err := t.wait(from)
		if err == io.EOF && halfClose(to.nc) == nil {
			return
		}
		if err != nil {
			break
		}
	}
	_ = from.nc.Close()
	_ = to.nc.Close()
}

var errSilent = errors.New("the tunnel was silent for too long")

// wait reads more, unless nothing moved in either direction for too long.
func (t *tunnel) wait(s *stream) error {
	seen := t.moved.Load()
	since := t.h.cfg.Now()
	for now := since; ; now = t.h.cfg.Now() {
		if m := t.moved.Load(); m != seen {
			seen, since = m, now
		}
		if now.Sub(since) >= t.idle {
			return errSilent
		}
		s.rd.by(s.nc, now, since.Add(t.idle))
		err := s.fill()
		if err == nil || !timedOut(err) {
			return err
		}
		s.rd.passed()
	}
}
