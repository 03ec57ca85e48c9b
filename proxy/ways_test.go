package proxy_test

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"testing"
	"time"

	"backhand/candidacy"
	"backhand/gossip/node"
	"backhand/proxy"
)

// ways are those on which a request gets from a client to a web server, over real sockets.
var ways = map[string]func(t *testing.T, server *url.URL, cfg proxy.ServerConfig) (front string){
	"one agent":  oneAgent,
	"two agents": twoAgents,
}

// oneAgent is a front with an origin of its own.
func oneAgent(t *testing.T, server *url.URL, cfg proxy.ServerConfig) string {
	t.Helper()
	ln := listenAt(t, "127.0.0.1")
	runAgent(t, "front", ln, cfg, nil, &proxy.Site{Origins: []*proxy.Origin{ownOrigin(server)}})
	return ln.Addr().String()
}

// twoAgents is a front that hands everything to another agent, behind which the server is.
func twoAgents(t *testing.T, server *url.URL, cfg proxy.ServerConfig) string {
	t.Helper()
	front, member := listenAt(t, "127.0.0.2"), listenAt(t, "127.0.0.3")
	agent := func(name string, ln net.Listener, farms ...node.Service) *node.Node {
		return &node.Node{
			ID: named(name), Name: name, Addr: netip.MustParseAddrPort(ln.Addr().String()), State: node.Up, Interval: time.Minute,
			Heard: time.Now(), Services: farms,
		}
	}
	nodes := []*node.Node{agent("front", front), agent("www1", member, node.Service{Farm: "web", Ready: true})}
	chain, errs := candidacy.Builtin().Parse(nil)
	if errs != nil {
		t.Fatal(errs)
	}
	routes, err := proxy.NewRoutes([]proxy.Route{{Farm: "web", Chain: chain}})
	if err != nil {
		t.Fatal(err)
	}
	runAgent(t, "front", front, cfg, nodes, &proxy.Site{Routes: routes})
	runAgent(t, "www1", member, proxy.ServerConfig{}, nodes, &proxy.Site{Origins: []*proxy.Origin{ownOrigin(server)}})
	return front.Addr().String()
}

func named(name string) (id node.ID) {
	copy(id[:], name)
	return id
}

func ownOrigin(server *url.URL) *proxy.Origin {
	return &proxy.Origin{Farm: "web", URL: server, Meter: node.NewMeter(4, time.Now())}
}

func listenAt(t *testing.T, addr string) net.Listener {
	t.Helper()
	ln, err := net.Listen("tcp", addr+":0")
	if err != nil {
		t.Fatal(err)
	}
	return ln
}

// runAgent serves at ln as a node of that name among others, until the test ends.
func runAgent(t *testing.T, name string, ln net.Listener, cfg proxy.ServerConfig, nodes []*node.Node, s *proxy.Site) {
	t.Helper()
	snap := node.NewSnapshot(node.Parts{Taken: time.Now(), Self: named(name), Nodes: nodes, Live: node.NewLiveSet()})
	h := proxy.New(proxy.Config{
		Self: named(name), Snapshot: func() *node.Snapshot { return snap },
		LocalAddr: netip.MustParseAddrPort(ln.Addr().String()).Addr,
		Accept:    netip.MustParsePrefix("127.0.0.0/8").Contains,
	}, s)
	srv := h.NewServer(cfg)
	go func() { _ = srv.Serve(ln) }()
	t.Cleanup(func() {
		_ = srv.Close()
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := h.Drain(ctx); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	})
}

// testTLS returns what a listener needs to speak TLS, and what a client does to believe it.
func testTLS(t *testing.T) (server, client *tls.Config) {
	t.Helper()
	s := httptest.NewTLSServer(nil) // for its certificate, which is for example.com, too
	defer s.Close()
	roots := s.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs
	return &tls.Config{Certificates: s.TLS.Certificates}, &tls.Config{RootCAs: roots, ServerName: "example.com"}
}
