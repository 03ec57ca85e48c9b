package proxy

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"backhand/gossip/node"
)

const someID = "00112233445566778899aabbccddeeff"

func TestParseHop(t *testing.T) {
	good := "v1 " + someID + " web 192.0.2.7 https"
	h, err := parseHop(good)
	id, _ := node.ParseID(someID)
	want := hop{Sender: id, Farm: "web", Client: netip.MustParseAddr("192.0.2.7"), Proto: "https"}
	if err != nil || h != want {
		t.Errorf("parseHop(%q) = %+v, %v; want %+v", good, h, err, want)
	}
	for _, tc := range []struct {
		what, line string
	}{
		{"an empty line", ""},
		{"another version", strings.Replace(good, "v1", "v2", 1)},
		{"a word more", good + " x"},
		{"a word less", "v1 " + someID + " web 192.0.2.7"},
		{"a space more", strings.Replace(good, " web", "  web", 1)},
		{"a space at the end", good + " "},
		{"an id in upper case", strings.Replace(good, "aabb", "AABB", 1)},
		{"a short id", "v1 0011 web 192.0.2.7 http"},
		{"a farm with letters beyond ASCII", strings.Replace(good, "web", "w\u00e9b", 1)},
		{"a farm of 33 bytes", strings.Replace(good, "web", strings.Repeat("w", 33), 1)},
		{"a client with a port", strings.Replace(good, "2.7", "2.7:80", 1)},
		{"a client with a zone", strings.Replace(good, "192.0.2.7", "fe80::1%eth0", 1)},
		{"IPv4 in IPv6", strings.Replace(good, "192.0.2.7", "::ffff:192.0.2.7", 1)},
		{"an address written at length", strings.Replace(good, "192.0.2.7", "2001:db8:0:0:0:0:0:1", 1)},
		{"another protocol", strings.Replace(good, "https", "gopher", 1)},
		{"300 bytes", good + strings.Repeat(" ", 300)},
	} {
		if h, err := parseHop(tc.line); err == nil {
			t.Errorf("%s: %q is taken for %+v", tc.what, tc.line, h)
		}
	}
}

func FuzzHop(f *testing.F) {
	f.Add("v1 " + someID + " web 192.0.2.7 https")
	f.Add("v1 " + someID + " a:b/c 2001:db8::1 http")
	f.Add("v1  web 192.0.2.7 http")
	f.Add("v1 " + someID + " web fe80::1%eth0 http")
	f.Fuzz(func(t *testing.T, s string) {
		h, err := parseHop(s)
		if err != nil {
			return
		}
		if string(h.append(nil)) != s {
			t.Errorf("%q is read as %q", s, h)
		}
		if !h.Client.IsValid() || h.Client.Zone() != "" || h.Client.Is4In6() || !validFarm(h.Farm) {
			t.Errorf("%q gives %+v", s, h)
		}
	})
}

func TestBelieve(t *testing.T) {
	now := time.Now()
	n := func(name, addr, from string, heard time.Duration) *node.Node {
		return &node.Node{
			ID: idOf(name), Name: name, Addr: netip.MustParseAddrPort(addr), From: netip.MustParseAddr(from),
			State: node.Up, Interval: time.Second, Heard: now.Add(-heard),
		}
	}
	silent := n("slow", "10.0.0.6:80", "10.0.0.6", 100*time.Second)
	silent.Interval = 20 * time.Second
	apache := n("apache", "10.0.0.7:80", "10.0.0.7", 0)
	apache.Untrusted = true
	snap := node.NewSnapshot(node.Parts{Taken: now, Self: idOf("me"), Live: node.NewLiveSet(), Nodes: []*node.Node{
		n("me", "10.0.0.1:80", "10.0.0.1", 0), n("front", "10.0.0.2:80", "10.0.0.3", time.Second),
		n("far", "172.16.0.1:80", "172.16.0.1", 0), n("old", "10.0.0.5:80", "10.0.0.5", 61*time.Second), silent,
		n("six", "[2001:db8::1]:80", "2001:db8::1", 0), apache,
	}})
	h := New(Config{
		Self: idOf("me"), Snapshot: func() *node.Snapshot { return snap },
		Accept: func(a netip.Addr) bool {
			return netip.MustParsePrefix("10.0.0.0/24").Contains(a) || netip.MustParsePrefix("2001:db8::/64").Contains(a)
		},
	}, &Site{})
	for _, tc := range []struct{ what, name, from, want string }{
		{"the node's address", "front", "10.0.0.2", ""},
		{"the source of its beats", "front", "10.0.0.3", ""},
		{"IPv6", "six", "2001:db8::1", ""},
		{"another accepted address", "front", "10.0.0.9", "another address"},
		{"another node's address", "front", "10.0.0.5", "another address"},
		{"an address that is not accepted", "far", "172.16.0.1", "not accepted"},
		{"a node that nobody knows", "ghost", "10.0.0.2", "do not know"},
		{"a host that only sends heartbeats", "apache", "10.0.0.7", "nobody vouches"},
		{"ourselves", "me", "10.0.0.1", "our own name"},
		{"silent for more than a minute", "old", "10.0.0.5", "silent"},
		{"silent for less than six long intervals", "slow", "10.0.0.6", ""},
	} {
		err := h.believe(hop{Sender: idOf(tc.name)}, netip.MustParseAddr(tc.from), now)
		if tc.want == "" && err != nil || tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)) {
			t.Errorf("%s: %v, want %q", tc.what, err, tc.want)
		}
	}
	h.cfg.Accept = nil
	if h.believe(hop{Sender: idOf("front")}, netip.MustParseAddr("10.0.0.2"), now) == nil {
		t.Error("without Accept a hop is believed")
	}
}
