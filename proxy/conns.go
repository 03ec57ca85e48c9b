package proxy

import (
	"net"
	"net/netip"
	"runtime"
	"sync"
	"sync/atomic"
)

// tracked is a connection of a server, from when it is accepted until nobody serves it any more. But for the atomic
// fields and the socket it belongs to the goroutine that serves it.
type tracked struct {
	idle     atomic.Int32 // isBusy, or whether Shutdown may interrupt its reading
	upgraded atomic.Bool  // it is a tunnel: Shutdown does not wait for it
	http     atomic.Pointer[netHTTP]

	conn conn    // that serves it in HTTP/1, and is touched as often
	a    arrival // of its requests there

	nc     net.Conn       // on which HTTP is spoken: the socket itself, or TLS on it
	socket net.Conn       // as it was accepted
	client netip.AddrPort // who is at the other end, or who the PROXY header says that is; 0.0.0.0 of a Unix socket
	local  netip.AddrPort // to which the client connected, by the PROXY header where there is one

	handed  *netHTTP   // by toNetHTTP
	resting *conn      // that another goroutine is to serve on; nil: none
	counted netip.Addr // for which it is counted; belongs to connSet
}

// goAway tells the client to make no further use of the connection. In HTTP/1 that is said with a response.
func (t *tracked) goAway() {
	if n := t.http.Load(); n != nil {
		n.goAway()
	}
}

// The values of tracked.idle.
const (
	isBusy        = iota
	isIdle        // it waits for a request of which nothing has come
	isInterrupted // the same, and its reading is being interrupted right now
)

// endIdle ends the connection if nobody asks for anything on it, and tells the client otherwise.
func (t *tracked) endIdle() {
	if t.idle.CompareAndSwap(isIdle, isInterrupted) {
		_ = t.socket.SetReadDeadline(longAgo)
		t.idle.Store(isIdle)
	}
	t.goAway()
}

// busy says that a request has begun: from when it returns on, endIdle does not touch the socket.
func (t *tracked) busy() {
	for !t.idle.CompareAndSwap(isIdle, isBusy) {
		runtime.Gosched() // it is interrupted; that takes an instant
	}
}

// stays reports whether Shutdown need not wait for it.
func (t *tracked) stays() bool {
	n := t.http.Load()
	return t.upgraded.Load() || n != nil && n.onlyPages()
}

// connSet is the open connections of a server. It is locked when one comes or goes.
type connSet struct {
	mu      sync.Mutex
	all     map[*tracked]struct{}
	perAddr map[netip.Addr]int
	closed  bool // no more are let in

	refusedConns, refusedPerAddr uint64

	left chan struct{} // gets a token when Shutdown may have one less to wait for; capacity 1
}

// add lets a connection in, or returns false.
func (cs *connSet) add(t *tracked, most int) bool {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	if cs.closed {
		return false
	}
	if most > 0 && len(cs.all) >= most {
		cs.refusedConns++
		return false
	}
	cs.all[t] = struct{}{}
	return true
}

// count counts a connection that is in for its client, or returns false.
func (cs *connSet) count(t *tracked, most int) bool {
	a := t.client.Addr()
	if most <= 0 || a.IsUnspecified() {
		return true
	}
	cs.mu.Lock()
	defer cs.mu.Unlock()
	if cs.perAddr[a] >= most {
		cs.refusedPerAddr++
		return false
	}
	cs.perAddr[a]++
	t.counted = a
	return true
}

// remove says that nobody serves the connection any more.
func (cs *connSet) remove(t *tracked) {
	cs.mu.Lock()
	delete(cs.all, t)
	if a := t.counted; a.IsValid() {
		if cs.perAddr[a]--; cs.perAddr[a] == 0 {
			delete(cs.perAddr, a)
		}
	}
	cs.mu.Unlock()
	cs.changed()
}

// changed has Shutdown look again for whom it waits.
func (cs *connSet) changed() {
	select {
	case cs.left <- struct{}{}:
	default:
	}
}

func (cs *connSet) list() []*tracked {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	return cs.listLocked()
}

func (cs *connSet) listLocked() []*tracked {
	out := make([]*tracked, 0, len(cs.all))
	for t := range cs.all {
		out = append(out, t)
	}
	return out
}

// shut lets nobody in any more, and returns who is.
func (cs *connSet) shut() []*tracked {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	cs.closed = true
	return cs.listLocked()
}

// waitedFor reports whether there is a connection that Shutdown waits for.
func (cs *connSet) waitedFor() bool {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	for t := range cs.all {
		if !t.stays() {
			return true
		}
	}
	return false
}

func (cs *connSet) stats(st *Stats) {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	st.Open, st.RefusedConns, st.RefusedPerAddr = len(cs.all), cs.refusedConns, cs.refusedPerAddr
}

// addrPortOf returns an address of TCP; of anything else, such as a Unix socket, 0.0.0.0:0.
func addrPortOf(a net.Addr) netip.AddrPort {
	if tcp, ok := a.(*net.TCPAddr); ok {
		if ap := tcp.AddrPort(); ap.IsValid() {
			return netip.AddrPortFrom(plainAddr(ap.Addr()), ap.Port())
		}
	}
	return netip.AddrPortFrom(netip.IPv4Unspecified(), 0)
}
