package agent

import (
	"fmt"
	"math"
	"time"

	"backhand/agent/config"
	"backhand/gossip"
	"backhand/gossip/heartbeat"
	"backhand/gossip/node"
	"backhand/status"
)

// newHeartbeat makes the part that speaks with hosts that run Apache's cluster modules. Without [heartbeat] in the file it does
// nothing.
func (a *Agent) newHeartbeat() (err error) {
	a.heartbeat, err = heartbeat.New(heartbeat.Config{
		Accept: a.accepts, Self: a.heartbeatOf, Changed: a.mergeSoon, Log: a.log,
	})
	return err
}

// openLinks opens the sockets that [heartbeat] names: one, if what is sent goes to where is listened.
func openLinks(cfg *config.Config) (l heartbeat.Links, err error) {
	h, way := cfg.Heartbeat, gossip.SocketConfig{Interface: cfg.Gossip.Interface, Source: cfg.Gossip.Source}
	open := func(d gossip.Destination, key string) (gossip.Transport, error) {
		t, err := gossip.Open(d, way)
		if err != nil {
			return nil, fmt.Errorf("heartbeat.%s: %w", key, err)
		}
		return t, nil
	}
	if h.Sends() {
		if l.Send, err = open(h.Send, "send"); err != nil {
			return heartbeat.Links{}, err
		}
	}
	switch {
	case !h.Listens():
		return l, nil
	case h.Sends() && h.Send.Addr == h.Listen.Addr:
		l.Listen = l.Send
		return l, nil
	}
	if l.Listen, err = open(h.Listen, "listen"); err != nil {
		l.Close()
		return heartbeat.Links{}, err
	}
	return l, nil
}

// newLinks reports whether the sockets of [heartbeat] are to be others.
func newLinks(old, cfg *config.Config) bool {
	return old.Heartbeat.Listen != cfg.Heartbeat.Listen || old.Heartbeat.Send != cfg.Heartbeat.Send ||
		old.Gossip.Interface != cfg.Gossip.Interface || old.Gossip.Source != cfg.Gossip.Source
}

// serviceOf returns what the hosts that are heard are taken to serve.
func serviceOf(h config.Heartbeat) heartbeat.Service {
	return heartbeat.Service{Farm: h.Farm, Port: h.Port, Capacity: h.Capacity}
}

// withAddrs lets the focus have the nodes at whose address a heartbeat comes from, since they win over it.
func (a *Agent) withAddrs(f gossip.Focus) gossip.Focus {
	f.Addrs = a.heartbeat.Addrs()
	return f
}

// withHeard appends the hosts that are known from Apache's heartbeats.
func (a *Agent) withHeard(nodes []*node.Node, cfg *config.Config, now time.Time) []*node.Node {
	return a.heartbeat.AppendNodes(nodes, now, physicals(cfg))
}

// heardHosts returns how many hosts are known from Apache's heartbeats, without ourselves.
func (a *Agent) heardHosts(now time.Time) int {
	var nodes []*node.Node
	if self := a.self.Load(); self != nil {
		nodes = append(nodes, self)
	}
	return len(a.withHeard(nodes, a.config.Load(), now)) - len(nodes)
}

// heartbeatsCome returns within which time every host that sends heartbeats has sent one; 0 if nobody listens.
func heartbeatsCome(cfg *config.Config) time.Duration {
	if !cfg.Heartbeat.Listens() {
		return 0
	}
	return heartbeat.Interval * 11 / 10
}

// heartbeatOf says how busy this host is as mod_heartbeat would: by workers, where the file or the origin's status page tells
// their number, since Apache's hosts count theirs and its chooser compares the two; else by slots, which is what a host can do
// at least. (Apache itself counts the workers that it has started, not those that it may start yet.) A host that is to get
// nothing has none of either.
func (a *Agent) heartbeatOf(now time.Time) heartbeat.Message {
	cfg := a.config.Load()
	var m heartbeat.Message
	if s := serveOf(*a.serves.Load(), cfg.Heartbeat.Farm); s != nil && a.State() == node.Up {
		if ready, _ := s.origin.Ready(); ready {
			m = heartbeat.Announce(s.workers(now))
		}
	}
	if p := cfg.Node.Address.Port(); p != heartbeat.UsualPort {
		m.Port = p
	}
	return m
}

// workers returns how many workers the origin has, and how many are busy; slots and requests under way, if only those are
// known.
func (s *serve) workers(now time.Time) (total, busy int) {
	load := s.meter.Load(now)
	total, busy = s.cfg.Workers, int(load.InFlight)
	pageBusy, pageTotal, ok := s.origin.Busy()
	if total == 0 && ok {
		total = pageTotal
	}
	switch {
	case total == 0:
		return int(math.Ceil(load.Slots)), busy
	case ok:
		return total, pageBusy
	}
	return total, busy
}

// heartbeatDrops are the datagrams that were no heartbeats to take, for the page and the metrics; none where nobody listens.
func (a *Agent) heartbeatDrops() (out []status.Count) {
	if !a.config.Load().Heartbeat.Listens() {
		return nil
	}
	for r, n := range a.heartbeat.Dropped() {
		out = append(out, status.Count{Name: "heartbeat_" + heartbeat.Reason(r).String(), N: n})
	}
	return out
}
