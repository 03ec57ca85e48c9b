package watch

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"

	"backhand/contrib/testbed/load"
)

// view is what is read of an agent's view.json.
type view struct {
	Now   time.Time `json:"now"`
	Beats beats     `json:"beats"`
	Rows  []row     `json:"rows"`
}

// beats are what an agent has counted since it was started.
type beats struct {
	Sent     int `json:"sent"`
	Received int `json:"received"` // datagrams of all kinds, its own among them, which come back to it
	Rejected []struct {
		N int `json:"n"`
	} `json:"rejected"`
}

// heard returns how many were of others, and taken.
func (b beats) heard() int {
	n := b.Received - b.Sent
	for _, r := range b.Rejected {
		n -= r.N
	}
	return n
}

// row is a node, which serves one farm.
type row struct {
	ID        string `json:"id"`
	Self      bool   `json:"self"`
	Candidate bool   `json:"candidate"`
	Host      struct {
		Age      float64 `json:"age_seconds"`
		Interval float64 `json:"interval_seconds"`
		SendLate float64 `json:"send_late_seconds"`
	} `json:"host"`
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

// ear is what an agent hears of all the others.
type ear struct {
	addr   string
	client *http.Client
	nodes  int // that there are, itself among them
	others map[string]*silence

	counts bool  // what is noticed
	before beats // up to then
	shown  int   // beats that looks have shown since
	seen   Result
}

// listen looks again and again, and counts what it notices in that time.
func (e *ear) listen(ctx context.Context, from, to time.Time, every time.Duration) error {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		v, err := e.look(ctx)
		now := time.Now() // of a look that got no answer, too
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case err != nil:
			e.seen.Blind++
		default:
			if err := e.note(v); err != nil {
				return err
			}
			if !e.counts && !now.Before(from) {
				if err := e.begin(ctx, v); err != nil {
					return err
				}
			}
		}
		if now.After(to) {
			return e.end(ctx)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// note takes in what the agent says.
func (e *ear) note(v view) error {
	heard := 0
	for _, r := range v.Rows {
		if r.Self {
			continue // of its own beats it tells how late they were in the beats alone
		}
		heard++
		s := e.others[r.ID]
		if s == nil {
			s = &silence{}
			e.others[r.ID] = s
		}
		n := s.look(v.Now, seconds(r.Host.Age), seconds(r.Host.Interval))
		if e.counts {
			e.seen.Late = max(e.seen.Late, seconds(r.Host.SendLate))
			e.shown += number(n.beat)
			e.seen.Alarms += number(n.alarm)
			e.seen.Unsure += number(n.unsure)
		}
	}
	if e.counts {
		e.seen.Sent, e.seen.Heard = v.Beats.Sent-e.before.Sent, v.Beats.heard()-e.before.heard()
	}
	if heard != e.nodes-1 || len(e.others) != heard {
		return fmt.Errorf("%s lists %d other nodes, and has listed %d: want %d", e.addr, heard, len(e.others), e.nodes-1)
	}
	return nil
}

func number(b bool) int {
	if b {
		return 1
	}
	return 0
}

// begin has all that is noticed from now on counted.
func (e *ear) begin(ctx context.Context, v view) error {
	dropped, err := e.dropped(ctx)
	e.counts, e.before = true, v.Beats
	e.seen = Result{Dropped: -dropped}
	return err
}

func (e *ear) end(ctx context.Context) error {
	dropped, err := e.dropped(ctx)
	if err == nil && !e.counts {
		err = fmt.Errorf("%s has answered no look in all that time", e.addr)
	}
	e.seen.Dropped += dropped
	e.seen.Pairs = e.nodes - 1
	e.seen.Sent *= e.nodes - 1 // each is for all the others
	e.seen.Overlooked = max(0, e.seen.Heard-e.shown)
	return err
}

// dropped returns how often byAge has dropped a candidate of a request.
func (e *ear) dropped(ctx context.Context) (int, error) {
	body, err := e.get(ctx, "/backhand/metrics")
	if err != nil {
		return 0, err
	}
	n, err := load.Sum(string(body), `backhand_chain_dropped_total{route="/",step="1 `)
	return int(n), err
}

func (e *ear) look(ctx context.Context) (v view, err error) {
	body, err := e.get(ctx, "/backhand/view.json")
	if err == nil {
		err = json.Unmarshal(body, &v)
	}
	return v, err
}

// get returns the body of a 200.
func (e *ear) get(ctx context.Context, target string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+e.addr+target, nil)
	if err != nil {
		return nil, err
	}
	res, err := e.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode != http.StatusOK {
		err = fmt.Errorf("http://%s%s: %s: %.300q", e.addr, target, res.Status, body)
	}
	return body, err
}

// ready waits until the agent has heard of all the others, and serves.
func (e *ear) ready(ctx context.Context) error {
	for {
		v, err := e.look(ctx)
		serve := 0
		for _, r := range v.Rows {
			serve += number(r.Candidate)
		}
		if err == nil && serve == e.nodes {
			if _, err = e.get(ctx, "/ready"); err == nil {
				return nil
			}
		}
		select {
		case <-time.After(readyEvery):
		case <-ctx.Done():
			return fmt.Errorf("%s is not ready: it knows %d nodes that serve, want %d (%v)", e.addr, serve, e.nodes, err)
		}
	}
}
