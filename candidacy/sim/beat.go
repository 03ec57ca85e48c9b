package sim

import (
	"slices"
	"time"

	"backhand/gossip/node"
)

// beat lets a node announce itself, unless its host is dead. The first beat, at the start, is one more.
func (sim *simulation) beat(who int32, at int64) {
	if at > 0 {
		jitter := sim.s.Gossip.Jitter * (2*sim.beatRand.Float64() - 1)
		sim.alarms.set(alarm{at: sim.now + int64((1+jitter)*float64(sim.c.Interval)), kind: beatDue, who: who})
	}
	if int(who) < len(sim.members) && sim.members[who].dead() {
		return
	}
	n := sim.describe(who)
	if f := sim.frontOf(who); f != nil {
		f.nodes[who] = n
		sim.choose.heard(f, n)
	}
	slot := int32(len(sim.beats))
	if k := len(sim.freeBeats); k > 0 {
		slot = sim.freeBeats[k-1]
		sim.freeBeats = sim.freeBeats[:k-1]
	} else {
		sim.beats = append(sim.beats, nil)
	}
	sim.beats[slot] = n
	sim.alarms.set(alarm{at: sim.now + sim.delay, kind: beatHeard, who: slot})
}

// frontOf returns the front that the node is, or nil.
func (sim *simulation) frontOf(who int32) *front {
	if sim.s.Fronts.AreMembers {
		return sim.fronts[who]
	}
	if i := int(who) - len(sim.members); i >= 0 {
		return sim.fronts[i]
	}
	return nil
}

// describe returns what a node announces.
func (sim *simulation) describe(who int32) *node.Node {
	n := &node.Node{
		Boot: 1, Addr: address(who), State: node.Up, VersionMin: 1, VersionMax: 1, Interval: sim.c.Interval,
		Stats: node.Stats{CPUs: 1, CPUIdle: 1}, Heard: sim.time().Add(time.Duration(sim.delay)),
	}
	n.From = n.Addr.Addr()
	if int(who) < len(sim.members) {
		m := sim.members[who]
		m.sequence++
		m.meter.SetPrior(sim.usualMu())
		n.ID, n.Name, n.Sequence = m.id, m.name, m.sequence
		n.Stats = sim.stats(m)
		n.Services = []node.Service{sim.service(m)}
	}
	if f := sim.frontOf(who); f != nil {
		if n.Services == nil {
			f.sequence++
			n.ID, n.Name, n.Sequence = f.id, f.name, f.sequence
		}
		n.Stats.Dispatched = f.rate(sim.now)
	}
	return n
}

// usualMu returns the median of the service rates that members have announced. Each agent has it from its own snapshot;
// here all get the same, computed once an interval.
func (sim *simulation) usualMu() float64 {
	u := &sim.usual
	if u.at > 0 && sim.now < u.at+int64(sim.c.Interval) {
		return u.mu
	}
	u.at = max(1, sim.now)
	u.all = u.all[:0]
	for _, m := range sim.members {
		if m.announce > 0 {
			u.all = append(u.all, m.announce)
		}
	}
	if len(u.all) > 0 {
		slices.Sort(u.all)
		u.mu = u.all[len(u.all)/2]
	}
	return u.mu
}

// usual is the service rate that is usual among the members.
type usual struct {
	mu  float64
	at  int64
	all []float64
}

// hear lets all other fronts hear a beat, but for those that miss it.
func (sim *simulation) hear(slot int32) {
	n := sim.beats[slot]
	sim.beats[slot] = nil
	sim.freeBeats = append(sim.freeBeats, slot)
	who := numberOf(n)
	loss := sim.s.Gossip.Loss
	for _, f := range sim.fronts {
		lost := loss > 0 && n.Sequence > 1 && sim.lossRand.Float64() < loss
		if f.self == who || lost {
			continue
		}
		f.nodes[who] = n
		sim.choose.heard(f, n)
	}
}
