package wire

import (
	"cmp"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"sync"

	"golang.org/x/crypto/chacha20poly1305"

	"backhand/gossip/node"
)

// Mode says what an agent that has keys does with them. A cluster that runs without keys gets them mode by mode: each one
// can be set on one host after the other, and no beat is lost in between.
type Mode uint8

// The modes, in the order of a roll-out. The zero value is none of them.
const (
	ReceiveOnly Mode = iota + 1 // beats and fields leave as if there were no keys; sealed beats are read
	Permissive                  // beats leave sealed, fields signed; beats that are not sealed are still taken
	Enforce                     // only sealed beats are taken
)

// String returns the word that the file uses.
func (m Mode) String() string {
	switch m {
	case ReceiveOnly:
		return "receive-only"
	case Permissive:
		return "permissive"
	case Enforce:
		return "enforce"
	}
	return "unknown"
}

// ParseMode reads the word that the file uses.
func ParseMode(s string) (Mode, error) {
	for m := ReceiveOnly; m <= Enforce; m++ {
		if s == m.String() {
			return m, nil
		}
	}
	return 0, fmt.Errorf("%q is no mode of keys: want receive-only, permissive or enforce", s)
}

// Keyring has the keys of one cluster, and what is derived from them. It never changes, and any number of goroutines may
// use it. A nil Keyring has no keys and is in no mode: nothing is sealed or signed, and sealed beats cannot be read.
type Keyring struct {
	cluster string
	hash    Hash
	mode    Mode
	keys    []*ringKey // in the order of their numbers
	newest  *ringKey   // nil if there is none that may seal
	marks   []node.KeyMark
	nonce   func([]byte) // fills in a nonce
}

// ringKey is one key. Its secret is not kept: what is derived from it for one purpose says nothing about the others.
type ringKey struct {
	id         uint8
	beat       cipher.AEAD
	field      []byte
	memberlist []byte
	provers    sync.Pool // of *prover
}

// NewKeyring returns the keyring of the cluster with that name. Of the keys, at most [node.MaxKeys] with numbers of their
// own, the one with the highest number that is not receive-only seals; there must be one unless the mode is [ReceiveOnly].
func NewKeyring(cluster string, keys []Key, mode Mode) (*Keyring, error) {
	switch {
	case cluster == "":
		return nil, errors.New("keyring: want the name of a cluster")
	case mode < ReceiveOnly || mode > Enforce:
		return nil, fmt.Errorf("keyring: mode %d is none", mode)
	case len(keys) == 0:
		return nil, fmt.Errorf("keyring: %w", ErrNoKey)
	}
	k := &Keyring{cluster: cluster, hash: HashCluster(cluster), mode: mode, nonce: randomNonce}
	keys = slices.SortedFunc(slices.Values(keys), func(a, b Key) int { return cmp.Compare(a.ID, b.ID) })
	for i, key := range keys {
		if err := key.joins(keys[:i]); err != nil {
			return nil, fmt.Errorf("keyring: %w", err)
		}
		rk, mark, err := derive(key, cluster)
		if err != nil {
			return nil, fmt.Errorf("keyring: key %d: %w", key.ID, err)
		}
		k.keys, k.marks = append(k.keys, rk), append(k.marks, mark)
		if !key.ReceiveOnly {
			k.newest = rk
		}
	}
	if k.newest == nil && mode != ReceiveOnly {
		return nil, fmt.Errorf("keyring: all keys are receive-only, but in mode %v one has to seal: "+
			"take the word off that which all nodes hold", mode)
	}
	return k, nil
}

// derive makes of a secret what is needed of it: a key for each purpose and cluster. They are the outputs of HKDF-SHA256
// (RFC 5869) whose salt is the name of the cluster, and whose info is the purpose.
func derive(key Key, cluster string) (*ringKey, node.KeyMark, error) {
	var made [4][]byte
	for i, want := range [...]struct {
		purpose string
		size    int
	}{
		{"backhand v1 beat", chacha20poly1305.KeySize},
		{"backhand v1 field", sha256.Size},
		{"backhand v1 memberlist", 32},
		{"backhand v1 mark", 4},
	} {
		var err error
		if made[i], err = hkdf.Key(sha256.New, key.Secret[:], []byte(cluster), want.purpose, want.size); err != nil {
			return nil, node.KeyMark{}, err
		}
	}
	beat, err := chacha20poly1305.NewX(made[0])
	if err != nil {
		return nil, node.KeyMark{}, err // only where FIPS 140 is enforced, which does not know this cipher
	}
	rk := &ringKey{id: key.ID, beat: beat, field: made[1], memberlist: made[2]}
	return rk, node.KeyMark{ID: key.ID, Mark: binary.BigEndian.Uint32(made[3])}, nil
}

// randomNonce cannot come without randomness: [rand.Read] ends the program first.
func randomNonce(b []byte) { _, _ = rand.Read(b) }

// Mode returns what is done with the keys; 0 if there are none.
func (k *Keyring) Mode() Mode {
	if k == nil {
		return 0
	}
	return k.mode
}

// Newest returns the number of the key that seals, or would in another mode than [ReceiveOnly]: the highest one that is
// not receive-only, 0 if there is none.
func (k *Keyring) Newest() uint8 {
	if k == nil || k.newest == nil {
		return 0
	}
	return k.newest.id
}

// Sealing returns the number of the key with which beats are sealed and fields signed; 0 if they are not.
func (k *Keyring) Sealing() uint8 {
	if k.Mode() == ReceiveOnly {
		return 0
	}
	return k.Newest()
}

// Held returns the mark of each key, receive-only ones too, in the order of their numbers: what [node.Node.Keys] announces.
// Nobody may write to it. A mark tells two secrets of one number apart, but for a chance of one in 2^32.
func (k *Keyring) Held() []node.KeyMark {
	if k == nil {
		return nil
	}
	return slices.Clip(k.marks)
}

// MemberlistKeys returns the keys for the datagrams and streams of memberlist, 32 bytes each: that which encrypts, nil if
// none may, and all of them, in the order of their numbers. Whether anything is encrypted is for [Keyring.Sealing] to say.
func (k *Keyring) MemberlistKeys() (primary []byte, all [][]byte) {
	if k == nil {
		return nil, nil
	}
	for _, key := range k.keys {
		all = append(all, slices.Clone(key.memberlist))
		if key == k.newest {
			primary = all[len(all)-1]
		}
	}
	return primary, all
}

// Format keeps what is secret out of logs, whatever the verb is.
func (k *Keyring) Format(f fmt.State, _ rune) {
	if k == nil {
		_, _ = fmt.Fprint(f, "no keys")
		return
	}
	_, _ = fmt.Fprintf(f, "%d keys, mode %v, key %d seals", len(k.keys), k.mode, k.Sealing())
}

// find returns the key with that number, or nil.
func (k *Keyring) find(id uint8) *ringKey {
	if k == nil {
		return nil
	}
	for _, key := range k.keys {
		if key.id == id {
			return key
		}
	}
	return nil
}
