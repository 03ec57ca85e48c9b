package heartbeat

import (
	"crypto/sha256"
	"net/netip"
	"time"

	"backhand/gossip"
	"backhand/gossip/node"
)

// Bounds of what is known.
const (
	MaxHosts = 1024 // hosts known at a time

	// maxPorts is how many of them may have one address: a host that makes ports up shall not take all the room.
	maxPorts = 16
	// roomAfter is for how long a host must have been silent to make room for a new one, before its hour is over. The living
	// are never touched. They are looked for at most once in roomEvery, since that takes a walk through all.
	roomAfter = time.Minute
	roomEvery = time.Second
)

// noWorkers is why a host is no candidate that has neither a ready worker nor a busy one.
const noWorkers = "announces no workers"

// table is the hosts that were heard. It has no lock and no clock.
type table struct {
	hosts   map[netip.AddrPort]*host
	ports   map[netip.Addr]int // hosts at each address
	roomed  time.Time          // when silent ones were looked for last
	service Service
}

// host is one of them. It is told from others by address and port.
type host struct {
	addr  netip.AddrPort
	named bool // it has said its port itself
	last  Message
	first time.Time
	heard time.Time
	count uint64

	published *node.Node // made when asked for; nil if something changed since
}

func newTable() *table {
	return &table{hosts: map[netip.AddrPort]*host{}, ports: map[netip.Addr]int{}}
}

// setService says what the hosts serve from now on.
func (t *table) setService(s Service) {
	if t.service == s {
		return
	}
	t.service = s
	for _, h := range t.hosts {
		h.published = nil
		if !h.named && h.addr.Port() != s.Port {
			t.forget(h) // its next message makes it known where it is now
		}
	}
}

func (t *table) forget(h *host) {
	delete(t.hosts, h.addr)
	from := h.addr.Addr()
	if t.ports[from]--; t.ports[from] == 0 {
		delete(t.ports, from)
	}
}

// observe takes in what came from an address, and returns false if there is no room for its sender.
func (t *table) observe(m Message, from netip.Addr, at time.Time) bool {
	key := netip.AddrPortFrom(from, t.service.Port)
	if m.Port != 0 {
		key = netip.AddrPortFrom(from, m.Port)
	}
	h := t.hosts[key]
	if h == nil {
		if !t.hasRoom(from, at) {
			return false
		}
		h = &host{addr: key, first: at}
		t.hosts[key] = h
		t.ports[from]++
	}
	h.last, h.heard, h.published = m, at, nil
	h.named = h.named || m.Port != 0
	h.count++
	return true
}

// hasRoom reports whether one more host of that address may be listed.
func (t *table) hasRoom(from netip.Addr, now time.Time) bool {
	if len(t.hosts) < MaxHosts && t.ports[from] < maxPorts {
		return true
	}
	if since := now.Sub(t.roomed); since < 0 || since >= roomEvery {
		t.roomed = now
		t.drop(now, roomAfter)
	}
	return len(t.hosts) < MaxHosts && t.ports[from] < maxPorts
}

// expire takes hosts off the list that have been silent for an hour, as other nodes are. If now is before a host was heard,
// then the clock was set back; its silence counts from now.
func (t *table) expire(now time.Time) {
	for _, h := range t.hosts {
		if h.heard.After(now) {
			h.heard, h.published = now, nil
		}
	}
	t.drop(now, gossip.Shown)
}

func (t *table) drop(now time.Time, silent time.Duration) {
	for _, h := range t.hosts {
		if now.Sub(h.heard) >= silent {
			t.forget(h)
		}
	}
}

// publish returns the host as a node, which never changes.
func (h *host) publish(s Service) *node.Node {
	if h.published != nil {
		return h.published
	}
	svc := node.Service{
		Farm: s.Farm, Ready: h.last.Ready+h.last.Busy > 0, Slots: s.Capacity, Workers: h.last.Ready + h.last.Busy,
		Busy: h.last.Busy, InFlight: h.last.Busy, Average: float64(h.last.Busy),
	}
	if !svc.Ready {
		svc.Why = noWorkers
	}
	h.published = &node.Node{
		ID: idOf(h.addr), Boot: uint64(h.first.UnixMilli()), Sequence: h.count, Name: nameOf(h.addr, s.Port), Addr: h.addr,
		Direct: true, Untrusted: true, State: node.Up, Interval: Interval, Services: []node.Service{svc},
		Heard: h.heard, From: h.addr.Addr(),
	}
	return h.published
}

// nameOf returns what people call the host: its address, and the port if that is not the one that is usual here.
func nameOf(addr netip.AddrPort, usual uint16) string {
	if addr.Port() == usual {
		return addr.Addr().String()
	}
	return addr.String()
}

// idOf returns the id of the host at that address: the same on every agent and for ever.
func idOf(addr netip.AddrPort) node.ID {
	sum := sha256.Sum256([]byte("backhand heartbeat " + addr.String()))
	return node.ID(sum[:len(node.ID{})])
}

// append appends the hosts that none of those in the list stands for already.
func (t *table) append(nodes []*node.Node, now time.Time, physicals []node.Physical) []*node.Node {
	t.expire(now)
	if len(t.hosts) == 0 {
		return nodes
	}
	taken := takenBy(nodes, physicals, t.service.Farm, now)
	for _, h := range t.hosts {
		if n := h.publish(t.service); !taken.has(h, n.ID) {
			nodes = append(nodes, n)
		}
	}
	return nodes
}

// taken is where others stand, so that a host of that address is not listed beside them.
type taken struct {
	ids   map[node.ID]bool
	at    map[netip.AddrPort]bool
	hosts map[netip.Addr]bool // that serve the farm, on whichever port
}

// takenBy gathers it. A node that has left, and is silent since, stands for nothing any more: Apache may have its place.
func takenBy(nodes []*node.Node, physicals []node.Physical, farm string, now time.Time) taken {
	t := taken{
		ids: make(map[node.ID]bool, len(nodes)), at: make(map[netip.AddrPort]bool, len(nodes)), hosts: map[netip.Addr]bool{},
	}
	for _, n := range nodes {
		t.ids[n.ID] = true
		if n.State == node.Leaving && now.Sub(n.Heard) > 3*n.Interval {
			continue
		}
		t.at[n.Addr] = true
		for i := range n.Services {
			if n.Services[i].Farm == farm {
				t.hosts[n.Addr.Addr()] = true
			}
		}
	}
	for _, p := range physicals {
		if addr, err := netip.ParseAddrPort(node.HostPort(p.URL)); err == nil && p.Farm == farm {
			t.at[addr] = true
		}
	}
	return t
}

// has reports whether somebody stands for the host. One that has not said its port is the whole host to us: if an agent
// there serves the farm, that is its origin.
func (t taken) has(h *host, id node.ID) bool {
	return t.ids[id] || t.at[h.addr] || !h.named && t.hosts[h.addr.Addr()]
}
