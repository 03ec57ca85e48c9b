package node

import (
	"cmp"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// Snapshot is the cluster as it was known at one instant. It is made once and never changed, so that any number of
// requests can read it without a lock. The page shows the very structure from which members are chosen.
type Snapshot struct {
	Taken     time.Time
	Self      ID
	Nodes     []*Node // all that we know, ourselves first, then by name and ID; but for the Others
	Others    *Others // what is known of those that are not listed; nil if all are
	Farms     []*Farm // by name
	HighWater float64 // load that counts as full, see type [HighWater]

	byName map[string]*Farm
	byID   map[ID]*Node
}

// Parts is what a snapshot is made of.
type Parts struct {
	Taken     time.Time
	Self      ID
	Nodes     []*Node // ourselves among them, if we serve a farm or announce at all
	Others    *Others // nodes that are not listed; nil: there are none
	Physicals []Physical
	Farms     []FarmInfo // of those of which there is something to say
	HighWater float64
	Live      *LiveSet // gives each member its Live; the caller may not use it at the same time
}

// NewSnapshot merges the parts. Of nodes with one address, only the one heard last is kept if the other has been
// silent for three of its intervals: the host was set up anew and has got another ID.
func NewSnapshot(p Parts) *Snapshot {
	s := &Snapshot{
		Taken: p.Taken, Self: p.Self, HighWater: p.HighWater, Others: p.Others,
		Nodes: withoutReplaced(p.Nodes, p.Self, p.Taken), byName: map[string]*Farm{}, byID: make(map[ID]*Node, len(p.Nodes)),
	}
	slices.SortFunc(s.Nodes, func(a, b *Node) int {
		switch {
		case a.ID == p.Self:
			return -1
		case b.ID == p.Self:
			return 1
		}
		return cmp.Or(strings.Compare(a.Name, b.Name), slices.Compare(a.ID[:], b.ID[:]))
	})
	for _, f := range p.Farms {
		s.farm(f.Name).FarmInfo = f
	}
	for _, n := range s.Nodes {
		s.byID[n.ID] = n
		for i := range n.Services {
			s.add(&Member{
				Key: n.ID.memberKey(n.Services[i].Farm), Name: n.Name, Farm: n.Services[i].Farm,
				Self: n.ID == p.Self, Node: n, Service: &n.Services[i],
			}, p.Live)
		}
	}
	for i := range p.Physicals {
		ph := new(Physical) // of its own: whoever keeps a member keeps no others
		*ph = p.Physicals[i]
		s.add(&Member{Key: ph.Farm + "/" + ph.Name, Name: ph.Name, Farm: ph.Farm, URL: ph.URL, Physical: ph}, p.Live)
	}
	slices.SortFunc(s.Farms, func(a, b *Farm) int { return strings.Compare(a.Name, b.Name) })
	fleet := newFleet(&p, s.Nodes)
	for _, f := range s.Farms {
		f.Fleet, f.live, f.Others = fleet, p.Live, p.Others.of(f.Name)
		f.sum(p.Taken)
	}
	return s
}

// Farm returns the farm of that name, or nil if nobody serves it and nothing is said of it.
func (s *Snapshot) Farm(name string) *Farm { return s.byName[name] }

// Node returns the node with that ID, or nil.
func (s *Snapshot) Node(id ID) *Node { return s.byID[id] }

func (s *Snapshot) add(m *Member, live *LiveSet) {
	m.hostPort, m.path = m.HostPort(), m.pathOf() // they are asked for at every request
	f := s.farm(m.Farm)
	m.Live, m.Hash = live.Get(m.Key), hash([]byte(m.Key))
	f.Members = append(f.Members, m)
	if m.Self {
		f.Self = m
	}
	fit := m.Unfit() == "" && f.Standing.Fit()
	m.Live.see(m, fit, s.Taken)
	switch {
	case fit:
		f.Candidates = append(f.Candidates, m)
	case m.fitButForDraining() && f.Standing.Fit():
		f.Draining = append(f.Draining, m)
	}
}

// farm returns the farm of that name, which is made if there is none.
func (s *Snapshot) farm(name string) *Farm {
	f := s.byName[name]
	if f == nil {
		f = &Farm{FarmInfo: FarmInfo{Name: name}, Prepared: map[any]any{}}
		s.byName[name] = f
		s.Farms = append(s.Farms, f)
	}
	return f
}

// withoutReplaced returns the nodes but for those that another one with the same address has replaced. Nobody replaces
// ourselves.
func withoutReplaced(nodes []*Node, self ID, now time.Time) []*Node {
	newest := make(map[netip.AddrPort]*Node, len(nodes))
	for _, n := range nodes {
		if o := newest[n.Addr]; o == nil || n.Heard.After(o.Heard) {
			newest[n.Addr] = n
		}
	}
	out := make([]*Node, 0, len(nodes))
	for _, n := range nodes {
		if n == newest[n.Addr] || n.ID == self || now.Sub(n.Heard) <= 3*n.Interval {
			out = append(out, n)
		}
	}
	return out
}
