//go:build linux

package lab

import (
	"fmt"
	"net/netip"
)

// Cut pulls host i's cable at the switch: nothing comes or goes, and the host keeps hearing itself.
func (l *Lab) Cut(i int) {
	l.t.Helper()
	l.at("switch", "link", "set", l.Host(i).port(), "down")
}

// Heal plugs host i's cable in again. Sockets and group memberships have survived.
func (l *Lab) Heal(i int) {
	l.t.Helper()
	l.at("switch", "link", "set", l.Host(i).port(), "up")
}

// LinkDown takes the host's interface down, as its administrator would: sending fails at once.
func (h *Host) LinkDown() {
	h.lab.t.Helper()
	h.lab.at(h.Name, "link", "set", h.Dev, "down")
}

// LinkUp takes the interface up again. Group memberships have survived.
func (h *Host) LinkUp() {
	h.lab.t.Helper()
	h.lab.at(h.Name, "link", "set", h.Dev, "up")
	h.lab.route(h)
}

// Lose makes the host lose that many of a hundred packets that it receives, each by chance.
func (h *Host) Lose(percent int) {
	h.lab.t.Helper()
	h.lose(percent, "")
}

// LoseBeats makes the host lose that many of a hundred datagrams of UDP that it receives.
func (h *Host) LoseBeats(percent int) {
	h.lab.t.Helper()
	h.lose(percent, "meta l4proto udp")
}

func (h *Host) lose(percent int, which string) {
	h.lab.t.Helper()
	h.lab.nft(h.Name, fmt.Sprintf(`
		add table inet lab
		flush table inet lab
		add chain inet lab in { type filter hook input priority 0; }
		add rule inet lab in iifname %s %s numgen random mod 100 < %d drop`, h.Dev, which, percent))
}

// Mute loses all that the host sends by the protocol, "udp" or "tcp", on its way to the switch. It still hears the others.
func (h *Host) Mute(protocol string) {
	h.lab.t.Helper()
	h.dropAtSwitch("ingress", "ip protocol "+protocol)
}

// Deafen loses all that others send to the host by the protocol, "udp" or "tcp". They still hear it.
func (h *Host) Deafen(protocol string) {
	h.lab.t.Helper()
	h.dropAtSwitch("egress", "ip protocol "+protocol)
}

// Shield loses the datagrams of UDP that come from that address to this host.
func (h *Host) Shield(from netip.Addr) {
	h.lab.t.Helper()
	h.dropAtSwitch("egress", "ip protocol udp ip saddr "+from.String())
}

func (h *Host) dropAtSwitch(hook, which string) {
	h.lab.t.Helper()
	h.lab.nft("switch", fmt.Sprintf(`
		add table netdev %[1]s
		add chain netdev %[1]s %[2]s { type filter hook %[2]s device "%[1]s" priority 0; }
		add rule netdev %[1]s %[2]s %[3]s drop`, h.port(), hook, which))
}

// Clear undoes Lose, LoseBeats, Mute, Deafen and Shield.
func (h *Host) Clear() {
	h.lab.t.Helper()
	// Adding first: deleting what is not there is an error.
	h.lab.nft(h.Name, "add table inet lab; delete table inet lab")
	h.lab.nft("switch", fmt.Sprintf("add table netdev %[1]s; delete table netdev %[1]s", h.port()))
}
