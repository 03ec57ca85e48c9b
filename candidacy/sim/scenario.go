package sim

import "time"

// Scenario says what is simulated. [Parse] reads one from a file.
//
// Fronts.Count, Arrivals.Load, Work.Mean and Gossip.Interval may have several values: each combination of them is one
// case, and each policy plays each case once with each seed.
type Scenario struct {
	Title   string
	Seeds   []uint64
	WarmUp  time.Duration // simulated before anything is measured
	Measure time.Duration // requests that arrive in that time count

	Members    Members
	Antagonist Antagonist
	Work       Work
	Arrivals   Arrivals
	Fronts     Fronts
	Gossip     Gossip
	Delay      time.Duration // of the network, one way
	Failures   []Failure
	Policies   []Policy
}

// Members are who serves the farm.
type Members struct {
	Count   int
	Slots   int    // requests that each runs at full speed at once
	FIFO    bool   // each slot works for one request, others wait; else all share the slots
	Workers int    // processes of the origin, as announced for byBusyChildren and heartbeat; 0: not announced
	Slow    []Slow // the others have speed 1
}

// Slow is a number of members that need Factor times as long as others.
type Slow struct {
	Count  int
	Factor float64
}

// Antagonist is something else on a member's host that slows it now and then, each member on its own.
type Antagonist struct {
	Share  float64       // of the time in which it runs; 0: never
	Length time.Duration // of each of its runs
	Factor float64       // how many times as long requests take while it runs
}

// Work is the distribution of what a request costs, in time on an idle member of speed 1.
type Work struct {
	Kind  WorkKind
	Mean  []time.Duration
	Alpha float64   // Pareto: the shape
	CV    float64   // Pareto: standard deviation divided by the mean, which the upper bound follows from
	Trace []float64 // Recorded: works in seconds, taken in turn
}

// WorkKind is a kind of distribution.
type WorkKind uint8

// The distributions.
const (
	Exponential WorkKind = iota
	Pareto               // bounded
	Constant
	Recorded
)

// Arrivals is when requests come: as a Poisson process, unless Trace is set.
type Arrivals struct {
	Load  []float64     // share of what all members could serve, slow ones and antagonists counted, failures not
	Rates []float64     // requests a second in each Step, one after the other and then again; if set, instead of Load
	Step  time.Duration // of Rates
	Trace []Arrival     // if set, instead of both: in the order of time
}

// Arrival is a request of a recorded trace.
type Arrival struct {
	At   time.Duration // since the start
	Work float64       // in seconds; 0: drawn from Work
}

// Fronts are the nodes that clients send requests to.
type Fronts struct {
	Count   []int
	Zipf    float64       // the r-th front gets requests in proportion to 1/r^Zipf; 0: all alike
	Refresh time.Duration // how often a front's snapshot is made at most; 0: as an agent does, less often if many are played
	Tries   int           // members that a request is offered to at most, and that may refuse it
	// AreMembers says that every node is both: Count is that of the members, and a request that its front keeps has no
	// delay.
	AreMembers bool
}

// Gossip is how nodes announce themselves.
type Gossip struct {
	Interval []time.Duration
	Jitter   float64 // share of the interval by which a beat may be early or late
	Loss     float64 // share of the beats that each node misses
}

// Failure is something that goes wrong with some members.
type Failure struct {
	Kind    FailureKind
	At      time.Duration // since the start
	For     time.Duration // 0: to the end
	Members int           // how many, chosen by chance
	Factor  float64       // Slowed: how many times as long requests take
}

// FailureKind is a kind of failure.
type FailureKind uint8

// The failures. A dead member sends no beats.
const (
	Refuses FailureKind = iota // dead: connections are refused, those that are open are reset
	Silent                     // dead: nothing comes back, not even a refusal
	Slowed
	Errors // answers each request with an error, in a millisecond
)

// Policy is how fronts choose: by a chain, or by a rival.
type Policy struct {
	Name  string
	Chain []string
	Rival string // instead of Chain; [Rivals] lists them
}
