package candidacy

import (
	"iter"
	"math/rand/v2"
	"net/netip"
	"time"

	"backhand/gossip/node"
)

// A Func drops candidates or reorders them, best first, and returns those that are left. It owns the slice in and may
// reuse it; it must not change what in points to, keep it, or block. The result is a subset of in without repeats
// (addSelf, and bySession for a draining member, may bring one back that was not in it). Nothing left means that nobody
// will do.
type Func func(req *Request, in []*node.Member) []*node.Member

// Request is what a chain may know of the request that it decides about, and of the farm. One Request serves one
// decision and must not be shared.
type Request struct {
	Method string
	Host   string     // as the client wrote it, without port
	Path   string     // with unreserved characters decoded
	Client netip.Addr // the client as the origin will see it
	Fields Fields     // header fields and query; nil if there are none

	Now  time.Time
	Rand *rand.Rand // never nil
	Farm *node.Farm // nil only where there are no candidates either

	// Redirect is set by a step that wants the client itself to go to the chosen member.
	Redirect Redirect

	// tried are the members tried before, so that no step brings one of them back; see AppendCandidates.
	tried []*node.Member
}

// Fields reads the parts of a request that few steps ask for, so that nothing is parsed for those that do not.
type Fields interface {
	// Cookies yields the values of all cookies of that name, in all Cookie fields, in their order.
	Cookies(name string) iter.Seq[string]
	// Query yields the values of all query arguments of that name, in their order.
	Query(name string) iter.Seq[string]
}

// Redirect tells the client to go to the chosen member, instead of a hop. Its zero value means a hop. If this node
// itself is chosen, there is no redirect: it would come back for ever.
type Redirect struct {
	On bool
	// Host returns the host, and the port if it is not the default one of the member's scheme, to send the client to.
	// Nothing but a host name or address that is safe in a Location is returned; "" means a hop after all, since the
	// member has none.
	Host func(req *Request, m *node.Member) string
}
