package sim

import (
	"encoding/binary"
	"fmt"
	"math"
	"net/netip"
	"time"

	"backhand/gossip/node"
)

// member is a node that serves the farm: an origin, and the agent in front of it.
type member struct {
	id       node.ID
	name     string
	origin   origin
	meter    *node.Meter
	slots    float64
	base     float64 // speed, if nothing slows it
	annoyed  bool    // the antagonist runs
	slowness float64 // by failures; 1: none
	refuses  int     // failures of each kind that last
	silent   int
	errors   int
	assigned int // requests here and on their way here

	sequence uint64
	load1    float64
	busy     float64 // of the origin, at the last beat
	beat     int64   // when that was
	announce float64 // service rate, as announced last
}

func newMember(i int32, s *Scenario, speed float64) *member {
	return &member{
		name: fmt.Sprintf("member%06d", i), base: speed, slowness: 1, slots: float64(s.Members.Slots),
		origin: origin{slots: s.Members.Slots, fifo: s.Members.FIFO, speed: speed},
		meter:  node.NewMeter(float64(s.Members.Slots), start()),
	}
}

func (m *member) dead() bool { return m.refuses+m.silent > 0 }

// fastError is how long a member that only fails takes for it.
const fastError = time.Millisecond

// connectTimeout is an agent's default.
const connectTimeout = time.Second

// reach takes a request at its member.
func (sim *simulation) reach(r *request) {
	m := sim.members[r.member]
	now := sim.time()
	switch {
	case m.silent > 0:
		sim.alarms.set(alarm{at: r.asked + int64(connectTimeout), kind: attemptTimesOut, r: r})
		return
	case m.refuses > 0:
		sim.respond(r, notConnected)
		return
	}
	if r.limited {
		var ok bool
		if r.metered, ok = m.meter.BeginWithin(now, r.limit); !ok {
			m.meter.Refuse()
			r.load = m.meter.Load(now)
			sim.respond(r, refused)
			return
		}
	} else {
		r.metered = m.meter.Begin(now)
	}
	if m.errors > 0 {
		sim.alarms.set(alarm{at: sim.now + int64(fastError), kind: fastErrorDue, r: r})
		return
	}
	r.found = m.origin.inFlight()
	m.origin.add(sim.now, r)
	sim.done.set(r.member, m.origin.next())
}

// complete sends the response of the request that is done at the member.
func (sim *simulation) complete(who int32) {
	m := sim.members[who]
	r := m.origin.finish(sim.now)
	sim.done.set(who, m.origin.next())
	now := sim.time()
	r.load, r.others = m.meter.Load(now), m.origin.inFlight()
	r.metered.End(now, node.Completed, time.Duration(sim.now-r.asked), !sim.isLocal(r))
	sim.respond(r, answered)
}

// answerError sends an error as the response.
func (sim *simulation) answerError(r *request) {
	m := sim.members[r.member]
	now := sim.time()
	r.load, r.others = m.meter.Load(now), m.origin.inFlight()
	r.metered.End(now, node.Failed, fastError, !sim.isLocal(r))
	sim.respond(r, failed)
}

// respond sends something back to the front.
func (sim *simulation) respond(r *request, o outcome) {
	r.outcome = o
	if sim.isLocal(r) {
		sim.comeBack(r)
		return
	}
	sim.messages.push(message{at: sim.now + sim.delay, kind: toFront, r: r})
}

// isLocal reports whether the request is served by the node that it came to.
func (sim *simulation) isLocal(r *request) bool {
	return sim.s.Fronts.AreMembers && r.front == r.member
}

// changeSpeed brings the origin to the speed that it has now.
func (sim *simulation) changeSpeed(who int32) {
	m := sim.members[who]
	speed := m.base / m.slowness
	if m.annoyed {
		speed /= sim.s.Antagonist.Factor
	}
	m.origin.setSpeed(sim.now, speed)
	sim.done.set(who, m.origin.next())
}

// firstAntagonist sets when the member's antagonist begins or ends for the first time, as if it had come and gone for ever.
func (sim *simulation) firstAntagonist(who int32, m *member) {
	a := &sim.s.Antagonist
	if a.Share <= 0 {
		return
	}
	if sim.antagonistRand.Float64() < a.Share {
		m.annoyed = true
		sim.changeSpeed(who)
		rest := int64(sim.antagonistRand.Float64() * float64(a.Length))
		sim.alarms.set(alarm{at: rest, kind: antagonistDue, who: who})
		return
	}
	sim.alarms.set(alarm{at: sim.untilAntagonist(), kind: antagonistDue, who: who})
}

