package status

import (
	"net/netip"
	"time"

	"backhand/gossip/node"
)

// Row is a member: a node or a physical that serves a farm. A node that serves nothing has a row too, without a farm.
type Row struct {
	Entry     int    `json:"entry"` // from 0, which is this node if it announces anything
	Name      string `json:"name"`
	ID        string `json:"id,omitempty"` // of the node
	Zone      string `json:"zone,omitempty"`
	Farm      string `json:"farm"` // "" for a node that serves nothing
	Address   string `json:"address"`
	Self      bool   `json:"self"`
	Physical  bool   `json:"physical"`
	Direct    bool   `json:"direct"` // announces only: the address is the web server's
	State     State  `json:"state"`
	Why       string `json:"why,omitempty"`
	Candidate bool   `json:"candidate"` // chains of the farm's routes start with it
	PutLast   bool   `json:"put_last"`  // if a candidate, behind all others: a connect failed a moment ago

	Host    *Host    `json:"host,omitempty"`    // nil for a physical, of which nothing is announced
	Service *Service `json:"service,omitempty"` // nil for a physical, and for a node that serves nothing

	// What this agent itself did since it started, or since it first heard of the member.
	Outstanding int64   `json:"outstanding"` // requests it has under way there
	Chosen      uint64  `json:"chosen"`      // requests it ever handed to it
	Share       float64 `json:"share"`       // of all the requests that it handed to members of the farm
	Failed      uint64  `json:"failed"`
	Refused     uint64  `json:"refused"`
}

// Host is what a node announced of its host.
type Host struct {
	Age          float64 `json:"age_seconds"` // of all that is known of the node
	Interval     float64 `json:"interval_seconds"`
	ConfigHash   string  `json:"config_hash"`
	CPUs         int     `json:"cpus"`
	Speed        float64 `json:"speed"`
	Load         float64 `json:"load1"`
	CPUIdle      float64 `json:"cpu_idle"`
	Pressure     float64 `json:"cpu_pressure"`
	MemTotal     uint64  `json:"mem_total_bytes"`
	MemAvailable uint64  `json:"mem_available_bytes"`
	SendLate     float64 `json:"send_late_seconds"`
	Dispatched   float64 `json:"dispatched_per_second"`
}

// Service is what a node announced of a farm that it serves.
type Service struct {
	Ready       bool    `json:"ready"`
	Slots       float64 `json:"slots"`
	Mu          float64 `json:"slot_rate_per_second"`
	Workers     int     `json:"workers"` // 0 if not known
	Idle        int     `json:"idle_workers"`
	InFlight    int     `json:"in_flight"`
	Average     float64 `json:"in_flight_average"`
	Arrivals    float64 `json:"arrivals_per_second"`
	Completions float64 `json:"completions_per_second"`
	Errors      float64 `json:"errors_per_second"`
	Refusals    float64 `json:"refusals_per_second"`
	Served      uint64  `json:"served"` // for other nodes
	ServeTime   float64 `json:"serve_time_seconds"`
}

// newRows returns the nodes in the order of the snapshot, each with its farms by name, and then the physicals.
func newRows(s *node.Snapshot, now time.Time) []Row {
	serving := map[*node.Node][]Row{}
	var physicals []Row
	for _, f := range s.Farms {
		for _, r := range farmRows(f, now) {
			if r.Physical {
				physicals = append(physicals, r.Row)
			} else {
				serving[r.node] = append(serving[r.node], r.Row)
			}
		}
	}
	rows := make([]Row, 0, len(s.Nodes)+len(physicals))
	for _, n := range s.Nodes {
		if serving[n] == nil {
			rows = append(rows, idleRow(n, n.ID == s.Self, now))
		}
		rows = append(rows, serving[n]...)
	}
	rows = append(rows, physicals...)
	for i := range rows {
		rows[i].Entry = i
	}
	return rows
}

type farmRow struct {
	Row
	node *node.Node
}

// farmRows returns the rows of a farm's members. Counters that others go on counting are read only once, so that the
// shares add up.
func farmRows(f *node.Farm, now time.Time) []farmRow {
	candidates := make(map[*node.Member]bool, len(f.Candidates))
	for _, m := range f.Candidates {
		candidates[m] = true
	}
	rows := make([]farmRow, 0, len(f.Members))
	total := uint64(0)
	for _, m := range f.Members {
		r := memberRow(m, now)
		r.Candidate = candidates[m]
		total += r.Chosen
		rows = append(rows, farmRow{Row: r, node: m.Node})
	}
	for i := range rows {
		if total > 0 {
			rows[i].Share = float64(rows[i].Chosen) / float64(total)
		}
	}
	return rows
}

func memberRow(m *node.Member, now time.Time) Row {
	r := Row{
		Name: clean(m.Name), Farm: clean(m.Farm), Address: clean(m.HostPort()), Self: m.Self, Physical: m.Node == nil,
		PutLast:     m.Live.Unreachable(now),
		Outstanding: m.Live.Outstanding(), Chosen: m.Live.Chosen(), Failed: m.Live.Failed(), Refused: m.Live.Refused(),
	}
	if m.Node != nil {
		r.fillNode(m.Node, m.Age(now))
		r.Service = newService(m.Service)
	} else if m.URL.Scheme == "https" {
		r.Address = "https://" + r.Address
	}
	r.State, r.Why = judge(m, now)
	return r
}

// idleRow is the row of a node that serves nothing: a pure balancer.
func idleRow(n *node.Node, self bool, now time.Time) Row {
	m := &node.Member{Self: self, Node: n, Service: &node.Service{Ready: true}, Live: new(node.Live)}
	r := Row{Name: clean(n.Name), Self: self}
	r.fillNode(n, m.Age(now))
	r.State, r.Why = judge(m, now)
	return r
}

func (r *Row) fillNode(n *node.Node, age time.Duration) {
	r.ID, r.Zone, r.Address, r.Direct = n.ID.String(), clean(n.Zone), address(n.Addr, n.TLS), n.Direct
	r.Host = &Host{
		Age: age.Seconds(), Interval: n.Interval.Seconds(), ConfigHash: hexHash(n.ConfigHash),
		CPUs: n.Stats.CPUs, Speed: finite(n.Stats.Speed), Load: finite(n.Stats.Load1),
		CPUIdle: finite(n.Stats.CPUIdle), Pressure: finite(n.Stats.Pressure),
		MemTotal: n.Stats.MemTotal, MemAvailable: n.Stats.MemAvailable,
		SendLate: n.Stats.SendLate.Seconds(), Dispatched: finite(n.Stats.Dispatched),
	}
}

func newService(s *node.Service) *Service {
	return &Service{
		Ready: s.Ready, Slots: finite(s.Slots), Mu: finite(s.Mu),
		Workers: s.Workers, Idle: max(0, s.Workers-s.Busy), InFlight: s.InFlight, Average: finite(s.Average),
		Arrivals: finite(s.Arrivals), Completions: finite(s.Completions),
		Errors: finite(s.Errors), Refusals: finite(s.Refusals),
		Served: s.Served, ServeTime: s.ServeTime.Seconds(),
	}
}

// address returns where a node is reached, or "" for one that nobody can reach: a pure balancer may announce none. The
// zone of an IPv6 address may hold anything.
func address(a netip.AddrPort, tls bool) string {
	switch {
	case !a.IsValid():
		return ""
	case tls:
		return "https://" + clean(a.String())
	}
	return clean(a.String())
}
