package node

import (
	"math"
	"net/netip"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// figuresOf reads all figures of a member, but for those that are not known.
func figuresOf(m *Member, now time.Time) map[string]float64 {
	out := map[string]float64{}
	for _, f := range Figures() {
		if v := f.Read(m, now); !math.IsNaN(v) {
			out[f.Name] = v
		}
	}
	return out
}

func TestFigures(t *testing.T) {
	now := time.Unix(1e9, 0)
	busy := Stats{
		CPUs: 4, Speed: 100, Load1: 0.5, CPUIdle: 0.75, Pressure: 0.25, MemTotal: 1000, MemAvailable: 250, Dispatched: 20,
	}
	service := Service{
		Farm: "web", Ready: true, Slots: 8, Mu: 10, Workers: 150, Busy: 3, InFlight: 2, Average: 1.5, Arrivals: 30, Completions: 28,
		Errors: 1, Refusals: 0.5, Served: 9, ServeTime: 25 * time.Millisecond,
	}
	n := Node{
		Addr: netip.MustParseAddrPort("10.0.0.1:80"), State: Up, Interval: time.Second, Heard: now.Add(-2 * time.Second),
		SampleAge: 500 * time.Millisecond, Stats: busy, Services: []Service{service},
	}
	quiet := Node{
		ID: ID{1}, Addr: netip.MustParseAddrPort("10.0.0.2:80"), State: Up, Interval: time.Second, Heard: now, Stats: Stats{CPUs: 1},
		Services: []Service{{Farm: "web", Ready: true}},
	}
	app := func(name string, capacity, weight float64) Physical {
		return Physical{Farm: "web", Name: name, URL: &url.URL{Scheme: "http", Host: name}, Capacity: capacity, Weight: weight}
	}
	apps := []Physical{app("app1", 3, 0), app("app2", 4, 1.5), app("app3", 0, 0.5)}
	parts := Parts{Taken: now.Add(-time.Minute), Self: ID{9}, Nodes: []*Node{&n, &quiet}, Physicals: apps, Live: NewLiveSet()}
	f := NewSnapshot(parts).Farm("web")
	l := f.Members[0].Live
	l.Start()
	l.Start()
	l.Heard(Load{InFlight: 7, Slots: 8, Mu: 10}, now)
	l.Answered(20 * time.Millisecond)
	l.Fail(now)

	for i, want := range []map[string]float64{
		{
			"load1": 0.5, "cpu_idle": 0.75, "pressure": 0.25, "cpus": 4, "speed": 100, "mem_total": 1000, "mem_available": 250,
			"mem_used": 0.75, "dispatched": 20, "age": 2.5,
			"slots": 8, "weight": 1, "mu": 10, "in_flight": 2, "average": 1.5, "arrivals": 30, "completions": 28, "errors": 1, "refusals": 0.5,
			"workers": 150, "busy": 3, "served": 9, "serve_ms": 25,
			"outstanding": 2, "heard": 7, "latency_ms": 20, "failed": 1, "since": 60,
		},
		{
			"load1": 0, "cpu_idle": 0, "pressure": 0, "cpus": 1, "dispatched": 0, "age": 0,
			"slots": 1, "weight": 1, "in_flight": 0, "average": 0, "arrivals": 0, "completions": 0, "errors": 0, "refusals": 0, "served": 0,
			"outstanding": 0, "failed": 0, "since": 60,
		},
		{"slots": 3, "weight": 1, "outstanding": 0, "failed": 0, "since": 60},
		{"slots": 6, "weight": 1.5, "outstanding": 0, "failed": 0, "since": 60},
		{"slots": 0.5, "weight": 0.5, "outstanding": 0, "failed": 0, "since": 60},
	} {
		if d := cmp.Diff(want, figuresOf(f.Members[i], now)); d != "" {
			t.Errorf("%s (-want +got):\n%s", f.Members[i].HostPort(), d)
		}
	}
}

// Whoever may not be chosen is new to nobody.
func TestSinceIsNotKnownOfWhoMayNotBeChosen(t *testing.T) {
	since, _ := FigureNamed("since")
	m := &Member{Live: new(Live)}
	if v := since.Read(m, time.Unix(1e9, 0)); !math.IsNaN(v) {
		t.Errorf("since %v", v)
	}
}

func TestFiguresAreDescribed(t *testing.T) {
	name := regexp.MustCompile(`^[a-z][a-z0-9]*(_[a-z]+)*$`)
	seen := map[string]bool{}
	for _, f := range Figures() {
		if !name.MatchString(f.Name) || f.Doc == "" || seen[f.Name] {
			t.Errorf("%q: %q", f.Name, f.Doc)
		}
		seen[f.Name] = true
		if got, ok := FigureNamed(f.Name); !ok || got.Doc != f.Doc {
			t.Errorf("%s is not found by its name", f.Name)
		}
	}
	for _, none := range []string{"", "Load1", "load", "load1 "} {
		if f, ok := FigureNamed(none); ok {
			t.Errorf("%q is %s", none, f.Name)
		}
	}
}

// What is pushed is of physicals and nodes alike, and is no figure under its bare name.
func TestFiguresThatArePushed(t *testing.T) {
	app := &Member{Physical: &Physical{Stats: []Stat{{Name: "load1", Value: 7}, {Name: "queue", Value: 3}}}}
	www := &Member{Node: new(Node), Service: &Service{Pushed: []Stat{{Name: "queue", Value: 0}}}}
	for _, row := range []struct {
		of   *Member
		name string
		want float64
	}{
		{app, "stat.queue", 3},
		{app, "stat.load1", 7},
		{app, "stat.Queue", math.NaN()},
		{www, "stat.queue", 0},
		{www, "stat.load1", math.NaN()},
		{&Member{}, "stat.queue", math.NaN()},
	} {
		f, ok := FigureNamed(row.name)
		if !ok || f.Name != row.name || f.Doc == "" || f.Own {
			t.Errorf("%s is %+v, %v", row.name, f, ok)
		}
		got := f.Read(row.of, time.Unix(1e9, 0))
		if got != row.want && !(math.IsNaN(got) && math.IsNaN(row.want)) {
			t.Errorf("%s is %v, want %v", row.name, got, row.want)
		}
	}
	for _, none := range []string{"queue", "stat.", "stat", "stat. queue", "stat.1", "stat.a\nb", "Stat.queue", "stat." + strings.Repeat("q", 33)} {
		if f, ok := FigureNamed(none); ok {
			t.Errorf("%q is %s", none, f.Name)
		}
	}
}

func TestMemUsed(t *testing.T) {
	for _, row := range []struct {
		total, available uint64
		want             float64
	}{{1000, 250, 0.75}, {1000, 1000, 0}, {1000, 0, 1}, {1000, 2000, 0}} {
		s := Stats{MemTotal: row.total, MemAvailable: row.available}
		if got := s.MemUsed(); got != row.want {
			t.Errorf("%d of %d available: %v in use, want %v", row.available, row.total, got, row.want)
		}
	}
	if got := new(Stats).MemUsed(); !math.IsNaN(got) {
		t.Errorf("of memory that is not known %v is in use", got)
	}
}

func TestLabelsOfMembers(t *testing.T) {
	labels := []Label{{"gpu", ""}, {"rack", "7"}}
	for _, m := range []*Member{{Node: &Node{Labels: labels}}, {Physical: &Physical{Labels: labels}}} {
		for key, want := range map[string]string{"gpu": "", "rack": "7"} {
			if got, ok := m.Label(key); !ok || got != want {
				t.Errorf("%s: %q, %v", key, got, ok)
			}
		}
		for _, none := range []*Member{m, {}} {
			if v, ok := none.Label("disk"); ok || v != "" {
				t.Errorf("disk: %q, %v", v, ok)
			}
		}
	}
}

// A front's zone, and the fastest host, concern all farms.
func TestFleetHasZoneAndFastest(t *testing.T) {
	now := time.Unix(1e9, 0)
	one := func(id byte, zone string, speed float64, age time.Duration) *Node {
		return &Node{
			ID: ID{id}, Addr: netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, 0, id}), 80), State: Up, Zone: zone, Interval: time.Second,
			Heard: now.Add(-age), Stats: Stats{Speed: speed}, Services: []Service{{Farm: "web", Ready: true}},
		}
	}
	for _, row := range []struct {
		name    string
		self    ID
		zone    string
		fastest float64
	}{
		{"a node's own zone", ID{1}, "a", 100},
		{"another's", ID{2}, "b", 100},
		{"the silent do not count, but for oneself", ID{3}, "c", 900},
		{"one that is no node has no zone", ID{9}, "", 100},
	} {
		nodes := []*Node{one(1, "a", 50, 0), one(2, "b", 100, time.Second), one(3, "c", 900, time.Minute)}
		f := NewSnapshot(Parts{Taken: now, Self: row.self, Nodes: nodes, Live: NewLiveSet()}).Farm("web")
		if f.Zone != row.zone || f.Fastest != row.fastest {
			t.Errorf("%s: zone %q, fastest %v", row.name, f.Zone, f.Fastest)
		}
	}
}
