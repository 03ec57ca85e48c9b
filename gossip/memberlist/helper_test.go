package memberlist

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/netip"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"backhand/gossip"
	"backhand/gossip/wire"
)

// patience is for what must come. It only passes if the test is about to fail.
const patience = 30 * time.Second

// stubConn is a connection that nobody uses but for what a test adds.
type stubConn struct{ net.Conn }

// logged is a log that a test can read.
type logged struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logged) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func (l *logged) logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(l, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// node is a transport that listens.
type node struct {
	*Transport
	log *logged

	mu    sync.Mutex
	heard []string // "text from address"
	ended chan struct{}
}

// network is a part of 127.0.0.0/8 that no other test uses.
type network struct {
	t    *testing.T
	base [4]byte
}

// newNetwork is for a test that may run beside others: the library takes its time.
func newNetwork(t *testing.T) *network {
	t.Parallel()
	return newLoneNetwork(t)
}

// newLoneNetwork is for a test that looks at all goroutines.
func newLoneNetwork(t *testing.T) *network {
	if testing.Short() {
		t.Skip("real sockets, and the library's own pace, left out by -short")
	}
	return &network{t, [4]byte{127, byte(1 + rand.IntN(250)), byte(rand.IntN(256)), 0}}
}

func (n *network) addr(host int) netip.Addr {
	a := n.base
	a[3] = byte(host)
	return netip.AddrFrom4(a)
}

func (n *network) seed(host int) []gossip.Peer {
	return []gossip.Peer{{Host: n.addr(host).String(), Port: DefaultPort}}
}

func (n *network) config(host int, join ...gossip.Peer) Config {
	return Config{
		Cluster: "test", Bind: netip.AddrPortFrom(n.addr(host), DefaultPort), Join: join,
		Accept: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")},
	}
}

// start opens a transport and listens by it until the test ends.
func (n *network) start(host int, join []gossip.Peer, with ...func(*Config)) *node {
	n.t.Helper()
	cfg := n.config(host, join...)
	out := &node{log: &logged{}, ended: make(chan struct{})}
	cfg.Log = out.log.logger()
	for _, f := range with {
		f(&cfg)
	}
	var err error
	if out.Transport, err = Open(cfg); err != nil {
		n.t.Fatal(err)
	}
	go out.listen()
	n.t.Cleanup(func() {
		_ = out.Close()
		<-out.ended
		if n.t.Failed() {
			n.t.Logf("log of %v:\n%s", out, out.log)
		}
	})
	return out
}

func (n *node) listen() {
	defer close(n.ended)
	buf := make([]byte, 2048)
	for {
		size, from, err := n.Receive(buf)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			panic(err)
		}
		n.mu.Lock()
		n.heard = append(n.heard, fmt.Sprintf("%s from %v", buf[:size], from))
		n.mu.Unlock()
	}
}

// hasHeard reports whether that text came from that node's socket for beats.
func (n *node) hasHeard(text string, from *node) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, h := range n.heard {
		if h == fmt.Sprintf("%s from %v", text, from.beatsAt()) {
			return true
		}
	}
	return false
}

// kill ends a node as a power cut would: nobody is told.
func (n *node) kill() {
	n.heir.Store(true) // Close does not say good-bye then
	_ = n.Close()
	<-n.ended
}

func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	within(t, patience, what, holds)
}

func within(t *testing.T, d time.Duration, what string, holds func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-ctx.Done():
			t.Fatalf("not within %v: %s", d, what)
		case <-tick.C:
		}
	}
}

// meet waits until each of the nodes sends to all others and to nobody else.
func meet(t *testing.T, nodes ...*node) {
	t.Helper()
	for _, n := range nodes {
		eventually(t, fmt.Sprintf("%v has %d others", n, len(nodes)-1), func() bool { return n.Fanout() == len(nodes)-1 })
	}
}

// talk has each node send, and all others hear it.
func talk(t *testing.T, nodes ...*node) {
	t.Helper()
	for _, n := range nodes {
		text := fmt.Sprintf("%x", rand.Uint64())
		if err := n.Send([]byte(text)); err != nil {
			t.Fatalf("%v: %v", n, err)
		}
		for _, other := range nodes {
			if other != n {
				eventually(t, fmt.Sprintf("%v hears %v", other, n), func() bool { return other.hasHeard(text, n) })
			}
		}
	}
}

// key returns a key that is the same for all who ask for that number and salt.
func key(id uint8, salt byte) wire.Key {
	k := wire.Key{ID: id}
	for i := range k.Secret {
		k.Secret[i] = salt + byte(i)
	}
	return k
}

func receiveOnly(k wire.Key) wire.Key { k.ReceiveOnly = true; return k }

func ring(t *testing.T, mode wire.Mode, keys ...wire.Key) *wire.Keyring {
	t.Helper()
	r, err := wire.NewKeyring("test", keys, mode)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func withKeys(r *wire.Keyring) func(*Config) { return func(c *Config) { c.Keys = r } }

// checkGoroutines waits until nothing of the library, or of ours, runs any more.
func checkGoroutines(t *testing.T) {
	t.Helper()
	buf := make([]byte, 1<<20)
	stacks := ""
	defer func() {
		if t.Failed() {
			t.Logf("%s", stacks)
		}
	}()
	eventually(t, "all goroutines have ended", func() bool {
		stacks = string(buf[:runtime.Stack(buf, true)])
		for g := range strings.SplitSeq(stacks, "\n\n") {
			ours := strings.Contains(g, "hashicorp/memberlist.") || strings.Contains(g, "(*Transport).") || strings.Contains(g, "(*link).")
			if ours && !strings.Contains(g, "testing.tRunner") {
				return false
			}
		}
		return true
	})
}
