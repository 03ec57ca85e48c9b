package proxy

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"backhand/candidacy"
	"backhand/gossip/node"
)

// Over real sockets on loopback: a front at 127.0.0.2 hands requests to an agent at 127.0.0.3, many at once.
func TestAgentsOverTCP(t *testing.T) {
	backend := httptest.NewServer(named("origin"))
	defer backend.Close()
	u, _ := url.Parse(backend.URL)
	listen := func(addr string) net.Listener {
		ln, err := net.Listen("tcp", addr+":0")
		if err != nil {
			t.Skipf("this system has no address %s: %v", addr, err)
		}
		return ln
	}
	frontLn, memberLn := listen("127.0.0.2"), listen("127.0.0.3")
	addr := func(l net.Listener) netip.AddrPort { return netip.MustParseAddrPort(l.Addr().String()) }
	now := time.Now()
	nodes := []*node.Node{
		{ID: idOf("front"), Name: "front", Addr: addr(frontLn), State: node.Up, Interval: time.Second, Heard: now},
		{
			ID: idOf("www1"), Name: "www1", Addr: addr(memberLn), State: node.Up, Interval: time.Second, Heard: now,
			Services: []node.Service{{Farm: "web", Ready: true}},
		},
	}
	routes, err := NewRoutes([]Route{{Farm: "web", Chain: anyChain(t)}})
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var hops int
	start := func(name string, ln net.Listener, s *Site) *Handler {
		snap := node.NewSnapshot(node.Parts{Taken: now, Self: idOf(name), Nodes: nodes, Live: node.NewLiveSet()})
		h := New(Config{
			Self: idOf(name), Snapshot: func() *node.Snapshot { return snap }, LocalAddr: addr(ln).Addr,
			Accept: netip.MustParsePrefix("127.0.0.0/8").Contains,
			Done: func(o *Outcome) {
				mu.Lock()
				defer mu.Unlock()
				if o.Hop {
					hops++
				}
			},
		}, s)
		srv := h.NewServer(ServerConfig{})
		go func() { _ = srv.Serve(ln) }()
		t.Cleanup(func() { _ = srv.Close(); _ = h.Drain(context.Background()) })
		return h
	}
	start("front", frontLn, &Site{Routes: routes})
	member := start("www1", memberLn, &Site{Origins: []*Origin{{Farm: "web", URL: u, Meter: node.NewMeter(4, now)}}})
	postMany(t, "http://"+frontLn.Addr().String()+"/", 8, 20)
	if err := member.Drain(t.Context()); err != nil { // returns after the last Done
		t.Fatal(err)
	}
	mu.Lock()
	defer mu.Unlock()
	if hops != 160 {
		t.Errorf("%d requests came over a hop that was believed, want 160", hops)
	}
}

// postMany posts from several clients at the same time, and expects what the origin says.
func postMany(t *testing.T, url string, clients, each int) {
	var wg sync.WaitGroup
	for range clients {
		wg.Go(func() {
			client := &http.Client{Transport: &http.Transport{}}
			defer client.CloseIdleConnections()
			for range each {
				res, err := client.Post(url, "text/plain", strings.NewReader("hi"))
				if err != nil {
					t.Error(err)
					return
				}
				b, _ := io.ReadAll(res.Body)
				_ = res.Body.Close()
				if res.StatusCode != 200 || string(b) != "origin" {
					t.Errorf("%d %q", res.StatusCode, b)
				}
			}
		})
	}
	wg.Wait()
}

func TestDialAgentUsesOurAddress(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	for from, want := range map[string]string{"127.0.0.9": "127.0.0.9", "::1": "127.0.0.1", "": "127.0.0.1"} {
		a, _ := netip.ParseAddr(from)
		c, err := dialAgent(t.Context(), a, ln.Addr().String())
		if err != nil {
			t.Errorf("from %q: %v", from, err)
			continue
		}
		if got, _, _ := net.SplitHostPort(c.LocalAddr().String()); got != want {
			t.Errorf("from %q: dialled from %s, want %s", from, got, want)
		}
		_ = c.Close()
	}
}

// A physical that speaks TLS, once with a certificate that we know and once with one that we do not.

// A physical that speaks TLS, once with a certificate that we know and once with one that we do not.
func TestTLSMember(t *testing.T) {
	srv := httptest.NewTLSServer(named("secret"))
	srv.Config.ErrorLog = nil
	defer srv.Close()
	u, _ := url.Parse(srv.URL)
	chain, _ := candidacy.NewRegistry().Parse(nil)
	routes, err := NewRoutes([]Route{{Farm: "web", Chain: chain}})
	if err != nil {
		t.Fatal(err)
	}
	roots := srv.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs
	for _, tc := range []struct {
		what   string
		tls    *tls.Config
		status int
	}{
		{"known", &tls.Config{RootCAs: roots}, 200},
		{"unknown", nil, 502},
	} {
		live := node.NewLiveSet()
		snap := node.NewSnapshot(node.Parts{
			Taken: time.Now(), Live: live, Physicals: []node.Physical{{Farm: "web", Name: "p", URL: u}},
		})
		h := New(Config{Snapshot: func() *node.Snapshot { return snap }}, &Site{
			Routes: routes, Physicals: map[string]Reach{"web": {TLS: tc.tls}},
		})
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		front := h.NewServer(ServerConfig{})
		go func() { _ = front.Serve(ln) }()
		res, err := http.Get("http://" + ln.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		m := snap.Farm("web").Members[0]
		if res.StatusCode != tc.status || m.Live.Unreachable(time.Now()) != (tc.status == 502) {
			t.Errorf("a certificate that is %s: %d, unreachable %v", tc.what, res.StatusCode, m.Live.Unreachable(time.Now()))
		}
		_ = front.Close()
		_ = h.Drain(t.Context())
	}
}
