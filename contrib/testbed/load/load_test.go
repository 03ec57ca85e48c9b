package load

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"backhand/contrib/testbed/trace"
)

// member is an origin, and the front before it, that does what it is told.
type member struct {
	*httptest.Server
	mu    sync.Mutex
	told  []string
	works int
}

func newMember(t *testing.T) *member {
	m := &member{}
	m.Server = httptest.NewServer(m)
	t.Cleanup(m.Close)
	return m
}

func (m *member) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	m.mu.Lock()
	defer m.mu.Unlock()
	w.Header().Set("X-Member", "1")
	switch r.URL.Path {
	case "/control":
		m.told = append(m.told, r.URL.RawQuery)
	case "/backhand/metrics":
		fmt.Fprintf(w, "# HELP backhand_refusals_total x\nbackhand_refusals_total{route=\"/\"} %d\n", m.works)
		fmt.Fprintf(w, "backhand_member_candidate{member=\"a\"} 1\nbackhand_member_candidate{member=\"b\"} 1\n")
		fmt.Fprint(w, strings.Repeat("# more than fits in one piece\n", 1000))
	case "/work":
		m.works++
		if m.works%10 == 0 {
			http.Error(w, "no", http.StatusServiceUnavailable)
		}
	}
}

func addr(m *member) string { return m.Listener.Addr().String() }

func spec(m ...*member) Spec {
	return Spec{
		Trace: trace.Spec{
			Seed: 1, Fronts: 1, Members: 2, Slots: 1, Slow: 1, SlowBy: 3, Mean: 5 * time.Millisecond, Variation: 1, Load: .5,
			For: 1200 * time.Millisecond, Failing: 300 * time.Millisecond,
		},
		Fronts: []string{addr(m[0])}, Members: []string{addr(m[1]), addr(m[2])}, Ideal: addr(m[3]),
		Agents: 2, Warm: 200 * time.Millisecond, For: time.Second,
	}
}

func TestRun(t *testing.T) {
	front, a, b, ideal := newMember(t), newMember(t), newMember(t), newMember(t)
	s := spec(front, a, b, ideal)
	r, err := Run(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	drawn, err := s.Trace.Draw()
	if err != nil {
		t.Fatal(err)
	}
	want, failed := 0, 0
	for _, q := range drawn.Requests {
		if q.At >= s.Warm && q.At < s.Warm+s.For {
			want++
		}
	}
	for _, q := range r.Records {
		if q.Status != 200 {
			failed++
		}
		if q.Member != 1 || q.Took <= 0 {
			t.Errorf("member %d after %v", q.Member, q.Took)
		}
	}
	if len(r.Records) != want || front.works != len(drawn.Requests) {
		t.Errorf("%d records of %d requests that were measured, %d of %d sent", len(r.Records), want, front.works, len(drawn.Requests))
	}
	if failed < want/10-1 || failed > want/10+1 || !strings.Contains(r.Why, "503") {
		t.Errorf("%d of %d failed, since %q; want a tenth, and 503", failed, want, r.Why)
	}
	// Each request counts as refused in the metrics of this front.
	if r.Refusals < float64(want)/2 || r.Refusals > float64(len(drawn.Requests)) || r.CPU <= 0 || r.CPU > 1 || r.CPUMost < r.CPU {
		t.Errorf("refusals %v of %d, CPU %v, at most %v", r.Refusals, want, r.CPU, r.CPUMost)
	}
	told := append(append([]string(nil), a.told...), b.told...)
	if len(told) != 3 || len(ideal.told) != 3 {
		t.Errorf("members were told %q, and the ideal front %q; want their speeds, and who fails", told, ideal.told)
	}
}

func TestAFrontThatIsNotReady(t *testing.T) {
	front, a, b, ideal := newMember(t), newMember(t), newMember(t), newMember(t)
	s := spec(front, a, b, ideal)
	s.Agents = 3
	ctx, cancel := context.WithTimeout(t.Context(), 700*time.Millisecond)
	defer cancel()
	if _, err := Run(ctx, s); err == nil || !strings.Contains(err.Error(), "2 members of 3") {
		t.Errorf("%v, want that it saw 2 of 3", err)
	}
}

func TestAMemberThatCannotBeTold(t *testing.T) {
	front, a, b, ideal := newMember(t), newMember(t), newMember(t), newMember(t)
	s := spec(front, a, b, ideal)
	ideal.Close()
	if _, err := Run(t.Context(), s); err == nil {
		t.Error("the ideal front does not know how fast members are, and nobody says so")
	}
}

func TestAnInterrupt(t *testing.T) {
	front, a, b, ideal := newMember(t), newMember(t), newMember(t), newMember(t)
	s := spec(front, a, b, ideal)
	s.Trace.For, s.For = time.Minute, 50*time.Second
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	began := time.Now()
	if _, err := Run(ctx, s); !errors.Is(err, context.DeadlineExceeded) || time.Since(began) > 10*time.Second {
		t.Errorf("%v after %v", err, time.Since(began))
	}
}

func TestClock(t *testing.T) {
	c, err := newClock()
	if err != nil {
		t.Fatal(err)
	}
	defer c.close()
	for _, d := range []time.Duration{-time.Second, 0, time.Microsecond, 300 * time.Microsecond, 5 * time.Millisecond} {
		began := time.Now()
		if err := c.sleep(d); err != nil || time.Since(began) < d {
			t.Errorf("%v: %v, after %v", d, err, time.Since(began))
		}
	}
}

func TestParseCPU(t *testing.T) {
	before, err := parseCPU("cpu  100 0 100 700 50 0 20 30 9 9\ncpu0 1 2 3\n")
	if err != nil || before != (cpu{250, 1000}) {
		t.Errorf("%+v, %v", before, err)
	}
	after, err := parseCPU("cpu  150 0 150 800 50 0 20 30 9 9\n")
	if got := after.since(before); err != nil || got != .5 {
		t.Errorf("%v busy, %v", got, err)
	}
	if got := before.since(before); got != 1 {
		t.Errorf("%v busy where nobody had the time to look", got)
	}
	for _, text := range []string{"", "cpu 1 2 3", "intr 1 2 3 4 5 6 7 8", "cpu a b c d e f g h"} {
		if _, err := parseCPU(text); err == nil {
			t.Errorf("%q is taken", text)
		}
	}
}
