package gossip

import (
	"net/netip"
	"slices"
	"time"

	"backhand/gossip/node"
	"backhand/gossip/wire"
)

// Bounds of a [Table]. Whoever may send us beats could make up any number of nodes.
const (
	MaxNodes    = 16384 // nodes known at a time, and as many of those that are gone
	MaxServices = 65536 // farms of all nodes together

	// MaxUnsealed is how many nodes are listed that one address has announced without a key: it could make up any number.
	MaxUnsealed = 256

	// Shown is how long a node that fell silent, or left, is still listed.
	Shown = time.Hour

	// ShownMost is how many silent nodes are listed for that long. Of more, those that fell silent last go after roomAfter:
	// a burst of beats of made-up nodes shall not cost every look at the table for an hour.
	ShownMost = 1024

	// Where there is no room for a new node, those that have been silent for roomAfter, and for six of their intervals,
	// make it; they are looked for at most once in roomEvery, since that takes a walk through all.
	roomAfter = time.Minute
	roomEvery = time.Second
)

// Result is what [Table.Observe] did with a beat.
type Result uint8

// The results. From Replay on they leave the table as it was.
const (
	Added     Result = iota // of a node that was not listed
	Updated                 // of a node that was
	Replay                  // known already, or older than what is known
	Own                     // our own, come back
	Clone                   // of an agent that has our node id, but is not we
	Full                    // there is no room for it
	Malformed               // its parts do not fit together
	Unsealed                // of a node that seals its beats, as was heard a moment ago
	Stranger                // a note of a node that is not listed, or is silent
	Flood                   // a note too many of one node
)

// Table is what is known of the other nodes. It has no lock and no clock: one goroutine at a time may use it, and time
// comes in. Nodes are told apart by their id alone, never by where a beat came from.
//
// Of each node only a greater (boot, sequence) is taken than the last. That is remembered for nodes that are no longer
// listed, too, so that beats of old cannot be played again to raise the dead. Beats that are sealed are compared with those
// that were, whatever somebody without a key has said in between; and what he says counts for nothing as long as the node
// itself is heard.
type Table struct {
	self        node.ID
	boot        uint64
	before      uint64 // boot before the last SetBoot; 0 if there was none
	maxNodes    int
	maxServices int

	nodes    map[node.ID]*entry
	services int                // farms of all entries
	unsealed map[netip.Addr]int // nodes that were not sealed, by the address that they came from
	keys     []node.KeyMark     // that some node holds, see held
	roomMade time.Time

	gone     map[node.ID]mark
	goneRing []node.ID // as they went; the oldest makes room
	goneNext int       // place in goneRing that is taken next
}

// NewTable returns an empty table for the node with that id and boot.
func NewTable(self node.ID, boot uint64) *Table {
	return &Table{
		self: self, boot: boot, maxNodes: MaxNodes, maxServices: MaxServices,
		nodes: map[node.ID]*entry{}, gone: map[node.ID]mark{}, unsealed: map[netip.Addr]int{},
	}
}

// provenFor is for how many intervals a node that sealed its beats is not believed to have stopped that.
const provenFor = 3

// latest is which beat of a node was the last.
type latest struct{ boot, sequence uint64 }

// mark is the last that came from a node that is gone.
type mark struct {
	any, sealed latest
	told        *told
	place       int // in goneRing
}

// SetBoot changes our own boot.
func (t *Table) SetBoot(boot uint64) { t.before, t.boot = t.boot, boot }

// Len returns how many nodes are listed.
func (t *Table) Len() int { return len(t.nodes) }

// Observe takes in a beat that came from that address at that time. It keeps nothing of b but its strings.
func (t *Table) Observe(b *wire.Beat, from netip.Addr, at time.Time) Result {
	n := &b.Node
	if n.ID == t.self {
		if n.Boot == t.boot || n.Boot == t.before { // of before SetBoot some may still be on their way
			return Own
		}
		return Clone
	}
	e := t.nodes[n.ID]
	if e == nil {
		return t.admit(b, from, at)
	}
	if e.takes(n, at) {
		if r := t.fits(e, b, true); r != Updated {
			return r
		}
		t.begin(e, b, from, at)
	} else {
		another := e.last != latest{n.Boot, n.Sequence} || (n.Key == 0) != (e.key == 0)
		switch {
		case another && n.Key == 0 && e.proven(at):
			return Unsealed
		case another || e.seen&bit(b.Part) != 0:
			return Replay
		}
		if r := t.fits(e, b, false); r != Updated {
			return r
		}
	}
	t.merge(e, b)
	return Updated
}

// before reports whether n was announced after that.
func (l latest) before(n *node.Node) bool {
	return n.Boot > l.boot || n.Boot == l.boot && n.Sequence > l.sequence
}

func bit(part uint8) uint64 { return 1 << (part - 1) }

// admit takes in the first beat of a node that is not listed.
func (t *Table) admit(b *wire.Beat, from netip.Addr, at time.Time) Result {
	n := &b.Node
	m := t.gone[n.ID]
	if last := m.last(n.Key != 0); last != (latest{}) && !last.before(n) {
		return Replay
	}
	if len(t.nodes) >= t.maxNodes || t.services+len(n.Services) > t.maxServices {
		t.makeRoom(at)
	}
	if len(t.nodes) >= t.maxNodes || n.Key == 0 && t.unsealed[from] >= MaxUnsealed {
		return Full
	}
	e := &entry{sealed: m.sealed, told: m.told, detailed: true}
	if r := t.fits(e, b, true); r != Updated {
		return r
	}
	t.begin(e, b, from, at)
	t.merge(e, b)
	t.nodes[n.ID] = e
	delete(t.gone, n.ID)
	return Added
}

