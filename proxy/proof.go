package proxy

import (
	"errors"

	"backhand/gossip/node"
	"backhand/proxy/h1"
)

// By address alone a hop is believed of whoever can send from a node's address, and a load of whoever answers there. With
// keys, which only agents have, each signs what it says: the one that hands a request on its hop and limit, the one that
// answers its load and refusal. What is not proved is as if it had not been said.
const fieldProof = "Backhand-Proof"

// mostProof is how long a proof may be, in bytes: twice as long as one is.
const mostProof = 128

// Proof signs what agents say to one another in fields, and checks it. Any number of goroutines use it at once, on the path
// of each request: it should neither wait nor allocate. It keeps nothing of what it is given, and changes nothing of it.
type Proof interface {
	// Append appends the proof of what we claim: the value of a field, of 1 to 128 visible ASCII characters with single
	// spaces between them. If it appends nothing, we do not sign.
	Append(dst []byte, c *Claim) []byte
	// Check returns why a line does not prove the claim, in words for the log, or nil. The line is "" if there was none,
	// which is an error only where a proof is required. Else it came from the network, and has at most 128 bytes.
	Check(line string, c *Claim) error
}

// Claim is what is signed. Its slices hold for the one call only. Method and target are those of the request as it goes
// from agent to agent, with a response, too: it belongs to that request.
type Claim struct {
	Response bool
	Sender   node.ID // who says it: of a request, the node that hands it on; of a response, the one that was asked

	Method, Target []byte

	// The values of the fields, empty if they are not there: the first two in requests, the others in responses.
	Hop, Limit, Load, Refused []byte
}

// claim begins a claim about the request, to which the values are added. It is the same one each time.
func (x *exchange) claim(response bool, sender node.ID) *Claim {
	x.claimed = Claim{Response: response, Sender: sender, Method: x.req.Method, Target: x.targetBetween()}
	return &x.claimed
}

// targetBetween returns the target as agents have it between them: as it came from one, or as it goes to one.
func (x *exchange) targetBetween() []byte {
	req := &x.req
	path := req.Path
	switch {
	case x.to != nil:
		path = x.to
	case req.Form == h1.OriginForm || req.Has(h1.BackhandHop):
		return req.Target
	}
	x.target = append(append(x.target[:0], path...), req.Query...)
	return x.target
}

// appendHopProof signs the fields with which a request is handed on, given their values.
func (x *exchange) appendHopProof(b, said, limit []byte) []byte {
	if x.h.cfg.Proof == nil {
		return b
	}
	c := x.claim(false, x.h.cfg.Self)
	c.Hop, c.Limit = said, limit
	before := len(b)
	b = append(b, fieldProof+": "...)
	from := len(b)
	if b = x.h.cfg.Proof.Append(b, c); len(b) == from {
		return b[:before]
	}
	return append(b, "\r\n"...)
}

// proofName is the name of the field that tellAgent adds.
var proofName = []byte(fieldProof)

// tellAgent adds to a response that goes back over a hop how busy our origin is, and signs that and the value of
// Backhand-Refused, if there is one. That a hop is not believed is signed, too: who handed it on must know it from us.
func (x *exchange) tellAgent(refused string) {
	x.tellLoad()
	if x.h.cfg.Proof == nil || x.hop == nil && refused == "" {
		return
	}
	c := x.claim(true, x.h.cfg.Self)
	c.Load = x.load
	if refused != "" {
		c.Refused = []byte(refused)
	}
	if x.proof = x.h.cfg.Proof.Append(x.proof[:0], c); len(x.proof) > 0 {
		x.res.Fields = append(x.res.Fields, h1.Field{Name: proofName, Value: x.proof}) // without ID, as all that we add ourselves
	}
}

// checkHop returns why it is not proved that the hop and its limit come from the node in whose name they do, or nil.
func (x *exchange) checkHop() error {
	if x.h.cfg.Proof == nil {
		return nil
	}
	s, c := &x.req.Section, x.claim(false, x.hopSeen.Sender)
	var ok bool
	c.Hop, _ = only(s, h1.BackhandHop)
	if c.Limit, ok = atMostOne(s, h1.BackhandLimit); !ok {
		return errRepeated
	}
	return x.h.checkProof(s, c)
}

// checkSaid finds out whether what an agent says of its load, or that it refuses, may be believed.
func (ho *handover) checkSaid() {
	x := ho.x
	s := &x.res.Section
	ho.believed = ho.toAgent
	if !ho.toAgent || x.h.cfg.Proof == nil || !s.Has(h1.BackhandLoad) && !s.Has(h1.BackhandRefused) {
		return
	}
	c := x.claim(true, ho.member.Node.ID)
	var okLoad, okRefused bool
	c.Load, okLoad = atMostOne(s, h1.BackhandLoad)
	c.Refused, okRefused = atMostOne(s, h1.BackhandRefused)
	err := errRepeated
	if okLoad && okRefused {
		err = x.h.checkProof(s, c)
	}
	if ho.believed = err == nil; ho.believed {
		x.h.unproved.clear(ho.member.Node.ID)
		return
	}
	x.out.Unproved++
	x.h.didNotProve(ho.member, err)
}

var (
	errProofForm = errors.New("the proof is there more than once, or is longer than 128 bytes")
	errRepeated  = errors.New("a field that agents send once is there more than once")
)

func (h *Handler) checkProof(s *h1.Section, c *Claim) error {
	line, ok := atMostOne(s, h1.BackhandProof)
	if !ok || len(line) > mostProof {
		return errProofForm
	}
	return h.cfg.Proof.Check(text(line), c)
}

// atMostOne returns the value of the field of that ID, nil if there is none; ok is false if there are several lines of it.
func atMostOne(s *h1.Section, id h1.ID) (value []byte, ok bool) {
	if !s.Has(id) {
		return nil, true
	}
	return only(s, id)
}
