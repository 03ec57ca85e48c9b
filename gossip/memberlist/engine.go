package memberlist

import (
	"bytes"
	"fmt"
	"slices"
	"time"

	hashicorp "github.com/hashicorp/memberlist"

	"backhand/gossip/wire"
)

// Settings of the library that are not those of its LAN profile, and those of it that are meant to be what they are:
//
//	probe 1 s, time-out 500 ms, 3 others asked, TCP tried as well; dead after 4 to 24 s, log10 of the members more
//	gossip to 3 members every 200 ms; the whole state every 30 s, more seldom above 32 members, to one by TCP
const (
	// packetSize is what the library fills a datagram with, at most. Like a beat it fits the smallest MTU of IPv6, which
	// tunnels of clouds come near to.
	packetSize = wire.MaxDatagram - 16
	// streamTime is how long a connection may be silent. It was made by then, see dialTime.
	streamTime = 10 * time.Second
	// queueSize is how many messages of each kind wait; there are many where a large cluster starts.
	queueSize = 4096
	// leaveTime is how long we wait until a member has heard that we leave.
	leaveTime = 2 * time.Second
)

// engine is one instance of the library.
type engine struct {
	link    *link
	roster  *roster
	list    *hashicorp.Memberlist
	ring    *hashicorp.Keyring
	sealing sealing
	begun   time.Time
}

// sealing is what the library has of a keyring.
type sealing struct {
	keys     [][]byte // the first one encrypts
	incoming bool     // all that comes in must be encrypted
	outgoing bool     // what leaves is
}

func sealingOf(k *wire.Keyring) sealing {
	primary, keys := k.MemberlistKeys()
	if primary != nil {
		keys = slices.DeleteFunc(keys, func(key []byte) bool { return bytes.Equal(key, primary) })
		keys = slices.Insert(keys, 0, primary)
	}
	return sealing{keys: keys, incoming: k.Mode() == wire.Enforce, outgoing: k.Sealing() != 0}
}

// newEngine starts the library.
func (t *Transport) newEngine(s sealing) (*engine, error) {
	ring := &hashicorp.Keyring{}
	for _, key := range s.keys {
		if err := ring.AddKey(key); err != nil {
			return nil, fmt.Errorf("memberlist: a key: %w", err)
		}
	}
	e := &engine{
		link: newLink(t), roster: newRoster(t.self, t.cfg.BeatPort, t.accepts), ring: ring, sealing: s, begun: time.Now(),
	}
	cfg := hashicorp.DefaultLANConfig()
	cfg.Name, cfg.Label = t.self, t.label
	cfg.Transport = e.link
	cfg.BindAddr, cfg.BindPort = t.cfg.Bind.Addr().String(), int(t.cfg.Bind.Port())
	cfg.AdvertiseAddr, cfg.AdvertisePort = t.cfg.Advertise.Addr().String(), int(t.cfg.Advertise.Port())
	cfg.Keyring, cfg.GossipVerifyIncoming, cfg.GossipVerifyOutgoing = ring, s.incoming, s.outgoing
	cfg.Delegate, cfg.Events, cfg.Alive = e.roster, e.roster, e.roster
	// CIDRsAllowed is left alone: it covers only what is said of live members, an empty list allows everybody, and it cannot
	// be changed. Transport and roster check all that it would, and more.
	cfg.CIDRsAllowed = nil
	cfg.EnableCompression = false // what is compressed is not taken, see guard
	cfg.UDPBufferSize, cfg.TCPTimeout, cfg.HandoffQueueDepth = packetSize, streamTime, queueSize
	cfg.DNSConfigPath = "" // names are looked up by us
	cfg.Logger = t.voice.library()
	var err error
	if e.list, err = hashicorp.Create(cfg); err != nil {
		_ = e.link.Shutdown()
		return nil, fmt.Errorf("memberlist: start: %w", err)
	}
	return e, nil
}

// rekey takes other keys over while the library runs, and reports whether it could. It can learn keys and change the one that
// encrypts. It cannot forget one while somebody may be reading them, nor change whether it encrypts.
func (e *engine) rekey(s sealing) bool {
	old := e.sealing
	if s.incoming != old.incoming || s.outgoing != old.outgoing || len(s.keys) == 0 {
		return false
	}
	for _, key := range old.keys {
		if !slices.ContainsFunc(s.keys, func(k []byte) bool { return bytes.Equal(k, key) }) {
			return false
		}
	}
	for _, key := range s.keys {
		if e.ring.AddKey(key) != nil {
			return false
		}
	}
	if e.ring.UseKey(s.keys[0]) != nil {
		return false
	}
	e.sealing = s
	return true
}

// leave tells the others that we go, if there are any.
func (e *engine) leave() error { return e.list.Leave(leaveTime) }

// shutdown ends the library. What waits for an answer to a probe in it may take a few seconds more to end; it does nothing
// then.
func (e *engine) shutdown() { _ = e.list.Shutdown() } // that of a link returns no error
