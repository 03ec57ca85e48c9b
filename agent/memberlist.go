package agent

import (
	"net/netip"

	"backhand/agent/config"
	"backhand/gossip"
	"backhand/gossip/memberlist"
	"backhand/gossip/wire"
)

// memberlistKey is the key of the transport to the members that memberlist finds: what else the file says of it may change
// while it stays.
type memberlistKey struct {
	bind, advertise netip.AddrPort
	beatPort        uint16
}

// wantedMemberlist is that transport. If there is one already, the sockets that both want go over to the new one.
func (a *Agent) wantedMemberlist(cfg *config.Config) wanted {
	g, m := &cfg.Gossip, cfg.Gossip.Memberlist
	return wanted{
		key: memberlistKey{m.Bind, m.Advertise, m.BeatPort}, name: "gossip.memberlist",
		open: func() (gossip.Transport, error) {
			ring, err := cfg.Keyring()
			if err != nil {
				return nil, err
			}
			return memberlist.Open(memberlist.Config{
				Cluster: cfg.Cluster, Bind: m.Bind, BeatPort: m.BeatPort, Advertise: m.Advertise, Join: m.Join, Accept: g.Accept,
				Keys: ring, Log: a.log, Before: a.memberlist(),
			})
		},
	}
}

// memberlist returns the transport that is open, or nil. It is called before Run or with a.reloading held.
func (a *Agent) memberlist() *memberlist.Transport {
	for _, c := range a.carriers {
		if t, ok := c.Transport.(*memberlist.Transport); ok {
			return t
		}
	}
	return nil
}

// tuneMemberlist tells the transport, if it is the one to members, what the file says of it now.
func tuneMemberlist(t gossip.Transport, cfg *config.Config) {
	if t, ok := t.(*memberlist.Transport); ok {
		t.SetAccept(cfg.Gossip.Accept)
		t.SetJoin(cfg.Gossip.Memberlist.Join)
	}
}

// setMemberlistKeys goes on with these keys there as well.
func (a *Agent) setMemberlistKeys(ring *wire.Keyring) {
	if t := a.memberlist(); t != nil {
		t.SetKeys(ring)
	}
}
