package agent

import (
	"crypto/tls"
	"fmt"
	"io"
	"net/netip"
	"slices"

	"backhand/agent/config"
	"backhand/proxy"
	"backhand/proxy/h1"
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
		Routes: table, StatusPath: cfg.Status.Path, Trusted: cfg.Proxy.TrustedProxies, ClientIP: cfg.Proxy.ClientIP,
		Protocols: cfg.Proxy.Upgrade, MaxBody: cfg.Proxy.MaxBody,
		Limits: &h1.Limits{Head: cfg.Proxy.MaxHead, Fields: cfg.Proxy.MaxFields, Line: cfg.Proxy.MaxLine},
		Agents: proxy.Reach{TLS: a.clientTLS(cfg.Node.Identity)}, Physicals: map[string]proxy.Reach{},
	}
	site.Cookie = cfg.Cookie
	setTimes(site, cfg.Proxy)
	for _, f := range cfg.Farm {
		site.Physicals[f.Name] = a.reach(f.Reach)
	}
	site.Status = status.NewHandler(status.Config{
		Prefix: cfg.Status.Path, Source: a.source, Metrics: a.metrics.Handler(),
		Allow: func(addr netip.Addr) bool { return contains(cfg.Status.Allow, addr) },
	})
	for _, s := range serves {
		site.Origins = append(site.Origins, a.originOf(s))
	}
	a.forgetClients(site)
	return site, nil
}

// setTimes takes over how long each part of a request may take.
func setTimes(site *proxy.Site, c config.Proxy) {
	site.Tries, site.Connect, site.ResponseHead = c.Tries, c.Connect, c.ResponseHead
	site.ResponseIdle, site.Total, site.TunnelIdle = c.ResponseIdle, c.Total, c.TunnelIdle
	site.ClientHead, site.ClientIdle, site.KeepAlive = c.ClientHead, c.ClientIdle, c.Idle
}

// reach returns how members are reached, as the proxy has it.
func (a *Agent) reach(r config.Reach) proxy.Reach {
	return proxy.Reach{
		TLS: a.clientTLS(r.Identity), ProxyProtocol: r.SendProxy, Conns: r.Connections, Queue: r.Queue, Idle: r.Idle,
	}
}

// clientTLS returns how servers of that identity are dialled; nil is the default. While there is one of the same identity,
// that is returned: the proxy keeps connections as long as theirs stays. Called by New, and then with reloading held.
func (a *Agent) clientTLS(id config.Identity) *tls.Config {
	fresh := newClientTLS(id)
	if fresh == nil {
		return nil
	}
	for _, c := range a.clients {
		if c.ServerName == fresh.ServerName && c.RootCAs.Equal(fresh.RootCAs) {
			return c
		}
	}
	a.clients = append(a.clients, fresh)
	return fresh
}

func newClientTLS(id config.Identity) *tls.Config {
	if id.Roots == nil && id.ServerName == "" {
		return nil
	}
	return &tls.Config{RootCAs: id.Roots, ServerName: id.ServerName, MinVersion: tls.VersionTLS12}
}

// forgetClients drops those that a site does not use.
func (a *Agent) forgetClients(site *proxy.Site) {
	used := []*tls.Config{site.Agents.TLS}
	for _, r := range site.Physicals {
		used = append(used, r.TLS)
	}
	for _, o := range site.Origins {
		used = append(used, o.Reach.TLS)
	}
	a.clients = slices.DeleteFunc(a.clients, func(c *tls.Config) bool { return !slices.Contains(used, c) })
}

func proxyRoute(r config.Route) proxy.Route {
	return proxy.Route{
		Host: r.Host, Path: r.Path, Files: r.Files, Farm: r.Farm, To: r.To, Chain: r.Chain, WhenEmpty: r.WhenEmpty,
		RetryOn: r.RetryOn, ErrorOn: r.ErrorOn,
	}
}

func contains(prefixes []netip.Prefix, addr netip.Addr) bool {
	for _, p := range prefixes {
		if p.Contains(addr.Unmap()) {
			return true
		}
	}
	return false
}

func closeAll[C io.Closer](all []C) {
	for _, c := range all {
		_ = c.Close()
	}
}
