package wire

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"math"
	"strconv"
	"strings"

	"backhand/gossip/node"
)

const (
	proofVersion = 1
	macSize      = 16 // bytes of the MAC that are sent
	macText      = 22 // characters that they make
	// maxProof is how long a proof is at most: two numbers below MaxCounter have 15 digits.
	maxProof = len("v1 255 ") + 2*len("281474976710655 ") + macText
	// keptInput is up to how many bytes the memory of a MAC's input is kept for the next.
	keptInput = 16 << 10
)

// Why a proof does not hold, beside that its key is not held.
var (
	errNoProof   = errors.New("there is no proof")
	errProofForm = errors.New("proof: want one line: v1 key boot sequence mac")
	errProofMAC  = errors.New("the proof does not hold: its key has another secret, or something was changed on the way")
)

// Claim is what one agent says to another in the fields of a hop, and on which request. A field that is missing and one
// that is empty are the same.
type Claim struct {
	Response bool    // the fields are those of a response
	Sender   node.ID // who says it: of a request the agent that hands it on, of a response the one that answers

	// Boot and Sequence are those of the sender's latest beat. Whoever checks a proof takes them from there.
	Boot, Sequence uint64

	Method, Target []byte // of the request, as they stand in its first line on the hop; for a response as well
	Hop, Limit     []byte // what the fields of a request say
	Load, Refused  []byte // and those of a response
}

// AppendProof appends the line that proves to who has the same keys that the sender made the claim: "v1", the number of the
// key, boot, sequence, and the MAC, with a blank between them. It appends nothing if [Keyring.Sealing] is 0.
func (k *Keyring) AppendProof(dst []byte, c *Claim) []byte {
	if k.Sealing() == 0 {
		return dst
	}
	dst = append(dst, "v1 "...)
	dst = append(strconv.AppendUint(dst, uint64(k.newest.id), 10), ' ')
	dst = append(strconv.AppendUint(dst, c.Boot, 10), ' ')
	dst = append(strconv.AppendUint(dst, c.Sequence, 10), ' ')
	mac := k.newest.mac(k.cluster, c.Boot, c.Sequence, c)
	return append(dst, mac[:]...)
}

// CheckProof returns boot and sequence of a line that proves the claim, whose own it does not read; that they are fresh is
// for the caller to judge. Else the error says in one sentence why the claim is not believed.
func (k *Keyring) CheckProof(line string, c *Claim) (boot, sequence uint64, err error) {
	if line == "" {
		return 0, 0, errNoProof
	}
	p, ok := parseProof(line)
	if !ok {
		return 0, 0, errProofForm
	}
	key := k.find(p.key)
	if key == nil {
		return 0, 0, fmt.Errorf("the proof is made with key %d, which this agent does not hold", p.key)
	}
	want := key.mac(k.cluster, p.boot, p.sequence, c)
	if subtle.ConstantTimeCompare(want[:], []byte(p.mac)) != 1 {
		return 0, 0, errProofMAC
	}
	return p.boot, p.sequence, nil
}

// proof is what a line says.
type proof struct {
	key            uint8
	boot, sequence uint64
	mac            string
}

// parseProof reads what AppendProof writes, and nothing else.
func parseProof(line string) (p proof, ok bool) {
	if len(line) > maxProof {
		return proof{}, false
	}
	version, rest, _ := strings.Cut(line, " ")
	key, rest, _ := strings.Cut(rest, " ")
	boot, rest, _ := strings.Cut(rest, " ")
	sequence, mac, _ := strings.Cut(rest, " ")
	number, ok1 := decimal(key, math.MaxUint8)
	p.key, p.mac = uint8(number), mac
	var ok2, ok3 bool
	p.boot, ok2 = decimal(boot, MaxCounter-1)
	p.sequence, ok3 = decimal(sequence, MaxCounter-1)
	return p, version == "v1" && ok1 && ok2 && ok3 && p.key != 0 && len(mac) == macText
}

// decimal reads a number that is written in the one way there is.
func decimal(s string, most uint64) (uint64, bool) {
	n, err := strconv.ParseUint(s, 10, 64)
	return n, err == nil && n <= most && (s[0] != '0' || len(s) == 1)
}

// prover has what it takes to make a MAC. One goroutine uses it at a time.
type prover struct {
	mac   hash.Hash
	input []byte
	sum   [sha256.Size]byte
}

// mac returns the MAC of a claim, in characters.
func (k *ringKey) mac(cluster string, boot, sequence uint64, c *Claim) (text [macText]byte) {
	p, ok := k.provers.Get().(*prover)
	if !ok {
		p = &prover{mac: hmac.New(sha256.New, k.field)}
	}
	p.input = appendClaim(p.input[:0], cluster, k.id, boot, sequence, c)
	p.mac.Reset()
	_, _ = p.mac.Write(p.input) // never fails: see package hash
	base64.RawURLEncoding.Encode(text[:], p.mac.Sum(p.sum[:0])[:macSize])
	if cap(p.input) <= keptInput {
		k.provers.Put(p)
	}
	return text
}

// appendClaim appends the input of the MAC. No two claims have the same: what has no fixed length has it said before.
func appendClaim(b []byte, cluster string, key uint8, boot, sequence uint64, c *Claim) []byte {
	be := binary.BigEndian
	b = append(b, proofVersion, bits(c.Response, 1), key)
	b = append(b, c.Sender[:]...)
	b = be.AppendUint64(b, boot)
	b = be.AppendUint64(b, sequence)
	b = append(be.AppendUint32(b, uint32(len(cluster))), cluster...)
	for _, v := range [...][]byte{c.Method, c.Target, c.Hop, c.Limit, c.Load, c.Refused} {
		b = append(be.AppendUint32(b, uint32(len(v))), v...)
	}
	return b
}
