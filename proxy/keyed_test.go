package proxy

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"hash"
	"sync"
)

// mode is how far the roll-out of keys has come.
type mode int

const (
	receiveOnly mode = iota // does not sign, and takes what is not signed
	permissive              // signs, and takes what is not signed
	enforce                 // signs, and takes nothing else
)

// keyed is a Proof by one key: HMAC-SHA256 over all of a claim. Who uses it looks at no beats, so that a proof is good for
// ever.
type keyed struct {
	mode   mode
	states sync.Pool // of *macState
}

type macState struct {
	mac  hash.Hash
	text []byte
	sum  []byte
	line []byte
}

func newKeyed(secret string, m mode) *keyed {
	k := &keyed{mode: m}
	k.states.New = func() any { return &macState{mac: hmac.New(sha256.New, []byte(secret))} }
	return k
}

func (k *keyed) Append(dst []byte, c *Claim) []byte {
	if k.mode == receiveOnly {
		return dst
	}
	return k.sign(dst, c)
}

func (k *keyed) sign(dst []byte, c *Claim) []byte {
	s := k.states.Get().(*macState)
	defer k.states.Put(s)
	s.text = append(s.text[:0], "request"...)
	if c.Response {
		s.text = append(s.text[:0], "response"...)
	}
	s.text = append(s.text, c.Sender[:]...)
	for _, v := range [...][]byte{c.Method, c.Target, c.Hop, c.Limit, c.Load, c.Refused} {
		s.text = binary.BigEndian.AppendUint64(s.text, uint64(len(v)))
		s.text = append(s.text, v...)
	}
	s.mac.Reset()
	_, _ = s.mac.Write(s.text)
	s.sum = s.mac.Sum(s.sum[:0])
	return base64.RawURLEncoding.AppendEncode(append(dst, "v1 "...), s.sum)
}

var (
	errUnsigned = errors.New("there is no proof")
	errForged   = errors.New("the proof is wrong")
)

func (k *keyed) Check(line string, c *Claim) error {
	if line == "" {
		if k.mode == enforce {
			return errUnsigned
		}
		return nil
	}
	if len(line) > mostProof {
		panic("a proof that nobody has looked at")
	}
	s := k.states.Get().(*macState)
	defer k.states.Put(s)
	if s.line = k.sign(s.line[:0], c); line != text(s.line) {
		return errForged
	}
	return nil
}

func (k *keyed) proofOf(c Claim) string { return string(k.sign(nil, &c)) }
