package agent

import (
	"slices"
	"time"

	"backhand/agent/config"
	"backhand/candidacy"
	"backhand/gossip/node"
)

// prepareWay has the chain of a route find out ahead of the requests what it can about its farm and, while it leaves nobody there,
// about those to which all requests go on then. Other farms are decided about without: those to which forwards lead only where
// a member failed that was chosen, or where a request belongs to one that is unfit, and those to which cookies move a request. To
// prepare the chains of all routes for all such farms, twenty times a second, costs more than the few requests do.
func prepareWay(s *node.Snapshot, chain *candidacy.Chain, name string, now time.Time) {
	for range maxForwards + 1 {
		f := s.Farm(name)
		if chain.Prepare(f, now) > 0 || f == nil {
			return
		}
		to, _ := f.Forward()
		name = to.Farm
	}
}

// leadsTo returns the names of a farm and of those to which forwards may lead from there: its own, and those of its physicals.
func leadsTo(s *node.Snapshot, name string) []string {
	all := []string{name}
	add := func(to node.Forward) {
		if to.Farm != "" && !slices.Contains(all, to.Farm) {
			all = append(all, to.Farm)
		}
	}
	for i := 0; i < len(all); i++ { // each is there once
		f := s.Farm(all[i])
		if f == nil {
			continue
		}
		add(f.Forwards.Off)
		add(f.Forwards.Down)
		for _, m := range f.Members {
			if m.Physical != nil {
				add(m.Physical.Forwards.Off)
				add(m.Physical.Forwards.Down)
			}
		}
	}
	return all
}

// choice is a farm that may be chosen from, and the chain that does.
type choice struct {
	chain *candidacy.Chain
	farm  string
}

// choices returns what the file has chosen from: the farms of routes, with those to which forwards lead, and, if programs may ask,
// all that it names. What other nodes serve and nothing in the file speaks of is not among them.
func choices(cfg *config.Config, s *node.Snapshot) (all []choice) {
	for _, r := range cfg.Route {
		for _, name := range leadsTo(s, r.Farm) {
			all = append(all, choice{r.Chain, name})
		}
	}
	if cfg.Athena.On() {
		for _, name := range namedFarms(cfg) {
			for _, to := range leadsTo(s, name) {
				all = append(all, choice{chainFor(cfg, to), to})
			}
		}
	}
	return all
}

// namedFarms returns the farms that the file names, each once.
func namedFarms(cfg *config.Config) (names []string) {
	add := func(name string) {
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	for i := range cfg.Farm {
		add(cfg.Farm[i].Name)
	}
	for i := range cfg.Serve {
		add(cfg.Serve[i].Farm)
	}
	for i := range cfg.Route {
		add(cfg.Route[i].Farm)
	}
	return names
}
