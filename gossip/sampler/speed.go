package sampler

import (
	"math"
	"time"
)

// Speed returns how fast one CPU of this host is: millions of steps a second of a short floating-point loop, the best of
// several slices of the time d, so that other work on the host counts little. It keeps one CPU busy for d; 100 ms are
// plenty. The unit is arbitrary, only ratios between hosts mean something.
//
// It is mod_backhand's arriba: measured once, at the first start, and kept. It reads the real clock and does not end in a
// synctest bubble, where time stands still meanwhile.
func Speed(d time.Duration) float64 {
	const slices = 10
	best := 0.0
	for range slices {
		best = max(best, speedOf(d/slices))
	}
	return best
}

// speedOf measures one slice.
func speedOf(d time.Duration) float64 {
	const batch = 4096 // some µs, so that looking at the clock costs nothing
	x, steps := 1.0, 0
	for start := time.Now(); ; {
		x = spin(x, batch)
		steps += batch
		took := time.Since(start)
		if took < d || took <= 0 {
			continue
		}
		if math.IsNaN(x) { // never; but with x unused the compiler might drop the work
			return 0
		}
		return float64(steps) / 1e6 / took.Seconds()
	}
}

// spin does n steps, each of which needs the one before: a multiplication, a division and an addition. x
// comes to the square root of 3: a round number might be divided faster.
func spin(x float64, n int) float64 {
	for range n {
		x = 0.7*x + 0.9/x
	}
	return x
}
