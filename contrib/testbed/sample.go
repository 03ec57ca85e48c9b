package main

import (
	"fmt"
	"slices"
	"time"

	"backhand/contrib/testbed/load"
)

// sample is what one measurement gave. Times are in milliseconds, and of requests that did not fail.
type sample struct {
	Scenario string  `json:"scenario"`
	Policy   string  `json:"policy"`
	Fronts   int     `json:"fronts"`
	Gossip   float64 `json:"gossip"` // seconds between beats
	Rep      int     `json:"rep"`

	Requests int     `json:"requests"`
	Mean     float64 `json:"mean"`
	P50      float64 `json:"p50"`
	P99      float64 `json:"p99"`
	P999     float64 `json:"p999"`
	Failed   float64 `json:"failed"`   // share of all requests
	Refusals float64 `json:"refusals"` // a request
	Why      string  `json:"why,omitempty"`

	WorkMean float64 `json:"work_mean"` // of the works themselves
	WorkP50  float64 `json:"work_p50"`

	// Before and After are the p99 of the ten seconds before members fell to a tenth of their speed, and of the ten after.
	Before float64 `json:"before,omitempty"`
	After  float64 `json:"after,omitempty"`

	CPU     float64            `json:"cpu"`      // share of the machine's
	CPUMost float64            `json:"cpu_most"` // in the worst second
	Cores   map[string]float64 `json:"cores"`    // seconds of CPU time that our processes used in all, by role
	Late    float64            `json:"late"`     // p99 of how late requests were sent
	Void    bool               `json:"void"`

	Shares []float64 `json:"shares"` // of the requests, by member
}

// voidLate is how late, in milliseconds, one in a hundred requests may be sent; beyond, something held the machine up.
const voidLate = 3

func (b *bed) sample(t turn, r load.Result, used map[string]float64) sample {
	s := sample{
		Scenario: t.Scenario, Policy: t.policy.key, Fronts: t.Fronts, Gossip: t.Gossip.Seconds(), Rep: t.Rep,
		Requests: len(r.Records), Why: r.Why, CPU: r.CPU, CPUMost: r.CPUMost, Cores: used, Late: ms(r.Late),
		Shares: make([]float64, t.trace.Members),
	}
	var took, works, before, later []float64
	failed := 0
	for _, q := range r.Records {
		works = append(works, ms(q.Work))
		if q.Member >= 0 && q.Member < len(s.Shares) {
			s.Shares[q.Member] += 1 / float64(len(r.Records))
		}
		if q.Status != 200 {
			failed++
			continue
		}
		took = append(took, ms(q.Took))
		for _, fall := range t.trace.Falls {
			switch {
			case q.At >= fall-t.trace.FallsFor && q.At < fall:
				before = append(before, ms(q.Took))
			case q.At >= fall && q.At < fall+t.trace.FallsFor:
				later = append(later, ms(q.Took))
			}
		}
	}
	n := max(1, float64(len(r.Records)))
	s.Failed, s.Refusals = float64(failed)/n, r.Refusals/n
	s.Mean, s.P50, s.P99, s.P999 = mean(took), quantile(took, .5), quantile(took, .99), quantile(took, .999)
	s.WorkMean, s.WorkP50 = mean(works), quantile(works, .5)
	s.Void = s.CPU > b.opt.void || s.Late > voidLate
	s.Before, s.After = quantile(before, .99), quantile(later, .99)
	return s
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

func mean(list []float64) (m float64) {
	for _, v := range list {
		m += v / float64(len(list))
	}
	return m
}

// quantile returns what a share q is below; 0 of none. It sorts the list.
func quantile(list []float64, q float64) float64 {
	if len(list) == 0 {
		return 0
	}
	slices.Sort(list)
	return list[min(len(list)-1, int(q*float64(len(list))))]
}

// line is a sample for the eye.
func (s sample) line() string {
	text := fmt.Sprintf("%s F=%d beats=%vs %s: mean %.1f p50 %.1f p99 %.0f p99.9 %.0f, failed %.2f %%, refusals %.3f, "+
		"CPU %.0f %% (most %.0f %%), sent late by %.2f", s.Scenario, s.Fronts, s.Gossip, s.Policy, s.Mean, s.P50, s.P99, s.P999,
		100*s.Failed, s.Refusals, 100*s.CPU, 100*s.CPUMost, s.Late)
	if s.Before > 0 {
		text += fmt.Sprintf(", p99 %.0f before and %.0f after", s.Before, s.After)
	}
	if s.Void {
		text += " VOID"
	}
	if s.Why != "" {
		text += "; one failed: " + s.Why
	}
	return text
}
