package status

import (
	"fmt"
	"net/netip"
	"net/url"
	"time"

	"backhand/gossip/node"
)

// now is when all the tests look at their clusters.
var now = time.Date(2026, 11, 21, 21, 33, 45, 0, time.UTC)

// at returns a fixed id that is easy to find in a golden file.
func id(n byte) node.ID { return node.ID{0: n, 15: n} }

// a node that was heard half a second ago and serves those farms, idle and well.
func aNode(n byte, name string, farms ...string) *node.Node {
	out := &node.Node{
		ID: id(n), Boot: 1, Sequence: 100, Name: name, Addr: netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 58, 4, n}), 80),
		State: node.Up, VersionMin: 1, VersionMax: 1, ConfigHash: 0xc0ffee, Interval: time.Second,
		Heard: now.Add(-500 * time.Millisecond),
		Stats: node.Stats{
			CPUs: 4, Speed: 1000 + float64(n), Load1: 0.5, CPUIdle: 0.93, MemTotal: 8 << 30, MemAvailable: 6 << 30,
			SendLate: 2 * time.Millisecond,
		},
	}
	for _, f := range farms {
		out.Services = append(out.Services, node.Service{
			Farm: f, Ready: true, Slots: 4, Mu: 20, Workers: 20, Busy: 5, InFlight: 3, Arrivals: 2,
			Served: 957, ServeTime: 6695 * time.Microsecond,
		})
	}
	return out
}

// crowd returns that many nodes that say they are leaving, of names that are sorted before all others.
func crowd(size int, farms ...string) []*node.Node {
	out := make([]*node.Node, 0, size)
	for i := range size {
		n := aNode(0, fmt.Sprintf("!%d", i), farms...)
		n.ID, n.State = node.ID{0: 0xff, 1: byte(i >> 8), 2: byte(i)}, node.Leaving
		n.Addr = netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 66, byte(i >> 8), byte(i)}), 80)
		out = append(out, n)
	}
	return out
}

// physical is a server without an agent.
func physical(farm, name, to string) node.Physical {
	u, err := url.Parse(to)
	if err != nil {
		panic(err)
	}
	return node.Physical{Farm: farm, Name: name, URL: u}
}

// snapshot is taken a tenth of a second ago by the first node.
func snapshot(live *node.LiveSet, nodes []*node.Node, physicals ...node.Physical) *node.Snapshot {
	return node.NewSnapshot(node.Parts{
		Taken: now.Add(-100 * time.Millisecond), Self: id(1), Nodes: nodes, Physicals: physicals, HighWater: 8, Live: live,
	})
}

// hand counts that many requests that were handed to the member, and that have ended but for the last few.
func hand(s *node.Snapshot, farm, name string, requests, underWay int) {
	for _, m := range s.Farm(farm).Members {
		if m.Name == name {
			for i := range requests {
				m.Live.Start()
				if i >= underWay {
					m.Live.End()
				}
			}
			return
		}
	}
	panic("no member " + name)
}

// seedInfo is that of the balancer of the seed cluster.
func seedInfo() Info {
	return Info{
		Cluster: "web", Name: "balancer", ID: id(1), State: node.Up, Version: "0.1.0", Build: "1a2b3c4 go1.26",
		Started: now.Add(-26 * time.Hour), ConfigPath: "/etc/backhand/backhand.toml", ConfigHash: 0xc0ffee,
		Routes: []Route{
			{
				Name: "/", Farm: "web", Chain: []string{"removeSelf", "byAge 6", "byRandom", "byLogWindow", "byLoad"}, Sorts: true,
				WhenEmpty: "503", Requests: 1000, Empty: 2, Dropped: []uint64{0, 998, 0, 1540, 0},
			},
			{
				Name: "www.example.org/reports *.php", Farm: "reports", Chain: []string{"byRandom"}, Dropped: []uint64{0},
				WhenEmpty: "self", Requests: 17,
			},
		},
		Warnings:        []string{"gossip.accept covers 0.0.0.0/0: any host can pose as a node"},
		Unauthenticated: true, Requests: 1017, LogLost: 4,
		Beats:  Beats{Sent: 93600, Received: 280000, Rejected: []Count{{"cidr", 12}, {"cluster", 0}}},
		Viewer: "192.0.2.7",
		Listeners: []Listener{
			{Name: ":80", Open: 512, Accepted: 90210, Refused: []Count{{"listener", 3}, {"address", 17}}},
			{Name: ":443", Open: 12, Accepted: 40, Refused: []Count{{"listener", 0}, {"address", 0}}, Handshake: 5},
		},
	}
}

// seedCluster has a member in each of the states.
func seedCluster() *node.Snapshot {
	nodes := []*node.Node{
		aNode(1, "balancer"),
		aNode(2, "www1", "web", "reports"),
		aNode(3, "www2", "web"),
		aNode(4, "www3", "web"),
		aNode(5, "www4", "web"),
		aNode(6, "www5", "web"),
		aNode(7, "www6", "web"),
		aNode(8, "www7", "web"),
	}
	nodes[0].Heard = now
	nodes[2].State = node.Draining
	nodes[3].Heard = now.Add(-258949 * time.Second) // as on the ancestor's page
	nodes[4].Services[0].Ready, nodes[4].Services[0].Why = false, "connection refused"
	nodes[5].State = node.Leaving
	nodes[6].State, nodes[6].Heard = node.Leaving, now.Add(-9*time.Second)
	nodes[7].Direct, nodes[7].TLS, nodes[7].Zone = true, true, "north"
	nodes[7].Labels = []node.Label{{Key: "gpu"}, {Key: "rack", Value: "r7"}}
	nodes[1].Stats.Load1, nodes[1].Stats.CPUIdle = 3.7, 0.08
	s := snapshot(node.NewLiveSet(), nodes,
		physical("reports", "app01", "http://10.58.4.21:8080/"), physical("reports", "app02", "https://app02.example.org/"))
	hand(s, "web", "www1", 600, 3)
	hand(s, "web", "www2", 300, 1)
	hand(s, "web", "www7", 98, 0)
	hand(s, "reports", "app01", 17, 0)
	for _, m := range s.Farm("reports").Members {
		if m.Name == "app02" {
			m.Live.ConnectFailed(now.Add(-200 * time.Millisecond))
		}
	}
	return s
}

// evil is a name of 255 bytes as a hostile host would announce it.
func evil() string {
	s := "</td><script>alert(1)</script>\"'><img src=x onerror=alert(2)>\x1b[2J\x1b]0;pwned\x07\x00\r\n\u202e\u009b31m\xff\xfe"
	for len(s) < node.MaxName {
		s += "\x1b"
	}
	return s[:node.MaxName]
}
