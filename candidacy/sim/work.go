package sim

import (
	"math"
	"math/rand/v2"
	"time"
)

// workSource returns the works of one request after the other, in seconds.
type workSource func() float64

// source returns works with that mean. A recorded trace has its own.
func (w *Work) source(mean time.Duration, rng *rand.Rand) workSource {
	m := mean.Seconds()
	switch w.Kind {
	case Constant:
		return func() float64 { return m }
	case Pareto:
		p := newBoundedPareto(m, w.Alpha, w.CV)
		return func() float64 { return p.quantile(rng.Float64()) }
	case Recorded:
		i := -1
		return func() float64 {
			i = (i + 1) % len(w.Trace)
			return w.Trace[i]
		}
	}
	return func() float64 { return m * rng.ExpFloat64() }
}

// mean returns the mean work, in seconds.
func (w *Work) mean(set time.Duration) float64 {
	if w.Kind != Recorded {
		return set.Seconds()
	}
	sum := 0.0
	for _, v := range w.Trace {
		sum += v
	}
	return sum / float64(len(w.Trace))
}

// boundedPareto is a Pareto distribution between low and high.
type boundedPareto struct{ low, high, alpha float64 }

// newBoundedPareto returns the one with that mean, shape and coefficient of variation. The wider the bounds, the greater
// is the variation, so that their ratio is found by halving.
func newBoundedPareto(mean, alpha, cv float64) boundedPareto {
	low, high := 1.0, maxParetoRatio
	for range 200 {
		mid := math.Sqrt(low * high)
		if p := (boundedPareto{1, mid, alpha}); p.cv() < cv {
			low = mid
		} else {
			high = mid
		}
	}
	p := boundedPareto{1, low, alpha}
	scale := mean / p.moment(1)
	return boundedPareto{scale, scale * low, alpha}
}

// maxParetoRatio is the widest that the bounds may be apart.
const maxParetoRatio = 1e12

// maxCV returns the greatest coefficient of variation that can be had with that shape.
func maxCV(alpha float64) float64 { return boundedPareto{1, maxParetoRatio, alpha}.cv() }

// moment returns the mean of the k-th power.
func (p boundedPareto) moment(k float64) float64 {
	a, r := p.alpha, p.high/p.low
	if r <= 1 {
		return math.Pow(p.low, k)
	}
	norm := a * math.Pow(p.low, k) / (1 - math.Pow(r, -a))
	if math.Abs(k-a) < 1e-9 {
		return norm * math.Log(r)
	}
	return norm * (math.Pow(r, k-a) - 1) / (k - a)
}

func (p boundedPareto) cv() float64 {
	m := p.moment(1)
	return math.Sqrt(max(0, p.moment(2)/(m*m)-1))
}

// quantile returns the value below which that share of all lie.
func (p boundedPareto) quantile(share float64) float64 {
	c := 1 - math.Pow(p.low/p.high, p.alpha)
	return p.low * math.Pow(1-share*c, -1/p.alpha)
}

// clients says when requests come, with which work, and to which front.
type clients struct {
	rates   []float64 // requests a second in each step
	step    int64     // 0: one rate for ever
	trace   []Arrival
	next    int // of trace
	rng     *rand.Rand
	work    workSource
	fronts  []float64 // sums of the fronts' parts, the last 1; nil: all alike
	nFronts int
}

// arrival returns when the next request after the time now comes, and its work.
func (c *clients) arrival(now int64) (at int64, work float64) {
	if c.trace != nil {
		if c.next == len(c.trace) {
			return never, 0
		}
		a := c.trace[c.next]
		c.next++
		if a.Work > 0 {
			return int64(a.At), a.Work
		}
		return int64(a.At), c.work()
	}
	return c.poisson(now), c.work()
}

// poisson returns the next time of a process with a rate that changes from step to step: as much of the rate must pass as
// chance wants.
func (c *clients) poisson(now int64) int64 {
	due := c.rng.ExpFloat64()
	if c.step == 0 {
		return now + int64(due/c.rates[0]*1e9)
	}
	for range 1 << 20 {
		i := now / c.step
		rate := c.rates[i%int64(len(c.rates))]
		end := (i + 1) * c.step
		if passes := float64(end-now) / 1e9 * rate; passes < due {
			due -= passes
			now = end
			continue
		}
		return now + int64(due/rate*1e9)
	}
	return never
}

// front returns who gets the next request.
func (c *clients) front() int32 {
	if c.fronts == nil {
		return int32(c.rng.IntN(c.nFronts))
	}
	v := c.rng.Float64()
	low, high := 0, len(c.fronts)-1
	for low < high {
		mid := (low + high) / 2
		if c.fronts[mid] < v {
			low = mid + 1
		} else {
			high = mid
		}
	}
	return int32(low)
}

// zipf returns the sums of the fronts' parts, the r-th front having one in proportion to 1/r^s.
func zipf(fronts int, s float64) []float64 {
	if s == 0 {
		return nil
	}
	sums := make([]float64, fronts)
	all := 0.0
	for i := range sums {
		all += math.Pow(float64(i+1), -s)
		sums[i] = all
	}
	for i := range sums {
		sums[i] /= all
	}
	return sums
}
