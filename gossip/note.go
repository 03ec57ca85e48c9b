package gossip

import (
	"cmp"
	"fmt"
	"net/netip"
	"time"

	"backhand/gossip/node"
	"backhand/gossip/wire"
)

const (
	// MaxNote is how many bytes a note can say.
	MaxNote = wire.MaxNote

	// maxNotes is how many notes a second are taken of one node.
	maxNotes = 500
	// noteWindow is how far a note may be behind the newest of its node: notes that leave together may change places.
	noteWindow = 64
)

// Tell tells all other nodes something by a note, over all transports at once. payload has 1 to MaxNote bytes; it is not kept.
// Whom it does not reach, or who is new, does not come to know: what must be known is to be told again.
//
// Nothing leaves before our first beat, or if there are no transports: nobody would take it, which is no error. It is one if
// the note could leave by none of the transports. Beats say in the log why, if they cannot leave either.
func (g *Gossiper) Tell(payload []byte) error {
	n := wire.Note{ID: g.cfg.ID, Boot: g.boot.Load(), Sequence: g.notes.Add(1), Payload: payload}
	b, err := wire.AppendNote(nil, &n, g.cluster, g.keys.Load())
	if err != nil {
		return fmt.Errorf("gossip: %w", err)
	}
	if g.sequence.Load() == 0 {
		return nil
	}
	g.mu.Lock()
	links := g.links
	g.mu.Unlock()
	failed := 0
	var first error
	for _, l := range links {
		if err := l.Send(b); err != nil {
			g.counters.sendErrors.Add(1)
			failed++
			first = cmp.Or(first, err)
			continue
		}
		g.counters.sent.Add(1)
	}
	if failed > 0 && failed == len(links) {
		return fmt.Errorf("gossip: tell the other nodes: %w", first)
	}
	return nil
}

// takeNote judges a datagram that is a note, if anything, and comes from where one may come from.
func (r *receiver) takeNote(b []byte, from netip.Addr) {
	g, n := r.g, &r.note
	if err := r.parser.ParseNote(b, g.keys.Load(), n); err != nil {
		r.drop(reasonOf(err), b, from, err)
		return
	}
	if n.ID == g.cfg.ID && n.Key == 0 && g.keys.Load().Sealing() != 0 {
		r.drop(DropUnsealed, b, from, nil) // ours are sealed
		return
	}
	now := time.Now()
	g.mu.Lock()
	result := g.table.ObserveNote(n, now)
	g.mu.Unlock()
	switch result {
	case Own:
	case Replay:
		r.drop(DropReplay, b, from, nil)
	case Unsealed:
		r.drop(DropUnsealed, b, from, nil)
	case Flood:
		r.drop(DropFlood, b, from, nil)
	case Updated:
		if g.cfg.Told == nil {
			return
		}
		if err := g.cfg.Told(n.ID, n.Payload, now); err != nil {
			r.drop(DropMalformed, b, from, fmt.Errorf("note of node %s: %w", n.ID.Short(), err))
		}
	default: // a clone of ours is told of by its beats
		r.drop(DropStranger, b, from, nil)
	}
}

// told is what came of the notes of a node. As of beats, those that came sealed are compared with no others: what somebody
// without a key said in the name of the node counts for nothing then.
type told struct {
	any, sealed heardNotes
	second      time.Time // when the second began in which taken counts
	taken       int
}

// heardNotes has which notes of a node came, of its last boot.
type heardNotes struct {
	boot   uint64
	newest uint64 // sequence
	seen   uint64 // a bit for each of the noteWindow up to the newest: the lowest is its own
}

// fresh reports whether that note did not come yet, as far as is remembered.
func (h *heardNotes) fresh(n *wire.Note) bool {
	switch {
	case n.Boot != h.boot:
		return n.Boot > h.boot
	case n.Sequence > h.newest:
		return true
	}
	behind := h.newest - n.Sequence
	return behind < noteWindow && h.seen&(1<<behind) == 0
}

// hear notes that it came.
func (h *heardNotes) hear(n *wire.Note) {
	switch {
	case n.Boot > h.boot:
		*h = heardNotes{boot: n.Boot, newest: n.Sequence, seen: 1}
	case n.Boot < h.boot: // of one without a key, before the boot that was made up
	case n.Sequence > h.newest:
		h.seen = h.seen<<(n.Sequence-h.newest) | 1
		h.newest = n.Sequence
	default:
		h.seen |= 1 << (h.newest - n.Sequence) // if it is further behind, there is no such bit
	}
}

// room reports whether one more note may be taken at that time, and counts it if so.
func (t *told) room(at time.Time) bool {
	if since := at.Sub(t.second); since < 0 || since >= time.Second {
		t.second, t.taken = at, 0
	}
	if t.taken >= maxNotes {
		return false
	}
	t.taken++
	return true
}

// ObserveNote reports whether a note may be taken that came at that time: [Updated], else why not. It may if the beats of its
// node are heard, with the same boot, and sealed if those are. It keeps nothing of n. No note makes a node heard.
func (t *Table) ObserveNote(n *wire.Note, at time.Time) Result {
	if n.ID == t.self {
		if n.Boot == t.boot || n.Boot == t.before {
			return Own
		}
		return Clone
	}
	e := t.nodes[n.ID]
	if e == nil || at.Sub(e.heard) > node.Beats(e.interval, node.SilentBeats) {
		return Stranger
	}
	boot := e.last.boot
	if n.Key != 0 {
		boot = e.sealed.boot
	}
	switch {
	case n.Key == 0 && e.key != 0:
		return Unsealed
	case n.Boot < boot:
		return Replay
	case n.Boot > boot: // its beats will come, or none of them is sealed
		return Stranger
	}
	if e.told == nil {
		e.told = &told{}
	}
	heard := &e.told.any
	if n.Key != 0 {
		heard = &e.told.sealed
	}
	switch {
	case !heard.fresh(n):
		return Replay
	case !e.told.room(at):
		return Flood
	}
	e.told.any.hear(n)
	if n.Key != 0 {
		e.told.sealed.hear(n)
	}
	return Updated
}
