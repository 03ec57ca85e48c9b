package wire

import (
	"encoding/binary"
	"math"
	"net/netip"
	"time"

	"backhand/gossip/node"
)

// Beat is one part of an announcement.
type Beat struct {
	// Node is what was announced, and by which key that is proved. Heard and From are not set: they belong to who heard it.
	// Services are those of this part.
	Node  node.Node
	Part  uint8 // from 1
	Parts uint8 // of this sequence, at most MaxParts
}

// Parser reads the beats and notes of one cluster. It remembers names, so that reading what is heard every second allocates
// nothing. It may be used by one goroutine at a time.
type Parser struct {
	cluster    Hash
	names      map[string]string
	opened     [MaxDatagram]byte // body of what was read last, if it was sealed
	associated []byte            // what is authenticated with it
}

// maxNames bounds what a parser remembers: names enough for thousands of nodes, and no more than a few MiB of them.
const maxNames = 16384

// NewParser returns a parser for the beats and notes of the cluster with that hash.
func NewParser(cluster Hash) *Parser {
	return &Parser{cluster: cluster, names: map[string]string{}}
}

// Parse reads one datagram into beat, whose former content it overwrites; the memory of Services, of what was Pushed of them,
// of Labels and of Keys is used again. It keeps no reference to b, and does not change it. Of a sealed beat nothing but the
// header is looked at before it is opened, which takes the key that the header names; in mode [Enforce] no body of one that is
// not sealed is looked at. After an error, which matches one of the Err variables, the content of beat means nothing.
func (p *Parser) Parse(b []byte, keys *Keyring, beat *Beat) error {
	header, body, key, err := p.unseal(b, keys)
	switch {
	case err != nil:
		return err
	case header[flagsAt]&noteFlag != 0:
		return malformed("note in place of a beat")
	}
	return p.body(body, key, beat)
}

// unseal checks the header, and returns it and the body, opened if it was sealed: then with the number of the key, else 0.
func (p *Parser) unseal(b []byte, keys *Keyring) (header, body []byte, key uint8, err error) {
	if header, body, err = cutHeader(b, p.cluster); err != nil {
		return nil, nil, 0, err
	}
	switch sealed := header[flagsAt]&sealedFlag != 0; {
	case !sealed && keys.Mode() == Enforce:
		return nil, nil, 0, ErrUnsealed
	case sealed:
		key = header[keyAt]
		body, err = p.open(header, body, keys)
	}
	return header, body, key, err
}

// body reads what is behind the header, of a beat that was sealed with the key of that number; 0: that was not sealed.
func (p *Parser) body(b []byte, key uint8, beat *Beat) error {
	r := reader{b: b}
	beat.Part, beat.Parts = r.u8(), r.u8()
	if r.ok() && (beat.Part == 0 || beat.Part > beat.Parts || beat.Parts > MaxParts) {
		r.fail("part of parts")
	}
	services, labels, held := beat.Node.Services[:0], beat.Node.Labels[:0], beat.Node.Keys[:0]
	beat.Node = node.Node{}
	block := r.block()
	p.node(&block, &beat.Node)
	r.inherit(&block)
	for range r.u8() {
		block = r.block()
		services = another(services)
		s := &services[len(services)-1]
		p.service(&block, s)
		r.inherit(&block)
		if r.ok() && named(services[:len(services)-1], s.Farm) {
			r.fail("farm twice")
		}
		if !r.ok() {
			break
		}
	}
	beat.Node.Services, beat.Node.Labels, beat.Node.Keys, beat.Node.Key = services, labels, held, key
	p.extensions(&r, beat)
	return r.err()
}

// extensions reads those that it knows and skips the others.
func (p *Parser) extensions(r *reader, beat *Beat) {
	var seen [pushedType + 1]bool
	for r.ok() && len(r.b) > 0 {
		kind, block := r.u8(), r.block()
		if kind != labelsType && kind != keysType && kind != pushedType {
			continue
		}
		switch {
		case seen[kind]:
			r.fail("labels, keys or statistics twice")
		case beat.Part != 1 && kind != pushedType:
			r.fail("labels or keys in a later part")
		case kind == labelsType:
			p.labels(&block, &beat.Node)
		case kind == keysType:
			keysHeld(&block, &beat.Node)
		case kind == pushedType:
			p.pushed(&block, beat.Node.Services)
		}
		seen[kind] = true
		r.inherit(&block)
	}
}

