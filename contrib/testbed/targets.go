package main

import "fmt"

// target is what auto shall reach, and what it did.
type target struct {
	What string  `json:"what"`
	Want string  `json:"want"`
	Got  string  `json:"got"` // "-": not measured, or void
	Most float64 `json:"most"`
	Is   spread  `json:"is"`
}

func (t target) verdict() string {
	switch {
	case t.Is.N == 0:
		return ""
	case t.Is.Median <= t.Most:
		return "kept"
	}
	return "**missed**"
}

func newTarget(what string, most float64, is spread) target {
	return target{what, fmt.Sprintf("at most %v", most), is.text("%.3f"), most, is}
}

// judge returns the targets of what was measured: those of the medians of the repetitions.
func judge(o options, all samples) (list []target) {
	for _, s := range o.scenarios {
		for _, g := range s.groups(o) {
			at := place{g.Scenario, g.Fronts, g.Gossip.Seconds(), keyAuto}
			switch g.Scenario {
			case keyMain:
				list = append(list, judgeMain(all, at)...)
			case keyGossip:
				usual := at
				usual.Gossip = usualGossip.Seconds()
				if at != usual {
					off := all.ratio(at, usual, meanOf)
					list = append(list, newTarget(fmt.Sprintf("mean with beats every %v / every %v", g.Gossip, usualGossip), 1.05, off))
				}
			case keyError:
				list = append(list, newTarget("a member answers 500: failed requests, % of all", .3, all.figures(at, failed)))
			case keySlow:
				list = append(list, newTarget("p99 of the ten seconds after members fell to a tenth / before", 1.3,
					all.figures(at, afterByBefore)))
			}
		}
	}
	return list
}

// toIdeal are the most that auto's mean may be by that of the ideal, by number of fronts.
func toIdeal(fronts int) (most float64, some bool) {
	most, some = map[int]float64{1: 1.05, 4: 1.10, 12: 1.15, 24: 1.20}[fronts]
	return most, some
}

func judgeMain(all samples, at place) (list []target) {
	against := func(policy, what string, most float64, figure func(sample) float64) {
		other := at
		other.Policy = policy
		list = append(list, newTarget(fmt.Sprintf("F = %d: %s / %s", at.Fronts, what, policy), most, all.ratio(at, other, figure)))
	}
	list = append(list, newTarget(fmt.Sprintf("F = %d: failed requests, %% of all", at.Fronts), 0, all.figures(at, failed)))
	if most, some := toIdeal(at.Fronts); some {
		against(keyIdeal, "mean", most, meanOf)
	}
	for _, rival := range []string{keyLeast, keyRandom2, keyNginx} {
		against(rival, "mean", 1, meanOf)
		against(rival, "p99", 1, p99Of)
	}
	if at.Fronts == 24 {
		against(keyLeast, "p99", .5, p99Of)
	}
	return list
}
