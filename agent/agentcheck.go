package agent

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"time"

	"backhand/gossip/node"
)

// Bounds of those who ask how this host is. HAProxy asks every two seconds, and takes the first line.
const (
	checkConns = 64                    // at a time; more are closed at once
	checkTime  = 2 * time.Second       // that one of them may take
	checkRead  = 1 << 10               // bytes that are read of what it says (agent-send)
	checkWhy   = 100                   // bytes of a reason
	checkPause = 50 * time.Millisecond // after a connection could not be accepted
)

// agentCheck answers HAProxy's agent-check (its manual, section 5.2): a line for each connection, and the end of it.
//
//	75% up                    the farm takes requests; three quarters of it are free
//	75% up ready              the same, to one who may still have it drained
//	drain                     this agent drains
//	down #origin down: why    the web server does not answer
//	stopped #this agent ...   the agent is about to stop
type agentCheck struct {
	agent  *Agent
	sock   *socket       // nil: nobody can ask; only with reloading held, or before Run
	conns  chan struct{} // holds one for each connection
	free   freeShare
	askers askers
	strays trouble // addresses that may not ask
}

func newAgentCheck(a *Agent) *agentCheck {
	return &agentCheck{agent: a, conns: make(chan struct{}, checkConns), askers: askers{since: map[netip.Addr]time.Time{}}}
}

// swap goes on with another listener, or with none. Who is connected by the one before gets an answer.
func (c *agentCheck) swap(s *socket) {
	old := c.sock
	c.sock = s
	if old != nil {
		_ = old.Close() // once
	}
	if s != nil && c.agent.running != nil {
		c.agent.running.start(func(ctx context.Context) { c.serve(ctx, s) })
	}
}

// serve answers until the listener is closed or the context ends, and everybody who came in by it has gone.
func (c *agentCheck) serve(ctx context.Context, s *socket) {
	stop := context.AfterFunc(ctx, func() { _ = s.Close() })
	defer stop()
	var wg sync.WaitGroup
	defer wg.Wait()
	for {
		conn, err := s.Accept()
		switch {
		case errors.Is(err, net.ErrClosed):
			return
		case err != nil:
			sleep(ctx, checkPause)
			continue
		}
		select {
		case c.conns <- struct{}{}:
			wg.Go(func() {
				c.talk(conn)
				<-c.conns
			})
		default:
			_ = conn.Close()
		}
	}
}

// talk answers one connection. What it says is read, though it changes nothing: to close with bytes unread would cut the answer
// off.
func (c *agentCheck) talk(conn net.Conn) {
	defer conn.Close()
	now := time.Now()
	from := conn.RemoteAddr().(*net.TCPAddr).AddrPort().Addr().Unmap().WithZone("")
	if !contains(c.agent.config.Load().AgentCheck.Allow, from) {
		c.strays.note(c.agent.log, "agent_check is asked from an address that may not; add it to agent_check.allow if that is meant",
			fmt.Errorf("asked from %v", from))
		return
	}
	_ = conn.SetDeadline(now.Add(checkTime)) // it is open
	if _, err := io.WriteString(conn, c.answer(now, from)+"\n"); err != nil {
		return
	}
	if half, ok := conn.(interface{ CloseWrite() error }); ok && half.CloseWrite() == nil {
		_, _ = io.CopyN(io.Discard, conn, checkRead) // until it closes, too
	}
}

// answer returns the line for who asks from that address, without its end.
func (c *agentCheck) answer(now time.Time, from netip.Addr) string {
	s := serveOf(*c.agent.serves.Load(), c.agent.config.Load().AgentCheck.Farm)
	state := c.agent.State()
	if s == nil || state == node.Leaving {
		return "stopped #this agent is about to stop"
	}
	if ready, why := s.origin.Ready(); !ready {
		return "down #origin down: " + asciiLine(why)
	}
	if state == node.Draining {
		c.askers.drain(from)
		return "drain"
	}
	line := strconv.Itoa(c.free.percent()) + "% up"
	if c.askers.ready(from, now) {
		line += " ready"
	}
	return line
}

// asciiLine writes a text such that it is a short line of ASCII.
func asciiLine(s string) string {
	s = strconv.QuoteToASCII(s)
	s = strings.ReplaceAll(s[1:len(s)-1], `\"`, `"`)
	return s[:min(len(s), checkWhy)]
}

// note takes in how busy the farm was since the beat before.
func (c *agentCheck) note(n *node.Node, now time.Time) {
	farm := c.agent.config.Load().AgentCheck.Farm
	for i := range n.Services {
		s := &n.Services[i]
		if s.Farm != farm || !s.Ready {
			continue // what a web server does that is down says nothing
		}
		if free, known := freeOf(s, n.Direct); known {
			c.free.note(farm, free, now)
		}
	}
}

const (
	readyFor  = time.Minute // in which everybody who drained this host has asked again, however many servers of HAProxy's it is
	maxAskers = 1024
)

// askers remembers who may still have this host drained. To HAProxy a "drain" holds until it hears "ready"; but "ready" also
// takes back what its own operator has set by hand. So it is said for a minute from when an address asked first, be it after a
// drain or after our start, and not any more then.
type askers struct {
	mu    sync.Mutex
	since map[netip.Addr]time.Time // when it heard first that this host is ready
}

// drain notes that an address has heard that this host drains.
func (k *askers) drain(from netip.Addr) {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.since, from)
}

// ready reports whether an address is to hear that this host is ready.
func (k *askers) ready(from netip.Addr, now time.Time) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	since, ok := k.since[from]
	if !ok {
		if len(k.since) >= maxAskers {
			clear(k.since) // to hear it once more does little harm
		}
		k.since[from], since = now, now
	}
	return now.Sub(since) < readyFor
}
