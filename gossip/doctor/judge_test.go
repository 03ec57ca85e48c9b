package doctor

import (
	"flag"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"backhand/gossip"
	"backhand/gossip/node"
)

var update = flag.Bool("update", false, "write testdata/judge.txt anew")

// judged are sets of facts, and which checks they fail. What is printed of each stands in testdata/judge.txt.
var judged = []struct {
	name   string
	change func(f *Facts)
	failed string
}{
	{"all is well", func(*Facts) {}, ""},
	{"all is well, and the agent runs", func(f *Facts) { f.withAgent() }, ""},
	{"the file has mistakes", func(f *Facts) { f.Mistakes = []string{"backhand.toml:3: no such thing", "backhand.toml:9: nor this"} }, "configuration"},
	{"an agent that is alone", func(f *Facts) { f.Send = nil }, ""},
	{"the agent runs by another file", func(f *Facts) { f.withAgent().Agent.ConfigHash = "00000000000000bb" }, ""},
	{"the agent runs in another cluster", func(f *Facts) { f.withAgent().Agent.Cluster = "wbe" }, "agent"},

	{"no interface has the address", func(f *Facts) { f.Source = addr("10.58.4.77"); f.withoutPeers().Links[0].Refused = "no" }, "interface"},
	{"the interface that is named is not there", func(f *Facts) { f.Interface = "eth7"; f.withoutPeers().Links[0].Refused = "no" }, "interface"},
	{"the interface is down", func(f *Facts) { f.withoutPeers().Interfaces[1].Flags = net.FlagMulticast }, "interface"},
	{"the cable is pulled", func(f *Facts) { f.withoutPeers().Interfaces[1].Flags = net.FlagUp | net.FlagMulticast }, "interface"},
	{"an interface without MULTICAST", func(f *Facts) { f.withoutPeers().Interfaces[1].Flags = net.FlagUp | net.FlagRunning }, "interface"},
	{"an interface without an address", func(f *Facts) { f.Interface = "eth0"; f.withoutPeers().Interfaces[1].Addrs = nil }, "interface"},
	{"beats go by another interface than node.address is on", func(f *Facts) { f.withoutPeers().second(); f.Interface = "eth1" }, "interface"},
	{"the same, and peers are heard by it", func(f *Facts) { f.second(); f.Interface = "eth1" }, ""},
	{"beats come by an interface on which nobody listens", func(f *Facts) {
		f.withoutPeers().second()
		f.Links[0].Elsewhere = []Elsewhere{{"eth1", addr("10.9.9.2")}}
	}, "elsewhere"},
	{"an MTU of 576", func(f *Facts) { f.Interfaces[1].MTU = 576 }, "mtu"},
	{"a small receive buffer", func(f *Facts) { f.Kernel.BufferMax = 212992 }, ""},
	{"a receive buffer that ran over", func(f *Facts) { f.Kernel.Overrun = 1 }, ""},

	{"the port is taken", func(f *Facts) {
		f.withoutPeers().Links[0] = Link{To: groupText, Addr: f.Links[0].Addr, TTL: 1, Refused: "in use", Taken: true, Holders: []string{"dnsmasq (pid 7)"}}
	}, "port"},
	{"the port is taken by a program of somebody else", func(f *Facts) {
		f.withoutPeers().Links[0] = Link{To: groupText, Addr: f.Links[0].Addr, TTL: 1, Refused: "in use", Taken: true}
	}, "port"},
	{"our own agent shares the port", func(f *Facts) { f.withAgent().Links[0].Holders = []string{"backhand (pid 12)", "backhand (pid 13)"} }, ""},
	{"the socket cannot be opened", func(f *Facts) {
		f.withoutPeers().Links[0] = Link{To: groupText, Addr: f.Links[0].Addr, TTL: 1, Refused: "join the group: permission denied"}
	}, "port"},
	{"beats do not leave", func(f *Facts) {
		l := &f.withoutPeers().Links[0]
		l.Sent, l.Own, l.SendError = 0, 0, "sendmsg: network is unreachable"
	}, "sending"},
	{"the agent does not send", func(f *Facts) { f.withAgent().withoutPeers().Agent.Sent = 0; f.Links[0].Own = 0 }, "sending"},
	{"the interval is longer than we have listened", func(f *Facts) {
		f.withAgent().Agent.Sent, f.Interval = 0, time.Minute
		f.Links[0].Own = 0
	}, ""},
	{"TTL 0 on a real interface", func(f *Facts) { f.withoutPeers().Links[0].TTL = 0; f.Links[0].To = "239.255.221.20:4445,0" }, "ttl"},
	{"TTL 0 on loopback", func(f *Facts) {
		f.Source, f.Address, f.Accept = addr("127.0.0.1"), addrPort("127.0.0.1:80"), []netip.Prefix{prefix("127.0.0.0/8")}
		f.Links[0].TTL = 0
		f.Links[0].Sources = []Source{beats("127.0.0.1", taken, 5, Heard{ID: node.ID{2}, Name: "www2", Addr: addrPort("127.0.0.2:80"), State: node.Up, From: addr("127.0.0.1")})}
		f.Links[0].Wire, f.Answers = []Arrival{{addr("127.0.0.1"), 5}}, f.Answers[:1]
	}, ""},
	{"nobody else is there, on loopback", func(f *Facts) {
		f.withoutPeers().Source, f.Address, f.Accept = addr("127.0.0.1"), addrPort("127.0.0.1:80"), []netip.Prefix{prefix("127.0.0.0/8")}
		f.Links[0].WireKnown = false
	}, "peers"},
	{"TTL 1, and all peers are to be elsewhere", func(f *Facts) { f.withoutPeers().Accept = []netip.Prefix{prefix("10.77.0.0/16")} }, "ttl"},
	{"TTL 1, all peers are to be elsewhere, and a firewall drops what they send", func(f *Facts) {
		f.Accept, f.Links[0].Sources, f.Answers = []netip.Prefix{prefix("10.77.0.0/16")}, nil, nil
		f.Links[0].Wire = []Arrival{{addr("10.77.0.9"), 5}}
	}, "firewall"},
	{"TTL 1, and some peers may be elsewhere", func(f *Facts) { f.Accept = append(f.Accept, prefix("10.77.0.0/16")) }, ""},
	{"TTL 1, and a peer elsewhere does not hear us", func(f *Facts) {
		far := Heard{ID: node.ID{9}, Name: "far", Addr: addrPort("10.77.0.9:80"), State: node.Up, From: addr("10.77.0.9")}
		f.Accept = append(f.Accept, prefix("10.77.0.0/16"))
		f.Links[0].Sources = []Source{beats("10.77.0.9", taken, 5, far)}
		f.Links[0].Wire = []Arrival{{far.From, 5}}
		f.Answers = []Answer{{Name: "far", Addr: far.Addr}}
	}, "ttl hears"},
	{"broadcast", func(f *Facts) { f.toBroadcast("10.58.4.255:4445") }, ""},
	{"broadcast to a network that we are not in", func(f *Facts) { f.withoutPeers().toBroadcast("10.58.5.255:4445") }, "broadcast"},
	{"broadcast, and nobody is there", func(f *Facts) { f.withoutPeers().toBroadcast("10.58.4.255:4445") }, "peers"},

	{"a firewall drops UDP, seen as root", func(f *Facts) { f.Links[0].Sources, f.Links[0].Own, f.Answers = nil, 0, nil }, "loopback"},
	{"a firewall drops UDP, seen as anybody", func(f *Facts) { l := &f.withoutPeers().Links[0]; l.Own, l.WireKnown = 0, false }, "loopback"},
	{"a firewall drops what one peer sends", func(f *Facts) { f.Links[0].Sources = f.Links[0].Sources[1:]; f.Answers = f.Answers[1:] }, "firewall"},
	{"a firewall drops what all peers send", func(f *Facts) { f.Links[0].Sources, f.Answers = nil, nil }, "firewall"},
	{"strict rp_filter, and no other route", func(f *Facts) { f.Kernel.RPFilter["all"] = 1 }, ""},
	{"strict rp_filter drops a network that is routed elsewhere", func(f *Facts) {
		f.withoutPeers().Kernel.RPFilter["eth0"] = 1
		f.Accept = append(f.Accept, prefix("192.168.77.0/24"))
		f.Kernel.Routes[0].Interface = "eth1"
		f.Links[0].Wire = []Arrival{{addr("192.168.77.9"), 5}}
	}, "rp_filter"},
	{"strict rp_filter drops one peer, and a firewall another", func(f *Facts) {
		f.Kernel.RPFilter["all"] = 1
		f.Accept = append(f.Accept, prefix("192.168.77.0/24"))
		f.Kernel.Routes[0].Interface = "eth1"
		f.Links[0].TTL = 2
		f.Links[0].Wire = append(f.Links[0].Wire, Arrival{addr("192.168.77.9"), 5}, Arrival{addr("10.58.4.7"), 5})
	}, "rp_filter firewall"},
	{"loose rp_filter drops a network without a route, as the wire was not looked at", func(f *Facts) {
		f.withoutPeers().Kernel.RPFilter["all"] = 2
		f.Accept = []netip.Prefix{prefix("192.168.77.0/24")}
		f.Kernel.Routes = f.Kernel.Routes[1:]
		f.Links[0].WireKnown, f.Links[0].TTL = false, 2
	}, "rp_filter"},

	{"another cluster's beats, and none of ours", func(f *Facts) {
		f.Links[0].Sources, f.Answers = []Source{beats("10.58.4.2", otherCluster, 5), beats("10.58.4.3", otherCluster, 5)}, nil
	}, "cluster"},
	{"another cluster beside ours", func(f *Facts) { f.Links[0].add(beats("10.58.4.9", otherCluster, 5)) }, ""},
	{"another version", func(f *Facts) {
		f.Links[0].Sources, f.Answers = []Source{beats("10.58.4.2", otherVersion, 5)}, nil
		f.Links[0].Wire = nil
	}, "version"},
	{"something else on the port", func(f *Facts) { f.Links[0].add(beats("10.58.4.9", noBeat, 5)) }, ""},
	{"a CIDR that drops everybody", func(f *Facts) { f.Accept = []netip.Prefix{prefix("10.58.0.0/26")}; f.Answers = nil }, "accept"},
	{"nothing is accepted", func(f *Facts) { f.Accept, f.Answers = nil, nil }, "accept"},
	{"a CIDR that drops one", func(f *Facts) {
		f.Accept = []netip.Prefix{prefix("10.58.4.0/30")}
		f.Links[0].add(beats("10.58.4.8", taken, 5, www(8)))
	}, ""},
	{"a peer beyond this network is not accepted", func(f *Facts) { f.Links[0].TTL = 3; f.Links[0].add(beats("192.168.77.9", taken, 5)) }, ""},

	{"no keys here, and sealed beats there", func(f *Facts) { f.unreadable(notHeld, 3) }, "keys"},
	{"a key that is not held", func(f *Facts) { f.withKey(1).unreadable(notHeld, 3) }, "keys"},
	{"another secret of the same number", func(f *Facts) { f.withKey(1).unreadable(forged, 1) }, "keys"},
	{"unsealed beats, and we take none", func(f *Facts) { f.withKey(1).unreadable(unsealed, 0) }, "keys"},
	{"one peer has no keys", func(f *Facts) { f.withKey(1).Links[0].add(beats("10.58.4.8", unsealed, 5)) }, "keys"},
	{"a peer that does not hold our key", func(f *Facts) { f.withKey(2).Links[0].Sources[0].Nodes[0].Keys = []node.KeyMark{{ID: 1, Mark: 7}} }, "keys"},
	{"all hold our key", func(f *Facts) { f.withKey(1) }, ""},
	{"a node announces an address that is not accepted", func(f *Facts) {
		odd := www(8)
		odd.Addr = addrPort("10.9.0.8:80")
		f.Links[0].add(beats("10.58.4.8", taken, 5, odd))
	}, "address"},
	{"another host has our id", func(f *Facts) { f.Clones = []Heard{www(8)} }, "identity"},

	{"nobody else is there", func(f *Facts) { f.withoutPeers() }, "peers"},
	{"nobody else is heard, and there is a querier", func(f *Facts) { f.withoutPeers().Kernel.IGMP["eth0"] = "V2" }, "peers"},
	{"nobody else is heard by IPv6", func(f *Facts) {
		f.Interfaces[1].Addrs = append(f.Interfaces[1].Addrs, prefix("fd58:4::1/64"))
		l := &f.withoutPeers().Links[0]
		l.To, l.Addr = "[ff05::db8:4445]:4445,1", addrPort("[ff05::db8:4445]:4445")
	}, "peers"},
	{"all peers fell silent: IGMP snooping without a querier", func(f *Facts) {
		f.withAgent().withoutPeers()
		for i := range f.Agent.Nodes {
			f.Agent.Nodes[i].Age = time.Duration(200+i) * time.Second
		}
	}, "peers"},
	{"one of the peers fell silent", func(f *Facts) {
		f.withAgent().Links[0].Sources = f.Links[0].Sources[:1]
		f.Links[0].Wire, f.Answers = f.Links[0].Wire[:1], f.Answers[:1]
		f.Agent.Nodes[1].Age = 5 * time.Minute
	}, ""},
	{"another doctor is no peer", func(f *Facts) {
		d := www(2)
		d.State = node.Leaving
		f.withoutPeers().Links[0].add(beats("10.58.4.2", taken, 5, d))
	}, "peers"},
	{"the agent has findings", func(f *Facts) { f.withAgent().Agent.Findings = []string{"this agent is late by 3 s"} }, ""},

	{"one-way", func(f *Facts) {
		f.Answers[0].Lists = false
		f.Answers[0].Rejected = []Count{{"cidr", 12}, {"replay", 9}, {"full", 0}, {"stranger", 3}, {"flood", 2}}
	}, "hears"},
	{"one-way, since a while", func(f *Facts) { f.Answers[0].Age, f.Answers[1].Age = time.Minute, time.Hour }, "hears"},
	{"peers do not let us look", func(f *Facts) { f.Answers[0].Error, f.Answers[1].Error = "status 403", "nothing within 3s" }, ""},
	{"one peer does not let us look", func(f *Facts) { f.Answers[0].Error = "status 403" }, ""},
	{"clocks differ", func(f *Facts) { f.Answers[0].Ahead = 37 * time.Second }, ""},
	{"a clock is behind", func(f *Facts) { f.Answers[1].Ahead = -2 * time.Hour }, ""},

	{"unicast", func(f *Facts) { f.toPeers() }, ""},
	{"unicast: a name does not resolve", func(f *Facts) { f.toPeers().PeerPlaces[1] = Place{Name: "web.example.com:4445", Error: "no such host"} }, "names"},
	{"unicast: no name resolves", func(f *Facts) {
		f.toPeers().withoutPeers().PeerPlaces = []Place{{Name: "web.example.com:4445", Error: "no such host"}}
		f.Links[0].Sent = 0
	}, "names"},
	{"unicast: no answer from one", func(f *Facts) { f.toPeers().PeerPlaces[1].Addrs = []netip.AddrPort{addrPort("10.58.4.9:4445")} }, "answers"},
	{"unicast: a firewall drops what they send", func(f *Facts) { f.toPeers().Links[0].Sources, f.Answers = nil, nil }, "firewall"},
	{"unicast: a CIDR drops one of them", func(f *Facts) {
		f.toPeers().Accept = []netip.Prefix{prefix("10.58.4.0/31"), prefix("10.58.4.2/32")}
		f.Answers = f.Answers[:1]
	}, "accept"},
	{"unicast: the agent hears them", func(f *Facts) { f.withAgent().toPeers().Links = nil }, ""},
	{"unicast: the agent hears nobody, and drops what comes", func(f *Facts) {
		f.withAgent().toPeers().Links = nil
		f.Agent.Nodes, f.Answers = nil, nil
		f.Agent.Rejected = []Count{{"cidr", 0}, {"forged", 5}}
	}, "answers"},
	{"unicast: an agent has the port, and may not be asked", func(f *Facts) {
		f.toPeers().withoutPeers().PeerPlaces = nil
		f.Links[0] = Link{To: "gossip.peers", Addr: addrPort("10.58.4.1:4445"), Unicast: true, ByAgent: true}
	}, ""},
	{"unicast beside multicast, which carries nothing", func(f *Facts) {
		group := f.withoutPeersButAnswers().Links[0]
		f.toPeers().Links = []Link{group, {
			To: "gossip.peers", Addr: addrPort("10.58.4.1:4445"), Unicast: true, Sent: 5,
			Sources: []Source{beats("10.58.4.2", taken, 5, www(2)), beats("10.58.4.3", taken, 5, www(3))},
		}}
	}, "peers 239.255.221.20:4445,1"},
	{"seeds", func(f *Facts) { f.withAgent().toSeeds("", "") }, ""},
	{"seeds: one does not answer", func(f *Facts) { f.withAgent().toSeeds("", "connection refused") }, ""},
	{"seeds: none answers", func(f *Facts) {
		f.withAgent().toSeeds("nothing within 2s", "connection refused").Agent.Nodes = nil
		f.Answers = nil
	}, "doors"},

	{"seeds: nobody is known yet", func(f *Facts) {
		f.withAgent().toSeeds("", "").Agent.Nodes = nil
		f.Answers = nil
	}, "members"},
	{"seeds, and no agent runs", func(f *Facts) { f.toSeeds("", "").Answers = nil }, ""},

	{"names that attack a terminal", func(f *Facts) {
		evil := "\x1b[2J\x1b]0;owned\a\u202eevil\n" + strings.Repeat("x", 300)
		f.Links[0].Sources[0].Nodes[0].Name = evil
		f.Answers[0].Name, f.Answers[0].Lists = evil, false
		f.Answers[0].Rejected = []Count{{evil[:20], 1}}
		f.Clones = []Heard{{Name: evil, From: addr("10.58.4.66")}}
	}, "identity hears"},
}

