package doctor

import (
	"net"
	"net/netip"
	"time"

	"backhand/gossip"
	"backhand/gossip/node"
)

func addr(s string) netip.Addr         { return netip.MustParseAddr(s) }
func addrPort(s string) netip.AddrPort { return netip.MustParseAddrPort(s) }
func prefix(s string) netip.Prefix     { return netip.MustParsePrefix(s) }

const groupText = "239.255.221.20:4445,1"

// www returns peer i as it announces itself.
func www(i byte) Heard {
	a := netip.AddrFrom4([4]byte{10, 58, 4, i})
	return Heard{
		ID: node.ID{i}, Name: "www" + string('0'+rune(i)), Addr: netip.AddrPortFrom(a, 80), State: node.Up, From: a,
	}
}

// beats returns a source of n beats of one kind, by the nodes if they were taken.
func beats(from string, k kind, n int, nodes ...Heard) Source {
	s := Source{From: addr(from), Nodes: nodes}
	s.Count[k] = n
	return s
}

// healthy returns the facts of a host www1 that hears www2 and www3, and whom both hear. No agent runs on it.
func healthy() *Facts {
	const up = net.FlagUp | net.FlagRunning
	group, err := gossip.ParseDestination(groupText)
	if err != nil {
		panic(err)
	}
	two, three := www(2), www(3)
	return &Facts{
		Config: Config{
			File: "backhand.toml", Hash: "00000000000000aa", Cluster: "web", Name: "www1", Address: addrPort("10.58.4.1:80"),
			Send: []gossip.Destination{group}, Accept: []netip.Prefix{prefix("10.58.4.0/24")},
			Source: addr("10.58.4.1"), Interval: time.Second,
		},
		NoAgent: "no agent answers at /state/control.sock",
		Took:    5 * time.Second,
		Interfaces: []Interface{
			{Name: "lo", Flags: up | net.FlagLoopback, MTU: 65536, Addrs: []netip.Prefix{prefix("127.0.0.1/8")}},
			{
				Name: "eth0", Flags: up | net.FlagMulticast | net.FlagBroadcast, MTU: 1500,
				Addrs: []netip.Prefix{prefix("10.58.4.1/24")},
			},
		},
		Kernel: Kernel{
			RPFilter: map[string]int{"all": 0, "eth0": 0}, IGMP: map[string]string{"lo": "V3", "eth0": "V3"}, BufferMax: 4 << 20,
			Routes: []Route{
				{Network: prefix("0.0.0.0/0"), Interface: "eth0"}, {Network: prefix("10.58.4.0/24"), Interface: "eth0"},
			},
		},
		Links: []Link{{
			To: groupText, Addr: group.Addr, TTL: 1, Sent: 7, Own: 7,
			Sources:   []Source{beats("10.58.4.2", taken, 5, two), beats("10.58.4.3", taken, 5, three)},
			WireKnown: true, Wire: []Arrival{{addr("10.58.4.2"), 5}, {addr("10.58.4.3"), 5}},
		}},
		Answers: []Answer{
			{Name: two.Name, Addr: two.Addr, Lists: true, Age: time.Second},
			{Name: three.Name, Addr: three.Addr, Lists: true, Age: time.Second},
		},
	}
}

// alone takes all peers away, as if nothing of them came.
func (f *Facts) withoutPeers() *Facts {
	f.Links[0].Sources, f.Links[0].Wire, f.Answers = nil, nil, nil
	return f
}

// withAgent has the agent of this host run, which knows the same peers.
func (f *Facts) withAgent() *Facts {
	f.Agent = &Agent{
		ID: node.ID{1}.String(), Name: "www1", Cluster: "web", State: "up", ConfigHash: f.Hash, Uptime: 10 * time.Minute, Sent: 5,
	}
	for i := byte(2); i <= 3; i++ {
		w := www(i)
		f.Agent.Nodes = append(f.Agent.Nodes, Known{ID: w.ID.String(), Name: w.Name, Addr: w.Addr, Age: time.Second, Interval: time.Second})
	}
	f.NoAgent, f.Links[0].Sent = "", 0
	return f
}
