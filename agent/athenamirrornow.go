package agent

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"sync"
	"time"

	"backhand/agent/config"
	"backhand/gossip/node"
	"backhand/status"
)

// mirrorAllWithin is how long it may take by hand to tell all engines.
const mirrorAllWithin = 25 * time.Second

// maxMirrorNow is how many engines can be told by hand at once.
const maxMirrorNow = 16

// Mirrored is what became of telling an engine everything.
type Mirrored struct {
	To          string   `json:"to"`
	Farms       int      `json:"farms"`     // that it was told of
	Physicals   int      `json:"physicals"` // that it was told of
	Listed      int      `json:"listed"`    // how many of both its file lists
	Differences []string `json:"differences"`
	Error       string   `json:"error,omitempty"` // why it was not told, or perhaps not all of it; "" if it was
}

// MirrorNow has the agent tell engines everything that is said to it: those of its [[mirror]], or those URLs.
func (c *Client) MirrorNow(ctx context.Context, urls ...string) (done []Mirrored, err error) {
	return done, c.call(ctx, http.MethodPost, "/mirror", mirrorOrder{urls}, &done)
}

type mirrorOrder struct {
	To []string `json:"to"`
}

// serveMirror does what MirrorNow asks for.
func (a *Agent) serveMirror(w http.ResponseWriter, r *http.Request) {
	var order mirrorOrder
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 64<<10)).Decode(&order); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	targets, err := a.mirrorTargets(order.To)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), mirrorAllWithin)
	defer cancel()
	said, _ := a.store.Said(0)
	done := make([]Mirrored, len(targets))
	var wg sync.WaitGroup
	for i, conf := range targets {
		wg.Go(func() { done[i] = mirrorNow(ctx, conf, said) })
	}
	wg.Wait()
	writeJSON(w, done)
}

// mirrorTargets returns the engines of those URLs, by the file where it has them; without any those of the file.
func (a *Agent) mirrorTargets(urls []string) (all []config.Mirror, err error) {
	inFile := a.config.Load().Mirror
	switch {
	case len(urls) == 0 && len(inFile) == 0:
		return nil, errNoMirror
	case len(urls) == 0:
		return inFile, nil
	case len(urls) > maxMirrorNow:
		return nil, fmt.Errorf("%d engines are too many at once: name at most %d", len(urls), maxMirrorNow)
	}
	for _, text := range urls {
		conf := config.Mirror{}
		if conf.To, err = config.ParseMirror(text); err != nil {
			return nil, err
		}
		for i := range inFile {
			if inFile[i].To.String() == conf.To.String() {
				conf = inFile[i]
			}
		}
		all = append(all, conf)
	}
	return all, nil
}

func mirrorNow(ctx context.Context, conf config.Mirror, said []node.Said) Mirrored {
	m := Mirrored{To: conf.To.String(), Differences: []string{}}
	for i := range said {
		if said[i].Farm {
			m.Farms++
		} else {
			m.Physicals++
		}
	}
	target := mirrorTarget(conf)
	defer target.Client.CloseIdleConnections()
	told, err := target.Tell(ctx, said)
	m.Listed = told.Listed
	m.Differences = append(m.Differences, told.Differences...)
	if err != nil {
		m.Error = err.Error()
	}
	return m
}

// mirrorSentences says of each engine that is told how that goes.
func (a *Agent) mirrorSentences(now time.Time) (all []string) {
	for _, m := range a.listMirrors() {
		s := m.state()
		text := m.conf.To.String() + " was never told"
		if !s.told.IsZero() {
			text = fmt.Sprintf("%s was told %.1f s ago", m.conf.To, max(0, now.Sub(s.told)).Seconds())
		}
		text += fmt.Sprintf(" with %d differences and %d failures", len(s.differences), s.failures)
		if s.err != nil {
			text += ": " + s.err.Error()
		}
		all = append(all, text)
	}
	return all
}

// mirrorWarnings are for the page.
func (a *Agent) mirrorWarnings() (all []string) {
	for _, m := range a.listMirrors() {
		s := m.state()
		if s.err != nil {
			all = append(all, fmt.Sprintf("the engine %s cannot be told what is said here: %v", m.conf.To, s.err))
		}
		if n := len(s.differences); n > 0 {
			all = append(all, fmt.Sprintf("the file of the engine %s and ours differ in %d places, as in: %s", m.conf.To, n, s.differences[0]))
		}
	}
	return all
}

// mirrorFigures are for the metrics.
func (a *Agent) mirrorFigures() (all []status.Mirror) {
	for _, m := range a.listMirrors() {
		s := m.state()
		all = append(all, status.Mirror{
			To: m.conf.To.String(), Told: s.told, Failures: s.failures, Differences: len(s.differences), Failing: s.err != nil,
		})
	}
	return all
}
