package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"reflect"
	"sync"
	"time"

	"github.com/pires/go-proxyproto"

	"backhand/agent/config"
	"backhand/gossip/node"
	"backhand/gossip/sampler"
	"backhand/proxy"
)

// serve is a farm that this host serves: its origin's health, and the count of its requests.
type serve struct {
	cfg    config.Serve
	origin *sampler.Origin
	meter  *node.Meter
	said   trouble            // about the origin's status page
	down   trouble            // with the origin itself
	stop   context.CancelFunc // ends the probes; nil while none run
}

// newServes makes one of each [[serve]]. One that stands in old unchanged is taken over with its health, and one whose
// farm stands there with its counts.
func newServes(cfgs []config.Serve, old []*serve) ([]*serve, error) {
	out := make([]*serve, 0, len(cfgs))
	for _, c := range cfgs {
		before := serveOf(old, c.Farm)
		if before != nil && sameServe(before.cfg, c) {
			out = append(out, before)
			continue
		}
		origin, err := sampler.NewOrigin(sampler.OriginConfig{
			Farm: c.Farm, URL: c.Origin, Check: c.Check, StatusURL: c.StatusURL,
			TLS: newClientTLS(c.Reach.Identity), Dial: dialCheck(c.Reach, c.Origin),
		})
		if err != nil {
			return nil, fmt.Errorf("origin of farm %q: %w", c.Farm, err)
		}
		s := &serve{cfg: c, origin: origin}
		if before != nil {
			s.meter = before.meter
		} else {
			s.meter = node.NewMeter(c.Capacity, time.Now())
		}
		out = append(out, s)
	}
	return out, nil
}

// sameServe reports whether two say the same, certificates included.
func sameServe(a, b config.Serve) bool {
	sameRoots := a.Reach.Identity.Roots.Equal(b.Reach.Identity.Roots)
	a.Reach.Identity.Roots, b.Reach.Identity.Roots = nil, nil
	return sameRoots && reflect.DeepEqual(a, b)
}

// dialCheck returns how the health of a web server is asked for: of one that expects the PROXY protocol with a header that
// says that nobody is proxied. nil is the default.
func dialCheck(r config.Reach, server *url.URL) func(ctx context.Context, network, addr string) (net.Conn, error) {
	if r.SendProxy == 0 {
		return nil
	}
	header := proxyproto.Header{
		Version: byte(r.SendProxy), Command: proxyproto.LOCAL, TransportProtocol: proxyproto.UNSPEC,
	}
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := new(net.Dialer).DialContext(ctx, network, addr)
		if err != nil || addr != node.HostPort(server) { // the status page may be elsewhere
			return conn, err
		}
		if _, err := header.WriteTo(conn); err != nil {
			_ = conn.Close()
			return nil, err
		}
		return conn, nil
	}
}

func serveOf(serves []*serve, farm string) *serve {
	for _, s := range serves {
		if s.cfg.Farm == farm {
			return s
		}
	}
	return nil
}

// service returns what is announced of the farm, of which a busy slot completes mu requests a second as a rule; 0 if that
// is not known.
func (s *serve) service(now time.Time, mu float64, log *slog.Logger) node.Service {
	svc := node.Service{Farm: s.cfg.Farm, Workers: s.cfg.Workers}
	s.meter.SetPrior(mu)
	s.meter.Read(&svc, now)
	svc.Ready, svc.Why = s.origin.Ready()
	s.tell(&svc, log)
	if busy, workers, ok := s.origin.Busy(); ok {
		svc.Busy = busy
		if svc.Workers == 0 {
			svc.Workers = workers
		}
	}
	return svc
}

// tell logs when the origin, or its status page, goes down or is back.
func (s *serve) tell(svc *node.Service, log *slog.Logger) {
	log = log.With("farm", s.cfg.Farm)
	const down = "the origin is down"
	switch {
	case svc.Ready:
		s.down.note(log, down, nil)
		s.said.note(log, "status_url cannot be read; how many workers are busy is not known", s.origin.StatusError())
	case svc.Why != sampler.NotChecked: // and nobody asks for its page
		s.down.note(log, down, errors.New(svc.Why))
	}
}

// originOf returns the origin as the proxy sees it.
func (a *Agent) originOf(s *serve) *proxy.Origin {
	return &proxy.Origin{
		Reach: a.reach(s.cfg.Reach),
		Farm:  s.cfg.Farm, URL: s.cfg.Origin, Meter: s.meter, Default: s.cfg.Default,
		Ready: s.origin.Ready, ConnectFailed: s.origin.NoteConnectFailure,
	}
}

// probeAll asks every origin once and waits for the answers, so that the first beat and the first request know them.
func (a *Agent) probeAll(ctx context.Context) { probe(ctx, *a.serves.Load()) }

func probe(ctx context.Context, serves []*serve) {
	var wg sync.WaitGroup
	for _, s := range serves {
		if s.stop == nil {
			wg.Go(func() { s.origin.Probe(ctx) })
		}
	}
	wg.Wait()
}

// startProbes keeps asking the origins that are not being asked yet. Called with reloading held.
func (a *Agent) startProbes(serves []*serve) {
	interval := a.config.Load().Gossip.Interval
	for _, s := range serves {
		if s.stop != nil {
			continue
		}
		ctx, stop := context.WithCancel(a.running.ctx)
		s.stop = stop
		a.running.start(func(context.Context) { s.origin.Run(ctx, interval, a.changed) })
	}
}

// stopProbes ends the probes of those in old that are not in kept.
func stopProbes(old, kept []*serve) {
	for _, s := range old {
		if s.stop != nil && serveOf(kept, s.cfg.Farm) != s {
			s.stop()
			s.stop = nil
		}
	}
}

var errNoReload = errors.New("this agent was started without a file, so that there is nothing to reload")
