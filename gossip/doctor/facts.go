package doctor

import (
	"net"
	"net/netip"
	"time"

	"backhand/gossip/node"
)

// Facts are all that [Judge] looks at.
type Facts struct {
	Config
	Mistakes []string // of the file; if there are any, nothing else is known

	Interfaces []Interface
	Kernel     Kernel
	Agent      *Agent // that runs on this host; nil: none answers, and NoAgent says how
	NoAgent    string
	Took       time.Duration // for which was listened

	Links      []Link
	PeerPlaces []Place // of gossip.peers
	SeedPlaces []Place // of memberlist
	Clones     []Heard // nodes with our own id that are not this host
	Answers    []Answer
}

// Interface is one of this host.
type Interface struct {
	Name  string
	Flags net.Flags
	MTU   int
	Addrs []netip.Prefix
}

// Kernel is what /proc says. What cannot be read is left out.
type Kernel struct {
	RPFilter  map[string]int    // 0 off, 1 strict, 2 loose; by interface, and "all"
	IGMP      map[string]string // version that is spoken, by interface: V3 unless a querier of an older one is heard
	Routes    []Route           // of IPv4
	BufferMax int               // bytes that a socket may ask to keep; 0: not known

	// While the doctor listened, of all programs: datagrams that were dropped for the way they came, and since a program
	// was too slow to read them.
	ReversePath, Overrun uint64
}

// Route is one of the main table.
type Route struct {
	Network   netip.Prefix
	Interface string
	Metric    int
}

// Agent is what the agent of this host says of itself and of the others.
type Agent struct {
	ID         string // of its node
	Name       string
	Cluster    string
	State      string
	ConfigHash string // of the file that it runs by
	Uptime     time.Duration
	Sent       uint64   // datagrams while the doctor listened
	Rejected   []Count  // datagrams, by reason, in the same time
	Nodes      []Known  // the others
	Findings   []string // what it has found out by itself
}

// Known is a node as the agent of this host knows it.
type Known struct {
	ID       string
	Name     string
	Addr     netip.AddrPort // the zero value if it announces none
	Age      time.Duration  // of the last that was heard
	Interval time.Duration
	Left     bool // said that it would
	TLS      bool // Addr speaks TLS
	Direct   bool // announces only
}

// silent reports whether too many beats of the node are missing.
func (k *Known) silent() bool { return k.Age > node.Beats(k.Interval, node.SilentBeats) }

// Link is one way that beats take: a destination of gossip.send, or the socket for gossip.peers.
type Link struct {
	To        string // as the file has it
	Addr      netip.AddrPort
	TTL       int  // of multicast
	Unicast   bool // Addr is where we listen
	Refused   string
	Taken     bool     // Refused since another program has the port
	Holders   []string // of the port, by name and pid; as far as one may know
	Sent      int      // datagrams that the doctor has sent
	SendError string   // of the last that it could not send

	Own       int         // our own beats that came back: the agent's, or the doctor's
	Sources   []Source    // by address
	Wire      []Arrival   // what came to the interface, by address: our own not
	WireKnown bool        // Wire was looked at, which takes root
	Crowded   bool        // there were more sources than are kept
	ByAgent   bool        // an agent of this host has it, whom we could not ask
	Elsewhere []Elsewhere // beats of our cluster that came by other interfaces, by interface and address
}

// Source is an address that datagrams came from, and what became of them.
type Source struct {
	From  netip.Addr
	Count [kinds]int
	KeyID uint8   // of the last beat that was sealed with a key that we do not hold, or that is not ours
	Nodes []Heard // those of Taken
}

// kind is what the parser makes of a datagram.
type kind uint8

const (
	taken kind = iota
	noBeat
	malformed
	otherVersion
	otherCluster
	notHeld  // sealed with a key that we do not hold
	forged   // sealed with another key than ours of that number
	unsealed // and we take none such
	kinds
)

// ours counts the beats of our cluster, readable or not.
func (s *Source) ours() int {
	return s.Count[taken] + s.Count[notHeld] + s.Count[forged] + s.Count[unsealed]
}

// Heard is a node that announced itself.
type Heard struct {
	ID     node.ID
	Name   string // anything
	Addr   netip.AddrPort
	TLS    bool
	Direct bool
	State  node.State
	From   netip.Addr
	Key    uint8          // that its beats are sealed with; 0: none
	Keys   []node.KeyMark // that it holds, as far as it says
}

// String names the node for people.
func (h Heard) String() string { return nameAt(h.Name, h.From) }

// Arrival is who sent datagrams that came to the interface, before any firewall.
type Arrival struct {
	From  netip.Addr
	Count int
}

// Elsewhere is who sends beats of our cluster that come by another interface.
type Elsewhere struct {
	Interface string
	From      netip.Addr
}

// Place is what the file names as a peer or a seed.
type Place struct {
	Name  string // as the file has it
	Error string // why it has no address
	Addrs []netip.AddrPort
	Self  bool              // one of them is this host's
	Doors map[string]string // of a seed: by address, why nobody answers there; "" for one that does
}

// Answer is what a peer says on its page about this host.
type Answer struct {
	Name  string
	Addr  netip.AddrPort
	Error string // why it says nothing; the rest is not known then

	Lists    bool          // this host
	Age      time.Duration // of what it heard of this host
	Rejected []Count       // beats that it did not take since it started, by reason
	Ahead    time.Duration // of its wall clock before ours
}

// Count is a number of something with a name.
type Count struct {
	Name string
	N    uint64
}
