package wire

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"

	"backhand/gossip/node"
)

// MaxKeyFile is the most bytes a key file may have.
const MaxKeyFile = 64 << 10

const (
	receiveOnlyWord = "receive-only"
	mostMistakes    = 20 // of a file that are told; one that has more is something else
)

// ErrNoKey is the error of [ParseKeys] for a file without a key, and of [NewKeyring] without one: a cluster that should have
// keys must not run without for want of a line.
var ErrNoKey = errors.New("there is no key; backhand keygen makes one")

// LineError is a mistake in a key file.
type LineError struct {
	Line int // counted from 1
	Err  error
}

// Error returns the mistake with its line.
func (e *LineError) Error() string { return fmt.Sprintf("line %d: %v", e.Line, e.Err) }

// Unwrap returns the mistake without it.
func (e *LineError) Unwrap() error { return e.Err }

// Key is a secret that the nodes of a cluster share, with the number by which beats say which one they are sealed with.
// No verb and no encoder prints its secret; only [Key.Line] does.
type Key struct {
	ID          uint8 // from 1
	Secret      [32]byte
	ReceiveOnly bool // opens what others seal, and seals nothing: for a new key as long as not all nodes have it
}

// NewKey returns a key with a new random secret.
func NewKey(id uint8) Key {
	k := Key{ID: id}
	_, _ = rand.Read(k.Secret[:]) // ends the program rather than return an error
	return k
}

// Line returns the key as a line of the key file, secret and all, without the line's end.
func (k Key) Line() string {
	line := strconv.Itoa(int(k.ID)) + " " + base64.StdEncoding.EncodeToString(k.Secret[:])
	if k.ReceiveOnly {
		line += " " + receiveOnlyWord
	}
	return line
}

// Format keeps the secret out of logs, whatever the verb is.
func (k Key) Format(f fmt.State, _ rune) { _, _ = fmt.Fprintf(f, "key %d", k.ID) }

// MarshalText keeps it out of what is encoded.
func (k Key) MarshalText() ([]byte, error) { return fmt.Appendf(nil, "key %d", k.ID), nil }

// ParseKeys reads a key file. A line has one key: its number from 1 to 255, 32 bytes in base64, and perhaps the word
// receive-only, with blanks between them. What follows a # is a comment. There are from 1 to [node.MaxKeys] keys, each with
// a number and a secret of its own.
//
// The error joins all mistakes (see [errors.Join]), each a *[LineError], and never says what stands there: any
// word of the file may be a secret in the wrong place.
func ParseKeys(text []byte) ([]Key, error) {
	if len(text) > MaxKeyFile {
		return nil, fmt.Errorf("want a key file of at most %d bytes", MaxKeyFile)
	}
	var (
		keys     []Key
		mistakes []error
		number   int
	)
	for line := range bytes.Lines(text) {
		number++
		line, _, _ = bytes.Cut(line, []byte{'#'})
		words := bytes.Fields(line)
		if len(words) == 0 {
			continue
		}
		key, err := parseKey(words)
		if err == nil {
			err = key.joins(keys)
		}
		if err == nil {
			keys = append(keys, key)
			continue
		}
		if len(mistakes) == mostMistakes {
			mistakes = append(mistakes, &LineError{number, errors.New("so many mistakes that this can hardly be a key file")})
			break
		}
		mistakes = append(mistakes, &LineError{number, err})
	}
	switch {
	case mistakes != nil:
		return nil, errors.Join(mistakes...)
	case keys == nil:
		return nil, ErrNoKey
	}
	return keys, nil
}

// parseKey reads the words of a line, of which there is at least one.
func parseKey(words [][]byte) (Key, error) {
	id, err := strconv.ParseUint(string(words[0]), 10, 8)
	if err != nil || id == 0 {
		return Key{}, errors.New("want the number of the key first, from 1 to 255")
	}
	key := Key{ID: uint8(id)}
	if len(words) == 1 {
		return Key{}, fmt.Errorf("key %d has no secret: want 32 bytes in base64, as backhand keygen writes them", id)
	}
	secret, err := base64.StdEncoding.Strict().DecodeString(string(words[1]))
	if err != nil || len(secret) != len(key.Secret) {
		return Key{}, fmt.Errorf("the secret of key %d is not 32 bytes in base64: copy the whole of it, "+
			"or take a new one from backhand keygen", id)
	}
	copy(key.Secret[:], secret)
	switch {
	case len(words) == 2:
	case len(words) == 3 && string(words[2]) == receiveOnlyWord:
		key.ReceiveOnly = true
	default:
		return Key{}, fmt.Errorf("behind the secret of key %d nothing may stand but %s", id, receiveOnlyWord)
	}
	return key, nil
}

// joins says what keeps the key from being used beside the others.
func (k Key) joins(others []Key) error {
	switch {
	case k.ID == 0:
		return errors.New("want the number of a key, from 1 to 255")
	case k.Secret == [32]byte{}:
		return fmt.Errorf("the secret of key %d is all zeros: take one from backhand keygen", k.ID)
	case len(others) >= node.MaxKeys:
		return fmt.Errorf("key %d is one too many: keep those that somebody seals with, at most %d", k.ID, node.MaxKeys)
	}
	for _, other := range others {
		switch {
		case other.ID == k.ID:
			return fmt.Errorf("key %d is there twice: give the newer one a number of its own", k.ID)
		case other.Secret == k.Secret:
			return fmt.Errorf("key %d has the secret of key %d: take a new one from backhand keygen", k.ID, other.ID)
		}
	}
	return nil
}
