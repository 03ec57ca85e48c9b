package sim

import (
	"context"
	"encoding/binary"
	"math"
	"math/rand/v2"
	"time"

	"backhand/gossip/node"
)

// farmName is the farm that all members serve.
const farmName = "web"

// start is the time at which simulations begin. Any time will do: all that counts is how much has passed since.
func start() time.Time { return time.Unix(1_000_000_000, 0).UTC() }

// simulation is one case with one seed and one policy, while it is played.
type simulation struct {
	s    *Scenario
	c    Case
	now  int64
	from int64 // requests that arrive from then on are measured,
	to   int64 // until then

	clients clients
	members []*member
	fronts  []*front
	choose  chooser
	tries   int
	delay   int64

	nextArrival int64
	nextWork    float64
	alarms      alarms
	messages    messages
	done        earliest

	beats     []*node.Node // on their way, by the place that their alarm names
	freeBeats []int32
	free      []*request // not in use
	open      []*request // measured and not finished

	lossRand, antagonistRand, beatRand *rand.Rand
	usual                              usual
	result                             result
}

// chooser is how fronts choose: by chains, or as a rival does.
type chooser interface {
	// choose returns the member that the front hands the request to, or nobody.
	choose(f *front, r *request) int32
	// ended tells that the front's attempt at r.member has ended as r.outcome says.
	ended(f *front, r *request)
	// heard tells that the front has heard a beat.
	heard(f *front, n *node.Node)
	// probed tells that a message of the chooser's own has arrived.
	probed(m *message)
}

// nobody is what choose returns if there is nobody to choose.
const nobody = -1

// request is one request of a client.
type request struct {
	arrived  int64
	work     float64 // seconds at a member of speed 1
	measured bool
	place    int // in simulation.open, if measured

	front, member int32
	asked         int64   // when the front handed it over
	tried         []int32 // members that did not take it
	attempts      int
	refusals      int
	limited       bool
	limit         float64 // requests under way above which the member sends it back, if limited
	outcome       outcome
	load          node.Load // as the response says
	found         int       // requests at the origin when this one came
	others        int       // when its response was sent, this one not counted
	metered       node.Metered
}

// outcome is how an attempt has ended.
type outcome uint8

const (
	answered     outcome = iota
	failed               // by an answer that is an error
	refused              // sent back by the member's agent
	notConnected         // in either way
	broken               // the member died meanwhile
)

// Streams of chance: each has its own, so that a policy that asks for more of one gets no other values of another.
const (
	arrivalStream = iota + 1
	workStream
	antagonistStream
	beatStream
	lossStream
	placeStream
	policyStream
)

func stream(seed, number uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, number)) }

// play plays one case with one seed and one policy. report is told now and then how much of it is done, 0 to 1.
func (s *Scenario) play(ctx context.Context, c Case, seed uint64, p *Policy, report func(share float64)) (result, error) {
	sim := newSimulation(s, c, seed)
	sim.choose = p.chooser(sim, stream(seed, policyStream))
	if err := sim.run(ctx, report); err != nil {
		return result{}, err
	}
	return sim.result, nil
}

// chooser returns who chooses.
func (p *Policy) chooser(sim *simulation, rng *rand.Rand) chooser {
	if p.Rival != "" {
		return newRival(p.Rival, sim, rng)
	}
	return newChains(p.Chain, sim, rng)
}

