package agent

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"syscall"

	"backhand/agent/config"
	"backhand/proxy"
	"backhand/status"
)

// server is one listener and those who came in by it.
type server struct {
	conf   config.Listen // only with reloading held
	passed bool          // by the service manager, which keeps the socket open
	sock   *socket
	certs  *certificates // nil: never had any
	proxy  *proxy.Server
}

// opened is what openServers has done. Until it is taken over it can be undone.
type opened struct {
	fresh  map[string]*server // that do not serve yet, by config.Listen.Key
	paused []*server          // whose sockets are closed, since fresh ones need their ports
}

// openServers opens the listeners of cfg that are not open yet, with the sockets that were passed if there are any for
// them.
func (a *Agent) openServers(cfg *config.Config, passed []net.Listener) (*opened, error) {
	o := &opened{fresh: map[string]*server{}}
	listens := cfg.Listen
	if a.opt.Announce {
		listens = nil // the web server has the ports
	}
	mine, err := assign(passed, listens)
	if err == nil {
		err = a.keepsPassed(listens)
	}
	if err != nil {
		return nil, err
	}
	for _, l := range listens {
		key := l.Key()
		if a.servers[key] != nil {
			continue
		}
		ln := mine[key]
		if ln == nil {
			if ln, err = a.open(l, listens, o); err != nil {
				a.takeBack(o)
				return nil, err
			}
		}
		o.fresh[key] = a.newServer(l, ln, mine[key] != nil)
	}
	return o, nil
}

// keepsPassed says what is wrong if the file has given a listener up that the service manager holds: clients would wait
// there for ever.
func (a *Agent) keepsPassed(listens []config.Listen) error {
	for key, s := range a.servers {
		if s.passed && !named(listens, key) {
			return fmt.Errorf("listen %s: the service manager holds that socket: take it out of the socket unit, too, and restart",
				s.conf.Address)
		}
	}
	return nil
}

func named(listens []config.Listen, key string) bool {
	return slices.ContainsFunc(listens, func(l config.Listen) bool { return l.Key() == key })
}

// open opens a listener. If one that is to go has the port, such as ":80" where "10.58.4.1:80" is to be, that is closed
// first, since the kernel takes only one of them.
func (a *Agent) open(l config.Listen, listens []config.Listen, o *opened) (net.Listener, error) {
	ln, err := listen(l)
	if !errors.Is(err, syscall.EADDRINUSE) {
		return ln, a.listenError(l, err)
	}
	before := len(o.paused)
	for key, s := range a.servers {
		if !named(listens, key) && !slices.Contains(o.paused, s) && samePort(s.conf, l) {
			_ = s.sock.pause() // it was open, or will not be opened again
			o.paused = append(o.paused, s)
		}
	}
	if len(o.paused) > before {
		ln, err = listen(l)
	}
	return ln, a.listenError(l, err)
}

func listen(l config.Listen) (net.Listener, error) {
	if path, isUnix := l.UnixPath(); isUnix {
		return listenUnix(path, l.Mode)
	}
	return listenTCP(l.Address)
}

func samePort(a, b config.Listen) bool {
	_, x, errX := net.SplitHostPort(a.Key())
	_, y, errY := net.SplitHostPort(b.Key())
	return errX == nil && errY == nil && x == y
}

// takeBack closes what was opened, and opens again what was closed.
func (a *Agent) takeBack(o *opened) {
	for _, s := range o.fresh {
		_ = s.sock.Close()
	}
	for _, s := range o.paused {
		ln, err := listen(s.conf)
		if err == nil {
			err = s.sock.resume(ln)
		}
		if err != nil {
			a.log.Error("a listener that was closed for a reload cannot be opened again; reload once its port is free",
				"address", s.conf.Address, "err", err)
		}
	}
}

// listenError adds what to do about the usual reasons. Of nil it returns nil.
func (a *Agent) listenError(l config.Listen, err error) error {
	addr := l.Address
	_, isUnix := l.UnixPath()
	switch {
	case err == nil:
		return nil
	case errors.Is(err, syscall.EADDRINUSE):
		return fmt.Errorf("listen %s: the port is in use, perhaps by the web server or another agent: give each its own", addr)
	case errors.Is(err, syscall.EACCES) && isUnix:
		return fmt.Errorf("listen %s: the user that the agent runs as may not write to that directory", addr)
	case errors.Is(err, syscall.EACCES):
		return fmt.Errorf("listen %s: ports below 1024 need root or CAP_NET_BIND_SERVICE", addr)
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return fmt.Errorf("listen %s: this host has no such address", addr)
	case errors.Is(err, syscall.ENOENT):
		return fmt.Errorf("listen %s: there is no such directory: make it, or write another path", addr)
	}
	return fmt.Errorf("listen %s: %w", addr, err)
}

