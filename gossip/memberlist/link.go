package memberlist

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"

	hashicorp "github.com/hashicorp/memberlist"
)

const (
	// dialTime is how long a connection may take to be made. The library would give 10 s to a seed that is down.
	dialTime = 3 * time.Second
	// inboxSize is how many datagrams wait while the library is busy; of more, those that come are dropped.
	inboxSize = 256
)

// link is what one instance of the library has of our sockets. These outlive it: see [Transport.restart].
type link struct {
	t       *Transport
	packets chan *hashicorp.Packet
	streams chan net.Conn
	done    chan struct{}
	dialing context.Context // ends with done
	end     context.CancelFunc

	mu    sync.Mutex
	ended bool
	conns map[*stream]bool // that are open
}

func newLink(t *Transport) *link {
	l := &link{
		t: t, packets: make(chan *hashicorp.Packet, inboxSize), streams: make(chan net.Conn), done: make(chan struct{}),
		conns: map[*stream]bool{},
	}
	l.dialing, l.end = context.WithCancel(context.Background())
	return l
}

// FinalAdvertiseAddr returns where others reach us: what the configuration says, and never a guess.
func (l *link) FinalAdvertiseAddr(string, int) (net.IP, int, error) {
	a := l.t.cfg.Advertise
	return a.Addr().AsSlice(), int(a.Port()), nil
}

// WriteTo sends a datagram. What may not be sent is lost, as far as the library knows: it is to take such a member for dead,
// which it does not after an error of ours.
func (l *link) WriteTo(b []byte, addr string) (time.Time, error) {
	select {
	case <-l.done:
		return time.Time{}, net.ErrClosed
	default:
	}
	to, err := l.t.allowed(addr)
	if err != nil {
		return time.Now(), nil
	}
	_, err = l.t.packets.WriteToUDPAddrPort(b, to)
	return time.Now(), err
}

// WriteToAddress is WriteTo: names are addresses.
func (l *link) WriteToAddress(b []byte, a hashicorp.Address) (time.Time, error) {
	return l.WriteTo(b, a.Addr)
}

// DialTimeout connects to a member.
func (l *link) DialTimeout(addr string, timeout time.Duration) (net.Conn, error) {
	to, err := l.t.allowed(addr)
	if err != nil {
		return nil, err
	}
	d := net.Dialer{Timeout: min(timeout, dialTime)}
	if from := l.t.cfg.Bind.Addr(); !from.IsUnspecified() && from.Is4() == to.Addr().Is4() {
		d.LocalAddr = &net.TCPAddr{IP: from.AsSlice()} // by which the other side knows us
	}
	c, err := d.DialContext(l.dialing, "tcp", to.String())
	if err != nil {
		return nil, err
	}
	s := &stream{guardedStream: guardedStream{Conn: c, guard: l.t.guardNow()}, link: l}
	if !l.adopt(s) {
		return nil, net.ErrClosed
	}
	return s, nil
}

// DialAddressTimeout is DialTimeout: names are addresses.
func (l *link) DialAddressTimeout(a hashicorp.Address, timeout time.Duration) (net.Conn, error) {
	return l.DialTimeout(a.Addr, timeout)
}

// PacketCh brings the datagrams.
func (l *link) PacketCh() <-chan *hashicorp.Packet { return l.packets }

// StreamCh brings the connections.
func (l *link) StreamCh() <-chan net.Conn { return l.streams }

// Shutdown ends all that goes on over this link. The sockets stay open.
func (l *link) Shutdown() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ended {
		return nil
	}
	l.ended = true
	close(l.done)
	l.end()
	for s := range l.conns {
		_ = s.Conn.Close() // whoever reads from it closes the stream
	}
	return nil
}

// deliver hands a datagram to the library.
func (l *link) deliver(p *hashicorp.Packet) {
	select {
	case l.packets <- p:
	default: // a flood: gossip comes again
	}
}

// take hands a connection to the library.
func (l *link) take(s *stream) {
	s.link = l
	if !l.adopt(s) {
		return
	}
	select {
	case l.streams <- s:
	case <-l.done:
		_ = s.Close()
	}
}

// adopt notes a connection as open. If the link has ended, it is closed.
func (l *link) adopt(s *stream) bool {
	l.mu.Lock()
	if !l.ended {
		l.conns[s] = true
		l.mu.Unlock()
		return true
	}
	l.mu.Unlock()
	_ = s.Close()
	return false
}

// stream is a connection of a link.
type stream struct {
	guardedStream
	link *link
	free func() // gives back its place among those that came in; nil if we began it
	once sync.Once
}

// Close implements [net.Conn].
func (s *stream) Close() error {
	err := s.Conn.Close()
	s.once.Do(func() {
		if s.free != nil {
			s.free()
		}
		s.link.mu.Lock()
		defer s.link.mu.Unlock()
		delete(s.link.conns, s)
	})
	return err
}

// places bounds the connections that came in and are open.
type places struct {
	mu  sync.Mutex
	all int
	at  map[netip.Addr]int
}

// How many connections may have come in: from all, and from one address. Each may cost as much memory as a large cluster's
// state has.
const (
	maxStreams   = 32
	maxStreamsOf = 4
)

// get takes a place, and returns what gives it back, or nil if there is none.
func (p *places) get(from netip.Addr) (free func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.all >= maxStreams || p.at[from] >= maxStreamsOf {
		return nil
	}
	p.all++
	p.at[from]++
	return func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.all--
		if p.at[from]--; p.at[from] == 0 {
			delete(p.at, from)
		}
	}
}

// allowed returns the address of a member that we may send to: what somebody else says of one could lead us anywhere.
func (t *Transport) allowed(addr string) (netip.AddrPort, error) {
	to, err := netip.ParseAddrPort(addr)
	if err != nil {
		return netip.AddrPort{}, fmt.Errorf("%.64q is no address", addr)
	}
	to = netip.AddrPortFrom(to.Addr().Unmap(), to.Port())
	if !t.accepts(to.Addr()) {
		return netip.AddrPort{}, fmt.Errorf("%v is outside of gossip.accept", to)
	}
	return to, nil
}
