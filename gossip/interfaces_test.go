package gossip

import (
	"net"
	"net/netip"
	"strings"
	"testing"
)

func testInterfaces() []iface {
	return []iface{
		{net.Interface{Index: 1, Name: "lo", Flags: net.FlagLoopback}, []netip.Prefix{netip.MustParsePrefix("127.0.0.1/8")}},
		{net.Interface{Index: 2, Name: "eth0"}, []netip.Prefix{netip.MustParsePrefix("10.58.4.1/24"), netip.MustParsePrefix("10.58.4.9/24")}},
		{net.Interface{Index: 3, Name: "eth1"}, nil},
	}
}

func TestWay(t *testing.T) {
	for name, tc := range map[string]struct {
		iface, source string
		want          string
	}{
		"by source":                          {"", "10.58.4.1", "eth0 10.58.4.1"},
		"by second address":                  {"", "10.58.4.9", "eth0 10.58.4.9"},
		"by source in IPv6 clothes":          {"", "::ffff:10.58.4.1", "eth0 10.58.4.1"},
		"any loopback address is on lo":      {"", "127.0.0.2", "lo 127.0.0.2"},
		"by interface":                       {"eth0", "", "eth0 10.58.4.1"},
		"interface and source differ":        {"eth0", "127.0.0.1", "eth0 127.0.0.1"},
		"the neighbour's address":            {"", "10.58.4.2", "no interface has the address 10.58.4.2: want one of lo 127.0.0.1, eth0 10.58.4.1, eth0 10.58.4.9"},
		"no such interface":                  {"eth7", "10.58.4.1", `there is no interface "eth7": want one of lo 127.0.0.1, eth0 10.58.4.1, eth0 10.58.4.9`},
		"interface without address":          {"eth1", "", `interface "eth1" has no IPv4 address`},
		"interface without address, source":  {"eth1", "10.58.4.1", `interface "eth1" has no IPv4 address`},
		"neither":                            {"", "", "neither interface nor source"},
		"IPv6":                               {"", "2001:db8::1", "beats cannot leave from 2001:db8::1: set gossip.source"},
		"source is everybody":                {"", "0.0.0.0", "beats cannot leave from 0.0.0.0"},
		"source is a group, interface known": {"eth0", "239.1.1.1", "beats cannot leave from 239.1.1.1"},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := SocketConfig{Interface: tc.iface}
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
	if err == nil || !strings.Contains(err.Error(), "no interface has an IPv4 address") {
		t.Errorf("%v", err)
	}
}
