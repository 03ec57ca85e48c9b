package memberlist

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/netip"
	"sync"
	"time"

	hashicorp "github.com/hashicorp/memberlist"
)

// Bounds of a cluster.
const (
	MaxMembers   = 16384 // live members
	MaxAtAddress = 256   // live members with one IP address

	// maxKnown are the members that the library has in mind, live or dead. It forgets the dead when it has looked at each of
	// the live ones once, see forgottenAfter.
	maxKnown = 2 * MaxMembers
	// A member that is gone is called again now and then for as long as this, in case that only the network between us was.
	missedFor = 24 * time.Hour
)

// roster knows who is a member now. It is what the library tells of changes, by goroutines of its own.
type roster struct {
	self   string                // our own name
	meta   []byte                // what we announce
	accept func(netip.Addr) bool // whose beats count
	now    func() time.Time
	turned chan struct{} // something comes when the first other member has come, or the last has gone

	mu      sync.Mutex
	live    map[string]netip.AddrPort // where beats go, by name
	gone    map[string]time.Time      // when it went, by name
	at      map[netip.Addr]int        // live members
	before  []netip.AddrPort          // where beats went before the library was started anew; they still do
	targets []netip.AddrPort          // all these, each once
	stale   bool                      // targets are not right any more
}

func newRoster(self string, beatPort uint16, accept func(netip.Addr) bool) *roster {
	return &roster{
		self: self, meta: appendMeta(nil, beatPort), accept: accept, now: time.Now,
		turned: make(chan struct{}, 1),
		live:   map[string]netip.AddrPort{}, gone: map[string]time.Time{}, at: map[netip.Addr]int{},
	}
}

// NotifyAlive is asked before anything that is said of a live member is taken in. Our own start is among it.
func (r *roster) NotifyAlive(n *hashicorp.Node) error {
	m, err := parseMember(n)
	if err != nil || m.name == r.self {
		return err
	}
	if !r.accept(m.beats.Addr()) {
		return errors.New("its address is outside of gossip.accept")
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, known := r.live[m.name]; known {
		return nil
	}
	return r.room(m)
}

// room returns an error if there is none for one more. It is called with mu held.
func (r *roster) room(m member) error {
	if len(r.live) >= MaxMembers {
		return fmt.Errorf("there are %d members already", MaxMembers)
	}
	if r.at[m.beats.Addr()] >= MaxAtAddress {
		return fmt.Errorf("there are %d members at its address already", MaxAtAddress)
	}
	if _, known := r.gone[m.name]; known || len(r.live)+len(r.gone) < maxKnown {
		return nil
	}
	r.forget()
	if len(r.live)+len(r.gone) >= maxKnown {
		return fmt.Errorf("there were %d members within %v", maxKnown, r.forgottenAfter())
	}
	return nil
}

// forgottenAfter is when the library has surely forgotten one that is dead: it does so when it has probed all the others,
// one a second, and then only those that it did not want to tell of it any more.
func (r *roster) forgottenAfter() time.Duration {
	return time.Minute + 2*time.Duration(len(r.live))*time.Second
}

// forget drops those that are gone, and that the library has forgotten.
func (r *roster) forget() {
	now, after := r.now(), r.forgottenAfter()
	for name, at := range r.gone {
		if now.Sub(at) >= after {
			delete(r.gone, name)
		}
	}
}

// NotifyJoin takes in a member that NotifyAlive let pass.
func (r *roster) NotifyJoin(n *hashicorp.Node) { r.set(n) }

// NotifyUpdate takes in that a member announces something else now.
func (r *roster) NotifyUpdate(n *hashicorp.Node) { r.set(n) }

func (r *roster) set(n *hashicorp.Node) {
	m, err := parseMember(n)
	if err != nil || m.name == r.self {
		return // the former was checked by NotifyAlive
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, known := r.live[m.name]; !known {
		r.at[m.beats.Addr()]++
		delete(r.gone, m.name)
	}
	r.live[m.name] = m.beats
	r.stale = true
	if len(r.live) == 1 {
		r.turn()
	}
}

func (r *roster) turn() {
	select {
	case r.turned <- struct{}{}:
	default:
	}
}

// NotifyLeave takes out a member that is dead or has left.
func (r *roster) NotifyLeave(n *hashicorp.Node) {
	r.mu.Lock()
	defer r.mu.Unlock()
	beats, known := r.live[n.Name]
	if !known {
		return
	}
	delete(r.live, n.Name)
	if r.at[beats.Addr()]--; r.at[beats.Addr()] == 0 {
		delete(r.at, beats.Addr())
	}
	r.gone[n.Name] = r.now()
	r.stale = true
	if len(r.live) == 0 {
		r.turn()
	}
}

// destinations returns where beats go. Nobody may write to it.
func (r *roster) destinations() []netip.AddrPort {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.stale {
		return r.targets
	}
	seen := make(map[netip.AddrPort]bool, len(r.live)+len(r.before))
	targets := make([]netip.AddrPort, 0, len(r.live)+len(r.before))
	add := func(to netip.AddrPort) {
		if !seen[to] && r.accept(to.Addr()) {
			seen[to] = true
			targets = append(targets, to)
		}
	}
	for _, to := range r.live {
		add(to)
	}
	for _, to := range r.before {
		add(to)
	}
	r.targets, r.stale = targets, false
	return targets
}

// refresh has the destinations made anew: others are accepted now.
func (r *roster) refresh() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.stale = true
}

// succeed takes over from a roster that is not told of anything any more: beats go on to the members of then until settle, and
// all are called.
func (r *roster) succeed(old *roster) {
	before := old.destinations()
	old.mu.Lock()
	defer old.mu.Unlock()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.before, r.stale = before, true
	for name := range old.live {
		r.gone[name] = r.now()
	}
	maps.Copy(r.gone, old.gone)
}

// settle says that the library has met others again, and knows who is alive.
func (r *roster) settle() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.before, r.stale = nil, true
}

// carries reports whether beats still go to the members of before settle.
func (r *roster) carries() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.before) > 0
}

// count returns how many live members there are beside us.
func (r *roster) count() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.live)
}

// isLive reports whether there is a live member of that name.
func (r *roster) isLive(name string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	_, live := r.live[name]
	return live
}

// missed returns how many members are gone and may come back, and some of them by chance.
func (r *roster) missed(most int) (all int, some []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	names := make([]string, 0, len(r.gone))
	for name, at := range r.gone {
		if r.now().Sub(at) < missedFor {
			names = append(names, name)
		}
	}
	rand.Shuffle(len(names), func(i, j int) { names[i], names[j] = names[j], names[i] })
	return len(names), names[:min(len(names), most)]
}

// NodeMeta returns what we announce.
func (r *roster) NodeMeta(int) []byte { return r.meta }

// The library asks the following for what else is to be carried. There is nothing.

// NotifyMsg drops what somebody sent through memberlist: beats do not come that way.
func (r *roster) NotifyMsg([]byte) {}

// GetBroadcasts has nothing to spread.
func (r *roster) GetBroadcasts(int, int) [][]byte { return nil }

// LocalState has nothing to exchange.
func (r *roster) LocalState(bool) []byte { return nil }

// MergeRemoteState drops what somebody had to exchange.
func (r *roster) MergeRemoteState([]byte, bool) {}
