package proxy

import (
	"net/netip"
	"testing"
	"time"

	"backhand/gossip/node"
	"backhand/proxy/h1"
)

// fuzzed makes exchanges of an agent with keys, which has asked www1.
type fuzzed struct {
	key   *keyed
	h     *Handler
	asked *node.Member
}

func newFuzzed() *fuzzed {
	n := &node.Node{
		ID: idOf("www1"), Name: "www1", Addr: netip.MustParseAddrPort("10.0.0.2:80"), Interval: time.Second,
		Services: []node.Service{{Farm: "web", Ready: true}},
	}
	snap := node.NewSnapshot(node.Parts{Self: idOf("front"), Nodes: []*node.Node{n}, Live: node.NewLiveSet()})
	key := newKeyed("secret", enforce)
	h := New(Config{Self: idOf("front"), Snapshot: func() *node.Snapshot { return snap }, Proof: key}, &Site{})
	return &fuzzed{key, h, snap.Farm("web").Members[0]}
}

// request is an exchange of the request that begins with this head; nil if it is none.
func (z *fuzzed) request(head string) *exchange {
	x := &exchange{perRequest: perRequest{h: z.h}}
	if _, err := h1.ParseRequest([]byte(head), nil, &x.req); err != nil {
		return nil
	}
	return x
}

// linesOf returns the values of all lines of a field.
func linesOf(s *h1.Section, id h1.ID) (values [][]byte) {
	for i := range s.Fields {
		if s.Fields[i].ID == id {
			values = append(values, s.Fields[i].Value)
		}
	}
	return values
}

// one returns the value of a field that is there at most once.
func one(values [][]byte) []byte {
	if len(values) == 0 {
		return nil
	}
	return values[0]
}

// Whatever comes in, a hop counts only with the one proof that belongs to it, to its limit and to the request.
func FuzzHopProof(f *testing.F) {
	z := newFuzzed()
	said := string(hop{idOf("www1"), "web", netip.MustParseAddr(clientAddr), "http"}.append(nil))
	f.Add("/", "Backhand-Hop: "+said+"\r\n", true)
	f.Add("/a?b", "Backhand-Hop: "+said+"\r\nBackhand-Limit: 5\r\n", true)
	f.Add("http://x/", "backhand-hop:"+said+" \r\nBackhand-Limit: 5\r\nBackhand-Limit: 5\r\n", true)
	f.Add("/", "Backhand-Hop: "+said+"\r\nBackhand-Proof:\r\n", false)
	f.Add("/", "Backhand-Hop: "+said+"\r\nBackhand-Proof: v1 x\r\n", true)
	f.Add("/", "Backhand-Hop: "+said+"\r\nBackhand-Hop: "+said+"\r\n", true)
	f.Add("/b", "Backhand-Hop: "+said+"\r\nBackhand-Proof: "+z.key.proofOf(Claim{
		Sender: idOf("www1"), Method: []byte("GET"), Target: []byte("/"), Hop: []byte(said),
	})+"\r\n", false)
	f.Fuzz(func(t *testing.T, target, fields string, sign bool) {
		head := "GET " + target + " HTTP/1.1\r\nHost: x\r\n" + fields
		x := z.request(head + "\r\n")
		if x == nil {
			return
		}
		hops := linesOf(&x.req.Section, h1.BackhandHop)
		if len(hops) != 1 {
			return
		}
		seen, err := parseHop(string(hops[0]))
		if err != nil {
			return
		}
		limits := linesOf(&x.req.Section, h1.BackhandLimit)
		want := z.key.proofOf(Claim{
			Sender: seen.Sender, Method: []byte("GET"), Target: x.req.Target, Hop: hops[0], Limit: one(limits),
		})
		if sign {
			if x = z.request(head + "Backhand-Proof: " + want + "\r\n\r\n"); x == nil {
				return // there may be as many fields as it can have
			}
		}
		x.hopSeen = seen
		proofs := linesOf(&x.req.Section, h1.BackhandProof)
		holds := len(proofs) == 1 && string(proofs[0]) == want && len(limits) < 2
		if err := x.checkHop(); (err == nil) != holds {
			t.Errorf("%q: %v, want it to be believed: %v", head, err, holds)
		}
	})
}

// Whatever an agent answers, its load and its refusal count only with the one proof that belongs to both and to the request.
func FuzzSaidProof(f *testing.F) {
	z := newFuzzed()
	f.Add(200, "Backhand-Load: n=1 c=4 mu=0\r\n", true)
	f.Add(503, "Backhand-Load: n=1 c=4 mu=0\r\nBackhand-Refused: busy\r\n", true)
	f.Add(503, "Backhand-Refused: busy\r\nBackhand-Refused: origin\r\n", true)
	f.Add(421, "Backhand-Refused: hop\r\n", true)
	f.Add(421, "Backhand-Refused: hop\r\nBackhand-Proof: v1 x\r\n", true)
	f.Add(200, "Backhand-Proof: v1 x\r\n", false)
	f.Add(200, "Backhand-Load: n=1 c=4 mu=0\r\nBackhand-Proof:\r\n", false)
	f.Add(200, "X: 1\r\n", false)
	f.Fuzz(func(t *testing.T, status int, fields string, sign bool) {
		x := z.request("GET /a?b HTTP/1.1\r\nHost: x\r\n\r\n")
		ho := &x.ho
		x.res = new(h1.Response)
		ho.x, ho.toAgent, ho.member = x, true, z.asked
		head := string(h1.AppendStatusLine(nil, min(max(status, 100), 599), nil)) + fields
		if _, err := h1.ParseResponse([]byte(head+"\r\n"), nil, h1.MethodGet, x.res); err != nil {
			return
		}
		loads, refusals := linesOf(&x.res.Section, h1.BackhandLoad), linesOf(&x.res.Section, h1.BackhandRefused)
		want := z.key.proofOf(Claim{
			Response: true, Sender: z.asked.Node.ID, Method: []byte("GET"), Target: []byte("/a?b"),
			Load: one(loads), Refused: one(refusals),
		})
		if sign {
			x.res.Reset()
			all := head + "Backhand-Proof: " + want + "\r\n\r\n"
			if _, err := h1.ParseResponse([]byte(all), nil, h1.MethodGet, x.res); err != nil {
				return
			}
		}
		proofs := linesOf(&x.res.Section, h1.BackhandProof)
		says := len(loads)+len(refusals) > 0
		holds := len(proofs) == 1 && string(proofs[0]) == want && len(loads) < 2 && len(refusals) < 2
		if ho.checkSaid(); ho.believed != (holds || !says) || (x.out.Unproved == 1) != (says && !holds) {
			t.Errorf("%q is believed: %v, and counted %d times; want %v", head, ho.believed, x.out.Unproved, holds)
		}
		if _, heard := ho.heardLoad(); !holds && (heard || ho.refusal() != proxied) {
			t.Errorf("%q counts, though it is not proved", head)
		}
	})
}
