package config

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"backhand/gossip"
)

// dual returns a host with an interface of both families, one of IPv4 alone and one of IPv6 alone.
func dual() Env {
	e := host("10.58.4.1/24", "10.58.5.1/24", "fd58:6::1/64")
	both := host("fd58:4::1/64", "fe80::1/64").Interfaces[1:]
	for i := range both {
		both[i].Name = "eth0"
	}
	e.Interfaces = append(e.Interfaces, both...)
	return e
}

const allOfDual = "lo 127.0.0.1, eth0 10.58.4.1, eth1 10.58.5.1, eth2 fd58:6::1, eth0 fd58:4::1, eth0 fe80::1"

func TestPeers(t *testing.T) {
	const head = "cluster = 'web'\nnode.address = '10.58.4.1:80'\n[gossip]\naccept = ['0.0.0.0/0', '::/0']\n"
	all := []gossip.Peer{{Host: "10.58.4.9", Port: 4445}, {Host: "web.example.com", Port: 4446}, {Host: "_backhand._udp.example.com"}}
	const peers = "peers = ['10.58.4.9:4445', 'Web.example.com:4446', '_backhand._udp.example.com']\n"
	for name, tc := range map[string]struct {
		text, listen string
		want         []gossip.Peer
	}{
		"none":                    {head, "invalid AddrPort", nil},
		"an empty list":           {head + "peers = []\n", "invalid AddrPort", nil},
		"by the node's address":   {head + peers, "10.58.4.1:4445", all},
		"by another address":      {head + peers + "listen = '10.58.5.1:9'\n", "10.58.5.1:9", all},
		"by another port":         {head + peers + "listen = ':4446'\n", "10.58.4.1:4446", all},
		"by a template":           {head + peers + `listen = '{{ GetAllInterfaces | include "network" "10.58.5.0/24" | attr "address" }}:7'`, "10.58.5.1:7", all},
		"of IPv6":                 {head + "peers = ['[fd58:4::9]:4445']\nlisten = '[fd58:4::1]:4445'\n", "[fd58:4::1]:4445", []gossip.Peer{{Host: "fd58:4::9", Port: 4445}}},
		"of IPv6 by node.address": {strings.Replace(head, "10.58.4.1:80", "[fd58:4::1]:80", 1) + "peers = ['[fd58:4::9]:1']", "[fd58:4::1]:4445", []gossip.Peer{{Host: "fd58:4::9", Port: 1}}},
		"of IPv6 by a template": {
			strings.Replace(head, "'10.58.4.1:80'", `'[{{ GetAllInterfaces | include "network" "fd58:4::/64" | attr "address" }}]:80'`, 1) +
				"peers = ['_backhand._udp.example.com']", "[fd58:4::1]:4445", all[2:],
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := good(t, tc.text, dual())
			if got := c.Gossip.Listen.String(); got != tc.listen || !slices.Equal(c.Gossip.Peers, tc.want) {
				t.Errorf("peers %v, listen %v; want %v, %v", c.Gossip.Peers, got, tc.want, tc.listen)
			}
			if got, want := c.Gossip.Alone(), len(tc.want) == 0; got != want {
				t.Errorf("Alone is %v, want %v", got, want)
			}
		})
	}
}

func TestAnnounceToPeersAlone(t *testing.T) {
	good(t, "cluster = 'web'\nnode.address = '10.58.4.1:80'\ngossip = { peers = ['10.58.4.9:4445'], accept = ['10.58.4.0/24'] }\n"+
		"[[serve]]\nfarm = 'a'\norigin = 'http://10.58.4.1:80'\n", dual(), ForAnnounce())
}

