package trace

import "math"

// pareto is a bounded Pareto distribution: many short works, and a few that are hundreds of times as long.
type pareto struct{ alpha, least, most float64 }

// newPareto returns the one with this exponent, mean and coefficient of variation. There is one for every variation up
// to that of the exponent's unbounded tail; 1.5 has none.
func newPareto(alpha, mean, variation float64) pareto {
	// The variation depends only on how far the bounds are apart, and grows with that: halve the interval.
	low, high := math.Log(1.0001), math.Log(1e12)
	for range 200 {
		mid := (low + high) / 2
		p := pareto{alpha, 1, math.Exp(mid)}
		if first := p.moment(1); p.moment(2)/(first*first)-1 < variation*variation {
			low = mid
		} else {
			high = mid
		}
	}
	p := pareto{alpha, 1, math.Exp(low)}
	p.least = mean / p.moment(1)
	p.most = p.least * math.Exp(low)
	return p
}

// moment returns the mean of the k-th power.
func (p pareto) moment(k float64) float64 {
	share := 1 - math.Pow(p.least/p.most, p.alpha)
	c := p.alpha * math.Pow(p.least, p.alpha) / share
	if k == p.alpha {
		return c * math.Log(p.most/p.least)
	}
	return c / (k - p.alpha) * (math.Pow(p.most, k-p.alpha) - math.Pow(p.least, k-p.alpha))
}

// at returns the value below which a share u of all is, u in [0,1).
func (p pareto) at(u float64) float64 {
	share := 1 - math.Pow(p.least/p.most, p.alpha)
	return p.least * math.Pow(1-u*share, -1/p.alpha)
}
