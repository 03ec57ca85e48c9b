package gossip

import (
	"net/netip"
	"slices"
	"time"

	"backhand/gossip/node"
	"backhand/gossip/wire"
)

// entry is a node that is listed. What tells its beats apart, and what sums and the focus are made of, is kept of every node;
// all else only of those that are looked at: of ten thousand nodes, a front works with a few hundred.
type entry struct {
	last     latest // beat that was taken
	addr     netip.AddrPort
	from     netip.Addr
	heard    time.Time
	age      time.Duration // of the sample, when it was sent
	interval time.Duration
	state    node.State
	key      uint8 // that the last beat was sealed with; 0: none
	tls      bool
	direct   bool
	left     bool // said that it leaves; nothing it says later in this boot takes that back
	detailed bool // somebody looks at it: the next beat brings the detail

	speed, load, dispatched float64        // as in node.Stats
	keys                    []node.KeyMark // that it holds; shared with other nodes, never written to
	farms                   []farm

	sealed latest    // beat that came sealed; zero: none did
	proved time.Time // when that was
	told   *told     // what came of its notes; nil: none did

	parts uint8
	round uint32 // counts sequences
	seen  uint64 // a bit for each part of the newest sequence that came

	// detail is the node as it announced itself, but for what stands above; nil: nobody looks. Its Labels are never written
	// to, since what was published shares them.
	detail    *node.Node
	published *node.Node // made when asked for; nil if something changed since
	wanted    int64      // when somebody asked for it by its id, ns since 1970
}

// farm is one of an entry, of which the newest sequence that is whole, or a part of a newer one, told.
type farm struct {
	name  string
	hash  uint64 // node.MemberHash
	round uint32
	place uint16 // in the sequence of that round, by part and then within it
	ready bool

	slots, mu, average float64       // as in node.Service
	service            *node.Service // all that was announced; nil: see entry.detail
}

// take takes the node block of a new sequence.
func (e *entry) take(b *wire.Beat, from netip.Addr, at time.Time) {
	n := &b.Node
	e.last = latest{n.Boot, n.Sequence}
	e.addr, e.from, e.heard, e.age, e.interval = n.Addr, from, at, n.SampleAge, n.Interval
	e.state, e.key, e.tls, e.direct = n.State, n.Key, n.TLS, n.Direct
	e.speed, e.load, e.dispatched = n.Stats.Speed, n.Stats.Load1, n.Stats.Dispatched
	if e.key != 0 {
		e.sealed, e.proved = e.last, at
	}
	e.left = e.left || e.state == node.Leaving
	if e.left {
		e.state = node.Leaving
	}
	e.parts, e.seen = b.Parts, 0
	e.round++
	if e.detail == nil && e.detailed {
		e.detail = new(node.Node)
	}
	if e.detail != nil {
		labels := e.detail.Labels
		*e.detail = *n
		e.detail.Labels, e.detail.Services, e.detail.Keys = labels, nil, nil
	}
}

// learn takes what a part tells of a farm.
func (e *entry) learn(f *farm, s *node.Service, place uint16) {
	f.name, f.round, f.place, f.ready = s.Farm, e.round, place, s.Ready
	f.slots, f.mu, f.average = s.Slots, s.Mu, s.Average
	if e.detail == nil {
		return
	}
	if f.service == nil {
		f.service = new(node.Service)
	}
	pushed := f.service.Pushed // never written to, as Labels
	if !slices.Equal(pushed, s.Pushed) {
		pushed = append([]node.Stat(nil), s.Pushed...)
	}
	*f.service = *s
	f.service.Pushed = pushed
}

// forget drops all that only those who look at the node need.
func (e *entry) forget() {
	e.detailed, e.detail, e.published = false, nil, nil
	for i := range e.farms {
		e.farms[i].service = nil
	}
}

// brief makes n the node with that id as far as it is known of everybody, without its farms.
func (e *entry) brief(id node.ID, n *node.Node) {
	*n = node.Node{
		ID: id, Boot: e.last.boot, Sequence: e.last.sequence, Addr: e.addr, TLS: e.tls, Direct: e.direct, State: e.state,
		Interval: e.interval, Stats: node.Stats{Speed: e.speed, Load1: e.load, Dispatched: e.dispatched},
		Heard: e.heard, SampleAge: e.age, From: e.from, Key: e.key, Keys: e.keys,
	}
}

// shown returns the node with that id as others may have it. If nobody has looked at it, that is what is kept of everybody.
func (e *entry) shown(id node.ID) *node.Node {
	if e.published != nil {
		return e.published
	}
	n := new(node.Node)
	if e.detail == nil {
		e.brief(id, n)
	} else {
		*n = *e.detail
		n.Heard, n.From, n.State, n.Keys = e.heard, e.from, e.state, e.keys
	}
	n.Services = e.appendServices(make([]node.Service, 0, len(e.farms)))
	e.published = n
	return n
}

func (e *entry) appendServices(dst []node.Service) []node.Service {
	for i := range e.farms {
		f := &e.farms[i]
		if f.service != nil {
			dst = append(dst, *f.service)
			continue
		}
		dst = append(dst, node.Service{Farm: f.name, Ready: f.ready, Slots: f.slots, Mu: f.mu, Average: f.average})
	}
	return dst
}

func (e *entry) find(name string) *farm {
	for i := range e.farms {
		if e.farms[i].name == name {
			return &e.farms[i]
		}
	}
	return nil
}

// add returns a place for one more farm: of a node that has as many as it may, one that this sequence has not told of.
// There is such a one, see fits.
func (e *entry) add() *farm {
	if len(e.farms) < node.MaxFarms {
		e.farms = append(e.farms, farm{})
		return &e.farms[len(e.farms)-1]
	}
	oldest := &e.farms[0]
	for i := range e.farms {
		if e.farms[i].round < oldest.round {
			oldest = &e.farms[i]
		}
	}
	return oldest
}

// settle puts the farms of a sequence of which all parts came in order, and drops those of which none told.
func (e *entry) settle() {
	e.farms = slices.DeleteFunc(e.farms, func(f farm) bool { return f.round != e.round })
	slices.SortFunc(e.farms, func(a, b farm) int { return int(a.place) - int(b.place) })
}

// ageAt returns how old what is known of the node is at the time now, as node.Node.Age.
func (e *entry) ageAt(now time.Time) time.Duration { return max(0, now.Sub(e.heard)) + e.age }

// proven reports whether the node is known to seal its beats.
func (e *entry) proven(at time.Time) bool {
	return e.sealed != latest{} && at.Sub(e.proved) <= provenFor*e.interval
}

// takes reports whether n begins a new sequence of the node.
func (e *entry) takes(n *node.Node, at time.Time) bool {
	if n.Key != 0 {
		return e.sealed.before(n)
	}
	return e.last.before(n) && !e.proven(at)
}

// silent reports whether a node was not heard for so long that it may go if there are too many of them.
func (e *entry) silent(now time.Time) bool {
	return now.Sub(e.heard) >= max(roomAfter, 6*e.interval)
}