// last returns which beat of a node that is gone was the last, of those that were sealed or of all.
func (m *mark) last(sealed bool) latest {
	if sealed {
		return m.sealed
	}
	return m.any
}

// fits returns Updated if the farms of the beat can be taken in; first says that it begins a new sequence.
func (t *Table) fits(e *entry, b *wire.Beat, first bool) Result {
	if !first && b.Parts != e.parts {
		return Malformed
	}
	fresh, added := 0, 0 // farms that this sequence told of already; that the entry has not got
	if !first {
		for i := range e.farms {
			if e.farms[i].round == e.round {
				fresh++
			}
		}
	}
	for i := range b.Node.Services {
		f := e.find(b.Node.Services[i].Farm)
		switch {
		case f == nil:
			added++
		case !first && f.round == e.round:
			return Malformed // the farm is in two parts
		}
	}
	switch {
	case fresh+len(b.Node.Services) > node.MaxFarms:
		return Malformed
	case t.services+added > t.maxServices:
		return Full
	}
	return Updated
}

// begin takes the node block of a new sequence.
func (t *Table) begin(e *entry, b *wire.Beat, from netip.Addr, at time.Time) {
	if b.Node.Boot != e.last.boot || (b.Node.Key == 0) != (e.key == 0) {
		// The agent was started anew, or somebody else spoke in its name. What it served before says nothing.
		t.services -= len(e.farms)
		e.farms, e.keys, e.left = e.farms[:0], nil, false
		if e.detail != nil {
			e.detail.Labels = nil
		}
	}
	t.count(e, -1)
	e.take(b, from, at)
	t.count(e, 1)
}

// merge takes the farms of a part, and of the first one the labels. Once all parts came, farms that are in none of them go;
// until then they stay, since the part that tells of them may only be late or lost.
func (t *Table) merge(e *entry, b *wire.Beat) {
	e.published = nil
	t.services -= len(e.farms)
	for i := range b.Node.Services {
		s := &b.Node.Services[i]
		f := e.find(s.Farm)
		if f == nil {
			f = e.add()
			*f = farm{hash: node.MemberHash(b.Node.ID, s.Farm)}
		}
		e.learn(f, s, uint16(b.Part)<<8+uint16(i))
	}
	if b.Part == 1 {
		if e.detail != nil && !slices.Equal(e.detail.Labels, b.Node.Labels) {
			e.detail.Labels = slices.Clone(b.Node.Labels)
		}
		if !slices.Equal(e.keys, b.Node.Keys) {
			e.keys = t.held(b.Node.Keys)
		}
	}
	e.seen |= bit(b.Part)
	if e.seen == bit(e.parts)<<1-1 {
		e.settle()
	}
	t.services += len(e.farms)
}

// held returns a copy of the keys that a node holds; most hold the same, and share it.
func (t *Table) held(keys []node.KeyMark) []node.KeyMark {
	if !slices.Equal(t.keys, keys) {
		t.keys = slices.Clone(keys)
	}
	return t.keys
}

// count keeps the account of who announces how many nodes without a key.
func (t *Table) count(e *entry, by int) {
	if e.key != 0 || !e.from.IsValid() {
		return
	}
	if n := t.unsealed[e.from] + by; n > 0 {
		t.unsealed[e.from] = n
	} else {
		delete(t.unsealed, e.from)
	}
}

// Expire takes nodes off the list that have been silent for an hour, be it that they left or that they fell silent, and
// returns their ids. If now is before a node was heard, then the clock was set back; its silence counts from now.
func (t *Table) Expire(now time.Time) []node.ID {
	var silent []time.Time
	for _, e := range t.nodes {
		if e.heard.After(now) {
			e.heard, e.published = now, nil
		}
		if e.silent(now) {
			silent = append(silent, e.heard)
		}
	}
	last := now // of those that are silent, who was heard after that goes
	if len(silent) > ShownMost {
		slices.SortFunc(silent, time.Time.Compare)
		last = silent[ShownMost-1]
	}
	return t.drop(func(e *entry) bool {
		return now.Sub(e.heard) >= Shown || e.silent(now) && e.heard.After(last)
	})
}

// makeRoom takes the silent off the list before their hour is over. The living are never touched.
func (t *Table) makeRoom(now time.Time) {
	if since := now.Sub(t.roomMade); since >= 0 && since < roomEvery {
		return
	}
	t.roomMade = now
	t.drop(func(e *entry) bool { return e.silent(now) })
}

func (t *Table) drop(silent func(*entry) bool) (gone []node.ID) {
	for id, e := range t.nodes {
		if !silent(e) {
			continue
		}
		t.services -= len(e.farms)
		t.count(e, -1)
		delete(t.nodes, id)
		t.remember(id, e)
		gone = append(gone, id)
	}
	return gone
}

// remember notes the last that came from a node. Of those noted longest ago one is forgotten, if there are too many.
func (t *Table) remember(id node.ID, e *entry) {
	if len(t.goneRing) < t.maxNodes {
		t.goneRing = append(t.goneRing, node.ID{})
	}
	place := t.goneNext % t.maxNodes
	t.goneNext = place + 1
	old := t.goneRing[place]
	if m, ok := t.gone[old]; ok && m.place == place { // else it came back, and perhaps went again later
		delete(t.gone, old)
	}
	t.goneRing[place] = id
	t.gone[id] = mark{any: e.last, sealed: e.sealed, told: e.told, place: place}
}

// AppendNodes appends all nodes that are listed, in no order. They never change and may be shared; of one that was not
// heard since, the next call returns the same.
func (t *Table) AppendNodes(dst []*node.Node) []*node.Node {
	for id, e := range t.nodes {
		dst = append(dst, e.shown(id))
	}
	return dst
}