func newSimulation(s *Scenario, c Case, seed uint64) *simulation {
	sim := &simulation{
		s: s, c: c, from: int64(s.WarmUp), to: int64(s.WarmUp + s.Measure), delay: int64(s.Delay), tries: s.Fronts.Tries,
		done:     newEarliest(s.Members.Count),
		lossRand: stream(seed, lossStream), antagonistRand: stream(seed, antagonistStream), beatRand: stream(seed, beatStream),
	}
	sim.clients = clients{
		rates: []float64{s.rate(c)}, trace: s.Arrivals.Trace, rng: stream(seed, arrivalStream),
		work: s.Work.source(c.Mean, stream(seed, workStream)), fronts: zipf(c.Fronts, s.Fronts.Zipf), nFronts: c.Fronts,
	}
	if len(s.Arrivals.Rates) > 0 {
		sim.clients.rates, sim.clients.step = s.Arrivals.Rates, int64(s.Arrivals.Step)
	}
	place := stream(seed, placeStream)
	speeds := s.speeds(place)
	for i, speed := range speeds {
		sim.members = append(sim.members, newMember(int32(i), s, speed))
	}
	ids := newIDs(seed, len(speeds)+c.Fronts)
	for i := range c.Fronts {
		self := int32(len(speeds) + i)
		if s.Fronts.AreMembers {
			self = int32(i)
		}
		sim.fronts = append(sim.fronts, newFront(int32(i), self, len(speeds)))
	}
	for i, m := range sim.members {
		m.id = ids[i]
	}
	for _, f := range sim.fronts {
		f.id = ids[f.self]
	}
	sim.setAlarms(place)
	return sim
}

// newIDs returns IDs of nodes; their last four bytes are the node's number.
func newIDs(seed uint64, n int) []node.ID {
	rng := stream(seed, placeStream+100)
	ids := make([]node.ID, n)
	for i := range ids {
		binary.BigEndian.PutUint64(ids[i][:], rng.Uint64())
		binary.BigEndian.PutUint32(ids[i][8:], rng.Uint32())
		binary.BigEndian.PutUint32(ids[i][12:], uint32(i))
	}
	return ids
}

// speeds returns the speed of each member: which of them are slow is up to chance.
func (s *Scenario) speeds(rng *rand.Rand) []float64 {
	speeds := make([]float64, s.Members.Count)
	order := rng.Perm(len(speeds))
	for i := range speeds {
		speeds[i] = 1
	}
	for _, slow := range s.Members.Slow {
		for _, i := range order[:slow.Count] {
			speeds[i] = 1 / slow.Factor
		}
		order = order[slow.Count:]
	}
	return speeds
}

// setAlarms sets the first of each kind.
func (sim *simulation) setAlarms(place *rand.Rand) {
	interval := float64(sim.c.Interval)
	for i := range sim.nodes() {
		// All know all from the start: one beat at once, the next when it happens to be due.
		sim.alarms.set(alarm{at: 0, kind: beatDue, who: int32(i)})
		sim.alarms.set(alarm{at: int64(sim.beatRand.Float64() * interval), kind: beatDue, who: int32(i)})
	}
	for i, m := range sim.members {
		sim.firstAntagonist(int32(i), m)
	}
	for i, f := range sim.s.Failures {
		for _, who := range place.Perm(len(sim.members))[:f.Members] {
			sim.alarms.set(alarm{at: int64(f.At), kind: failureBegins, who: int32(who), failure: i})
			if f.For > 0 {
				sim.alarms.set(alarm{at: int64(f.At + f.For), kind: failureEnds, who: int32(who), failure: i})
			}
		}
	}
	sim.alarms.set(alarm{at: int64(loadEvery), kind: loadAverageDue})
	sim.alarms.set(alarm{at: sim.from, kind: sampleDue})
}

// nodes returns how many nodes there are: members first, then the fronts that are none.
func (sim *simulation) nodes() int {
	if sim.s.Fronts.AreMembers {
		return len(sim.members)
	}
	return len(sim.members) + len(sim.fronts)
}

// time returns the present time as the agents' clocks show it.
func (sim *simulation) time() time.Time { return start().Add(time.Duration(sim.now)) }

// Bounds of a run: how often it looks whether it is to stop, and for how long it waits at the end for requests that were
// measured and are not finished. Those that are not then count as if they were.
const (
	lookEvery = 1 << 14
	waitMost  = 60 * time.Second
)

// run lets time pass until all measured requests are finished.
func (sim *simulation) run(ctx context.Context, report func(float64)) error {
	sim.nextArrival, sim.nextWork = sim.clients.arrival(0)
	end := sim.to + int64(waitMost)
	for n := 0; ; n++ {
		if n%lookEvery == 0 {
			if err := ctx.Err(); err != nil {
				return err
			}
			report(min(1, float64(sim.now)/float64(sim.to)))
		}
		if !sim.step() || sim.now >= end || sim.now >= sim.to && len(sim.open) == 0 {
			break
		}
	}
	sim.countOpen()
	report(1)
	return nil
}

