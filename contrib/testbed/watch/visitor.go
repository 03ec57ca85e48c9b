package watch

import (
	"context"
	"fmt"
	"sync"
	"time"

	"backhand/contrib/testbed/h1"
)

// visitor asks one agent for pages, whatever becomes of those before.
type visitor struct {
	pool *h1.Pool
	mu   sync.Mutex
	seen Result
}

const (
	work     = 5 * time.Millisecond
	patience = 20 * time.Second
)

// visit asks for a page every so often until then, and counts those that it asks for from from on.
func (v *visitor) visit(ctx context.Context, from, to time.Time, every time.Duration) {
	request := fmt.Appendf(nil, "GET /work HTTP/1.1\r\nHost: www.example.com\r\nX-Work: %d\r\n\r\n", work.Microseconds())
	var wait sync.WaitGroup
	defer v.pool.Close()
	defer wait.Wait()
	tick := time.NewTicker(every)
	defer tick.Stop()
	for now := time.Now(); now.Before(to); {
		counts := !now.Before(from)
		wait.Go(func() {
			began := time.Now()
			a, err := v.pool.Do(request, patience)
			if err == nil && a.Status() != 200 {
				err = fmt.Errorf("%q %q", a.Head, a.Body)
			}
			if counts {
				v.note(time.Since(began), began.Sub(from), err)
			}
		})
		select {
		case now = <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

func (v *visitor) note(took, at time.Duration, err error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.seen.Requests++
	if err == nil {
		v.seen.Slowest = max(v.seen.Slowest, took)
		return
	}
	v.seen.Failed++
	if v.seen.Why == "" {
		v.seen.Why = fmt.Sprintf("%s, %v after the beginning: %v", v.pool.Addr, at.Round(time.Millisecond), err)
	}
}
