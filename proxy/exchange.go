package proxy

import (
	"strings"
	"time"
	"unsafe"

	"backhand/gossip/node"
	"backhand/proxy/h1"
)

// exchange is one request and what becomes of it. It is used again for another one.
//
// Of hundreds that wait for their members each is cold when its turn comes: no processor keeps them all at hand. So what is
// needed after the wait stands together, here and in what it consists of, and what few requests need stands last.
type exchange struct {
	h1 h1Front  // the front, if the request came over HTTP/1
	ho handover // the present one
	perRequest
	req h1.Request // the request's head

	load   []byte // what tellLoad has written
	proof  []byte // what tellAgent has written
	target []byte // see targetBetween
	goal   []byte // see rewrite
	full   []byte // see pathAt

	hopSeen hop   // over which the request came, if it is believed; written before it is read, as the next one
	claimed Claim // that is being signed, or checked
}

// perRequest is what is forgotten with a request. The rest of an exchange keeps memory for the next one.
type perRequest struct {
	h    *Handler
	site *site
	f    front

	now time.Time // when the clock was last read: reading it is not free, and little time passes without a wait

	over     bool // it has come to its end
	isStatus bool
	counted  bool // as under way
	again    bool // counted as handed over again
	reason   reason
	status   int          // that was sent; 0: none
	sent     int64        // bytes of the response's body
	res      *h1.Response // the head of the response; nil: nothing of it has come
	hop      *hop         // over which the request came: hopSeen; nil: from a client
	route    *route
	orders   *orders // of its cookies; nil: none
	body     requestBody

	waits
	out Outcome

	// What is not needed any more when the response is there.

	a      *arrival
	raw    string // path as it came
	query  string // without question mark
	path   string // path as normalReading has it
	host   string // as it came
	to     []byte // path as members get it, below that of their own URL; nil: as it came
	client forwarding

	chosen   decision       // to whom it goes; here, since it is hot, and the stack of one connection among many is not
	tried    []*node.Member // who was asked
	ownTried []*Origin      // of our own, those that were asked
	limited  bool           // some member got a limit
	bounces  []*node.Member // of tried, those that refused for their limit
	insists  bool           // no member gets a limit any more

	resOptions []byte // what the response's Connection field says, if trailers may come
	location   string // where a redirect leads
}

// newExchange returns an exchange for a request that is about to be read into req. It goes back by release.
func (h *Handler) newExchange() *exchange {
	x := h.exchanges.Get().(*exchange)
	x.forget()
	x.h, x.site = h, h.site.Load()
	return x
}

// forget forgets the request before. That is done when the next one begins and not when that ended, when most of it was cold.
func (x *exchange) forget() {
	x.perRequest = perRequest{}
	x.ho.attempt = attempt{}
	x.req.Reset()
}

// release gives back what the request has used. It is called after a mistake of ours, too.
func (x *exchange) release() {
	if x.f != nil && !x.over {
		x.giveUp()
		return
	}
	x.body.release()
	x.h1.body.reset()
	x.h1.c = nil
	x.ho.body.reset()
	x.ho.x = nil
	putResponse(x.res)
	x.h.exchanges.Put(x)
}

// giveUp ends an exchange that a mistake of ours has broken off, so that nothing stays counted and no connection open. It
// is not used again: nobody knows who still holds what of it.
func (x *exchange) giveUp() {
	defer x.uncount()
	x.waits.end()
	x.body.stop()
	if x.ho.x != nil {
		x.ho.drop()
		x.ho.end(node.GaveUp)
	}
}