// second gives the host another interface.
func (f *Facts) second() *Facts {
	f.Interfaces = append(f.Interfaces, Interface{
		Name: "eth1", Flags: net.FlagUp | net.FlagRunning | net.FlagMulticast, MTU: 1500, Addrs: []netip.Prefix{prefix("10.9.9.1/24")},
	})
	return f
}

func (f *Facts) toBroadcast(to string) *Facts {
	f.Send = []gossip.Destination{{Addr: addrPort(to)}}
	f.Links[0].To, f.Links[0].Addr, f.Links[0].TTL = to, addrPort(to), 0
	return f
}

// withKey gives the host, and all peers, a key.
func (f *Facts) withKey(id uint8) *Facts {
	f.Held, f.Sealing = []node.KeyMark{{ID: id, Mark: 42}}, id
	for i := range f.Links[0].Sources {
		n := &f.Links[0].Sources[i].Nodes[0]
		n.Keys, n.Key = f.Held, id
	}
	return f
}

// unreadable makes the beats of all peers be of that kind.
func (f *Facts) unreadable(k kind, key uint8) *Facts {
	f.Answers = nil
	for i, s := range f.Links[0].Sources {
		f.Links[0].Sources[i] = beats(s.From.String(), k, 5)
		f.Links[0].Sources[i].KeyID = key
	}
	return f
}

