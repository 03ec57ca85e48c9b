// Package gossiptest has a network in memory for tests of whatever gossips, and the check of what every
// [gossip.Transport] promises.
package gossiptest

import (
	"bytes"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"

	"backhand/gossip"
)

// Conditions are what a network does to datagrams. The zero value does nothing to them.
type Conditions struct {
	Loss      float64       // share of datagrams that do not arrive, from 0 to 1; decided for each receiver
	Duplicate float64       // share that arrives twice
	Delay     time.Duration // until a datagram arrives
	Jitter    time.Duration // at most that much longer; more than the time between two datagrams, and they change places
}

// inbox is how many datagrams wait for a receiver; like those of a socket, more are lost.
const inbox = 1024

// Network carries what one transport sends to all of them, the sender's own among them, as a group of multicast does.
// The same seed and the same order of sending have the same fate. In a synctest bubble its delays take no time.
type Network struct {
	mu         sync.Mutex
	rand       *rand.Rand
	conditions Conditions
	transports []*transport
	side       map[netip.Addr]int // of a partition; nil: there is none
}

// NewNetwork returns a network in good condition.
func NewNetwork(seed uint64) *Network {
	return &Network{rand: rand.New(rand.NewPCG(seed, seed))}
}

// Set changes what happens to the datagrams that are sent from now on.
func (n *Network) Set(c Conditions) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.conditions = c
}

// Partition cuts the network: from now on only addresses in the same side reach one another. Those that are in none
// reach nobody but themselves. A later call replaces the former; without sides it heals the network.
func (n *Network) Partition(sides ...[]netip.Addr) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if len(sides) == 0 {
		n.side = nil
		return
	}
	n.side = map[netip.Addr]int{}
	for i, side := range sides {
		for _, a := range side {
			n.side[a] = i
		}
	}
}

// Transport returns a new transport whose datagrams come from addr.
func (n *Network) Transport(addr netip.AddrPort) gossip.Transport {
	t := &transport{network: n, addr: addr, in: make(chan datagram, inbox), closed: make(chan struct{})}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.transports = append(n.transports, t)
	return t
}

// Inject sends a datagram that comes from any address, as somebody might who is no agent.
func (n *Network) Inject(from netip.AddrPort, b []byte) {
	n.mu.Lock()
	defer n.mu.Unlock()
	d := datagram{b: bytes.Clone(b), from: from}
	for _, t := range n.transports {
		if n.connected(from.Addr(), t.addr.Addr()) {
			n.deliver(d, t)
		}
	}
}

// connected reports whether the partition, if there is one, lets a reach b.
func (n *Network) connected(a, b netip.Addr) bool {
	if n.side == nil || a == b {
		return true
	}
	sideA, okA := n.side[a]
	sideB, okB := n.side[b]
	return okA && okB && sideA == sideB
}

func (n *Network) deliver(d datagram, to *transport) {
	c := n.conditions
	// The dice fall in the same order whatever they show, so that one condition does not change the fate that another
	// one deals out.
	lost, twice := n.rand.Float64() < c.Loss, n.rand.Float64() < c.Duplicate
	delays := [2]time.Duration{c.Delay, c.Delay}
	for i := range delays {
		delays[i] += time.Duration(n.rand.Float64() * float64(c.Jitter))
	}
	if lost {
		return
	}
	to.arrive(d, delays[0])
	if twice {
		to.arrive(d, delays[1])
	}
}

type datagram struct {
	b    []byte
	from netip.AddrPort
}

type transport struct {
	network *Network
	addr    netip.AddrPort
	in      chan datagram
	late    []delayed // first to arrive first; guarded by network.mu
	closed  chan struct{}
	once    sync.Once
}

type delayed struct {
	datagram
	at time.Time
}

// arrive is called with network.mu held.
func (t *transport) arrive(d datagram, delay time.Duration) {
	if delay <= 0 {
		t.put(d)
		return
	}
	at := time.Now().Add(delay)
	i := len(t.late)
	for i > 0 && t.late[i-1].at.After(at) {
		i--
	}
	t.late = slices.Insert(t.late, i, delayed{d, at})
	// Timers that are due at the same time run in any order. So each takes not its own datagram but the first.
	time.AfterFunc(delay, func() {
		t.network.mu.Lock()
		defer t.network.mu.Unlock()
		t.put(t.late[0].datagram)
		t.late = t.late[1:]
	})
}

func (t *transport) put(d datagram) {
	select {
	case t.in <- d:
	default: // as full as a socket's buffer
	}
}

func (t *transport) isClosed() bool {
	select {
	case <-t.closed:
		return true
	default:
		return false
	}
}

func (t *transport) Send(b []byte) error {
	if t.isClosed() {
		return net.ErrClosed
	}
	t.network.Inject(t.addr, b)
	return nil
}

func (t *transport) Receive(b []byte) (int, netip.AddrPort, error) {
	if t.isClosed() {
		return 0, netip.AddrPort{}, net.ErrClosed
	}
	select {
	case d := <-t.in:
		return copy(b, d.b), d.from, nil
	case <-t.closed:
		return 0, netip.AddrPort{}, net.ErrClosed
	}
}

func (t *transport) Close() error {
	t.once.Do(func() {
		close(t.closed)
		n := t.network
		n.mu.Lock()
		defer n.mu.Unlock()
		n.transports = slices.DeleteFunc(n.transports, func(o *transport) bool { return o == t })
	})
	return nil
}

func (t *transport) String() string { return "memory, from " + t.addr.String() }
