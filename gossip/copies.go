package gossip

import (
	"cmp"
	"log/slog"
	"net"
	"net/netip"
	"sync/atomic"
)

// Copies sends a datagram to each destination by itself, for a [Transport] without a group. It may be used by several
// goroutines at the same time.
type Copies struct {
	// Whom is who has the destinations, in the plural, for the log: "peers". Required.
	Whom string
	// Log takes when some of them cannot be sent to, and when all can be again. Required.
	Log *slog.Logger

	partial atomic.Bool // some cannot be sent to, which was said
}

// Send sends to all of them. It is an error if that works for none.
func (c *Copies) Send(conn *net.UDPConn, b []byte, all []netip.AddrPort) error {
	failed := 0
	var first error
	for _, to := range all {
		if _, err := conn.WriteToUDPAddrPort(b, to); err != nil {
			failed++
			first = cmp.Or(first, err)
		}
	}
	switch {
	case failed > 0 && failed == len(all):
		return first
	case failed > 0 && c.partial.CompareAndSwap(false, true):
		c.Log.Warn("beats do not leave for some "+c.Whom+"; trying on", c.Whom, failed, "of", len(all), "err", first)
	case failed == 0 && c.partial.CompareAndSwap(true, false):
		c.Log.Info("beats leave for all "+c.Whom+" again", c.Whom, len(all))
	}
	return nil
}
