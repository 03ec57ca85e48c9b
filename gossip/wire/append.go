package wire

import (
	"encoding/binary"
	"fmt"
	"math"
	"net/netip"
	"time"

	"backhand/gossip/node"
)

// Bounds of what a beat may say, beside those of package node.
const (
	// MaxCounter is above every boot and sequence: milliseconds since 1970 reach it in the year 10889. Nobody can announce
	// himself as the last that will ever be taken.
	MaxCounter = 1 << 48

	MinInterval = 100 * time.Millisecond
	MaxInterval = 60 * time.Second

	maxFigure = 1e15 // far above anything real, and far from where sums and products overflow
	maxCount  = math.MaxInt32

	// bufferSize is more than a datagram, by the farm that turns out not to fit and by what is authenticated with a body.
	bufferSize = 2048
)

const (
	tlsBit    = 1 << 0
	directBit = 1 << 1
	readyBit  = 1 << 0
)

// Append appends to dst the datagrams of one beat that announces n, one for each part, sealed if the keys say so. Buffers
// that dst holds between its length and its capacity are used again, so that a caller who passes the last result cut to [:0]
// soon allocates nothing.
//
// What n says of itself must be within the bounds of the format, or the error says what is not. Figures out of bounds are
// brought into them instead: a sampler that divides by zero must not silence the node. Nor may who pushes statistics: what of
// them is out of bounds is left out, and all of them are where they would take more than [MaxParts]. The keys, if any, must be
// those of the same cluster. n.Key is not read: a beat says itself how it is sealed.
func Append(dst [][]byte, n *node.Node, cluster Hash, keys *Keyring) ([][]byte, error) {
	if err := check(n); err != nil {
		return dst, err
	}
	key := keys.Sealing()
	if key != 0 && keys.hash != cluster {
		return dst, fmt.Errorf("beat of %q: the keys are those of cluster %q, the beat is of another", n.Name, keys.cluster)
	}
	first, bodyAt := len(dst), headerSize
	if key != 0 {
		bodyAt += nonceSize
	}
	dst = appendParts(dst, n, cluster, key, true)
	if len(dst)-first > MaxParts {
		dst = appendParts(dst[:first], n, cluster, key, false)
	}
	for i := first; i < len(dst); i++ {
		dst[i][bodyAt], dst[i][bodyAt+1] = uint8(i-first+1), uint8(len(dst)-first)
		if key != 0 {
			dst[i] = keys.seal(dst[i])
		}
	}
	return dst, nil
}

// appendParts appends the parts as they are before they are counted and sealed, with or without pushed statistics.
func appendParts(dst [][]byte, n *node.Node, cluster Hash, key uint8, pushed bool) [][]byte {
	first, limit := len(dst), maxPlain
	if key != 0 {
		limit += nonceSize
	}
	dst, count := begin(dst, n, cluster, key)
	room := limit - sizeOfLabels(n.Labels) - sizeOfKeys(n.Keys) // of the first part, behind whose farms they go
	here := 0                                                   // the first farm of this part
	telling := func(end int) []node.Service {                   // the farms of this part, if their statistics are told
		if !pushed {
			return nil
		}
		return n.Services[here:end]
	}
	for i := range n.Services {
		p := &dst[len(dst)-1]
		// The count of farms has one byte; MaxFarms is far below what that holds.
		if grown := appendFarm(*p, &n.Services[i]); len(grown)+sizeOfPushed(telling(i+1)) <= room {
			*p = grown
			(*p)[count]++
			continue
		}
		*p = appendPushed(*p, telling(i))
		dst, _ = begin(dst, n, cluster, key)
		room, here = limit, i
		p = &dst[len(dst)-1]
		*p = appendFarm(*p, &n.Services[i]) // always fits: see TestOneFarmAlwaysFits
		(*p)[count]++
	}
	last := &dst[len(dst)-1]
	*last = appendPushed(*last, telling(len(n.Services)))
	dst[first] = appendKeys(appendLabels(dst[first], n.Labels), n.Keys)
	return dst
}

// begin appends a datagram with everything up to the number of its farms, whose place it returns. Where it is to be sealed,
// there is room for the nonce.
func begin(dst [][]byte, n *node.Node, cluster Hash, key uint8) (_ [][]byte, count int) {
	var b []byte
	if len(dst) < cap(dst) {
		b = dst[:len(dst)+1][len(dst)][:0]
	}
	if cap(b) < bufferSize {
		b = make([]byte, 0, bufferSize)
	}
	b = appendHeader(b, cluster, key)
	if key != 0 {
		b = append(b, make([]byte, nonceSize)...)
	}
	b = append(b, 1, 1) // part and parts, known at the end
	b = appendNode(b, n)
	b = append(b, 0)
	return append(dst, b), len(b) - 1
}

