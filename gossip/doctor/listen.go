package doctor

import (
	"errors"
	"net"
	"net/netip"
	"slices"
	"time"

	"backhand/gossip"
	"backhand/gossip/node"
	"backhand/gossip/wire"
)

// Bounds of what is kept of datagrams, whoever sends them.
const (
	maxSources  = 4096 // addresses
	maxNodes    = 8    // nodes that one address announces
	maxClones   = 8
	receiveSize = 2048 // more than any beat has
	// brokenPause is for a transport that cannot receive at the moment.
	brokenPause = 50 * time.Millisecond
)

// ear listens to one transport, and notes what came.
type ear struct {
	link      int    // in Facts.Links
	elsewhere string // name of the interface, if it is not ours
	transport gossip.Transport
	tally     *tally
	sniffer   sniffer // nil: none
	arrivals  map[netip.Addr]int
	sent      int
	sendErr   error
}

// listen takes datagrams until the transport is closed.
func (e *ear) listen() {
	buf := make([]byte, receiveSize)
	for {
		n, from, err := e.transport.Receive(buf)
		switch {
		case errors.Is(err, net.ErrClosed):
			return
		case err != nil:
			time.Sleep(brokenPause)
			continue
		}
		e.tally.take(buf[:n], from.Addr())
	}
}

// sniff counts datagrams until the sniffer is closed.
func (e *ear) sniff() {
	e.arrivals = map[netip.Addr]int{}
	for {
		from, err := e.sniffer.next()
		if err != nil {
			return
		}
		if _, known := e.arrivals[from]; known || len(e.arrivals) < maxSources {
			e.arrivals[from]++
		}
	}
}

// tell writes down what came. It is called when nothing comes any more.
func (e *ear) tell(f *Facts) {
	l := &f.Links[e.link]
	sources := e.tally.sorted()
	if e.elsewhere != "" {
		for _, s := range sources {
			if s.ours() > 0 && !f.local(s.From) {
				l.Elsewhere = append(l.Elsewhere, Elsewhere{Interface: e.elsewhere, From: s.From})
			}
		}
		return
	}
	l.Own, l.Sources, l.Crowded = e.tally.own, sources, e.tally.more
	f.Clones = append(f.Clones, e.tally.clones...)
	l.Sent = e.sent
	if e.sendErr != nil {
		l.SendError = e.sendErr.Error()
	}
	l.WireKnown = e.sniffer != nil
	for from, n := range e.arrivals {
		if !f.local(from) {
			l.Wire = append(l.Wire, Arrival{From: from, Count: n})
		}
	}
	slices.SortFunc(l.Wire, func(a, b Arrival) int { return a.From.Compare(b.From) })
}

// tally sorts datagrams by where they came from and what they are. One goroutine at a time may use it.
type tally struct {
	facts  *Facts // what of the file and of this host matters; it is not written to meanwhile
	ids    []node.ID
	keys   *wire.Keyring
	parser *wire.Parser
	beat   wire.Beat
	note   wire.Note

	own     int
	more    bool // there were more sources than are kept
	sources map[netip.Addr]*Source
	clones  []Heard
}

func (x *examination) newTally() *tally {
	return &tally{
		facts: x.facts, ids: x.ids(), keys: x.opt.Keys, parser: wire.NewParser(wire.HashCluster(x.facts.Cluster)),
		sources: map[netip.Addr]*Source{},
	}
}

func (t *tally) take(b []byte, from netip.Addr) {
	from = from.Unmap().WithZone("")
	k, beat := t.read(b)
	n := &t.beat.Node
	local := t.facts.local(from)
	ourID := beat && slices.Contains(t.ids, n.ID)
	switch {
	case k == taken && !beat && local:
		return // whose beats say more
	case beat && local && (ourID || n.Addr == t.facts.Address):
		t.own++
		return
	case ourID:
		if len(t.clones) < maxClones {
			t.clones = append(t.clones, heard(n, from))
		}
		return
	case local && from == t.facts.Source && (k == notHeld || k == forged || k == unsealed):
		t.own++ // of our agent, which has other keys than the file by now
	}
	s := t.sources[from]
	if s == nil {
		if len(t.sources) == maxSources {
			t.more = true
			return
		}
		s = &Source{From: from}
		t.sources[from] = s
	}
	s.Count[k]++
	if k == notHeld || k == forged {
		s.KeyID = wire.KeyNumber(b)
	}
	if beat {
		s.note(heard(n, from))
	}
}

// read returns what a datagram is, and whether it is a beat that is taken, which t.beat then has. The other thing that agents
// send are notes.
func (t *tally) read(b []byte) (k kind, beat bool) {
	if wire.IsNote(b) {
		return kindOf(t.parser.ParseNote(b, t.keys, &t.note)), false
	}
	k = kindOf(t.parser.Parse(b, t.keys, &t.beat))
	return k, k == taken
}

// note keeps what the node said last.
func (s *Source) note(h Heard) {
	i := slices.IndexFunc(s.Nodes, func(o Heard) bool { return o.ID == h.ID })
	switch {
	case i >= 0:
		if h.Keys == nil {
			h.Keys = s.Nodes[i].Keys // which only the first part of a beat tells
		}
		s.Nodes[i] = h
	case len(s.Nodes) < maxNodes:
		s.Nodes = append(s.Nodes, h)
	}
}

func heard(n *node.Node, from netip.Addr) Heard {
	h := Heard{ID: n.ID, Name: n.Name, Addr: n.Addr, TLS: n.TLS, Direct: n.Direct, State: n.State, From: from, Key: n.Key}
	if len(n.Keys) > 0 {
		h.Keys = slices.Clone(n.Keys)
	}
	return h
}

// kindOf returns what a datagram is by the error of [wire.Parser.Parse] or [wire.Parser.ParseNote].
func kindOf(err error) kind {
	for _, k := range []struct {
		err  error
		kind kind
	}{
		{nil, taken},
		{wire.ErrSize, noBeat},
		{wire.ErrMagic, noBeat},
		{wire.ErrVersion, otherVersion},
		{wire.ErrCluster, otherCluster},
		{wire.ErrSeal, notHeld},
		{wire.ErrForged, forged},
		{wire.ErrUnsealed, unsealed},
	} {
		if errors.Is(err, k.err) {
			return k.kind
		}
	}
	return malformed
}

// sorted returns the sources by address.
func (t *tally) sorted() []Source {
	all := make([]Source, 0, len(t.sources))
	for _, s := range t.sources {
		all = append(all, *s)
	}
	slices.SortFunc(all, func(a, b Source) int { return a.From.Compare(b.From) })
	return all
}
