package agent

import (
	"errors"
	"fmt"
	"sync/atomic"

	"backhand/gossip/node"
	"backhand/gossip/wire"
	"backhand/proxy"
)

// proofGap is by how many beats a proof may be off the last beat of its sender that was heard: those before it may have been
// lost, those after it be on their way.
const proofGap = 10

// proof signs what we say over hops, and checks what other agents say. It implements [proxy.Proof].
type proof struct {
	ring   *atomic.Pointer[wire.Keyring]
	latest func() (boot, sequence uint64) // of our beats
	node   func(node.ID) *node.Node       // as it was heard last; nil if it is not known
}

// Append implements [proxy.Proof].
func (p *proof) Append(dst []byte, c *proxy.Claim) []byte {
	ring := p.ring.Load()
	if ring.Sealing() == 0 {
		return dst
	}
	w := wireClaim(c)
	w.Boot, w.Sequence = p.latest()
	return ring.AppendProof(dst, &w)
}

// Check implements [proxy.Proof]. A proof of an agent with keys is nothing to us as long as we have none.
func (p *proof) Check(line string, c *proxy.Claim) error {
	ring := p.ring.Load()
	if ring == nil || line == "" && ring.Mode() != wire.Enforce {
		return nil
	}
	w := wireClaim(c)
	boot, sequence, err := ring.CheckProof(line, &w)
	if err != nil {
		return err
	}
	n := p.node(c.Sender)
	switch {
	case n == nil:
		return errors.New("the proof is of a node that is not known")
	case boot > n.Boot && sequence <= proofGap:
		return nil // it has just started anew, and its first beats are on their way
	case n.Boot != boot:
		return errors.New("the proof is of another start of the agent than its last beat")
	case max(n.Sequence, sequence)-min(n.Sequence, sequence) > proofGap:
		return fmt.Errorf("the proof names beat %d of its sender, of which beat %d was heard last: want one of the %d beside it",
			sequence, n.Sequence, proofGap)
	}
	return nil
}

func wireClaim(c *proxy.Claim) wire.Claim {
	return wire.Claim{
		Response: c.Response, Sender: c.Sender, Method: c.Method, Target: c.Target,
		Hop: c.Hop, Limit: c.Limit, Load: c.Load, Refused: c.Refused,
	}
}
