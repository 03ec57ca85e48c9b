package gossip

import "net/netip"

// Transport carries datagrams to the other agents, be it all who listen at one [Destination] or a list of them, and brings
// theirs. What is sent may get lost, come twice or out of order, and it may come back to its sender.
// gossiptest.TestTransport checks what is promised here.
//
// Send may be called by several goroutines at the same time, and so may Send, Receive and Close.
//
// One that sends a datagram to each of the others by itself has a method Fanout besides, which says how many one Send
// sends: beats become more seldom then, so that large clusters do not send more than they should.
type Transport interface {
	// Send hands one datagram to the network. An error says that it cannot have left this host; the next one may.
	// After Close it is net.ErrClosed.
	Send(b []byte) error
	// Receive waits for a datagram, copies it into b and returns its length and where it came from. What is longer than b is
	// cut. After Close the error is net.ErrClosed; after any other one it may be called again.
	Receive(b []byte) (n int, from netip.AddrPort, err error)
	// Close ends the transport and wakes Receive. Closing twice is no error.
	Close() error
	// String returns where beats go, as people write it: "239.255.221.20:4445,1".
	String() string
}
