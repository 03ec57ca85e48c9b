package node

import (
	"slices"
	"time"
)

// Farm is a set of members that serve the same thing.
type Farm struct {
	FarmInfo
	Members    []*Member    // all, as the page shows them: nodes as in Snapshot.Nodes, then physicals in the order of the file
	Candidates []*Member    // those that may be chosen: what chains start from
	Draining   []*Member    // those that are fit but for draining
	Self       *Member      // this node, if it serves the farm; else nil
	Others     OtherMembers // that are not listed one by one

	// What the live nodes announced, taken together: it changes slowly, so that it does no harm that all know it.
	Level float64 // requests under way for each request a second that the members could complete; 0 if not known
	Mu    float64 // requests a second that one busy slot completes: the median; 0 if not known

	Fleet // the same in all farms of a snapshot

	// Prepared is what chains have found out ahead of the requests, each under a key of its own: see package candidacy. It
	// is written before the snapshot is published, and not any more then.
	Prepared map[any]any

	live *LiveSet // of the members; nil: not known
}

// Fleet is what of the whole cluster concerns every farm.
type Fleet struct {
	Front     uint64  // hash of the ID of the node whose snapshot it is
	Fronts    int     // live nodes that choose members for requests, this one included; at least 1
	Share     float64 // part of all those requests for which this node chose, from 1/Fronts to 1
	HighWater float64 // load that counts as full, see type [HighWater]
	Fastest   float64 // highest speed of a live node, see [Stats]; 0 if none is known
	Zone      string  // of the node whose snapshot it is; "" if it has none
}

// AllReachable reports whether no member at all is to be put last at that time, see [Live.Unreachable]. If it returns
// false, some may be.
func (f *Farm) AllReachable(now time.Time) bool { return f.live != nil && !f.live.anyUnreachable(now) }

// SilentBeats is after how many beats that did not come a node's figures do not count any more, and everybody takes it for gone.
const SilentBeats = 6

func (n *Node) live(now time.Time) bool { return n.Age(now) <= n.Beats(SilentBeats) }

// newFleet adds up what the nodes announced.
func newFleet(p *Parts, nodes []*Node) Fleet {
	f := Fleet{Front: FrontOf(p.Self), Fronts: 1, Share: 1, HighWater: p.HighWater}
	own, all := 0.0, 0.0
	if o := p.Others; o != nil {
		f.Fronts, f.Fastest, all = 1+o.Fronts, o.Fastest, o.Dispatched
	}
	for _, n := range nodes {
		if n.ID == p.Self {
			f.Zone = n.Zone
		}
		if n.ID == p.Self || n.live(p.Taken) {
			f.Fastest = max(f.Fastest, n.Stats.Speed)
		}
		switch {
		case n.ID == p.Self:
			own = n.Stats.Dispatched
		case n.Stats.Dispatched > 0 && n.live(p.Taken):
			f.Fronts++
		default:
			continue
		}
		all += n.Stats.Dispatched
	}
	if least := 1 / float64(f.Fronts); all > 0 {
		f.Share = max(own/all, least)
	}
	return f
}

// sum fills in what its members announced, taken together.
func (f *Farm) sum(now time.Time) {
	inFlight, capacity, mus := f.Others.InFlight, f.Others.Capacity, slices.Clone(f.Others.Mus)
	for _, m := range f.Candidates {
		if m.Service == nil || m.Service.Mu <= 0 || !m.Self && !m.Node.live(now) {
			continue
		}
		mus = append(mus, m.Service.Mu)
		inFlight += m.Service.Average
		capacity += m.Service.Mu * max(m.Service.Slots, minSlots)
	}
	if len(mus) == 0 {
		return
	}
	slices.Sort(mus)
	f.Level, f.Mu = inFlight/capacity, mus[len(mus)/2]
}

// hash returns the same number for the same bytes, on every node and for ever: FNV-1a, of 64 bits. Its place in the standard
// library takes memory for each.
func hash(b []byte) uint64 {
	h := uint64(0xcbf29ce484222325)
	for _, c := range b {
		h = (h ^ uint64(c)) * 0x100000001b3
	}
	return Mix(h)
}

// Mix returns a number of which every bit depends on every bit of v (the end of splitmix64, by Sebastiano Vigna).
func Mix(v uint64) uint64 {
	v += 0x9e3779b97f4a7c15
	v = (v ^ v>>30) * 0xbf58476d1ce4e5b9
	v = (v ^ v>>27) * 0x94d049bb133111eb
	return v ^ v>>31
}
