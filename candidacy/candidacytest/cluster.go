package candidacytest

import (
	"cmp"
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"backhand/gossip/node"
)

// Farm is the farm that members belong to, unless farm= says otherwise.
const Farm = "web"

// Now is the time at which clusters are looked at.
func Now() time.Time { return time.Date(2026, time.November, 21, 12, 0, 0, 0, time.UTC) }

// Cluster returns the farm [Farm] of a cluster written as text, without members if none serves it. It panics if it
// cannot read the text.
func Cluster(text string) *node.Farm {
	if f := Snapshot(text).Farm(Farm); f != nil {
		return f
	}
	return &node.Farm{FarmInfo: node.FarmInfo{Name: Farm}}
}

// Snapshot returns a cluster written as text: a member a line, blank lines and those that begin with # aside. Members
// come as in every snapshot: self, then nodes by name, then physicals. It panics if it cannot read the text.
//
// In front of the name may stand "self", "physical" or "farm". Behind it may stand any of
//
//	addr=10.0.0.7:8080    default: 10.0.0.N:80, N being the number of the line's member
//	url=http://app1:8080  of a physical; default: http://10.0.0.N
//	farm=web,reports      default: web
//	state=draining        or leaving; default: up
//	down=why              the origin is down; of a physical and a farm: it was said to be
//	age=7s                since the beat came; default: 0
//	sample=200ms          how old the figures were then; default: 0
//	interval=1s           between two beats; default: 1s
//	load=0.2  idle=93%  cpus=4  speed=100  mem=45%  dispatched=20  tls=true
//	zone=a  label=gpu  label=rack=7  labels=gpu,rack=7    labels add up; of a physical, too
//	slots=4  mu=10  workers=150  busy=3  inflight=3  average=2.5  arrivals=30
//	served=100  serve=25ms
//	stat.queue=3          that programs push; of a physical, too
//	capacity=4  weight=2  of a physical
//	off=why  out          of a physical; off, as down, of a farm, too. A reason may be left away
//	drain=why             of a physical
//	standing=3m           since when it stands so; default: not known
//	updated=5s            since statistics of a physical came; default: 0s if there are any, else never
//	forward_off=http://sorry/  forward_down=reports    of a physical and a farm: a URL, or the name of a farm
//	since=10s             how long it may be chosen; default: 1h
//	heard=7/4/10@2        just now it has said that 7 were under way on 4 slots of 10 a second each; then 2 of them were ours;
//	                      default of all but the first: slots, mu, 0
//	outstanding=2         requests that we have under way there
//	predicted=2           requests that were added to its figures since its beat
//	errors=2              requests that it failed just now
//	latency=20ms          how long it took lately
//	unreachable=true      a connect to it failed just now
//
// Whether a physical is out is said here, as in a snapshot: what is expected of it is another's business. A farm needs no
// line, unless there is something to say of it.
//
// The high-water mark is what the nodes' loads make it.
func Snapshot(text string) *node.Snapshot {
	p := node.Parts{Live: node.NewLiveSet()}
	var rows []*row
	members := 0
	for i, line := range strings.Split(text, "\n") {
		words := strings.Fields(line)
		if len(words) == 0 || strings.HasPrefix(words[0], "#") {
			continue
		}
		r := newRow(members + 1)
		if err := r.read(words); err != nil {
			panic(fmt.Sprintf("candidacytest: line %d, %q: %v", i+1, strings.TrimSpace(line), err))
		}
		rows = append(rows, r)
		if !r.farm {
			members++
		}
	}
	for _, since := range joined(rows) {
		p.Taken, p.Nodes, p.Physicals, p.Farms = Now().Add(-since), nil, nil, nil
		for _, r := range rows {
			if r.since >= since {
				r.addTo(&p)
			}
		}
		node.NewSnapshot(p)
	}
	p.Taken, p.Nodes, p.Physicals, p.Farms = Now(), nil, nil, nil
	for _, r := range rows {
		r.addTo(&p)
	}
	p.HighWater = new(node.HighWater).Update(p.Nodes, nil, p.Taken)
	s := node.NewSnapshot(p)
	for _, r := range rows {
		r.setLive(s)
	}
	return s
}

// joined returns how long ago rows joined, the first of them first.
func joined(rows []*row) []time.Duration {
	var all []time.Duration
	for _, r := range rows {
		all = append(all, r.since)
	}
	slices.SortFunc(all, func(a, b time.Duration) int { return cmp.Compare(b, a) })
	return slices.Compact(all)
}

// Names returns the members' names in their order, with a space between them: "www2 www1".
func Names(members []*node.Member) string {
	names := make([]string, len(members))
	for i, m := range members {
		if m == nil {
			names[i] = "<nil>"
			continue
		}
		names[i] = m.Name
	}
	return strings.Join(names, " ")
}

// Member returns the member of that name. It panics if there is none.
func Member(f *node.Farm, name string) *node.Member {
	for _, m := range f.Members {
		if m.Name == name {
			return m
		}
	}
	panic(fmt.Sprintf("candidacytest: farm %q has no member %q", f.Name, name))
}

// row is a line of the text.
type row struct {
	self, physical, farm bool

	farms   []string
	node    node.Node
	service node.Service
	url     *url.URL
	since   time.Duration
	said    said
	live    live
}

