// Package origin is the web server of a member of the testbed: it sleeps for as long as the request says, in so many
// slots, and can be made slower, or made to fail.
//
//	GET /work with X-Work: MICROSECONDS  -> 200, X-Member: the member's number
//	GET /ready                           -> 200 at once
//	PUT /control?slowness=6&fails=true   -> 200; from now on works take six times as long, or are answered 500 after 1 ms
package origin

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"backhand/contrib/testbed/h1"
)

// Spec says what to serve. One process is the origins of all members: woken up more often, it takes much less CPU time
// than one for each.
type Spec struct {
	Members []Member
	Slots   int    // of each
	Beats   string // multicast address to which Apache's heartbeats are sent; "": nowhere
	Workers int    // of which the heartbeats tell how many are free
}

// Member is where an origin is.
type Member struct {
	Namespace string // of its network, as ip netns knows it; "": that of the process
	Listen    string // address
	Load      string // file that is there, for the load average, as /proc/loadavg; "": none
}

const failAfter = time.Millisecond

// Run serves until ctx is done.
func Run(ctx context.Context, s Spec) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var wait sync.WaitGroup
	defer wait.Wait()
	for i, m := range s.Members {
		o := &server{station: NewStation(s.Slots), member: i}
		if err := o.open(ctx, s, m); err != nil {
			cancel(err)
			return err
		}
		wait.Go(func() {
			if err := o.serve(ctx); err != nil {
				cancel(err)
			}
		})
	}
	<-ctx.Done()
	if err := context.Cause(ctx); !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}

// open opens the sockets and files of an origin, and starts what tells of its load.
func (o *server) open(ctx context.Context, s Spec, m Member) error {
	if m.Load != "" {
		l, err := newLoadAverage(m.Load, o.station)
		if err != nil {
			return err
		}
		go l.run(ctx)
	}
	return inside(m.Namespace, func() (err error) {
		if s.Beats != "" {
			conn, err := net.Dial("udp4", s.Beats)
			if err != nil {
				return err
			}
			go beat(ctx, conn, o.station, s.Workers)
		}
		o.ln, err = net.Listen("tcp", m.Listen)
		return err
	})
}

// server is as little of a web server as will do: so many of them share the machine.
type server struct {
	station *Station
	member  int
	ln      net.Listener
	fails   atomic.Bool
}

func (o *server) serve(ctx context.Context) error {
	context.AfterFunc(ctx, func() { o.ln.Close() })
	for {
		c, err := o.ln.Accept()
		if ctx.Err() != nil {
			return nil
		}
		if errors.Is(err, syscall.EMFILE) { // a herd of thousands waits; so will this one
			time.Sleep(10 * time.Millisecond)
			continue
		}
		if err != nil {
			return err
		}
		go o.talk(c)
	}
}

func (o *server) talk(c net.Conn) {
	defer c.Close()
	r := bufio.NewReaderSize(c, 2048)
	var head, out []byte
	for {
		var err error
		if head, err = h1.ReadHead(r, head[:0]); err != nil {
			return
		}
		status, body := o.answer(head)
		out = fmt.Appendf(out[:0], "HTTP/1.1 %d %s\r\nX-Member: %d\r\nContent-Length: %d\r\n\r\n%s",
			status, http.StatusText(status), o.member, len(body), body)
		if _, err := c.Write(out); err != nil {
			return
		}
	}
}

func (o *server) answer(head []byte) (status int, body string) {
	method, rest, _ := strings.Cut(string(head), " ")
	target, _, _ := strings.Cut(rest, " ")
	u, err := url.ParseRequestURI(target)
	switch {
	case err != nil:
		return http.StatusBadRequest, err.Error()
	case u.Path == "/work":
		us, err := strconv.ParseInt(h1.Field(head, "X-Work"), 10, 64)
		if err != nil || us < 0 {
			return http.StatusBadRequest, "X-Work: want microseconds\n"
		}
		if o.fails.Load() {
			time.Sleep(failAfter)
			return http.StatusInternalServerError, "out of order\n"
		}
		o.station.Do(time.Duration(us) * time.Microsecond)
	case u.Path == "/control" && method == http.MethodPut:
		by, err := strconv.ParseFloat(u.Query().Get("slowness"), 64)
		if err != nil || by < .01 || by > 1000 {
			return http.StatusBadRequest, "slowness: want 0.01 to 1000\n"
		}
		o.fails.Store(u.Query().Get("fails") == "true")
		o.station.SetSlowness(by)
	case u.Path != "/ready":
		return http.StatusNotFound, "not here\n"
	}
	return http.StatusOK, "done\n"
}

// beat tells once a second what mod_heartbeat would.
func beat(ctx context.Context, conn net.Conn, st *Station, workers int) {
	defer conn.Close()
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		busy := min(st.Load(), workers)
		_, _ = fmt.Fprintf(conn, "v=1&ready=%d&busy=%d", workers-busy, busy) // nobody may listen
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// loadAverage is what the kernel of this member would say, if it were a host of its own: requests under way, on average
// over a minute, looked at every five seconds.
type loadAverage struct {
	file    *os.File
	station *Station
	value   float64
}

func newLoadAverage(path string, st *Station) (*loadAverage, error) {
	// The file that is there is written to: it is mounted where the agent reads it.
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return nil, err
	}
	return &loadAverage{file: f, station: st}, nil
}

const (
	loadEvery = 5 * time.Second
	loadDecay = 0.9200444146293232 // e^(-5/60)
)

func (l *loadAverage) run(ctx context.Context) {
	defer l.file.Close()
	tick := time.NewTicker(loadEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		l.value = l.value*loadDecay + float64(l.station.Load())*(1-loadDecay)
		if err := l.write(); err != nil {
			fmt.Fprintln(os.Stderr, "load average:", err)
			return
		}
	}
}

// write keeps the length, so that a reader never sees a half of it.
func (l *loadAverage) write() error {
	_, err := l.file.WriteAt(LoadAverage(l.value), 0)
	return err
}

// LoadAverage returns the text of /proc/loadavg: always as long.
func LoadAverage(v float64) []byte {
	return fmt.Appendf(nil, "%010.2f %010.2f %010.2f 1/100 1000\n", v, v, v)
}
