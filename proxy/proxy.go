package proxy

import (
	"context"
	"crypto/tls"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httputil"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"backhand/gossip/node"
)

// Config is what a handler keeps for life.
type Config struct {
	Self     node.ID
	Snapshot func() *node.Snapshot // the cluster as it is known now; never nil, nor what it returns

	// Accept says from which addresses a hop may be believed. It must also come from the address of the node in whose
	// name it speaks. nil: from none.
	Accept func(netip.Addr) bool
	// LocalAddr returns the address from which other agents are dialled, so that they believe us. Invalid: any. It may
	// change with the site. nil: any.
	LocalAddr func() netip.Addr
	// TLS is used to dial members that speak it. nil: the system's roots, and the name in the member's address.
	TLS *tls.Config
	// Dial makes a TCP connection from an address (if it is valid) to host:port. nil: on the network of this host.
	Dial func(ctx context.Context, from netip.Addr, addr string) (net.Conn, error)

	// Done is called once for each request, when its last byte was passed on or it failed. It may be nil.
	Done func(*Outcome)
	Log  *slog.Logger     // nil: nothing is logged
	Now  func() time.Time // nil: time.Now
	Seed func() uint64    // of each decision's chance; nil: math/rand/v2.Uint64
}

// Site is all that a reload replaces. It does not change.
type Site struct {
	Routes  *Routes   // nil: none
	Origins []*Origin // this host's own, at most one a farm

	// StatusPath begins and ends with a slash. What is below it is answered by Status before any route is looked for,
	// and never handed on; so is the path without the slash at its end. "" or a nil Status: nothing is.
	StatusPath string
	Status     http.Handler

	Trusted []netip.Prefix // proxies that are believed about their clients

	Tries        int           // members that a request is offered to at most, and that may refuse it. Default 3
	Connect      time.Duration // to make a connection, TLS included. Default 1 s
	ResponseHead time.Duration // from the request's last byte to the response's head. Default 60 s
	// ClientIdle is how long a client may send nothing of a body that it announced, and how long it may take over each
	// part of a response, of at most 32 KiB. Not of upgraded connections. Default 60 s
	ClientIdle time.Duration
}

// Handler is the http.Handler of an agent's listeners. It starts no goroutine of its own.
type Handler struct {
	cfg      Config
	site     atomic.Pointer[site]
	pool     sync.Pool // of *scratch
	proxy    *httputil.ReverseProxy
	inFlight inFlight
	doubts   doubts
}

// New returns a handler.
func New(cfg Config, s *Site) *Handler {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.LocalAddr == nil {
		cfg.LocalAddr = func() netip.Addr { return netip.Addr{} }
	}
	if cfg.Seed == nil {
		cfg.Seed = rand.Uint64
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	h := &Handler{cfg: cfg}
	h.inFlight.zero = make(chan struct{}, 1)
	h.pool.New = newScratch
	h.proxy = newReverseProxy()
	h.SetSite(s)
	return h
}

// SetSite replaces the site. Requests under way keep theirs. Connections to members are kept unless a time-out or our own
// address has changed.
func (h *Handler) SetSite(s *Site) {
	next := newSite(s)
	limits := wireLimits{from: h.cfg.LocalAddr(), connect: next.Connect, responseHead: next.ResponseHead}
	old := h.site.Load()
	if old != nil && old.wire.limits == limits {
		next.wire = old.wire
		h.site.Store(next)
		return
	}
	next.wire = newWire(&h.cfg, limits)
	h.site.Store(next)
	if old != nil {
		old.wire.closeIdle()
	}
}

// ServeHTTP answers a request, or hands it on.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	x := h.begin(w, r)
	defer x.end()
	if err := x.admit(); err != nil {
		x.fail(err)
		return
	}
	if x.isStatus {
		x.serveStatus()
		return
	}
	x.counted = true
	h.inFlight.begin()
	x.forward()
}

// exchange is one request and what becomes of it.
type exchange struct {
	h     *Handler
	site  *site
	in    *http.Request
	w     *responseWriter
	peer  netip.Addr // at the other end of the TCP connection
	raw   string     // path as it came
	query string
	path  string // path as normalReading has it

	isStatus bool
	counted  bool // as under way
	hop      *hop // over which the request came; nil: from a client
	route    *route
	client   forwarding
	body     *body
	reason   reason
	tunnel   *tunnel // once the connection was upgraded
	out      *Outcome
}

func (h *Handler) begin(w http.ResponseWriter, r *http.Request) *exchange {
	x := &exchange{h: h, site: h.site.Load(), in: r, peer: peerOf(r), body: newBody(r)}
	x.w = x.newResponseWriter(w)
	x.body.idle, x.body.control = x.site.ClientIdle, x.w.control
	x.body.renew(x.body.idle) // net/http reads what we do not
	x.client.Client = x.peer
	x.out = &Outcome{
		Start: h.cfg.Now(), Client: x.peer, Method: r.Method, Target: r.RequestURI, Proto: r.Proto,
		Host: r.Host, Referer: r.Referer(), UserAgent: r.UserAgent(),
	}
	return x
}

