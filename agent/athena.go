package agent

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"backhand/agent/config"
	"backhand/agent/farm"
	"backhand/candidacy"
	"backhand/gossip/node"
	"backhand/status/athena"
)

// engine is what programs ask over HTTP, and tell: mod_athena's engine. There is one for an agent, whichever of its addresses is
// asked. It chooses from the very snapshot that requests are balanced by, and counts what it gives out among those requests, so
// that asking and proxying go on together.
type engine struct {
	agent     *Agent
	assigned  *assignments
	scratches sync.Pool // of *queryScratch
}

func newEngine(a *Agent) *engine {
	return &engine{agent: a, assigned: newAssignments(a.started), scratches: sync.Pool{New: newQueryScratch}}
}

// Done ends of each member the assignment that would end first by itself. To say so of one that has ended already changes nothing.
// The farm is the one that was asked for, be the member one of those to which its forwards lead.
func (e *engine) Done(ended []athena.Ended) error {
	snap, now := e.agent.snapshot.Load(), time.Now()
	meant := make([][]*node.Member, len(ended))
	for i := range ended {
		var err error
		if meant[i], err = e.meant(snap, &ended[i]); err != nil {
			return err
		}
	}
	for _, all := range meant {
		for _, m := range all {
			if e.assigned.done(m.Live, now) {
				break
			}
		}
	}
	return nil
}

// meant returns the members of a name: of nodes, several may have one.
func (e *engine) meant(snap *node.Snapshot, ended *athena.Ended) (all []*node.Member, err error) {
	if snap.Farm(ended.Farm) == nil {
		return nil, e.unknownFarm(ended.Farm)
	}
	var known []string
	for _, m := range reachable(snap, ended.Farm) {
		known = append(known, m.Name)
		if m.Name == ended.Member {
			all = append(all, m)
		}
	}
	if all != nil {
		return all, nil
	}
	slices.Sort(known)
	return nil, &athena.UnknownError{What: "member of farm " + ended.Farm, Name: ended.Member, Known: slices.Compact(known)}
}

// reachable returns the members of a farm, and of those to which its forwards lead.
func reachable(snap *node.Snapshot, farmName string) (members []*node.Member) {
	farms := []string{farmName}
	for i := 0; i < len(farms) && i <= maxForwards; i++ {
		f := snap.Farm(farms[i])
		if f == nil {
			continue
		}
		members = append(members, f.Members...)
		for _, to := range []string{f.Forwards.Off.Farm, f.Forwards.Down.Farm} {
			if to != "" && !slices.Contains(farms, to) {
				farms = append(farms, to)
			}
		}
	}
	return members
}

// unknownFarm says that nobody serves a farm of that name and the file does not name it.
func (e *engine) unknownFarm(name string) error {
	var known []string
	for _, f := range e.agent.snapshot.Load().Farms {
		known = append(known, f.Name)
	}
	return &athena.UnknownError{What: "farm", Name: name, Known: known}
}

// Farms returns those of the file, in its order, then the others by name.
func (e *engine) Farms(now time.Time) []athena.Farm {
	a := e.agent
	cfg, _, infos := a.farmsNow(now)
	snap := a.snapshot.Load()
	said := map[string]node.FarmInfo{}
	for _, i := range infos {
		said[i.Name] = i
	}
	var out []athena.Farm
	for _, name := range farmNames(cfg, snap) {
		f := athena.Farm{FarmInfo: node.FarmInfo{Name: name}, Chain: chainFor(cfg, name).Text()}
		if info, ok := said[name]; ok {
			f.FarmInfo = info
		}
		if in := snap.Farm(name); in != nil {
			f.Members, f.Candidates = len(in.Members), len(in.Candidates)
			for _, m := range in.Members {
				f.Names = append(f.Names, m.Name)
				f.Chosen += m.Live.Chosen()
			}
		}
		out = append(out, f)
	}
	return out
}

// farmNames returns the names of all farms: those to which the file gives a [[farm]] in its order, then the others by name.
func farmNames(cfg *config.Config, snap *node.Snapshot) (names []string) {
	for _, f := range cfg.Farm {
		names = append(names, f.Name)
	}
	for _, f := range snap.Farms { // by name
		if !slices.Contains(names[:len(cfg.Farm)], f.Name) {
			names = append(names, f.Name)
		}
	}
	return names
}

