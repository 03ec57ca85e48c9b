package sampler

import (
	"cmp"
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// OriginConfig says which origin to watch, and how.
type OriginConfig struct {
	Farm string
	URL  *url.URL // http://, https:// or h2c://host:port; a path in it does not count. Required
	// Check is a path, with a query if need be, that must answer GET with a status that is Good. Default: a TCP
	// connection is enough and, for https, that TLS can be spoken over it.
	Check string
	// Good reports whether a status answers Check well. Default: those from 200 to 399 do.
	Good func(status int) bool
	TLS  *tls.Config // for https. Default: the system's authorities, and the host of URL
	// StatusURL is a page, by http, that tells how many workers are busy: mod_status (?auto), stub_status or php-fpm.
	// Default: none.
	StatusURL *url.URL

	Timeout time.Duration // of a probe as a whole. Default 1 s
	Fall    int           // failed checks in a row that make the origin down. Default 2
	Rise    int           // good checks in a row that bring it back. Default 2

	// Dial makes the connections. Default: a [net.Dialer] without options.
	Dial func(ctx context.Context, network, addr string) (net.Conn, error)
}

// Origin watches one origin. Ready, Busy, StatusError and NoteConnectFailure may be called at the same time by any number
// of goroutines, the first three without a lock; Probe and Run by one.
type Origin struct {
	cfg   OriginConfig
	check *url.URL // nil: a TCP connection is enough

	health atomic.Pointer[health]
	status atomic.Pointer[status]

	mu      sync.Mutex // for what a check changes
	tally   tally
	changed func() // while Run runs
}

// health is what Ready tells. It never changes once it is stored.
type health struct {
	ready bool
	why   string // why it is not ready
}

// status is what Busy tells. It never changes once it is stored.
type status struct {
	workers workers
	err     error
}

// NewOrigin checks the configuration. The origin is not ready until its first check succeeded; nothing is checked before
// Probe or Run.
func NewOrigin(cfg OriginConfig) (*Origin, error) {
	if err := checkURL("origin", cfg.URL, "http", "https", "h2c"); err != nil {
		return nil, err
	}
	if cfg.StatusURL != nil {
		if err := checkURL("status_url", cfg.StatusURL, "http"); err != nil {
			return nil, err
		}
	}
	if cfg.Timeout < 0 || cfg.Fall < 0 || cfg.Rise < 0 {
		return nil, fmt.Errorf("origin %q: timeout %v, fall %d and rise %d, want none below 0",
			cfg.URL.Redacted(), cfg.Timeout, cfg.Fall, cfg.Rise)
	}
	cfg.Timeout = cmp.Or(cfg.Timeout, time.Second)
	cfg.Fall, cfg.Rise = cmp.Or(cfg.Fall, 2), cmp.Or(cfg.Rise, 2)
	if cfg.Dial == nil {
		cfg.Dial = new(net.Dialer).DialContext
	}
	if cfg.Good == nil {
		cfg.Good = func(status int) bool { return 200 <= status && status <= 399 }
	}
	o := &Origin{cfg: cfg, tally: tally{fall: cfg.Fall, rise: cfg.Rise}}
	if cfg.Check != "" {
		var err error
		if o.check, err = checkPath(cfg.URL, cfg.Check); err != nil {
			return nil, err
		}
	}
	o.health.Store(&health{why: NotChecked})
	return o, nil
}

func checkURL(what string, u *url.URL, schemes ...string) error {
	if u == nil {
		return fmt.Errorf("%s is missing, want http://host:port", what)
	}
	if !slices.Contains(schemes, u.Scheme) || u.Hostname() == "" {
		return fmt.Errorf("%s %q: want %s://host:port", what, u.Redacted(), strings.Join(schemes, " or "))
	}
	return nil
}

// checkPath returns the URL of a path at the origin.
func checkPath(origin *url.URL, path string) (*url.URL, error) {
	p, err := url.ParseRequestURI(path)
	if err != nil || path[0] != '/' {
		return nil, fmt.Errorf("check %q: want a path such as /health", path)
	}
	u := *origin
	u.Path, u.RawPath, u.RawQuery, u.Fragment = p.Path, p.RawPath, p.RawQuery, ""
	return &u, nil
}

// Farm returns the name of the farm that the origin serves.
func (o *Origin) Farm() string { return o.cfg.Farm }

// NotChecked is why an origin is not ready before its first check.
const NotChecked = "not checked yet"

// Ready reports whether the origin is up, and if not, why, in at most node.MaxWhy bytes.
func (o *Origin) Ready() (ready bool, why string) {
	h := o.health.Load()
	return h.ready, h.why
}

// Busy returns how many workers the status page of the origin counts as busy, of how many (0 if it does not say); ok is
// false if there is no such page, or the last probe got none that can be read.
func (o *Origin) Busy() (busy, workers int, ok bool) {
	s := o.status.Load()
	if s == nil || s.err != nil {
		return 0, 0, false
	}
	return s.workers.busy, s.workers.total, true
}

// StatusError returns why the last probe could not read the status page; nil if it could, or did not ask.
func (o *Origin) StatusError() error {
	if s := o.status.Load(); s != nil {
		return s.err
	}
	return nil
}

// minInterval is the shortest time between two probes, so that a slip is no flood.
const minInterval = 100 * time.Millisecond

// Run probes the origin at once, and then every interval, but at least 100 ms apart, until ctx ends. A probe that takes
// longer than the interval puts off the next one. Whenever Ready turns over, changed is called; it must not block, and may
// come from Run or from NoteConnectFailure, once more even after Run has returned if that was under way.
func (o *Origin) Run(ctx context.Context, interval time.Duration, changed func()) {
	o.setChanged(changed)
	defer o.setChanged(nil)
	tick := time.NewTicker(max(interval, minInterval))
	defer tick.Stop()
	for {
		o.Probe(ctx)
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

func (o *Origin) setChanged(f func()) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.changed = f
}

// Probe makes one check, and reads the status page if there is one and the check is good; both together take at most
// Timeout. A check that the end of ctx cut short does not count.
func (o *Origin) Probe(ctx context.Context) {
	limited, cancel := context.WithTimeout(ctx, o.cfg.Timeout)
	defer cancel()
	why := o.checkOnce(limited)
	if ctx.Err() != nil {
		return
	}
	o.note(why)
	if why != "" || o.cfg.StatusURL == nil {
		o.status.Store(nil)
		return
	}
	w, err := o.readStatus(limited)
	if ctx.Err() == nil {
		o.status.Store(&status{workers: w, err: err})
	}
}

// NoteConnectFailure tells that a request could not connect to the origin just now. It is down at once, and takes Rise
// good checks to come back: until then requests go elsewhere instead of failing one by one.
func (o *Origin) NoteConnectFailure() {
	o.turn(o.tally.knock, "connect: failed for a request")
}

// note counts a check, which failed unless why is "".
func (o *Origin) note(why string) {
	o.turn(func() bool { return o.tally.add(why == "") }, why)
}

// turn applies a change to the tally, and publishes what comes of it.
func (o *Origin) turn(change func() (turned bool), why string) {
	o.mu.Lock()
	turned := change()
	switch {
	case o.tally.up && turned:
		o.health.Store(&health{ready: true})
	case !o.tally.up && why != "":
		o.health.Store(&health{why: why})
	}
	changed := o.changed
	o.mu.Unlock()
	if turned && changed != nil {
		changed()
	}
}
