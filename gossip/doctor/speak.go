package doctor

import (
	"context"
	"time"

	"backhand/gossip/node"
	"backhand/gossip/wire"
)

const (
	// The doctor's first beats come as quickly as those of an agent that starts, which peers answer at once.
	quickGap   = 200 * time.Millisecond
	quickBeats = 3
)

// speak sends beats until the context ends, unless the agent of this host does.
func (x *examination) speak(ctx context.Context) {
	if x.facts.Agent != nil {
		<-ctx.Done()
		return
	}
	n := x.describe()
	var buffers [][]byte
	timer := time.NewTimer(0)
	defer timer.Stop()
	for n.Sequence = 1; ; n.Sequence++ {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		var err error
		buffers, err = wire.Append(buffers[:0], &n, wire.HashCluster(x.facts.Cluster), x.opt.Keys)
		for _, e := range x.ears {
			if e.elsewhere == "" {
				e.send(buffers, err)
			}
		}
		gap := x.facts.Interval
		if n.Sequence < quickBeats {
			gap = quickGap
		}
		timer.Reset(gap)
	}
}

// fanout is what a transport has that sends to each peer by itself: how many there are at the moment.
type fanout interface{ Fanout() int }

// send sends a beat, unless it could not be made or there is nobody yet to send it to.
func (e *ear) send(datagrams [][]byte, err error) {
	if f, ok := e.transport.(fanout); ok && f.Fanout() == 0 {
		return
	}
	for _, b := range datagrams {
		if err == nil {
			err = e.transport.Send(b)
		}
	}
	if err != nil {
		e.sendErr = err
		return
	}
	e.sent++
}

// describe returns the node that the doctor announces: one that nobody may choose.
func (x *examination) describe() node.Node {
	f := x.facts
	name := "doctor on " + f.Name
	return node.Node{
		ID: x.self, Boot: uint64(time.Now().UnixMilli()), Name: name[:min(len(name), node.MaxName)],
		Addr: f.Address, TLS: f.TLS, State: node.Leaving, VersionMin: wire.VersionMin, VersionMax: wire.VersionMax,
		Interval: f.Interval, Stats: node.Stats{CPUs: 1}, Keys: f.Held,
	}
}
