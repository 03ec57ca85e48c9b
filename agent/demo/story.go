package demo

import (
	"context"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"backhand/agent"
)

// intro tells a person what there is to see.
func (c *cluster) intro() {
	c.saying.Lock()
	defer c.saying.Unlock()
	fmt.Fprintf(c.opt.Out, `A cluster of %d nodes on loopback. Each has an agent and a toy origin; %s is the front.

  the map        %s
  the seed chain %s        (removeSelf, byAge 6, byRandom, byLogWindow, byLoad)
  no chain       %s   (auto: by what the answers to this front's own requests say)
  a farm         %[10]s   (%[11]s, which run no agent: by what they push)

Try:
  curl %[4]s
  curl %[5]s
  curl %[6]s
  %[9]s status  --config %[7]s
  %[9]s explain --config %[7]s %[5]s
  %[9]s drain   --config %[8]s

Programs ask, and tell, any of the agents, and all come to know:
  curl '%[12]s/balance?%[14]s'                   # which server to use
  curl '%[12]s/status/phys?g=%[14]s'             # what the servers push
  curl '%[13]s/update/phys?h=%[15]s,state=off'     # takes one out; state=on: in again

`, len(cast), cast[0].name, c.url("/backhand/"), c.url("/"), c.url("/auto/"), c.url("/backhand/view.json"),
		c.file(cast[0].name), c.file(cast[1].name), program(),
		c.url(reportsPath), strings.Join(serverNames(), " and "), c.engine(0), c.engine(1), reportsFarm, serverNames()[0])
}

// program returns how a person would start this program again.
func program() string {
	self, err := os.Executable()
	if err != nil || strings.Contains(self, "go-build") {
		return "go run ./cmd/backhand" // whose program is gone when it ends
	}
	return self
}

// say prints a line.
func (c *cluster) say(format string, args ...any) {
	c.saying.Lock()
	defer c.saying.Unlock()
	fmt.Fprintf(c.opt.Out, format+"\n", args...)
}

// meet waits until everybody has heard everybody, so that no request finds a front without members, or a member that has
// not heard of the front. It does not wait for ever: the verdict says what is missing.
func (c *cluster) meet(ctx context.Context) {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(3 * time.Second); time.Now().Before(end); {
		if !slices.ContainsFunc(c.agents, func(a *agent.Agent) bool {
			f := a.Snapshot().Farm("web")
			return f == nil || len(f.Candidates) != len(cast)
		}) {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// drama kills the mortal origin and brings it back, again and again.
func (c *cluster) drama(ctx context.Context) {
	i := slices.IndexFunc(c.toys, func(t *toy) bool { return t.name == mortal })
	wait := diesAfter
	for {
		if !pause(ctx, wait) {
			return
		}
		c.say("the origin of %s dies; its agent notices, and the others go elsewhere", mortal)
		c.toys[i].die()
		if !pause(ctx, deadFor) {
			return
		}
		if err := c.toys[i].live(); err != nil {
			c.say("the origin of %s cannot come back: %v", mortal, err)
			return
		}
		c.say("the origin of %s is back", mortal)
		wait = diesEvery - deadFor
	}
}

// show prints who served how many, until the context ends.
func (c *cluster) show(ctx context.Context) {
	if c.opt.Rate <= 0 {
		<-ctx.Done()
		return
	}
	before := map[string]int{}
	for pause(ctx, showEvery) {
		served, failed := c.load.counts()
		line := ""
		for _, name := range append(castNames(), serverNames()...) {
			line += fmt.Sprintf("  %s %3d", name, served[name]-before[name])
		}
		c.say("served in %v: %s   failed so far: %d", showEvery, line, total(failed))
		before = served
	}
}

// verdict says in the end how it went.
func (c *cluster) verdict() error {
	if c.opt.Rate <= 0 {
		return nil
	}
	served, failed := c.load.counts()
	c.say("in all %d requests were served by %d members, %d failed", total(served), len(served), total(failed))
	for why, n := range failed {
		c.say("  failed %d times: %q", n, why)
	}
	nodes, servers := servedBy(served, castNames()), servedBy(served, serverNames())
	switch all, reports := total(served)+total(failed), total(servers); {
	case len(nodes) < needed && all >= enough:
		return fmt.Errorf("only %v served: want at least %d nodes; do beats reach the front (multicast on lo)?",
			slices.Sorted(maps.Keys(nodes)), needed)
	case len(servers) < len(serverNames()) && reports >= enough:
		return fmt.Errorf("of farm %s only %v served: want %v; are their statistics pushed?", reportsFarm,
			slices.Sorted(maps.Keys(servers)), serverNames())
	}
	return nil
}

// servedBy returns what was served by those of these names who served anything.
func servedBy(served map[string]int, names []string) map[string]int {
	out := map[string]int{}
	for _, name := range names {
		if served[name] > 0 {
			out[name] = served[name]
		}
	}
	return out
}

// castNames returns the names of the nodes.
func castNames() (names []string) {
	for _, who := range cast {
		names = append(names, who.name)
	}
	return names
}
