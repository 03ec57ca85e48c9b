package node

import (
	"encoding/hex"
	"time"
)

// Others is what a [Snapshot] knows of nodes that it does not list one by one: where there are thousands, a front works
// with a few hundred of them, and of the rest it needs no more than sums. The zero value is that of no such nodes.
type Others struct {
	Nodes  int             // how many there are
	States map[State]int   // of those that are heard, by what they announced
	Keys   map[uint8]int   // of those that are heard, by the key that their last beat was sealed with; 0: none
	Held   map[KeyMark]int // of those that are heard, how many hold each key

	Fronts     int     // that are heard and choose members for requests
	Dispatched float64 // requests a second for which they choose
	Fastest    float64 // highest speed of one that is heard
	Load       float64 // highest load average of one that is heard and did not measure its speed
	SpeedLoad  float64 // highest load average divided by the speed, of the others that are heard

	Farms map[string]*OtherMembers
}

// OtherMembers is the same for one farm.
type OtherMembers struct {
	Members    int
	Candidates int // that are heard and may be chosen
	InFlight   float64
	Capacity   float64   // requests a second that the candidates could complete
	Mus        []float64 // of the candidates that know theirs
}

// Add takes in a node, which serves these farms: its own Services are not read.
func (o *Others) Add(n *Node, services []Service, now time.Time) {
	if o.Farms == nil {
		o.States, o.Keys, o.Held, o.Farms = map[State]int{}, map[uint8]int{}, map[KeyMark]int{}, map[string]*OtherMembers{}
	}
	o.Nodes++
	live := n.live(now)
	for i := range services {
		o.farm(services[i].Farm).add(n, &services[i], live)
	}
	if !live {
		return
	}
	o.States[n.State]++
	o.Keys[n.Key]++
	for _, k := range n.Keys {
		o.Held[k]++
	}
	st := &n.Stats
	o.Fastest = max(o.Fastest, st.Speed)
	switch {
	case !(st.Load1 <= maxLoad):
	case st.Speed > 0:
		o.SpeedLoad = max(o.SpeedLoad, st.Load1/st.Speed)
	default:
		o.Load = max(o.Load, st.Load1)
	}
	if st.Dispatched > 0 {
		o.Fronts++
		o.Dispatched += st.Dispatched
	}
}

func (o *Others) farm(name string) *OtherMembers {
	f := o.Farms[name]
	if f == nil {
		f = &OtherMembers{}
		o.Farms[name] = f
	}
	return f
}

func (f *OtherMembers) add(n *Node, s *Service, live bool) {
	f.Members++
	if !live || n.State != Up || !s.Ready {
		return
	}
	f.Candidates++
	if s.Mu > 0 {
		f.InFlight += s.Average
		f.Capacity += s.Mu * max(s.Slots, minSlots)
		f.Mus = append(f.Mus, s.Mu)
	}
}

// of returns what is known of a farm; o may be nil.
func (o *Others) of(farm string) OtherMembers {
	if o == nil || o.Farms[farm] == nil {
		return OtherMembers{}
	}
	return *o.Farms[farm]
}

// MemberHash returns the Hash of the member that a node is of a farm.
func MemberHash(id ID, farm string) uint64 {
	var key [2*len(id) + 1 + MaxFarm]byte
	b := hex.AppendEncode(key[:0], id[:])
	b = append(append(b, '/'), farm...) // as memberKey
	return hash(b)
}

// Distance returns where a member with that Hash stands in the order of all members that is that of the node with that
// Front (see [Fleet]), and another one on each node. Who has the least comes first. This is rendezvous hashing (Thaler and
// Ravishankar, 1998).
func Distance(front, member uint64) uint64 { return Mix(front ^ member) }

// FrontOf returns the number by which a node differs from others as a front, see [Fleet].
func FrontOf(id ID) uint64 { return hash(id[:]) }