func (l *Link) add(s Source) {
	l.Sources, l.Wire = append(l.Sources, s), append(l.Wire, Arrival{s.From, 5})
}

func (f *Facts) withoutPeersButAnswers() *Facts {
	answers := f.Answers
	f.withoutPeers().Answers = answers
	return f
}

// toPeers has beats go to gossip.peers instead of a group.
func (f *Facts) toPeers() *Facts {
	f.Send, f.Listen = nil, addrPort("10.58.4.1:4445")
	f.Config.Peers = []gossip.Peer{{Host: "10.58.4.2", Port: 4445}, {Host: "web.example.com", Port: 4445}}
	f.PeerPlaces = []Place{
		{Name: "10.58.4.2:4445", Addrs: []netip.AddrPort{addrPort("10.58.4.2:4445")}},
		{Name: "web.example.com:4445", Addrs: []netip.AddrPort{addrPort("10.58.4.3:4445")}},
		{Name: "10.58.4.1:4445", Addrs: []netip.AddrPort{addrPort("10.58.4.1:4445")}, Self: true},
	}
	l := &f.Links[0]
	l.To, l.Addr, l.Unicast, l.TTL, l.Own = "gossip.peers", f.Listen, true, 0, 0
	return f
}

// toSeeds has memberlist carry the beats, whose seeds answer like that.
func (f *Facts) toSeeds(two, three string) *Facts {
	f.Send, f.Links = nil, nil
	f.Members = true
	f.Seeds = []gossip.Peer{{Host: "10.58.4.2", Port: 4446}, {Host: "10.58.4.3", Port: 4446}}
	for i, why := range []string{two, three} {
		a := addrPort(fmt.Sprintf("10.58.4.%d:4446", 2+i))
		f.SeedPlaces = append(f.SeedPlaces, Place{
			Name: a.String(), Addrs: []netip.AddrPort{a}, Doors: map[string]string{a.String(): why},
		})
	}
	return f
}

