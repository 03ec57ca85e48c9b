package agent

import (
	"cmp"
	"context"
	"net"
	"net/netip"
	"sync"
	"time"

	"backhand/gossip/node"
)

// Where all peers fall silent at once this host is cut off from beats rather than that all of them are gone. Then each is
// asked by a TCP connection whether it is there, once an interval; who accepts it is kept.
const (
	askMost   = 64          // connects at a time
	askWithin = time.Second // for one
)

// keeper knows which of the silent nodes still accept connections.
type keeper struct {
	ask chan struct{} // there are nodes to ask

	mu      sync.Mutex
	listed  map[node.ID]bool       // that are silent, and of use here
	reached map[node.ID]bool       // the last connect was accepted
	kept    map[node.ID]*node.Node // as they are published
}

func newKeeper() *keeper { return &keeper{ask: make(chan struct{}, 1)} }

// keep marks those nodes as kept that are suspected to be silent for our own sake, and that TCP reaches. While one is, it
// stays even when gossip lists it no more.
func (a *Agent) keep(nodes []*node.Node, now time.Time) []*node.Node {
	k, suspects := a.keeper, a.gossip.Suspects(now)
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(suspects) == 0 {
		k.listed, k.reached, k.kept = nil, nil, nil
		return nodes
	}
	select {
	case k.ask <- struct{}{}:
	default:
	}
	return k.replace(nodes, suspects)
}

// replace is called with mu held.
func (k *keeper) replace(nodes []*node.Node, suspects map[node.ID]netip.AddrPort) []*node.Node {
	before := k.kept
	k.listed, k.kept = map[node.ID]bool{}, map[node.ID]*node.Node{}
	seen := make(map[node.ID]bool, len(nodes))
	for i, n := range nodes {
		seen[n.ID] = true
		if _, silent := suspects[n.ID]; !silent {
			continue
		}
		k.listed[n.ID] = true
		if !k.reached[n.ID] {
			continue
		}
		c := before[n.ID]
		if c == nil || c.Boot != n.Boot || c.Sequence != n.Sequence {
			again := *n
			again.Kept = true
			c = &again
		}
		nodes[i], k.kept[n.ID] = c, c
	}
	for id, c := range before {
		if _, silent := suspects[id]; silent && !seen[id] && k.reached[id] {
			k.listed[id], k.kept[id] = true, c
			nodes = append(nodes, c)
		}
	}
	return nodes
}

// keepLoop asks silent nodes whether they are there, until the context ends.
func (a *Agent) keepLoop(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-a.keeper.ask:
		}
		began := time.Now()
		a.askAll(ctx, a.keeper.toAsk(a.gossip.Suspects(began)))
		sleep(ctx, a.config.Load().Gossip.Interval-time.Since(began))
	}
}

// toAsk returns the addresses of those of the silent nodes that are of use here.
func (k *keeper) toAsk(suspects map[node.ID]netip.AddrPort) map[node.ID]netip.AddrPort {
	k.mu.Lock()
	defer k.mu.Unlock()
	ask := make(map[node.ID]netip.AddrPort, len(k.listed))
	for id := range k.listed {
		if addr, ok := suspects[id]; ok {
			ask[id] = addr
		}
	}
	return ask
}

// askAll connects to each of the nodes and notes who accepts.
func (a *Agent) askAll(ctx context.Context, nodes map[node.ID]netip.AddrPort) {
	cfg := a.config.Load()
	within := min(askWithin, cmp.Or(cfg.Proxy.Connect, askWithin))
	slots := make(chan struct{}, askMost)
	var wg sync.WaitGroup
	for id, addr := range nodes {
		slots <- struct{}{}
		wg.Go(func() {
			accepted := accepts(ctx, cfg.Node.Address.Addr(), addr, within)
			<-slots
			if a.keeper.note(id, accepted) {
				a.mergeSoon()
			}
		})
	}
	wg.Wait()
}

// accepts reports whether the node accepts a connection from the address that hops leave from.
func accepts(ctx context.Context, from netip.Addr, addr netip.AddrPort, within time.Duration) bool {
	d := net.Dialer{Timeout: within, KeepAlive: -1}
	if from.IsValid() && from.Is4() == addr.Addr().Is4() {
		d.LocalAddr = net.TCPAddrFromAddrPort(netip.AddrPortFrom(from, 0))
	}
	conn, err := d.DialContext(ctx, "tcp", addr.String())
	if err != nil {
		return false
	}
	_ = conn.Close() // that it was accepted is all there is to know
	return true
}

// note notes whether a node has accepted a connection, and reports whether that is news.
func (k *keeper) note(id node.ID, accepted bool) (news bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if !k.listed[id] {
		return false // it was heard meanwhile
	}
	if k.reached == nil {
		k.reached = map[node.ID]bool{}
	}
	news = k.reached[id] != accepted
	k.reached[id] = accepted
	return news
}
