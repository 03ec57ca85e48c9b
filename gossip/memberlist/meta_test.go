package memberlist

import (
	"net"
	"net/netip"
	"strings"
	"testing"

	hashicorp "github.com/hashicorp/memberlist"

	"backhand/gossip"
)

func TestParseMember(t *testing.T) {
	const port = 4446
	v4, v6 := net.IPv4(10, 58, 4, 9).To4(), net.ParseIP("fd58::9")
	meta := appendMeta(nil, 4447)
	for _, c := range []struct {
		name string
		node hashicorp.Node
		want string // where its beats go, or a part of what is wrong
	}{
		{"a member of IPv4", hashicorp.Node{Name: "10.58.4.9:4446", Addr: v4, Port: port, Meta: meta}, "10.58.4.9:4447"},
		{"one of IPv6", hashicorp.Node{Name: "[fd58::9]:4446", Addr: v6, Port: port, Meta: meta}, "[fd58::9]:4447"},
		{"one of IPv4 in 16 bytes", hashicorp.Node{Name: "10.58.4.9:4446", Addr: v4.To16(), Port: port, Meta: meta}, "10.58.4.9:4447"},
		{
			"one that announces what we do not know yet",
			hashicorp.Node{Name: "10.58.4.9:4446", Addr: v4, Port: port, Meta: append(appendMeta(nil, 4447), 1, 2, 3)},
			"10.58.4.9:4447",
		},
		{"another one's name", hashicorp.Node{Name: "10.58.4.8:4446", Addr: v4, Port: port, Meta: meta}, "its name is"},
		{"a name with another port", hashicorp.Node{Name: "10.58.4.9:4445", Addr: v4, Port: port, Meta: meta}, "its name is"},
		{"no name", hashicorp.Node{Addr: v4, Port: port, Meta: meta}, "its name is"},
		{"a name that is long and steers a terminal", hashicorp.Node{Name: "\x1b[2J" + strings.Repeat("x", 4096), Addr: v4, Port: port}, `"\x1b[2Jxxx`},
		{"no address", hashicorp.Node{Name: "10.58.4.9:4446", Port: port, Meta: meta}, "0 bytes"},
		{"half an address", hashicorp.Node{Name: "10.58.4.9:4446", Addr: net.IP{10, 58}, Port: port, Meta: meta}, "2 bytes"},
		{"no port", hashicorp.Node{Name: "10.58.4.9:0", Addr: v4, Meta: meta}, "not one of a host"},
		{"a group", hashicorp.Node{Name: "239.1.1.1:4446", Addr: net.IPv4(239, 1, 1, 1), Port: port, Meta: meta}, "not one of a host"},
		{"everybody", hashicorp.Node{Name: "255.255.255.255:4446", Addr: net.IPv4bcast, Port: port, Meta: meta}, "not one of a host"},
		{"nowhere", hashicorp.Node{Name: "0.0.0.0:4446", Addr: net.IPv4zero, Port: port, Meta: meta}, "not one of a host"},
		{"nothing announced", hashicorp.Node{Name: "10.58.4.9:4446", Addr: v4, Port: port}, "0 bytes"},
		{"cut short", hashicorp.Node{Name: "10.58.4.9:4446", Addr: v4, Port: port, Meta: meta[:2]}, "2 bytes"},
		{"another version", hashicorp.Node{Name: "10.58.4.9:4446", Addr: v4, Port: port, Meta: []byte{2, 17, 95}}, "version 2"},
		{"no port for beats", hashicorp.Node{Name: "10.58.4.9:4446", Addr: v4, Port: port, Meta: appendMeta(nil, 0)}, "no port for beats"},
		{
			"more than the library carries",
			hashicorp.Node{Name: "10.58.4.9:4446", Addr: v4, Port: port, Meta: append(meta, make([]byte, 600)...)},
			"603 bytes",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			m, err := parseMember(&c.node)
			got := m.beats.String()
			if err != nil {
				got = err.Error()
			}
			if !strings.Contains(got, c.want) {
				t.Errorf("got %q, want %q", got, c.want)
			}
			if len(got) > 200 {
				t.Errorf("%d bytes of message", len(got))
			}
		})
	}
}

func FuzzMember(f *testing.F) {
	f.Add("10.58.4.9:4446", []byte{10, 58, 4, 9}, uint16(4446), appendMeta(nil, 4447))
	f.Add("[fd58::9]:4446", []byte(net.ParseIP("fd58::9")), uint16(4446), appendMeta(nil, 4447))
	f.Add("", []byte{}, uint16(0), []byte{})
	f.Add("10.58.4.9:4446", []byte{10, 58, 4, 9}, uint16(4446), []byte{1, 0, 0})
	f.Fuzz(func(t *testing.T, name string, addr []byte, port uint16, meta []byte) {
		m, err := parseMember(&hashicorp.Node{Name: name, Addr: addr, Port: port, Meta: meta})
		if err != nil {
			if len(err.Error()) > 400 {
				t.Errorf("%d bytes of message", len(err.Error()))
			}
			return
		}
		at, err := netip.ParseAddrPort(name)
		if err != nil || m.name != name || at.Addr() != m.beats.Addr() || at.Port() != port || port == 0 || m.beats.Port() == 0 ||
			!gossip.IsHostAddr(at.Addr()) {
			t.Errorf("%q at %v port %d was taken as %+v (%v)", name, addr, port, m, err)
		}
	})
}
