package wire

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
)

// Limits and versions of the format.
const (
	// MaxDatagram is how many bytes one datagram has at most, sealed. With the headers below it, it fits the smallest MTU
	// of IPv6, 1280 (RFC 8200, section 5).
	MaxDatagram = 1200

	MaxParts   = 64 // datagrams of one beat; as many as farms, so that one a part always does
	VersionMin = 1  // oldest version of the format that is understood
	VersionMax = 1  // newest, and the one that is sent
)

const (
	magic      = "BKHD"
	headerSize = 16
	sealedFlag = 1 << 0
	noteFlag   = 1 << 1

	// maxPlain is what a datagram that is not sealed holds at most, so that it would still fit if it were.
	maxPlain = MaxDatagram - nonceSize - tagSize
)

// Places in the header.
const (
	versionAt = 4
	flagsAt   = 5
	keyAt     = 6
	lengthAt  = 7
	clusterAt = 8
)

// Why a datagram is no beat, in the order in which it is checked; ErrMalformed is also for a header that is longer than the
// datagram, before it is asked how that is sealed. Errors of Parse match one of these by [errors.Is].
var (
	ErrSize      = errors.New("beat is shorter than a header or longer than 1200 bytes")
	ErrMagic     = errors.New("datagram is no beat")
	ErrVersion   = errors.New("beat has an unknown version")
	ErrCluster   = errors.New("beat is of another cluster")
	ErrUnsealed  = errors.New("beat is not sealed, and only sealed ones are taken")
	ErrSeal      = errors.New("beat is sealed with a key that this agent does not hold")
	ErrForged    = errors.New("beat is sealed with another secret than our key of that number has, or was changed on the way")
	ErrMalformed = errors.New("beat is malformed")
)

// malformed says what is wrong with a beat. It matches [ErrMalformed], and holds nothing of the beat itself.
type malformed string

func (m malformed) Error() string        { return ErrMalformed.Error() + ": " + string(m) }
func (m malformed) Is(target error) bool { return target == ErrMalformed }

// Hash stands for the name of a cluster in the header: the first 8 bytes of its SHA-256.
type Hash [8]byte

// HashCluster returns the hash of a cluster's name.
func HashCluster(name string) Hash {
	sum := sha256.Sum256([]byte(name))
	return Hash(sum[:])
}

// appendHeader appends the header of a beat that is sealed with the key of that number; 0: of one that is not sealed.
func appendHeader(b []byte, cluster Hash, key uint8) []byte {
	b = append(b, magic...)
	b = append(b, VersionMax, bits(key != 0, sealedFlag), key, headerSize)
	return append(b, cluster[:]...)
}

// KeyNumber returns the number of the key that a beat says it is sealed with: one of which [Parser.Parse] has said [ErrSeal]
// or [ErrForged].
func KeyNumber(beat []byte) uint8 { return beat[keyAt] }

// cutHeader checks the header, and returns it and what is behind it.
func cutHeader(b []byte, cluster Hash) (header, rest []byte, err error) {
	switch {
	case len(b) < headerSize || len(b) > MaxDatagram:
		return nil, nil, ErrSize
	case binary.BigEndian.Uint32(b) != binary.BigEndian.Uint32([]byte(magic)):
		return nil, nil, ErrMagic
	case b[versionAt] < VersionMin || b[versionAt] > VersionMax:
		return nil, nil, ErrVersion
	case Hash(b[clusterAt:headerSize]) != cluster:
		return nil, nil, ErrCluster
	case int(b[lengthAt]) < headerSize || int(b[lengthAt]) > len(b):
		return nil, nil, malformed("header length")
	}
	return b[:b[lengthAt]], b[b[lengthAt]:], nil
}
