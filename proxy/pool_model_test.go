package proxy

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// poolWalk lets many requests use one pool at random, and notes what became of each. Times are whole milliseconds, so
// that much happens in the same instant.
type poolWalk struct {
	t     *testing.T
	seed  uint64
	ps    *pools
	dest  destination
	reach [2]*Reach // of before and after a reload
	open  atomic.Int64

	mu   sync.Mutex
	all  []*walked
	over string // what was wrong first
}

// walked is one request for a connection.
type walked struct {
	start, granted, end time.Time // granted: a connection, or the right to make one; zero: never
	cancelled           bool
	err                 error
}

type walkedKey struct{}

const (
	walkQueue   = 40 * time.Millisecond
	walkConnect = 20 * time.Millisecond
)

func TestPoolWalk(t *testing.T) {
	for seed := range uint64(150) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := &poolWalk{t: t, seed: seed, dest: destination{addr: "www:80", kind: toOrigin}}
				w.ps = newPools(poolsConfig{Dial: w.dial})
				for i := range w.reach {
					w.reach[i] = &Reach{
						Conns: 1 + int(seed%4), Queue: walkQueue, Idle: 30 * time.Millisecond, TLS: &tls.Config{},
					}
				}
				var wg sync.WaitGroup
				for i := range uint64(12) {
					rnd := rand.New(rand.NewPCG(seed, i))
					wg.Go(func() {
						for range 25 {
							w.request(rnd)
						}
					})
				}
				wg.Wait()
				w.check()
			})
		})
	}
}

func ms(rnd *rand.Rand, n int) time.Duration { return time.Duration(rnd.IntN(n)) * time.Millisecond }

// request takes or makes a connection, uses it and gives it back or drops it.
func (w *poolWalk) request(rnd *rand.Rand) {
	time.Sleep(ms(rnd, 30))
	r := &walked{start: time.Now()}
	w.mu.Lock()
	w.all = append(w.all, r)
	w.mu.Unlock()
	ctx, cancel := context.WithCancel(context.WithValue(w.t.Context(), walkedKey{}, r))
	defer cancel()
	if r.cancelled = rnd.IntN(4) == 0; r.cancelled {
		time.AfterFunc(ms(rnd, 60), cancel)
	}
	var hdr []byte
	if rnd.IntN(8) == 0 {
		hdr = []byte("PROXY UNKNOWN\r\n")
	}
	p := w.ps.at(w.dest, w.reach[min(1, rnd.IntN(20))], walkConnect)
	w.look(p)
	c := p.take(time.Now())
	if c != nil && hdr != nil {
		p.give(c, time.Now())
		c = nil
	}
	if c == nil {
		c, r.err = p.open(ctx, hdr, func(error) {})
	}
	r.end = time.Now()
	w.look(p)
	if c == nil {
		return
	}
	if hdr != nil && c.uses > 0 {
		w.wrong("a connection that was used before was given to who has a PROXY header")
	}
	if r.granted.IsZero() {
		r.granted = r.end
	}
	time.Sleep(ms(rnd, 15))
	if rnd.IntN(4) == 0 {
		p.drop(c)
	} else {
		p.give(c, time.Now())
	}
	if rnd.IntN(50) == 0 {
		w.ps.closeIdle()
	}
	w.look(p)
}

// dial connects, at once or later, or does not. It is where the right to make a connection is used.
func (w *poolWalk) dial(ctx context.Context, _ netip.Addr, _ string) (net.Conn, error) {
	ctx.Value(walkedKey{}).(*walked).granted = time.Now()
	if n := w.open.Add(1); n > int64(w.reach[0].Conns) {
		w.wrong("%d connections open", n)
	}
	switch rand.IntN(8) {
	case 0:
		w.open.Add(-1)
		return nil, errors.New("refused")
	case 1:
		<-ctx.Done()
		w.open.Add(-1)
		return nil, ctx.Err()
	case 2, 3:
		time.Sleep(time.Duration(rand.IntN(10)) * time.Millisecond)
	}
	return &walkConn{w: w}, nil
}

type walkConn struct {
	net.Conn
	w    *poolWalk
	once sync.Once
}

func (c *walkConn) Write(b []byte) (int, error) { return io.Discard.Write(b) }

func (c *walkConn) SetWriteDeadline(time.Time) error { return nil }

func (c *walkConn) Close() error {
	c.once.Do(func() { c.w.open.Add(-1) })
	return nil
}

func (w *poolWalk) wrong(format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.over == "" {
		w.over = fmt.Sprintf(format, args...)
	}
}

// look checks what holds at any time.
func (w *poolWalk) look(p *pool) {
	s, most := p.stats(), w.reach[0].Conns
	if s.open > most || s.idle > s.open || s.waiting > 0 && (s.idle > 0 || s.open < most) {
		w.wrong("while %d connections may be open: %+v", most, s)
	}
}

// check checks what each request got.
func (w *poolWalk) check() {
	if w.over != "" {
		w.t.Error(w.over)
	}
	for _, r := range w.all {
		took := r.end.Sub(r.start)
		_, dial := errors.AsType[*dialError](r.err)
		switch {
		case r.err == nil, dial && !r.granted.IsZero(), r.cancelled && r.err == context.Canceled:
		case r.err == errQueueFull && took == walkQueue && r.granted.IsZero():
		default:
			w.t.Errorf("a request got %v after %v", r.err, took)
		}
		if took > walkQueue+walkConnect {
			w.t.Errorf("a request was answered after %v: %v", took, r.err)
		}
	}
	for _, r := range w.all {
		w.checkTurn(r)
	}
	w.ps.closeIdle()
	if p := w.ps.stats(); len(p) != 1 || p[0].open != 0 || p[0].waiting != 0 || w.open.Load() != 0 {
		w.t.Errorf("in the end %+v, and %d connections open", p, w.open.Load())
	}
}

// checkTurn checks that nobody who came later was served while r waited.
func (w *poolWalk) checkTurn(r *walked) {
	until := r.granted
	if until.IsZero() {
		until = r.end
	}
	for _, o := range w.all {
		if !o.granted.IsZero() && o.start.After(r.start) && o.granted.Before(until) {
			w.t.Errorf("who came after %v was served after %v, and who came before waited until %v",
				o.start.Sub(r.start), o.granted.Sub(r.start), until.Sub(r.start))
		}
	}
}
