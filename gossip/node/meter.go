package node

import (
	"math"
	"sync"
	"time"
)

// Meter counts the requests that an agent hands to one of its origins, for the beats and for what each response says of
// the load. Its methods may be called at the same time by any number of goroutines.
type Meter struct {
	mu       sync.Mutex // held for a few additions, once when a request begins and once when it ends
	made     time.Time  // times below are since then
	slots    float64
	prior    float64 // see SetPrior
	inFlight int
	resting  int           // of these, how many the origin does not work for
	at       time.Duration // up to when the integrals count
	readAt   time.Duration

	// Since the last Read.
	arrivals, completions, errors, refusals int
	whole                                   float64 // integral over time of inFlight, in seconds

	// Over the last few seconds, see muDecay and lateTime.
	done, worked float64       // completions, and the seconds that busy slots worked for them
	decayed      time.Duration // up to when they have lost weight
	late         lateErrors

	// Since the start.
	served    uint64
	serveTime time.Duration // average of the last requests
}

const (
	// muDecay is the time in which what Mu is made of loses all but 1/e of its weight (reference: balancing, 3.1).
	muDecay = 3 * time.Second
	// priorDone is how many completions the prior of Mu weighs as much as (same place).
	priorDone = 4
	// decayStep is the time in which they lose nothing, since an exponential at each request costs more than the rest of
	// the count. It moves both by a third of a percent at most, and by the same, so that Mu is hardly moved at all.
	decayStep = 10 * time.Millisecond
	// minWorked is what Mu's seconds do not decay below, so that an idle origin without a prior keeps the last Mu there was.
	minWorked = 1e-9
	// serveWeight is the weight of the newest request in ServeTime.
	serveWeight = 1.0 / 64
)

// NewMeter returns a meter of an origin that runs that many requests at full speed at once.
func NewMeter(slots float64, now time.Time) *Meter { return &Meter{slots: slots, made: now} }

// SetSlots changes how many requests the origin runs at full speed at once: its file was reloaded.
func (m *Meter) SetSlots(slots float64, now time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.advance(now)
	m.slots = slots
}

// SetPrior says how many requests a second one busy slot of this origin is taken to complete while little is known of it:
// the median of the farm, see [Farm]. It weighs as much as four completions, so that one long request does not make a slow
// origin, and an origin that was slow long ago, and therefore got no requests, is tried again. 0: nothing is known; what is
// no rate counts as 0.
func (m *Meter) SetPrior(mu float64) {
	if !(mu > 0 && mu <= math.MaxFloat64 && priorDone/mu <= math.MaxFloat64) {
		mu = 0
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.prior = mu
}

// Result is how a request ended, as its origin is judged.
type Result uint8

// The results. A request that its client gave up or got wrong is GaveUp: no completion, and nobody's error. One that Failed
// still counts as under way for five seconds in what is said of the load.
const (
	Completed Result = iota
	Failed
	GaveUp
)

// Begin counts a request that is being handed to the origin, until the End of what it returns.
func (m *Meter) Begin(now time.Time) Metered {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.begin(now)
	return Metered{meter: m}
}

// BeginWithin counts the request as Begin does, unless more than limit requests are under way already, as Load counts
// them: then it returns false and has counted nothing, not even a refusal. Of many requests that come at once, no more get
// in than the limit allows.
func (m *Meter) BeginWithin(now time.Time, limit float64) (Metered, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if float64(m.inFlight+m.late.count(now.Sub(m.made))) > limit {
		return Metered{}, false
	}
	m.begin(now)
	return Metered{meter: m}, true
}

func (m *Meter) begin(now time.Time) {
	m.advance(now)
	m.inFlight++
	m.arrivals++
}

// rest counts by how many more requests are resting.
func (m *Meter) rest(now time.Time, more int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.advance(now)
	m.resting += more
}

func (m *Meter) end(now time.Time, r Result, took time.Duration, forPeer, resting bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.advance(now)
	m.inFlight--
	if resting {
		m.resting--
	}
	switch r {
	case Completed:
		m.completions++
		m.done++
	case Failed:
		m.errors++
		m.late.add(m.at)
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

// Load returns what is said of the origin with a response at the time now: what is under way, the errors of the last five
// seconds included, and how fast the origin is. It costs little more than Begin.
func (m *Meter) Load(now time.Time) Load {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.advance(now)
	return Load{InFlight: float64(m.inFlight + m.late.count(m.at)), Slots: m.slots, Mu: m.rate()}
}

// Read fills in the figures of s that the meter knows, and starts the next period. InFlight has the errors of the last five
// seconds, Busy and Average have not.
func (m *Meter) Read(s *Service, now time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.advance(now)
	s.Slots, s.InFlight, s.Busy = m.slots, m.inFlight+m.late.count(m.at), m.inFlight
	s.Served, s.ServeTime = m.served, m.serveTime
	s.Mu = m.rate()
	period := (m.at - m.readAt).Seconds()
	if period <= 0 {
		return // nothing can be a rate yet; what was counted stays for the next Read
	}
	s.Average = m.whole / period
	s.Arrivals, s.Completions = float64(m.arrivals)/period, float64(m.completions)/period
	s.Errors, s.Refusals = float64(m.errors)/period, float64(m.refusals)/period
	m.arrivals, m.completions, m.errors, m.refusals, m.whole = 0, 0, 0, 0, 0
	m.readAt = m.at
}

// rate returns Mu, or 0 if nothing is known.
func (m *Meter) rate() float64 {
	done, worked := m.done, m.worked
	if m.prior > 0 {
		done += priorDone
		worked += priorDone / m.prior
	}
	if worked <= 0 {
		return 0
	}
	return done / worked
}

// advance brings the integrals up to now. A clock that went backwards stands still.
func (m *Meter) advance(now time.Time) {
	at := now.Sub(m.made)
	if at <= m.at {
		return
	}
	dt := (at - m.at).Seconds()
	m.at = at
	weight := 1.0 // of what was worked in that time
	if since := at - m.decayed; since >= decayStep {
		weight = m.decay(since.Seconds() / muDecay.Seconds())
		m.decayed = at
	}
	m.whole += float64(m.inFlight) * dt
	m.worked += weight * min(float64(m.inFlight-m.resting), m.slots) * dt
}

// decay takes weight from what was done longer ago than that many times muDecay, and returns the weight that what was
// done evenly since then has left.
func (m *Meter) decay(times float64) float64 {
	lost := -math.Expm1(-times)
	keep := 1 - lost
	if m.worked > 0 {
		// After a long silence both would be too small for their quotient to mean anything.
		keep = max(keep, min(1, minWorked/m.worked))
	}
	m.done *= keep
	m.worked *= keep
	return lost / times
}
