package candidacytest

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"backhand/candidacy"
	"backhand/gossip/node"
)

// Option says what more a step may do than others.
type Option func(*promises)

// MayAddSelf lets a step bring back this node itself, as addSelf does.
func MayAddSelf() Option { return func(p *promises) { p.mayAddSelf = true } }

// MayAddDraining lets a step bring back draining members, as bySession does.
func MayAddDraining() Option { return func(p *promises) { p.mayAddDraining = true } }

type promises struct{ mayAddSelf, mayAddDraining bool }

// Check holds a step to the promises of [candidacy.Func], in clusters of any kind: its result is a subset of its input
// without repeats; it changes nothing that it was shown; the same seed gives the same answer; one member, none, and a
// request without fields are no reason to panic. Several requests at once may run it: with -race, the race detector
// sees if it shares anything between them.
func Check(t *testing.T, step candidacy.Step, opts ...Option) {
	t.Helper()
	var p promises
	for _, o := range opts {
		o(&p)
	}
	rapid.Check(t, func(t *rapid.T) {
		if err := drawCase(t).check(step, p); err != nil {
			t.Fatal(err)
		}
	})
	t.Run("many requests at once", func(t *testing.T) {
		f := Cluster("self www1 load=1\nwww2 load=2\nwww3 age=8s stat.queue=2\nwww4 state=draining\n" +
			"physical app1 stat.queue=1 label=gpu\nphysical app2 off forward_off=reports")
		for range 4 {
			t.Run("", func(t *testing.T) {
				t.Parallel()
				for range 20 {
					req := Request(f)
					step.Run(req, slices.Clone(f.Candidates))
				}
			})
		}
	})
}

// trial is a cluster, a request and the candidates in front of a step.
type trial struct {
	cluster string // as text
	order   []int  // candidates: indices into those of the farm
	fields  candidacy.Fields
	seed    uint64
	noFarm  bool
}

// check runs the step on the trial, and returns the first promise that it breaks.
func (c trial) check(step candidacy.Step, p promises) error {
	f := Cluster(c.cluster)
	before, in := pictureOf(f), c.candidates(f)
	first, req := c.run(step, f)
	if !intact(req, c.request(f)) {
		return fmt.Errorf("the step changed the request in more than Redirect")
	}
	if step.Note != nil {
		for _, m := range f.Members {
			if n := step.Note(req, m); strings.ContainsAny(n, "\r\n") {
				return fmt.Errorf("the note %q is not one line", n)
			}
		}
	}
	if d := cmp.Diff(before, pictureOf(f), comparably()); d != "" {
		return fmt.Errorf("the step changed what it was shown (-before +after):\n%s", d)
	}
	if err := p.permits(f, in, first); err != nil {
		return fmt.Errorf("%w\ncandidates: %s\nresult: %s\ncluster:\n%s", err, Names(in), Names(first), c.cluster)
	}
	second, again := c.run(step, f)
	if !slices.Equal(first, second) {
		return fmt.Errorf("same seed, other answer: %s, then %s\ncluster:\n%s", Names(first), Names(second), c.cluster)
	}
	if a, b := targets(req, f), targets(again, f); a != b {
		return fmt.Errorf("same seed, other redirect: %s, then %s", a, b)
	}
	return c.checkShortCuts(step, f, first)
}

// checkShortCuts tests that what a chain may leave out for a request makes no difference. result is that of Run.
func (c trial) checkShortCuts(step candidacy.Step, f *node.Farm, result []*node.Member) error {
	in := c.candidates(f)
	if step.First != nil {
		first := step.First(c.request(f), slices.Clone(in))
		if len(first) != len(result) || len(first) > 0 && first[0] != result[0] {
			return fmt.Errorf("what First returns is %s, and Run %s\ncluster:\n%s", Names(first), Names(result), c.cluster)
		}
	}
	if step.Ahead != candidacy.Never {
		again := step.Run(c.request(f), slices.Clone(result))
		left := slices.DeleteFunc(in, func(m *node.Member) bool { return !slices.Contains(result, m) })
		if !slices.Equal(again, result) || !slices.Equal(left, result) {
			return fmt.Errorf("it may run ahead, but does not only drop candidates: %s, then %s", Names(result), Names(again))
		}
	}
	if step.OnlyFirst && !slices.Equal(result, c.candidates(f)) {
		return fmt.Errorf("it looks at the first candidate only, and leaves %s of %s", Names(result), Names(c.candidates(f)))
	}
	return nil
}

