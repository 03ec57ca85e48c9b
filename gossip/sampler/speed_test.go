package sampler

import (
	"math"
	"testing"
	"time"
)

func TestSpeed(t *testing.T) {
	for _, d := range []time.Duration{0, 10 * time.Millisecond} {
		if got := Speed(d); !(got > 0) || math.IsInf(got, 0) {
			t.Errorf("Speed(%v) = %v, want a number above 0", d, got)
		}
	}
}

func TestSpinStaysAtANumberWithAllDigits(t *testing.T) {
	if got := spin(1, 1000); math.Abs(got-math.Sqrt(3)) > 1e-9 {
		t.Errorf("spin comes to %v, want the square root of 3", got)
	}
}
