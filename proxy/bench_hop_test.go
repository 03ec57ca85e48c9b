package proxy

import (
	"bytes"
	"net"
	"net/netip"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"backhand/gossip/node"
)

// newPlainHop is a plain whose front hands each request to an agent, with a limit, and the agent to its origin.
func newPlainHop(tb testing.TB, proof Proof) *plain {
	answer := []byte("HTTP/1.1 200 OK\r\nDate: Sat, 01 Jan 2000 00:00:00 GMT\r\nServer: nginx\r\nContent-Type: text/html\r\n" +
		"Content-Length: 1024\r\n\r\n" + strings.Repeat("x", 1024))
	server := listenLoopback(tb, func(c net.Conn) {
		buf := make([]byte, 8<<10)
		for {
			n, err := c.Read(buf)
			if err != nil || !bytes.HasSuffix(buf[:n], []byte("\r\n\r\n")) {
				return
			}
			if _, err := c.Write(answer); err != nil {
				return
			}
		}
	})
	frontLn, agentLn, idleLn := listenAt(tb, "127.0.0.2"), listenAt(tb, "127.0.0.3"), listenAt(tb, "127.0.0.4")
	addr := func(ln net.Listener) netip.AddrPort { return netip.MustParseAddrPort(ln.Addr().String()) }
	now := time.Now()
	nodes := []*node.Node{{ID: idOf("front"), Name: "front", Addr: addr(frontLn), State: node.Up, Interval: time.Second, Heard: now}}
	for name, ln := range map[string]net.Listener{"www1": agentLn, "www2": idleLn} {
		nodes = append(nodes, &node.Node{
			ID: idOf(name), Name: name, Addr: addr(ln), State: node.Up, Interval: time.Second, Heard: now,
			Services: []node.Service{{Farm: "web", Ready: true}},
		})
	}
	chain, errs := testRegistry().Parse([]string{"first www1", "limit 1 2", "predict"})
	if errs != nil {
		tb.Fatal(errs)
	}
	routes, err := NewRoutes([]Route{{Farm: "web", Chain: chain}})
	if err != nil {
		tb.Fatal(err)
	}
	start := func(name string, ln net.Listener, s *Site) {
		snap := node.NewSnapshot(node.Parts{Taken: now, Self: idOf(name), Nodes: nodes, Live: node.NewLiveSet()})
		h := New(Config{
			Self: idOf(name), Snapshot: func() *node.Snapshot { return snap }, LocalAddr: addr(ln).Addr,
			Accept: netip.MustParsePrefix("127.0.0.0/8").Contains, Done: func(*Outcome) {}, Proof: proof,
		}, s)
		srv := h.NewServer(ServerConfig{})
		var wg sync.WaitGroup
		wg.Go(func() { _ = srv.Serve(ln) })
		tb.Cleanup(func() { _ = srv.Close(); wg.Wait(); h.members.closeIdle() })
	}
	start("front", frontLn, &Site{Routes: routes})
	own := &Origin{Farm: "web", URL: mustURL("http://" + server.Addr().String()), Meter: node.NewMeter(4, now)}
	start("www1", agentLn, &Site{Origins: []*Origin{own}})
	return newPlainClient(tb, frontLn.Addr().String())
}

// listenAt listens at an address of loopback.
func listenAt(tb testing.TB, addr string) net.Listener {
	ln, err := net.Listen("tcp", addr+":0")
	if err != nil {
		tb.Skipf("this system has no address %s: %v", addr, err)
	}
	tb.Cleanup(func() { _ = ln.Close() })
	return ln
}

// On the path of a plain request over a hop, neither the front nor the agent allocates, although they tell one another
// how busy they are.
func TestHopAllocatesNothing(t *testing.T) { testHopAllocatesNothing(t, nil) }

// Nor do they if they sign what they say, as far as that is in our hands.
func TestSignedHopAllocatesNothing(t *testing.T) {
	testHopAllocatesNothing(t, newKeyed("secret", enforce))
}

func testHopAllocatesNothing(t *testing.T, proof Proof) {
	p := newPlainHop(t, proof)
	info, _ := debug.ReadBuildInfo() // with -race a sync.Pool forgets things at random
	race := slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"})
	if n := testing.AllocsPerRun(1000, func() { p.get(t) }); n != 0 && !race {
		t.Errorf("a request allocates %v times", n)
	}
}

func BenchmarkPlainGETOverHop(b *testing.B) { benchmarkHop(b, nil) }

func BenchmarkPlainGETOverSignedHop(b *testing.B) { benchmarkHop(b, newKeyed("secret", enforce)) }

func benchmarkHop(b *testing.B, proof Proof) {
	p := newPlainHop(b, proof)
	b.ReportAllocs()
	for b.Loop() {
		p.get(b)
	}
}
