package doctor

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"backhand/gossip/node"
)

// cures are what helps where a switch snoops IGMP without a querier: it passes a group on to those that have lately asked
// for it, and nobody makes them ask again.
const cures = "let a router or switch be the querier, or turn snooping off for that VLAN, or name the hosts in gossip.peers"

// peers is about whether anybody else is heard, which is what all of this is for.
func (f *Facts) peers(l *Link) finding {
	heard := f.peersOf([]Link{*l})
	if len(heard) > 0 {
		return ok("%s", each(heard, Heard.String)+" "+areHeard(len(heard)))
	}
	h := f.iface()
	switch {
	case h == nil || l.Refused != "":
		return finding{}
	case l.Unicast:
		return finding{} // see answers
	case l.multicast() && !h.isLoopback():
		return f.snooping(l, h)
	}
	where := "another host"
	if h.isLoopback() {
		where = "this host"
	}
	return fail(fmt.Sprintf("start another agent on %s, with the same gossip.send; if one runs, a firewall drops UDP to port %d", where,
		l.Addr.Port()), "nobody else is heard, though our own beats come back")
}

func areHeard(n int) string { return is(n) + " heard" }

// snooping says why nobody is heard in a group that our own beats come back from. Whether there is a querier the kernel
// does not tell; of IPv4 it tells that there is one of an older version than it speaks by itself.
func (f *Facts) snooping(l *Link, h *Interface) finding {
	nothing := "nobody else is heard, though our own beats come back"
	if l.WireKnown {
		nothing += ", and nothing else comes to " + h.Name
	}
	protocol, shows := "MLD", ""
	if l.Addr.Addr().Is4() {
		protocol, shows = "IGMP", ", and no IGMP querier shows on "+h.Name
	}
	const begin = "start an agent on another host, with the same gossip.send; if one runs, "
	version, gone := f.Kernel.IGMP[h.Name], f.silentNodes()
	switch {
	case protocol == "IGMP" && (version == "V1" || version == "V2"):
		return fail(begin+"look for a firewall there, or for a router in between that does not pass groups on",
			"%s; the switch is in order: an IGMP querier is heard on %s (%s)", nothing, h.Name, version)
	case len(gone) > 0:
		last := slices.MinFunc(gone, func(a, b Known) int { return cmp.Compare(a.Age, b.Age) })
		return fail(cures, "%s since %v, when %s fell silent: a switch most likely snoops %s without a querier", nothing,
			last.Age.Round(time.Second), count(len(gone), "node"), protocol)
	}
	return fail(begin+"then a switch most likely snoops "+protocol+" without a querier: "+cures, "%s%s", nothing, shows)
}

// deaf returns the answers of peers that do not hear this host.
func (f *Facts) deaf() (deaf []Answer) {
	for _, a := range f.Answers {
		if a.Error == "" && (!a.Lists || a.Age > node.Beats(f.Interval, node.SilentBeats)) {
			deaf = append(deaf, a)
		}
	}
	return deaf
}

// hears is about the other direction: what the peers' pages say of this host.
func (f *Facts) hears() finding {
	deaf, unknown := f.deaf(), 0
	for _, a := range f.Answers {
		if a.Error != "" {
			unknown++
		}
	}
	switch {
	case len(f.Answers) == 0 && len(f.Links) == 0:
		return finding{}
	case len(f.Answers) == 0:
		return finding{state: Skipped, text: "because nobody is heard whom one could ask"}
	case len(deaf) > 0:
		return fail("there, look at the firewall, gossip.accept and gossip.keys"+reasons(deaf[0]),
			"one-way: %s %s, and %s not hear this host", each(deaf, at), areHeard(len(deaf)), does(len(deaf)))
	case unknown == len(f.Answers):
		return note("let status.allow there name this host", "whether peers hear this host is not known: %s says %s",
			at(f.Answers[0]), f.Answers[0].Error)
	}
	known := slices.DeleteFunc(slices.Clone(f.Answers), func(a Answer) bool { return a.Error != "" })
	text := fmt.Sprintf("%s %s this host", each(known, at), hear(len(known)))
	if unknown > 0 {
		text += fmt.Sprintf("; of %d more it is not known", unknown)
	}
	return ok("%s", text)
}

func at(a Answer) string { return nameAt(a.Name, a.Addr.Addr()) }

func does(n int) string {
	if n == 1 {
		return "does"
	}
	return "do"
}

func hear(n int) string {
	if n == 1 {
		return "hears"
	}
	return "hear"
}

// reasons says what a peer has dropped, which may well be our beats.
func reasons(a Answer) string {
	if text := dropped(a.Rejected); text != "" {
		return "; since its start it has dropped beats, by reason: " + text
	}
	return "; it has not dropped a single beat, so none arrives"
}

// dropped writes counts of beats that were not taken: "cidr 3, forged 1". Those of replay are beats that came by two ways, and
// those of stranger and flood are notes.
func dropped(counts []Count) string {
	const most = 8
	var all []string
	for _, c := range counts {
		if c.N > 0 && c.Name != "replay" && c.Name != "stranger" && c.Name != "flood" && len(all) < most {
			all = append(all, fmt.Sprintf("%s %d", c.Name, c.N))
		}
	}
	return strings.Join(all, ", ")
}

// clocksApart is from when on a difference of wall clocks is told; what comes below may be the network's.
const clocksApart = 2 * time.Second

// clocks says of wall clocks that differ that it does no harm, since ages are counted by the receiver's.
func (f *Facts) clocks() finding {
	for _, a := range f.Answers {
		if a.Error != "" || a.Ahead.Abs() < clocksApart {
			continue
		}
		word := "ahead of"
		if a.Ahead < 0 {
			word = "behind"
		}
		return note("", "the clock of %s is %v %s ours, which does beats no harm", at(a), a.Ahead.Abs().Round(time.Second), word)
	}
	return finding{}
}

// others returns how many peers are heard, by the doctor or by the agent of this host.
func (f *Facts) others() int {
	heard := len(f.peersOf(f.Links))
	if f.Agent == nil {
		return heard
	}
	fresh := 0
	for i := range f.Agent.Nodes {
		if k := &f.Agent.Nodes[i]; !k.Left && !k.silent() {
			fresh++
		}
	}
	return max(heard, fresh)
}

// wellness says what is well, in half a sentence.
func (f *Facts) wellness() string {
	n := f.others()
	text := count(n, "peer") + " " + areHeard(n)
	known := 0
	for _, a := range f.Answers {
		if a.Error == "" {
			known++
		}
	}
	switch {
	case known == 0:
		return text + "; whether this host is heard there is not known"
	case known < n:
		return fmt.Sprintf("%s, and %d of them, as many as were asked and have answered, %s this host", text, known, hear(known))
	case n == 1:
		return text + " and hears this host"
	}
	return text + " and hear this host"
}
