package load

import (
	"bufio"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// serve answers each request on a connection with what answer returns, and closes the connection when that is "".
func serve(t *testing.T, answer func(*http.Request, int) string) netip.AddrPort {
	t.Helper()
	ln, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	var nth atomic.Int64
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			go converse(c, func(r *http.Request) string { return answer(r, int(nth.Add(1))) })
		}
	}()
	return netip.MustParseAddrPort(ln.Addr().String())
}

func converse(c net.Conn, answer func(*http.Request) string) {
	defer c.Close()
	for in := bufio.NewReader(c); ; {
		req, err := http.ReadRequest(in)
		if err != nil {
			return
		}
		if _, err := io.Copy(io.Discard, req.Body); err != nil {
			return
		}
		text := answer(req)
		if _, err := io.WriteString(c, text); err != nil || text == "" || req.Close {
			return
		}
	}
}

func good(n int) string {
	return fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", n, strings.Repeat("x", n))
}

const moment = 100 * time.Millisecond

func run(t *testing.T, s Spec) Result {
	t.Helper()
	if s.For == 0 {
		s.For = moment
	}
	r, err := Run(s)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestGoodAnswers(t *testing.T) {
	var posted, closing atomic.Int64
	addr := serve(t, func(r *http.Request, _ int) string {
		posted.Add(r.ContentLength)
		if r.Close {
			closing.Add(1)
		}
		return good(700_000)
	})
	spec := Spec{Addr: addr, Path: "/x", Length: 700_000, Conns: 4}
	t.Run("keep-alive", func(t *testing.T) {
		r := run(t, spec)
		if r.Requests == 0 || r.Bad() > 0 || r.Open != 4 {
			t.Errorf("%+v", r)
		}
		if r.P50 <= 0 || r.P50 > r.P99 || r.P99 > r.P999 || r.P999 > r.Max {
			t.Errorf("latencies %+v", r)
		}
		if least := int64(r.Requests) * 700_000; r.Bytes < least {
			t.Errorf("%d bytes of at least %d", r.Bytes, least)
		}
	})
	t.Run("a connection for each", func(t *testing.T) {
		s := spec
		s.Close = true
		if r := run(t, s); r.Requests == 0 || r.Bad() > 0 || int(closing.Load()) < r.Requests {
			t.Errorf("%+v, %d asked to close", r, closing.Load())
		}
	})
	t.Run("post", func(t *testing.T) {
		s := spec
		s.Post = 300_000
		if r := run(t, s); r.Requests == 0 || r.Bad() > 0 || posted.Load() < int64(r.Requests)*300_000 {
			t.Errorf("%+v, %d bytes came", r, posted.Load())
		}
	})
	t.Run("idle", func(t *testing.T) {
		small := serve(t, func(*http.Request, int) string { return good(2) })
		s := Spec{Addr: small, Path: "/", Length: 2, Conns: 20, Idle: true, For: 3 * moment}
		if r := run(t, s); r.Requests != 20 || r.Open != 20 || r.Bad() > 0 {
			t.Errorf("%+v", r)
		}
	})
}

func TestBadAnswersAreCounted(t *testing.T) {
	none := func(Result) int { return 0 }
	for _, row := range []struct {
		name   string
		answer string
		count  func(Result) int // what must be as much as the requests, or more than none if there are none
		others func(Result) int
	}{
		{
			"another status", "HTTP/1.1 502 Bad Gateway\r\nContent-Length: 2\r\n\r\nno", func(r Result) int { return r.Status },
			func(r Result) int { return r.Errors + r.Length },
		},
		{"too short", good(1), func(r Result) int { return r.Length }, func(r Result) int { return r.Errors + r.Status }},
		{"longer than it says", good(2) + "x", func(r Result) int { return r.Length }, func(r Result) int { return r.Status }},
		{
			"chunked", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
			func(r Result) int { return r.Length }, none,
		},
		{"cut off", "", func(r Result) int { return r.Errors }, func(r Result) int { return r.Length + r.Status }},
		{"a head without end", "HTTP/1.1 200 OK\r\nX: " + strings.Repeat("x", headSize), func(r Result) int { return r.Length }, none},
	} {
		t.Run(row.name, func(t *testing.T) {
			addr := serve(t, func(*http.Request, int) string { return row.answer })
			r := run(t, Spec{Addr: addr, Path: "/", Length: 2, Conns: 2})
			if n := row.count(r); n == 0 || n < r.Requests {
				t.Errorf("%d counted: %+v", n, r)
			}
			if n := row.others(r); n > 0 {
				t.Errorf("%d counted as something else: %+v", n, r)
			}
			if r.Complaint() == "" {
				t.Error("no complaint")
			}
		})
	}
}

func TestOneBadAnswerAmongMany(t *testing.T) {
	addr := serve(t, func(_ *http.Request, nth int) string {
		if nth == 10 {
			return "HTTP/1.1 500 No\r\nContent-Length: 2\r\n\r\nno"
		}
		return good(2)
	})
	if r := run(t, Spec{Addr: addr, Path: "/", Length: 2, Conns: 2}); r.Requests < 10 || r.Bad() != 1 {
		t.Errorf("%+v", r)
	}
}

func TestNobodyListens(t *testing.T) {
	ln, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := netip.MustParseAddrPort(ln.Addr().String())
	ln.Close()
	if r := run(t, Spec{Addr: addr, Path: "/", Conns: 2}); r.Errors == 0 || r.Requests > 0 {
		t.Errorf("%+v", r)
	}
}

// A server that stands still for a while makes those wait, too, that would have come meanwhile: a latency counts from
// when a request was due.
func TestOpenLoopCountsFromWhenARequestWasDue(t *testing.T) {
	const pause = 100 * time.Millisecond
	addr := serve(t, func(_ *http.Request, nth int) string {
		if nth == 1 {
			time.Sleep(pause)
		}
		return good(2)
	})
	r := run(t, Spec{Addr: addr, Path: "/", Length: 2, Conns: 1, Rate: 1000, For: 2 * pause})
	if r.Bad() > 0 || r.Unsent > 0 {
		t.Fatalf("%+v", r)
	}
	// About half of them were due in the pause, and those waited for half of it in the mean.
	if r.P50 < 1000 || r.Max < float64(pause.Microseconds()) {
		t.Errorf("p50 %v us, most %v us: only the first seems to have waited", r.P50, r.Max)
	}
}

func TestScheduleIsPoisson(t *testing.T) {
	s := newSchedule(2000, int64(10*time.Second))
	due := s.until(int64(time.Minute), nil)
	if n := float64(len(due)); math.Abs(n-20_000) > 5*math.Sqrt(20_000) {
		t.Errorf("%v requests in 10 s at 2000 a second", n)
	}
	over := 0
	for i := 1; i < len(due); i++ {
		if due[i] < due[i-1] {
			t.Fatal("time runs backwards")
		}
		if due[i]-due[i-1] > int64(500*time.Microsecond) {
			over++
		}
	}
	if share := float64(over) / float64(len(due)); math.Abs(share-1/math.E) > .02 {
		t.Errorf("a share of %.3f of the gaps is over the mean, want 1/e", share)
	}
	if _, some := s.next(); some {
		t.Error("there is a request after the end")
	}
}

func TestQuantile(t *testing.T) {
	for _, row := range []struct {
		sorted []uint32
		q      float64
		want   float64
	}{
		{nil, .5, 0},
		{[]uint32{10}, .99, 1},
		{[]uint32{10, 20, 30, 40}, .5, 3},
		{[]uint32{10, 20, 30, 40}, 1, 4},
	} {
		if got := quantile(row.sorted, row.q); got != row.want {
			t.Errorf("quantile(%v, %v) = %v, want %v", row.sorted, row.q, got, row.want)
		}
	}
}

func TestSpecIsChecked(t *testing.T) {
	fine := Spec{Addr: netip.MustParseAddrPort("127.0.0.1:80"), Conns: 1, For: time.Second}
	if err := fine.check(); err != nil {
		t.Error(err)
	}
	for name, change := range map[string]func(*Spec){
		"IPv6":               func(s *Spec) { s.Addr = netip.MustParseAddrPort("[::1]:80") },
		"no connection":      func(s *Spec) { s.Conns = 0 },
		"no time":            func(s *Spec) { s.For = 0 },
		"too many requests":  func(s *Spec) { s.Rate = 1e7 },
		"a rate and silence": func(s *Spec) { s.Rate, s.Idle = 1, true },
	} {
		s := fine
		change(&s)
		if s.check() == nil {
			t.Errorf("%s: no complaint", name)
		}
	}
}
