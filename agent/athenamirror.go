package agent

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"backhand/agent/config"
	"backhand/agent/farm"
	"backhand/gossip/node"
	"backhand/status/athena"
)

// How another engine is told.
const (
	mirrorWhole = 5 * time.Minute  // from one time that it is told everything to the next
	mirrorAgain = 30 * time.Second // the same while its file and ours differ: somebody may be about to mend that
	mirrorSoon  = time.Second      // until it is told everything, if it was started anew
	mirrorLook  = 10 * time.Second // after which one that there is nothing to tell is looked at: is it there, was it started anew?
	mirrorSay   = time.Minute      // between two lines of the log that say for which other reason one cannot be told
	mirrorRest  = 5 * time.Second  // between attempts at one that does not answer at most, unless [[mirror]] says more

	mirrorConnect = 2 * time.Second
	mirrorIdle    = 50 * time.Second // for which a connection is kept: less than the other engine does
	mirrorHead    = 64 << 10         // bytes of a reply's head

	mirrorNamed = 5    // differences that a line of the log names
	mirrorNames = 1000 // that another engine names: with so many it cannot be said which are new
)

// teller tells another engine: an athena.Target.
type teller interface {
	Tell(ctx context.Context, said []node.Said) (athena.Told, error)
}

// mirror tells one other engine what is said here: all of it at first, and then what is new.
type mirror struct {
	conf   config.Mirror
	target teller
	close  func() // its connections
	store  *farm.Store
	log    *slog.Logger
	cancel context.CancelFunc // nil while it does not run

	// Only run uses these.
	mark    farm.Mark // up to where it was told
	toldAt  time.Time // when it took something last
	logged  string    // why it cannot be told, as the log has it; "": it can
	sayAt   time.Time // when the log may say another reason
	wholeAt time.Time // when it was told everything
	engine  string    // which start of it that was
	fails   int       // in a row

	mu    sync.Mutex
	again bool // it is to be told everything
	shown mirrorState
}

// mirrorState is how it goes, for people.
type mirrorState struct {
	told        time.Time // when it took something last; zero: never
	failures    uint64
	err         error    // of the last attempt
	differences []string // of the two files
}

func newMirror(conf config.Mirror, store *farm.Store, log *slog.Logger) *mirror {
	target := mirrorTarget(conf)
	return &mirror{
		conf: conf, target: target, close: target.Client.CloseIdleConnections, store: store, log: log.With("engine", conf.To.String()),
	}
}

func mirrorTarget(conf config.Mirror) *athena.Target {
	return &athena.Target{URL: conf.To, Token: conf.Token, Client: &http.Client{
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{ // no proxy: it is on the inside network
			DialContext:         (&net.Dialer{Timeout: mirrorConnect}).DialContext,
			TLSClientConfig:     newClientTLS(conf.Identity),
			TLSHandshakeTimeout: mirrorConnect, MaxIdleConns: 1, IdleConnTimeout: mirrorIdle,
			MaxResponseHeaderBytes: mirrorHead, DisableCompression: true,
		},
	}}
}

// same reports whether another [[mirror]] is the same.
func (m *mirror) same(conf *config.Mirror) bool {
	a, b := m.conf, *conf
	return a.To.String() == b.To.String() && a.Every == b.Every && a.Token == b.Token &&
		a.Identity.ServerName == b.Identity.ServerName && a.Identity.Roots.Equal(b.Identity.Roots)
}

// swapMirrors goes on with the engines of cfg. Those that stay are told everything again: the file lists other things perhaps.
// Called with reloading held.
func (a *Agent) swapMirrors(cfg *config.Config) {
	old := a.listMirrors()
	all := make([]*mirror, 0, len(cfg.Mirror))
	for i := range cfg.Mirror {
		conf := &cfg.Mirror[i]
		if k := slices.IndexFunc(old, func(m *mirror) bool { return m.same(conf) }); k >= 0 {
			old[k].wholeSoon()
			all = append(all, old[k])
			continue
		}
		m := newMirror(*conf, a.store, a.log)
		ctx, cancel := context.WithCancel(a.running.ctx)
		m.cancel = cancel
		a.running.start(func(context.Context) { m.run(ctx) })
		all = append(all, m)
	}
	for _, m := range old {
		if !slices.Contains(all, m) {
			m.cancel()
		}
	}
	a.mirrors.Store(&all)
}

