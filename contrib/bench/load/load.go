// Package load is an HTTP/1.1 load generator for loopback: one thread, one epoll, keep-alive connections, and as little CPU
// time for a request as can be had, since it shares its core with the origin.
//
// It is a closed loop (each connection sends its next request when the answer to its last one is complete), or an open
// one (requests are due by a Poisson process, whatever becomes of those before), or it opens connections and holds them.
// In the open loop a latency counts from when the request was due, not from when a connection was free to send it.
//
// Status and length of every answer are checked. Bodies are discarded inside the kernel (MSG_TRUNC), so their bytes are
// not. Linux only.
package load

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// Spec says what load to make.
type Spec struct {
	Addr   netip.AddrPort // IPv4
	Path   string
	Length int64         // bytes that the body of every answer must have
	Conns  int           // connections, 1 to 50,000
	For    time.Duration // how long; at most 10 minutes
	Close  bool          // a new connection for each request
	Post   int           // bytes of the body to send; 0: GET
	Rate   float64       // requests a second, open loop; 0: closed loop
	Idle   bool          // one request on each connection, opened 16 every 5 ms, then silence
}

// Result says what came of it. Latencies are in microseconds.
type Result struct {
	Requests int     `json:"requests"` // answers that are complete
	Secs     float64 `json:"secs"`
	Rate     float64 `json:"rate"`  // requests a second
	Bytes    int64   `json:"bytes"` // received, heads included
	P50      float64 `json:"p50"`
	P99      float64 `json:"p99"`
	P999     float64 `json:"p999"`
	Max      float64 `json:"max"`

	Errors int `json:"errors"` // connections refused, reset, or closed before the answer ended
	Status int `json:"status"` // answers with a status other than 200
	Length int `json:"length"` // answers without a Content-Length, with another than Spec.Length, or longer than it says
	Unsent int `json:"unsent"` // open loop: requests that were due and never sent
	Open   int `json:"open"`   // connections that are open at the end
}

// Bad returns how many answers were not what they should be.
func (r Result) Bad() int { return r.Errors + r.Status + r.Length }

// Complaint says what was bad, in words; "" if nothing was.
func (r Result) Complaint() string {
	var said []string
	for _, c := range []struct {
		n    int
		what string
	}{{r.Errors, "broken connections"}, {r.Status, "other statuses than 200"}, {r.Length, "wrong lengths"}} {
		if c.n > 0 {
			said = append(said, fmt.Sprintf("%d %s", c.n, c.what))
		}
	}
	return strings.Join(said, ", ")
}

func (s Spec) check() error {
	switch {
	case !s.Addr.Addr().Is4():
		return fmt.Errorf("address %v: want an IPv4 address and a port", s.Addr)
	case s.Conns < 1 || s.Conns > 50_000:
		return fmt.Errorf("%d connections: want 1 to 50000", s.Conns)
	case s.For <= 0 || s.For > 10*time.Minute:
		return fmt.Errorf("%v of load: want more than 0 and at most 10m", s.For)
	case s.Rate < 0 || s.Rate*s.For.Seconds() > 1<<20:
		return errors.New("more than a million requests by the clock")
	case s.Rate > 0 && s.Idle:
		return errors.New("a rate and idle connections exclude each other")
	}
	return nil
}

// request returns the request as bytes: what a browser sends, more or less.
func (s Spec) request() []byte {
	method, fields := "GET", ""
	if s.Post > 0 {
		method = "POST"
		fields = fmt.Sprintf("Content-Type: application/octet-stream\r\nContent-Length: %d\r\n", s.Post)
	}
	if s.Close {
		fields += "Connection: close\r\n"
	}
	return fmt.Appendf(nil, "%s %s HTTP/1.1\r\nHost: www.example.com\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64) bench/1\r\n"+
		"Accept: text/html,application/xhtml+xml,*/*;q=0.8\r\nAccept-Language: en-US,en;q=0.5\r\n"+
		"Cookie: visitor=0123456789abcdef0123456789abcdef; theme=dark\r\n%s\r\n%s",
		method, s.Path, fields, strings.Repeat("x", s.Post))
}

// Run makes the load and returns when its time is over. It takes a thread for itself, and works best in a process of
// its own that collects no garbage (GOGC=off).
func Run(s Spec) (Result, error) {
	if err := s.check(); err != nil {
		return Result{}, err
	}
	g, err := newGenerator(s)
	if err != nil {
		return Result{}, err
	}
	defer g.close()
	if err := g.run(); err != nil {
		return Result{}, err
	}
	return g.sum(), nil
}

// sum turns what was counted into the result.
func (g *generator) sum() Result {
	r := g.result
	r.Requests = len(g.took)
	r.Secs = float64(g.now()) / 1e9
	if g.spec.Rate > 0 {
		r.Secs = g.spec.For.Seconds() // what was due then and came later counts, too
	}
	r.Rate = float64(r.Requests) / r.Secs
	for i := range g.conns {
		if g.conns[i].state > connecting {
			r.Open++
		}
	}
	slices.Sort(g.took)
	r.P50, r.P99, r.P999, r.Max = quantile(g.took, .5), quantile(g.took, .99), quantile(g.took, .999), quantile(g.took, 1)
	return r
}

// quantile returns the latency below which a share q of them is, in microseconds. They are sorted, and in ticks.
func quantile(sorted []uint32, q float64) float64 {
	if len(sorted) == 0 {
		return 0
	}
	i := min(len(sorted)-1, int(q*float64(len(sorted))))
	return float64(sorted[i]) * float64(tick) / float64(time.Microsecond)
}
