package sim

import (
	"bufio"
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// recording reads a file of numbers, most on each line. Blank lines and those that begin with # do not count.
func (p *parser) recording(t *table, key string, most int, each func(v []float64) error) {
	name := t.text(key)
	if name == "" {
		t.bad(key, "want the name of a file")
		return
	}
	text, err := p.open(name)
	if err != nil {
		t.bad(key, "%v", err)
		return
	}
	lines := bufio.NewScanner(bytes.NewReader(text))
	for n := 1; lines.Scan(); n++ {
		words := strings.Fields(lines.Text())
		if len(words) == 0 || words[0][0] == '#' {
			continue
		}
		v, err := numbersOf(words, most)
		if err == nil {
			err = each(v)
		}
		if err != nil {
			t.bad(key, "%s:%d: %v", name, n, err)
			return
		}
	}
	if err := lines.Err(); err != nil {
		t.bad(key, "%s: %v", name, err)
	}
}

func numbersOf(words []string, most int) ([]float64, error) {
	if len(words) > most {
		return nil, fmt.Errorf("there are %d words, want at most %d numbers", len(words), most)
	}
	out := make([]float64, 0, most)
	for _, w := range words {
		v, err := strconv.ParseFloat(w, 64)
		if err != nil || !(v >= 0 && v <= 1e9) {
			return nil, fmt.Errorf("%q is no number from 0 to 1e9", w)
		}
		out = append(out, v)
	}
	return out, nil
}

// recordedWorks reads a work in milliseconds from each line.
func (p *parser) recordedWorks(t *table) (works []float64) {
	p.recording(t, "file", 1, func(v []float64) error {
		if v[0] == 0 {
			return fmt.Errorf("a work is 0, want milliseconds above that")
		}
		works = append(works, v[0]/1000)
		return nil
	})
	if len(works) == 0 {
		t.bad("file", "there is no work in it")
		return []float64{1}
	}
	return works
}

// recordedRates reads the requests a second of a step from each line.
func (p *parser) recordedRates(t *table) (rates []float64) {
	sum := 0.0
	p.recording(t, "rates", 1, func(v []float64) error {
		rates = append(rates, v[0])
		sum += v[0]
		return nil
	})
	if sum == 0 {
		t.bad("rates", "there is no request in it")
		return []float64{1}
	}
	return rates
}

// recordedArrivals reads a request from each line: seconds since the start and, if that is known, its work in milliseconds.
func (p *parser) recordedArrivals(t *table) (trace []Arrival) {
	last := 0.0
	p.recording(t, "trace", 2, func(v []float64) error {
		if v[0] < last {
			return fmt.Errorf("the request comes before the one above it")
		}
		if last = v[0]; last > maxPlay.Seconds() {
			return fmt.Errorf("the request comes after %v", maxPlay)
		}
		a := Arrival{At: time.Duration(v[0] * float64(time.Second))}
		if len(v) > 1 {
			a.Work = v[1] / 1000
		}
		trace = append(trace, a)
		return nil
	})
	if len(trace) == 0 {
		t.bad("trace", "there is no request in it")
		return []Arrival{{}}
	}
	return trace
}
