package status

import (
	"time"

	"backhand/gossip/node"
)

// A Source returns the snapshot that requests are balanced by now, which is never nil, and what else there is to show. It
// may be called at any time by any number of goroutines.
type Source func() (*node.Snapshot, Info)

// Info is what the page shows of the agent itself. The snapshot knows nothing of it.
type Info struct {
	Cluster string
	Name    string     // of this node
	ID      node.ID    // of this node
	State   node.State // what this agent says of itself as a member; zero means up
	Version string
	Build   string // revision and date, Go version, or whatever tells one build from another
	Started time.Time

	ConfigPath string // "" if the configuration was not read from a file
	ConfigHash uint64
	Routes     []Route  // in the order in which they are to be shown
	Warnings   []string // what works and is most likely not meant, each a sentence

	// Note is shown at the top, for a cluster whose figures are not what they seem: those of the demo are stand-ins.
	Note string
	// Unauthenticated says that beats without proof of origin are taken, on something else than loopback.
	Unauthenticated bool
	Keys            *Keys     // nil: none
	Findings        []Finding // what has turned out to be wrong
	FindingKinds    []string  // all the kinds that there may be, for metrics that also say what is not wrong

	Requests uint64 // that were answered since the start
	LogLost  uint64 // lines of the access log that could not be written
	Beats    Beats

	Listeners []Listener // each with a name of its own
	Mirrors   []Mirror   // each with a URL of its own

	// Viewer is the address of whoever is looking; the handler fills it in.
	Viewer string
}

// Route is a route as the page shows it.
type Route struct {
	Name      string // host, path and files, as [Observation.Route] has it
	Farm      string
	Chain     []string // its steps, as they stand in the file
	Dropped   []uint64 // parallel to Chain: how many candidates each step dropped, see candidacy.Chain.Dropped
	Sorts     bool     // some step orders by what all nodes hear alike, see candidacy.Chain.Sorts
	WhenEmpty string   // what happens if the chain leaves nobody: self, any or 503
	Requests  uint64   // that took this route since the start
	Empty     uint64   // for how many of these the chain left nobody
}

// Listener is a listening socket and those who came in by it. All but Open counts since it was opened.
type Listener struct {
	Name      string  // its address, as the file has it
	Open      int     // connections that are there now
	Accepted  uint64  // those that were refused included
	Refused   []Count // that were closed at once, by reason
	Handshake uint64  // whose TLS handshake did not succeed
}

// Beats counts announcements since the start.
type Beats struct {
	Sent     uint64  `json:"sent"`
	Received uint64  `json:"received"` // all that came: of others, its own, and what was not taken
	Rejected []Count `json:"rejected"` // by reason
}

// Count is a number of something with a name.
type Count struct {
	Name string `json:"name"`
	N    uint64 `json:"n"`
}
