// Package load sends the requests of a trace at the times at which they are due, whatever becomes of those before, and
// changes the members as the trace says. A latency counts from when a request was due. Connections to the fronts are
// kept; a request for which none is free makes one.
package load

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"time"

	"backhand/contrib/testbed/h1"
	"backhand/contrib/testbed/trace"
)

// Spec says what to send where.
type Spec struct {
	Trace   trace.Spec
	Fronts  []string // addresses; if there is but one, it gets the requests of all
	Members []string // addresses of the origins
	Ideal   string   // address at which the ideal front is told what the members are told; "": there is none
	Agents  int      // the fronts are ready when each of them, an agent, sees so many members; 0: when they answer
	Warm    time.Duration
	For     time.Duration // how long is measured, from Warm on
}

// Result says what came of it.
type Result struct {
	Records  []Record      // of the requests that were due while it was measured
	CPU      float64       // share of the machine's CPU time that was used meanwhile
	CPUMost  float64       // in the worst second of it
	Refusals float64       // that the fronts, agents, counted meanwhile
	Late     time.Duration // how late the worst one in a hundred was sent
	Why      string        // of one that failed
}

// Record is what became of a request.
type Record struct {
	trace.Request
	Took   time.Duration // from when it was due to the end of the answer
	Status int           // 0: none
	Member int           // from 0; -1: not known
}

// Patience is how long answers are waited for after the last request was sent.
const Patience = 90 * time.Second

const (
	readyFor    = 20 * time.Second
	controlFor  = 5 * time.Second
	mostAtOnce  = 15_000 // connections; the process may have few more
	atOnceError = "15,000 requests are under way: it was not sent"
)

type run struct {
	spec   Spec
	fronts []*h1.Pool
	client *http.Client // for what is no work
	began  time.Time

	wait sync.WaitGroup
	free chan struct{} // places of requests that may be under way

	mu     sync.Mutex
	result Result
	late   []time.Duration
}

// Run makes the load.
func Run(ctx context.Context, s Spec) (Result, error) {
	t, err := s.Trace.Draw()
	if err != nil {
		return Result{}, err
	}
	r := &run{spec: s, client: &http.Client{Timeout: controlFor}, free: make(chan struct{}, mostAtOnce)}
	defer r.client.CloseIdleConnections()
	for _, a := range s.Fronts {
		r.fronts = append(r.fronts, &h1.Pool{Addr: a})
	}
	if err := r.ready(ctx); err != nil {
		return Result{}, err
	}
	return r.do(ctx, t)
}

func (r *run) do(ctx context.Context, t trace.Trace) (Result, error) {
	// What holds at the beginning is said before it.
	for len(t.Events) > 0 && t.Events[0].At == 0 {
		if err := r.tell(ctx, t.Events[0]); err != nil {
			return Result{}, err
		}
		t.Events = t.Events[1:]
	}
	clock, err := newClock()
	if err != nil {
		return Result{}, err
	}
	defer clock.close()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	r.began = time.Now().Add(100 * time.Millisecond)
	var beside sync.WaitGroup
	beside.Go(func() {
		if err := r.change(ctx, t.Events); err != nil {
			cancel(err)
		}
	})
	beside.Go(func() {
		if err := r.watch(ctx); err != nil {
			cancel(err)
		}
	})
	for _, q := range t.Requests {
		if err := clock.sleep(time.Until(r.began.Add(q.At))); err != nil {
			return Result{}, err
		}
		if ctx.Err() != nil {
			return Result{}, context.Cause(ctx)
		}
		r.send(q)
	}
	beside.Wait()
	r.wait.Wait()
	if err := context.Cause(ctx); err != nil {
		return Result{}, err
	}
	r.result.Late = quantile(r.late, .99)
	return r.result, nil
}

// send starts a request.
func (r *run) send(q trace.Request) {
	late := time.Since(r.began.Add(q.At))
	if !r.measured(q.At) {
		late = 0
	}
	select {
	case r.free <- struct{}{}:
	default:
		r.note(Record{Request: q, Member: -1}, late, errors.New(atOnceError))
		return
	}
	r.wait.Go(func() {
		r.work(q, late)
		<-r.free
	})
}

func (r *run) work(q trace.Request, late time.Duration) {
	pool := r.fronts[q.Front%len(r.fronts)]
	request := fmt.Appendf(nil, "GET /work HTTP/1.1\r\nHost: www.example.com\r\nX-Work: %d\r\n\r\n", q.Work.Microseconds())
	end := r.began.Add(r.spec.Trace.For + Patience)
	a, err := pool.Do(request, time.Until(end))
	record := Record{Request: q, Took: time.Since(r.began.Add(q.At)), Member: -1}
	if err == nil {
		record.Status = a.Status()
		if m, err := strconv.Atoi(h1.Field(a.Head, "X-Member")); err == nil {
			record.Member = m
		}
	}
	if err == nil && record.Status != 200 {
		err = fmt.Errorf("%q %q", a.Head, a.Body)
	}
	r.note(record, late, err)
}

func (r *run) measured(at time.Duration) bool {
	return at >= r.spec.Warm && at < r.spec.Warm+r.spec.For
}

func (r *run) note(q Record, late time.Duration, err error) {
	if !r.measured(q.At) {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.result.Records = append(r.result.Records, q)
	r.late = append(r.late, late)
	if err != nil && r.result.Why == "" {
		r.result.Why = fmt.Sprintf("%v after the beginning: %v", q.At.Round(time.Millisecond), err)
	}
}
