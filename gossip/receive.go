package gossip

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"backhand/gossip/wire"
)

const (
	// receiveSize is more than any beat or note has, so that one too long shows as such.
	receiveSize = 2048
	// A transport that cannot receive is asked again after a pause, which doubles from the first to the longest.
	firstPause   = 10 * time.Millisecond
	longestPause = time.Second
	// answerMost is how many nodes there may be for a newcomer to be answered at once: of more, enough beat in any moment.
	answerMost = 256
)

// receiver takes in what comes over one transport. It is used by one goroutine.
type receiver struct {
	g      *Gossiper
	link   *link
	parser *wire.Parser
	beat   wire.Beat
	note   wire.Note
}

// receive listens until the transport is closed.
func (g *Gossiper) receive(ctx context.Context, l *link) {
	r := receiver{g: g, link: l, parser: wire.NewParser(g.cluster)}
	buf := make([]byte, receiveSize)
	pause := firstPause
	for {
		n, from, err := l.Receive(buf)
		switch {
		case errors.Is(err, net.ErrClosed):
			return
		case err != nil:
			g.counters.receiveErrors.Add(1)
			l.health.cannotReceive(err, time.Now())
			if g.receiveLog.pass(time.Since(g.start)) {
				g.cfg.Log.Warn("beats cannot be received; trying on", "from", l.String(), "err", err)
			}
			if !wait(ctx, pause) {
				return
			}
			pause = min(2*pause, longestPause)
			continue
		}
		pause = firstPause
		l.health.receives()
		r.take(buf[:n], from.Addr())
	}
}

// wait returns false if ctx ends before the time is over.
func wait(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// take judges one datagram. Where it came from is asked before it is looked at.
func (r *receiver) take(b []byte, from netip.Addr) {
	g := r.g
	g.counters.received.Add(1)
	from = from.Unmap()
	if !g.accepts(from) {
		r.drop(DropCIDR, b, from, nil)
		return
	}
	if wire.IsNote(b) {
		r.takeNote(b, from)
		return
	}
	if err := r.parser.Parse(b, g.keys.Load(), &r.beat); err != nil {
		r.drop(reasonOf(err), b, from, err)
		return
	}
	if n := &r.beat.Node; n.ID == g.cfg.ID && n.Key == 0 && g.keys.Load().Sealing() != 0 {
		r.drop(DropUnsealed, b, from, nil) // ours are sealed; this is no clone, but somebody who has no key
		return
	}
	// A beat says where requests are to go. That may be another address than it came from, but none of which we would take no
	// beats either: or whoever may send one could have our clients' requests sent out of the cluster's networks.
	if a := r.beat.Node.Addr.Addr(); a != from && !g.accepts(a) {
		r.drop(DropAddress, b, from, nil)
		return
	}
	g.mu.Lock()
	result, known := g.table.Observe(&r.beat, from, time.Now()), g.table.Len()
	g.mu.Unlock()
	switch result {
	case Added, Updated:
		select {
		case g.changed <- struct{}{}:
		default:
		}
		// A node that has just started wants to know its peers before it takes requests.
		if r.beat.Node.Sequence <= quickBeats && known <= answerMost {
			g.Beat()
		}
	case Own:
		r.link.health.loop(time.Now())
	case Clone:
		r.clone(from)
	case Replay:
		r.drop(DropReplay, b, from, nil)
	case Unsealed:
		r.drop(DropUnsealed, b, from, nil)
	case Full:
		r.drop(DropFull, b, from, nil)
	case Malformed:
		r.drop(DropMalformed, b, from, errors.New("the parts of a beat do not fit together"))
	}
}

// accepts is asked for every datagram that anybody sends, and allocates nothing.
func (g *Gossiper) accepts(from netip.Addr) bool {
	from = from.WithZone("") // which no prefix contains
	for _, p := range *g.accept.Load() {
		if p.Contains(from) {
			return true
		}
	}
	return false
}

// drop counts a datagram that is not taken, and logs each reason at most once a minute.
func (r *receiver) drop(reason Reason, b []byte, from netip.Addr, err error) {
	g := r.g
	g.counters.dropped[reason].Add(1)
	if reason == DropReplay {
		return // with two transports to the same peers every beat comes twice
	}
	if !g.dropLog[reason].pass(time.Since(g.start)) {
		return
	}
	log := g.cfg.Log.With("reason", reason.String(), "from", from.String(), "bytes", len(b))
	switch reason {
	case DropCIDR:
		log.Warn("beats come from an address that gossip.accept does not name")
	case DropVersion:
		log.Warn("beats come in a version that this agent does not understand", "version", b[4],
			"understood", fmt.Sprintf("%d to %d", wire.VersionMin, wire.VersionMax))
	case DropCluster:
		log.Warn("beats of another cluster come to our destination", "cluster_hash", fmt.Sprintf("%x", b[8:16]),
			"ours", fmt.Sprintf("%q %x", g.cfg.Cluster, g.cluster))
	case DropUnsealed:
		log.Warn("beats come that are not sealed, where they should be: give that host the key file, or as long as not all have it " +
			"set gossip.key_mode to permissive")
	case DropSeal:
		log.Warn("beats come that are sealed with a key that this agent has not got: give all hosts the same key file",
			"key", wire.KeyNumber(b))
	case DropForged:
		log.Warn("beats come that are sealed with another key of the same number, or were changed on the way: compare the key files",
			"key", wire.KeyNumber(b))
	case DropAddress:
		log.Warn("a node announces an address that gossip.accept does not name; add its network there if that is meant",
			"name", r.beat.Node.Name, "address", r.beat.Node.Addr.String())
	case DropFull:
		log.Warn("there are more nodes than this agent can know", "name", r.beat.Node.Name,
			"limit", MaxNodes)
	case DropStranger: // as happens for a moment when one of the two has just started
		log.Info("notes come of a node whose beats are not heard", "id", r.note.ID.String())
	case DropFlood:
		log.Warn("more notes come of a node than it may send; the rest is not taken", "id", r.note.ID.String(),
			"limit_a_second", maxNotes)
	default:
		log.Warn("datagrams come that are not taken", "err", err)
	}
}

// clone reports an agent that has our id. Two of them are one node to everybody else: that with the greater boot.
func (r *receiver) clone(from netip.Addr) {
	g := r.g
	g.counters.clones.Add(1)
	g.mu.Lock()
	g.twin.heard(&r.beat.Node, from, time.Now())
	ours := g.addr
	g.mu.Unlock()
	if !g.cloneLog.pass(time.Since(g.start)) {
		return
	}
	r.raise(r.beat.Node.Boot)
	g.cfg.Log.Error("another agent has our node id: a clone of state_dir? Remove it on one of the two hosts",
		"id", g.cfg.ID.String(), "our_address", ours.String(), "their_address", r.beat.Node.Addr.String(),
		"their_name", r.beat.Node.Name, "from", from.String())
}

// raise goes on with a greater boot than a clone's, so that this node comes back when the clone has gone.
func (r *receiver) raise(heard uint64) {
	g := r.g
	if heard < g.boot.Load() || g.cfg.Raise == nil {
		return
	}
	boot := g.cfg.Raise(heard)
	if boot <= heard {
		return
	}
	g.mu.Lock()
	g.boot.Store(boot)
	g.table.SetBoot(boot)
	g.mu.Unlock()
	g.Beat()
}