func (p *Parser) node(r *reader, n *node.Node) {
	copy(n.ID[:], r.take(len(n.ID)))
	n.Boot, n.Sequence = r.u64(), r.u64()
	n.SampleAge, n.Interval = r.duration(time.Millisecond), r.duration(time.Millisecond)
	n.State, n.VersionMin, n.VersionMax = node.State(r.u8()), r.u8(), r.u8()
	flags := r.u8()
	n.TLS, n.Direct = flags&tlsBit != 0, flags&directBit != 0
	n.ConfigHash = r.u64()
	st := &n.Stats
	st.CPUs = int(r.u16())
	st.Speed, st.Load1 = r.figure(maxFigure), r.figure(maxFigure)
	st.CPUIdle, st.Pressure = r.figure(1), r.figure(1)
	st.MemTotal, st.MemAvailable = r.u64(), r.u64()
	st.SendLate = r.duration(time.Microsecond)
	st.Dispatched = r.figure(maxFigure)
	addr := r.addr()
	n.Addr = netip.AddrPortFrom(addr, r.u16())
	n.Name = p.text(r, node.MaxName)
	n.Zone = p.text(r, node.MaxZone)
	switch {
	case !r.ok():
	case n.ID.IsZero():
		r.fail("node id")
	case n.Boot >= MaxCounter || n.Sequence >= MaxCounter:
		r.fail("boot or sequence")
	case n.Interval < MinInterval || n.Interval > MaxInterval:
		r.fail("interval")
	case n.State < node.Up || n.State > node.Leaving:
		r.fail("state")
	case n.VersionMin == 0 || n.VersionMin > n.VersionMax:
		r.fail("versions")
	case st.CPUs < 1:
		r.fail("CPUs")
	case st.MemAvailable > st.MemTotal:
		r.fail("memory")
	case !reachable(addr) || n.Addr.Port() == 0:
		r.fail("address")
	}
}

func (p *Parser) service(r *reader, s *node.Service) {
	s.Farm = p.text(r, node.MaxFarm)
	s.Ready = r.u8()&readyBit != 0
	s.Why = p.text(r, node.MaxWhy)
	s.Slots, s.Mu, s.Average = r.figure(maxFigure), r.figure(maxFigure), r.figure(maxFigure)
	s.Arrivals, s.Completions = r.figure(maxFigure), r.figure(maxFigure)
	s.Errors, s.Refusals = r.figure(maxFigure), r.figure(maxFigure)
	s.Workers, s.Busy, s.InFlight = r.count(), r.count(), r.count()
	s.Served = r.u64()
	s.ServeTime = r.duration(time.Microsecond)
	if r.ok() && s.Farm == "" {
		r.fail("farm without a name")
	}
}

// text reads a text, and returns the string that was made when the same bytes were read before.
func (p *Parser) text(r *reader, limit int) string {
	b := r.take(int(r.u8()))
	if len(b) > limit {
		r.fail("text too long")
		return ""
	}
	if s, ok := p.names[string(b)]; ok {
		return s
	}
	if len(p.names) >= maxNames {
		clear(p.names) // names made up by somebody; those that are real come again in a second
	}
	s := string(b)
	p.names[s] = s
	return s
}

// reader takes values off the front of b. The first mistake sticks, and all values after it are zero.
type reader struct {
	b    []byte
	what malformed
}

func (r *reader) ok() bool { return r.what == "" }

func (r *reader) fail(what malformed) {
	if r.ok() {
		r.b, r.what = nil, what
	}
}

// inherit takes over the mistake of a block.
func (r *reader) inherit(block *reader) {
	if !block.ok() {
		r.fail(block.what)
	}
}

func (r *reader) err() error {
	if r.ok() {
		return nil
	}
	return r.what
}

func (r *reader) take(n int) []byte {
	if n > len(r.b) {
		r.fail("cut short")
		return nil
	}
	b := r.b[:n]
	r.b = r.b[n:]
	return b
}

// block takes what is preceded by two bytes of length.
func (r *reader) block() reader {
	b := r.take(int(r.u16()))
	return reader{b: b, what: r.what}
}

func (r *reader) u8() uint8 {
	if b := r.take(1); b != nil {
		return b[0]
	}
	return 0
}

func (r *reader) u16() uint16 {
	if b := r.take(2); b != nil {
		return binary.BigEndian.Uint16(b)
	}
	return 0
}

func (r *reader) u32() uint32 {
	if b := r.take(4); b != nil {
		return binary.BigEndian.Uint32(b)
	}
	return 0
}

func (r *reader) u64() uint64 {
	if b := r.take(8); b != nil {
		return binary.BigEndian.Uint64(b)
	}
	return 0
}

// figure reads a finite number from 0 to most.
func (r *reader) figure(most float64) float64 {
	bits := r.u64()
	f := math.Float64frombits(bits)
	if !(f >= 0 && f <= most) || math.Signbit(f) {
		r.fail("figure out of bounds")
		return 0
	}
	return f
}

func (r *reader) count() int {
	n := r.u32()
	if n > maxCount {
		r.fail("count out of bounds")
		return 0
	}
	return int(n)
}

func (r *reader) duration(unit time.Duration) time.Duration {
	return time.Duration(r.u32()) * unit
}

func (r *reader) addr() netip.Addr {
	switch r.u8() {
	case 4:
		if b := r.take(4); b != nil {
			return netip.AddrFrom4([4]byte(b))
		}
	case 16:
		if b := r.take(16); b != nil {
			return netip.AddrFrom16([16]byte(b))
		}
	default:
		r.fail("address length")
	}
	return netip.Addr{}
}
