package memberlist

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"backhand/gossip"
)

const (
	// While we are alone the seeds are tried again after a pause, which doubles from the first to the longest.
	firstPause   = time.Second
	longestPause = 30 * time.Second
	// Else, as often, one that is gone, or a seed, is called: two halves of a cluster find each other again so.
	callEvery = 30 * time.Second
	// callsMost is how many addresses are called one after the other before the next pause.
	callsMost = 16
	// lookupTime is how long it may take to look all seeds up.
	lookupTime = 10 * time.Second
	// carryFor is how long beats go on to the members that there were when the library was started anew, unless it has met one
	// of them.
	carryFor = time.Minute
	// spread is by how much of it a pause is shorter or longer, so that hosts that start together do not call together.
	spread = 0.3
)

// seek looks for members until the transport is closed.
func (t *Transport) seek() {
	s := search{t: t, pause: firstPause}
	for t.pauseFor(s.engine, s.round()) {
	}
}

// search is what seek knows from one round to the next.
type search struct {
	t      *Transport
	engine *engine
	pause  time.Duration // after the next round that finds nobody
	met    bool          // somebody was there; what changed since was told
	told   bool          // that nobody is there was told
}

// round calls who may be a member, and returns how long to wait for the next one.
func (s *search) round() time.Duration {
	t, e := s.t, s.t.engine.Load()
	lost := func() bool { return e.roster.count() == 0 || e.roster.carries() } // the library has met nobody, or not all
	switch {
	case e != s.engine:
		s.engine, s.pause = e, firstPause
	case s.met && e.roster.count() == 0:
		t.cfg.Log.Warn("no other member of memberlist is left; calling those that were there, and the seeds")
		s.pause, s.met, s.told = firstPause, false, true
	}
	answered, err := t.call(e, lost())
	if answered || time.Since(e.begun) > carryFor {
		e.roster.settle()
	}
	wait := time.Duration(t.callEvery.Load())
	if lost() {
		if err != nil && !s.told && t.ctx.Err() == nil {
			t.cfg.Log.Warn("no seed of memberlist answers; trying on", "err", plain(err.Error()))
			s.told = true
		}
		wait, s.pause = s.pause, min(2*s.pause, longestPause)
	} else {
		if !s.met {
			t.cfg.Log.Info("joined by memberlist", "members", e.roster.count()+1, "as", t.self)
		}
		s.pause, s.met, s.told = firstPause, true, false
	}
	return time.Duration(float64(wait) * (1 - spread + 2*spread*rand.Float64()))
}

// pauseFor waits, but no longer than until it matters that we seek. It returns false when the transport is closed.
func (t *Transport) pauseFor(e *engine, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-t.ctx.Done():
	case <-t.rejoin:
	case <-e.roster.turned:
	case <-timer.C:
	}
	return t.ctx.Err() == nil
}

// seekNow ends a pause.
func (t *Transport) seekNow() {
	select {
	case t.rejoin <- struct{}{}:
	default:
	}
}

// call calls who may be a member until one answers, which tells us of all that it knows.
func (t *Transport) call(e *engine, lost bool) (answered bool, err error) {
	addrs, err := t.candidates(e, lost)
	for _, addr := range addrs {
		if t.ctx.Err() != nil || t.engine.Load() != e {
			return false, nil
		}
		_, callErr := e.list.Join([]string{addr})
		switch {
		case callErr != nil:
			err = callErr
		case e.roster.count() > 0:
			return true, nil
		default:
			err = fmt.Errorf("%s answers, and there is no member at an address in gossip.accept", addr)
		}
	}
	return false, err
}

// candidates returns whom to call. If we are lost those are all seeds and some of the members that were there. Else it is one
// of them that is no member now, or none, so that all members together call about as many in that time as are gone.
func (t *Transport) candidates(e *engine, lost bool) ([]string, error) {
	t.mu.Lock()
	seeds := t.join
	t.mu.Unlock()
	if !lost {
		missed, one := e.roster.missed(1)
		total := missed + len(seeds)
		if total == 0 || rand.Float64()*float64(e.roster.count()) > float64(total) {
			return nil, nil
		}
		if rand.IntN(total) < missed {
			return one, nil
		}
		seeds = []gossip.Peer{seeds[rand.IntN(len(seeds))]}
	}
	addrs, err := t.lookUp(seeds)
	rand.Shuffle(len(addrs), func(i, j int) { addrs[i], addrs[j] = addrs[j], addrs[i] })
	if !lost {
		addrs = slices.DeleteFunc(addrs, e.roster.isLive)
		return addrs[:min(len(addrs), 1)], err
	}
	addrs = addrs[:min(len(addrs), callsMost)]
	_, missed := e.roster.missed(callsMost)
	for _, name := range missed {
		if !slices.Contains(addrs, name) {
			addrs = append(addrs, name)
		}
	}
	return addrs, err
}

// lookUp returns the addresses of the seeds, as far as they can be found and we may call them, or why there are none.
func (t *Transport) lookUp(seeds []gossip.Peer) (addrs []string, err error) {
	ctx, cancel := context.WithTimeout(t.ctx, lookupTime)
	defer cancel()
	seen := map[string]bool{t.self: true}
	for _, seed := range seeds {
		found, seedErr := seed.LookUp(ctx, t.cfg.Resolver, gossip.MaxPeers)
		for _, to := range found {
			switch name := nameOf(to); {
			case seen[name]:
			case !t.accepts(to.Addr()):
				seedErr = fmt.Errorf("%v is outside of gossip.accept", to)
			default:
				seen[name] = true
				addrs = append(addrs, name)
			}
		}
		if seedErr != nil {
			err = errors.Join(err, fmt.Errorf("seed %v: %w", seed, seedErr))
		}
	}
	if len(addrs) > 0 {
		err = nil
	}
	return addrs, err
}
