package heartbeat

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"time"

	"backhand/gossip"
)

const (
	// A transport that cannot receive is asked again after a pause, which doubles from the first to the longest.
	firstPause   = 10 * time.Millisecond
	longestPause = time.Second

	// logEvery is how often each reason of a drop is logged at most: what anybody can cause by a datagram must not fill the
	// log.
	logEvery = time.Minute
)

// receive hears what comes over one transport until it is closed. One that only sends is heard too, and nothing is made of it,
// so that the kernel need not keep what nobody reads.
func (m *Monitor) receive(ctx context.Context, t gossip.Transport) {
	buf := make([]byte, MaxSize+1) // so that one too long shows as such
	pause := firstPause
	for {
		n, from, err := t.Receive(buf)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			timer := time.NewTimer(pause)
			select {
			case <-timer.C:
			case <-ctx.Done():
				timer.Stop()
				return
			}
			pause = min(2*pause, longestPause)
			continue
		}
		pause = firstPause
		if m.Links().Listen == t {
			m.take(buf[:n], from.Addr().Unmap(), time.Now())
		}
	}
}

// take judges one datagram. Where it came from is asked before it is looked at.
func (m *Monitor) take(b []byte, from netip.Addr, at time.Time) {
	if !m.cfg.Accept(from) {
		m.drop(DropCIDR, from, at, nil)
		return
	}
	msg, err := Parse(b)
	if err != nil {
		m.drop(DropMalformed, from, at, err)
		return
	}
	m.mu.Lock()
	taken := m.table.observe(msg, from, at)
	m.mu.Unlock()
	if !taken {
		m.drop(DropFull, from, at, nil)
		return
	}
	m.cfg.Changed()
}

// drop counts a datagram that is not taken, and logs each reason at most once a minute.
func (m *Monitor) drop(r Reason, from netip.Addr, at time.Time, err error) {
	m.dropped[r].Add(1)
	next := m.dropLog[r].Load()
	if at.UnixNano() < next || !m.dropLog[r].CompareAndSwap(next, at.Add(logEvery).UnixNano()) {
		return
	}
	log := m.cfg.Log.With("reason", r.String(), "from", from.String())
	switch r {
	case DropCIDR:
		log.Warn("heartbeats come from an address that gossip.accept does not name")
	case DropFull:
		log.Warn("more hosts send heartbeats than this agent can know", "limit", MaxHosts, "of_one_address", maxPorts)
	default:
		log.Warn("datagrams come to heartbeat.listen that are no heartbeats of Apache", "err", err)
	}
}
