package status

import (
	"fmt"
	"strconv"
	"time"

	"backhand/gossip/node"
)

// View is all that the page shows, as plain values. Times are in seconds, memory is in bytes, shares are from 0 to 1.
type View struct {
	Cluster  string    `json:"cluster"`
	Note     string    `json:"note,omitempty"`
	Agent    Agent     `json:"agent"`
	Viewer   string    `json:"viewer"`
	Now      time.Time `json:"now"`
	Snapshot float64   `json:"snapshot_age_seconds"` // how old the snapshot is that all of this was taken from
	Warnings []string  `json:"warnings"`
	Findings []Finding `json:"findings"`
	Keys     *KeyView  `json:"keys,omitempty"` // nil if nobody has keys

	Requests  uint64  `json:"requests"`
	Beats     Beats   `json:"beats"`
	HighWater float64 `json:"load_high_water"` // load that counts as full

	Nodes     int         `json:"nodes"`
	Unlisted  int         `json:"nodes_unlisted,omitempty"` // of them, those that are known as sums only: no chain of ours looks at them
	Physicals int         `json:"physicals"`
	States    []Count     `json:"states"` // how many nodes and physicals are in which
	Farms     []FarmView  `json:"farms"`  // those of which there is something to say
	MoreFarms int         `json:"farms_omitted,omitempty"`
	Routes    []RouteView `json:"routes"`
	Rows      []Row       `json:"rows"`
	Omitted   int         `json:"rows_omitted"` // how many rows there are beyond MaxRows
}

// Agent is the agent that shows the page.
type Agent struct {
	Name            string    `json:"name"`
	ID              string    `json:"id"`
	State           State     `json:"state"`
	Version         string    `json:"version"`
	Build           string    `json:"build,omitempty"`
	Started         time.Time `json:"started"`
	Uptime          float64   `json:"uptime_seconds"`
	ConfigPath      string    `json:"config_path,omitempty"`
	ConfigHash      string    `json:"config_hash"`
	Unauthenticated bool      `json:"unauthenticated"`
}

// RouteView is a route and how its farm stands.
type RouteView struct {
	Name       string   `json:"name"`
	Farm       string   `json:"farm"`
	FarmState  State    `json:"farm_state,omitempty"` // off or down, if it is
	Chain      []string `json:"chain"`
	WhenEmpty  string   `json:"when_empty"`
	Requests   uint64   `json:"requests"`
	Empty      uint64   `json:"empty"`
	Members    int      `json:"members"`
	Candidates int      `json:"candidates"`
	// K is how many requests a member gets from one of its beats to the next, from all nodes together: the mean over the
	// farm's nodes that are heard. A chain that sorts by announced figures herds where it is above 5. Nil without nodes.
	K *float64 `json:"k"`
	// Herds says that the chain sorts so, K is above 5, and there is more than one to choose from.
	Herds bool `json:"herds"`
}

// MaxRows is how many rows a View has at most: a page that no browser can show helps nobody. Of more, it has those of this
// node, of the physicals, of members that were handed a request and of those in farms that a route names, before all others.
const MaxRows = 5000

// The K from which on a chain that sorts by announced figures, and first cuts the members down to a few at random, is worse
// than chance alone; and that from which on even the better of two at random is (reference: balancing, table 3).
const (
	herdK    = 5
	herdBadK = 20
)

// NewView makes the view of a snapshot at the time now. It changes nothing.
func NewView(s *node.Snapshot, info Info, now time.Time) View {
	v := View{
		Cluster: clean(info.Cluster), Note: clean(info.Note), Agent: newAgent(info, now), Viewer: clean(info.Viewer),
		Now: now.Round(0), Snapshot: max(0, now.Sub(s.Taken)).Seconds(), Warnings: cleanAll(info.Warnings),
		Findings: newFindings(info.Findings), Keys: takeKeyCensus(s, info.Keys, now).view(),
		Requests: info.Requests, Beats: newBeats(info.Beats), HighWater: finite(s.HighWater), Nodes: len(s.Nodes),
	}
	all := newRoster(s, info.Routes, now)
	kept := all.keep(MaxRows)
	v.Rows, v.Omitted = kept.rows(info.Keys, now), len(all)-len(kept)
	v.States, v.Physicals = countStates(all, s.Others), all.physicals()
	if s.Others != nil {
		v.Unlisted = s.Others.Nodes
		v.Nodes += v.Unlisted
	}
	v.Farms, v.MoreFarms = newFarms(s, now)
	v.Routes = make([]RouteView, 0, len(info.Routes))
	for _, r := range info.Routes {
		rv := newRoute(r, s.Farm(r.Farm), now)
		if rv.Herds {
			v.Warnings = append(v.Warnings, herdWarning(rv))
		}
		v.Routes = append(v.Routes, rv)
	}
	return v
}

func newAgent(info Info, now time.Time) Agent {
	up := max(0, now.Sub(info.Started)).Seconds()
	if info.Started.IsZero() {
		up = 0 // it has not said
	}
	return Agent{
		Name: clean(info.Name), ID: info.ID.String(), State: ownState(info.State),
		Version: clean(info.Version), Build: clean(info.Build),
		Started: info.Started.Round(0), Uptime: up,
		ConfigPath: clean(info.ConfigPath), ConfigHash: hexHash(info.ConfigHash),
		Unauthenticated: info.Unauthenticated,
	}
}

func newBeats(b Beats) Beats {
	rejected := make([]Count, 0, len(b.Rejected))
	for _, c := range b.Rejected {
		rejected = append(rejected, Count{Name: clean(c.Name), N: c.N})
	}
	b.Rejected = rejected
	return b
}

func newRoute(r Route, f *node.Farm, now time.Time) RouteView {
	rv := RouteView{
		Name: clean(r.Name), Farm: clean(r.Farm), Chain: cleanAll(r.Chain), WhenEmpty: clean(r.WhenEmpty),
		Requests: r.Requests, Empty: r.Empty,
	}
	if f == nil {
		return rv // nobody serves it, as far as we know
	}
	rv.Members, rv.Candidates = len(f.Members)+f.Others.Members, candidatesOf(f)
	if state := farmState(f); state != Up {
		rv.FarmState = state
	}
	if k, ok := kOf(f, now); ok {
		rv.K, rv.Herds = &k, r.Sorts && k > herdK && len(f.Candidates) > 1
	}
	return rv
}

// kOf returns a farm's K, and false if no node of it is heard.
func kOf(f *node.Farm, now time.Time) (k float64, ok bool) {
	sum, nodes := 0.0, 0
	for _, m := range f.Members {
		if m.Node != nil && !m.Node.Untrusted && !silent(m, now) { // who is not trusted does not tell
			sum += finite(m.Service.Arrivals) * m.Node.Interval.Seconds()
			nodes++
		}
	}
	if nodes == 0 {
		return 0, false
	}
	return finite(sum / float64(nodes)), true
}

func herdWarning(r RouteView) string {
	return fmt.Sprintf("route %s: the chain sorts by figures that all nodes hear alike, and a member gets about %s requests "+
		"from one beat to the next (K, which should stay below %d), so that all requests run to the same few members at once; "+
		"use \"auto\" as its chain", strconv.Quote(r.Name), ratio(*r.K), herdK)
}

// herd returns how bad that is, as a class of the page's style: "herd", "herd much", or "" if it is not.
func (r RouteView) herd() string {
	switch {
	case !r.Herds:
		return ""
	case *r.K > herdBadK:
		return "herd much"
	}
	return "herd"
}

// hexHash writes a hash of a configuration so that people can compare two.
func hexHash(h uint64) string { return fmt.Sprintf("%016x", h) }
