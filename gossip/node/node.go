package node

import (
	"math"
	"net/netip"
	"time"
)

// Limits of what one node may announce. Package wire refuses to read more, package config to write more.
const (
	MaxName  = 255 // bytes of a node's name: the longest host name (RFC 1035, section 2.3.4)
	MaxZone  = 32  // bytes of a zone's name
	MaxFarm  = 32  // bytes of a farm's name
	MaxFarms = 64  // farms that one node serves
	MaxWhy   = 64  // bytes of the reason for which a service is down

	MaxKeys = 16 // keys that one node holds

	MaxLabels     = 16  // labels of one node
	MaxLabel      = 32  // bytes of a label's key, and of its value
	MaxLabelsSize = 480 // bytes of all keys and values of one node, so that they and a farm fit into one datagram
)

// State is what a node says of itself as a member.
type State uint8

// The states a node announces. The zero value is none of them.
const (
	Up       State = iota + 1
	Draining       // takes no new requests from others; those that arrive are served
	Leaving        // is about to stop
)

// String returns the word that pages and logs use.
func (s State) String() string {
	switch s {
	case Up:
		return "up"
	case Draining:
		return "draining"
	case Leaving:
		return "leaving"
	}
	return "unknown"
}

// Node is what one agent announced of itself and its host, and when we heard it. Once published in a [Snapshot] it
// never changes.
type Node struct {
	ID       ID
	Boot     uint64 // start of the agent in ms since 1970, or more: a newer start has a greater one
	Sequence uint64 // beats since Boot

	Name   string         // host name, at most MaxName bytes; not trusted, may hold anything
	Zone   string         // where it stands, at most MaxZone bytes; "" if not set
	Labels []Label        // what its file says of it, in the order of their keys, each key once; at most MaxLabels
	Addr   netip.AddrPort // where peers reach the agent, or the web server itself if Direct
	TLS    bool           // Addr speaks TLS
	Direct bool           // announces only: Addr is the web server, which understands no hop
	State  State

	VersionMin, VersionMax uint8  // of the beat's format that the agent understands
	ConfigHash             uint64 // of its configuration file: equal files have equal hashes

	Interval time.Duration // announced time between two beats
	Stats    Stats
	Services []Service // the farms it serves, in the order of its file

	Heard     time.Time     // when the last beat came, by our own clock; for ourselves, when it was made
	SampleAge time.Duration // how old the figures were when they were sent
	From      netip.Addr    // where the last beat came from
	Key       uint8         // number of the key that the last beat was sealed with; 0: it was not sealed
	Keys      []KeyMark     // keys that the agent holds, in the order of their numbers, each once; at most MaxKeys
	Untrusted bool          // nobody vouches for it: it announces itself as Apache's mod_heartbeat does
	Kept      bool          // silent, and yet it counts as just heard: see gossip.Gossiper
}

// KeyMark tells a key from others of its number without giving it away.
type KeyMark struct {
	ID   uint8  // number of the key, from 1
	Mark uint32 // derived from its secret
}

// Label is what the file says of a node for chains to choose by: "gpu", "rack=7".
type Label struct {
	Key   string // 1 to MaxLabel bytes; not trusted
	Value string // at most MaxLabel bytes, "" if the label has none; not trusted
}

// Label returns the value of the member's label with that key, and whether it carries one.
func (m *Member) Label(key string) (value string, ok bool) {
	for _, l := range m.labels() {
		if l.Key == key {
			return l.Value, true
		}
	}
	return "", false
}

func (m *Member) labels() []Label {
	switch {
	case m.Node != nil:
		return m.Node.Labels
	case m.Physical != nil:
		return m.Physical.Labels
	}
	return nil
}

// Age returns how old our knowledge of the node is at the time now. Never negative; 0 for one that is kept although it is
// silent.
func (n *Node) Age(now time.Time) time.Duration {
	if n.Kept {
		return 0
	}
	return max(0, now.Sub(n.Heard)) + n.SampleAge
}

// Jitter is the part of its interval by which a node sends a beat early or late, so that those that were started together
// do not send together.
const Jitter = 0.1

// Beats returns how long the node may take over that many beats.
func (n *Node) Beats(beats float64) time.Duration { return Beats(n.Interval, beats) }

// Beats returns how long a node of that interval may take over that many beats: an interval each, and a tenth.
func Beats(interval time.Duration, beats float64) time.Duration {
	return time.Duration(min(beats*(1+Jitter)*float64(interval), math.MaxInt64/2)) // it may announce any interval
}

// Stats are the figures of a host, for all that runs on it.
type Stats struct {
	CPUs         int     // that the agent may use, limits of its cgroup included; at least 1
	Speed        float64 // of one CPU, in an arbitrary unit; 0 if not measured
	Load1        float64 // load average of the last minute
	CPUIdle      float64 // share of the time since the last beat in which the CPUs were idle, 0 to 1
	Pressure     float64 // share of the last 10 s in which some task waited for a CPU, 0 to 1 (PSI); 0 where unknown
	MemTotal     uint64  // bytes, limit of the cgroup included
	MemAvailable uint64  // bytes that programs could get without swapping

	SendLate   time.Duration // how much later than planned the beat before was sent
	Dispatched float64       // requests a second for which this node chose a member
}

// MemUsed returns which part of the memory programs could not get any more, 0 to 1, or NaN if the memory is not known.
func (s *Stats) MemUsed() float64 {
	if s.MemTotal == 0 {
		return math.NaN()
	}
	return float64(s.MemTotal-min(s.MemAvailable, s.MemTotal)) / float64(s.MemTotal)
}

// Service is a farm as one node serves it. The rates and averages are those since the beat before.
type Service struct {
	Farm  string
	Ready bool   // the origin is up
	Why   string // why it is not, at most MaxWhy bytes; not trusted

	Slots    float64 // requests that the origin runs at full speed at once
	Mu       float64 // requests a second that one busy slot completes; 0 if not known
	Workers  int     // limit of the origin's processes or threads; 0 if not known
	Busy     int     // of these, how many are busy; requests under way, if only those are known
	InFlight int     // requests now under way at the origin, as its agent counts them, and the errors of the last five seconds
	Average  float64 // requests under way, averaged

	Arrivals    float64 // requests a second
	Completions float64 // requests a second
	Errors      float64 // requests a second
	Refusals    float64 // requests a second that were sent back without asking the origin

	Served    uint64        // requests that came from other nodes, since Boot
	ServeTime time.Duration // average time that those of about the last minute took

	Pushed []Stat // by programs on the host, by name, each name once; at most MaxFarmStats. At is not set of another node's
}
