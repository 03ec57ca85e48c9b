// Package watch looks at the agents of a network that loses beats: what each hears of the others, and what becomes of
// requests to it. It counts false alarms, which are nodes that count as gone although they live, and requests that fail.
package watch

import (
	"context"
	"net/http"
	"sync"
	"time"

	"backhand/contrib/testbed/h1"
)

// Spec says what to look at.
type Spec struct {
	Nodes    []string      // addresses of the agents; each serves the farm, and hands requests on to all
	Interval time.Duration // between two beats of a node
	Every    time.Duration // between two requests to each node
	Warm     time.Duration // for which there are requests before anything counts
	For      time.Duration // for which it counts
}

// Result says what was seen.
type Result struct {
	Pairs  int // of a node that hears, and one that is heard
	Sent   int // beats, each as often as there are others to hear it
	Heard  int // of these
	Alarms int // false ones
	Unsure int // that may have been some: nobody looked for so long that a beat may have been overlooked
	Blind  int // looks that got no answer
	// Overlooked is how many beats came and went between two looks.
	Overlooked int
	Dropped    int           // how often a request found a candidate too old
	Late       time.Duration // how much later than planned a beat was sent, at most

	Requests int
	Failed   int
	Slowest  time.Duration // of the requests that did not fail
	Why      string        // of one that did
}

const (
	lookFor    = 5 * time.Second
	readyFor   = 30 * time.Second
	readyEvery = 200 * time.Millisecond
	// looks are how many there are in an interval: of two beats, which are at least 0.9 of it apart, each is seen.
	looks = 2
)

// Run looks at the agents, once all have heard of all.
func Run(ctx context.Context, s Spec) (Result, error) {
	client := &http.Client{Transport: &http.Transport{}, Timeout: lookFor}
	defer client.CloseIdleConnections()
	ears := make([]*ear, len(s.Nodes))
	for i, addr := range s.Nodes {
		ears[i] = &ear{addr: addr, client: client, nodes: len(s.Nodes), others: map[string]*silence{}}
	}
	if err := allReady(ctx, ears); err != nil {
		return Result{}, err
	}
	return s.look(ctx, ears)
}

func allReady(ctx context.Context, ears []*ear) error {
	ctx, cancel := context.WithTimeout(ctx, readyFor)
	defer cancel()
	for _, e := range ears {
		if err := e.ready(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (s Spec) look(ctx context.Context, ears []*ear) (all Result, err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	from := time.Now().Add(s.Warm)
	to := from.Add(s.For)
	visitors := make([]*visitor, len(ears))
	var wait sync.WaitGroup
	for i, e := range ears {
		visitors[i] = &visitor{pool: &h1.Pool{Addr: e.addr}}
		wait.Go(func() { visitors[i].visit(ctx, from, to, s.Every) })
		wait.Go(func() {
			if err := e.listen(ctx, from, to, s.Interval/looks); err != nil {
				cancel(err)
			}
		})
	}
	wait.Wait()
	if err := context.Cause(ctx); err != nil {
		return all, err
	}
	for i := range ears {
		all.add(ears[i].seen)
		all.add(visitors[i].seen)
	}
	return all, nil
}

func (r *Result) add(o Result) {
	r.Pairs += o.Pairs
	r.Sent += o.Sent
	r.Heard += o.Heard
	r.Alarms += o.Alarms
	r.Unsure += o.Unsure
	r.Blind += o.Blind
	r.Overlooked += o.Overlooked
	r.Dropped += o.Dropped
	r.Late = max(r.Late, o.Late)
	r.Requests += o.Requests
	r.Failed += o.Failed
	r.Slowest = max(r.Slowest, o.Slowest)
	if r.Why == "" {
		r.Why = o.Why
	}
}
