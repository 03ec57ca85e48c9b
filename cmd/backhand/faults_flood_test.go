//go:build linux

package main

import (
	"context"
	"crypto/rand"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/ipv4"

	"backhand/gossip/gossiptest"
	"backhand/gossip/gossiptest/lab"
	"backhand/gossip/wire"
)

// faultGroup is where the cluster's beats go, see seedCluster.start.
var faultGroup = &net.UDPAddr{IP: net.IPv4(239, 255, 221, 20), Port: 4445}

// onGroup opens a socket at the host that hears the group and sends to it.
func onGroup(t *testing.T, h *lab.Host) *ipv4.PacketConn {
	t.Helper()
	c, err := h.ListenPacket(t.Context(), "udp4", "0.0.0.0:4445")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	p := ipv4.NewPacketConn(c)
	ifi, err := h.Interface()
	if err == nil {
		err = p.JoinGroup(ifi, faultGroup)
	}
	if err == nil {
		err = p.SetMulticastInterface(ifi)
	}
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// flood is somebody who sends what is no help.
type flood struct {
	socket *ipv4.PacketConn
	what   [][]byte
	sent   atomic.Int64
	stop   chan struct{}
	wait   sync.WaitGroup
}

// floodBatch datagrams go out every millisecond.
const floodBatch = 50

func (c *faultCluster) newFlood(from *lab.Host, what [][]byte) *flood {
	return &flood{socket: onGroup(c.t, from), what: what, stop: make(chan struct{})}
}

func (f *flood) begin() {
	f.wait.Go(func() {
		batch, next := make([]ipv4.Message, floodBatch), 0
		begin := time.Now()
		tick := time.NewTicker(time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-f.stop:
				return
			case <-tick.C:
			}
			due := time.Since(begin).Milliseconds() * floodBatch
			for late := 0; f.sent.Load() < due && late < 10; late++ {
				for i := range batch {
					batch[i] = ipv4.Message{Buffers: [][]byte{f.what[next%len(f.what)]}, Addr: faultGroup}
					next++
				}
				n, err := f.socket.WriteBatch(batch, 0)
				if err != nil {
					return // too few were sent, which is found out
				}
				f.sent.Add(int64(n))
			}
		}
	})
}

func (f *flood) end() {
	close(f.stop)
	f.wait.Wait()
}

// beatsOf returns the first beats of so many nodes that are made up.
func (c *faultCluster) beatsOf(n int, at netip.Addr, keys *wire.Keyring) [][]byte {
	c.t.Helper()
	crowd := gossiptest.NewCrowd(n, 1<<32, "web", keys, at, "web", time.Now())
	var all [][]byte
	for i := range n {
		b, err := crowd.Beat(i)
		if err != nil {
			c.t.Fatal(err)
		}
		all = append(all, append([]byte(nil), b...))
	}
	return all
}

func (c *faultCluster) ring(keys ...wire.Key) *wire.Keyring {
	c.t.Helper()
	ring, err := wire.NewKeyring("web", keys, wire.Enforce)
	if err != nil {
		c.t.Fatal(err)
	}
	return ring
}

func (c *faultCluster) foreignBeats() *flood {
	return c.newFlood(c.stranger, c.beatsOf(2000, c.stranger.Addr, c.ring(c.keys...)))
}

func (c *faultCluster) unsealedBeats() *flood {
	return c.newFlood(c.insider, c.beatsOf(2000, c.insider.Addr, nil))
}

func (c *faultCluster) forgedBeats() *flood {
	return c.newFlood(c.insider, c.beatsOf(2000, c.insider.Addr, c.ring(wire.NewKey(1))))
}

// replays sends what the cluster itself has said.
func (c *faultCluster) replays() *flood {
	f := c.newFlood(c.insider, nil)
	for end := time.Now().Add(time.Second); time.Now().Before(end); {
		if b, _ := c.hear(f.socket, end); b != nil {
			f.what = append(f.what, b)
		}
	}
	if len(f.what) == 0 {
		c.t.Fatal("the insider heard no beat in a second")
	}
	return f
}

// hear returns a beat of the cluster, or nil if none comes until then, or what came was sent by the insider.
func (c *faultCluster) hear(p *ipv4.PacketConn, until time.Time) (b []byte, err error) {
	if err := p.SetReadDeadline(until); err != nil {
		return nil, err
	}
	b = make([]byte, 2048)
	n, _, from, err := p.ReadFrom(b)
	if err != nil {
		return nil, err
	}
	if a := from.(*net.UDPAddr).AddrPort().Addr().Unmap(); a == c.insider.Addr || a == c.stranger.Addr {
		return nil, nil
	}
	return b[:n], nil
}

func (c *faultCluster) garbage() *flood {
	var all [][]byte
	for i := range 2000 {
		b := make([]byte, 1+i%1400)
		_, _ = rand.Read(b) // documented never to fail
		if i%2 == 0 {
			copy(b, "BKHD\x01\x01\x01\x10")
		}
		all = append(all, b)
	}
	return c.newFlood(c.insider, all)
}

// faultCrowd is a number of nodes that beat once a second.
type faultCrowd struct {
	t      *testing.T
	socket *ipv4.PacketConn
	nodes  int
	beats  *gossiptest.Crowd
	stop   chan struct{}
	wait   sync.WaitGroup
}

func (c *faultCluster) crowd(n int) *faultCrowd {
	return &faultCrowd{
		t: c.t, socket: onGroup(c.t, c.insider), nodes: n, stop: make(chan struct{}),
		beats: gossiptest.NewCrowd(n, 1, "web", c.ring(c.keys...), c.insider.Addr, "crowd", time.Now()),
	}
}

func (f *faultCrowd) begin() {
	f.wait.Go(func() {
		tick := time.NewTicker(time.Second / time.Duration(f.nodes))
		defer tick.Stop()
		for i := 0; ; i++ {
			select {
			case <-f.stop:
				return
			case <-tick.C:
			}
			b, err := f.beats.Beat(i % f.nodes)
			if err == nil {
				_, err = f.socket.WriteTo(b, nil, faultGroup)
			}
			if err != nil {
				f.t.Error(err)
				return
			}
		}
	})
}

func (f *faultCrowd) end() {
	close(f.stop)
	f.wait.Wait()
}

// echo sends each beat that it hears again: at once, and twice later, when others came in between.
type echo struct {
	c      *faultCluster
	socket *ipv4.PacketConn
	ctx    context.Context
	cancel context.CancelFunc
	wait   sync.WaitGroup
}

func (c *faultCluster) newEcho(from *lab.Host) *echo {
	e := &echo{c: c, socket: onGroup(c.t, from)}
	e.ctx, e.cancel = context.WithCancel(c.t.Context())
	return e
}

func (e *echo) begin() {
	e.wait.Go(func() {
		for e.ctx.Err() == nil {
			b, _ := e.c.hear(e.socket, time.Now().Add(100*time.Millisecond))
			if b == nil {
				continue
			}
			for _, later := range []time.Duration{0, faultBeat + 50*time.Millisecond, 3 * faultBeat} {
				e.wait.Go(func() {
					select {
					case <-e.ctx.Done():
					case <-time.After(later):
						_, _ = e.socket.WriteTo(b, nil, faultGroup) // what gets lost is not missed
					}
				})
			}
		}
	})
}

func (e *echo) end() {
	e.cancel()
	e.wait.Wait()
}