func (a *Agent) newServer(l config.Listen, ln net.Listener, passed bool) *server {
	s := &server{sock: newSocket(ln), passed: passed}
	s.proxy = a.handler.NewServer(s.configure(l))
	return s
}

// configure takes the options over, and returns what the proxy needs of them.
func (s *server) configure(l config.Listen) proxy.ServerConfig {
	s.conf = l
	cfg := proxy.ServerConfig{NoHops: !l.Peers, MaxConns: l.Connections, MaxConnsPerAddr: l.ConnectionsPerAddress}
	switch {
	case len(l.Certificates) == 0:
	case s.certs == nil:
		s.certs = newCertificates(l.Certificates)
		cfg.TLS = s.certs.tls
	default:
		s.certs.replace(l.Certificates)
		cfg.TLS = s.certs.tls
	}
	if _, isUnix := l.UnixPath(); len(l.ProxyProtocol) > 0 {
		cfg.ProxyFrom = func(addr netip.Addr) bool { return isUnix || contains(l.ProxyProtocol, addr) }
	}
	return cfg
}

// reconfigure changes the options of a server that runs.
func (a *Agent) reconfigure(s *server, l config.Listen) {
	if path, isUnix := l.UnixPath(); isUnix && !s.passed && l.Mode != s.conf.Mode {
		if err := os.Chmod(path, l.Mode); err != nil {
			a.log.Warn("the mode of a Unix socket cannot be changed", "address", l.Address, "err", err)
		}
	}
	s.proxy.SetConfig(s.configure(l))
}

// serve starts a server. What is connected to it is cut off when the agent ends, whether it still listens or not.
func (a *Agent) serve(s *server) {
	a.running.run("listen", func(context.Context) error { return s.proxy.Serve(s.sock) })
	a.running.start(func(ctx context.Context) {
		<-ctx.Done()
		_ = s.proxy.Close()
	})
}

// swapServers starts the new listeners, gives the others their options, and lets the ones that are gone finish their
// requests, however long they take: a reload cuts nothing off.
func (a *Agent) swapServers(cfg *config.Config, o *opened) {
	next := map[string]*server{}
	for _, l := range cfg.Listen {
		key := l.Key()
		s := a.servers[key]
		if s != nil {
			a.reconfigure(s, l)
		} else if s = o.fresh[key]; s != nil {
			a.serve(s)
			a.log.Info("listening", "address", l.String())
		} else {
			continue // an agent that only announces
		}
		next[key] = s
	}
	for key, s := range a.servers {
		if next[key] != nil {
			continue
		}
		a.log.Info("listening no more", "address", s.conf.Address)
		a.running.start(func(ctx context.Context) { _ = s.proxy.Shutdown(ctx) })
	}
	a.setServers(next)
}

// setServers replaces the listeners, and with them those of which the metrics tell.
func (a *Agent) setServers(servers map[string]*server) {
	a.servers = servers
	shown := make([]shownServer, 0, len(servers))
	for _, s := range servers {
		shown = append(shown, shownServer{s.conf.Address, s.proxy})
	}
	slices.SortFunc(shown, func(a, b shownServer) int { return strings.Compare(a.name, b.name) })
	a.shown.Store(&shown)
}

// shownServer is a listener as the metrics, which wait for no reload, may use it.
type shownServer struct {
	name  string
	proxy *proxy.Server
}

// listeners returns what became of the connections of each.
func (a *Agent) listeners() []status.Listener {
	shown := a.shown.Load()
	if shown == nil {
		return nil
	}
	out := make([]status.Listener, 0, len(*shown))
	for _, s := range *shown {
		n := s.proxy.Stats()
		out = append(out, status.Listener{
			Name: s.name, Open: n.Open, Accepted: n.Accepted, Handshake: n.BadTLS,
			Refused: []status.Count{
				{Name: "total", N: n.RefusedConns},
				{Name: "address", N: n.RefusedPerAddr},
				{Name: "proxy", N: n.BadProxy},
				{Name: "accept", N: n.AcceptErrors},
				{Name: "panic", N: n.Panics},
			},
		})
	}
	return out
}