// run runs the step as a chain would.
func (c trial) run(step candidacy.Step, f *node.Farm) ([]*node.Member, *candidacy.Request) {
	req := c.request(f)
	return step.Run(req, c.candidates(f)), req
}

func (c trial) request(f *node.Farm) *candidacy.Request {
	req := Request(f)
	req.Rand, req.Fields = Rand(c.seed), c.fields
	if c.noFarm {
		req.Farm = nil
	}
	return req
}

// intact reports whether what a step may not change of a request is as before.
func intact(after, before *candidacy.Request) bool {
	return after.Method == before.Method && after.Host == before.Host && after.Path == before.Path &&
		after.Client == before.Client && after.Now.Equal(before.Now) && after.Farm == before.Farm
}

func (c trial) candidates(f *node.Farm) []*node.Member {
	in := make([]*node.Member, len(c.order))
	for i, k := range c.order {
		in[i] = f.Candidates[k]
	}
	return in
}

// permits returns which promise the result breaks.
func (p promises) permits(f *node.Farm, in, out []*node.Member) error {
	for i, m := range out {
		switch {
		case m == nil:
			return fmt.Errorf("there is a nil in the result")
		case slices.Contains(out[:i], m):
			return fmt.Errorf("%s is twice in the result", m.Name)
		case slices.Contains(in, m):
		case p.mayAddSelf && m == f.Self && m.Unfit() == "" && f.Standing.Fit():
		case p.mayAddDraining && slices.Contains(f.Draining, m):
		default:
			return fmt.Errorf("%s is in the result and was no candidate", m.Name)
		}
	}
	return nil
}

// targets tells where each member's clients would be sent.
func targets(req *candidacy.Request, f *node.Farm) string {
	if !req.Redirect.On {
		return "none"
	}
	var hosts []string
	for _, m := range f.Members {
		hosts = append(hosts, req.Redirect.Host(req, m))
	}
	return strings.Join(hosts, " ")
}

// picture is a copy of all that a step is shown of a farm.
type picture struct {
	Farm    node.Farm
	Members []node.Member
	Nodes   []node.Node
	Apps    []node.Physical
	URLs    []string
	Live    []string
}

func pictureOf(f *node.Farm) picture {
	p := picture{Farm: *f}
	p.Farm.Members, p.Farm.Candidates = slices.Clone(f.Members), slices.Clone(f.Candidates)
	p.Farm.Draining, p.Farm.Prepared = slices.Clone(f.Draining), nil
	for _, m := range f.Members {
		p.Members = append(p.Members, *m)
		l := m.Live
		p.Live = append(p.Live, fmt.Sprintf("%d under way, %d chosen, %d failed, %d refused, unreachable: %v",
			l.Outstanding(), l.Chosen(), l.Failed(), l.Refused(), l.Unreachable(Now())))
		if m.Node == nil {
			app := *m.Physical
			app.Labels, app.Stats = slices.Clone(app.Labels), slices.Clone(app.Stats)
			p.Apps, p.URLs = append(p.Apps, app), append(p.URLs, m.URL.String())
			continue
		}
		n := *m.Node
		n.Services, n.Labels = slices.Clone(n.Services), slices.Clone(n.Labels)
		for i := range n.Services {
			n.Services[i].Pushed = slices.Clone(n.Services[i].Pushed)
		}
		p.Nodes = append(p.Nodes, n)
	}
	return p
}

// comparably compares pictures: members by which they are, all else by what it is.
func comparably() cmp.Option {
	return cmp.Options{
		cmpopts.EquateComparable(netip.Addr{}, netip.AddrPort{}, node.Member{}),
		cmp.Comparer(func(a, b *node.Member) bool { return a == b }),
		cmpopts.IgnoreUnexported(node.Farm{}),
	}
}
