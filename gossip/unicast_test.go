package gossip_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"backhand/gossip"
	"backhand/gossip/gossiptest"
	"backhand/gossip/gossiptest/lab"
)

// freeAddr returns an address of this host that nobody listens at just now.
func freeAddr(t *testing.T, host string) netip.AddrPort {
	t.Helper()
	c, err := net.ListenPacket("udp", net.JoinHostPort(host, "0"))
	if err != nil {
		t.Skipf("no socket at %s: %v", host, err)
	}
	defer c.Close()
	return c.LocalAddr().(*net.UDPAddr).AddrPort()
}

func peersOf(t *testing.T, texts ...string) (out []gossip.Peer) {
	t.Helper()
	for _, text := range texts {
		p, err := gossip.ParsePeer(text)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, p)
	}
	return out
}

func listenUnicast(t *testing.T, cfg gossip.UnicastConfig) *gossip.Unicast {
	t.Helper()
	u, err := gossip.ListenUnicast(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = u.Close() })
	return u
}

func TestUnicastOnLoopback(t *testing.T) {
	for _, host := range []string{"127.0.0.1", "127.0.0.2", "::1"} {
		t.Run("from "+host, func(t *testing.T) {
			addrs := []netip.AddrPort{freeAddr(t, host), freeAddr(t, host)}
			peers := peersOf(t, addrs[0].String(), addrs[1].String())
			gossiptest.TestTransport(t, addrs[0].Addr(), func(t *testing.T) gossip.Transport {
				u, err := gossip.ListenUnicast(gossip.UnicastConfig{Listen: addrs[0], Peers: peers})
				if err != nil { // the first of the two is open
					u = listenUnicast(t, gossip.UnicastConfig{Listen: addrs[1], Peers: peers})
				}
				return u
			})
		})
	}
}

func TestUnicastSendsToAllButItself(t *testing.T) {
	var addrs []netip.AddrPort
	var texts []string
	for range 4 {
		addrs = append(addrs, freeAddr(t, "127.0.0.1"))
		texts = append(texts, addrs[len(addrs)-1].String())
	}
	peers := peersOf(t, texts...)
	var all []*gossip.Unicast
	for _, a := range addrs {
		all = append(all, listenUnicast(t, gossip.UnicastConfig{Listen: a, Peers: peers}))
	}
	if got := all[0].Fanout(); got != 3 {
		t.Errorf("one Send sends %d datagrams, want 3", got)
	}
	if got, want := all[0].String(), "peers "+strings.Join(texts[:3], ", ")+" and 1 more"; got != want {
		t.Errorf("it is called %q, want %q", got, want)
	}
	for i, u := range all {
		if err := u.Send([]byte{byte('a' + i)}); err != nil {
			t.Fatal(err)
		}
	}
	for i, u := range all {
		heard := ""
		for range 3 {
			got, err := next(u, 5*time.Second)
			if err != nil {
				t.Fatal(err)
			}
			heard += got
		}
		if want := strings.Replace("abcd", string(rune('a'+i)), "", 1); heard != want {
			t.Errorf("%d heard %q, want %q", i, heard, want)
		}
	}
}

// The usual set-up has both on one port: the group's socket is everybody's, the other is ours alone.
func TestUnicastBesideMulticast(t *testing.T) {
	dst := group()
	needLoopback(t, dst)
	mine := netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), dst.Addr.Port())
	yours := netip.AddrPortFrom(netip.MustParseAddr("127.0.0.2"), dst.Addr.Port())
	u := listenUnicast(t, gossip.UnicastConfig{Listen: mine, Peers: peersOf(t, yours.String())})
	m := open(t, dst, mine.Addr())
	other := listenUnicast(t, gossip.UnicastConfig{Listen: yours, Peers: peersOf(t, mine.String())})
	if err := m.Send([]byte("to the group")); err != nil {
		t.Fatal(err)
	}
	if err := other.Send([]byte("to one")); err != nil {
		t.Fatal(err)
	}
	if got, err := next(u, 5*time.Second); got != "to one" || err != nil {
		t.Errorf("the unicast socket hears %q, %v", got, err)
	}
	if got, err := next(m, 5*time.Second); got != "to the group" || err != nil {
		t.Errorf("the group's socket hears %q, %v", got, err)
	}
}