// untilAntagonist returns when an antagonist that does not run will.
func (sim *simulation) untilAntagonist() int64 {
	a := &sim.s.Antagonist
	pause := float64(a.Length) * (1 - a.Share) / a.Share
	return sim.now + int64(pause*sim.antagonistRand.ExpFloat64())
}

// antagonist begins or ends.
func (sim *simulation) antagonist(who int32) {
	m := sim.members[who]
	m.annoyed = !m.annoyed
	next := sim.now + int64(sim.s.Antagonist.Length)
	if !m.annoyed {
		next = sim.untilAntagonist()
	}
	sim.alarms.set(alarm{at: next, kind: antagonistDue, who: who})
	sim.changeSpeed(who)
}

// beatsToSilence is for how many beats an agent waits for an answer of a node of which it hears nothing.
const beatsToSilence = 3

// fail begins a failure of a member.
func (sim *simulation) fail(f *Failure, who int32) {
	m := sim.members[who]
	switch f.Kind {
	case Slowed:
		m.slowness *= f.Factor
		sim.changeSpeed(who)
		return
	case Errors:
		m.errors++
	case Refuses:
		m.refuses++
	case Silent:
		m.silent++
	}
	if !m.dead() {
		return // it answers those that it has
	}
	for _, r := range m.origin.abandon(sim.now) {
		r.metered.End(sim.time(), node.GaveUp, 0, false)
		if f.Kind == Refuses {
			sim.respond(r, broken)
			continue
		}
		sim.alarms.set(alarm{at: sim.now + beatsToSilence*int64(sim.c.Interval), kind: attemptTimesOut, r: r})
	}
	sim.done.set(who, never)
}

// recover ends it.
func (sim *simulation) recover(f *Failure, who int32) {
	m := sim.members[who]
	switch f.Kind {
	case Slowed:
		m.slowness /= f.Factor
		sim.changeSpeed(who)
	case Errors:
		m.errors--
	case Refuses:
		m.refuses--
	case Silent:
		m.silent--
	}
}

// loadEvery is how often a Linux kernel takes the number of running processes for the load average of the last minute.
const loadEvery = 5 * time.Second

// averageLoad does what the kernel does with the members' load averages.
func (sim *simulation) averageLoad() {
	keep := math.Exp(-loadEvery.Seconds() / time.Minute.Seconds())
	for _, m := range sim.members {
		m.load1 = m.load1*keep + float64(m.origin.inFlight())*(1-keep)
	}
	sim.alarms.set(alarm{at: sim.now + int64(loadEvery), kind: loadAverageDue})
}

// A host's memory, for byCost: some of it is always used, and more for each request. In bytes, and shares of it.
const (
	memory        = 4 << 30
	memoryUsed    = 0.3
	memoryRequest = 0.005
)

// stats returns what the member says of its host with a beat.
func (sim *simulation) stats(m *member) node.Stats {
	m.origin.advance(sim.now)
	idle := 1.0
	if passed := float64(sim.now-m.beat) / 1e9; passed > 0 {
		idle = max(0, 1-(m.origin.busy-m.busy)/(passed*float64(m.origin.slots)))
	}
	m.beat, m.busy = sim.now, m.origin.busy
	free := max(0.02, 1-memoryUsed-memoryRequest*float64(m.origin.inFlight()))
	return node.Stats{
		CPUs: m.origin.slots, Speed: 100 * m.base, Load1: m.load1, CPUIdle: idle,
		MemTotal: memory, MemAvailable: uint64(free * memory),
	}
}

// service returns what it says of the farm.
func (sim *simulation) service(m *member) node.Service {
	s := node.Service{Farm: farmName, Ready: true, Workers: sim.s.Members.Workers}
	m.meter.Read(&s, sim.time())
	if s.Workers > 0 {
		s.Busy = min(m.origin.inFlight(), s.Workers)
	}
	m.announce = s.Mu
	return s
}

// address returns an address that no other node has.
func address(who int32) netip.AddrPort {
	var b [4]byte
	binary.BigEndian.PutUint32(b[:], 10<<24+uint32(who)+1)
	return netip.AddrPortFrom(netip.AddrFrom4(b), 80)
}
