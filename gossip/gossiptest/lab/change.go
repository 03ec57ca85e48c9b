//go:build linux

package lab

import (
	"net/netip"
)

// Rename gives the host's interface another name, as udev or an administrator may. Linux takes it down for that, and its
// routes are gone; addresses and group memberships survive.
func (h *Host) Rename(dev string) {
	h.lab.t.Helper()
	h.lab.at(h.Name, "link", "set", h.Dev, "down")
	h.lab.at(h.Name, "link", "set", h.Dev, "name", dev)
	h.Dev = dev
	h.lab.at(h.Name, "link", "set", h.Dev, "up")
	h.lab.route(h)
}

// Readdress gives the host another address instead of the one that it has. Connections from and to the old one are dead.
func (h *Host) Readdress(addr netip.Addr) {
	h.lab.t.Helper()
	h.lab.at(h.Name, "addr", "flush", "dev", h.Dev)
	h.Prefix, h.Addr = netip.PrefixFrom(addr, h.Prefix.Bits()), addr
	h.lab.at(h.Name, "addr", "add", h.Prefix.String(), "dev", h.Dev)
	h.lab.route(h)
}

// Unplug takes the host's interface out of it, with all that hangs on it: addresses, routes, group memberships.
func (h *Host) Unplug() {
	h.lab.t.Helper()
	h.lab.at(h.Name, "link", "delete", h.Dev)
}

// Plug puts a new interface of the same name in, with the same address, at the same port of the switch.
func (h *Host) Plug() {
	h.lab.t.Helper()
	h.lab.plug(h)
}

// Move unplugs the host's cable and plugs it in at another port of the switch, which does not know the host there.
func (h *Host) Move() {
	h.lab.t.Helper()
	l := h.lab
	l.at("switch", "link", "set", h.port(), "down")
	l.at("switch", "link", "set", h.port(), "nomaster")
	l.at("switch", "link", "set", h.port(), "master", "br0")
	l.at("switch", "link", "set", h.port(), "up")
}
