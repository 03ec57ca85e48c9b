package agent

import (
	"fmt"
	"net/netip"
	"slices"

	"backhand/agent/config"
	"backhand/gossip"
)

// wanted is a transport that the file asks for.
type wanted struct {
	key  any    // what the file says, as far as another transport is needed if it changes; comparable
	name string // for messages
	open func() (gossip.Transport, error)
}

// carrier is a transport that is open. One whose key is still in the file outlives a reload.
type carrier struct {
	gossip.Transport
	key any
}

// wantedTransports returns what beats are to go over: a socket for each destination, and one for all peers.
func (a *Agent) wantedTransports(cfg *config.Config) []wanted {
	g := &cfg.Gossip
	var all []wanted
	for _, d := range g.Send {
		way := gossip.SocketConfig{Destination: d, Interface: g.Interface, Source: g.Source}
		all = append(all, wanted{key: way, name: fmt.Sprintf("gossip.send %v", d), open: func() (gossip.Transport, error) {
			return gossip.Watch(gossip.WatchConfig{
				Open: func() (gossip.Transport, error) { return gossip.Open(d, way) },
				Way:  way.Way,
			})
		}})
	}
	if len(g.Peers) > 0 {
		all = append(all, wanted{key: peersKey{g.Listen}, name: "gossip.peers", open: func() (gossip.Transport, error) {
			return gossip.ListenUnicast(gossip.UnicastConfig{Listen: g.Listen, Peers: g.Peers, Log: a.log})
		}})
	}
	if g.Memberlist != nil {
		all = append(all, a.wantedMemberlist(cfg))
	}
	return all
}

// peersKey is the key of the one transport that is for peers: they may change while it stays.
type peersKey struct{ listen netip.AddrPort }

// openTransports opens what the file asks for and is not open yet. fresh are those of them that it opened: none on an error.
func (a *Agent) openTransports(cfg *config.Config) (all []carrier, fresh []gossip.Transport, err error) {
	for _, w := range a.wantedTransports(cfg) {
		if i := slices.IndexFunc(a.carriers, func(c carrier) bool { return c.key == w.key }); i >= 0 {
			all = append(all, a.carriers[i])
			continue
		}
		t, err := w.open()
		if err != nil {
			closeAll(fresh)
			return nil, nil, fmt.Errorf("%s: %w", w.name, err)
		}
		all, fresh = append(all, carrier{t, w.key}), append(fresh, t)
	}
	return all, fresh, nil
}

// swapTransports goes on with these transports; those that are not among them are closed.
func (a *Agent) swapTransports(cfg *config.Config, all []carrier) {
	a.carriers = all
	list := make([]gossip.Transport, len(all))
	for i, c := range all {
		list[i] = c.Transport
		if u, ok := c.Transport.(*gossip.Unicast); ok {
			u.SetPeers(cfg.Gossip.Peers)
		}
		tuneMemberlist(c.Transport, cfg)
	}
	a.gossip.SetTransports(list)
}
