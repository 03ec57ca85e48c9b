package watch

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
)

const beatEvery = 100 * time.Millisecond

// agent tells of itself and of another one, and serves pages, each tenth of which fails.
type agent struct {
	*httptest.Server
	began       time.Time
	deaf, hears time.Duration // from and until when after the beginning it hears nothing
	rows        int           // others that it lists

	mu    sync.Mutex
	works int
	asked int // for metrics
}

func newAgent(t *testing.T, deaf, hears time.Duration) *agent {
	a := &agent{began: time.Now(), deaf: deaf, hears: hears, rows: 1}
	a.Server = httptest.NewServer(a)
	t.Cleanup(a.Close)
	return a
}

func (a *agent) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	defer a.mu.Unlock()
	switch r.URL.Path {
	case "/backhand/view.json":
		if err := json.NewEncoder(w).Encode(a.view(time.Now())); err != nil {
			panic(err)
		}
	case "/backhand/metrics":
		a.asked++
		fmt.Fprintf(w, "backhand_chain_dropped_total{route=\"/\",step=\"1 byAge 6b\"} %d\n", 3*a.asked)
		fmt.Fprintf(w, "backhand_chain_dropped_total{route=\"/\",step=\"2 byRandom\"} %d\n", 50*a.asked)
	case "/work":
		if a.works++; a.works%10 == 0 {
			http.Error(w, "no", http.StatusServiceUnavailable)
		}
	}
}

func (a *agent) view(now time.Time) (v view) {
	since := now.Sub(a.began)
	heard, lost := since.Truncate(beatEvery), 0
	if since >= a.deaf && since < a.hears {
		heard = a.deaf.Truncate(beatEvery)
	}
	if a.hears > 0 && since >= a.deaf {
		lost = int(min(since, a.hears)/beatEvery - a.deaf/beatEvery)
	}
	sent := int(since / beatEvery)
	v.Now, v.Beats.Sent, v.Beats.Received = now, sent, 2*sent-lost+7
	v.Beats.Rejected = append(v.Beats.Rejected, struct {
		N int `json:"n"`
	}{7})
	for i := range 1 + a.rows {
		r := row{ID: fmt.Sprint(i), Self: i == 0, Candidate: true}
		r.Host.Interval, r.Host.SendLate = beatEvery.Seconds(), .003
		if i > 0 {
			r.Host.Age = (since - heard).Seconds()
		}
		v.Rows = append(v.Rows, r)
	}
	return v
}

func spec(all ...*agent) Spec {
	s := Spec{Interval: beatEvery, Every: 20 * time.Millisecond, Warm: 300 * time.Millisecond, For: 1700 * time.Millisecond}
	for _, a := range all {
		s.Nodes = append(s.Nodes, a.Listener.Addr().String())
	}
	return s
}

func TestRun(t *testing.T) {
	r, err := Run(t.Context(), spec(newAgent(t, 500*time.Millisecond, 1500*time.Millisecond), newAgent(t, 0, 0)))
	if err != nil {
		t.Fatal(err)
	}
	if r.Pairs != 2 || r.Alarms+r.Unsure != 1 || r.Dropped != 6 || r.Late != 3*time.Millisecond || r.Blind != 0 {
		t.Errorf("%+v: want 2 pairs, 1 alarm, 6 that were dropped, and beats 3 ms late", r)
	}
	if r.Sent < 30 || r.Sent > 40 || r.Heard < r.Sent-11 || r.Heard > r.Sent-7 || r.Overlooked > r.Heard/2 {
		t.Errorf("%d beats heard of %d, %d overlooked: want 34 that were sent, and ten that one did not hear", r.Heard, r.Sent, r.Overlooked)
	}
	if r.Requests < 100 || r.Failed < r.Requests/10-3 || r.Failed > r.Requests/10+3 || !strings.Contains(r.Why, "503") {
		t.Errorf("%d of %d requests failed, since %q: want a tenth, and 503", r.Failed, r.Requests, r.Why)
	}
	if r.Slowest <= 0 || r.Slowest > patience {
		t.Errorf("the slowest took %v", r.Slowest)
	}
}

func TestNodesThatAreNotAllThere(t *testing.T) {
	a, b := newAgent(t, 0, 0), newAgent(t, 0, 0)
	b.rows = 0
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	if _, err := Run(ctx, spec(a, b)); err == nil || !strings.Contains(err.Error(), "knows 1 nodes that serve, want 2") {
		t.Errorf("%v, want that it knows but itself", err)
	}
}

func TestANodeThatIsForgotten(t *testing.T) {
	a, b := newAgent(t, 0, 0), newAgent(t, 0, 0)
	time.AfterFunc(500*time.Millisecond, func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.rows = 0
	})
	if _, err := Run(t.Context(), spec(a, b)); err == nil || !strings.Contains(err.Error(), "lists 0 other nodes") {
		t.Errorf("%v, want that one is gone", err)
	}
}

func TestAnInterrupt(t *testing.T) {
	s := spec(newAgent(t, 0, 0), newAgent(t, 0, 0))
	s.For = time.Minute
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	began := time.Now()
	if _, err := Run(ctx, s); !errors.Is(err, context.DeadlineExceeded) || time.Since(began) > 10*time.Second {
		t.Errorf("%v after %v", err, time.Since(began))
	}
}
