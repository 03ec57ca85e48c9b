package sim

import (
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"backhand/gossip/node"
)

// A rival chooses members as another balancer, or a paper, does. They are written from what is published, not from code,
// with the parameters that are usual. All of them put members last to which a connection failed a moment ago, as agents do
// (see [node.Live.ConnectFailed]), and none marks a member as down for anything else.

// Rival is another way to choose.
type Rival struct{ Name, Doc string }

// Rivals returns all rivals by name.
func Rivals() []Rival {
	all := rivals()
	out := make([]Rival, 0, len(all))
	for _, name := range rivalNames() {
		out = append(out, Rival{name, all[name].doc})
	}
	return out
}

// rivalSpec describes a rival and makes one.
type rivalSpec struct {
	doc  string
	make func(k *knowledge) rule
}

// rule is a rival's rule.
type rule interface {
	// pick returns a member of the front's candidates.
	pick(f *front, r *request, in []int32) int32
}

// Some rules want to hear more.
type (
	responseListener interface {
		// responded tells of a response, which took that long in seconds.
		responded(f *front, member int32, took float64, r *request)
	}
	beatListener interface{ heard(f *front, n *node.Node) }
	prober       interface{ probed(m *message) }
)

func rivals() map[string]rivalSpec {
	return map[string]rivalSpec{
		"omniscient":   {"knows the requests at all members, and those on their way, without delay, and their true speeds; the score of byTraffic", newOmniscient},
		"sed":          {"knows as much; shortest expected delay: the requests per slot by the slot's speed", newSED},
		"jsq":          {"knows as much of the requests; joins the shortest queue", newJSQ},
		"random":       {"by chance", newRandom},
		"round-robin":  {"one after the other, each front on its own", newRoundRobin},
		"leastconn":    {"the fewest own requests (HAProxy, nginx)", newLeastConn},
		"two-choices":  {"the one with fewer own requests of two by chance (Envoy, nginx random two, HAProxy random)", newTwoChoices},
		"peak-ewma":    {"of two by chance, the one with the lower latency, of which peaks are remembered, times own requests (linkerd, Finagle)", newPeakEWMA},
		"prequal":      {"probes for requests in flight and latency, hot and cold (Google, NSDI 2024)", newPrequal},
		"prequal-rif":  {"the same, by requests in flight only", newPrequalRIF},
		"c3":           {"latency and the cube of the queue that responses report (NSDI 2015), over all members", newC3},
		"orca-wrr":     {"weighted round robin by requests a second per utilisation, from beats (gRPC, Envoy)", newORCA},
		"heartbeat":    {"by chance, weighted by idle workers, from beats (Apache mod_lbmethod_heartbeat)", newHeartbeat},
		"two-by-beats": {"the one with fewer requests in flight of two by chance, as the last beat said", newTwoByBeats},
	}
}

// rivalNames returns them in order.
func rivalNames() []string { return slices.Sorted(maps.Keys(rivals())) }

// knowledge is what all rivals have.
type knowledge struct {
	sim  *simulation
	rand *rand.Rand
}

// rivalFronts are the fronts of a rival.
type rivalFronts struct {
	knowledge
	rule      rule
	responses responseListener // nil if the rule does not listen
	beats     beatListener
	prober    prober
	live      [][]*node.Live // by front and member
	trouble   int64          // until when some member may be unreachable for someone
	list      []int32
}

func newRival(name string, sim *simulation, rng *rand.Rand) *rivalFronts {
	rf := &rivalFronts{knowledge: knowledge{sim, rng}}
	for _, f := range sim.fronts {
		f.nodes = make([]*node.Node, sim.nodes())
		live := make([]*node.Live, len(sim.members))
		for i := range live {
			live[i] = new(node.Live)
		}
		rf.live = append(rf.live, live)
	}
	rf.rule = rivals()[name].make(&rf.knowledge)
	rf.responses, _ = rf.rule.(responseListener)
	rf.beats, _ = rf.rule.(beatListener)
	rf.prober, _ = rf.rule.(prober)
	return rf
}

func (rf *rivalFronts) choose(f *front, r *request) int32 {
	rf.list = rf.list[:0]
	all := len(r.tried) == 0 && rf.sim.now >= rf.trouble
	now := rf.sim.time()
	for i := range rf.sim.members {
		if all || !r.wasTried(int32(i)) && !rf.live[f.number][i].Unreachable(now) {
			rf.list = append(rf.list, int32(i))
		}
	}
	if len(rf.list) == 0 { // rather than nobody, one that did not answer
		for i := range rf.sim.members {
			if !r.wasTried(int32(i)) {
				rf.list = append(rf.list, int32(i))
			}
		}
	}
	if len(rf.list) == 0 {
		return nobody
	}
	return rf.rule.pick(f, r, rf.list)
}

func (rf *rivalFronts) ended(f *front, r *request) {
	live := rf.live[f.number][r.member]
	switch r.outcome {
	case notConnected:
		live.ConnectFailed(rf.sim.time())
		rf.trouble = rf.sim.now + int64(unreachableMost)
	case answered, failed:
		live.Connected()
		if rf.responses != nil {
			rf.responses.responded(f, r.member, float64(rf.sim.now-r.asked)/1e9, r)
		}
	}
}

// unreachableMost is for how long a member is put last at most.
const unreachableMost = 10 * time.Second

func (rf *rivalFronts) heard(f *front, n *node.Node) {
	if rf.beats != nil && len(n.Services) > 0 {
		rf.beats.heard(f, n)
	}
}

func (rf *rivalFronts) probed(m *message) { rf.prober.probed(m) }

// least returns the candidate with the lowest cost; chance decides among equal ones.
func (k *knowledge) least(in []int32, cost func(member int32) float64) int32 {
	best, lowest, equal := in[0], math.Inf(1), 0
	for _, i := range in {
		switch c := cost(i); {
		case c < lowest:
			best, lowest, equal = i, c, 1
		case c == lowest:
			if equal++; k.rand.IntN(equal) == 0 {
				best = i
			}
		}
	}
	return best
}

// two returns two different candidates by chance, or the only one twice.
func (k *knowledge) two(in []int32) (a, b int32) {
	if len(in) == 1 {
		return in[0], in[0]
	}
	i, j := k.rand.IntN(len(in)), k.rand.IntN(len(in)-1)
	if j >= i {
		j++
	}
	return in[i], in[j]
}
