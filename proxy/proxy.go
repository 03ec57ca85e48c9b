package proxy

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"backhand/gossip/node"
	"backhand/proxy/h1"
)

// Config is what a handler keeps for life.
type Config struct {
	Self     node.ID
	Snapshot func() *node.Snapshot // the cluster as it is known now; never nil, nor what it returns

	// Node returns the node with that id, also where the snapshot does not list all; nil if it is not known. A nil Node asks
	// the snapshot.
	Node func(node.ID) *node.Node

	// Accept says from which addresses a hop may be believed. It must also come from the address of the node in whose
	// name it speaks. nil: from none.
	Accept func(netip.Addr) bool
	// Proof signs what we say to other agents in fields, and checks what they say: hops, limits, loads, refusals. nil: there
	// are no keys, and the addresses are all that is gone by.
	Proof Proof
	// LocalAddr returns the address from which other agents are dialled, so that they believe us. Invalid: any. It may
	// change with the site. nil: any.
	LocalAddr func() netip.Addr
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
	// ClientIP has members told in the field Client-IP, too, who the client is: the address that is the client's in chains and
	// logs. What came in that field is replaced, also of a trusted proxy; over a hop it passes.
	ClientIP bool
	// Cookie is that by which applications say where requests go. nil: they have no say in it, and no cookie is looked at.
	Cookie *Cookie

	Agents    Reach            // of other agents
	Physicals map[string]Reach // of a farm's physicals, by farm
	Protocols []string         // to which a connection may be upgraded. nil: websocket

	Tries        int           // members that a request is offered to at most, and that may refuse it. Default 3
	Connect      time.Duration // to make a connection, TLS included. Default 1 s
	ResponseHead time.Duration // from the request's last byte to the response's head. Default 60 s
	ResponseIdle time.Duration // for which a member may pause in a response's body. Default 10 min
	Total        time.Duration // from a request's head to the response's last byte. Default: no limit
	TunnelIdle   time.Duration // for which an upgraded connection may be silent in both directions. Default 1 h

	ClientHead time.Duration // from a request's first byte to the end of its head. Default 10 s
	KeepAlive  time.Duration // for which a connection waits for the next request. Default 60 s
	// ClientIdle is how long a client may send nothing of a body that it announced, and how long it may take over each
	// part of a response, of at most 64 KiB. Not of upgraded connections. Default 60 s
	ClientIdle time.Duration

	MaxBody int64      // bytes of a request's body. 0: no limit
	Limits  *h1.Limits // of heads, on both sides. nil: the defaults of package h1
}

// Handler carries requests, whichever Server they came in by. It starts no goroutine of its own.
type Handler struct {
	cfg       Config
	site      atomic.Pointer[site]
	scratches sync.Pool // of *scratch
	exchanges sync.Pool // of *exchange
	members   *pools
	inFlight  inFlight
	again     atomic.Int64 // requests under way that were handed over again after a failure
	doubts    doubts       // nodes that do not believe us
	unproved  doubts       // nodes that do not prove what they say
	brake     brake
	date      date
	pseudonym string // in Via fields
	via10     []byte // what we add to Via, by the version in which a message came
	via11     []byte
	via20     []byte
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
	h := &Handler{cfg: cfg, pseudonym: pseudonym(cfg.Self)}
	if cfg.Node == nil {
		h.cfg.Node = func(id node.ID) *node.Node { return h.cfg.Snapshot().Node(id) }
	}
	h.brake.since = cfg.Now()
	h.inFlight.zero = make(chan struct{}, 1)
	h.scratches.New = newScratch
	h.exchanges.New = func() any { return new(exchange) }
	h.via10, h.via11, h.via20 = []byte("1.0 "+h.pseudonym), []byte("1.1 "+h.pseudonym), []byte("2.0 "+h.pseudonym)
	h.members = newPools(poolsConfig{Dial: cfg.Dial, LocalAddr: cfg.LocalAddr, Now: cfg.Now})
	h.SetSite(s)
	return h
}

// SetSite replaces the site. Requests under way keep theirs, and connections to members are kept as far as they are
// made in the same way.
func (h *Handler) SetSite(s *Site) { h.site.Store(newSite(s)) }
