package wire

import (
	"encoding/binary"
	"fmt"
	"slices"

	"backhand/gossip/node"
)

// MaxNote is how many bytes a note can say. With all around it, sealed, it fits into a datagram with some room to spare.
const MaxNote = 1024

// Note is something that an agent tells all others, beside how it stands itself.
type Note struct {
	ID       node.ID // of the node that tells it
	Boot     uint64  // of its beats
	Sequence uint64  // notes since Boot, from 1
	Key      uint8   // number of the key that it was sealed with; 0: it was not sealed. AppendNote does not read it
	Payload  []byte  // 1 to MaxNote bytes, which nobody has looked into
}

// IsNote reports whether a datagram that is well-formed would be a note, and not a beat. Who it is from, and whether it is
// well-formed, is not looked at.
func IsNote(b []byte) bool { return len(b) > flagsAt && b[flagsAt]&noteFlag != 0 }

// AppendNote appends to dst the datagram of a note, sealed if the keys say so. It has at most [MaxDatagram] bytes. The keys,
// if any, must be those of the same cluster. An error says what of the note is out of bounds; dst is returned as it was.
func AppendNote(dst []byte, n *Note, cluster Hash, keys *Keyring) ([]byte, error) {
	switch {
	case n.ID.IsZero():
		return dst, fmt.Errorf("note: want a node id")
	case n.Boot >= MaxCounter || n.Sequence == 0 || n.Sequence >= MaxCounter:
		return dst, fmt.Errorf("note: boot %d or sequence %d is out of bounds", n.Boot, n.Sequence)
	case len(n.Payload) == 0 || len(n.Payload) > MaxNote:
		return dst, fmt.Errorf("note: it says %d bytes, want 1 to %d", len(n.Payload), MaxNote)
	}
	key := keys.Sealing()
	if key != 0 && keys.hash != cluster {
		return dst, fmt.Errorf("note: the keys are those of cluster %q, the note is of another", keys.cluster)
	}
	dst = slices.Grow(dst, bufferSize) // so that all below stays in it
	b := appendHeader(dst[len(dst):], cluster, key)
	b[flagsAt] |= noteFlag
	if key != 0 {
		b = append(b, make([]byte, nonceSize)...)
	}
	be := binary.BigEndian
	b = append(b, 0) // which is no part of a beat
	b = append(b, n.ID[:]...)
	b = be.AppendUint64(b, n.Boot)
	b = be.AppendUint64(b, n.Sequence)
	b = be.AppendUint16(b, uint16(len(n.Payload)))
	b = append(b, n.Payload...)
	if key != 0 {
		b = keys.seal(b)
	}
	return append(dst, b...), nil
}

// ParseNote reads one datagram into n. It checks what Parse checks of a beat, in the same order, and its errors are the same.
// Payload is memory of b or of the parser: it holds until b is written to, or the parser reads the next datagram.
func (p *Parser) ParseNote(b []byte, keys *Keyring, n *Note) error {
	header, body, key, err := p.unseal(b, keys)
	switch {
	case err != nil:
		return err
	case header[flagsAt]&noteFlag == 0:
		return malformed("beat in place of a note")
	}
	r := reader{b: body}
	first := r.u8()
	*n = Note{Key: key}
	copy(n.ID[:], r.take(len(n.ID)))
	n.Boot, n.Sequence = r.u64(), r.u64()
	n.Payload = r.take(int(r.u16()))
	switch {
	case !r.ok():
	case first != 0:
		r.fail("note that begins like a beat")
	case n.ID.IsZero():
		r.fail("node id of a note")
	case n.Boot >= MaxCounter || n.Sequence == 0 || n.Sequence >= MaxCounter:
		r.fail("boot or sequence of a note")
	case len(n.Payload) == 0 || len(n.Payload) > MaxNote:
		r.fail("length of what a note says")
	}
	return r.err()
}