func TestMistakesWithPeers(t *testing.T) {
	const head = "cluster = 'web'\nnode.address = '10.58.4.1:80'\n[gossip]\naccept = ['10.58.4.0/24']\n" // 4 lines
	for _, row := range []struct {
		name, text string
		want       []string
	}{
		{
			"peers of which most are wrong", head + `peers = [
  '10.58.4.9',
  '10.58.4.9:0', '10.58.4.8:4445', # one is good
  'web.example.com',
  '_backhand._udp.example.com:4445',
  '239.255.221.20:4445',
  '10.58.4.8:4445',
  7,
  '[fd58:4::9]:4445',
]
listen = '10.9.9.9:4445'`,
			[]string{
				`6: gossip.peers: peer "10.58.4.9": want a port, such as 10.58.4.9:4445`,
				`7: gossip.peers: peer "10.58.4.9:0": the port is "0", want one from 1 to 65535`,
				`8: gossip.peers: peer "web.example.com": want a port, such as web.example.com:4445`,
				`9: gossip.peers: peer "_backhand._udp.example.com:4445": SRV records tell the port, leave ":4445" away`,
				`10: gossip.peers: peer "239.255.221.20:4445": 239.255.221.20 is a group: it belongs in gossip.send`,
				`11: gossip.peers has 10.58.4.8:4445 twice: leave one away`,
				`12: gossip.peers: element 8 is a number: write a string, such as "10.58.4.9:4445"`,
				"15: gossip.listen 10.9.9.9 is on no interface of this host: write one of " + allOfDual,
			},
		},
		{
			"a peer of IPv6 where all else is IPv4", head + "peers = ['10.58.4.9:4445',\n'[fd58:4::9]:4445']",
			[]string{"6: gossip.peers has [fd58:4::9]:4445, which is IPv6, and beats to peers leave from 10.58.4.1:4445: write an IPv4 address, " +
				"or set gossip.listen to one of eth2 fd58:6::1, eth0 fd58:4::1, eth0 fe80::1"},
		},
		{
			"a peer of IPv4 where all else is IPv6", head + "listen = '[fd58:4::1]:4445'\npeers = ['10.58.4.9:4445']",
			[]string{"6: gossip.peers has 10.58.4.9:4445, which is IPv4, and beats to peers leave from [fd58:4::1]:4445: write an IPv6 address, " +
				"or set gossip.listen to one of lo 127.0.0.1, eth0 10.58.4.1, eth1 10.58.5.1"},
		},
		{
			"listening at all addresses", head + "peers = ['10.58.4.9:4445']\nlisten = '0.0.0.0:4445'",
			[]string{`6: gossip.listen "0.0.0.0:4445" names no host: write the address that peers know this host by, one of ` + allOfDual},
		},
		{
			"listening at a link-local address", head + "peers = ['_a._udp.x']\nlisten = '[fe80::1]:4445'",
			[]string{"6: gossip.listen fe80::1 is link-local, which peers cannot use as it is: write one of " + allOfDual},
		},
		{
			"listening at something else", head + "peers = ['10.58.4.9:4445']\nlisten = 4445",
			[]string{`6: gossip.listen is a number: write a string, such as "10.58.4.1:4445"`},
		},
		{
			"listening without a port", head + "peers = ['10.58.4.9:4445']\nlisten = '10.58.4.1'",
			[]string{`6: gossip.listen: "10.58.4.1" has no port: write address:port, such as "10.58.4.1:80"`},
		},
		{
			"peers as a string", head + "peers = '10.58.4.9:4445'",
			[]string{`5: gossip.peers is a string: write a list, ["10.58.4.9:4445"]`},
		},
		{
			"peers alone", "cluster = 'web'\n[gossip]\npeers = ['10.58.4.9:4445']",
			[]string{
				`3: gossip.peers without gossip.accept: nobody would be heard: write accept = ["10.58.4.0/24"], the network of the other hosts`,
				`3: gossip.peers without node.address: write [node] address = "10.58.4.1:80", where peers reach this host`,
			},
		},
		{
			"a node at a link-local address", "cluster = 'web'\nnode.address = '[fe80::1]:80'",
			[]string{"2: node.address fe80::1 is link-local, which other hosts cannot use as it is: write another one of " + allOfDual},
		},
	} {
		t.Run(row.name, func(t *testing.T) {
			if d := cmp.Diff(row.want, found(t, row.text, dual())); d != "" {
				t.Errorf("mistakes (-want +got):\n%s", d)
			}
		})
	}
}

