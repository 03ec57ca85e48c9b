package demo

import (
	"context"
	"fmt"
	"math"
	"net"
	"net/http"
	"sync"
	"time"

	"backhand/gossip/node"
)

// toy is a web server that takes a given time for each request, a few at once, and can be killed. It also stands in for
// the load figures of the host that it would run on.
type toy struct {
	name string
	work time.Duration // for one request on a free slot
	addr string        // where it listens; the same each time it comes back
	slot chan struct{}

	mu       sync.Mutex
	server   *http.Server  // nil while it is dead
	ended    chan struct{} // closed when it no longer serves
	inFlight int           // requests, and slots of chores
	busy     float64       // slots that are busy, averaged over the last second or so
	load     float64       // requests in flight, averaged over a few seconds: the toy's load average
	at       time.Time
}

const (
	toySlots   = 4
	toyMemory  = 2 << 30
	toyRequest = 24 << 20 // what a request takes of it
	busyWindow = time.Second
	loadWindow = 5 * time.Second // a real load average looks back over a minute; a demo is short
)

func newToy(name string, work time.Duration, ip string) (*toy, error) {
	t := &toy{name: name, work: work, addr: net.JoinHostPort(ip, "0"), slot: make(chan struct{}, toySlots), at: time.Now()}
	return t, t.live()
}

// live makes the toy answer.
func (t *toy) live() error {
	ln, err := net.Listen("tcp", t.addr)
	if err != nil {
		return err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.addr = ln.Addr().String()
	t.server, t.ended = &http.Server{Handler: t, ReadHeaderTimeout: 5 * time.Second}, make(chan struct{})
	go func(s *http.Server, ended chan struct{}) {
		defer close(ended)
		_ = s.Serve(ln) // until die closes it
	}(t.server, t.ended)
	return nil
}

// die closes the port and breaks off what is under way, as a crash would.
func (t *toy) die() {
	t.mu.Lock()
	s, ended := t.server, t.ended
	t.server = nil
	t.mu.Unlock()
	if s != nil {
		_ = s.Close()
		<-ended
	}
}

// ServeHTTP waits for a slot, works, and says who it was.
func (t *toy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	t.count(+1)
	defer t.count(-1)
	select {
	case t.slot <- struct{}{}:
		defer func() { <-t.slot }()
	case <-r.Context().Done():
		return
	}
	work := time.NewTimer(t.work)
	defer work.Stop()
	select {
	case <-work.C:
	case <-r.Context().Done():
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("X-Served-By", t.name)
	fmt.Fprintf(w, "%s served %s for %s\n", t.name, r.URL.Path, r.Header.Get("X-Forwarded-For"))
}

// chore keeps that many slots busy until the context ends, as a job of the server's own would.
func (t *toy) chore(ctx context.Context, slots int) {
	t.count(+slots)
	defer t.count(-slots)
	for range slots {
		select {
		case t.slot <- struct{}{}:
			defer func() { <-t.slot }()
		case <-ctx.Done():
			return
		}
	}
	<-ctx.Done()
}

// figures returns what the toy would tell of itself: the requests and jobs that it has under way, and its load average.
func (t *toy) figures(now time.Time) (jobs int, load float64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.average(now)
	return t.inFlight, t.load
}

func (t *toy) count(by int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.average(time.Now())
	t.inFlight += by
}

// average brings the averages up to now.
func (t *toy) average(now time.Time) {
	dt := now.Sub(t.at)
	t.at = now
	mix := func(old, v float64, window time.Duration) float64 {
		keep := math.Exp(-dt.Seconds() / window.Seconds())
		return keep*old + (1-keep)*v
	}
	t.busy = mix(t.busy, min(float64(t.inFlight), toySlots), busyWindow)
	t.load = mix(t.load, float64(t.inFlight), loadWindow)
}

// Sample stands in for the host's figures.
func (t *toy) Sample(now time.Time) (node.Stats, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.average(now)
	return node.Stats{
		CPUs: toySlots, Load1: t.load, CPUIdle: max(0, 1-t.busy/toySlots),
		MemTotal: toyMemory, MemAvailable: toyMemory - uint64(min(t.inFlight, 64))*toyRequest,
	}, nil
}
