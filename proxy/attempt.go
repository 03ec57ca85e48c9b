package proxy

import (
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"backhand/candidacy"
	"backhand/gossip/node"
)

// attempts hands a request to one member after another until one answers. Only these may be followed by another,
// whatever the method, since nothing was done: a connection that could not be made, and a refusal. All else might make
// a request run twice. (On a connection that was used before and is closed without an answer, net/http sends an
// idempotent request again by itself; see replay.)
func (x *exchange) attempts(out *http.Request) (*http.Response, error) {
	sc := x.h.scratch(&asked{
		method: x.in.Method, host: x.in.Host, path: x.path, query: x.query, client: x.client,
		fields: requestFields{header: x.in.Header, query: x.query},
	})
	defer x.h.release(sc)
	var last error
	for {
		d, err := x.next(sc, last)
		if err != nil {
			return nil, err
		}
		res, err := x.handOver(&d, out)
		if err == nil {
			return res, nil
		}
		switch reasonOf(err) {
		case notConnected, connectTimeout:
		case membersRefused, membersDisbelieve:
			if !x.body.replayable() {
				return nil, because(refusedTooLate, err)
			}
		default:
			return nil, err
		}
		last = err
		if d.member != nil {
			sc.tried = append(sc.tried, d.member)
		}
		sc.ownTried = sc.ownTried || d.origin != nil
	}
}

// next returns who is asked next, or the problem with which the request ends. last is why the one before did not take
// it.
func (x *exchange) next(sc *scratch, last error) (decision, error) {
	switch {
	case x.hop != nil:
		return x.nextOnHop(last)
	case x.route == nil && last == nil:
		return decision{member: x.selfMember(x.site.fallback.Farm), origin: x.site.fallback}, nil
	case x.route == nil, x.out.Attempts >= x.site.Tries, x.out.Refusals >= x.site.Tries:
		return decision{}, last
	}
	d := x.site.choose(x.route, x.h.cfg.Snapshot(), x.h.cfg.Now(), sc, (*candidacy.Chain).Select)
	if d.action != chose {
		x.out.Empty = string(d.action)
	}
	switch {
	case d.nobody() && last != nil:
		return d, last
	case d.nobody():
		return d, because(nobodyLeft, nil)
	case d.redirect != "":
		x.out.Member = d.member
		x.w.Header().Set("Location", x.location(d.redirect))
		return d, because(redirected, nil)
	}
	return d, nil
}

// location returns where the client itself is to go.
func (x *exchange) location(host string) string {
	l := x.client.Proto + "://" + host + x.raw
	if x.query != "" || x.in.URL.ForceQuery {
		l += "?" + x.query
	}
	return l
}

// nextOnHop returns our own origin: a request that came over a hop goes nowhere else.
func (x *exchange) nextOnHop(last error) (decision, error) {
	o := x.site.origin(x.hop.Farm)
	why := "this node does not serve the farm"
	if o != nil {
		why = o.ready()
	}
	switch {
	case last == nil && why == "":
		return decision{member: x.selfMember(x.hop.Farm), origin: o}, nil
	case last == nil:
		last = errors.New(why)
	}
	if o != nil {
		o.Meter.Refuse()
	}
	return decision{}, because(originRefuses, last)
}

// selfMember returns ourselves as a member of the farm; nil if we are none (yet).
func (x *exchange) selfMember(farm string) *node.Member {
	if f := x.h.cfg.Snapshot().Farm(farm); f != nil {
		return f.Self
	}
	return nil
}

// handover is one request at one member, from before the connection until the last byte was passed on.
type handover struct {
	x       *exchange
	member  *node.Member // may be nil for our own origin
	live    *node.Live   // to be charged; nil: nobody
	origin  *Origin      // our own; nil: another member
	toAgent bool         // which understands a hop
	scheme  string
	addr    string // host:port
	start   time.Time
	ended   bool

	unserved bool // the request never reached the member
}

func (x *exchange) newHandover(d *decision) *handover {
	ho := &handover{x: x, member: d.member, origin: d.origin, scheme: "http", start: x.h.cfg.Now()}
	// What came over a hop was counted by the agent that chose us.
	if d.member != nil && x.hop == nil {
		ho.live = d.member.Live
	}
	switch {
	case d.origin != nil:
		ho.scheme, ho.addr = d.origin.URL.Scheme, node.HostPort(d.origin.URL)
	case d.member.Node != nil:
		ho.addr = d.member.HostPort()
		ho.toAgent = !d.member.Node.Direct
		if d.member.Node.TLS {
			ho.scheme = "https"
		}
	default:
		ho.scheme, ho.addr = d.member.URL.Scheme, d.member.HostPort()
	}
	return ho
}