// chainFor returns the chain by which the members of a farm are chosen for those who ask.
func chainFor(cfg *config.Config, farmName string) *candidacy.Chain {
	for i := range cfg.Farm {
		if cfg.Farm[i].Name == farmName {
			return cfg.Farm[i].Chain
		}
	}
	return cfg.Athena.Chain
}

// Physes returns the members of all farms: of each first those of the file, in its order, then the nodes by name.
func (e *engine) Physes(now time.Time) []athena.Phys {
	a := e.agent
	cfg, listed, infos := a.farmsNow(now)
	snap := a.snapshot.Load()
	unfit := map[string]bool{}
	for _, i := range infos {
		unfit[i.Name] = !i.Standing.Fit()
	}
	expect := make([]time.Duration, 0, len(listed)) // in the same order
	for _, f := range cfg.Farm {
		for _, m := range f.Member {
			expect = append(expect, m.ExpectUpdate)
		}
	}
	out, next := make([]athena.Phys, 0, len(listed)), 0
	for _, name := range farmNames(cfg, snap) { // those of the file first
		var members []*node.Member
		if f := snap.Farm(name); f != nil {
			members = f.Members
		}
		lives := map[string]*node.Live{}
		for _, m := range members {
			if m.Node == nil {
				lives[m.Name] = m.Live
			}
		}
		for ; next < len(listed) && listed[next].Farm == name; next++ {
			p := &listed[next]
			out = append(out, physOf(p, lives[p.Name], expect[next], !unfit[name]))
		}
		for _, m := range byName(members) {
			out = append(out, physOfNode(m, !unfit[name], now))
		}
	}
	return out
}

// byName returns the nodes among the members, by name.
func byName(members []*node.Member) (nodes []*node.Member) {
	for _, m := range members {
		if m.Node != nil {
			nodes = append(nodes, m)
		}
	}
	slices.SortStableFunc(nodes, func(a, b *node.Member) int { return strings.Compare(a.Name, b.Name) })
	return nodes
}

// physOf returns a physical as it stands now. live knows what requests have made of it; nil: it is in no snapshot yet.
func physOf(p *node.Physical, live *node.Live, expect time.Duration, farmFit bool) athena.Phys {
	out := athena.Phys{
		Name: p.Name, Farm: p.Farm, URL: p.URL.String(), Standing: p.Standing, Capacity: p.Capacity, Weight: cmp.Or(p.Weight, 1),
		Labels: p.Labels, Stats: p.Stats, Updated: p.Updated, Expect: expect,
		Fit: farmFit && p.Standing.Fit(), Why: whyUnfit(p.Standing.Reason(), farmFit),
	}
	if live != nil {
		out.Chosen, out.Under = live.Chosen(), live.Outstanding()
	}
	return out
}

// whyUnfit returns why a member may not be chosen: its own reason, or else its farm's.
func whyUnfit(own string, farmFit bool) string {
	if own == "" && !farmFit {
		return "its farm takes no requests"
	}
	return own
}

// physOfNode returns a node in the words for physicals: one that leaves is off, one whose origin does not answer is down, and
// one that is silent is out.
func physOfNode(m *node.Member, farmFit bool, now time.Time) athena.Phys {
	n, s := m.Node, m.Service
	silent := !m.Self && m.Age(now) > n.Beats(node.SilentBeats)
	out := athena.Phys{
		Name: m.Name, Farm: m.Farm, URL: memberURL(m), Node: true, Capacity: s.Slots, Weight: 1, Labels: n.Labels, Stats: s.Pushed,
		Updated: n.Heard, Chosen: m.Live.Chosen(), Under: m.Live.Outstanding(),
		Standing: node.Standing{
			Off: n.State != node.Up && n.State != node.Draining, Drain: n.State == node.Draining, Down: !s.Ready, Out: silent,
		},
	}
	switch {
	case out.Standing.Off || out.Standing.Drain:
		out.Standing.Why = n.State.String()
	case out.Standing.Down:
		out.Standing.Why = cmp.Or(s.Why, "origin down")
	}
	out.Fit = farmFit && m.Unfit() == "" && !silent
	out.Why = whyUnfit(cmp.Or(m.Unfit(), out.Standing.Reason()), farmFit)
	return out
}

// memberURL returns where the member is reached, for programs.
func memberURL(m *node.Member) string {
	switch {
	case m.Node == nil:
		return m.URL.String()
	case m.Node.TLS:
		return "https://" + m.HostPort()
	}
	return "http://" + m.HostPort()
}

