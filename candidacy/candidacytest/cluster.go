package candidacytest

import (
	"fmt"
	"net/netip"
	"net/url"
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
	return &node.Farm{Name: Farm}
}

// Snapshot returns a cluster written as text: a member a line, blank lines and those that begin with # aside. Members
// come as in every snapshot: self, then nodes by name, then physicals. It panics if it cannot read the text.
//
// In front of the name may stand "self" or "physical". Behind it may stand any of
//
//	addr=10.0.0.7:8080    default: 10.0.0.N:80, N being the number of the line's member
//	url=http://app1:8080  of a physical; default: http://10.0.0.N
//	farm=web,reports      default: web
//	state=draining        or leaving; default: up
//	down=why              the origin is down
//	age=7s                since the beat came; default: 0
//	sample=200ms          how old the figures were then; default: 0
//	interval=1s           between two beats; default: 1s
//	load=0.2  idle=93%  cpus=4  speed=100  zone=a  tls=true
//	slots=4  mu=10  workers=150  busy=3  inflight=3
//	outstanding=2         requests that we have under way there
//	unreachable=true      a connect to it failed just now
func Snapshot(text string) *node.Snapshot {
	p := node.Parts{Taken: Now(), Live: node.NewLiveSet()}
	var rows []*row
	for i, line := range strings.Split(text, "\n") {
		words := strings.Fields(line)
		if len(words) == 0 || strings.HasPrefix(words[0], "#") {
			continue
		}
		r := newRow(len(rows) + 1)
		if err := r.read(words); err != nil {
			panic(fmt.Sprintf("candidacytest: line %d, %q: %v", i+1, strings.TrimSpace(line), err))
		}
		rows = append(rows, r)
		r.addTo(&p)
	}
	s := node.NewSnapshot(p)
	for _, r := range rows {
		r.setLive(s)
	}
	return s
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
	self, physical bool
	farms          []string
	node           node.Node
	service        node.Service
	url            *url.URL
	outstanding    int
	unreachable    bool
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
	}
}

func (r *row) read(words []string) error {
	switch words[0] {
	case "self":
		r.self, words = true, words[1:]
	case "physical":
		r.physical, words = true, words[1:]
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
	case "unreachable":
		r.unreachable, err = strconv.ParseBool(value)
	case "idle":
		st.CPUIdle, err = parseShare(value)
	default:
		return r.setNumber(key, value)
	}
	return err
}

func (r *row) setNumber(key, value string) (err error) {
	st, sv := &r.node.Stats, &r.service
	ints := map[string]*int{
		"cpus": &st.CPUs, "workers": &sv.Workers, "busy": &sv.Busy, "inflight": &sv.InFlight,
		"outstanding": &r.outstanding,
	}
	floats := map[string]*float64{"load": &st.Load1, "speed": &st.Speed, "slots": &sv.Slots, "mu": &sv.Mu}
	switch {
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
	if r.physical {
		for _, f := range r.farms {
			p.Physicals = append(p.Physicals, node.Physical{Farm: f, Name: r.node.Name, URL: r.url})
		}
		return
	}
	if r.self {
		p.Self = r.node.ID
	}
	for _, f := range r.farms {
		s := r.service
		s.Farm = f
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
			for range r.outstanding {
				m.Live.Start()
			}
			if r.unreachable {
				m.Live.ConnectFailed(Now())
			}
		}
	}
}
