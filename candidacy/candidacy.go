package candidacy

import (
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

	// Session is set by a step that wants the client to get a cookie that leads it back to the chosen member.
	Session SetCookie

	// Forward is set by a step that finds that the request belongs to a physical that is off, down or out and no candidate for
	// that reason: where its requests go instead of to those that are left. Zero: to those.
	Forward node.Forward

	// Predict is set by a step that wants the request to be added to what is known of the chosen member.
	Predict bool

	// Limit is set by a step that wants the chosen member, if it is an agent, to send the request back if more than that
	// many are under way there already. Hops is how many members may do so before the next one must take it; 0: none.
	Limit float64
	Hops  int

	// ErrorWindow is set by a step that wants the errors of that time to count as requests that are still under way.
	ErrorWindow time.Duration

	tried    []*node.Member // so that no step brings one of them back; see AppendCandidates
	prepared *prepared      // what the steps at the start of the chain left; nil: they have not run yet
	digest   float64        // what the present step has found out ahead, see Step.Digest
	values   []string       // of cookies, arguments or fields: memory for the step that runs
}

// Reset forgets the request but for Rand, and makes r ready for another one.
func (r *Request) Reset() {
	clear(r.values[:cap(r.values)])
	*r = Request{Rand: r.Rand, values: r.values[:0]}
}

// cookies returns the values of the cookies of that name, until the next call of one of these three.
func (r *Request) cookies(name string) []string {
	if r.Fields == nil {
		return nil
	}
	r.values = r.Fields.AppendCookies(r.values[:0], name)
	return r.values
}

func (r *Request) query(name string) []string {
	if r.Fields == nil {
		return nil
	}
	r.values = r.Fields.AppendQuery(r.values[:0], name)
	return r.values
}

func (r *Request) header(name string) []string {
	if r.Fields == nil {
		return nil
	}
	r.values = r.Fields.AppendHeader(r.values[:0], name)
	return r.values
}

// farm returns the farm, or one without members.
func (r *Request) farm() *node.Farm {
	if r.Farm == nil {
		return &noFarm
	}
	return r.Farm
}

var noFarm node.Farm // never written

// Under returns how many requests this agent itself has under way at the member, errors that count as such included.
func (r *Request) Under(m *node.Member) float64 {
	return float64(m.Live.Outstanding()) + float64(m.Live.Pending(r.Now, r.ErrorWindow))
}

// Fields reads the parts of a request that few steps ask for, so that nothing is parsed for those that do not.
type Fields interface {
	// AppendCookies appends to dst the values of all cookies of that name, in all Cookie fields, in their order.
	AppendCookies(dst []string, name string) []string
	// AppendQuery appends the values of all query arguments of that name, in their order.
	AppendQuery(dst []string, name string) []string
	// AppendHeader appends the values of all lines of the header field of that name, in any case, in their order. Those that
	// a client has named in Connection, so that nobody behind this host sees them, are not among them.
	AppendHeader(dst []string, name string) []string
}

// SetCookie gives the client a cookie that names the chosen member. Its zero value gives it none.
type SetCookie struct {
	// Line returns what stands in a Set-Cookie field, or "" if the client has that cookie. The member is the one that
	// answers the request, and not only the first that was chosen.
	Line func(req *Request, m *node.Member) string
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
