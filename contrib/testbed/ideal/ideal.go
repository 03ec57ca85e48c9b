// Package ideal is a front that knows what no real one can: how many requests each member has, since all go through it,
// and how fast each is at this moment, since it is told. It chooses as balancing.md's omniscient balancer does: the least
// knee(x)/mu with x = (n+1)/c, where knee is nearly flat while a slot is free and cubic beyond. It does not know how
// long the works are.
package ideal

import (
	"bufio"
	"context"
	"math/rand/v2"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"

	"backhand/contrib/testbed/h1"
)

// Spec says where to listen, and to whom requests are handed.
type Spec struct {
	Listen  string
	Control string   // address for PUT /control?member=3&slowness=6&fails=false
	Members []string // addresses
	Slots   int      // of each
}

const patience = 10 * time.Minute

type member struct {
	pool     h1.Pool
	n        int // requests under way
	slowness float64
	fails    bool
}

type front struct {
	mu      sync.Mutex
	members []*member
	slots   float64
}

func newFront(s Spec) *front {
	f := &front{slots: float64(s.Slots)}
	for _, addr := range s.Members {
		f.members = append(f.members, &member{pool: h1.Pool{Addr: addr}, slowness: 1})
	}
	return f
}

// Run serves until ctx is done.
func Run(ctx context.Context, s Spec) error {
	f := newFront(s)
	control, err := net.Listen("tcp", s.Control)
	if err != nil {
		return err
	}
	srv := &http.Server{Handler: http.HandlerFunc(f.control)}
	go srv.Serve(control)
	defer srv.Close()
	ln, err := net.Listen("tcp", s.Listen)
	if err != nil {
		return err
	}
	context.AfterFunc(ctx, func() { ln.Close() })
	for {
		c, err := ln.Accept()
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
		go f.serve(c)
	}
}

func (f *front) control(w http.ResponseWriter, r *http.Request) {
	i, err := strconv.Atoi(r.FormValue("member"))
	by, err2 := strconv.ParseFloat(r.FormValue("slowness"), 64)
	if err != nil || err2 != nil || i < 0 || i >= len(f.members) {
		http.Error(w, "want a member and its slowness", http.StatusBadRequest)
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.members[i].slowness, f.members[i].fails = by, r.FormValue("fails") == "true"
}

func (f *front) serve(c net.Conn) {
	defer c.Close()
	r := bufio.NewReaderSize(c, 2048)
	var head []byte
	for {
		var err error
		if head, err = h1.ReadHead(r, head[:0]); err != nil {
			return
		}
		m := f.choose()
		a, err := m.pool.Do(head, patience)
		f.mu.Lock()
		m.n--
		f.mu.Unlock()
		if err != nil {
			a = h1.Response{Head: []byte("HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n")}
		}
		if _, err := c.Write(append(a.Head, a.Body...)); err != nil {
			return
		}
	}
}

// choose returns the best member, any of several that are equally good, and counts the request.
func (f *front) choose() *member {
	f.mu.Lock()
	defer f.mu.Unlock()
	var best *member
	var least float64
	equal := 0
	for _, m := range f.members {
		score := knee(float64(m.n+1)/f.slots) * m.slowness
		switch {
		case m.fails:
			continue
		case best == nil || score < least:
			best, least, equal = m, score, 1
		case score == least:
			if equal++; rand.IntN(equal) == 0 {
				best = m
			}
		}
	}
	if best == nil {
		best = f.members[0]
	}
	best.n++
	return best
}

// knee is how long a request takes where x requests a slot are, as a multiple of its work.
func knee(x float64) float64 {
	const a = .75
	if x <= 1 {
		return 1 - a + a*x
	}
	return x * x * x
}
