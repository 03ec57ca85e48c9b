package agent

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"backhand/gossip/node"
)

// described is a file with what this node says of itself; %s is further keys of [node].
const described = `cluster = "test"
[node]
name = "www1"
address = "{listen}"
state_dir = %q
%s
[[listen]]
address = "{listen}"
[[farm]]
name = "reports"
member = [ { name = "a", url = "http://127.0.0.1:1", capacity = 2.5 }, { name = "b", url = "http://127.0.0.1:2" } ]
[[route]]
path = "/"
farm = "reports"
chain = ["byAge 6", "byRandom"]
error_on = [503]
[[route]]
path = "/nobody"
farm = "nobody"
when_empty = "503"
`

func TestFileReachesTheBeat(t *testing.T) {
	f := prepare(t, "")
	f.write(fmt.Sprintf(described, f.dir, "zone = \"north\"\nlabels = { rack = \"r1\", gpu = \"\" }\nspeed = 123.5"))
	if err := f.open(Options{}); err != nil {
		t.Fatal(err)
	}
	f.run()
	self := f.Snapshot().Node(f.state.id)
	labels := []node.Label{{Key: "gpu"}, {Key: "rack", Value: "r1"}}
	if d := cmp.Diff(labels, self.Labels); d != "" || self.Zone != "north" || self.Stats.Speed != 123.5 {
		t.Errorf("zone %q, speed %v, labels (-want +got):\n%s", self.Zone, self.Stats.Speed, d)
	}

	f.write(fmt.Sprintf(described, f.dir, ""))
	if err := f.client().Do(t.Context(), "reload"); err != nil {
		t.Fatal(err)
	}
	f.eventually(func() error {
		n := f.Snapshot().Node(f.state.id)
		if len(n.Labels) > 0 || n.Stats.Speed != f.speed || n.Zone != "" {
			return fmt.Errorf("after a reload without them: %q %v, speed %v", n.Zone, n.Labels, n.Stats.Speed)
		}
		return nil
	})
	if f.speed <= 0 || f.speed == 123.5 {
		t.Errorf("the measured speed is %v", f.speed)
	}
}

func TestFileReachesTheSnapshot(t *testing.T) {
	f := prepare(t, "")
	f.write(fmt.Sprintf(described, f.dir, ""))
	if err := f.open(Options{}); err != nil {
		t.Fatal(err)
	}
	f.run()
	farm := f.Snapshot().Farm("reports")
	if a, b := farm.Members[0], farm.Members[1]; a.Physical.Capacity != 2.5 || b.Physical.Capacity != 0 {
		t.Errorf("capacities are %v and %v, want 2.5 and none", a.Physical.Capacity, b.Physical.Capacity)
	}
	route := f.config.Load().Route
	if len(farm.Prepared) != 1 || farm.Prepared[route[0].Chain] == nil {
		t.Errorf("prepared for the farm are %v, want its one chain", farm.Prepared)
	}
	if got := proxyRoute(route[0]).ErrorOn; len(got) != 1 || got[0] != 503 {
		t.Errorf("error_on is %v", got)
	}
}

func TestMuOfTheFarmIsThePriorOfOurs(t *testing.T) {
	f := prepare(t, "{head}\n[[serve]]\nfarm = \"web\"\norigin = \""+origin(t, "o1").URL+"\"\n")
	if err := f.open(Options{}); err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	if n := f.describe(now); n.Services[0].Mu != 0 {
		t.Errorf("Mu is %v while nobody has served anything", n.Services[0].Mu)
	}
	peer := &node.Node{
		ID: node.NewID(), Name: "www2", Addr: netip.MustParseAddrPort("10.58.4.2:80"), State: node.Up, Heard: now,
		Interval: time.Second, Services: []node.Service{{Farm: "web", Ready: true, Slots: 4, Mu: 20}},
	}
	f.snapshot.Store(node.NewSnapshot(node.Parts{
		Taken: now, Self: f.state.id, Nodes: []*node.Node{peer, f.self.Load()}, Live: node.NewLiveSet(),
	}))
	if n := f.describe(now); n.Services[0].Mu != 20 {
		t.Errorf("Mu is %v, want that of the others until something is known", n.Services[0].Mu)
	}
	f.run() // and ends
}
