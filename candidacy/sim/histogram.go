package sim

import "math"

// histogram counts times in classes that are half a percent wide each, so that a quantile is right to a quarter of a
// percent, whatever the times are; the mean is exact.
type histogram struct {
	counts []uint64
	total  uint64
	sum    float64
}

const (
	classWidth  = 1.005
	shortest    = 1e-6 // seconds
	classNumber = 6000 // up to a hundred days
)

func (h *histogram) add(seconds float64) {
	if h.counts == nil {
		h.counts = make([]uint64, classNumber)
	}
	h.counts[classOf(seconds)]++
	h.total++
	h.sum += seconds
}

func classOf(seconds float64) int {
	if seconds <= shortest {
		return 0
	}
	return min(classNumber-1, int(math.Log(seconds/shortest)/math.Log(classWidth)))
}

// quantile returns the time below which that share of all lie, in seconds; 0 if there are none.
func (h *histogram) quantile(share float64) float64 {
	rank := uint64(math.Ceil(share * float64(h.total)))
	for i, n := range h.counts {
		if n >= rank && n > 0 {
			return shortest * math.Pow(classWidth, float64(i)+0.5)
		}
		rank -= min(rank, n)
	}
	return 0
}

func (h *histogram) mean() float64 {
	if h.total == 0 {
		return 0
	}
	return h.sum / float64(h.total)
}

// merge adds what the other has counted.
func (h *histogram) merge(o *histogram) {
	if h.counts == nil {
		h.counts = make([]uint64, classNumber)
	}
	for i, n := range o.counts {
		h.counts[i] += n
	}
	h.total += o.total
	h.sum += o.sum
}