func TestJudge(t *testing.T) {
	const golden = "testdata/judge.txt"
	var all strings.Builder
	for _, c := range judged {
		f := healthy()
		c.change(f)
		r := Judge(f)
		var failed []string
		for _, res := range r.Checks {
			if res.State == Fail {
				failed = append(failed, res.Check)
			}
		}
		if got := strings.Join(failed, " "); got != c.failed || r.Failed != len(failed) {
			t.Errorf("%s: %q failed (%d), want %q", c.name, got, r.Failed, c.failed)
		}
		fmt.Fprintf(&all, "-- %s --\n", c.name)
		if err := r.WriteText(&all); err != nil {
			t.Fatal(err)
		}
		all.WriteString("\n")
	}
	if *update {
		if err := os.WriteFile(golden, []byte(all.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatalf("%v; go test -update writes it", err)
	}
	if diff := cmp.Diff(string(want), all.String()); diff != "" {
		t.Errorf("%s (go test -update writes it anew, if that is meant):\n%s", golden, diff)
	}
}

// Judge looks at nothing but the facts, changes none of them, and does not depend on what is missing.
func TestJudgeIsPure(t *testing.T) {
	for _, c := range judged {
		f := healthy()
		c.change(f)
		first := Judge(f)
		if diff := cmp.Diff(first, Judge(f)); diff != "" {
			t.Errorf("%s: judged again: %s", c.name, diff)
		}
	}
	Judge(&Facts{Config: Config{Send: []gossip.Destination{{}}}, Links: []Link{{}}}) // nothing is known
}

// What strangers write reaches nobody's terminal, by whatever way.
func TestReportIsClean(t *testing.T) {
	for _, c := range judged {
		f := healthy()
		c.change(f)
		r := Judge(f)
		texts := []string{r.Verdict}
		for _, res := range r.Checks {
			texts = append(texts, res.Check, res.Text, res.Do)
		}
		for _, s := range texts {
			if clean(s) != s || strings.ContainsAny(s, "\x1b\n\a\u202e") {
				t.Errorf("%s: %q", c.name, s)
			}
			if len(s) > 1000 {
				t.Errorf("%s: %d bytes: %.80q", c.name, len(s), s)
			}
		}
	}
}