func TestListenUnicastRefuses(t *testing.T) {
	taken := freeAddr(t, "127.0.0.1")
	first := listenUnicast(t, gossip.UnicastConfig{Listen: taken})
	foreign := freeAddr(t, "127.0.0.1")
	c, err := net.ListenPacket("udp4", foreign.String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for addr, want := range map[string]string{
		taken.String():      "another agent of this host has that address: set gossip.listen",
		foreign.String():    "address already in use",
		"0.0.0.0:4445":      "is no address to listen at",
		"239.1.2.3:4445":    "is no address to listen at",
		"[fe80::1]:4445":    "is no address to listen at",
		"127.0.0.1:0":       "is no address to listen at",
		"203.0.113.7:31234": "cannot assign requested address",
	} {
		t.Run(addr, func(t *testing.T) {
			_, err := gossip.ListenUnicast(gossip.UnicastConfig{Listen: netip.MustParseAddrPort(addr)})
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%v, want an error about %q", err, want)
			}
		})
	}
	if _, err := gossip.ListenUnicast(gossip.UnicastConfig{}); err == nil {
		t.Error("it listens without an address")
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	again := listenUnicast(t, gossip.UnicastConfig{Listen: taken}) // what is closed is free
	if err := again.Send([]byte("to nobody")); err != nil || again.Fanout() != 0 {
		t.Errorf("without peers Send gives %v, Fanout %d", err, again.Fanout())
	}
}

func TestPeerThatCannotBeSentTo(t *testing.T) {
	good, bad := freeAddr(t, "127.0.0.2"), "203.0.113.7:4445" // from loopback nothing leaves the host
	var log lockedLog
	u := listenUnicast(t, gossip.UnicastConfig{
		Listen: freeAddr(t, "127.0.0.1"), Peers: peersOf(t, bad, good.String()), Log: slog.New(slog.NewTextHandler(&log, nil)),
	})
	for range 3 {
		if err := u.Send([]byte("x")); err != nil {
			t.Errorf("one of two is reached, and Send gives %v", err)
		}
	}
	if said := log.String(); strings.Count(said, "\n") != 1 || !strings.Contains(said, "peers=1 of=2") || !strings.Contains(said, bad) {
		t.Errorf("it said:\n%s", said)
	}
	u.SetPeers(peersOf(t, bad))
	if err := u.Send([]byte("x")); err == nil || !strings.Contains(err.Error(), bad) {
		t.Errorf("nobody is reached, and Send gives %v", err)
	}
	u.SetPeers(peersOf(t, good.String()))
	if err := u.Send([]byte("x")); err != nil {
		t.Error(err)
	}
	if said := log.String(); strings.Count(said, "\n") != 2 || !strings.Contains(said, "for all peers again") {
		t.Errorf("it said:\n%s", said)
	}
}

// lockedLog is a log that a test reads while it is written.
type lockedLog struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedLog) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(b)
}

func (l *lockedLog) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// stuck is a name service that does not answer.
type stuck struct{ asked chan string }

func (s *stuck) LookupNetIP(ctx context.Context, _, host string) ([]netip.Addr, error) {
	s.asked <- host
	<-ctx.Done()
	return nil, ctx.Err()
}

func (s *stuck) LookupSRV(ctx context.Context, _, _, name string) (string, []*net.SRV, error) {
	_, err := s.LookupNetIP(ctx, "", name)
	return "", nil, err
}

