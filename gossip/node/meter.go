package node

import (
	"math"
	"sync"
	"time"
)

// Meter counts the requests that an agent hands to one of its origins, for the beats. Its methods may be called at the
// same time by any number of goroutines.
type Meter struct {
	mu       sync.Mutex // held for a few additions, once when a request begins and once when it ends
	slots    float64
	inFlight int
	at       time.Time // up to when the integrals count
	readAt   time.Time

	// Since the last Read.
	arrivals, completions, errors, refusals int
	whole                                   float64 // integral over time of inFlight, in seconds

	// Over the last few seconds, see muDecay.
	done, worked float64   // completions, and the seconds that busy slots worked for them
	decayed      time.Time // up to when they have lost weight

	// Since the start.
	served    uint64
	serveTime time.Duration // average of the last requests
}

const (
	// muDecay is the time in which what Mu is made of loses all but 1/e of its weight (reference: balancing, 3.1).
	muDecay = 3 * time.Second
	// decayStep is the time in which they lose nothing, since an exponential at each request costs more than the rest of
	// the count. It moves both by a third of a percent at most, and by the same, so that Mu is hardly moved at all.
	decayStep = 10 * time.Millisecond
	// minWorked is what Mu's seconds do not decay below, so that an idle origin keeps the last Mu there was.
	minWorked = 1e-9
	// serveWeight is the weight of the newest request in ServeTime.
	serveWeight = 1.0 / 64
)

// NewMeter returns a meter of an origin that runs that many requests at full speed at once.
func NewMeter(slots float64, now time.Time) *Meter {
	return &Meter{slots: slots, at: now, readAt: now, decayed: now}
}

// SetSlots changes how many requests the origin runs at full speed at once: its file was reloaded.
func (m *Meter) SetSlots(slots float64, now time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.advance(now)
	m.slots = slots
}

// Result is how a request ended, as its origin is judged.
type Result uint8

// The results. A request that its client gave up or got wrong is GaveUp: no completion, and nobody's error.
const (
	Completed Result = iota
	Failed
	GaveUp
)

// Begin counts a request that is being handed to the origin.
func (m *Meter) Begin(now time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.advance(now)
	m.inFlight++
	m.arrivals++
}

// End counts the end of a request counted by Begin, which took that long; forPeer says that it came over a hop.
func (m *Meter) End(now time.Time, r Result, took time.Duration, forPeer bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.advance(now)
	m.inFlight--
	switch r {
	case Completed:
		m.completions++
		m.done++
	case Failed:
		m.errors++
	}
	if !forPeer {
		return
	}
	m.served++
	if m.served == 1 {
		m.serveTime = took
	}
	m.serveTime += time.Duration(serveWeight * float64(took-m.serveTime))
}

// Refuse counts a request that was sent back without asking the origin.
func (m *Meter) Refuse() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.refusals++
}

// Read fills in the figures of s that the meter knows, and starts the next period.
func (m *Meter) Read(s *Service, now time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.advance(now)
	s.Slots, s.InFlight = m.slots, m.inFlight
	s.Served, s.ServeTime = m.served, m.serveTime
	if m.worked > 0 {
		s.Mu = m.done / m.worked
	}
	period := now.Sub(m.readAt).Seconds()
	if period <= 0 {
		return // nothing can be a rate yet; what was counted stays for the next Read
	}
	s.Average = m.whole / period
	s.Arrivals, s.Completions = float64(m.arrivals)/period, float64(m.completions)/period
	s.Errors, s.Refusals = float64(m.errors)/period, float64(m.refusals)/period
	m.arrivals, m.completions, m.errors, m.refusals, m.whole = 0, 0, 0, 0, 0
	m.readAt = now
}

// advance brings the integrals up to now.
func (m *Meter) advance(now time.Time) {
	dt := float64(now.Sub(m.at)) / float64(time.Second)
	if dt <= 0 {
		return
	}
	m.at = now
	if since := now.Sub(m.decayed); since >= decayStep {
		m.decay(since)
		m.decayed = now
	}
	n := float64(m.inFlight)
	m.whole += n * dt
	m.worked += min(n, m.slots) * dt
}

// decay takes weight from what was done longer ago.
func (m *Meter) decay(since time.Duration) {
	keep := math.Exp(-since.Seconds() / muDecay.Seconds())
	if m.worked > 0 {
		// After a long silence both would be too small for their quotient to mean anything.
		keep = max(keep, min(1, minWorked/m.worked))
	}
	m.done *= keep
	m.worked *= keep
}
