package sim

import (
	"context"
	"sync"
	"time"
)

// Options change how a scenario is played, and never what comes out.
type Options struct {
	// Workers is how many simulations are played at once. Default 1.
	Workers int
	// Progress is told how much of all is done, 0 to 1; never by two goroutines at once. nil: nobody is.
	Progress func(share float64)
}

// Report is what came out of a scenario.
type Report struct {
	Title   string   `json:"title,omitempty"`
	Seeds   []uint64 `json:"seeds"`
	WarmUp  float64  `json:"warm_up_s"`
	Measure float64  `json:"measured_s"`
	Rows    []Row    `json:"rows"`
}

// Row is what came out of one case and one policy, over all seeds. Latencies are in milliseconds, of requests that were
// answered without an error; each counts from when its client sent it.
type Row struct {
	Policy   string  `json:"policy"`
	Fronts   int     `json:"fronts"`
	Load     float64 `json:"load,omitempty"` // share of the members' capacity; none if arrivals were recorded
	Work     float64 `json:"work_ms"`        // mean
	Interval float64 `json:"interval_s"`     // of the beats
	K        float64 `json:"k"`              // requests that a member gets in one interval

	Requests   int       `json:"requests"` // measured
	Mean       float64   `json:"mean_ms"`
	P50        float64   `json:"p50_ms"`
	P99        float64   `json:"p99_ms"`
	P999       float64   `json:"p999_ms"`
	Spread     float64   `json:"spread"`     // standard deviation, over the members, of requests in flight for what each can do, by their mean
	Refusals   float64   `json:"refusals"`   // for each request
	Errors     float64   `json:"errors"`     // share of the requests
	Unfinished int       `json:"unfinished"` // a minute after the end; they count as finished then
	Means      []float64 `json:"means_ms"`   // of each seed
}

// task is one simulation of a run.
type task struct {
	c      Case
	policy *Policy
	seed   uint64
	result result
	err    error
}

// Run plays all cases of a scenario, which must be one that [Parse] returns or [Scenario.Check] finds nothing wrong with.
// If the context ends, so does it, with the context's error.
func Run(ctx context.Context, s *Scenario, opt Options) (*Report, error) {
	tasks := s.tasks()
	p := &progress{tell: opt.Progress, shares: make([]float64, len(tasks))}
	next := make(chan int)
	var wg sync.WaitGroup
	for range max(1, opt.Workers) {
		wg.Go(func() {
			for i := range next {
				t := &tasks[i]
				t.result, t.err = s.play(ctx, t.c, t.seed, t.policy, func(share float64) { p.note(i, share) })
			}
		})
	}
	for i := range tasks {
		next <- i
	}
	close(next)
	wg.Wait()
	for i := range tasks {
		if tasks[i].err != nil {
			return nil, tasks[i].err
		}
	}
	return s.report(tasks), nil
}

// tasks returns all simulations: those of one row are together.
func (s *Scenario) tasks() []task {
	var out []task
	for _, c := range s.cases() {
		for i := range s.Policies {
			for _, seed := range s.Seeds {
				out = append(out, task{c: c, policy: &s.Policies[i], seed: seed})
			}
		}
	}
	return out
}

// progress adds up how far all simulations are.
type progress struct {
	tell   func(share float64)
	mu     sync.Mutex
	shares []float64
	sum    float64
}

func (p *progress) note(i int, share float64) {
	if p.tell == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.sum += share - p.shares[i]
	p.shares[i] = share
	p.tell(p.sum / float64(len(p.shares)))
}

// report puts the simulations of each row together.
func (s *Scenario) report(tasks []task) *Report {
	rep := &Report{Title: s.Title, Seeds: s.Seeds, WarmUp: s.WarmUp.Seconds(), Measure: s.Measure.Seconds()}
	for len(tasks) > 0 {
		var all result
		var means []float64
		for i := range s.Seeds {
			all.merge(&tasks[i].result)
			means = append(means, 1000*tasks[i].result.latency.mean())
		}
		rep.Rows = append(rep.Rows, s.row(&tasks[0], &all, means))
		tasks = tasks[len(s.Seeds):]
	}
	return rep
}

func (s *Scenario) row(t *task, all *result, means []float64) Row {
	ms := func(share float64) float64 { return 1000 * all.latency.quantile(share) }
	requests := float64(max(1, all.Requests))
	return Row{
		Policy: t.policy.Name, Fronts: t.c.Fronts, Load: t.c.Load, K: s.K(t.c),
		Work: float64(t.c.Mean) / float64(time.Millisecond), Interval: t.c.Interval.Seconds(),
		Requests: all.Requests, Mean: 1000 * all.latency.mean(), P50: ms(0.5), P99: ms(0.99), P999: ms(0.999),
		Spread: all.spreads / float64(max(1, all.samples)), Refusals: float64(all.Refusals) / requests,
		Errors: float64(all.Errors) / requests, Unfinished: all.Unfinished, Means: means,
	}
}
