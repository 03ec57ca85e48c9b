package agent

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"backhand/gossip"
	"backhand/gossip/node"
	"backhand/gossip/wire"
)

// beatsOf returns what an agent of cluster "test" announces to that destination on this host, as it comes.
func beatsOf(t *testing.T, to string) <-chan node.Node {
	t.Helper()
	dst, err := gossip.ParseDestination(to)
	if err != nil {
		t.Fatal(err)
	}
	tr, err := gossip.Open(dst, gossip.SocketConfig{Source: netip.MustParseAddr("127.0.0.1")})
	if err != nil {
		t.Fatal(err)
	}
	out, done := make(chan node.Node, 100), make(chan struct{})
	go func() {
		defer close(done)
		parser := wire.NewParser(wire.HashCluster("test"))
		b := make([]byte, 2048)
		for {
			n, _, err := tr.Receive(b)
			if err != nil {
				return
			}
			var beat wire.Beat
			if parser.Parse(b[:n], nil, &beat) == nil {
				out <- beat.Node
			}
		}
	}()
	t.Cleanup(func() {
		_ = tr.Close()
		<-done
	})
	return out
}

// With an interval of a minute whatever comes within seconds of a change comes because of it.
func TestEachChangeIsAnnouncedAtOnce(t *testing.T) {
	origin := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "hello") }))
	defer origin.Close()
	at := strings.TrimPrefix(origin.URL, "http://")
	_, port, _ := net.SplitHostPort(freePort(t))
	to := "239.255.58.4:" + port + ",0"
	file := fmt.Sprintf(`{head}
[gossip]
send     = [%q]
accept   = ["127.0.0.1/32"]
interval = "60s"
[proxy]
drain = "1s"
[[serve]]
farm     = "web"
origin   = "http://%s"
capacity = CAPACITY
`, to, at)
	beats := beatsOf(t, to)
	f := start(t, strings.Replace(file, "CAPACITY", "4", 1), Options{})
	next := func(change, want string, holds func(n *node.Node) bool) {
		t.Helper()
		for timeout := time.After(5 * time.Second); ; {
			select {
			case n := <-beats:
				if holds(&n) {
					return
				}
			case <-timeout:
				t.Fatalf("%s, and no beat says %s", change, want)
			}
		}
	}
	next("it has started", "that it is up and ready", func(n *node.Node) bool {
		return n.State == node.Up && n.Sequence >= 3 && n.Services[0].Ready
	})
	do := func(what func() error) {
		t.Helper()
		if err := what(); err != nil {
			t.Fatal(err)
		}
	}
	do(f.Drain)
	next("it drains", "so", func(n *node.Node) bool { return n.State == node.Draining })
	do(f.Undrain)
	next("it drains no more", "so", func(n *node.Node) bool { return n.State == node.Up })
	f.write(strings.Replace(file, "CAPACITY", "7", 1))
	do(f.Reload)
	next("its capacity changed", "so", func(n *node.Node) bool { return n.Services[0].Slots == 7 })

	ln := origin.Listener
	_ = ln.Close()
	if status, _ := f.get("/"); status != http.StatusBadGateway && status != http.StatusServiceUnavailable {
		t.Errorf("without an origin: %d", status)
	}
	next("a request could not connect to the origin", "that it is down", func(n *node.Node) bool { return !n.Services[0].Ready })
	again, err := net.Listen("tcp", at)
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	for range 2 {
		(*f.serves.Load())[0].origin.Probe(t.Context())
	}
	next("the origin answers", "that it is up", func(n *node.Node) bool { return n.Services[0].Ready })
	f.stop()
	next("it stops", "that it leaves", func(n *node.Node) bool { return n.State == node.Leaving })
}