// check returns what keeps n from being announced.
func check(n *node.Node) error {
	addr := n.Addr.Addr().Unmap()
	switch {
	case n.ID.IsZero():
		return fmt.Errorf("beat of %q: want a node id", n.Name)
	case len(n.Name) > node.MaxName:
		return fmt.Errorf("beat: the name has %d bytes, want at most %d", len(n.Name), node.MaxName)
	case len(n.Zone) > node.MaxZone:
		return fmt.Errorf("beat of %q: the zone has %d bytes, want at most %d", n.Name, len(n.Zone), node.MaxZone)
	case !reachable(addr) || n.Addr.Port() == 0:
		return fmt.Errorf("beat of %q: want an address and port to connect to, not %v", n.Name, n.Addr)
	case n.Boot >= MaxCounter || n.Sequence >= MaxCounter:
		return fmt.Errorf("beat of %q: boot %d or sequence %d is too great", n.Name, n.Boot, n.Sequence)
	case n.State < node.Up || n.State > node.Leaving:
		return fmt.Errorf("beat of %q: state %d is none", n.Name, n.State)
	case n.VersionMin == 0 || n.VersionMin > n.VersionMax:
		return fmt.Errorf("beat of %q: versions %d to %d are none", n.Name, n.VersionMin, n.VersionMax)
	case n.Interval < MinInterval || n.Interval > MaxInterval:
		return fmt.Errorf("beat of %q: the interval is %v, want %v to %v", n.Name, n.Interval, MinInterval, MaxInterval)
	case len(n.Services) > node.MaxFarms:
		return fmt.Errorf("beat of %q: it serves %d farms, want at most %d", n.Name, len(n.Services), node.MaxFarms)
	}
	for _, wrong := range [...]malformed{checkLabels(n.Labels), checkKeys(n.Keys)} {
		if wrong != "" {
			return fmt.Errorf("beat of %q: %s", n.Name, string(wrong))
		}
	}
	for i := range n.Services {
		s := &n.Services[i]
		switch {
		case s.Farm == "" || len(s.Farm) > node.MaxFarm:
			return fmt.Errorf("beat of %q: farm %q: want a name of 1 to %d bytes", n.Name, s.Farm, node.MaxFarm)
		case named(n.Services[:i], s.Farm):
			return fmt.Errorf("beat of %q: farm %q is there twice", n.Name, s.Farm)
		}
	}
	return nil
}

// reachable reports whether one can connect to the address, as far as it alone tells.
func reachable(a netip.Addr) bool {
	if !a.IsValid() || a.Zone() != "" || a.Is4In6() || a.IsUnspecified() || a.IsMulticast() {
		return false
	}
	if a.Is4() {
		first := a.As4()[0]
		return first != 0 && first < 240 // "this network" and the reserved rest (RFC 6890)
	}
	return !a.IsLinkLocalUnicast() // which needs a zone
}

func named(services []node.Service, farm string) bool {
	for i := range services {
		if services[i].Farm == farm {
			return true
		}
	}
	return false
}

func appendNode(b []byte, n *node.Node) []byte {
	be, st := binary.BigEndian, &n.Stats
	length := len(b)
	b = append(b, 0, 0)
	b = append(b, n.ID[:]...)
	b = be.AppendUint64(b, n.Boot)
	b = be.AppendUint64(b, n.Sequence)
	b = appendDuration(b, n.SampleAge, time.Millisecond)
	b = appendDuration(b, n.Interval, time.Millisecond)
	b = append(b, byte(n.State), n.VersionMin, n.VersionMax, bits(n.TLS, tlsBit)|bits(n.Direct, directBit))
	b = be.AppendUint64(b, n.ConfigHash)
	b = be.AppendUint16(b, uint16(min(max(st.CPUs, 1), math.MaxUint16)))
	b = appendFigure(b, st.Speed, maxFigure)
	b = appendFigure(b, st.Load1, maxFigure)
	b = appendFigure(b, st.CPUIdle, 1)
	b = appendFigure(b, st.Pressure, 1)
	b = be.AppendUint64(b, st.MemTotal)
	b = be.AppendUint64(b, min(st.MemAvailable, st.MemTotal))
	b = appendDuration(b, st.SendLate, time.Microsecond)
	b = appendFigure(b, st.Dispatched, maxFigure)
	addr := n.Addr.Addr().Unmap()
	b = append(b, byte(addr.BitLen()/8))
	b = appendAddr(b, addr)
	b = be.AppendUint16(b, n.Addr.Port())
	b = appendText(b, n.Name, node.MaxName)
	b = appendText(b, n.Zone, node.MaxZone)
	be.PutUint16(b[length:], uint16(len(b)-length-2))
	return b
}

func appendFarm(b []byte, s *node.Service) []byte {
	be := binary.BigEndian
	length := len(b)
	b = append(b, 0, 0)
	b = appendText(b, s.Farm, node.MaxFarm)
	b = append(b, bits(s.Ready, readyBit))
	b = appendText(b, s.Why, node.MaxWhy)
	for _, f := range [...]float64{s.Slots, s.Mu, s.Average, s.Arrivals, s.Completions, s.Errors, s.Refusals} {
		b = appendFigure(b, f, maxFigure)
	}
	for _, c := range [...]int{s.Workers, s.Busy, s.InFlight} {
		b = be.AppendUint32(b, uint32(min(max(c, 0), maxCount)))
	}
	b = be.AppendUint64(b, s.Served)
	b = appendDuration(b, s.ServeTime, time.Microsecond)
	be.PutUint16(b[length:], uint16(len(b)-length-2))
	return b
}

// appendText appends at most limit bytes of s: what identifies a node was checked to be no longer, and a reason is cut.
func appendText(b []byte, s string, limit int) []byte {
	s = s[:min(len(s), limit)]
	b = append(b, byte(len(s)))
	return append(b, s...)
}

func appendAddr(b []byte, a netip.Addr) []byte {
	if a.Is4() {
		v4 := a.As4()
		return append(b, v4[:]...)
	}
	v6 := a.As16()
	return append(b, v6[:]...)
}

func appendFigure(b []byte, f, most float64) []byte {
	if !(f > 0) { // nor is NaN; and -0 becomes 0
		f = 0
	}
	return binary.BigEndian.AppendUint64(b, math.Float64bits(min(f, most)))
}

func appendDuration(b []byte, d, unit time.Duration) []byte {
	return binary.BigEndian.AppendUint32(b, uint32(min(max(d/unit, 0), math.MaxUint32)))
}

func bits(set bool, bit byte) byte {
	if set {
		return bit
	}
	return 0
}