// admit finds out what the request is, and refuses what goes nowhere.
func (x *exchange) admit() error {
	if x.in.Method == http.MethodConnect {
		return because(badMethod, nil)
	}
	if x.in.RequestURI == "*" && x.in.Method == http.MethodOptions {
		return because(generalOptions, nil)
	}
	var ok bool
	if x.raw, x.query, ok = target(x.in.RequestURI); !ok {
		return because(badTarget, nil)
	}
	x.path = normalReading(x.raw)
	var err error
	if x.isStatus, err = x.site.findStatus(x.raw, x.path); err != nil || x.isStatus {
		return err
	}
	if viaNames(x.in.Header["Via"], pseudonym(x.h.cfg.Self)) {
		return because(loop, nil)
	}
	if lines := x.in.Header[fieldHop]; len(lines) > 0 {
		return x.admitHop(lines)
	}
	x.client = forwardingOf(x.in, x.peer, x.site.Trusted)
	x.out.Client = x.client.Client
	return x.findRoute()
}

func (x *exchange) admitHop(lines []string) error {
	hp, err := parseHop(lines)
	if err == nil {
		err = x.h.believe(hp, x.peer, x.out.Start)
	}
	if err != nil {
		return because(hopNotBelieved, err)
	}
	x.hop = &hp
	x.client = forwarding{Client: hp.Client, Proto: hp.Proto}
	x.out.Hop, x.out.Client, x.out.Farm = true, hp.Client, hp.Farm
	return nil
}

func (x *exchange) findRoute() error {
	rt, err := x.site.findRoute(hostName(x.in.Host), x.raw, x.path)
	if err != nil {
		return err
	}
	switch n, limited := maxForwards(x.in); {
	case limited && n == 0 && x.in.Method == http.MethodTrace:
		return because(badMethod, nil) // it is for us, and we do not echo what may hold cookies
	case limited && n == 0:
		return because(generalOptions, nil)
	}
	if x.route = rt; rt == nil {
		x.out.Farm = x.site.fallback.Farm
		return nil
	}
	x.out.Route, x.out.Farm = rt.label, rt.Farm
	return nil
}

// findRoute returns the route of a path, nil if our own origin serves it without one. The other readings must take the
// same: whoever serves the request may read it so.
func (s *site) findRoute(host, raw, normal string) (*route, error) {
	rt := s.Routes.find(host, normal)
	for _, other := range otherReadings(raw) {
		if other != normal && s.Routes.find(host, other) != rt {
			return nil, becausef(badReadings, "%q, which may be read as %q", raw, other)
		}
	}
	if rt == nil && s.fallback == nil {
		return nil, becausef(noRoute, "host %q, path %q", host, normal)
	}
	return rt, nil
}

// findStatus reports whether the path belongs to the status page, in all its readings.
func (s *site) findStatus(raw, normal string) (bool, error) {
	is := s.isStatus(normal)
	for _, other := range otherReadings(raw) {
		if s.isStatus(other) != is {
			return false, becausef(badReadings, "%q is, or is not, the status page", raw)
		}
	}
	return is, nil
}

// isStatus reports whether the path belongs to the status page, with or without the slash at its end.
func (s *site) isStatus(path string) bool {
	if s.Status == nil || s.StatusPath == "" {
		return false
	}
	return strings.HasPrefix(path, s.StatusPath) || path+"/" == s.StatusPath
}

func (x *exchange) serveStatus() {
	x.reason = statusPage
	x.site.Status.ServeHTTP(x.w, x.in)
}

// fail answers a request that no member answers. A client that is gone gets nothing: the connection is closed.
func (x *exchange) fail(err error) {
	x.reason = reasonOf(err)
	if x.reason != redirected && x.reason != generalOptions {
		x.out.Err = err
	}
	if x.reason == clientGone {
		panic(http.ErrAbortHandler)
	}
	if x.w.status == 0 {
		x.endBody()
		if x.hop != nil && x.reason == noResources {
			x.refuseBusy()
		}
		answer(x.w, x.reason, x.out.Farm)
	}
}

// refuseBusy sends a request that came over a hop back, so that the agent before us asks another member.
func (x *exchange) refuseBusy() {
	x.w.Header().Set(fieldRefused, refusedBusy)
	if o := x.site.origin(x.hop.Farm); o != nil {
		o.Meter.Refuse()
	}
}

// endBody says that nobody wants more of the request's body.
func (x *exchange) endBody() {
	if more := x.body.stop(); more {
		x.w.closeAfter()
	}
}

// end tells the outcome.
func (x *exchange) end() {
	x.endBody()
	if x.tunnel == nil {
		x.w.renewFor(linger + x.site.ClientIdle) // net/http reads the rest of the body, and writes that of the response
	}
	o := x.out
	o.Took = x.h.cfg.Now().Sub(o.Start)
	o.Status, o.Bytes = x.w.status, x.w.bytes
	if x.tunnel != nil {
		o.Bytes = x.tunnel.read.Load()
	}
	if o.Err == nil && x.w.err != nil {
		p := x.w.fault()
		x.reason, o.Err = p.reason, p
	}
	if o.Status == 0 && x.reason == clientGone {
		o.Status = StatusClientGone
	}
	o.Reason = answers[x.reason].name
	if x.h.cfg.Done != nil {
		x.h.cfg.Done(o)
	}
	if x.counted {
		x.h.inFlight.end() // last, so that Drain returns after the last Done
	}
}

// peerOf returns the address at the other end of the connection. One that is no IP address, as in some tests, is
// 0.0.0.0.
func peerOf(r *http.Request) netip.Addr {
	ap, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.IPv4Unspecified()
	}
	return plainAddr(ap.Addr())
}
