package load

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// cpu is what all processors did since the machine started, in clock ticks.
type cpu struct{ busy, all float64 }

// readCPU reads it from /proc/stat.
func readCPU() (cpu, error) {
	text, err := os.ReadFile("/proc/stat")
	if err != nil {
		return cpu{}, err
	}
	return parseCPU(string(text))
}

// parseCPU reads the first line. What others on the host took (steal) counts as busy: it was not there for us.
func parseCPU(stat string) (c cpu, err error) {
	line, _, _ := strings.Cut(stat, "\n")
	words := strings.Fields(line)
	if len(words) < 9 || words[0] != "cpu" {
		return c, fmt.Errorf("/proc/stat begins with %q: want cpu and eight times", line)
	}
	for i, w := range words[1:9] {
		v, err := strconv.ParseFloat(w, 64)
		if err != nil {
			return c, fmt.Errorf("/proc/stat: %w", err)
		}
		c.all += v
		if idle := i == 3 || i == 4; !idle {
			c.busy += v
		}
	}
	return c, nil
}

// since returns the share that was busy since an earlier reading: all, if nobody came to read it in between.
func (c cpu) since(before cpu) float64 {
	if c.all <= before.all {
		return 1
	}
	return (c.busy - before.busy) / (c.all - before.all)
}

// watch reads, while it is measured, what it takes.
func (r *run) watch(ctx context.Context) error {
	if err := nap(ctx, time.Until(r.began.Add(r.spec.Warm))); err != nil {
		return err
	}
	refused, err := r.refusals(ctx)
	if err != nil {
		return err
	}
	first, err := readCPU()
	if err != nil {
		return err
	}
	last := first
	for left := r.spec.For; left > 0; left -= time.Second {
		if err := nap(ctx, time.Until(r.began.Add(r.spec.Warm+r.spec.For-left+min(left, time.Second)))); err != nil {
			return err
		}
		now, err := readCPU()
		if err != nil {
			return err
		}
		r.result.CPUMost = max(r.result.CPUMost, now.since(last))
		r.result.CPU = now.since(first)
		last = now
	}
	after, err := r.refusals(ctx)
	r.result.Refusals = after - refused
	return err
}

func (r *run) refusals(ctx context.Context) (total float64, err error) {
	if r.spec.Agents == 0 {
		return 0, nil
	}
	for _, addr := range r.spec.Fronts {
		n, err := r.sum(ctx, addr, "backhand_refusals_total{")
		if err != nil {
			return 0, err
		}
		total += n
	}
	return total, nil
}