func newRow(n int) *row {
	addr := netip.AddrFrom4([4]byte{10, 0, byte(n >> 8), byte(n)})
	return &row{
		farms: []string{Farm},
		node: node.Node{
			ID: node.ID{14: byte(n >> 8), 15: byte(n)}, Boot: 1, Sequence: 1,
			Addr: netip.AddrPortFrom(addr, 80), From: addr,
			State: node.Up, VersionMin: 1, VersionMax: 1, Interval: time.Second, Heard: Now(),
			Stats: node.Stats{CPUs: 1, CPUIdle: 1},
		},
		service: node.Service{Ready: true, Slots: 1},
		url:     &url.URL{Scheme: "http", Host: addr.String()},
		since:   time.Hour,
	}
}

func (r *row) read(words []string) error {
	switch words[0] {
	case "self":
		r.self, words = true, words[1:]
	case "physical":
		r.physical, words = true, words[1:]
	case "farm":
		r.farm, words = true, words[1:]
	}
	if len(words) == 0 || strings.Contains(words[0], "=") {
		return fmt.Errorf("want a name")
	}
	r.node.Name = words[0]
	for _, w := range words[1:] {
		key, value, _ := strings.Cut(w, "=")
		if err := r.set(key, value); err != nil {
			return fmt.Errorf("%s: %w", key, err)
		}
	}
	return nil
}

func (r *row) set(key, value string) (err error) {
	if known, err := r.said.set(key, value, !r.physical && !r.farm); known {
		return err
	}
	n, st, sv := &r.node, &r.node.Stats, &r.service
	switch key {
	case "addr":
		n.Addr, err = netip.ParseAddrPort(value)
		n.From = n.Addr.Addr()
	case "url":
		r.url, err = url.Parse(value)
	case "farm":
		r.farms = strings.Split(value, ",")
	case "state":
		n.State, err = parseState(value)
	case "down":
		sv.Ready, sv.Why = false, value
	case "age":
		var d time.Duration
		d, err = time.ParseDuration(value)
		n.Heard = Now().Add(-d)
	case "sample":
		n.SampleAge, err = time.ParseDuration(value)
	case "interval":
		n.Interval, err = time.ParseDuration(value)
	case "zone":
		n.Zone = value
	case "tls":
		n.TLS, err = strconv.ParseBool(value)
	case "label", "labels":
		for label := range strings.SplitSeq(value, ",") {
			k, v, _ := strings.Cut(label, "=")
			n.Labels = append(n.Labels, node.Label{Key: k, Value: v})
		}
	case "since":
		r.since, err = time.ParseDuration(value)
	case "serve":
		sv.ServeTime, err = time.ParseDuration(value)
	case "idle":
		st.CPUIdle, err = parseShare(value)
	case "mem":
		var used float64
		used, err = parseShare(value)
		st.MemTotal, st.MemAvailable = memory, memory-uint64(used*memory)
	default:
		if known, err := r.live.set(key, value); known {
			return err
		}
		return r.setNumber(key, value)
	}
	return err
}

// memory is that of each host of which mem= says how much is in use.
const memory = 1000 << 20

func (r *row) setNumber(key, value string) (err error) {
	st, sv := &r.node.Stats, &r.service
	ints := map[string]*int{
		"cpus": &st.CPUs, "workers": &sv.Workers, "busy": &sv.Busy, "inflight": &sv.InFlight,
	}
	floats := map[string]*float64{
		"load": &st.Load1, "speed": &st.Speed, "dispatched": &st.Dispatched,
		"slots": &sv.Slots, "mu": &sv.Mu, "average": &sv.Average, "arrivals": &sv.Arrivals,
	}
	switch {
	case key == "served":
		sv.Served, err = strconv.ParseUint(value, 10, 64)
	case ints[key] != nil:
		*ints[key], err = strconv.Atoi(value)
	case floats[key] != nil:
		*floats[key], err = strconv.ParseFloat(value, 64)
	default:
		err = fmt.Errorf("nothing is called so, see the doc comment of Snapshot")
	}
	return err
}

func parseState(s string) (node.State, error) {
	for _, st := range []node.State{node.Up, node.Draining, node.Leaving} {
		if st.String() == s {
			return st, nil
		}
	}
	return 0, fmt.Errorf("%q, want up, draining or leaving", s)
}

// parseShare reads "93%" or "0.93".
func parseShare(s string) (float64, error) {
	n, percent := strings.CutSuffix(s, "%")
	v, err := strconv.ParseFloat(n, 64)
	if percent {
		v /= 100
	}
	return v, err
}

func (r *row) addTo(p *node.Parts) {
	switch {
	case r.farm:
		p.Farms = append(p.Farms, node.FarmInfo{Name: r.node.Name, Standing: r.said.standing, Forwards: r.said.forwards})
		return
	case r.physical:
		for _, f := range r.farms {
			p.Physicals = append(p.Physicals, r.said.of(f, &r.node, r.url))
		}
		return
	}
	if r.self {
		p.Self = r.node.ID
	}
	r.node.Services = nil
	for _, f := range r.farms {
		s := r.service
		s.Farm, s.Pushed = f, r.said.stats
		r.node.Services = append(r.node.Services, s)
	}
	p.Nodes = append(p.Nodes, &r.node)
}

// setLive brings what we know of the row's members to what it says.
func (r *row) setLive(s *node.Snapshot) {
	for _, f := range s.Farms {
		for _, m := range f.Members {
			if m.Node != &r.node && (m.Node != nil || m.URL != r.url) {
				continue // another row's
			}
			r.live.apply(m)
		}
	}
}
