package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"sync/atomic"
	"syscall"
	"time"

	"backhand/agent/config"
	"backhand/status/athena"
)

// Bounds of those who ask at [athena]. Programs on the inside network, which send little.
const (
	athenaConns = 1024             // at each address at a time; more are closed at once
	athenaHead  = 64 << 10         // bytes of a request's head: 16 updates in one query
	athenaRead  = 10 * time.Second // for a request, its body included
	athenaWrite = 30 * time.Second // from there to the answer's last byte
	athenaIdle  = time.Minute      // for which a connection waits for the next request
	athenaDrain = 5 * time.Second  // for which a listener that goes waits for requests under way
)

// interfaces is where programs ask the engine: the listeners of [athena].
type interfaces struct {
	engine  *engine
	handler atomic.Pointer[http.Handler]
	counts  athena.Counts            // of all handlers
	servers map[string]*athenaServer // by config.Listen.Key; only with reloading held, or before Run
}

// athenaServer is one of the listeners.
type athenaServer struct {
	addr  string
	sock  *socket
	http  *http.Server
	conns atomic.Int64
}

// openedAthena is what openAthena has done. Until it is taken over it can be undone.
type openedAthena struct {
	fresh  map[string]*athenaServer // that do not serve yet
	paused []*athenaServer          // whose sockets are closed, since fresh ones need their ports
}

// addAthena makes the engine, and opens its listeners.
func (a *Agent) addAthena(cfg *config.Config, undo *undoer) error {
	o, err := a.openAthena(cfg)
	if err != nil {
		return err
	}
	undo.add(func() { a.takeBackAthena(o) })
	a.athena.servers = o.fresh
	a.setAthena(cfg)
	return nil
}

// setAthena answers by another configuration: its addresses and its tokens count from the same moment.
func (a *Agent) setAthena(cfg *config.Config) {
	h := athena.New(athena.Config{
		Path: cfg.Athena.Path, Engine: a.athena.engine, Allow: mayAsk(&cfg.Athena), Log: a.log, Now: time.Now, Counts: &a.athena.counts,
		Tokens: tokensOf(cfg), Mirror: a.takeMirror(cfg),
	})
	a.athena.handler.Store(&h)
}

// tokensOf returns the tokens of a file as the interface knows them.
func tokensOf(cfg *config.Config) (tokens []athena.Token) {
	for _, t := range cfg.Athena.Tokens {
		one := athena.Token{Name: t.Name, Hash: t.Hash}
		for p := athena.PartBalance; p <= athena.PartMirror; p++ {
			if slices.Contains(t.Parts, p.String()) {
				one.Parts = append(one.Parts, p)
			}
		}
		tokens = append(tokens, one)
	}
	return tokens
}

// mayAsk says who may use which part of the interface.
func mayAsk(c *config.Athena) func(athena.Part, netip.Addr) bool {
	return func(part athena.Part, addr netip.Addr) bool {
		allow := c.Balance
		switch part {
		case athena.PartStatus:
			allow = c.Status
		case athena.PartUpdate:
			allow = c.Update
		case athena.PartMirror:
			allow = c.Mirror
		}
		return contains(allow, addr.WithZone(""))
	}
}

// openAthena opens the listeners of cfg that are not open yet.
func (a *Agent) openAthena(cfg *config.Config) (*openedAthena, error) {
	o := &openedAthena{fresh: map[string]*athenaServer{}}
	for _, addr := range cfg.Athena.Listen {
		l := config.Listen{Address: addr}
		if a.athena.servers[l.Key()] != nil {
			continue
		}
		ln, err := a.openAthenaAt(l, cfg, o)
		if err != nil {
			a.takeBackAthena(o)
			return nil, fmt.Errorf("athena: %w", a.listenError(l, err))
		}
		o.fresh[l.Key()] = a.newAthenaServer(addr, ln)
	}
	return o, nil
}

// openAthenaAt opens one. If one that is to go has the port, as ":4446" has where "10.58.4.1:4446" is to be, that is closed
// first, since the kernel takes only one of them.
func (a *Agent) openAthenaAt(l config.Listen, cfg *config.Config, o *openedAthena) (net.Listener, error) {
	ln, err := listenTCP(l.Address)
	if !errors.Is(err, syscall.EADDRINUSE) {
		return ln, err
	}
	stays := map[string]bool{}
	for _, addr := range cfg.Athena.Listen {
		stays[config.Listen{Address: addr}.Key()] = true
	}
	for key, s := range a.athena.servers {
		if !stays[key] && samePort(config.Listen{Address: s.addr}, l) {
			_ = s.sock.pause() // it was open, or will not be opened again
			o.paused = append(o.paused, s)
		}
	}
	return listenTCP(l.Address)
}

func (a *Agent) newAthenaServer(addr string, ln net.Listener) *athenaServer {
	s := &athenaServer{addr: addr, sock: newSocket(ln)}
	s.http = &http.Server{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			(*a.athena.handler.Load()).ServeHTTP(w, r)
		}),
		ReadHeaderTimeout: athenaRead, ReadTimeout: athenaRead, WriteTimeout: athenaWrite, IdleTimeout: athenaIdle,
		MaxHeaderBytes: athenaHead, ConnState: s.count, ErrorLog: slog.NewLogLogger(a.log.Handler(), slog.LevelDebug),
	}
	return s
}

// count bounds the connections.
func (s *athenaServer) count(conn net.Conn, state http.ConnState) {
	switch state {
	case http.StateNew:
		if s.conns.Add(1) > athenaConns {
			_ = conn.Close() // its goroutine finds out
		}
	case http.StateClosed, http.StateHijacked:
		s.conns.Add(-1)
	}
}

// takeBackAthena closes what was opened, and opens again what was closed.
func (a *Agent) takeBackAthena(o *openedAthena) {
	for _, s := range o.fresh {
		_ = s.sock.Close()
	}
	for _, s := range o.paused {
		ln, err := listenTCP(s.addr)
		if err == nil {
			err = s.sock.resume(ln)
		}
		if err != nil {
			a.log.Error("athena cannot listen again; reload once its port is free", "address", s.addr, "err", err)
		}
	}
}

// swapAthena goes on with the listeners of cfg.
func (a *Agent) swapAthena(cfg *config.Config, o *openedAthena) {
	next := map[string]*athenaServer{}
	for _, addr := range cfg.Athena.Listen {
		key := config.Listen{Address: addr}.Key()
		s := a.athena.servers[key]
		if s == nil {
			s = o.fresh[key]
			a.serveAthena(s)
		}
		next[key] = s
	}
	for key, s := range a.athena.servers {
		if next[key] == nil {
			a.log.Info("answering programs no more", "address", s.addr)
			a.running.start(s.shutdown)
		}
	}
	a.athena.servers = next
}

// serveAthena starts a listener.
func (a *Agent) serveAthena(s *athenaServer) {
	a.log.Info("answering programs", "address", s.addr, "path", a.config.Load().Athena.Path)
	a.running.run("athena", func(ctx context.Context) error {
		stop := context.AfterFunc(ctx, func() { _ = s.http.Close() })
		defer stop()
		if err := s.http.Serve(s.sock); !errors.Is(err, http.ErrServerClosed) {
			return err
		}
		return nil
	})
}

// shutdown ends a listener, and waits a moment for the requests under way.
func (s *athenaServer) shutdown(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, athenaDrain)
	defer cancel()
	if s.http.Shutdown(ctx) != nil {
		_ = s.http.Close()
	}
}
