package doctor

import (
	"net/netip"
	"slices"
)

// unresolved returns the places that have no address.
func unresolved(places []Place) (bad []Place) {
	for _, p := range places {
		if p.Error != "" {
			bad = append(bad, p)
		}
	}
	return bad
}

func (f *Facts) peerNames() finding { return names(f.PeerPlaces, "gossip.peers") }
func (f *Facts) seedNames() finding { return names(f.SeedPlaces, "the seeds of memberlist") }

// names is about places that have no address.
func names(places []Place, where string) finding {
	bad := unresolved(places)
	switch {
	case len(places) == 0:
		return finding{}
	case len(bad) > 0:
		return fail("correct it in the file, or in the name service", "%s in %s has no address: %s",
			each(bad, func(p Place) string { return p.Name }), where, bad[0].Error).within(len(bad) < len(places))
	}
	return ok("%s in %s %s", count(len(places), "place"), where, hasAddress(len(places)))
}

func hasAddress(n int) string {
	if n == 1 {
		return "has an address"
	}
	return "have addresses"
}

// peerAnswers is about a node at each place of gossip.peers. Any one of its addresses will do.
func (f *Facts) peerAnswers() finding {
	var mute []string
	asked, heard := 0, 0
	for _, p := range f.PeerPlaces {
		if p.Self || len(p.Addrs) == 0 {
			continue
		}
		asked++
		switch {
		case slices.ContainsFunc(p.Addrs, func(a netip.AddrPort) bool { return f.heardAt(a.Addr()) }):
			heard++
		case !slices.ContainsFunc(p.Addrs, func(a netip.AddrPort) bool { return f.comesFrom(a.Addr()) }):
			mute = append(mute, p.Name)
		}
	}
	switch {
	case asked == 0:
		return finding{}
	case heard == 0 && len(mute) == 0:
		return finding{state: Skipped, text: "because beats come from there, and are dropped here"}
	case len(mute) > 0:
		do := "start an agent there, with this host in its gossip.peers; if one runs, let UDP to its port in, there and on the way"
		if dropped := f.droppedByAgent(); dropped != "" {
			do = "the agent here has just dropped beats, by reason: " + dropped
		}
		return fail(do, "no answer from %s", list(mute)).within(heard > 0)
	}
	return ok("%s of gossip.peers %s", count(heard, "place"), areHeard(heard))
}

// droppedByAgent says which beats the agent of this host has not taken while the doctor listened; "" if there were none.
func (f *Facts) droppedByAgent() string {
	if f.Agent == nil {
		return ""
	}
	return dropped(f.Agent.Rejected)
}

// heardAt reports whether a node is heard that is at that address, by the doctor or by the agent of this host.
func (f *Facts) heardAt(a netip.Addr) bool {
	for _, n := range f.peersOf(f.Links) {
		if n.From == a || n.Addr.Addr() == a {
			return true
		}
	}
	return f.Agent != nil && slices.ContainsFunc(f.Agent.Nodes, func(k Known) bool {
		return k.Addr.Addr() == a && !k.Left && !k.silent()
	})
}

// comesFrom reports whether beats come from that address, be they taken or not.
func (f *Facts) comesFrom(a netip.Addr) bool {
	return slices.ContainsFunc(f.Links, func(l Link) bool {
		s := l.source(a)
		return s != nil && s.ours() > 0 || slices.Contains(l.lost(), a)
	})
}

// seedAnswers is about seeds at which nothing listens. One that answers is enough to join by.
func (f *Facts) seedAnswers() finding {
	var mute []string
	why, open := "", 0
	for _, p := range f.SeedPlaces {
		if p.Self {
			continue
		}
		for _, a := range p.Addrs {
			err, asked := p.Doors[a.String()]
			switch {
			case !asked:
			case err == "":
				open++
			default:
				mute, why = append(mute, a.String()), err
			}
		}
	}
	switch {
	case open == 0 && len(mute) == 0:
		return finding{}
	case len(mute) > 0:
		return fail("start an agent there; if one runs, let TCP and UDP to that port in", "no answer from %s: %s", list(mute), why).
			orNote(open > 0)
	}
	return ok("%s of memberlist %s", count(open, "seed"), answers(open))
}

// members is about whether memberlist has found anybody, which only the agent knows.
func (f *Facts) members() finding {
	switch {
	case !f.Members:
		return finding{}
	case f.Agent == nil:
		return note("start it", "whether others are heard by memberlist only the agent of this host could say")
	case f.others() == 0:
		return fail("name a node that runs in gossip.memberlist.join, here or there; the logs of both agents say what they "+
			"think of each other", "the agent hears no other node")
	}
	return ok("the agent hears %s", count(f.others(), "other node"))
}

func answers(n int) string {
	if n == 1 {
		return "answers"
	}
	return "answer"
}
