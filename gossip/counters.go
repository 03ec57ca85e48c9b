package gossip

import (
	"errors"
	"sync/atomic"
	"time"

	"backhand/gossip/wire"
)

// Reason is why a datagram that came in was dropped.
type Reason uint8

// The reasons, in the order in which they are checked. The last two are of notes alone, and DropAddress and DropFull of beats.
const (
	DropCIDR      Reason = iota // it came from outside of Config.Accept
	DropSize                    // longer than any beat, or shorter
	DropMagic                   // neither beat nor note
	DropVersion                 // a version that we do not understand
	DropCluster                 // of another cluster
	DropUnsealed                // not sealed, and that is asked for
	DropSeal                    // sealed with a key that we have not got
	DropForged                  // sealed with a key of ours by its number, but not by its secret; or changed on the way
	DropMalformed               // against the format
	DropReplay                  // known already, or older than what is known
	DropAddress                 // of a node at an address that is outside of Config.Accept
	DropFull                    // the table has no room
	DropStranger                // a note of a node whose beats are not heard
	DropFlood                   // more notes of one node than there may be
	Reasons                     // how many reasons there are
)

// String returns the word that metrics use.
func (r Reason) String() string {
	names := [Reasons]string{
		"cidr", "size", "magic", "version", "cluster", "unsealed", "seal", "forged", "malformed", "replay", "address", "full",
		"stranger", "flood",
	}
	if r >= Reasons {
		return "unknown"
	}
	return names[r]
}

// reasonOf returns the reason that stands for an error of [wire.Parser.Parse] or [wire.Parser.ParseNote].
func reasonOf(err error) Reason {
	switch {
	case errors.Is(err, wire.ErrSize):
		return DropSize
	case errors.Is(err, wire.ErrMagic):
		return DropMagic
	case errors.Is(err, wire.ErrVersion):
		return DropVersion
	case errors.Is(err, wire.ErrCluster):
		return DropCluster
	case errors.Is(err, wire.ErrUnsealed):
		return DropUnsealed
	case errors.Is(err, wire.ErrSeal):
		return DropSeal
	case errors.Is(err, wire.ErrForged):
		return DropForged
	}
	return DropMalformed
}

// Counters are what a [Gossiper] counted since it was made.
type Counters struct {
	Sent          uint64          // datagrams that went out, over all transports
	SendErrors    uint64          // datagrams that did not
	Received      uint64          // datagrams that came in, our own among them
	ReceiveErrors uint64          // times that a transport could not receive
	Clones        uint64          // beats of another agent with our node id
	Dropped       [Reasons]uint64 // of those received, by Reason
}

type counters struct {
	sent, sendErrors, received, receiveErrors, clones atomic.Uint64
	dropped                                           [Reasons]atomic.Uint64
}

func (c *counters) read() Counters {
	out := Counters{
		Sent: c.sent.Load(), SendErrors: c.sendErrors.Load(), Received: c.received.Load(),
		ReceiveErrors: c.receiveErrors.Load(), Clones: c.clones.Load(),
	}
	for r := range out.Dropped {
		out.Dropped[r] = c.dropped[r].Load()
	}
	return out
}

// seldom lets one through in a minute, however many ask: what anybody can cause by a datagram must not fill the log.
type seldom struct {
	next atomic.Int64 // ns from the start of the Gossiper to when the next may pass
}

func (s *seldom) pass(since time.Duration) bool {
	next := s.next.Load()
	return int64(since) >= next && s.next.CompareAndSwap(next, int64(since+time.Minute))
}
