package sim

import (
	"math"

	"backhand/gossip/node"
)

// orca is weighted round robin by requests a second for each unit of utilisation, as members report it.
type orca struct {
	*knowledge
	fronts []orcaFront
}

// orcaFront holds a schedule by earliest deadline first: each member is due again after one by its weight.
type orcaFront struct {
	rate   []float64 // requests a second, by member, averaged; 0: not known
	busy   []float64 // utilisation, averaged
	weight []float64 // rate by busy
	due    []float64
	now    float64
}

func newORCA(k *knowledge) rule {
	p := &orca{knowledge: k}
	for range k.sim.fronts {
		n := len(k.sim.members)
		o := orcaFront{rate: make([]float64, n), busy: make([]float64, n), weight: make([]float64, n), due: make([]float64, n)}
		for i := range o.due {
			o.due[i] = k.rand.Float64() // so that fronts do not begin alike
		}
		p.fronts = append(p.fronts, o)
	}
	return p
}

const (
	// leastUtilisation keeps an idle member from getting everything.
	leastUtilisation = 0.01
	// orcaMemory is over how many seconds reports are averaged.
	orcaMemory = 1.0
)

func (p *orca) heard(f *front, n *node.Node) {
	o, i, s := &p.fronts[f.number], numberOf(n), &n.Services[0]
	more := 1 - math.Exp(-n.Interval.Seconds()/orcaMemory)
	if o.rate[i] == 0 {
		more = 1
	}
	o.rate[i] += more * (s.Completions - o.rate[i])
	o.busy[i] += more * (1 - n.Stats.CPUIdle - o.busy[i])
	o.weight[i] = o.rate[i] / max(o.busy[i], leastUtilisation)
}

func (p *orca) pick(f *front, _ *request, in []int32) int32 {
	o := &p.fronts[f.number]
	// One of which nothing is known has the mean weight of the others.
	sum, known := 0.0, 0.0
	for _, i := range in {
		if o.weight[i] > 0 {
			sum, known = sum+o.weight[i], known+1
		}
	}
	usual := 1.0
	if known > 0 {
		usual = sum / known
	}
	best := in[0]
	for _, i := range in {
		if o.due[i] < o.due[best] {
			best = i
		}
	}
	o.now = max(o.now, o.due[best])
	w := o.weight[best]
	if w == 0 {
		w = usual
	}
	o.due[best] = o.now + usual/w
	return best
}