func TestNoLookupBlocksSendOrClose(t *testing.T) {
	other := freeAddr(t, "127.0.0.2")
	s := &stuck{asked: make(chan string, 4)}
	u := listenUnicast(t, gossip.UnicastConfig{
		Listen: freeAddr(t, "127.0.0.1"), Peers: peersOf(t, "web.example:1", "_a._udp.example", other.String()), Resolver: s,
	})
	end := listenUnicast(t, gossip.UnicastConfig{Listen: other})
	<-s.asked
	<-s.asked // both names are being looked up
	if err := u.Send([]byte("now")); err != nil {
		t.Fatal(err)
	}
	if got, err := next(end, 5*time.Second); got != "now" || err != nil {
		t.Errorf("heard %q, %v", got, err)
	}
	closed := make(chan error)
	go func() { closed <- u.Close() }()
	select {
	case err := <-closed:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(5 * time.Second):
		t.Error("Close waits for names")
	}
	u.SetPeers(peersOf(t, "late.example:1"))
	if err := u.Send(nil); !errors.Is(err, net.ErrClosed) || len(s.asked) != 0 {
		t.Errorf("after Close: Send %v, %d lookups", err, len(s.asked))
	}
}

// slowToEnd is a name service that does not answer, and takes a second to see that nobody waits any more.
type slowToEnd struct{ *stuck }

func (s slowToEnd) LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error) {
	defer time.Sleep(time.Second)
	return s.stuck.LookupNetIP(ctx, network, host)
}

func TestCloseWaitsForLookupsToEnd(t *testing.T) {
	listen := freeAddr(t, "127.0.0.1")
	synctest.Test(t, func(t *testing.T) {
		s := slowToEnd{&stuck{asked: make(chan string, 2)}}
		u, err := gossip.ListenUnicast(gossip.UnicastConfig{Listen: listen, Peers: peersOf(t, "web.example:1"), Resolver: s})
		if err != nil {
			t.Fatal(err)
		}
		for _, end := range []func(){func() { u.SetPeers(peersOf(t, "www.example:1")) }, func() { _ = u.Close() }} {
			<-s.asked
			before := time.Now()
			end()
			if took := time.Since(before); took != time.Second {
				t.Errorf("it waited %v, want until the lookup has ended", took)
			}
		}
	})
}

func TestPeersChangeWhileBeatsAreSent(t *testing.T) {
	s := &stuck{asked: make(chan string, 1000)}
	u := listenUnicast(t, gossip.UnicastConfig{Listen: freeAddr(t, "127.0.0.1"), Resolver: s})
	lists := [][]gossip.Peer{
		peersOf(t, "web.example:1", freeAddr(t, "127.0.0.2").String()), peersOf(t, freeAddr(t, "127.0.0.3").String(), "web.example:1"), nil,
	}
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			for j := range 50 {
				if i == 0 {
					u.SetPeers(lists[j%len(lists)])
				}
				if err := u.Send([]byte("x")); err != nil && !errors.Is(err, net.ErrClosed) {
					t.Error(err)
				}
				if n := u.Fanout(); n > 1 || u.String() == "" {
					t.Errorf("%v sends %d datagrams", u, n)
				}
			}
			_ = u.Close()
		})
	}
	wg.Wait()
}

func TestUnicastAllocatesNothing(t *testing.T) {
	a, b := freeAddr(t, "127.0.0.1"), freeAddr(t, "127.0.0.1")
	from := listenUnicast(t, gossip.UnicastConfig{Listen: a, Peers: peersOf(t, b.String())})
	to := listenUnicast(t, gossip.UnicastConfig{Listen: b})
	buf, beat := make([]byte, 2048), make([]byte, 300)
	if got := testing.AllocsPerRun(100, func() {
		if err := from.Send(beat); err != nil {
			t.Fatal(err)
		}
		if _, _, err := to.Receive(buf); err != nil {
			t.Fatal(err)
		}
	}); got != 0 {
		t.Errorf("%v allocations a datagram, want 0", got)
	}
}

// nameServer answers by DNS, from a real socket, as long as the test runs.
type nameServer struct {
	conn net.PacketConn

	mu sync.Mutex
	a  map[string][]string // addresses of a name, with the dot at its end
}

func newNameServer(t *testing.T) *nameServer {
	t.Helper()
	c, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &nameServer{conn: c, a: map[string][]string{}}
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.serve()
	}()
	t.Cleanup(func() {
		c.Close()
		<-done
	})
	return s
}

