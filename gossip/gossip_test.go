package gossip_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/netip"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"backhand/gossip"
	"backhand/gossip/gossiptest"
	"backhand/gossip/node"
)

var lan = []netip.Prefix{netip.MustParsePrefix("10.58.4.0/24")}

// agent is a Gossiper that runs, and what a test wants to turn on it.
type agent struct {
	*gossip.Gossiper
	id    node.ID
	addr  netip.AddrPort
	state atomic.Int32
	log   *logBuffer
	stop  func() // ends Run and waits for it
}

// logBuffer collects log lines.
type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

// with returns the lines that contain the text.
func (l *logBuffer) with(text string) (lines []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for line := range strings.Lines(l.b.String()) {
		if strings.Contains(line, text) {
			lines = append(lines, line)
		}
	}
	return lines
}

// config is that of node n, 10.58.4.n, which serves the farm web.
func (a *agent) config(n byte, transports ...gossip.Transport) gossip.Config {
	a.id, a.log = node.ID{15: n}, &logBuffer{}
	a.addr = netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 58, 4, n}), 80)
	a.state.Store(int32(node.Up))
	return gossip.Config{
		Cluster: "web", ID: a.id, Boot: 1000, Accept: lan, Transports: transports,
		Log: slog.New(slog.NewTextHandler(a.log, nil)), Rand: rand.New(rand.NewPCG(uint64(n), 1)),
		Describe: func(time.Time) node.Node {
			return node.Node{
				Name: fmt.Sprintf("www%d", n), Addr: a.addr, State: node.State(a.state.Load()),
				Stats:    node.Stats{CPUs: 4, Load1: 0.5, MemTotal: 8 << 30, MemAvailable: 4 << 30},
				Services: []node.Service{{Farm: "web", Ready: true, Slots: 4}},
			}
		},
	}
}

// run starts a Gossiper; it ends with the test at the latest.
func (a *agent) run(t *testing.T, cfg gossip.Config) *agent {
	t.Helper()
	g, err := gossip.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- g.Run(ctx) }()
	a.Gossiper = g
	a.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	t.Cleanup(a.stop)
	return a
}

func join(t *testing.T, network *gossiptest.Network, n byte) *agent {
	t.Helper()
	a := &agent{}
	return a.run(t, a.config(n, network.Transport(address(n))))
}

// address is where the beats of node n come from.
func address(n byte) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 58, 4, n}), 40000)
}

// sees returns the peers as "name state", in alphabetical order.
func (a *agent) sees() string {
	synctest.Wait()
	var list []string
	for _, n := range a.Nodes(time.Now()) {
		list = append(list, n.Name+" "+n.State.String())
	}
	slices.Sort(list)
	return strings.Join(list, ", ")
}

func (a *agent) mustSee(t *testing.T, when, want string) {
	t.Helper()
	if got := a.sees(); got != want {
		t.Errorf("%s: %s sees %q, want %q", when, a.addr, got, want)
	}
}

func TestJoin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := gossiptest.NewNetwork(1)
		a, b := join(t, network, 1), join(t, network, 2)
		a.mustSee(t, "at once", "www2 up")
		c := join(t, network, 3)
		c.mustSee(t, "before anybody's next beat", "")
		time.Sleep(time.Second)
		a.mustSee(t, "in the end", "www2 up, www3 up")
		b.mustSee(t, "in the end", "www1 up, www3 up")
		c.mustSee(t, "in the end", "www1 up, www2 up")
		select {
		case <-a.Changed():
		default:
			t.Error("Changed says nothing")
		}

		got := a.Nodes(time.Now())
		slices.SortFunc(got, func(a, b *node.Node) int { return strings.Compare(a.Name, b.Name) })
		want := &node.Node{
			ID: b.id, Boot: 1000, Name: "www2", Addr: b.addr, State: node.Up, VersionMin: 1, VersionMax: 1,
			Interval: time.Second, From: address(2).Addr(),
			Stats:    node.Stats{CPUs: 4, Load1: 0.5, MemTotal: 8 << 30, MemAvailable: 4 << 30},
			Services: []node.Service{{Farm: "web", Ready: true, Slots: 4}},
		}
		ignored := cmpopts.IgnoreFields(node.Node{}, "Sequence", "Heard")
		if diff := cmp.Diff(want, got[0], ignored, cmpopts.EquateComparable(netip.Addr{}, netip.AddrPort{})); diff != "" {
			t.Errorf("-announced +heard\n%s", diff)
		}
	})
}

func TestSilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := gossiptest.NewNetwork(1)
		a, b := join(t, network, 1), join(t, network, 2)
		time.Sleep(10 * time.Second)
		if age := a.Nodes(time.Now())[0].Age(time.Now()); age > 1100*time.Millisecond {
			t.Errorf("the living is %v old", age)
		}
		b.stop()
		last := a.Nodes(time.Now())[0].Heard
		time.Sleep(10 * time.Second)
		if age := a.Nodes(time.Now())[0].Age(time.Now()); age != time.Since(last) {
			t.Errorf("the silent is %v old, want %v", age, time.Since(last))
		}
		time.Sleep(time.Until(last.Add(time.Hour - 1)))
		a.mustSee(t, "within the hour", "www2 up")
		time.Sleep(time.Nanosecond)
		a.mustSee(t, "after an hour", "")
	})
}

