package node

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
)

// ID names a node for as long as its state directory lives. It is random: neither the address nor the name of a host
// identifies it, since both may move to another one.
type ID [16]byte

// NewID returns a fresh random ID.
func NewID() ID {
	var id ID
	_, _ = rand.Read(id[:]) // documented never to fail
	return id
}

// ParseID reads the form that [ID.String] writes.
func ParseID(s string) (ID, error) {
	var id ID
	if len(s) == 2*len(id) { // first of all: Decode writes as much as it is given
		if _, err := hex.Decode(id[:], []byte(s)); err == nil {
			return id, nil
		}
	}
	return ID{}, fmt.Errorf("node id %.64q: want 32 hexadecimal digits", s)
}

// String returns 32 lower-case hexadecimal digits.
func (id ID) String() string { return hex.EncodeToString(id[:]) }

// Short returns the first 8 digits, enough for people to tell the nodes of one cluster apart.
func (id ID) Short() string { return hex.EncodeToString(id[:4]) }

// IsZero reports whether the ID was never set.
func (id ID) IsZero() bool { return id == ID{} }