func (s *nameServer) set(name string, addrs ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.a[name] = addrs
}

// resolver is Go's own, which asks this server alone.
func (s *nameServer) resolver() *net.Resolver {
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "udp", s.conn.LocalAddr().String())
	}}
}

func (s *nameServer) serve() {
	b := make([]byte, 1500)
	for {
		n, from, err := s.conn.ReadFrom(b)
		if err != nil {
			return
		}
		var m dnsmessage.Message
		if m.Unpack(b[:n]) != nil || len(m.Questions) != 1 {
			continue
		}
		m.Response, m.Authoritative, m.Additionals = true, true, nil
		q := m.Questions[0]
		m.Answers = s.answers(q)
		if m.Answers == nil && !s.knows(q.Name.String()) {
			m.RCode = dnsmessage.RCodeNameError
		}
		if answer, err := m.Pack(); err == nil {
			_, _ = s.conn.WriteTo(answer, from) // what is lost is asked for again
		}
	}
}

func (s *nameServer) knows(name string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.a[name] != nil
}

func (s *nameServer) answers(q dnsmessage.Question) (out []dnsmessage.Resource) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, text := range s.a[q.Name.String()] {
		r := dnsmessage.Resource{Header: dnsmessage.ResourceHeader{Name: q.Name, Type: q.Type, Class: q.Class, TTL: 1}}
		ap, err := netip.ParseAddr(text)
		switch target, port, isSRV := strings.Cut(text, " "); {
		case isSRV && q.Type == dnsmessage.TypeSRV:
			var n uint16
			fmt.Sscan(port, &n)
			r.Body = &dnsmessage.SRVResource{Port: n, Target: dnsmessage.MustNewName(target)}
		case err == nil && ap.Is4() && q.Type == dnsmessage.TypeA:
			r.Body = &dnsmessage.AResource{A: ap.As4()}
		case err == nil && ap.Is6() && q.Type == dnsmessage.TypeAAAA:
			r.Body = &dnsmessage.AAAAResource{AAAA: ap.As16()}
		default:
			continue
		}
		out = append(out, r)
	}
	return out
}

func TestPeersByDNS(t *testing.T) {
	server := newNameServer(t)
	one, two := freeAddr(t, "127.0.0.2"), freeAddr(t, "127.0.0.3")
	server.set("web.example.", "127.0.0.2", "2001:db8::2")
	server.set("two.example.", "127.0.0.3")
	server.set("_backhand._udp.example.", fmt.Sprintf("web.example. %d", one.Port()), fmt.Sprintf("two.example. %d", two.Port()))
	for name, tc := range map[string]struct {
		peers []string
		both  bool
	}{
		"an A record beside one of AAAA": {[]string{fmt.Sprintf("web.example.:%d", one.Port())}, false},
		"SRV records":                    {[]string{"_backhand._udp.example."}, true},
		"one of two names is unknown":    {[]string{"nobody.example.:1", fmt.Sprintf("two.example.:%d", two.Port()), fmt.Sprintf("web.example.:%d", one.Port())}, true},
	} {
		t.Run(name, func(t *testing.T) {
			u := listenUnicast(t, gossip.UnicastConfig{
				Listen: freeAddr(t, "127.0.0.1"), Peers: peersOf(t, tc.peers...), Resolver: server.resolver(),
			})
			ears := []*gossip.Unicast{listenUnicast(t, gossip.UnicastConfig{Listen: one})}
			if tc.both {
				ears = append(ears, listenUnicast(t, gossip.UnicastConfig{Listen: two}))
			}
			lab.Eventually(t, 10*time.Second, func() error {
				if got := u.Fanout(); got != len(ears) {
					return fmt.Errorf("%d addresses are known, want %d", got, len(ears))
				}
				return nil
			})
			if err := u.Send([]byte("by name")); err != nil {
				t.Fatal(err)
			}
			for _, ear := range ears {
				if got, err := next(ear, 5*time.Second); got != "by name" || err != nil {
					t.Errorf("heard %q, %v", got, err)
				}
			}
		})
	}
}
