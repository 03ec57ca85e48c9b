package doctor

import (
	"fmt"
	"net/netip"
	"slices"

	"backhand/gossip/node"
	"backhand/gossip/wire"
)

// from returns the addresses of the sources that it holds for.
func (l *Link) from(holds func(*Source) bool) (all []netip.Addr) {
	for i := range l.Sources {
		if holds(&l.Sources[i]) {
			all = append(all, l.Sources[i].From)
		}
	}
	return all
}

func (l *Link) of(k kind) []netip.Addr {
	return l.from(func(s *Source) bool { return s.Count[k] > 0 })
}

// version is about datagrams that cannot be read at all.
func (f *Facts) version(l *Link) finding {
	heard := len(f.peersOf([]Link{*l})) > 0
	if other := l.of(otherVersion); len(other) > 0 {
		return fail("install the same version there and here", "beats from %s are of another version than %d to %d",
			addrs(other), wire.VersionMin, wire.VersionMax).
			orNote(heard).within(len(l.from(func(s *Source) bool { return s.ours() > 0 })) > 0)
	}
	if odd := l.from(func(s *Source) bool { return s.Count[noBeat]+s.Count[malformed] > 0 }); len(odd) > 0 {
		return note("another port in gossip.send, on all hosts, keeps them apart", "what comes from %s is no beat; it does no harm",
			addrs(odd))
	}
	return finding{}
}

// cluster is about beats of other clusters on the same wire.
func (f *Facts) cluster(l *Link) finding {
	others := l.of(otherCluster)
	ours := l.from(func(s *Source) bool { return s.ours() > 0 })
	switch {
	case len(others) == 0 && len(ours) == 0:
		return finding{}
	case len(others) == 0:
		return ok("beats of %q come from %s", f.Cluster, addrs(ours))
	case len(ours) > 0:
		return note("", "beats of %q come from %s, and those of another cluster from %s, which does no harm", f.Cluster, addrs(ours),
			addrs(others))
	}
	return fail("write the same cluster in the files of all hosts, to the letter",
		"beats from %s are of another cluster, and none of %q, as the file here says", addrs(others), f.Cluster)
}

// accept is about addresses whose beats are not taken.
func (f *Facts) accept(l *Link) finding {
	ours := l.from(func(s *Source) bool { return s.ours() > 0 })
	outside := slices.DeleteFunc(slices.Clone(ours), f.accepts)
	switch {
	case len(ours) == 0:
		return finding{}
	case len(outside) == 0:
		return ok("gossip.accept takes them")
	}
	named := "it is empty"
	if len(f.Accept) > 0 {
		named = "it has " + each(f.Accept, netip.Prefix.String)
	}
	return fail("add "+f.suggestion(outside)+" to it", "beats from %s are dropped by gossip.accept: %s", addrs(outside), named).
		orNote(len(f.peersOf([]Link{*l})) > 0 && !slices.ContainsFunc(outside, f.named)).within(len(outside) < len(ours))
}

// named reports whether gossip.peers names a host with that address.
func (f *Facts) named(a netip.Addr) bool {
	return slices.ContainsFunc(f.PeerPlaces, func(p Place) bool {
		return slices.ContainsFunc(p.Addrs, func(ap netip.AddrPort) bool { return ap.Addr() == a })
	})
}

// keys is about seals: theirs that cannot be opened here, and ours that cannot be there.
func (f *Facts) keys(l *Link) finding {
	inside := func(k kind) (first *Source, all []netip.Addr) {
		for i := range l.Sources {
			if s := &l.Sources[i]; s.Count[k] > 0 && f.accepts(s.From) {
				if first == nil {
					first = s
				}
				all = append(all, s.From)
			}
		}
		return first, all
	}
	peers := f.peersOf([]Link{*l})
	some := len(peers) > 0
	if s, all := inside(forged); s != nil {
		return fail("copy the key file of one host to all others", "beats from %s are sealed with another key %d than the one that "+
			"is held here", addrs(all), s.KeyID).within(some)
	}
	if s, all := inside(notHeld); s != nil {
		return fail("copy the key file from there, and name it in gossip.keys",
			"beats from %s are sealed with key %d, and this host holds %s", addrs(all), s.KeyID, f.held()).within(some)
	}
	if _, all := inside(unsealed); all != nil {
		return fail(`give those hosts the key file; until they have it, write gossip.key_mode = "permissive" here`,
			"beats from %s are not sealed, and are dropped here", addrs(all)).within(some)
	}
	if bare := f.without(peers); len(bare) > 0 {
		return fail(`copy the key file there first; until then write "receive-only" behind that key here`,
			"%s cannot open our beats: this host seals with key %d, and there it is not held",
			each(bare, Heard.String), f.Sealing).within(true)
	}
	if !some || len(f.Held) == 0 {
		return finding{}
	}
	return ok("what peers seal is opened here, with %s", f.held())
}

// held names the keys of this host.
func (f *Facts) held() string {
	if len(f.Held) == 0 {
		return "none"
	}
	return "key " + each(f.Held, func(k node.KeyMark) string { return fmt.Sprint(k.ID) })
}

// without returns the peers that say which keys they hold, and do not hold the one that seals our beats.
func (f *Facts) without(peers []Heard) (bare []Heard) {
	i := slices.IndexFunc(f.Held, func(k node.KeyMark) bool { return k.ID == f.Sealing })
	if f.Sealing == 0 || i < 0 {
		return nil
	}
	for _, p := range peers {
		if len(p.Keys) > 0 && !slices.Contains(p.Keys, f.Held[i]) {
			bare = append(bare, p)
		}
	}
	return bare
}

// address is about nodes that announce an address that is not accepted, though their beats come from one that is.
func (f *Facts) address(l *Link) finding {
	for _, s := range l.Sources {
		for _, n := range s.Nodes {
			if f.accepts(s.From) && !f.believed(n) {
				return fail("add "+f.suggestion([]netip.Addr{n.Addr.Addr()})+" to it, or correct node.address there",
					"%s announces %v, which is dropped: gossip.accept does not name that address", nameAt(n.Name, s.From), n.Addr).
					within(len(f.peersOf([]Link{*l})) > 0)
			}
		}
	}
	return finding{}
}

// believed reports whether an agent takes the address that a node announces.
func (f *Facts) believed(n Heard) bool { return n.Addr.Addr() == n.From || f.accepts(n.Addr.Addr()) }

// peersOf returns the nodes whose beats are taken, each once. Who leaves is none, such as another doctor.
func (f *Facts) peersOf(links []Link) (all []Heard) {
	seen := map[node.ID]bool{}
	for _, l := range links {
		for _, s := range l.Sources {
			for _, n := range s.Nodes {
				if f.accepts(s.From) && f.believed(n) && n.State != node.Leaving && !seen[n.ID] {
					seen[n.ID] = true
					all = append(all, n)
				}
			}
		}
	}
	return all
}