// listMirrors returns those that run.
func (a *Agent) listMirrors() []*mirror {
	if all := a.mirrors.Load(); all != nil {
		return *all
	}
	return nil
}

// run tells the engine until the context ends.
func (m *mirror) run(ctx context.Context) {
	m.log.Info("mirroring to another engine", "every", m.conf.Every)
	defer m.close()
	next := time.NewTimer(0)
	defer next.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-next.C:
		}
		rest := m.turn(ctx)
		if ctx.Err() != nil {
			return // what went wrong then, did so for that
		}
		next.Reset(rest)
	}
}

// turn tells the engine what is new, and returns after how long to do so again.
func (m *mirror) turn(ctx context.Context) (rest time.Duration) {
	if m.wholeDue(time.Now()) {
		m.mark = 0
	}
	said, next := m.store.Said(m.mark)
	if len(said) == 0 && time.Since(m.toldAt) < mirrorLook {
		return m.conf.Every
	}
	told, err := m.target.Tell(ctx, said)
	now := time.Now()
	if ctx.Err() != nil {
		return 0
	}
	m.say(err, now)
	if err != nil {
		m.failed(err)
		return max(m.conf.Every, min(m.conf.Every<<min(m.fails-1, 8), mirrorRest))
	}
	m.fails, m.toldAt = 0, now
	whole := m.mark == 0
	m.mark = next
	if whole {
		m.wholeAt, m.engine = now, told.Engine
	} else if told.Engine != m.engine {
		m.mark, m.engine = 0, told.Engine
		rest = mirrorSoon
	}
	m.took(&told, whole, now)
	if rest == 0 {
		rest = m.conf.Every
	}
	return min(rest, m.conf.Every)
}

// say logs when the engine begins not to take what it is told, when the reason is another, and when it takes it again.
func (m *mirror) say(err error, now time.Time) {
	switch {
	case err == nil && m.logged == "":
	case err == nil:
		m.logged = ""
		m.log.Info("another engine is told again what is said here")
	case m.logged == "", m.logged != err.Error() && !now.Before(m.sayAt):
		m.logged, m.sayAt = err.Error(), now.Add(mirrorSay)
		m.log.Warn("another engine cannot be told what is said here; it is tried again", "err", err)
	}
}

// wholeDue reports whether the engine is to be told everything.
func (m *mirror) wholeDue(now time.Time) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	every := mirrorWhole
	if len(m.shown.differences) > 0 {
		every = mirrorAgain
	}
	due := m.again || now.Sub(m.wholeAt) >= every
	m.again = false
	return due
}

// wholeSoon has the engine told everything, at its next turn.
func (m *mirror) wholeSoon() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.again = true
}

// failed notes that the engine was not told, or nobody knows whether it was.
func (m *mirror) failed(err error) {
	m.mark = 0
	m.fails++
	m.mu.Lock()
	defer m.mu.Unlock()
	m.shown.failures++
	m.shown.err = err
}

// took notes what the engine said. All differences are known only when it was told everything: one that is new has it told so.
func (m *mirror) took(told *athena.Told, whole bool, now time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.shown.told, m.shown.err = now, nil
	known := m.shown.differences
	if !whole {
		isNew := func(d string) bool { return !slices.Contains(known, d) }
		m.again = m.again || len(known) < mirrorNames && slices.ContainsFunc(told.Differences, isNew)
		return
	}
	if slices.Equal(known, told.Differences) {
		return
	}
	m.shown.differences = told.Differences
	switch some := told.Differences[:min(len(told.Differences), mirrorNamed)]; {
	case len(some) == 0:
		m.log.Info("the file of another engine lists all farms and physicals of ours now")
	default:
		m.log.Warn("the file of another engine and ours differ; what both list is mirrored", "differences", len(told.Differences),
			"among_them", strings.Join(some, "; "))
	}
}

// state returns how it goes.
func (m *mirror) state() mirrorState {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.shown
}

// takeMirror takes in what another engine tells, if the file lets others do so.
func (a *Agent) takeMirror(cfg *config.Config) athena.Mirror {
	if !cfg.Athena.Mirrored {
		return nil
	}
	return func(by string, said []node.Said) (int, []string, error) { return a.store.Mirror(by, said, time.Now()) }
}

var errNoMirror = errors.New("the agent's file has no [[mirror]]: add one, or name the URL of the other engine")
