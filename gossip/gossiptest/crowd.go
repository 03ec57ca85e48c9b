package gossiptest

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"time"

	"backhand/gossip/node"
	"backhand/gossip/wire"
)

// Crowd is a number of nodes that are made up: what they send are real beats, for tests of what a large cluster costs, and
// of what strangers may do. It may be used by one goroutine at a time.
type Crowd struct {
	cluster wire.Hash
	keys    *wire.Keyring
	nodes   []node.Node
	buffers [][]byte
}

// NewCrowd makes up n nodes, at most 60,000, of a cluster. All are at one address, each at a port of its own, and serve one
// farm. Two crowds with the same first number are the same nodes. keys seal what they say; nil: nothing does.
func NewCrowd(n int, first uint64, cluster string, keys *wire.Keyring, at netip.Addr, farm string, now time.Time) *Crowd {
	c := &Crowd{cluster: wire.HashCluster(cluster), keys: keys, nodes: make([]node.Node, n)}
	for i := range c.nodes {
		c.nodes[i] = node.Node{
			Boot: uint64(now.UnixMilli()), Name: fmt.Sprintf("crowd%d", first+uint64(i)), State: node.Up,
			Addr: netip.AddrPortFrom(at, uint16(1024+i)), VersionMin: wire.VersionMin, VersionMax: wire.VersionMax,
			Interval: time.Second, Stats: node.Stats{CPUs: 4, Speed: 1000, Load1: 1, CPUIdle: 0.5, MemTotal: 8 << 30, MemAvailable: 4 << 30, Dispatched: 40},
			Services: []node.Service{{Farm: farm, Ready: true, Slots: 4, Mu: 20, Average: 2, Arrivals: 40, Completions: 40}},
		}
		binary.BigEndian.PutUint64(c.nodes[i].ID[:], 0xc70d)
		binary.BigEndian.PutUint64(c.nodes[i].ID[8:], first+uint64(i))
	}
	return c
}

// Beat returns the next beat of node i. It is one datagram, and holds until the next call.
func (c *Crowd) Beat(i int) ([]byte, error) {
	n := &c.nodes[i]
	n.Sequence++
	var err error
	if c.buffers, err = wire.Append(c.buffers[:0], n, c.cluster, c.keys); err != nil {
		return nil, err
	}
	return c.buffers[0], nil
}

// Every sets the interval that the nodes announce.
func (c *Crowd) Every(d time.Duration) {
	for i := range c.nodes {
		c.nodes[i].Interval = d
	}
}
