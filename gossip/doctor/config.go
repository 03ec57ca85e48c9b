package doctor

import (
	"net/netip"
	"strings"
	"time"

	"backhand/gossip"
	"backhand/gossip/node"
)

// Config is what the file of this host says of beats.
type Config struct {
	File      string // its path
	Hash      string // of its text, as pages show it
	Cluster   string
	Name      string         // of this node
	Address   netip.AddrPort // where peers reach the agent
	TLS       bool           // Address speaks TLS
	Send      []gossip.Destination
	Peers     []gossip.Peer
	Listen    netip.AddrPort // where beats of those come in
	Members   bool           // memberlist is used, too
	Seeds     []gossip.Peer  // of memberlist
	Advertise netip.AddrPort // where memberlist of this host is reached
	Accept    []netip.Prefix
	Interface string     // that beats go by; "": the one that has Source
	Source    netip.Addr // that beats leave from
	Interval  time.Duration
	Sealing   uint8          // number of the key that seals our beats; 0: none does
	Held      []node.KeyMark // keys that are held
}

// alone reports whether beats neither go nor come.
func (c *Config) alone() bool { return len(c.Send)+len(c.Peers) == 0 && !c.Members }

// accepts reports whether beats of that address are taken.
func (c *Config) accepts(a netip.Addr) bool {
	a = a.Unmap().WithZone("")
	for _, p := range c.Accept {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

// configuration is about the file as a whole.
func (f *Facts) configuration() finding {
	switch {
	case len(f.Mistakes) > 0:
		return fail(f.Mistakes[0], "%s has %s", f.File, count(len(f.Mistakes), "mistake"))
	case f.alone():
		return note("", "gossip.send and gossip.peers name nobody, and there is no gossip.memberlist: this agent is alone")
	}
	return ok("cluster %q, node %s at %v", f.Cluster, f.Name, f.Address)
}

// agent is about whether the agent of this host runs.
func (f *Facts) agent() finding {
	a := f.Agent
	switch {
	case a == nil:
		return note("", "the doctor sends beats of its own: %s", f.NoAgent)
	case a.Cluster != f.Cluster:
		return fail("restart it", "the agent runs in cluster %q, and the file says %q", a.Cluster, f.Cluster).within(true)
	case a.ConfigHash != f.Hash:
		return note("backhand reload", "the agent runs by another file than %s, or by what it said before", f.File)
	}
	return ok("runs for %v as %s, and is %s", a.Uptime.Round(time.Second), a.Name, a.State)
}

// identity is about other hosts that pass for this one.
func (f *Facts) identity() finding {
	if len(f.Clones) == 0 {
		return finding{}
	}
	c := f.Clones[0]
	return fail("remove node.state_dir on one of the two hosts, and restart its agent there",
		"%s announces the node id of this host: one disk is a copy of the other", c)
}

// silent is about nodes that the agent knew and does not hear any more.
func (f *Facts) silent() finding {
	gone := f.silentNodes()
	if len(gone) == 0 || f.others() == 0 {
		return finding{} // or all are: see peers
	}
	return note("", "%s", each(gone, func(k Known) string {
		return nameAt(k.Name, k.Addr.Addr()) + " has been silent for " + k.Age.Round(time.Second).String()
	}))
}

// findings is what the agent of this host has found out by itself, over a longer time than the doctor has.
func (f *Facts) findings() finding {
	if f.Agent == nil || len(f.Agent.Findings) == 0 {
		return finding{}
	}
	return note("", "the agent says: %s", strings.Join(f.Agent.Findings[:min(len(f.Agent.Findings), maxFindings)], "; "))
}

const maxFindings = 4

// silentNodes returns the nodes that should be heard and are not.
func (f *Facts) silentNodes() (gone []Known) {
	if f.Agent == nil {
		return nil
	}
	for _, k := range f.Agent.Nodes {
		if !k.Left && k.silent() {
			gone = append(gone, k)
		}
	}
	return gone
}

// nameAt names a node for people. The name may be anything.
func nameAt(name string, a netip.Addr) string {
	const most = 40
	if r := []rune(name); len(r) > most {
		name = string(r[:most]) + "..."
	}
	if name == "" {
		return a.String()
	}
	return name + " (" + a.String() + ")"
}
