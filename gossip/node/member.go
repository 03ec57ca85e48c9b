package node

import (
	"cmp"
	"net"
	"net/netip"
	"net/url"
	"strings"
	"time"
)

// Physical is a server without an agent, known from the file.
type Physical struct {
	Farm string
	Name string   // unique within the farm
	URL  *url.URL // its path, if it has one, stands before that of each request, see Member.Path

	Capacity float64 // requests that it runs at full speed at once; 0: not known
	Weight   float64 // by which that is multiplied; 0: 1
	Labels   []Label // as those of a node

	Standing Standing
	Forwards Forwards
	Stats    []Stat    // pushed, by name, each name once; at most MaxStats
	Updated  time.Time // when statistics came last; zero: never
}

// Member is a node or a physical that serves a farm. It never changes once it is in a [Snapshot]; what does change
// from request to request is in Live, which outlives snapshots.
type Member struct {
	Key     string // unique within the cluster and stable from one snapshot to the next
	Name    string // what people call it; from nodes it is not trusted
	Farm    string
	Self    bool     // it is this very node
	Node    *Node    // nil for a physical
	Service *Service // what the node announced of this farm; nil for a physical
	URL     *url.URL // of a physical; nil for a node
	Live    *Live    // what we ourselves know of it; never nil

	Physical *Physical // as the snapshot was given it; nil for a node
	Hash     uint64    // of Key: the same on every node and for ever

	hostPort string // as HostPort returns it; "" if it was not made by NewSnapshot
	path     string // as Path returns it
}

// Answers reports whether the member says with each response how busy it is (see [Load]): an agent does.
func (m *Member) Answers() bool { return m.Node != nil && !m.Node.Direct }

// minSlots is the least that is taken for Slots: one divides by it.
const minSlots = 0.01

// Slots returns how many requests the member runs at full speed at once, as it announced or the file has it; 1 if nobody
// said. A physical's weight is in it. It is above 0.
func (m *Member) Slots() float64 {
	switch {
	case m.Service != nil && m.Service.Slots > 0:
		return max(m.Service.Slots, minSlots)
	case m.Physical != nil:
		return max(cmp.Or(m.Physical.Capacity, 1)*cmp.Or(m.Physical.Weight, 1), minSlots)
	}
	return 1
}

// Pushed returns the statistic of that name that a program has pushed, and whether there is one.
func (m *Member) Pushed(name string) (float64, bool) {
	var all []Stat
	switch {
	case m.Physical != nil:
		all = m.Physical.Stats
	case m.Service != nil:
		all = m.Service.Pushed
	}
	for i := range all {
		if all[i].Name == name {
			return all[i].Value, true
		}
	}
	return 0, false
}

// Mu returns how many requests a second one busy slot of the member completes, as it announced; 0 if that is not known.
func (m *Member) Mu() float64 {
	if m.Service == nil {
		return 0
	}
	return m.Service.Mu
}

// Key of the member that a node is of a farm.
func (id ID) memberKey(farm string) string { return id.String() + "/" + farm }

// Age returns how old our knowledge of the member is. It is always 0 for ourselves, and for a physical, which has no
// beat.
func (m *Member) Age(now time.Time) time.Duration {
	if m.Self || m.Node == nil {
		return 0
	}
	return m.Node.Age(now)
}

// Stats returns the figures of the member's host. For a physical, of which nothing is known, they are zero.
func (m *Member) Stats() *Stats {
	if m.Node == nil {
		return &noStats
	}
	return &m.Node.Stats
}

var noStats Stats // never written

// Addr returns the address of the member, and false for a physical that is named by something else than an IP address.
func (m *Member) Addr() (netip.Addr, bool) {
	if m.Node != nil {
		return m.Node.Addr.Addr(), true
	}
	a, err := netip.ParseAddr(m.URL.Hostname())
	return a, err == nil
}

// HostPort returns the address and port to connect to: host:port, with the port that the scheme implies if a
// physical's URL names none.
func (m *Member) HostPort() string {
	switch {
	case m.hostPort != "":
		return m.hostPort
	case m.Node != nil:
		return m.Node.Addr.String()
	}
	return HostPort(m.URL)
}

// Path returns what stands before the path of each request that the member gets: the path in a physical's URL, encoded as it
// is there and without slash at the end; "" if there is none, and for members that NewSnapshot did not make.
func (m *Member) Path() string { return m.path }

// pathOf returns what Path is to return.
func (m *Member) pathOf() string {
	if m.URL == nil {
		return ""
	}
	return strings.TrimRight(m.URL.EscapedPath(), "/")
}

// Unfit returns why the member is no candidate of any chain, or "" if it may be one. Silence is no such reason:
// byAge decides how much of it a route bears.
func (m *Member) Unfit() string {
	switch {
	case m.Node == nil && m.Physical != nil:
		return m.Physical.Standing.Reason()
	case m.Node == nil:
		return ""
	case m.Node.State == Draining, m.Node.State == Leaving:
		return m.Node.State.String()
	case m.Node.State != Up:
		return "state unknown"
	case !m.Service.Ready && m.Service.Why != "":
		return "origin down: " + m.Service.Why
	case !m.Service.Ready:
		return "origin down"
	}
	return ""
}

// fitButForDraining reports whether the member drains, and nothing else speaks against it.
func (m *Member) fitButForDraining() bool {
	switch {
	case m.Node != nil:
		return m.Node.State == Draining && m.Service.Ready
	case m.Physical != nil:
		return m.Physical.Standing.Drain && m.Physical.Standing.fitButForDraining()
	}
	return false
}

// HostPort returns where to connect to for a URL: host:port, with the port that the scheme implies if it names none.
func HostPort(u *url.URL) string {
	switch {
	case u.Port() != "":
		return u.Host
	case u.Scheme == "https":
		return net.JoinHostPort(u.Hostname(), "443")
	}
	return net.JoinHostPort(u.Hostname(), "80")
}
