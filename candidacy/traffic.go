package candidacy

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"time"

	"backhand/gossip/node"
)

// What the score is made of, as it was found by simulation (reference: balancing, 3.4).
const (
	kneeSlope = 0.75 // A: how much a slot more in use costs while some are free
	kneePower = 3    // G: how fast it costs more when none is

	// heardFor is for how long counts in full what a member has said. A member that gets no requests says nothing, and would
	// else stay as busy as it was then for ever; but to forget it all at once makes it look as busy as any other, so that all
	// fronts try it again (by simulation, with 100 fronts the mean rose by a fifth).
	heardFor = 10 * time.Second
	// heardHalves is how long what it said takes to become half of it after that.
	heardHalves = time.Minute
	// newcomer is by how much the score of a member that has said nothing is varied at random, up and down: it is guessed,
	// and all nodes would guess the same and try it at the same moment.
	newcomer = 0.25
)

func byTraffic() Spec {
	return Spec{
		Name: "byTraffic", Usage: "byTraffic [A [G [WEIGHT]]]",
		Doc: "Sorts by how long a request more would have to wait: the requests under way at a member, as it said with its last " +
			"response to this host and corrected by those that this host has sent it since, for each of its slots, and how fast " +
			"those are. No two hosts have heard the same, so that they do not all choose the same member. While slots are free, a " +
			"request more costs little (A, 0.75), else more and more (power G, 3). WEIGHT is how many a request of this host's " +
			"own counts, since others send some, too: by default the whole cluster's requests for each of its own. Of physicals, " +
			"which say nothing, the own requests under way are known: the fewest for each slot come first.",
		Source: ours, Example: "byTraffic",
		Make: makeByTraffic,
	}
}

func makeByTraffic(a *Args) Step {
	t := &traffic{knee: knee{a: a.Float("A", kneeSlope, 0), g: a.Float("G", kneePower, 1)}, weight: a.Float("WEIGHT", 0, 1)}
	if t.a > 1 {
		a.Fail("A is %v, want a number from 0 to 1", t.a)
	}
	return Step{Run: t.sort, First: t.first, Note: t.note}
}

// knee is what being busy costs. x is the requests under way for each slot.
type knee struct{ a, g float64 }

var defaultKnee = &knee{kneeSlope, kneePower} // never written

func (k *knee) at(x float64) float64 {
	switch {
	case x <= 1:
		return 1 - k.a + k.a*x
	case k.g == 3:
		return x * x * x
	}
	return math.Pow(x, k.g)
}

// reaches returns how many requests for each slot cost that much.
func (k *knee) reaches(cost float64) float64 {
	switch {
	case cost > 1:
		return math.Pow(cost, 1/k.g)
	case k.a == 0:
		return 1
	}
	return max(0, (cost-1+k.a)/k.a)
}

type traffic struct {
	knee
	weight float64 // 0: by share
}

// estimate is what is believed of a member at the moment of a decision.
type estimate struct {
	busy  float64 // requests under way, those that other nodes may have sent included
	slots float64
	mu    float64
	guess bool  // it has not said anything yet, as it would have if it had been asked
	heard int64 // when it said so, in ns since 1970; 0: never, or it never does
}

// estimate returns it. weight is how many requests one of our own stands for.
func (req *Request) estimate(m *node.Member, weight float64, now int64) estimate {
	h := m.Live.LastHeard()
	if h.At == 0 {
		return req.guess(m, weight)
	}
	own := float64(m.Live.Outstanding())
	e := estimate{slots: h.Slots, mu: h.Mu, heard: h.At}
	if age := now - h.At; age > int64(heardFor) {
		e.slots, e.mu = m.Slots(), m.Mu() // by its beat
		h.InFlight *= math.Exp2(-float64(age) / float64(heardHalves))
	}
	if e.mu <= 0 || math.IsInf(e.mu, 0) {
		e.mu = req.usualMu()
	}
	more, begun := own-h.Own, h.Begun
	if req.ErrorWindow > 0 && m.Live.Failed() > 0 {
		failed, forgotten := h.Since(m.Live, req.Now, req.ErrorWindow)
		own, more, begun = own+failed, more+failed-forgotten, begun+failed
	}
	e.busy = max(own, h.InFlight+more) + (weight-1)*begun
	return e
}

// guess is the estimate of a member of which nothing was ever heard.
func (req *Request) guess(m *node.Member, weight float64) estimate {
	e := estimate{busy: weight * req.Under(m), slots: m.Slots(), mu: m.Mu(), guess: m.Answers()}
	if e.mu <= 0 {
		e.mu = req.usualMu()
	}
	if e.guess {
		e.busy += req.farm().Level * e.slots * e.mu // as busy as the others are
	}
	return e
}

// usualMu returns the service rate of one of whom it is not known.
func (req *Request) usualMu() float64 {
	if mu := req.farm().Mu; mu > 0 {
		return mu
	}
	return 1
}

// score returns the cost of one request more. salt is the chance of this decision.
func (t *traffic) score(req *Request, m *node.Member, weight float64, now int64, salt uint64) float64 {
	// Nearly always this is all, and estimate would come to the same.
	if at, busy, seconds, part, ok := m.Live.Reckon(weight); ok && now-at <= int64(heardFor) && seconds <= math.MaxFloat32 {
		return t.at((busy+1)*part) * seconds
	}
	e := req.estimate(m, weight, now)
	s := t.at((e.busy+1)/e.slots) / e.mu
	if e.guess {
		s *= 1 - newcomer + 2*newcomer*float64(node.Mix(salt^m.Hash)>>11)/(1<<53)
	}
	return s
}

// weigh returns how many requests one of this node's own stands for.
func (t *traffic) weigh(req *Request) float64 {
	switch {
	case t.weight > 0:
		return t.weight
	case req.farm().Share > 0:
		return 1 / req.farm().Share
	}
	return 1
}

func (t *traffic) sort(req *Request, in []*node.Member) []*node.Member {
	if len(in) == 0 {
		return in
	}
	weight, now, salt := t.weigh(req), req.Now.UnixNano(), req.Rand.Uint64()
	slices.SortFunc(in, func(a, b *node.Member) int { return cmp.Compare(node.Mix(salt-a.Hash), node.Mix(salt-b.Hash)) })
	return sortBy(in, func(m *node.Member) float64 { return t.score(req, m, weight, now, salt) })
}

// first brings forward the candidate that sort would make the first.
func (t *traffic) first(req *Request, in []*node.Member) []*node.Member {
	if len(in) == 0 {
		return in
	}
	weight, now, salt := t.weigh(req), req.Now.UnixNano(), req.Rand.Uint64()
	best, least := 0, math.Inf(1)
	for i, m := range in {
		s := t.score(req, m, weight, now, salt)
		if s < least || s == least && node.Mix(salt-m.Hash) < node.Mix(salt-in[best].Hash) {
			best, least = i, s
		}
	}
	in[0], in[best] = in[best], in[0]
	return in
}

func (t *traffic) note(req *Request, m *node.Member) string {
	now := req.Now.UnixNano()
	e := req.estimate(m, t.weigh(req), now)
	how := "own requests only"
	switch {
	case e.guess:
		how = "guessed"
	case e.heard != 0:
		how = "heard " + time.Duration(now-e.heard).Round(time.Millisecond).String() + " ago"
	}
	return fmt.Sprintf("cost %.3g, %.3g busy of %.3g, %.3g/s a slot, %s",
		t.at((e.busy+1)/e.slots)/e.mu, e.busy, e.slots, e.mu, how)
}
