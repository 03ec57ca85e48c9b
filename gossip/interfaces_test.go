package gossip

import (
	"net"
	"net/netip"
	"strings"
	"testing"
)

func testInterfaces() []iface {
	addrs := func(all ...string) (out []netip.Prefix) {
		for _, a := range all {
			out = append(out, netip.MustParsePrefix(a))
		}
		return out
	}
	return []iface{
		{net.Interface{Index: 1, Name: "lo", Flags: net.FlagLoopback}, addrs("127.0.0.1/8", "::1/128")},
		{net.Interface{Index: 2, Name: "eth0"}, addrs("10.58.4.1/24", "10.58.4.9/24", "fe80::1/64", "fd58:4::1/64")},
		{net.Interface{Index: 3, Name: "eth1"}, nil},
		{net.Interface{Index: 4, Name: "eth2"}, addrs("fe80::2/64")},
	}
}

func TestWay(t *testing.T) {
	const all = "lo 127.0.0.1, lo ::1, eth0 10.58.4.1, eth0 10.58.4.9, eth0 fe80::1, eth0 fd58:4::1, eth2 fe80::2"
	const to4, to6 = "239.255.221.20:4445,1", "[ff05::db8:4445]:4445,1"
	for name, tc := range map[string]struct {
		to, iface, source string
		want              string
	}{
		"by source":                          {to4, "", "10.58.4.1", "eth0 10.58.4.1"},
		"by second address":                  {to4, "", "10.58.4.9", "eth0 10.58.4.9"},
		"by source in IPv6 clothes":          {to4, "", "::ffff:10.58.4.1", "eth0 10.58.4.1"},
		"any loopback address is on lo":      {to4, "", "127.0.0.2", "lo 127.0.0.2"},
		"by interface":                       {to4, "eth0", "", "eth0 10.58.4.1"},
		"interface and source differ":        {to4, "eth0", "127.0.0.1", "eth0 127.0.0.1"},
		"the neighbour's address":            {to4, "", "10.58.4.2", "no interface has the address 10.58.4.2: want one of " + all},
		"no such interface":                  {to4, "eth7", "10.58.4.1", `there is no interface "eth7": want one of ` + all},
		"interface without address":          {to4, "eth1", "", `interface "eth1" has no IPv4 address`},
		"interface without address, source":  {to4, "eth1", "10.58.4.1", `interface "eth1" has no IPv4 address`},
		"interface with IPv6 alone":          {to4, "eth2", "", `interface "eth2" has no IPv4 address`},
		"neither":                            {to4, "", "", "neither interface nor source"},
		"source is everybody":                {to4, "", "0.0.0.0", "beats cannot leave from 0.0.0.0"},
		"source is a group, interface known": {to4, "eth0", "239.1.1.1", "beats cannot leave from 239.1.1.1"},
		"an IPv6 source to IPv4":             {to4, "", "fd58:4::1", "eth0 10.58.4.1"},
		"nobody's IPv6 source to IPv4":       {to4, "", "2001:db8::1", "no interface has the address 2001:db8::1"},

		"IPv6 by source":                {to6, "", "fd58:4::1", "eth0 fd58:4::1"},
		"IPv6 by IPv4 source":           {to6, "", "10.58.4.1", "eth0 fd58:4::1"},
		"IPv6 by interface":             {to6, "eth0", "", "eth0 fd58:4::1"},
		"IPv6 by link-local source":     {to6, "", "fe80::1", "eth0 fe80::1%2"},
		"IPv6 where all is link-local":  {to6, "eth2", "10.58.4.1", "eth2 fe80::2%4"},
		"IPv6 on lo":                    {to6, "", "127.0.0.1", "lo ::1"},
		"IPv6 source is everybody":      {to6, "", "::", "beats cannot leave from ::"},
		"IPv6 source is a group":        {to6, "eth0", "ff05::1", "beats cannot leave from ff05::1"},
		"IPv6 without any address":      {to6, "eth1", "", `interface "eth1" has no IPv6 address`},
		"IPv6 interface of another one": {to6, "eth2", "fd58:4::1", "eth2 fd58:4::1"},
	} {
		t.Run(name, func(t *testing.T) {
			dst, err := ParseDestination(tc.to)
			if err != nil {
				t.Fatal(err)
			}
			cfg := SocketConfig{Destination: dst, Interface: tc.iface}
			if tc.source != "" {
				cfg.Source = netip.MustParseAddr(tc.source)
			}
			w, err := chooseWay(testInterfaces(), cfg)
			if err == nil {
				if got := w.ifi.Name + " " + w.source.String(); got != tc.want {
					t.Errorf("%s, want %s", got, tc.want)
				}
				return
			}
			if !strings.Contains(err.Error(), tc.want) {
				t.Errorf("%v, want %s", err, tc.want)
			}
		})
	}
}

func TestWayWhereThereIsNoAddressAtAll(t *testing.T) {
	_, err := chooseWay([]iface{{net.Interface{Name: "eth1"}, nil}}, SocketConfig{Source: netip.MustParseAddr("10.1.1.1")})
	if err == nil || !strings.Contains(err.Error(), "no interface has an address") {
		t.Errorf("%v", err)
	}
}