func TestTooManyPeers(t *testing.T) {
	text := "cluster = 'web'\nnode.address = '10.58.4.1:80'\ngossip.accept = ['10.0.0.0/8']\ngossip.peers = [\n"
	for i := range gossip.MaxPeers + 2 {
		text += fmt.Sprintf("'10.60.%d.%d:4445',\n", i>>8, i&255)
	}
	want := []string{fmt.Sprintf("%d: gossip.peers has 1026 elements: write at most 1024, or names in DNS that have several addresses",
		5+gossip.MaxPeers)}
	got := found(t, text+"]", dual())
	// The library does not tell the lines of lists this long.
	if len(got) != 1 || got[0][strings.Index(got[0], ":"):] != want[0][strings.Index(want[0], ":"):] {
		t.Errorf("got %q, want %q", got, want)
	}
}

// Where beats leave from, if the destination is of another family than node.address.
func TestFamiliesOfSource(t *testing.T) {
	const text = "cluster = 'web'\nnode.address = '%s'\ngossip.accept = ['10.0.0.0/8', 'fd00::/8']\ngossip.send = ['%s']\n%s"
	const to4, to6 = "239.255.221.20:4445", "[ff05::db8:4445]:4445"
	const have4 = "lo 127.0.0.1, eth0 10.58.4.1, eth1 10.58.5.1"
	const have6 = "eth2 fd58:6::1, eth0 fd58:4::1, eth0 fe80::1"
	for _, row := range []struct {
		name, addr, to, more string
		want                 string // of the mistake; "": none
	}{
		{"IPv4 to IPv4", "10.58.4.1:80", to4, "", ""},
		{"IPv6 to IPv6", "[fd58:4::1]:80", to6, "", ""},
		{"IPv6 to IPv6, an interface of IPv6 alone", "[fd58:6::1]:80", to6, "", ""},
		{"IPv4 to IPv6 by an interface of both", "10.58.4.1:80", to6, "", ""},
		{"IPv6 to IPv4 by an interface of both", "[fd58:4::1]:80", to4, "", ""},
		{"IPv6 to IPv4 by its source", "[fd58:6::1]:80", to4, "gossip.source = '10.58.4.1'", ""},
		{"IPv4 to IPv6 by its source", "10.58.5.1:80", to6, "gossip.source = 'fd58:4::1'", ""},
		{"IPv4 to IPv6 by the named interface", "10.58.5.1:80", to6, "gossip.interface = 'eth0'", ""},
		{"loopback", "127.0.0.1:80", to4, "", ""},
		{
			"IPv4 to IPv6 by an interface of IPv4 alone", "10.58.5.1:80", to6, "",
			"4: gossip.send [ff05::db8:4445]:4445 is IPv6 and node.address 10.58.5.1 is not, nor has its interface such an address: " +
				"write source = an IPv6 address of this host, one of " + have6,
		},
		{
			"IPv6 to IPv4 by an interface of IPv6 alone", "[fd58:6::1]:80", to4, "",
			"4: gossip.send 239.255.221.20:4445 is IPv4 and node.address fd58:6::1 is not, nor has its interface such an address: " +
				"write source = an IPv4 address of this host, one of " + have4,
		},
		{
			"a source that does not help", "10.58.4.1:80", to6, "gossip.source = '10.58.5.1'",
			"4: gossip.send [ff05::db8:4445]:4445 is IPv6 and gossip.source 10.58.5.1 is not, nor has its interface such an address: " +
				"write source = an IPv6 address of this host, one of " + have6,
		},
	} {
		t.Run(row.name, func(t *testing.T) {
			got := found(t, fmt.Sprintf(text, row.addr, row.to, row.more), dual())
			if row.want == "" && got != nil || row.want != "" && !slices.Equal(got, []string{row.want}) {
				t.Errorf("mistakes are %q, want %q", got, row.want)
			}
		})
	}
}

func TestAcceptOfIPv6(t *testing.T) {
	c := good(t, `cluster = 'web'
gossip.accept = ['fd58:4::7/64', 'fd58:5::9', '::ffff:10.1.0.0/112', '{{ GetAllInterfaces | include "network" "fd58::/16" | join "string" " " }}']
`, dual())
	want := []string{"fd58:4::/64", "fd58:5::9/128", "10.1.0.0/16", "fd58:6::/64", "fd58:4::/64"}
	var got []string
	for _, a := range c.Gossip.Accept {
		got = append(got, a.String())
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("accept (-want +got):\n%s", d)
	}
	if !slices.ContainsFunc(c.Gossip.Accept, func(p netip.Prefix) bool { return p.Contains(netip.MustParseAddr("fd58:6::77")) }) {
		t.Error("a neighbour is not accepted")
	}
}

