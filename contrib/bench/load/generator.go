package load

import (
	"fmt"
	"runtime"
	"syscall"
	"time"
)

const (
	tick     = 100 * time.Nanosecond // of the latencies kept
	headSize = 4 << 10               // longest head of an answer
	junkSize = 256 << 10             // of a body taken at once
	napMost  = 100 * time.Millisecond
)

// generator is one run. Times are nanoseconds since it began.
type generator struct {
	spec    Spec
	request []byte
	mode    mode
	began   time.Time
	end     int64
	ep      int
	conns   []conn
	junk    []byte
	dialled int
	took    []uint32 // latencies in ticks
	result  Result
}

// mode decides when requests are sent.
type mode interface {
	// turn sends what is to be sent now. It returns how long it may be waited for events, or false at the end.
	turn(now int64) (wait time.Duration, more bool)
	free(c *conn, now int64) // the answer on c is complete
	failed(c *conn)          // there will be none, and c is closed
}

func newGenerator(s Spec) (*generator, error) {
	ep, err := syscall.EpollCreate1(syscall.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("epoll: %w", err)
	}
	g := &generator{
		spec: s, request: s.request(), began: time.Now(), end: int64(s.For), ep: ep,
		conns: make([]conn, s.Conns), junk: make([]byte, junkSize), took: make([]uint32, 0, 1<<18),
	}
	heads := make([]byte, s.Conns*headSize)
	for i := range g.conns {
		g.conns[i].head = heads[i*headSize : i*headSize : (i+1)*headSize]
		g.conns[i].nth = int32(i)
	}
	switch {
	case s.Rate > 0:
		g.mode = newOpenLoop(g)
	case s.Idle:
		g.mode = &holding{g: g}
	default:
		g.mode = newClosedLoop(g)
	}
	return g, nil
}

func (g *generator) now() int64 { return int64(time.Since(g.began)) }

func (g *generator) run() error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	events := make([]syscall.EpollEvent, 256)
	for {
		nap, more := g.mode.turn(g.now())
		if !more {
			return nil
		}
		n, e := wait(g.ep, events, min(max(nap, 0), napMost))
		if e == syscall.EINTR {
			continue
		}
		if e != 0 {
			return fmt.Errorf("epoll_pwait2: %w (it needs Linux 5.11)", e)
		}
		for i := range n {
			g.event(&g.conns[events[i].Fd], events[i].Events)
		}
	}
}

func (g *generator) close() {
	for i := range g.conns {
		if g.conns[i].state != closed {
			g.drop(&g.conns[i])
		}
	}
	syscall.Close(g.ep)
}
