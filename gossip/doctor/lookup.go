package doctor

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"

	"backhand/gossip"
)

const (
	lookupTime = 3 * time.Second
	doorTime   = 2 * time.Second
	// maxPlaces and maxAddrs bound how many places are looked up, and how many addresses of each count.
	maxPlaces = 64
	maxAddrs  = 64
	// maxDoors is how many addresses are connected to.
	maxDoors = 16
)

// places looks up what the file names. self is this host among them.
func (x *examination) places(ctx context.Context, peers []gossip.Peer, self netip.AddrPort) []Place {
	peers = peers[:min(len(peers), maxPlaces)]
	places := make([]Place, len(peers))
	slots := make(chan struct{}, atOnce)
	var wg sync.WaitGroup
	for i, p := range peers {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			places[i] = x.place(ctx, p)
			places[i].Self = slices.Contains(places[i].Addrs, self)
		})
	}
	wg.Wait()
	return places
}

// place looks up one name.
func (x *examination) place(ctx context.Context, p gossip.Peer) Place {
	out := Place{Name: p.String()}
	ctx, cancel := context.WithTimeout(ctx, lookupTime)
	defer cancel()
	var err error
	if out.Addrs, err = p.LookUp(ctx, x.sys.resolver, maxAddrs); len(out.Addrs) == 0 {
		out.Error = lookupError(err)
	}
	return out
}

// lookupError returns why a name has no address.
func lookupError(err error) string {
	if e, isDNS := errors.AsType[*net.DNSError](err); isDNS {
		if e.IsTimeout {
			return "the name service does not answer"
		}
		return e.Err
	}
	return err.Error()
}

// doors connects to each seed that has an address.
func (x *examination) doors(ctx context.Context, places []Place) []Place {
	var wg sync.WaitGroup
	slots := make(chan struct{}, atOnce)
	var mu sync.Mutex
	n := 0
	for i := range places {
		p := &places[i]
		p.Doors = map[string]string{}
		for _, a := range p.Addrs {
			if n++; n > maxDoors || a == x.facts.Advertise {
				continue
			}
			slots <- struct{}{}
			wg.Go(func() {
				defer func() { <-slots }()
				why := x.knock(ctx, a)
				mu.Lock()
				defer mu.Unlock()
				p.Doors[a.String()] = why
			})
		}
	}
	wg.Wait()
	return places
}

// knock returns why nobody listens there, or "".
func (x *examination) knock(ctx context.Context, a netip.AddrPort) string {
	ctx, cancel := context.WithTimeout(ctx, doorTime)
	defer cancel()
	c, err := x.sys.dial(ctx, "tcp", a.String())
	if err == nil {
		_ = c.Close()
		return ""
	}
	if ctx.Err() != nil {
		return fmt.Sprintf("nothing within %v", doorTime)
	}
	return short(err)
}
