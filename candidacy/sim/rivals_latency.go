package sim

import "math"

// peakEWMA is linkerd's: latency as an average that jumps up to a peak at once and forgets it slowly, times the own
// requests, of two members by chance.
type peakEWMA struct {
	*knowledge
	latency [][]averaged // by front and member
}

// averaged is an average that forgets with time.
type averaged struct {
	value float64 // seconds
	at    int64
}

const (
	peakDecay   = 10.0  // seconds
	peakDefault = 0.030 // seconds, of a member that has not answered yet
)

func newPeakEWMA(k *knowledge) rule {
	p := &peakEWMA{knowledge: k}
	for range k.sim.fronts {
		p.latency = append(p.latency, make([]averaged, len(k.sim.members)))
	}
	return p
}

func (p *peakEWMA) pick(f *front, _ *request, in []int32) int32 {
	a, b := p.two(in)
	if p.cost(f, b) < p.cost(f, a) {
		return b
	}
	return a
}

func (p *peakEWMA) cost(f *front, member int32) float64 {
	l := p.latency[f.number][member]
	if l.at == 0 {
		l.value = peakDefault
	}
	// What was not asked for a while is forgotten, too.
	idle := float64(p.sim.now-l.at) / 1e9
	return l.value * math.Exp(-idle/peakDecay) * float64(f.own[member]+1)
}

func (p *peakEWMA) responded(f *front, member int32, took float64, _ *request) {
	l := &p.latency[f.number][member]
	keep := math.Exp(-float64(p.sim.now-l.at) / 1e9 / peakDecay)
	if took > l.value || l.at == 0 {
		l.value = took
	} else {
		l.value = l.value*keep + took*(1-keep)
	}
	l.at = p.sim.now
}

// c3 is C3's score: R - 1/mu + q^3/mu, with q = 1 + own requests times the number of fronts + the average of the queue
// that responses report, the one that is answered not counted.
type c3 struct {
	*knowledge
	seen [][]c3Seen // by front and member
}

// c3Seen is what a front has seen of a member: averages over its responses.
type c3Seen struct {
	response, queue, rate float64
	known                 bool
}

// c3Weight is that of the newest response.
const c3Weight = 0.9

func newC3(k *knowledge) rule {
	p := &c3{knowledge: k}
	for range k.sim.fronts {
		p.seen = append(p.seen, make([]c3Seen, len(k.sim.members)))
	}
	return p
}

func (p *c3) pick(f *front, _ *request, in []int32) int32 {
	clients := float64(len(p.sim.fronts))
	return p.least(in, func(i int32) float64 {
		s := &p.seen[f.number][i]
		if !s.known || s.rate <= 0 {
			return float64(f.own[i]) - 1 // unknown ones are tried first, those with the fewest own before
		}
		q := 1 + float64(f.own[i])*clients + s.queue
		return s.response - 1/s.rate + q*q*q/s.rate
	})
}

func (p *c3) responded(f *front, member int32, took float64, r *request) {
	s := &p.seen[f.number][member]
	rate, queue := r.load.Mu, float64(r.others)
	if !s.known {
		*s = c3Seen{took, queue, rate, true}
		return
	}
	s.response += c3Weight * (took - s.response)
	s.queue += c3Weight * (queue - s.queue)
	s.rate = rate
}
