package node

import (
	"math"
	"time"
)

// HighWater is the load that counts as full in the whole cluster: the smallest power of two that is not below the load
// average of any live node, each normalised by the speed of its host, nor below 1. It rises at once and halves at most once
// in ten minutes.
//
// mod_backhand's mark (load_hwm) never fell, so that after one bad hour byCost was blind to load for ever.
type HighWater struct {
	mark float64
	at   time.Time // when the mark last changed
}

const (
	highWaterHalves = 10 * time.Minute
	// maxLoad is the most that is believed. One node that announces nonsense would blind byCost for hours.
	maxLoad = 1 << 20
)

// Update takes the nodes as they are at now, and those that are not listed, and returns the mark. others may be nil.
func (h *HighWater) Update(nodes []*Node, others *Others, now time.Time) float64 {
	if others == nil {
		others = &Others{}
	}
	fastest := others.Fastest
	for _, n := range nodes {
		fastest = max(fastest, n.Stats.Speed)
	}
	load := max(1, others.Load, others.SpeedLoad*fastest)
	for _, n := range nodes {
		if !n.live(now) {
			continue // the load of the dead says nothing
		}
		l := n.Stats.Load1
		if n.Stats.Speed > 0 {
			l *= fastest / n.Stats.Speed
		}
		if l <= maxLoad { // false for what is no number, too
			load = max(load, l)
		}
	}
	mark := math.Exp2(math.Ceil(math.Log2(load)))
	switch {
	case mark > h.mark:
		h.mark, h.at = mark, now
	case mark < h.mark && now.Sub(h.at) >= highWaterHalves:
		h.mark, h.at = h.mark/2, now
	}
	return h.mark
}
