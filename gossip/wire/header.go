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
	nonceSize  = 24
	tagSize    = 16

	// maxPlain is what a datagram may hold before it is sealed.
	maxPlain = MaxDatagram - nonceSize - tagSize
)

// Why a datagram is no beat, in the order in which it is checked. Errors of Parse match one of these by [errors.Is].
var (
	ErrSize      = errors.New("beat is shorter than a header or longer than 1200 bytes")
	ErrMagic     = errors.New("datagram is no beat")
	ErrVersion   = errors.New("beat has an unknown version")
	ErrCluster   = errors.New("beat is of another cluster")
	ErrSeal      = errors.New("beat is sealed, and there is no key")
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

// appendHeader appends the header of a beat that is not sealed.
func appendHeader(b []byte, cluster Hash) []byte {
	b = append(b, magic...)
	b = append(b, VersionMax, 0, 0, headerSize)
	return append(b, cluster[:]...)
}

// openHeader checks the header and returns what is behind it.
func openHeader(b []byte, cluster Hash) ([]byte, error) {
	switch {
	case len(b) < headerSize || len(b) > MaxDatagram:
		return nil, ErrSize
	case binary.BigEndian.Uint32(b) != binary.BigEndian.Uint32([]byte(magic)):
		return nil, ErrMagic
	case b[4] < VersionMin || b[4] > VersionMax:
		return nil, ErrVersion
	case Hash(b[8:headerSize]) != cluster:
		return nil, ErrCluster
	case b[5]&sealedFlag != 0:
		return nil, ErrSeal
	case int(b[7]) < headerSize || int(b[7]) > len(b):
		return nil, malformed("header length")
	}
	return b[b[7]:], nil
}
