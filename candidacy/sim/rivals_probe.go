package sim

import (
	"math"
	"slices"
)

// prequal probes some members with each request and chooses from a small pool of answers (reference: Wydrowski and others,
// NSDI 2024). Its parameters are those of the paper's testbed: 3 probes a request, 16 in the pool, one removed a request,
// the oldest and the worst in turn; members with more requests in flight than a share of 0.84 of those seen are hot. A
// chosen member's entry counts the request that it just got.
type prequal struct {
	*knowledge
	hot    float64 // quantile from which requests in flight are hot; 0: all are, and only they count
	fronts []prequalFront
	spent  [][]spent // by member: of the last responses
}

type prequalFront struct {
	pool   []probe
	seen   [probesSeen]float64 // requests in flight of the last probes
	count  int
	oldest bool // the next one removed is the oldest
}

// probe is what a member said.
type probe struct {
	member  int32
	at      int64
	load    float64
	latency float64
	uses    int
}

// spent is what a request took at a member, and what it found in flight.
type spent struct{ inFlight, latency float64 }

const (
	probesEach = 3
	probesPool = 16
	probesSeen = 128
	probeAge   = int64(1e9)
	spentKept  = 32
	hotShare   = 0.84
)

// probeUses is how often one answer may be used: (1 + delta) / ((1 - pool/members) probes - removed), as in the paper, with
// delta = 1.
func probeUses(members int) int {
	most := (1 - float64(probesPool)/float64(members)) * probesEach
	if most <= 1 {
		return math.MaxInt32
	}
	return max(1, int(math.Ceil(2/(most-1))))
}

func newPrequal(k *knowledge) rule { return newPrequalWith(k, hotShare) }

func newPrequalRIF(k *knowledge) rule { return newPrequalWith(k, 0) }

func newPrequalWith(k *knowledge, hot float64) *prequal {
	return &prequal{k, hot, make([]prequalFront, len(k.sim.fronts)), make([][]spent, len(k.sim.members))}
}

func (p *prequal) pick(f *front, _ *request, in []int32) int32 {
	pf := &p.fronts[f.number]
	p.ask(f, in)
	pf.pool = slices.DeleteFunc(pf.pool, func(q probe) bool {
		return p.sim.now-q.at > probeAge || !slices.Contains(in, q.member)
	})
	if len(pf.pool) < 2 {
		return in[p.rand.IntN(len(in))]
	}
	hot := pf.threshold(p.hot)
	best := 0
	for i := range pf.pool {
		if pf.pool[i].better(&pf.pool[best], hot) {
			best = i
		}
	}
	chosen := pf.pool[best].member
	pf.pool[best].load++
	if pf.pool[best].uses++; pf.pool[best].uses >= probeUses(len(p.sim.members)) {
		pf.remove(best)
	}
	pf.trim(hot)
	return chosen
}

// ask sends probes.
func (p *prequal) ask(f *front, in []int32) {
	for range probesEach {
		p.sim.messages.push(message{
			at: p.sim.now + p.sim.delay, kind: probeToMember, front: f.number, member: in[p.rand.IntN(len(in))],
		})
	}
}

// better reports whether a is to be chosen before b: cold ones by latency, before hot ones by requests in flight.
func (q *probe) better(b *probe, hot float64) bool {
	switch isHot, otherHot := q.load >= hot, b.load >= hot; {
	case isHot && otherHot:
		return q.load < b.load
	case isHot || otherHot:
		return otherHot
	}
	return q.latency < b.latency
}

// threshold returns from how many requests in flight on a member is hot.
func (pf *prequalFront) threshold(quantile float64) float64 {
	n := min(pf.count, probesSeen)
	if quantile == 0 || n == 0 {
		return 0
	}
	seen := slices.Clone(pf.seen[:n])
	slices.Sort(seen)
	return seen[min(n-1, int(quantile*float64(n)))]
}

// trim removes one of the pool, if there is more than one: the oldest or the worst.
func (pf *prequalFront) trim(hot float64) {
	if len(pf.pool) < 2 {
		return
	}
	out := 0
	pf.oldest = !pf.oldest
	for i := range pf.pool {
		switch {
		case pf.oldest && pf.pool[i].at < pf.pool[out].at:
			out = i
		case !pf.oldest && pf.pool[out].better(&pf.pool[i], hot):
			out = i
		}
	}
	pf.remove(out)
}

func (pf *prequalFront) remove(i int) { pf.pool = slices.Delete(pf.pool, i, i+1) }

func (p *prequal) probed(m *message) {
	if m.kind == probeToMember {
		who := p.sim.members[m.member]
		if who.dead() {
			return
		}
		m.load = float64(who.origin.inFlight())
		m.latency = p.estimate(m.member, m.load)
		m.kind, m.at = probeToFront, p.sim.now+p.sim.delay
		p.sim.messages.push(*m)
		return
	}
	pf := &p.fronts[m.front]
	pf.seen[pf.count%probesSeen] = m.load
	pf.count++
	if len(pf.pool) >= probesPool {
		oldest := 0
		for i := range pf.pool {
			if pf.pool[i].at < pf.pool[oldest].at {
				oldest = i
			}
		}
		pf.remove(oldest)
	}
	pf.pool = append(pf.pool, probe{member: m.member, at: p.sim.now, load: m.load, latency: m.latency})
}

// estimate is what a member says of its latency: the median of what its last requests took, each scaled from what it found
// in flight when it came to what is now. The paper takes those that found about as many as there are now; where none did,
// it does not say what then, and what few say lags behind so far that members overshoot.
func (p *prequal) estimate(member int32, inFlight float64) float64 {
	kept := p.spent[member]
	if len(kept) == 0 {
		return 0
	}
	slots := p.sim.members[member].slots
	share := func(n float64) float64 { return max(1, (n+1)/slots) }
	var took [spentKept]float64
	for i, s := range kept {
		took[i] = s.latency * share(inFlight) / share(s.inFlight)
	}
	slices.Sort(took[:len(kept)])
	return took[len(kept)/2]
}

func (p *prequal) responded(_ *front, member int32, took float64, r *request) {
	kept := p.spent[member]
	if len(kept) == spentKept {
		kept = slices.Delete(kept, 0, 1)
	}
	p.spent[member] = append(kept, spent{float64(r.found), took - 2*float64(p.sim.delay)/1e9})
}
