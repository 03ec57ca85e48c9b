package gossip

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"syscall"
)

// UnicastConfig says who exchanges beats with whom where neither multicast nor broadcast reaches.
type UnicastConfig struct {
	// Listen is the address of this host that beats leave from and come in at. Required.
	Listen netip.AddrPort
	// Peers are whom beats go to. Only addresses of Listen's own family, IPv4 or IPv6, are used, and ours is left out: so all
	// hosts may have the same list.
	Peers []Peer
	// Resolver looks names up, in the background. Default: [net.DefaultResolver].
	Resolver Resolver
	// Log takes what people should know of names and addresses. Default: nobody is told.
	Log *slog.Logger
}

// Unicast is a [Transport] that sends each datagram to every peer by itself. Names of peers are looked up every 30 s; one
// that cannot be looked up keeps the addresses that it had.
type Unicast struct {
	cfg  UnicastConfig
	conn *net.UDPConn
	held io.Closer // see hold

	changing sync.Mutex // one change at a time
	closed   atomic.Bool
	peers    atomic.Pointer[directory]
	copies   Copies
}

// ListenUnicast opens the socket. Close also ends the lookups that run from then on.
func ListenUnicast(cfg UnicastConfig) (*Unicast, error) {
	cfg.Listen = plain(cfg.Listen)
	if a := cfg.Listen; !IsHostAddr(a.Addr()) || a.Port() == 0 {
		return nil, fmt.Errorf("gossip with peers: %v is no address to listen at: set gossip.listen to an address of this host, "+
			"with a port", a)
	}
	if cfg.Resolver == nil {
		cfg.Resolver = net.DefaultResolver
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	held, err := hold(cfg.Listen)
	if err != nil {
		return nil, fmt.Errorf("gossip with peers: listen at %v: %w", cfg.Listen, err)
	}
	conn, err := listen(cfg.Listen, shared)
	if err != nil {
		_ = held.Close()
		return nil, fmt.Errorf("gossip with peers: listen at %v: %w", cfg.Listen, err)
	}
	u := &Unicast{cfg: cfg, conn: conn, held: held, copies: Copies{Whom: "peers", Log: cfg.Log}}
	u.peers.Store(newDirectory(&u.cfg, cfg.Peers, nil))
	return u, nil
}

// hold keeps the address from other agents of this host. The kernel would give it to them as well, since its port is shared
// with the sockets for groups, and then only one of us would hear anything.
func hold(addr netip.AddrPort) (io.Closer, error) {
	held, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Net: "unixgram", Name: "@backhand/" + addr.String()})
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, errors.New("another agent of this host has that address: set gossip.listen to another port in one of the two")
	}
	return held, err
}

// SetPeers replaces the peers. What is known of the addresses of those that stay is kept.
func (u *Unicast) SetPeers(peers []Peer) {
	u.changing.Lock()
	defer u.changing.Unlock()
	before := u.peers.Load()
	if u.closed.Load() || before.isOf(peers) {
		return
	}
	before.close()
	u.peers.Store(newDirectory(&u.cfg, peers, before))
}

// Send implements [Transport]. It does not wait for names: as long as no address is known nothing is sent, which is no error.
func (u *Unicast) Send(b []byte) error {
	if u.closed.Load() {
		return net.ErrClosed
	}
	return u.copies.Send(u.conn, b, u.peers.Load().now())
}

// Fanout returns how many datagrams one Send sends: the addresses of peers that are known now.
func (u *Unicast) Fanout() int { return len(u.peers.Load().now()) }

// Receive implements [Transport].
func (u *Unicast) Receive(b []byte) (int, netip.AddrPort, error) {
	n, from, err := u.conn.ReadFromUDPAddrPort(b)
	if err != nil {
		return 0, netip.AddrPort{}, err
	}
	return n, plain(from), nil
}

// Close implements [Transport]. When it returns, no lookup is under way any more.
func (u *Unicast) Close() error {
	u.changing.Lock()
	defer u.changing.Unlock()
	if u.closed.Swap(true) {
		return nil
	}
	u.peers.Load().close()
	_ = u.conn.Close() // closing a datagram socket loses nothing
	return u.held.Close()
}

// namedPeers is how many String lists.
const namedPeers = 3

// String implements [Transport].
func (u *Unicast) String() string {
	peers := u.peers.Load().peers
	text := "peers"
	for i, k := range peers[:min(len(peers), namedPeers)] {
		text += []string{" ", ", "}[min(i, 1)] + k.String()
	}
	if more := len(peers) - namedPeers; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}