func TestWarningsAboutAccept(t *testing.T) {
	const keys = "not authenticated"
	for _, row := range []struct {
		name, text string
		want       []string
	}{
		{"all is right", "accept = ['10.58.4.0/24']\npeers = ['10.58.4.9:4445', 'web.example.com:4445']", nil},
		{"ourselves among the peers", "accept = ['10.58.5.0/24']\npeers = ['10.58.4.1:4445', '10.58.5.9:1']", nil},
		{
			"peers that are not accepted", "accept = ['10.58.4.0/24']\npeers = ['10.58.4.9:4445',\n'10.58.5.9:4445', '10.58.5.8:4445', '10.58.6.8:1']",
			[]string{"6: gossip.peers has 10.58.5.9:4445 and 2 more, which gossip.accept does not name: beats from there would be dropped; add that network"},
		},
		{
			"one peer that is not accepted", "accept = ['10.58.4.0/24']\npeers = ['10.58.5.9:4445']",
			[]string{"5: gossip.peers has 10.58.5.9:4445, which gossip.accept does not name: beats from there would be dropped; add that network"},
		},
		{
			"a group of IPv6 and no such network", "accept = ['10.58.4.0/24']\nsend = ['239.255.221.20:4445',\n'[ff05::db8:4445]:4445']",
			[]string{"6: gossip.send [ff05::db8:4445]:4445 is IPv6, and gossip.accept has no such network: nobody would be heard by it; add that of the other hosts"},
		},
		{
			"a group of IPv4 and no such network", "accept = ['fd58:4::/64']\nsend = ['239.255.221.20:4445']",
			[]string{"5: gossip.send 239.255.221.20:4445 is IPv4, and gossip.accept has no such network: nobody would be heard by it; add that of the other hosts"},
		},
		{
			"peers of IPv6 and no such network", "accept = ['10.58.4.0/24']\nlisten = '[fd58:4::1]:4445'\npeers = ['_backhand._udp.example.com']",
			[]string{"6: gossip.peers are spoken to by IPv6, from [fd58:4::1]:4445, and gossip.accept has no such network: nobody would be heard by it; add that of the other hosts"},
		},
		{
			"listen without peers", "listen = '10.58.4.1:4445'\ninterval = '1s'",
			[]string{"4: gossip.listen is not used without gossip.peers: leave it away, or write peers = the other hosts"},
		},
	} {
		t.Run(row.name, func(t *testing.T) {
			c := good(t, "cluster = 'web'\nnode.address = '10.58.4.1:80'\n[gossip]\n"+row.text, dual())
			var got []string
			for _, w := range c.Warnings {
				if !strings.Contains(w, keys) {
					got = append(got, strings.TrimPrefix(w, "f:"))
				}
			}
			if d := cmp.Diff(row.want, got); d != "" {
				t.Errorf("warnings (-want +got):\n%s", d)
			}
		})
	}
}

func TestSummaryOfPeers(t *testing.T) {
	const head = "cluster = 'web'\nnode.address = '10.58.4.1:80'\n[gossip]\naccept = ['10.58.4.0/24']\n"
	for text, want := range map[string]string{
		"peers = ['web.example.com:4445']":                                                      "beats go to web.example.com:4445",
		"peers = ['10.58.4.2:1', '10.58.4.3:1']":                                                "beats go to 2 peers",
		"peers = ['10.58.4.2:1', '10.58.4.3:1']\nsend = ['[ff05::1]:4445,2', '239.1.1.1:4445']": "beats go to [ff05::1]:4445,2 and 239.1.1.1:4445,1 and 2 peers",
	} {
		if got := good(t, head+text, dual()).Summary(); !strings.Contains(got, want) {
			t.Errorf("%s: Summary() = %s, want %q in it", text, got, want)
		}
	}
}
