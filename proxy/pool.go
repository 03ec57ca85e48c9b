package proxy

import (
	"container/list"
	"context"
	"errors"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// errQueueFull says that no connection to the member became free in time.
var errQueueFull = errors.New("all connections to the member are in use, and none became free in time")

// pool holds the connections to one destination.
//
// While somebody waits, no connection is idle and none more may be made: what becomes free goes to who waits longest.
type pool struct {
	destination
	all      *pools
	settings atomic.Pointer[poolSettings]
	wanted   atomic.Bool // asked for since empty pools were last looked for
	h2       h2cConns    // if the member speaks HTTP/2; then what is counted here are its streams

	mu        sync.Mutex    // held for a few instructions only; connections are closed without it
	conns     int           // idle ones included, and those that are being made
	idle      []*memberConn // all may be used by the settings of now; who has been idle longest is the first
	queue     list.List     // of *waiter; who waits longest is the first
	forgotten bool          // nobody sweeps it any more
}

// waiter is a request that waits for a connection.
type waiter struct {
	fresh  bool             // one that was used before does not do
	ready  chan *memberConn // gets a connection, or nil: make one
	served bool             // ready got it
}

// take returns an idle connection, the one that was used last, or nil. It does not wait.
func (p *pool) take(now time.Time) *memberConn {
	p.mu.Lock()
	n := len(p.idle)
	if n == 0 {
		p.mu.Unlock()
		return nil
	}
	c := p.idle[n-1]
	if now.Sub(c.since) > p.settings.Load().idle {
		old := p.idle // the others even more so
		p.idle = nil
		p.mu.Unlock()
		p.discard(old)
		return nil
	}
	p.idle[n-1] = nil
	p.idle = p.idle[:n-1]
	p.mu.Unlock()
	return c
}

// open makes a connection, or waits for one that comes back, if there are Reach.Conns already: for Reach.Queue at most,
// first come, first served. If hdr, a PROXY header, is not nil, it is always made anew, and begins with that. told is
// called with the result of the dial, if there was one: nil or the error. It is not if ctx ended or this host lacks
// something, which says nothing of the member.
//
// Errors are ctx's own, errQueueFull, or a *dialError.
func (p *pool) open(ctx context.Context, hdr []byte, told func(error)) (*memberConn, error) {
	c, err := p.slot(ctx, hdr != nil)
	if c != nil || err != nil {
		return c, err
	}
	s := p.settings.Load()
	c, made, err := p.make(ctx, s, hdr)
	if err == nil {
		if made {
			told(nil)
		}
		return c, nil
	}
	defer p.freed(1)
	if end := ended(ctx); end != nil {
		return nil, end
	}
	if err == errQueueFull {
		return nil, err
	}
	if !lacksResources(err) {
		told(err)
	}
	return nil, &dialError{err}
}

// make makes a connection, or what takes its place: a stream of HTTP/2. made says that there was a dial.
func (p *pool) make(ctx context.Context, s *poolSettings, hdr []byte) (c *memberConn, made bool, err error) {
	if p.h2c {
		st, made, err := p.openStream(ctx, s, hdr)
		if err != nil {
			return nil, made, err
		}
		c = newMemberConn(p, s, st, hdr != nil)
		c.h2c, c.uses = st, st.earlier
		return c, made, nil
	}
	nc, err := p.dial(ctx, s, hdr)
	if err != nil {
		return nil, true, err
	}
	return newMemberConn(p, s, nc, hdr != nil), true, nil
}

// slot returns a connection, or nil if one may be made, which is counted already.
func (p *pool) slot(ctx context.Context, fresh bool) (*memberConn, error) {
	now := p.all.cfg.Now()
	p.mu.Lock()
	s := p.settings.Load()
	n := len(p.idle)
	switch {
	case p.conns < s.conns: // so nobody waits
		p.conns++
		p.mu.Unlock()
		return nil, nil
	case n > 0 && !fresh && now.Sub(p.idle[n-1].since) <= s.idle:
		c := p.idle[n-1]
		p.idle = p.idle[:n-1]
		p.mu.Unlock()
		return c, nil
	case n > 0: // the new one takes its place
		c := p.idle[0]
		p.idle = slices.Delete(p.idle, 0, 1)
		p.mu.Unlock()
		c.end()
		return nil, nil
	}
	w := &waiter{fresh: fresh, ready: make(chan *memberConn, 1)}
	place := p.queue.PushBack(w)
	p.mu.Unlock()
	return p.wait(ctx, w, place, s.queue)
}

// wait returns what is given to a waiter.
func (p *pool) wait(ctx context.Context, w *waiter, place *list.Element, limit time.Duration) (*memberConn, error) {
	t := time.NewTimer(limit)
	defer t.Stop()
	var err error
	select {
	case c := <-w.ready:
		return c, nil
	case <-t.C:
		err = errQueueFull
	case <-ctx.Done():
		err = ctx.Err()
	}
	p.mu.Lock()
	served := w.served
	if !served {
		p.queue.Remove(place)
	}
	p.mu.Unlock()
	if !served {
		return nil, err
	}
	c := <-w.ready // it came at the last moment
	switch {
	case err == errQueueFull:
		return c, nil
	case c != nil:
		p.putBack(c, p.all.cfg.Now())
	default:
		p.freed(1)
	}
	return nil, err
}

// serve gives who waits longest a connection, or the right to make one. There is somebody, and p.mu is held.
func (p *pool) serve(c *memberConn) {
	w := p.queue.Remove(p.queue.Front()).(*waiter)
	w.served = true
	w.ready <- c
}

// grant lets those who wait make connections, as far as there may be more. p.mu is held.
func (p *pool) grant() {
	for most := p.settings.Load().conns; p.conns < most && p.queue.Len() > 0; {
		p.conns++
		p.serve(nil)
	}
}

// freed says that there are n connections less.
func (p *pool) freed(n int) {
	p.mu.Lock()
	p.conns -= n
	p.grant()
	p.mu.Unlock()
}

// give puts a connection back for the next request. What was sent and received over it is complete.
func (p *pool) give(c *memberConn, now time.Time) {
	c.uses++
	p.putBack(c, now)
}

// putBack lets who waits longest have the connection; if nobody waits, it is idle.
func (p *pool) putBack(c *memberConn, now time.Time) {
	p.mu.Lock()
	s := p.settings.Load()
	first := p.queue.Front()
	switch {
	case p.forgotten, p.conns > s.conns, !s.allow(c), first != nil && first.Value.(*waiter).fresh:
		p.mu.Unlock()
		p.drop(c)
	case first != nil:
		p.serve(c)
		p.mu.Unlock()
	default:
		c.since = now
		p.idle = append(p.idle, c)
		p.mu.Unlock()
		p.all.sweepBy(now.Add(s.idle))
	}
}

// drop closes a connection, and lets another be made in its place. It may be called again.
func (p *pool) drop(c *memberConn) {
	if c.end() {
		p.freed(1)
	}
}

// discard closes connections that were idle.
func (p *pool) discard(list []*memberConn) {
	for _, c := range list {
		p.drop(c)
	}
}

// change replaces the settings, and closes idle connections that do not agree with them, or are too many.
func (p *pool) change(r *Reach, connect time.Duration, from netip.Addr) {
	p.mu.Lock()
	old := p.settings.Load()
	s := p.newSettings(r, connect, from, old)
	p.settings.Store(s)
	var out []*memberConn
	p.idle = slices.DeleteFunc(p.idle, func(c *memberConn) bool {
		unwanted := p.conns-len(out) > s.conns || !s.allow(c)
		if unwanted {
			out = append(out, c)
		}
		return unwanted
	})
	p.grant()
	p.mu.Unlock()
	p.discard(out)
}

// expire closes what was idle for too long, and returns when the next connection will have been.
func (p *pool) expire(now time.Time) (next time.Time) {
	p.mu.Lock()
	limit, n := p.settings.Load().idle, 0
	for n < len(p.idle) && now.Sub(p.idle[n].since) >= limit {
		n++
	}
	old := slices.Clone(p.idle[:n])
	p.idle = slices.Delete(p.idle, 0, n)
	if len(p.idle) > 0 {
		next = p.idle[0].since.Add(limit)
	}
	p.mu.Unlock()
	p.discard(old)
	return next
}

func (p *pool) closeIdle() {
	p.mu.Lock()
	all := p.idle
	p.idle = nil
	p.mu.Unlock()
	p.discard(all)
	p.h2.closeIdle()
}

// retire reports whether the pool may be forgotten: it is empty, and was not asked for since the last time.
func (p *pool) retire() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.forgotten = !p.wanted.Swap(false) && p.conns == 0 && p.queue.Len() == 0 && p.h2.empty()
	return p.forgotten
}

func (p *pool) stats() poolStats {
	p.mu.Lock()
	defer p.mu.Unlock()
	return poolStats{destination: p.destination, open: p.conns, idle: len(p.idle), waiting: p.queue.Len()}
}
