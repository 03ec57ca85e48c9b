package agent

import (
	"fmt"
	"io"
	"net/netip"

	"backhand/agent/config"
	"backhand/gossip"
	"backhand/gossip/node"
	"backhand/proxy"
	"backhand/status"
)

// site makes what the proxy needs of a configuration.
func (a *Agent) site(cfg *config.Config, serves []*serve) (*proxy.Site, error) {
	routes := make([]proxy.Route, 0, len(cfg.Route))
	for _, r := range cfg.Route {
		routes = append(routes, proxyRoute(r))
	}
	table, err := proxy.NewRoutes(routes)
	if err != nil {
		return nil, fmt.Errorf("routes: %w", err)
	}
	site := &proxy.Site{
		Routes: table, StatusPath: cfg.Status.Path, Trusted: cfg.Proxy.TrustedProxies,
		Tries: cfg.Proxy.Tries, Connect: cfg.Proxy.Connect, ResponseHead: cfg.Proxy.ResponseHead,
	}
	site.Status = status.NewHandler(status.Config{
		Prefix: cfg.Status.Path, Source: a.source, Metrics: a.metrics.Handler(),
		Allow: func(addr netip.Addr) bool { return contains(cfg.Status.Allow, addr) },
	})
	for _, s := range serves {
		site.Origins = append(site.Origins, s.forProxy())
	}
	return site, nil
}

func proxyRoute(r config.Route) proxy.Route {
	return proxy.Route{Host: r.Host, Path: r.Path, Files: r.Files, Farm: r.Farm, Chain: r.Chain, WhenEmpty: r.WhenEmpty}
}

func contains(prefixes []netip.Prefix, addr netip.Addr) bool {
	for _, p := range prefixes {
		if p.Contains(addr.Unmap()) {
			return true
		}
	}
	return false
}

// physicals returns the servers without an agent that the file lists.
func physicals(cfg *config.Config) []node.Physical {
	var out []node.Physical
	for _, f := range cfg.Farm {
		for _, m := range f.Member {
			out = append(out, node.Physical{Farm: f.Name, Name: m.Name, URL: m.URL})
		}
	}
	return out
}

// openTransports opens a socket for each destination of the beats.
func openTransports(cfg *config.Config) ([]gossip.Transport, error) {
	var out []gossip.Transport
	for _, d := range cfg.Gossip.Send {
		t, err := gossip.Open(d, gossip.SocketConfig{Interface: cfg.Gossip.Interface, Source: cfg.Gossip.Source})
		if err != nil {
			closeAll(out)
			return nil, fmt.Errorf("gossip.send %v: %w", d, err)
		}
		out = append(out, t)
	}
	return out, nil
}

func closeAll[C io.Closer](all []C) {
	for _, c := range all {
		_ = c.Close()
	}
}