// Self returns what the agent knows of itself. What was asked and told, the interface counts.
func (e *engine) Self(now time.Time) athena.Self {
	a := e.agent
	cfg, snap := a.config.Load(), a.snapshot.Load()
	names := map[string]bool{}
	for _, f := range cfg.Farm {
		for _, m := range f.Member {
			names[m.Name] = true
		}
	}
	return athena.Self{
		Name: cfg.Node.Name, ID: a.state.id.String(), Version: a.opt.Version, Started: a.started,
		Farms: len(farmNames(cfg, snap)), Physicals: len(names), Nodes: len(snap.Nodes), Mirrors: a.mirrorSentences(now),
	}
}

// Update takes over what is said of farms, of physicals, and of this very node.
func (e *engine) Update(by string, updates []node.Update) error {
	a, now := e.agent, time.Now()
	own, rest, err := a.sortUpdates(updates)
	if err == nil {
		err = a.pushed.update(own, now, func() error {
			if len(rest) == 0 {
				return nil
			}
			return a.store.Update(now, by, rest)
		})
	}
	if err != nil {
		return a.explainUpdate(err)
	}
	if turns(a.snapshot.Load(), rest) {
		// Who has said that a server is off relies on that nobody is sent there any more.
		a.waitForMerge(a.running.ctx)
	}
	return nil
}

// sortUpdates tells what is said of this very node from the rest. Of other nodes nothing can be said.
func (a *Agent) sortUpdates(updates []node.Update) (own []node.Stat, rest []node.Update, err error) {
	cfg, snap := a.config.Load(), a.snapshot.Load()
	for _, u := range updates {
		switch {
		case u.Farm || isPhysical(cfg, u.Name):
			rest = append(rest, u)
		case u.Name != cfg.Node.Name && !isNode(snap, u.Name), u.Name == cfg.Node.Name && len(cfg.Serve) == 0:
			rest = append(rest, u) // it is not known, or of no interest to anybody
		case u.Name != cfg.Node.Name:
			return nil, nil, &athena.RefusedError{Why: fmt.Sprintf("%q is a node: it tells of itself; push to the agent on its host, and "+
				"run 'backhand drain' or 'backhand undrain' there", u.Name)}
		case u.SaysState():
			return nil, nil, &athena.RefusedError{Why: fmt.Sprintf("%q is this node, of which only statistics can be pushed: run "+
				"'backhand drain' or 'backhand undrain' on it", u.Name)}
		default:
			own = append(own, u.Stats...)
		}
	}
	return own, rest, nil
}

func isPhysical(cfg *config.Config, name string) bool {
	for i := range cfg.Farm {
		for j := range cfg.Farm[i].Member {
			if cfg.Farm[i].Member[j].Name == name {
				return true
			}
		}
	}
	return false
}

func isNode(snap *node.Snapshot, name string) bool {
	return slices.ContainsFunc(snap.Nodes, func(n *node.Node) bool { return n.Name == name })
}

// explainUpdate returns an error of the store as the interface knows it.
func (a *Agent) explainUpdate(err error) error {
	if unknown, ok := errors.AsType[*farm.UnknownError](err); ok {
		known := unknown.Known
		if cfg := a.config.Load(); unknown.What == "physical" && len(cfg.Serve) > 0 {
			known = append(slices.Clone(known), cfg.Node.Name) // of which something may be said, too
			slices.Sort(known)
			known = slices.Compact(known)
		}
		return &athena.UnknownError{What: unknown.What, Name: unknown.Name, Known: known}
	}
	return err
}

// turns reports whether updates change who may be chosen, as the snapshot has it.
func turns(snap *node.Snapshot, updates []node.Update) bool {
	for i := range updates {
		u := &updates[i]
		if !u.SaysState() {
			continue
		}
		for _, f := range snap.Farms {
			if u.Farm {
				if f.Name == u.Name && differs(u, &f.Standing) {
					return true
				}
				continue
			}
			for _, m := range f.Members {
				if m.Physical != nil && m.Name == u.Name && differs(u, &m.Physical.Standing) {
					return true
				}
			}
		}
	}
	return false
}

func differs(u *node.Update, s *node.Standing) bool {
	off, drain, said := u.OnOff()
	return said && (off != s.Off || drain != s.Drain) || u.Down != nil && *u.Down != s.Down
}