// step does what comes next. It returns false if nothing does.
func (sim *simulation) step() bool {
	who, done := sim.done.first()
	alarm, message := sim.alarms.next(), sim.messages.next()
	sim.now = min(done, alarm, message, sim.nextArrival)
	switch sim.now {
	case never:
		return false
	case message:
		sim.deliver(sim.messages.pop())
	case done:
		sim.complete(who)
	case sim.nextArrival:
		sim.arrive()
	default:
		sim.ring(sim.alarms.pop())
	}
	return true
}

// arrive takes the request that a client sends now.
func (sim *simulation) arrive() {
	r := sim.newRequest()
	r.arrived, r.work, r.front = sim.now, sim.nextWork, sim.clients.front()
	r.measured = sim.now >= sim.from && sim.now < sim.to
	if r.measured {
		sim.result.Requests++
		r.place = len(sim.open)
		sim.open = append(sim.open, r)
	}
	sim.nextArrival, sim.nextWork = sim.clients.arrival(sim.now)
	sim.fronts[r.front].dispatched++
	sim.handOver(r)
}

func (sim *simulation) newRequest() *request {
	if n := len(sim.free); n > 0 {
		r := sim.free[n-1]
		sim.free = sim.free[:n-1]
		return r
	}
	return new(request)
}

// finish ends a request; good says that the client got what it wanted.
func (sim *simulation) finish(r *request, good bool) {
	if r.measured {
		last := sim.open[len(sim.open)-1]
		sim.open[r.place], last.place = last, r.place
		sim.open = sim.open[:len(sim.open)-1]
		sim.result.count(r, sim.now, good)
	}
	r.tried = r.tried[:0]
	r.attempts, r.refusals = 0, 0
	sim.free = append(sim.free, r)
}

// countOpen counts the requests that are not finished, as if they were: they take that long at least.
func (sim *simulation) countOpen() {
	for _, r := range sim.open {
		sim.result.count(r, sim.now, true)
		sim.result.Unfinished++
	}
}

// deliver does what a message is for.
func (sim *simulation) deliver(m message) {
	switch m.kind {
	case toMember:
		sim.reach(m.r)
	case toFront:
		sim.comeBack(m.r)
	default:
		sim.choose.probed(&m)
	}
}

// ring does what an alarm is for.
func (sim *simulation) ring(a alarm) {
	switch a.kind {
	case beatDue:
		sim.beat(a.who, a.at)
	case beatHeard:
		sim.hear(a.who)
	case antagonistDue:
		sim.antagonist(a.who)
	case failureBegins:
		sim.fail(&sim.s.Failures[a.failure], a.who)
	case failureEnds:
		sim.recover(&sim.s.Failures[a.failure], a.who)
	case loadAverageDue:
		sim.averageLoad()
	case sampleDue:
		sim.sample()
	case fastErrorDue:
		sim.answerError(a.r)
	case attemptTimesOut:
		a.r.outcome = notConnected
		sim.comeBack(a.r)
	}
}

// sampleEvery is how often the spread is looked at.
const sampleEvery = 100 * time.Millisecond

// sample looks at how unequally the members are loaded: at the requests that each has, for what it can do.
func (sim *simulation) sample() {
	sum, squares, n := 0.0, 0.0, 0.0
	for _, m := range sim.members {
		if m.dead() {
			continue
		}
		x := float64(m.origin.inFlight()) / (float64(m.origin.slots) * m.origin.speed)
		sum, squares, n = sum+x, squares+x*x, n+1
	}
	if sum > 0 {
		mean := sum / n
		sim.result.spreads += math.Sqrt(max(0, squares/n-mean*mean)) / mean
		sim.result.samples++
	}
	if next := sim.now + int64(sampleEvery); next < sim.to {
		sim.alarms.set(alarm{at: next, kind: sampleDue})
	}
}
