package status

import (
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"

	"backhand/gossip/node"
)

// Row is a member: a node or a physical that serves a farm. A node that serves nothing has a row too, without a farm.
type Row struct {
	Entry     int    `json:"entry"` // from 0, which is this node if it announces anything; those that are left out count
	Name      string `json:"name"`
	ID        string `json:"id,omitempty"` // of the node
	Zone      string `json:"zone,omitempty"`
	Farm      string `json:"farm"` // "" for a node that serves nothing
	Address   string `json:"address"`
	Self      bool   `json:"self"`
	Physical  bool   `json:"physical"`
	Direct    bool   `json:"direct"`    // announces only: the address is the web server's
	Untrusted bool   `json:"untrusted"` // nobody vouches for it, see node.Node.Untrusted
	State     State  `json:"state"`
	Why       string `json:"why,omitempty"`
	Candidate bool   `json:"candidate"` // chains of the farm's routes start with it
	PutLast   bool   `json:"put_last"`  // if a candidate, behind all others: a connect failed a moment ago

	Labels map[string]string `json:"labels,omitempty"` // of the node or the physical, by key

	Seal    *Seal    `json:"seal,omitempty"`    // nil for a physical, and for a node that nobody vouches for
	Host    *Host    `json:"host,omitempty"`    // nil for a physical, of which nothing is announced
	Service *Service `json:"service,omitempty"` // nil for a physical, and for a node that serves nothing

	// Of a physical, as the file has it and as was said of it. A node says for itself how it stands.
	Standing  *Standing `json:"standing,omitempty"`           // nil for a node
	Forwards  *Forwards `json:"forwards,omitempty"`           // nil: none
	Capacity  float64   `json:"capacity,omitempty"`           // requests that it runs at full speed at once; 0 if not known
	Weight    float64   `json:"weight,omitempty"`             // by which that is multiplied; 0 for a node
	UpdateAge *float64  `json:"update_age_seconds,omitempty"` // since statistics of it came last; nil: none came

	Stats []Stat `json:"stats,omitempty"` // that programs push, by name

	// What this agent itself did since it started, or since it first heard of the member.
	Outstanding int64   `json:"outstanding"` // requests it has under way there
	Chosen      uint64  `json:"chosen"`      // requests it ever handed to it
	Share       float64 `json:"share"`       // of all the requests that it handed to members of the farm
	Failed      uint64  `json:"failed"`
	Refused     uint64  `json:"refused"`
	Latency     float64 `json:"latency_seconds"` // until the head of its answers, on average of the last; 0: there was none
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

// row makes the row of an entry.
func (e entry) row(now time.Time) Row {
	m := e.member
	r := Row{
		Entry: e.number, Name: clean(m.Name), Farm: clean(m.Farm), Self: m.Self, Physical: m.Node == nil,
		State: e.faults.state(), Why: e.why(now), Candidate: e.farm.candidates[m], PutLast: e.faults&unreachable != 0,
		Outstanding: m.Live.Outstanding(), Chosen: e.chosen, Share: e.share(), Failed: m.Live.Failed(), Refused: m.Live.Refused(),
		Latency: m.Live.Latency().Seconds(), Stats: newStats(m, now),
	}
	if m.Node == nil {
		r.Address = clean(m.HostPort())
		if m.URL.Scheme == "https" {
			r.Address = "https://" + r.Address
		}
		r.fillPhysical(m.Physical, now)
		return r
	}
	r.fillNode(m.Node, m.Age(now))
	if m.Farm != "" {
		r.Service = newService(m.Service)
	}
	return r
}

func (r *Row) fillNode(n *node.Node, age time.Duration) {
	r.ID, r.Zone, r.Address = n.ID.String(), clean(n.Zone), address(n.Addr, n.TLS)
	r.Direct, r.Untrusted, r.Labels = n.Direct, n.Untrusted, newLabels(n.Labels)
	r.Host = &Host{
		Age: age.Seconds(), Interval: n.Interval.Seconds(), ConfigHash: hexHash(n.ConfigHash),
		CPUs: n.Stats.CPUs, Speed: finite(n.Stats.Speed), Load: finite(n.Stats.Load1),
		CPUIdle: finite(n.Stats.CPUIdle), Pressure: finite(n.Stats.Pressure),
		MemTotal: n.Stats.MemTotal, MemAvailable: n.Stats.MemAvailable,
		SendLate: n.Stats.SendLate.Seconds(), Dispatched: finite(n.Stats.Dispatched),
	}
}

// newLabels returns nil for none.
func newLabels(list []node.Label) map[string]string {
	if len(list) == 0 {
		return nil
	}
	labels := make(map[string]string, len(list))
	for _, l := range list {
		labels[clean(l.Key)] = clean(l.Value)
	}
	return labels
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

// place says where the member stands and what it has: "zone north, weight 2, gpu, rack=r1"; "" if there is nothing to say.
func (r Row) place() string {
	var words []string
	if r.Zone != "" {
		words = append(words, "zone "+r.Zone)
	}
	if r.Weight != 0 && r.Weight != 1 {
		words = append(words, "weight "+plain(r.Weight))
	}
	for _, key := range slices.Sorted(maps.Keys(r.Labels)) {
		if v := r.Labels[key]; v != "" {
			key += "=" + v
		}
		words = append(words, key)
	}
	return strings.Join(words, ", ")
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
