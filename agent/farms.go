package agent

import (
	"cmp"
	"context"
	"slices"
	"time"

	"backhand/agent/config"
	"backhand/agent/farm"
	"backhand/gossip/node"
)

// openStore makes the part that keeps what is said of farms and physicals.
func (a *Agent) openStore(cfg *config.Config) (err error) {
	a.store, err = farm.New(farm.Config{
		Self: a.state.id, Layout: layoutOf(cfg), Dir: cfg.Node.StateDir, Log: a.log, Start: a.started,
	})
	return err
}

// layoutOf returns of which farms and physicals something may be said: those that the file names.
func layoutOf(cfg *config.Config) (l farm.Layout) {
	for _, f := range cfg.Farm {
		e := farm.FarmEntry{Name: f.Name, Forwards: f.Forwards}
		for _, m := range f.Member {
			// A member may be one of whom nothing is expected in a farm of which something is, so the farm itself expects nothing.
			e.Members = append(e.Members, farm.MemberEntry{Name: m.Name, ExpectUpdate: m.ExpectUpdate, Forwards: m.Forwards})
		}
		l.Farms = append(l.Farms, e)
	}
	add := func(name string) {
		if !slices.ContainsFunc(l.Farms, func(e farm.FarmEntry) bool { return e.Name == name }) {
			l.Farms = append(l.Farms, farm.FarmEntry{Name: name})
		}
	}
	for _, s := range cfg.Serve {
		add(s.Farm)
	}
	for _, r := range cfg.Route {
		add(r.Farm)
	}
	return l
}

// physicals returns the servers without an agent that the file lists, without what is said of them.
func physicals(cfg *config.Config) []node.Physical {
	var out []node.Physical
	for _, f := range cfg.Farm {
		for _, m := range f.Member {
			out = append(out, node.Physical{
				Farm: f.Name, Name: m.Name, URL: m.URL, Capacity: m.Capacity, Weight: m.Weight, Labels: m.Labels,
			})
		}
	}
	return out
}

// farmsNow returns the configuration, and what it lists as it stands now. Both are of the same file, also while a reload
// replaces it.
func (a *Agent) farmsNow(now time.Time) (*config.Config, []node.Physical, []node.FarmInfo) {
	a.layout.Lock()
	defer a.layout.Unlock()
	cfg := a.config.Load()
	listed := physicals(cfg)
	a.store.Fill(listed, now)
	return cfg, listed, a.store.Farms(now)
}

// setConfig goes on with another configuration, and what it lists.
func (a *Agent) setConfig(cfg *config.Config) {
	a.layout.Lock()
	defer a.layout.Unlock()
	a.store.SetLayout(layoutOf(cfg), time.Now())
	a.config.Store(cfg)
}

const (
	// tellLeast is the least time between two looks at what the other agents are to hear.
	tellLeast = 5 * time.Millisecond
	// tellAlone is how often an agent looks whether there is somebody to tell.
	tellAlone = time.Second
)

// tellLoop tells the other agents what was said of farms and physicals, and ourselves that something was, until the context
// ends.
func (a *Agent) tellLoop(ctx context.Context) {
	var said trouble
	look := time.NewTimer(0)
	defer look.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-a.store.Changed():
			a.mergeSoon()
		case <-look.C:
		}
		look.Reset(a.tell(time.Now(), &said))
	}
}

// tell sends what is due, and returns in which time to look again at the latest.
func (a *Agent) tell(now time.Time, said *trouble) time.Duration {
	if a.config.Load().Gossip.Alone() {
		return tellAlone
	}
	nodes, datagrams := a.gossip.Audience()
	a.store.SetAudience(farm.Audience{Agents: nodes, Copies: datagrams})
	notes, again := a.store.Notes(now)
	var err error
	for _, n := range notes {
		err = cmp.Or(err, a.gossip.Tell(n))
	}
	if notes != nil {
		said.note(a.log, "what was said of farms and physicals cannot be told to the other agents; it is repeated", err)
	}
	return max(again, tellLeast)
}
