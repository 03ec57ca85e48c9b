package agent

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"time"

	"backhand/agent/config"
	"backhand/gossip/heartbeat"
)

// neighbours is what was opened for programs that are no agents: Apache's cluster modules and HAProxy. Until it is taken over
// it can be undone.
type neighbours struct {
	links  heartbeat.Links // if newLinks
	fresh  *socket         // for agent_check; nil: there is none, or it stays
	paused *socket         // whose port the fresh one needs
}

// addNeighbours makes the parts that speak with them, and opens their sockets.
func (a *Agent) addNeighbours(cfg *config.Config, undo *undoer) (err error) {
	if err = a.newHeartbeat(); err != nil {
		return err
	}
	a.check = newAgentCheck(a)
	none := &config.Config{}
	n, err := a.openNeighbours(none, cfg)
	if err != nil {
		return err
	}
	undo.add(func() { a.swapNeighbours(cfg, none, &neighbours{}) })
	a.swapNeighbours(none, cfg, n)
	return nil
}

// openNeighbours opens what cfg names and is not open yet.
func (a *Agent) openNeighbours(old, cfg *config.Config) (n *neighbours, err error) {
	n = &neighbours{}
	if newLinks(old, cfg) {
		if n.links, err = openLinks(cfg); err != nil {
			return nil, err
		}
	}
	if addr := cfg.AgentCheck.Listen; addr != "" && addr != old.AgentCheck.Listen {
		if err = a.openAgentCheck(addr, n); err != nil {
			a.takeBackNeighbours(n)
			return nil, fmt.Errorf("agent_check: %w", err)
		}
	}
	return n, nil
}

// openAgentCheck opens a listener. If the one that is to go has the port, as ":4447" has where "10.58.4.1:4447" is to be, that
// is closed first, since the kernel takes only one of them.
func (a *Agent) openAgentCheck(addr string, n *neighbours) error {
	l := config.Listen{Address: addr}
	ln, err := listenTCP(addr)
	if before := a.check.sock; errors.Is(err, syscall.EADDRINUSE) && before != nil {
		_ = before.pause() // it was open
		n.paused = before
		ln, err = listenTCP(addr)
	}
	if err != nil {
		return a.listenError(l, err)
	}
	n.fresh = newSocket(ln)
	return nil
}

// takeBackNeighbours closes what was opened, and opens again what was closed.
func (a *Agent) takeBackNeighbours(n *neighbours) {
	n.links.Close()
	if n.fresh != nil {
		_ = n.fresh.Close() // of a listener that nobody uses yet
	}
	if n.paused == nil {
		return
	}
	addr := a.config.Load().AgentCheck.Listen
	ln, err := listenTCP(addr)
	if err == nil {
		err = n.paused.resume(ln)
	}
	if err != nil {
		a.log.Error("agent_check cannot listen again; reload once its port is free", "address", addr, "err", err)
	}
}

// swapNeighbours goes on with what was opened.
func (a *Agent) swapNeighbours(old, cfg *config.Config, n *neighbours) {
	links := a.heartbeat.Links()
	if newLinks(old, cfg) {
		links = n.links
	}
	a.heartbeat.Set(serviceOf(cfg.Heartbeat), links)
	if cfg.AgentCheck.Listen != old.AgentCheck.Listen {
		a.check.swap(n.fresh)
	}
}

// runNeighbours starts what is heard and announced, so that a starting agent knows who there is before it takes requests.
func (a *Agent) runNeighbours(g *group) { g.run("heartbeat", a.heartbeat.Run) }

// askEvery is how often HAProxy asks (agent-inter, 2 s), and a tenth.
const askEvery = 2200 * time.Millisecond

// farewell returns how long a leaving agent goes on, so that everybody hears it: a peer that lost all three leaving beats hears
// the next one, Apache is told, and HAProxy asks once more. Apache's chooser learns it up to 5 s later all the same.
func farewell(cfg *config.Config) (d time.Duration) {
	if !cfg.Gossip.Alone() {
		d = cfg.Gossip.Interval
	}
	if cfg.Heartbeat.Sends() {
		d = max(d, heartbeat.Interval*11/10)
	}
	if cfg.AgentCheck.Listen != "" {
		d = max(d, askEvery)
	}
	return d
}

// answerNeighbours starts to answer, once requests can be taken.
func (a *Agent) answerNeighbours(g *group) {
	if s := a.check.sock; s != nil {
		g.start(func(ctx context.Context) { a.check.serve(ctx, s) })
	}
}
