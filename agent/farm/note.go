package farm

import (
	"encoding/binary"
	"math"
	"slices"
	"time"

	"backhand/gossip/node"
)

// MaxNote is how many bytes a note has at most.
const MaxNote = 1024

// A note is the version of its format, a byte, and records. A record is its kind, a byte, two bytes of length, and as many
// of content. Records of kinds that are not known are passed over, and so is what follows in a record behind what is known
// of its kind: that is how the format may grow. Numbers begin with their greatest byte, a text with a byte of its length.
// All times are ages when the note was made, so that no two wall clocks are compared.
//
//	state       flags, counter (8), node id (16), age in ms (8), name, why, by
//	statistics  age of the youngest in ms (4), name of the physical, their number, and of each: name, value (8), age in ms (4)
const (
	noteVersion = 1

	stateKind = 1
	statsKind = 2

	farmFlag  = 1 // it is a farm's, else a physical's
	downFlag  = 2 // it is up or down, else on, off or drain
	setFlag   = 4 // it is off, or down
	drainFlag = 8 // it drains: of a physical, with no other flag

	recordHead = 3
	maxRecord  = 500 // bytes of a record that we make: of two, both go into a note

	maxAge = maxAhead // of a state, in ms
)

// note is what one says, with times by our own clock.
type note struct {
	states []stateSaid
	stats  []statsSaid
}

// stateSaid is a state of a farm or physical.
type stateSaid struct {
	farm bool
	name string
	pair pair
	state
}

// statsSaid are statistics of a physical.
type statsSaid struct {
	name  string
	fresh time.Time
	stats []node.Stat // none: somebody said that it is alive
}

// appendState appends a record of a state.
func appendState(b []byte, v *stateSaid, now time.Time) []byte {
	flags := byte(0)
	for _, f := range []struct {
		on  bool
		bit byte
	}{{v.farm, farmFlag}, {v.pair == upDown, downFlag}, {v.set, setFlag}, {v.drain, drainFlag}} {
		if f.on {
			flags |= f.bit
		}
	}
	start := len(b)
	b = append(b, stateKind, 0, 0, flags)
	b = binary.BigEndian.AppendUint64(b, v.version.counter)
	b = append(b, v.version.node[:]...)
	b = binary.BigEndian.AppendUint64(b, uint64(ageOf(v.since, now, maxAge)))
	b = appendText(b, v.name, node.MaxFarm)
	b = appendText(b, v.why, node.MaxWhy)
	b = appendText(b, v.by, MaxBy)
	return closeRecord(b, start)
}

// appendStats appends a record of statistics, with as many of them as fit, and returns how many those are.
func appendStats(b []byte, v *statsSaid, now time.Time) ([]byte, int) {
	start := len(b)
	b = append(b, statsKind, 0, 0)
	b = binary.BigEndian.AppendUint32(b, uint32(ageOf(v.fresh, now, math.MaxUint32)))
	b = appendText(b, v.name, node.MaxFarm)
	count := len(b)
	b = append(b, 0)
	n := 0
	for i := range v.stats {
		st := &v.stats[i]
		if len(b)-start+1+len(st.Name)+8+4 > maxRecord {
			break
		}
		b = appendText(b, st.Name, node.MaxStatName)
		b = binary.BigEndian.AppendUint64(b, math.Float64bits(st.Value))
		b = binary.BigEndian.AppendUint32(b, uint32(ageOf(st.At, now, math.MaxUint32)))
		n++
	}
	b[count] = byte(n)
	return closeRecord(b, start), n
}

func closeRecord(b []byte, start int) []byte {
	binary.BigEndian.PutUint16(b[start+1:], uint16(len(b)-start-recordHead))
	return b
}

func appendText(b []byte, s string, most int) []byte {
	s = s[:min(len(s), most)]
	return append(append(b, byte(len(s))), s...)
}

// ageOf returns how many ms ago that was, from 0 to most.
func ageOf(at, now time.Time, most int64) int64 {
	if at.IsZero() {
		return most
	}
	return min(max(0, now.Sub(at).Milliseconds()), most)
}

// malformed is what is wrong with a note.
type malformed string

// Error says it.
func (m malformed) Error() string { return "note: " + string(m) }

// parseNote reads a note that came at that time. It keeps nothing of b.
func parseNote(b []byte, now time.Time) (n note, err error) {
	if len(b) == 0 || len(b) > MaxNote {
		return note{}, malformed("size")
	}
	r := reader{b: b}
	if r.u8() != noteVersion {
		return note{}, malformed("version")
	}
	for len(r.b) > 0 {
		kind := r.u8()
		record := r.record()
		switch {
		case !r.ok():
		case kind == stateKind:
			n.states = append(n.states, record.state(now))
		case kind == statsKind:
			n.stats = append(n.stats, record.stats(now))
		}
		if !record.ok() {
			return note{}, record.what
		}
	}
	return n, nil
}

func (r *reader) state(now time.Time) (v stateSaid) {
	flags := r.u8()
	v.farm, v.set, v.drain = flags&farmFlag != 0, flags&setFlag != 0, flags&drainFlag != 0
	if flags&downFlag != 0 {
		v.pair = upDown
	}
	v.version.counter = r.u64()
	copy(v.version.node[:], r.take(len(v.version.node)))
	age := r.u64()
	v.name, v.why, v.by = r.text(node.MaxFarm), r.text(node.MaxWhy), r.text(MaxBy)
	switch {
	case !r.ok():
	case flags&^(farmFlag|downFlag|setFlag) != 0 && flags != drainFlag:
		r.fail("flags")
	case !plausible(v.version.counter, now):
		r.fail("counter")
	case v.version.node.IsZero():
		r.fail("node id")
	case age > maxAge:
		r.fail("age")
	case v.name == "":
		r.fail("name")
	case !isClean(v.why) || !isClean(v.by):
		r.fail("text")
	default:
		v.since = now.Add(-time.Duration(age) * time.Millisecond)
	}
	return v
}

func (r *reader) stats(now time.Time) (v statsSaid) {
	v.fresh = now.Add(-time.Duration(r.u32()) * time.Millisecond)
	v.name = r.text(node.MaxFarm)
	count := int(r.u8())
	switch {
	case !r.ok():
	case v.name == "":
		r.fail("name")
	case count > node.MaxStats:
		r.fail("number of statistics")
	}
	for range count {
		s := node.Stat{Name: r.text(node.MaxStatName), Value: math.Float64frombits(r.u64())}
		s.At = now.Add(-time.Duration(r.u32()) * time.Millisecond)
		switch {
		case !r.ok():
			return v
		case validStat(&s) != nil || math.Signbit(s.Value):
			r.fail("statistic")
		case slices.ContainsFunc(v.stats, func(o node.Stat) bool { return o.Name == s.Name }):
			r.fail("statistic twice")
		}
		v.stats = append(v.stats, s)
	}
	return v
}
