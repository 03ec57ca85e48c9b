//go:build linux

package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"sync"
	"testing"
	"time"

	"backhand/gossip/gossiptest/lab"
)

// faultLoad asks for the same thing again and again, and notes who answered.
type faultLoad struct {
	stop    context.CancelFunc
	wait    sync.WaitGroup
	mu      sync.Mutex
	results []faultResult
	begun   [faultClients]time.Time // when each client made the request that it waits for; zero: it waits for none
}

type faultResult struct {
	at    time.Time // when it was asked
	took  time.Duration
	label string // of the origin that answered
	err   error
}

// Of 24 clients each asks every 75 ms: 320 requests a second.
const (
	faultClients = 24
	faultPause   = 75 * time.Millisecond
)

func startFaultLoad(t *testing.T, from *lab.Host, url string) *faultLoad {
	ctx, cancel := context.WithCancel(t.Context())
	l := &faultLoad{stop: cancel}
	t.Cleanup(func() { cancel(); l.wait.Wait() })
	for i := range faultClients {
		l.wait.Go(func() {
			// Each has connections of its own, and so none that another one has broken.
			client := &http.Client{Transport: &http.Transport{DialContext: from.Dial, DisableCompression: true}, Timeout: 20 * time.Second}
			defer client.CloseIdleConnections()
			tick := time.NewTicker(faultPause)
			defer tick.Stop()
			for {
				select {
				case <-ctx.Done():
					return
				case <-tick.C:
				}
				l.begins(i, time.Now())
				r := faultRequest(client, url)
				l.ends(i, r)
			}
		})
	}
	return l
}

func (l *faultLoad) begins(client int, at time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.begun[client] = at
}

func (l *faultLoad) ends(client int, r faultResult) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.begun[client] = time.Time{}
	l.results = append(l.results, r)
}

// waits returns an error as long as a request that was made before is under way.
func (l *faultLoad) waits(before time.Time) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, at := range l.begun {
		if !at.IsZero() && at.Before(before) {
			return fmt.Errorf("a request waits since %v", time.Since(at))
		}
	}
	return nil
}

func faultRequest(client *http.Client, url string) faultResult {
	r := faultResult{at: time.Now()}
	res, err := client.Get(url)
	if err == nil {
		var body []byte
		body, err = io.ReadAll(res.Body)
		res.Body.Close()
		r.label = res.Header.Get("X-Label")
		if err == nil && res.StatusCode != http.StatusOK {
			err = fmt.Errorf("%s: %s", res.Status, body)
		}
	}
	r.took, r.err = time.Since(r.at), err
	return r
}

// faultSeen is what the load saw in some time.
type faultSeen struct {
	requests int
	failed   []faultResult
	last     map[string]time.Time     // when a request was made that the member answered
	gap      map[string]time.Duration // the longest in which the member answered none
	slow     time.Time                // when the last request was made that took long: it was offered to somebody who is not there
}

// slowRequest is far above what any of these takes where nothing is wrong.
const slowRequest = 250 * time.Millisecond

// between says what became of the requests that were made in that time, all of which have ended.
func (l *faultLoad) between(from, to time.Time) faultSeen {
	s := faultSeen{last: map[string]time.Time{}, gap: map[string]time.Duration{}}
	l.mu.Lock()
	defer l.mu.Unlock()
	before := map[string]time.Time{}
	for _, r := range l.results { // in the order in which they ended
		if r.at.Before(from) || r.at.After(to) {
			continue
		}
		s.requests++
		if r.err != nil {
			s.failed = append(s.failed, r)
		}
		if r.took >= slowRequest && r.at.After(s.slow) {
			s.slow = r.at
		}
		if r.label == "" {
			continue
		}
		if r.at.After(s.last[r.label]) {
			s.last[r.label] = r.at
		}
		since, ok := before[r.label]
		if !ok {
			since = from
		}
		s.gap[r.label] = max(s.gap[r.label], r.at.Sub(since))
		before[r.label] = r.at
	}
	for label, at := range before {
		s.gap[label] = max(s.gap[label], to.Sub(at))
	}
	return s
}

// finish ends the load, and fails if it was none.
func (l *faultLoad) finish(t *testing.T) {
	t.Helper()
	l.stop()
	l.wait.Wait()
	if len(l.results) < 1000 {
		t.Errorf("only %d requests were made: that is no load", len(l.results))
	}
}