// text returns bytes of a head as a string, without a copy. It holds as long as they do: until release.
func text(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

// serve carries the request in req from the client's end to its end.
func (x *exchange) serve(f front, a *arrival) {
	x.begin(f, a)
	err := x.admit()
	switch {
	case err != nil:
		x.fail(err)
	case x.isStatus:
		if !x.servePage() {
			return
		}
	default:
		x.counted = true
		x.h.inFlight.begin()
		x.forward()
	}
	x.end()
}

// refuse answers what is no request.
func (x *exchange) refuse(f front, a *arrival, err error) {
	method, target := x.req.Method, x.req.Target // as far as there were any
	x.req.Reset()
	x.req.Minor = 1
	x.begin(f, a)
	if len(method) > 0 && len(target) > 0 {
		x.out.Method, x.out.Target = text(method), text(target) // for the log, which escapes them
	}
	x.f.closeAfter()
	x.fail(err)
	x.end()
}

// tick reads the clock. Whoever has waited calls it.
func (x *exchange) tick() time.Time {
	x.now = x.h.cfg.Now()
	return x.now
}

func (x *exchange) begin(f front, a *arrival) {
	x.f, x.a = f, a
	x.client.Client = a.peer
	x.host = text(x.req.Host)
	x.body.begin(x)
	o := &x.out // one by one: a literal would be made on the stack, and copied
	o.Start, o.Client, o.Method, o.Target = x.tick(), a.peer, text(x.req.Method), text(x.req.Target)
	o.Proto, o.Host, o.Referer, o.UserAgent = a.proto, x.host, text(x.req.Value(h1.Referer)), text(x.req.Value(h1.UserAgent))
	switch {
	case a.proto != "" || len(x.req.Method) == 0:
	case x.req.Minor == 0:
		o.Proto = "HTTP/1.0"
	default:
		o.Proto = "HTTP/1.1"
	}
	x.waits.begin(o.Start, x.site.Total)
}

// admit finds out what the request is, and refuses what goes nowhere.
func (x *exchange) admit() error {
	switch {
	case x.req.MethodID == h1.MethodConnect:
		return because(badMethod, nil)
	case string(x.req.Path) == "*": // also OPTIONS for all of a host in absolute form: RFC 9112, section 3.2.4
		return because(generalOptions, nil)
	case x.site.MaxBody > 0 && x.req.Length > x.site.MaxBody:
		return because(bodyTooLong, nil)
	}
	x.query = text(x.req.Query)
	if x.query != "" {
		x.query = x.query[1:]
	}
	x.raw = text(x.req.Path)
	x.path = normalReading(x.raw)
	var err error
	if x.isStatus, err = x.site.findStatus(x.raw, x.path); err != nil || x.isStatus {
		return err
	}
	if x.req.Has(h1.Via) && viaNames(&x.req.Section, x.h.pseudonym) {
		return because(loop, nil)
	}
	trimAnnounced(&x.req.Section)
	if x.req.Has(h1.BackhandHop) {
		return x.admitHop()
	}
	x.client.of(&x.req, x.a, x.site.Trusted)
	x.out.Client = x.client.Client
	if x.site.Cookie != nil && x.req.Has(h1.Cookie) {
		x.orders = x.site.Cookie.read(&x.req.Section, x.now)
	}
	return x.findRoute()
}

func (x *exchange) admitHop() error {
	err := errHopForm
	if line, ok := only(&x.req.Section, h1.BackhandHop); ok {
		x.hopSeen, err = parseHop(text(line))
	}
	if err == nil && x.a.noHops {
		err = errNoHops
	}
	if err == nil {
		err = x.h.believe(x.hopSeen, x.a.socket, x.out.Start)
	}
	if err != nil {
		return because(hopNotBelieved, err)
	}
	if err := x.checkHop(); err != nil {
		return becausef(hopUnproved, "hop from %v in the name of %s: %w", x.a.socket, x.hopSeen.Sender.Short(), err)
	}
	x.hop = &x.hopSeen
	if o := x.site.origin(x.hop.Farm); o != nil {
		x.hop.Farm = o.Farm // the other one is gone with the head
	} else {
		x.hop.Farm = strings.Clone(x.hop.Farm)
	}
	x.client.Client, x.client.Proto = x.hop.Client, x.hop.Proto
	x.out.Hop, x.out.Client, x.out.Farm = true, x.hop.Client, x.hop.Farm
	return x.lastForwarder()
}

// lastForwarder refuses to pass on what may not go further (RFC 9110, section 7.6.2).
func (x *exchange) lastForwarder() error {
	switch {
	case x.req.MaxForwards != 0:
		return nil
	case x.req.MethodID == h1.MethodTrace:
		return because(badMethod, nil) // it is for us, and we do not echo what may hold cookies
	}
	return because(generalOptions, nil)
}

func (x *exchange) findRoute() error {
	rt, err := x.site.findRoute(hostName(x.host), x.raw, x.path)
	if err != nil {
		return err
	}
	if err := x.lastForwarder(); err != nil {
		return err
	}
	if x.route = rt; rt == nil {
		x.out.Farm = x.site.fallback.Farm
		return nil
	}
	x.out.Route, x.out.Farm = rt.label, rt.Farm
	return x.rewrite()
}

// servePage answers by the status page. It returns false if the request was handed to another front.
func (x *exchange) servePage() bool {
	x.reason = statusPage
	status, bytes, ok := x.f.page(x.site.Status)
	x.tick()
	x.status, x.sent, x.over = status, bytes, !ok
	return ok
}

// forward hands the request to a member and the response back.
func (x *exchange) forward() {
	err := x.body.fill()
	if err == nil {
		err = x.attempts()
	}
	if err != nil {
		x.fail(err)
		return
	}
	x.relay()
}

// fail answers a request that no member answers. A client that is gone gets nothing.
func (x *exchange) fail(err error) {
	defer x.tick()
	x.reason = reasonOf(err)
	if x.reason != redirected && x.reason != generalOptions {
		x.out.Err = err
	}
	switch x.reason {
	case clientGone:
		x.f.abort()
		return
	case clientSlow, badBody, bodyTooLong:
		x.f.closeAfter()
	}
	if x.hop != nil && x.refusedAs() != "" {
		if o := x.site.origin(x.hop.Farm); o != nil {
			o.Meter.Refuse()
		}
	}
	x.answer(err)
}

// end tells the outcome. What was sent last has read the clock.
func (x *exchange) end() {
	x.waits.end()
	o := &x.out
	o.Took = x.now.Sub(o.Start)
	o.Status, o.Bytes = x.status, x.sent
	if o.Status == 0 && x.reason == clientGone {
		o.Status = StatusClientGone
	}
	if o.Reason = answers[x.reason].name; x.reason == malformed {
		o.Reason = malformedReason(o.Err)
	}
	if x.orders != nil {
		o.Cookies = x.orders.results()
	}
	if x.h.cfg.Done != nil {
		x.h.cfg.Done(o)
	}
	x.over = true
	x.uncount()
}

// uncount counts the request as under way no more.
func (x *exchange) uncount() {
	if x.again {
		x.again = false
		x.h.again.Add(-1)
	}
	if x.counted {
		x.counted = false
		x.h.inFlight.end() // last, so that Drain returns after the last Done
	}
}
