package agent

import (
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"backhand/gossip/node"
	"backhand/gossip/wire"
	"backhand/proxy"
)

// prover returns the proof of an agent with those keys, or none, that knows one node.
func prover(t testing.TB, mode wire.Mode, known *node.Node, keys ...wire.Key) *proof {
	t.Helper()
	var ring atomic.Pointer[wire.Keyring]
	if keys != nil {
		r, err := wire.NewKeyring("web", keys, mode)
		if err != nil {
			t.Fatal(err)
		}
		ring.Store(r)
	}
	s := node.NewSnapshot(node.Parts{Taken: time.Now(), Self: node.ID{9}, Nodes: []*node.Node{known}, Live: node.NewLiveSet()})
	return &proof{
		ring: &ring, latest: func() (uint64, uint64) { return known.Boot, known.Sequence }, node: s.Node,
	}
}

func aClaim() *proxy.Claim {
	return &proxy.Claim{
		Sender: node.ID{1}, Method: []byte("GET"), Target: []byte("/x?y"), Hop: []byte("v1 01 web 192.0.2.7 http"), Limit: []byte("3"),
	}
}

func TestProofBetweenAgents(t *testing.T) {
	key, other := wire.NewKey(1), wire.NewKey(2)
	at := func(boot, sequence uint64) *node.Node {
		return &node.Node{ID: node.ID{1}, Boot: boot, Sequence: sequence}
	}
	late := key
	late.ReceiveOnly = true
	for _, row := range []struct {
		name     string
		from, to *proof
		change   func(c *proxy.Claim)
		want     string // in the error; "" if there is none
	}{
		{"what was signed is believed", prover(t, wire.Enforce, at(7, 100), key), prover(t, wire.Enforce, at(7, 100), key), nil, ""},
		{"ten beats on the way, or lost, are borne", prover(t, wire.Enforce, at(7, 110), key), prover(t, wire.Enforce, at(7, 100), key), nil, ""},
		{"so are ten that the sender did not know yet", prover(t, wire.Enforce, at(7, 90), key), prover(t, wire.Enforce, at(7, 100), key), nil, ""},
		{"eleven are not", prover(t, wire.Enforce, at(7, 111), key), prover(t, wire.Enforce, at(7, 100), key), nil, "names beat 111 of its sender, of which beat 100 was heard last"},
		{"nor is what was recorded eleven beats ago", prover(t, wire.Enforce, at(7, 89), key), prover(t, wire.Enforce, at(7, 100), key), nil, "names beat 89"},
		{"nor what is of the start before", prover(t, wire.Enforce, at(6, 100), key), prover(t, wire.Enforce, at(7, 100), key), nil, "another start"},
		{
			"nor what is of a node that is not known", prover(t, wire.Enforce, at(7, 100), key), prover(t, wire.Enforce, &node.Node{ID: node.ID{3}}, key), nil,
			"a node that is not known",
		},
		{
			"nor what was changed", prover(t, wire.Enforce, at(7, 100), key), prover(t, wire.Enforce, at(7, 100), key),
			func(c *proxy.Claim) { c.Target = []byte("/z") }, "does not hold",
		},
		{
			"nor what was said in a response", prover(t, wire.Enforce, at(7, 100), key), prover(t, wire.Enforce, at(7, 100), key),
			func(c *proxy.Claim) { c.Response = true }, "does not hold",
		},
		{"a key that is not held", prover(t, wire.Enforce, at(7, 100), other), prover(t, wire.Enforce, at(7, 100), key), nil, "key 2, which this agent does not hold"},
		{"a key that is only received proves", prover(t, wire.Enforce, at(7, 100), key), prover(t, wire.ReceiveOnly, at(7, 100), late), nil, ""},
		{"who only receives signs nothing, which is enough for the permissive", prover(t, wire.ReceiveOnly, at(7, 100), key), prover(t, wire.Permissive, at(7, 100), key), nil, ""},
		{"and not for who enforces", prover(t, wire.ReceiveOnly, at(7, 100), key), prover(t, wire.Enforce, at(7, 100), key), nil, "there is no proof"},
		{"without keys nothing is signed", prover(t, 0, at(7, 100)), prover(t, wire.Enforce, at(7, 100), key), nil, "there is no proof"},
		{"nor checked", prover(t, wire.Enforce, at(7, 100), key), prover(t, 0, at(7, 100)), nil, ""},
		{"a wrong proof is no better for being optional", prover(t, wire.Permissive, at(6, 100), key), prover(t, wire.Permissive, at(7, 100), key), nil, "another start"},
	} {
		t.Run(row.name, func(t *testing.T) {
			c := aClaim()
			line := string(row.from.Append(nil, c))
			if row.change != nil {
				row.change(c)
			}
			err := row.to.Check(line, c)
			switch {
			case row.want == "" && err != nil:
				t.Errorf("%q: %v", line, err)
			case row.want != "" && (err == nil || !strings.Contains(err.Error(), row.want)):
				t.Errorf("%q: the error is %v, want %q in it", line, err, row.want)
			}
		})
	}
}

func TestProofAllocatesNothing(t *testing.T) {
	n := &node.Node{ID: node.ID{1}, Boot: 1_795_000_000_000, Sequence: 100}
	p := prover(t, wire.Enforce, n, wire.NewKey(1))
	c, buf := aClaim(), make([]byte, 0, 128)
	line := string(p.Append(nil, c))
	var iface proxy.Proof = p // as the proxy calls it
	allocs := allocates(func() {
		buf = iface.Append(buf[:0], c)
		if err := iface.Check(line, c); err != nil {
			t.Fatal(err)
		}
	})
	if allocs != 0 {
		t.Errorf("%v allocations for a proof that is made and checked", allocs)
	}
}

func BenchmarkProof(b *testing.B) {
	p := prover(b, wire.Enforce, &node.Node{ID: node.ID{1}, Boot: 1_795_000_000_000, Sequence: 100}, wire.NewKey(1))
	c, buf := aClaim(), make([]byte, 0, 128)
	line := string(p.Append(nil, c))
	b.ReportAllocs()
	for b.Loop() {
		buf = p.Append(buf[:0], c)
		if err := p.Check(line, c); err != nil {
			b.Fatal(err)
		}
	}
}