func TestPartitionHeals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := gossiptest.NewNetwork(1)
		a, _ := join(t, network, 1), join(t, network, 2)
		network.Partition([]netip.Addr{address(1).Addr()}, []netip.Addr{address(2).Addr()})
		time.Sleep(2 * time.Hour)
		a.mustSee(t, "cut off", "")
		network.Partition()
		time.Sleep(1200 * time.Millisecond)
		a.mustSee(t, "healed", "www2 up")
	})
}

func TestBadNetwork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := gossiptest.NewNetwork(3)
		network.Set(gossiptest.Conditions{Loss: 0.2, Duplicate: 0.2, Delay: 10 * time.Millisecond, Jitter: 3 * time.Second})
		a, b := join(t, network, 1), join(t, network, 2)
		time.Sleep(10 * time.Second)
		for range 100 {
			time.Sleep(time.Second)
			for _, x := range []*agent{a, b} {
				nodes := x.Nodes(time.Now())
				if len(nodes) != 1 || nodes[0].Age(time.Now()) > 20*time.Second || nodes[0].Age(time.Now()) < 0 {
					t.Fatalf("%d nodes", len(nodes))
				}
			}
		}
		if a.Counters().Dropped[gossip.DropReplay] == 0 {
			t.Error("what came twice or late was not counted")
		}
	})
}

func TestSixtyFourFarmsArrive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := gossiptest.NewNetwork(1)
		a, b := join(t, network, 1), &agent{}
		cfg := b.config(2, network.Transport(address(2)))
		var names []string
		for i := range node.MaxFarms {
			names = append(names, fmt.Sprintf("%02d%s", i, strings.Repeat("f", 30)))
		}
		describe := cfg.Describe
		cfg.Describe = func(now time.Time) node.Node {
			n := describe(now)
			n.Services = nil
			for _, name := range names {
				n.Services = append(n.Services, node.Service{Farm: name})
			}
			return n
		}
		b.run(t, cfg)
		synctest.Wait()
		var got []string
		for _, s := range a.Nodes(time.Now())[0].Services {
			got = append(got, s.Farm)
		}
		if diff := cmp.Diff(names, got); diff != "" {
			t.Error(diff)
		}
	})
}

func TestNewRefuses(t *testing.T) {
	for name, change := range map[string]func(*gossip.Config){
		"no cluster":        func(c *gossip.Config) { c.Cluster = "" },
		"no id":             func(c *gossip.Config) { c.ID = node.ID{} },
		"nothing to tell":   func(c *gossip.Config) { c.Describe = nil },
		"interval of 99 ms": func(c *gossip.Config) { c.Interval = 99 * time.Millisecond },
		"interval of 61 s":  func(c *gossip.Config) { c.Interval = 61 * time.Second },
	} {
		t.Run(name, func(t *testing.T) {
			cfg := new(agent).config(1)
			change(&cfg)
			if _, err := gossip.New(cfg); err == nil {
				t.Error("it was taken")
			}
		})
	}
}

func TestReasonsHaveNames(t *testing.T) {
	seen := map[string]bool{"": true, "unknown": true}
	for r := range gossip.Reasons {
		if seen[r.String()] {
			t.Errorf("reason %d is called %q", r, r)
		}
		seen[r.String()] = true
	}
}

func TestForeignDatagramsAllocateNothing(t *testing.T) {
	const datagrams = 20_000
	foreign := &flood{
		b: beatOf(t, nil, "web"), from: netip.MustParseAddrPort("192.0.2.1:9"), left: datagrams,
		start: make(chan struct{}), done: make(chan struct{}),
	}
	a := &agent{}
	a.run(t, a.config(1, foreign))
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	close(foreign.start)
	<-foreign.done
	runtime.ReadMemStats(&after)
	if dropped := a.Counters().Dropped[gossip.DropCIDR]; dropped != datagrams {
		t.Fatalf("%d dropped", dropped)
	}
	if got := after.Mallocs - before.Mallocs; got > datagrams/20 { // some is of the test itself
		t.Errorf("%d allocations for %d datagrams", got, datagrams)
	}
}

// flood is a transport on which one datagram comes again and again, once start is closed.
type flood struct {
	b           []byte
	from        netip.AddrPort
	left        int
	start, done chan struct{}
}

func (f *flood) Send([]byte) error { return nil }

func (f *flood) Receive(b []byte) (int, netip.AddrPort, error) {
	<-f.start
	if f.left == 0 {
		close(f.done)
		return 0, netip.AddrPort{}, net.ErrClosed
	}
	f.left--
	return copy(b, f.b), f.from, nil
}

func (f *flood) Close() error   { return nil }
func (f *flood) String() string { return "flood" }

func TestOverRealMulticast(t *testing.T) {
	dst := group()
	needLoopback(t, dst)
	start := func(n byte, source string) *agent {
		a := &agent{}
		cfg := a.config(n, open(t, dst, netip.MustParseAddr(source)))
		cfg.Cluster = "test " + dst.String()
		cfg.Accept = append([]netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}, lan...)
		return a.run(t, cfg)
	}
	a, b := start(1, "127.0.0.1"), start(2, "127.0.0.2")
	for _, pair := range []struct {
		hears *agent
		from  string
	}{{a, "127.0.0.2"}, {b, "127.0.0.1"}} {
		select {
		case <-pair.hears.Changed():
		case <-time.After(10 * time.Second):
			t.Fatal("nobody is heard")
		}
		if got := pair.hears.Nodes(time.Now()); len(got) != 1 || got[0].From.String() != pair.from {
			t.Errorf("hears %d nodes, the first from %v, want one from %v", len(got), got[0].From, pair.from)
		}
	}
}
