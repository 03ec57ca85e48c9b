package candidacy

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"backhand/gossip/node"
)

// Spec describes a function to people and makes steps of it.
type Spec struct {
	Name    string // as written in a chain; lower and upper case count
	Usage   string // name and arguments: "byLoad [BIAS]"
	Doc     string // what it does, with units and defaults, in a sentence or two
	Source  string // where the rule comes from
	Example string // a step as one would write it

	// Make reads the arguments and returns the step. Mistakes go to Args.Fail.
	Make func(a *Args) Step
}

// Step is a function with its arguments.
type Step struct {
	Run Func
	// Note says in a few words what of a candidate this step looks at, for Explain: "age 8.2s", "load 0.31". It may be
	// nil, and return "" where there is nothing to say.
	Note func(req *Request, m *node.Member) string
	// Why says in a few words why the step drops a candidate, for Explain: "older than 6s". "" if it drops none.
	Why string
	// Sorts says that the step orders by figures that all nodes hear alike, so that they may all choose the same member.
	Sorts bool

	// Ahead says whether the step can run ahead of the requests, once for each snapshot.
	Ahead Ahead
	// Holds returns until when a step that runs Again would drop nobody of those whom it has left, so that until then it
	// does not run. It may be nil: then it always runs.
	Holds func(in []*node.Member) time.Time
	// Digest finds out ahead of the requests what Run reads as the request's digest, from the members that the steps with
	// Ahead leave. It may be nil.
	Digest func(farm *node.Farm, in []*node.Member) float64
	// First is Run where only the first candidate of what is left must be the right one, and costs less. It may be nil.
	First Func
	// OnlyFirst says that the step neither drops nor reorders, and looks at nobody but the first candidate.
	OnlyFirst bool

	shuffles bool            // the step is byRandom
	window   func(n int) int // how many of n candidates it keeps, the first; nil: it does not count them
	subset   int             // the step is bySubset, with that K
	sifts    bool            // the step drops nobody but this host and those that are not to be had now
}

// Ahead says whether a step that only drops candidates, or none, can do so ahead of the requests.
type Ahead uint8

// Whether a step can run ahead. A step that asks for the request, or for what changes between two snapshots, never can.
const (
	Never Ahead = iota
	Once        // its result holds for the whole snapshot
	Again       // what it drops stays dropped, but it runs once more for each request, since time goes on
)

// Registry knows functions by name. It is a value that is passed in, so that a program may add its own.
type Registry struct {
	specs map[string]Spec
}

// NewRegistry returns a registry of these functions.
func NewRegistry(specs ...Spec) *Registry {
	r := &Registry{specs: map[string]Spec{}}
	for _, s := range specs {
		r.Add(s)
	}
	return r
}

// Add adds a function. It panics if the name is taken, or if the function has none that a chain could use, or no Make.
func (r *Registry) Add(s Spec) {
	if words := strings.Fields(s.Name); len(words) != 1 || words[0] != s.Name || s.Make == nil {
		panic(fmt.Sprintf("candidacy: the function %q needs a name of one word, and a Make", s.Name))
	}
	if _, taken := r.specs[s.Name]; taken {
		panic("candidacy: two functions are named " + s.Name)
	}
	r.specs[s.Name] = s
}

// Specs returns all functions by name.
func (r *Registry) Specs() []Spec {
	out := make([]Spec, 0, len(r.specs))
	for _, s := range r.specs {
		out = append(out, s)
	}
	slices.SortFunc(out, func(a, b Spec) int {
		return strings.Compare(strings.ToLower(a.Name), strings.ToLower(b.Name))
	})
	return out
}

// Step makes one step of a chain from its text. An error names the function.
func (r *Registry) Step(text string) (Step, error) {
	words := strings.Fields(text)
	if len(words) == 0 {
		return Step{}, fmt.Errorf("the step is empty, want the name of a function")
	}
	spec, ok := r.specs[words[0]]
	if !ok {
		return Step{}, fmt.Errorf("no function is named %q%s", words[0], r.hint(words[0]))
	}
	a := newArgs(strings.TrimPrefix(strings.TrimSpace(text), words[0]))
	s := spec.Make(a)
	if err := a.done(); err != nil {
		return Step{}, fmt.Errorf("%s: %w (usage: %s)", spec.Name, err, spec.Usage)
	}
	if s.Run == nil {
		return Step{}, fmt.Errorf("%s: its Make returned a step that cannot run", spec.Name)
	}
	return s, nil
}

// hint returns what the user probably meant by a name that we do not know.
func (r *Registry) hint(name string) string {
	switch name {
	case "backhand_off":
		return "; it is called off here"
	case "Backhand": // the directive of httpd.conf, copied with its arguments
		return "; leave that word away, a step begins with its function"
	}
	for _, s := range r.Specs() {
		if strings.EqualFold(s.Name, name) {
			return fmt.Sprintf("; it is spelt %s", s.Name)
		}
	}
	return "; 'backhand functions' lists them"
}
