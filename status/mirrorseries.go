package status

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Mirror is another engine that is told what is said to this agent.
type Mirror struct {
	To          string    // URL
	Told        time.Time // when it took something last; zero: never
	Failures    uint64    // attempts that went wrong, since the file has it
	Differences int       // of its file and ours
	Failing     bool      // the last attempt went wrong
}

// mirrorSeries are the figures of engines that are told. They stand in the file, so they are few.
type mirrorSeries struct{ up, told, failures, differences *prometheus.Desc }

func newMirrorSeries() *mirrorSeries {
	d := func(name, help string) *prometheus.Desc {
		return prometheus.NewDesc(name, help, []string{"engine"}, nil)
	}
	return &mirrorSeries{
		up: d("backhand_mirror_up", "1 if the engine took what it was told last, 0 if not, or it never was told."),
		told: d("backhand_mirror_age_seconds",
			"Time since the engine took something last, in seconds; it is not told anything while nobody says anything new, but "+
				"every five minutes. Not there if it never did."),
		failures:    d("backhand_mirror_failures_total", "Attempts to tell the engine that went wrong, since the file has it."),
		differences: d("backhand_mirror_differences", "In how many farms and physicals the engine's file and ours differ."),
	}
}

func (s *mirrorSeries) descs() []*prometheus.Desc {
	return []*prometheus.Desc{s.up, s.told, s.failures, s.differences}
}

func (s *mirrorSeries) collect(e *emitter, all []Mirror, now time.Time) {
	for _, m := range all {
		to := clean(m.To)
		e.gauge(s.up, truth(!m.Failing && !m.Told.IsZero()), to)
		if !m.Told.IsZero() {
			e.gauge(s.told, max(0, now.Sub(m.Told)).Seconds(), to)
		}
		e.counter(s.failures, m.Failures, to)
		e.gauge(s.differences, float64(m.Differences), to)
	}
}
