package athena

import (
	"net/netip"
	"time"

	"backhand/gossip/node"
)

// Engine is what the interface asks and changes: farms, physicals and this agent itself, the same whichever address was asked.
// Its methods may be called by any number of goroutines.
type Engine interface {
	// Balance chooses members of a farm by its chain for queries, and counts each as an assignment. It returns an
	// *UnknownError if there is no such farm; a Choice without members if nobody is eligible. Any other error is the
	// engine's own fault. The slices of a Choice are only read.
	Balance(Question) (Choice, error)
	// Done says that the work for which members were chosen has ended, of all of these, 1 or more, or of none. It is optional for
	// programs to say so. The handler says it as well of members that it was given for a query that it could not answer as a
	// whole. It returns an *UnknownError if there is no such farm, or no such member of it. The slice is only read.
	Done([]Ended) error
	// Farms and Physes return all there are, in the order of the file, then by name. The caller may keep them.
	Farms(now time.Time) []Farm
	Physes(now time.Time) []Phys
	// Self returns what the engine knows of itself.
	Self(now time.Time) Self
	// Update takes all of the updates, 1 to 1,000, or none. by is who sent them: an address ("192.0.2.1 for 10.0.0.7" through a
	// proxy), the name of a token and an address ("deploy at 10.0.0.7"), or a person at this host. Names are as they came, and may be unknown: then it returns an *UnknownError. Of what
	// is no business of the interface's it returns a *RefusedError. Any other error is said in the reply (400). The updates
	// may share what their pointers and slices hold: it is only read.
	Update(by string, updates []node.Update) error
}

// Question is a query for members.
type Question struct {
	Farm    string
	Members int        // how many different ones are wanted, 1 to 64
	Client  netip.Addr // on whose behalf: who asks, unless the query says otherwise; always valid
	Explain bool       // lines for people are wanted; such a query is no assignment
}

// Choice is the answer.
type Choice struct {
	Members []Chosen // the best first; none: nobody is eligible
	Forward string   // complete URL to go to instead, if nobody is eligible; "": there is none
	Why     string   // why nobody is eligible
	Explain []string // lines for people, if they were asked for
}

// Ended is that the work has ended for which a member was chosen.
type Ended struct {
	Farm   string // that was asked for
	Member string // as people call it; both as they came, and may be unknown
}

// Chosen is a member that was chosen.
type Chosen struct {
	Name string // as people call it
	URL  string // http://, https:// or h2c://host:port, perhaps with a path
}

// Farm is a farm as the interface shows it.
type Farm struct {
	node.FarmInfo
	Chain      []string // the steps for queries
	Members    int
	Candidates int
	Names      []string // of the members
	Chosen     uint64   // by this agent, queries included
}

// Phys is a member of a farm: a physical or a node. One physical in several farms is one for each.
type Phys struct {
	Name     string
	Farm     string
	URL      string
	Node     bool // it runs an agent
	Standing node.Standing
	Capacity float64 // 0: not known
	Weight   float64
	Labels   []node.Label
	Stats    []node.Stat // pushed, by name; never written to
	Updated  time.Time   // when statistics came last; zero: never
	Expect   time.Duration
	Chosen   uint64
	Under    int64 // requests that this agent has under way there
	Fit      bool  // may be chosen
	Why      string
}

// Self is the agent's own state.
type Self struct {
	Name, ID, Version string
	Started           time.Time
	Farms, Physicals  int
	Nodes             int

	Mirrors []string // the engines to which it is mirrored, and how that goes, a sentence each

	// As [Counts] has them. The handler fills them in; what an engine says of them does not matter.
	Queries, Updates, Mirrored, Refused uint64
}

// UnknownError says that nothing is known under a name.
type UnknownError struct {
	What  string   // "farm", "physical" and the like
	Name  string   // what was asked for
	Known []string // what there is
}

// RefusedError says why nobody may do what was asked for here, and what to do instead (403).
type RefusedError struct{ Why string }

// Error returns it.
func (e *RefusedError) Error() string { return e.Why }
