package sampler

import (
	"context"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// flips notes when Ready turned over, in seconds since the start.
type flips struct {
	mu    sync.Mutex
	o     *Origin
	began time.Time
	seen  []string
}

func (f *flips) changed() {
	f.mu.Lock()
	defer f.mu.Unlock()
	ready, why := f.o.Ready()
	f.seen = append(f.seen, strings.TrimSpace(fmt.Sprintf("%v ready=%v %s", time.Since(f.began), ready, why)))
}

func (f *flips) check(t *testing.T, want ...string) {
	t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	if d := cmp.Diff(want, f.seen); d != "" {
		t.Errorf("turned over: -want +got:\n%s", d)
	}
}

func TestRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		web := &fake{err: errRefused}
		o := newOrigin(t, OriginConfig{Check: "/health", Dial: web.Dial})
		f := &flips{o: o, began: time.Now()}
		ctx, stop := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() { o.Run(ctx, time.Second, f.changed) })

		at := func(d time.Duration) { // waits until then, in the bubble's time
			time.Sleep(time.Until(f.began.Add(d)))
			synctest.Wait()
		}
		at(1500 * time.Millisecond) // two checks, at 0 and 1 s
		f.check(t)
		web.set(nil, response(200))
		at(3500 * time.Millisecond)
		f.check(t, "2s ready=true")
		web.set(nil, response(503)) // 4 s, 5 s
		at(5500 * time.Millisecond)
		f.check(t, "2s ready=true", "5s ready=false GET /health: 503")
		web.set(errRefused, nil) // 6 s: down as before, for another reason
		at(6500 * time.Millisecond)
		f.check(t, "2s ready=true", "5s ready=false GET /health: 503")
		if _, why := o.Ready(); why != "connect: connection refused" {
			t.Errorf("why = %q", why)
		}
		web.set(nil, response(200)) // 7 s, 8 s
		at(8500 * time.Millisecond)
		f.check(t, "2s ready=true", "5s ready=false GET /health: 503", "8s ready=true")
		stop()
		wg.Wait()
		o.NoteConnectFailure() // Run is over: changed is not called any more
		f.check(t, "2s ready=true", "5s ready=false GET /health: 503", "8s ready=true")
	})
}

func TestARequestThatCannotConnect(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		web := &fake{answer: silent}
		o := newOrigin(t, OriginConfig{Dial: web.Dial})
		f := &flips{o: o, began: time.Now()}
		ctx, stop := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() { o.Run(ctx, time.Second, f.changed) })
		time.Sleep(2500 * time.Millisecond)
		var requests sync.WaitGroup
		for range 10 {
			requests.Go(o.NoteConnectFailure)
		}
		requests.Wait()
		down := "2.5s ready=false connect: failed for a request"
		f.check(t, "0s ready=true", down)
		time.Sleep(2 * time.Second)
		synctest.Wait()
		f.check(t, "0s ready=true", down, "4s ready=true") // good checks at 3 s and 4 s
		stop()
		wg.Wait()
	})
}

func TestProbesNeverOverlap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var under, most, probes int
		web := &fake{answer: silent}
		o := newOrigin(t, OriginConfig{Check: "/", Dial: func(ctx context.Context, network, addr string) (net.Conn, error) {
			conn, err := web.Dial(ctx, network, addr)
			probes++
			under++
			most = max(most, under)
			return closing{conn, func() { under-- }}, err
		}})
		ctx, stop := context.WithTimeout(t.Context(), 10*time.Second)
		defer stop()
		o.Run(ctx, 300*time.Millisecond, nil)
		if most != 1 || probes < 9 || probes > 11 {
			t.Errorf("%d probes at once, %d in 10 s, want 1 and about 10, since each takes 1 s", most, probes)
		}
	})
}

func TestRunIsNoFlood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		web := &fake{answer: silent}
		o := newOrigin(t, OriginConfig{Dial: web.Dial})
		ctx, stop := context.WithTimeout(t.Context(), 950*time.Millisecond)
		defer stop()
		o.Run(ctx, 0, nil)
		if n := web.dialled(); n != 10 {
			t.Errorf("%d probes in 950 ms with the interval 0, want 10", n)
		}
	})
}

func TestACheckCutShortDoesNotCount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		web := &fake{answer: response(200)}
		o := newOrigin(t, OriginConfig{Check: "/", Fall: 1, Dial: web.Dial})
		o.Probe(t.Context())
		web.set(nil, silent)
		ctx, stop := context.WithTimeout(t.Context(), 500*time.Millisecond)
		defer stop()
		o.Probe(ctx)
		if ready, why := o.Ready(); !ready {
			t.Errorf("down, %q, because we stopped", why)
		}
		o.Probe(t.Context())
		if ready, why := o.Ready(); ready || why != "GET /: no answer within 1s" {
			t.Errorf("Ready() = %v, %q, want down after a whole check", ready, why)
		}
	})
}
