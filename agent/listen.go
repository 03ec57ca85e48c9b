package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"syscall"
	"time"

	"backhand/agent/config"
)

// Bounds on what a client may make a listener keep, until the engine brings finer ones.
const (
	headTimeout = 10 * time.Second // for a request's head to come in
	maxHead     = 64 << 10
)

// server is one listening socket and those who came in by it.
type server struct {
	ln   net.Listener
	http *http.Server
}

// openServers opens the listeners of cfg that are not open yet.
func (a *Agent) openServers(cfg *config.Config) (map[string]*server, error) {
	fresh := map[string]*server{}
	if a.opt.Announce {
		return fresh, nil // the web server has the ports
	}
	for _, l := range cfg.Listen {
		if a.servers[l.Address] != nil {
			continue
		}
		ln, err := net.Listen("tcp", l.Address)
		if err != nil {
			closeServers(fresh)
			return nil, listenError(l.Address, a.ownListener(l.Address), err)
		}
		fresh[l.Address] = &server{ln: ln, http: &http.Server{
			Handler: a.handler, ReadHeaderTimeout: headTimeout, IdleTimeout: cfg.Proxy.Idle, MaxHeaderBytes: maxHead,
			ErrorLog:    slog.NewLogLogger(a.log.Handler(), slog.LevelDebug),
			BaseContext: func(net.Listener) context.Context { return a.running.ctx }, // ends upgraded connections, too
		}}
	}
	return fresh, nil
}

// listenError adds what to do about the usual reasons.
func listenError(addr, own string, err error) error {
	switch {
	case errors.Is(err, syscall.EADDRINUSE) && own != "":
		return fmt.Errorf("listen %s: this agent listens on %s, which covers that port: such a change needs a restart", addr, own)
	case errors.Is(err, syscall.EADDRINUSE):
		return fmt.Errorf("listen %s: the port is in use, perhaps by the web server or another agent: give each its own", addr)
	case errors.Is(err, syscall.EACCES):
		return fmt.Errorf("listen %s: ports below 1024 need root or CAP_NET_BIND_SERVICE", addr)
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return fmt.Errorf("listen %s: this host has no such address", addr)
	}
	return err
}

// ownListener returns the address of a listener of ours with the same port, or "".
func (a *Agent) ownListener(addr string) string {
	_, port, _ := net.SplitHostPort(addr)
	for own := range a.servers {
		if _, p, _ := net.SplitHostPort(own); p == port {
			return own
		}
	}
	return ""
}

func (s *server) run(ctx context.Context) error {
	defer context.AfterFunc(ctx, func() { _ = s.http.Close() })()
	if err := s.http.Serve(s.ln); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// shutdown stops accepting and waits for the requests under way; those that outlast ctx are cut off.
func (s *server) shutdown(ctx context.Context) {
	if s.http.Shutdown(ctx) != nil {
		_ = s.http.Close()
	}
}

func closeServers(servers map[string]*server) {
	for _, s := range servers {
		_ = s.ln.Close()
	}
}
