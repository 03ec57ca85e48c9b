package memberlist

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"

	"github.com/hashicorp/go-msgpack/v2/codec"

	"backhand/gossip/wire"
)

// What comes in is looked at before the library sees it. The library would take in what costs much, and is of no use between
// agents: compressed messages, which grow a thousandfold when they are unpacked, and messages for programs, of 20 MiB each.
// None of us sends those, so they are let pass only where they are encrypted, by somebody who has a key.

// Kinds of messages, as the first byte has them (messageType of the library), and what else may be there.
const (
	pingMsg         = 0
	indirectPingMsg = 1 // the same byte begins what is encrypted
	ackMsg          = 2
	suspectMsg      = 3
	aliveMsg        = 4
	deadMsg         = 5
	pushPullMsg     = 6
	compoundMsg     = 7
	encryptMsg      = 10 // of streams
	nackMsg         = 11
	crcMsg          = 12
	errorMsg        = 13
	labelMsg        = 244

	encryptedVersion = 1  // of AES-GCM without padding, the only one that version 2 of the protocol writes
	encryptedExtra   = 29 // bytes of version, nonce and tag
)

// Bounds of what comes in. A cluster of MaxMembers members, and as many that are dead, fits a stream.
const (
	maxPacket      = 2048 // bytes; ours have at most 1,200
	maxStream      = 8 << 20
	maxStreamNodes = maxKnown + maxKnown/8
	maxStreamHead  = 256 // bytes in which its header must end
)

// guard says what may pass. The zero value is for a cluster without keys.
type guard struct {
	label     string
	encrypted bool // all that comes in must be
}

// Reasons for what does not pass.
var (
	errCluster   = errors.New("it is of another cluster")
	errPlain     = errors.New("it is not encrypted; does its sender have the keys?")
	errKind      = errors.New("it is of a kind that agents do not send")
	errTruncated = errors.New("it is cut short")
	errTooMuch   = fmt.Errorf("it has more than %d bytes", maxStream)
)

// labelOf stands for the name of a cluster. It says nothing about it to somebody who does not know it.
func labelOf(cluster string) string {
	h := wire.HashCluster(cluster)
	return fmt.Sprintf("backhand-%x", h[:])
}

// packet returns why a datagram may not pass, or nil.
func (g guard) packet(b []byte) error {
	head := 2 + len(g.label)
	switch {
	case len(b) > maxPacket:
		return fmt.Errorf("it has more than %d bytes", maxPacket)
	case len(b) < 2 || b[0] != labelMsg:
		return errKind
	case int(b[1]) != len(g.label) || len(b) < head || string(b[2:head]) != g.label:
		return errCluster
	case len(b) == head:
		return errTruncated
	}
	b = b[head:]
	if g.encrypted {
		if b[0] != encryptedVersion || len(b) <= encryptedExtra {
			return errPlain
		}
		return nil
	}
	return plainPacket(b)
}

// plainPacket checks what may be without encryption: single messages, or several in one, with a checksum or without.
func plainPacket(b []byte) error {
	if b[0] == crcMsg && len(b) > 5 {
		b = b[5:]
	}
	if b[0] != compoundMsg {
		return plainMessage(b)
	}
	if len(b) < 2 {
		return errTruncated
	}
	n := int(b[1])
	lengths, rest := b[2:], b[2:]
	if len(rest) < 2*n {
		return errTruncated
	}
	rest = rest[2*n:]
	for i := range n {
		size := int(binary.BigEndian.Uint16(lengths[2*i:]))
		if size == 0 || size > len(rest) {
			return errTruncated
		}
		if err := plainMessage(rest[:size]); err != nil {
			return err
		}
		rest = rest[size:]
	}
	return nil
}

func plainMessage(b []byte) error {
	switch b[0] {
	case pingMsg, indirectPingMsg, ackMsg, suspectMsg, aliveMsg, deadMsg, nackMsg:
		return nil
	}
	return errKind
}

// guardedStream is a connection whose head was looked at, and that ends where it has brought too much.
type guardedStream struct {
	net.Conn
	guard   guard
	labeled bool // the other side began it, so it begins with the label
	checked bool
	head    []byte // read, and not yet handed on
	left    int    // bytes that may follow
}

// Read implements [net.Conn]. One goroutine at a time may call it.
func (s *guardedStream) Read(b []byte) (int, error) {
	if !s.checked {
		s.checked = true
		head, err := s.guard.stream(s.Conn, s.labeled)
		if err != nil {
			return 0, err
		}
		s.head, s.left = head, maxStream-len(head)
	}
	if len(s.head) > 0 {
		n := copy(b, s.head)
		s.head = s.head[n:]
		return n, nil
	}
	if s.left <= 0 {
		return 0, errTooMuch
	}
	n, err := s.Conn.Read(b[:min(len(b), s.left)])
	s.left -= n
	return n, err
}

// stream reads the head of a stream and returns it, or why it may not pass.
func (g guard) stream(r io.Reader, labeled bool) ([]byte, error) {
	t := tape{r: io.LimitReader(r, maxStreamHead)}
	if labeled {
		label := make([]byte, 2+len(g.label))
		if _, err := io.ReadFull(&t, label); err != nil {
			return nil, err
		}
		if label[0] != labelMsg || int(label[1]) != len(g.label) || string(label[2:]) != g.label {
			return nil, errCluster
		}
	}
	kind, err := t.ReadByte()
	switch {
	case err != nil:
		return nil, err
	case kind == encryptMsg:
		err = encryptedHead(&t)
	case g.encrypted:
		err = errPlain
	case kind == pushPullMsg:
		err = stateHead(&t)
	case kind != pingMsg && kind != ackMsg && kind != errorMsg:
		err = errKind
	}
	if err != nil {
		return nil, err
	}
	return t.read, nil
}

// encryptedHead reads the length of what is encrypted. The library would stumble over nothing in it.
func encryptedHead(t *tape) error {
	var size [4]byte
	if _, err := io.ReadFull(t, size[:]); err != nil {
		return err
	}
	switch n := binary.BigEndian.Uint32(size[:]); {
	case n <= encryptedExtra:
		return errTruncated
	case n > maxStream:
		return errTooMuch
	}
	version, err := t.ReadByte()
	if err == nil && version != encryptedVersion {
		err = errKind
	}
	return err
}

// stateHead reads how many members a node tells of, for which the library would make room at once.
func stateHead(t *tape) error {
	var head struct {
		Nodes, UserStateLen int
		Join                bool
	}
	if err := codec.NewDecoder(t, &codec.MsgpackHandle{}).Decode(&head); err != nil {
		return fmt.Errorf("its head: %w", err)
	}
	if head.Nodes < 0 || head.Nodes > maxStreamNodes {
		return fmt.Errorf("it tells of %d members", head.Nodes)
	}
	if head.UserStateLen != 0 {
		return errKind
	}
	return nil
}

// tape keeps what was read from a reader.
type tape struct {
	r    io.Reader
	read []byte
}

func (t *tape) Read(b []byte) (int, error) {
	n, err := t.r.Read(b)
	t.read = append(t.read, b[:n]...)
	return n, err
}

func (t *tape) ReadByte() (byte, error) {
	var b [1]byte
	if _, err := io.ReadFull(t, b[:]); err != nil {
		return 0, err
	}
	return b[0], nil
}
