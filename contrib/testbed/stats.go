package main

import (
	"fmt"
	"slices"
)

// spread is a median, with the least and the greatest of the figures.
type spread struct {
	Median float64 `json:"median"`
	Min    float64 `json:"min"`
	Max    float64 `json:"max"`
	N      int     `json:"n"` // how many figures; 0: none, and the rest means nothing
}

func spreadOf(figures []float64) spread {
	if len(figures) == 0 {
		return spread{}
	}
	s := slices.Sorted(slices.Values(figures))
	m := s[len(s)/2]
	if len(s)%2 == 0 {
		m = (s[len(s)/2-1] + m) / 2
	}
	return spread{m, s[0], s[len(s)-1], len(s)}
}

// text writes it with a verb for its figures.
func (s spread) text(verb string) string {
	switch s.N {
	case 0:
		return "-"
	case 1:
		return fmt.Sprintf(verb, s.Median)
	}
	return fmt.Sprintf(verb+" ["+verb+"-"+verb+"]", s.Median, s.Min, s.Max)
}

// place is where a series of samples belongs: one a repetition.
type place struct {
	Scenario string
	Fronts   int
	Gossip   float64
	Policy   string
}

func (s sample) place() place { return place{s.Scenario, s.Fronts, s.Gossip, s.Policy} }

// The figures of a sample that are compared.
func meanOf(s sample) float64 { return s.Mean }

func p99Of(s sample) float64 { return s.P99 }

func failed(s sample) float64 { return 100 * s.Failed }

// samples are those of a run.
type samples []sample

// figures returns a figure of the samples of a place. Void ones do not count.
func (all samples) figures(at place, figure func(sample) float64) spread {
	var list []float64
	for _, s := range all {
		if s.place() == at && !s.Void {
			list = append(list, figure(s))
		}
	}
	return spreadOf(list)
}

// ratio returns a figure at one place by that at another one, within each repetition in which neither is void.
func (all samples) ratio(a, b place, figure func(sample) float64) spread {
	var list []float64
	for _, s := range all {
		for _, t := range all {
			if s.place() == a && t.place() == b && s.Rep == t.Rep && !s.Void && !t.Void && figure(t) > 0 {
				list = append(list, figure(s)/figure(t))
			}
		}
	}
	return spreadOf(list)
}