// handOver makes one attempt.
func (x *exchange) handOver(d *decision, out *http.Request) (*http.Response, error) {
	ho := x.newHandover(d)
	x.out.Member, x.out.Self = d.member, d.origin != nil
	x.out.Attempts++
	ho.begin()
	res, err := x.site.wire.roundTrip(ho, out)
	if err != nil {
		err = x.judge(err)
		ho.fail(reasonOf(err))
		return nil, err
	}
	if r := ho.refusal(res); r != proxied {
		return nil, ho.sentBack(res, r)
	}
	if ho.toAgent {
		x.h.doubts.clear(ho.member.Node.ID)
	}
	x.out.Wait = x.h.cfg.Now().Sub(x.out.Start)
	return ho.receive(res)
}

func (ho *handover) begin() {
	if ho.live != nil {
		ho.live.Start()
	}
	if ho.origin != nil {
		ho.origin.Meter.Begin(ho.start)
	}
}

// end counts the end of the request at the member, once. fault says that the member is to blame for a failure.
func (ho *handover) end(result node.Result, fault bool) {
	if ho.ended {
		return
	}
	ho.ended = true
	if ho.live != nil {
		if fault {
			ho.live.Fail()
		}
		ho.live.End()
	}
	if ho.origin != nil {
		now := ho.x.h.cfg.Now()
		forPeer := ho.x.hop != nil && !ho.unserved
		ho.origin.Meter.End(now, result, now.Sub(ho.start), forPeer)
	}
}

// fail counts a request to which there was no answer.
func (ho *handover) fail(r reason) {
	switch r {
	case clientGone, clientSlow, badBody, refusedTooLate:
		ho.end(node.GaveUp, false)
	case noResources:
		ho.unserved = true
		ho.end(node.GaveUp, false)
	case notConnected, connectTimeout:
		ho.unserved = true
		ho.end(node.GaveUp, true)
	default:
		ho.end(node.Failed, true)
	}
}

// dialled is told of each connection that was made, or could not be made, for this request. The request itself may have
// gone over another one that came free before.
func (ho *handover) dialled(err error) {
	switch {
	case err == nil && ho.live != nil:
		ho.live.Connected()
	case err != nil && ho.live != nil:
		ho.live.ConnectFailed(ho.x.h.cfg.Now())
	}
	if err != nil && ho.origin != nil && ho.origin.ConnectFailed != nil {
		ho.origin.ConnectFailed()
	}
}

// refusal returns as what an agent sent the request back; proxied if it did not.
func (ho *handover) refusal(res *http.Response) reason {
	v := res.Header[fieldRefused]
	switch {
	case !ho.toAgent || len(v) != 1:
		return proxied
	case res.StatusCode == http.StatusServiceUnavailable && (v[0] == refusedOrigin || v[0] == refusedBusy):
		return membersRefused
	case res.StatusCode == http.StatusMisdirectedRequest && v[0] == refusedHop:
		return membersDisbelieve
	}
	return proxied
}

// refusalBody is how long the body of a refusal is waited for.
const refusalBody = 100 * time.Millisecond

// sentBack counts a refusal, which is no attempt and no error.
func (ho *handover) sentBack(res *http.Response, r reason) error {
	if 0 <= res.ContentLength && res.ContentLength <= 4096 {
		// Read, so that the connection can be used again; if it does not come at once, that is not worth the wait.
		late := time.AfterFunc(refusalBody, func() { _ = res.Body.Close() })
		_, _ = io.Copy(io.Discard, res.Body)
		late.Stop()
	}
	_ = res.Body.Close()
	x := ho.x
	x.out.Attempts--
	x.out.Refusals++
	if ho.live != nil {
		ho.live.Refuse()
	}
	ho.end(node.GaveUp, false)
	if r == membersDisbelieve {
		x.h.disbelieved(ho.member)
	}
	return becausef(r, "%s sent the request back: %s", ho.addr, res.Header.Get(fieldRefused))
}

// judge finds out whose fault it is that there was no answer.
func (x *exchange) judge(err error) error {
	if fault := x.body.fault(); fault != nil {
		return fault
	}
	if x.in.Context().Err() != nil {
		return because(clientGone, err)
	}
	if _, ok := errors.AsType[*problem](err); ok {
		return err
	}
	if d, ok := errors.AsType[*dialError](err); ok {
		if lacksResources(err) {
			return because(noResources, err)
		}
		if d.Timeout() {
			return because(connectTimeout, err)
		}
		return because(notConnected, err)
	}
	if n, ok := errors.AsType[net.Error](err); ok && n.Timeout() && !connectionLost(err) {
		return because(headTimeout, err)
	}
	if connectionLost(err) || strings.Contains(err.Error(), "server closed idle connection") {
		return because(closedEarly, err)
	}
	return because(notHTTP, err)
}

// connectionLost reports whether a connection ended where it should not.
func connectionLost(err error) bool {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed) ||
		errors.Is(err, io.ErrClosedPipe) {
		return true
	}
	_, ok := errors.AsType[*net.OpError](err) // reset, broken pipe, or silent for longer than TCP_USER_TIMEOUT
	return ok
}
