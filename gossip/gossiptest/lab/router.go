//go:build linux

package lab

import (
	"net/netip"
	"strconv"
	"testing"
)

// Connect puts a router between labs: a host with an interface to each. It passes on what is meant for one host and, as
// routers are, neither multicast nor broadcast. Its address in each network ends in 254. A host whose interface was taken
// down finds it no more.
func Connect(t testing.TB, labs ...*Lab) {
	t.Helper()
	first := labs[0]
	router := first.namespace("router")
	first.ip("netns", "add", router)
	first.at("router", "link", "set", "lo", "up")
	first.run("ip", "netns", "exec", router, "sh", "-c", "echo 1 > /proc/sys/net/ipv4/ip_forward")
	for i, l := range labs {
		dev := "eth" + strconv.Itoa(i)
		l.at("switch", "link", "add", "router", "type", "veth", "peer", "name", dev, "netns", router)
		l.at("switch", "link", "set", "router", "master", "br0", "up")
		first.at("router", "addr", "add", netip.PrefixFrom(l.gateway(), l.subnet.Bits()).String(), "dev", dev)
		first.at("router", "link", "set", dev, "up")
	}
	for _, l := range labs {
		for _, h := range l.hosts {
			for _, other := range labs {
				if other != l {
					l.at(h.Name, "route", "replace", other.subnet.String(), "via", l.gateway().String())
				}
			}
		}
	}
}

// gateway is the address of the router.
func (l *Lab) gateway() netip.Addr {
	addr := l.subnet.Addr().As4()
	addr[3] = 254
	return netip.AddrFrom4(addr)
}
