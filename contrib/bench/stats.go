package main

import (
	"bytes"
	"fmt"
	"os"
	"slices"
)

// metric is a figure of a sample that is compared.
type metric struct{ key, heading string }

// compared are those that the table shows, as ratios.
func compared() []metric {
	return []metric{{"cpu", "CPU"}, {"user", "user CPU"}, {"rate", "requests/s"}, {"p50", "p50"}, {"p99", "p99"}}
}

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

func (s spread) String() string {
	if s.N == 0 {
		return "-"
	}
	return fmt.Sprintf("%s [%s-%s]", digits(s.Median), digits(s.Min), digits(s.Max))
}

// digits writes a figure with two digits that say something.
func digits(v float64) string {
	switch {
	case v >= 100:
		return fmt.Sprintf("%.0f", v)
	case v >= 20:
		return fmt.Sprintf("%.1f", v)
	}
	return fmt.Sprintf("%.2f", v)
}

// series names a sequence of measurements.
type series struct{ row, test, proxy string }

// byRep returns the good figures of a metric, by repetition. One with a bad answer does not count.
func byRep(samples []sample, of series, key string) map[int]float64 {
	found := map[int]float64{}
	for _, s := range samples {
		if s.Row == of.row && s.Test == of.test && s.Proxy == of.proxy && s.Bad == 0 && s.Values[key] > 0 {
			found[s.Rep] = s.Values[key]
		}
	}
	return found
}

// ratio returns a's figure by b's, of each repetition in which both are good.
func ratio(samples []sample, a, b series, key string) spread {
	mine, theirs := byRep(samples, a, key), byRep(samples, b, key)
	var q []float64
	for rep, v := range mine {
		if w := theirs[rep]; w > 0 {
			q = append(q, v/w)
		}
	}
	return spreadOf(q)
}

// figures returns the figures themselves.
func figures(samples []sample, of series, key string) spread {
	var all []float64
	for _, v := range byRep(samples, of, key) {
		all = append(all, v)
	}
	return spreadOf(all)
}

// countLines returns how many lines a file has; 0 if there is none.
func countLines(path string) (n int) {
	f, err := os.Open(path)
	if err != nil {
		return 0
	}
	defer f.Close()
	for b := make([]byte, 256<<10); ; {
		k, err := f.Read(b)
		n += bytes.Count(b[:k], []byte{'\n'})
		if err != nil || k == 0 {
			return n
		}
	}
}
