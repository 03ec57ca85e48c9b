package gossip_test

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
	"backhand/gossip/wire"
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

func TestLeave(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := gossiptest.NewNetwork(1)
		a := join(t, network, 1)
		out := newRecorder(network.Transport(address(2)))
		b := &agent{}
		b.run(t, b.config(2, out))
		time.Sleep(10*time.Second + 300*time.Millisecond)

		began, before := time.Now(), len(out.beats())
		b.Leave(t.Context())
		a.mustSee(t, "when Leave is back", "www2 leaving")
		if took := time.Since(began); took != 100*time.Millisecond {
			t.Errorf("three beats 50 ms apart took %v", took)
		}
		if got := out.beats()[before:]; len(got) != 3 || got[0].at != began {
			t.Errorf("%d beats, want three, the first at once", len(got))
		}
		time.Sleep(5 * time.Second)
		for _, sent := range out.beats()[before:] {
			if sent.State != node.Leaving {
				t.Error("a beat after Leave does not say so")
			}
		}
		a.mustSee(t, "later", "www2 leaving")
		b.stop()
		time.Sleep(time.Hour + time.Second)
		a.mustSee(t, "an hour later", "")
	})
}

func TestLeaveIsSeenWithin100ms(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := gossiptest.NewNetwork(1)
		network.Set(gossiptest.Conditions{Delay: time.Millisecond})
		a, b := join(t, network, 1), join(t, network, 2)
		time.Sleep(time.Minute)
		go b.Leave(t.Context())
		time.Sleep(100 * time.Millisecond)
		a.mustSee(t, "after 100 ms", "www2 leaving")
	})
}

func TestLeaveNeverHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &agent{}
		cfg := a.config(1, gossiptest.NewNetwork(1).Transport(address(1)))
		g, err := gossip.New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		g.Leave(context.Background()) // Run was not called
		a.run(t, cfg)
		began := time.Now()
		var wg sync.WaitGroup
		for range 3 {
			wg.Go(func() { a.Leave(context.Background()) })
		}
		wg.Wait()
		if took := time.Since(began); took > 200*time.Millisecond {
			t.Errorf("three at the same time took %v", took)
		}
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		a.Leave(ended)
		a.stop()
		a.Leave(context.Background()) // Run has ended
	})
}

func TestDrainIsSeenAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := gossiptest.NewNetwork(1)
		a, b := join(t, network, 1), join(t, network, 2)
		time.Sleep(10*time.Second + 300*time.Millisecond)
		for _, s := range []node.State{node.Draining, node.Up, node.Draining} {
			b.state.Store(int32(s))
			b.Beat()
			a.mustSee(t, "at once", "www2 "+s.String())
			time.Sleep(400 * time.Millisecond)
		}
	})
}

// recorder notes the beats that go out over another transport.
type recorder struct {
	gossip.Transport
	mu   sync.Mutex
	sent []sent
}

type sent struct {
	node.Node
	at time.Time
}

func newRecorder(t gossip.Transport) *recorder { return &recorder{Transport: t} }

func (r *recorder) Send(b []byte) error {
	var beat wire.Beat
	if err := wire.NewParser(wire.HashCluster("web")).Parse(b, nil, &beat); err != nil {
		return err
	}
	r.mu.Lock()
	r.sent = append(r.sent, sent{beat.Node, time.Now()})
	r.mu.Unlock()
	return r.Transport.Send(b)
}

func (r *recorder) beats() []sent {
	synctest.Wait()
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.sent)
}

// gaps returns the times between beats.
func gaps(beats []sent) (d []time.Duration) {
	for i := range len(beats) - 1 {
		d = append(d, beats[i+1].at.Sub(beats[i].at))
	}
	return d
}

func record(t *testing.T) (*agent, *recorder) {
	t.Helper()
	r := newRecorder(gossiptest.NewNetwork(1).Transport(address(1)))
	a := &agent{}
	return a.run(t, a.config(1, r)), r
}

func TestQuickBeatsThenJitter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		_, r := record(t)
		time.Sleep(5 * time.Minute)
		beats := r.beats()
		got := gaps(beats)
		if beats[0].at != began || got[0] != 200*time.Millisecond || got[1] != 200*time.Millisecond {
			t.Errorf("the first beats come after %v, %v, %v", beats[0].at.Sub(began), got[0], got[1])
		}
		shortest, longest, sum := time.Hour, time.Duration(0), time.Duration(0)
		for _, d := range got[2:] {
			shortest, longest, sum = min(shortest, d), max(longest, d), sum+d
		}
		mean := sum / time.Duration(len(got)-2)
		switch {
		case shortest < 900*time.Millisecond || longest > 1100*time.Millisecond:
			t.Errorf("%v to %v, want 0.9 s to 1.1 s", shortest, longest)
		case shortest > 920*time.Millisecond || longest < 1080*time.Millisecond:
			t.Errorf("%v to %v is less chance than promised", shortest, longest)
		case mean < 980*time.Millisecond || mean > 1020*time.Millisecond:
			t.Errorf("%v on average, want 1 s", mean)
		}
		for i, b := range beats {
			if b.Sequence != uint64(i+1) {
				t.Fatalf("beat %d has sequence %d", i+1, b.Sequence)
			}
		}
	})
}

func TestBeatAtMostFiveASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, r := record(t)
		time.Sleep(10 * time.Second)
		before := len(r.beats())
		for range 1000 {
			a.Beat()
			time.Sleep(10 * time.Millisecond)
		}
		beats := r.beats()[before-1:]
		for _, d := range gaps(beats)[1:] {
			if d < 200*time.Millisecond {
				t.Fatalf("two beats %v apart", d)
			}
		}
		if n := len(beats); n < 50 || n > 52 {
			t.Errorf("%d beats in ten seconds, want 50", n)
		}
	})
}

func TestSetInterval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, r := record(t)
		time.Sleep(10 * time.Second)
		for _, d := range []time.Duration{99 * time.Millisecond, time.Hour} {
			if err := a.SetInterval(d); err == nil {
				t.Errorf("%v was taken", d)
			}
		}
		if err := a.SetInterval(10 * time.Second); err != nil {
			t.Fatal(err)
		}
		a.Beat()
		before := len(r.beats())
		time.Sleep(time.Minute)
		beats := r.beats()[before-1:]
		if n := len(beats); n < 6 || n > 8 || beats[n-1].Interval != 10*time.Second {
			t.Errorf("%d beats in a minute, which announce %v", n, beats[n-1].Interval)
		}
	})
}

func TestLatenessIsAnnounced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRecorder(gossiptest.NewNetwork(1).Transport(address(1)))
		a := &agent{}
		cfg := a.config(1, r)
		describe := cfg.Describe
		cfg.Describe = func(now time.Time) node.Node {
			time.Sleep(70 * time.Millisecond) // as if the host were too busy to let us
			return describe(now)
		}
		a.run(t, cfg)
		time.Sleep(5 * time.Second)
		beats := r.beats()
		if beats[0].Stats.SendLate != 0 || beats[1].Stats.SendLate != 70*time.Millisecond {
			t.Errorf("late by %v and %v, want 0 and 70ms", beats[0].Stats.SendLate, beats[1].Stats.SendLate)
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

// beatOf returns a well-formed beat of a node that is none of the agents.
func beatOf(t *testing.T, change func(*node.Node), cluster string) []byte {
	t.Helper()
	n := node.Node{
		ID: node.ID{0: 0xee}, Boot: 1, Sequence: 1, Name: "stranger", Addr: netip.MustParseAddrPort("10.58.4.66:80"),
		State: node.Up, VersionMin: 1, VersionMax: 1, Interval: time.Second, Stats: node.Stats{CPUs: 1},
	}
	if change != nil {
		change(&n)
	}
	parts, err := wire.Append(nil, &n, wire.HashCluster(cluster), nil)
	if err != nil {
		t.Fatal(err)
	}
	return parts[0]
}

func TestDrops(t *testing.T) {
	inside, outside := netip.MustParseAddrPort("10.58.4.66:9"), netip.MustParseAddrPort("192.0.2.1:9")
	set := func(at int, to byte) func(*testing.T) []byte {
		return func(t *testing.T) []byte {
			b := beatOf(t, nil, "web")
			b[at] = to
			return b
		}
	}
	size := func(n int) func(*testing.T) []byte {
		return func(t *testing.T) []byte { return append(beatOf(t, nil, "web"), make([]byte, n)...)[:n] }
	}
	for name, tc := range map[string]struct {
		from   netip.AddrPort
		b      func(*testing.T) []byte
		reason gossip.Reason
		log    string
	}{
		"a good beat from elsewhere": {outside, size(300), gossip.DropCIDR, "gossip.accept"},
		"nonsense from elsewhere":    {outside, size(0), gossip.DropCIDR, "from=192.0.2.1"},
		"no bytes":                   {inside, size(0), gossip.DropSize, "bytes=0"},
		"1 byte":                     {inside, size(1), gossip.DropSize, "bytes=1"},
		"1201 bytes":                 {inside, size(1201), gossip.DropSize, "bytes=1201"},
		"65507 bytes":                {inside, size(65507), gossip.DropSize, "bytes=2048"},
		"other magic":                {inside, set(0, 0), gossip.DropMagic, "no beat"},
		"version 9":                  {inside, set(4, 9), gossip.DropVersion, `version=9 understood="1 to 1"`},
		"another cluster": {
			inside, func(t *testing.T) []byte { return beatOf(t, nil, "other") }, gossip.DropCluster, `ours="\"web\" `,
		},
		"sealed":    {inside, set(5, 1), gossip.DropSeal, "has not got"},
		"malformed": {inside, set(16, 99), gossip.DropMalformed, "part of parts"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				network := gossiptest.NewNetwork(1)
				a := join(t, network, 1)
				time.Sleep(time.Second)
				b := tc.b(t)
				for range 100 {
					network.Inject(tc.from, b)
				}
				a.mustSee(t, "after the flood", "")
				var want [gossip.Reasons]uint64
				want[tc.reason] = 100
				if got := a.Counters().Dropped; got != want {
					t.Errorf("dropped %v, want 100 by reason %v", got, tc.reason)
				}
				lines := a.log.with("reason=" + tc.reason.String())
				if len(lines) != 1 || !strings.Contains(lines[0], tc.log) {
					t.Errorf("logged %q, want one line with %q", lines, tc.log)
				}
				time.Sleep(time.Minute)
				network.Inject(tc.from, b)
				synctest.Wait()
				if got := len(a.log.with("reason=")); got != 2 {
					t.Errorf("%d lines a minute later, want 2", got)
				}
			})
		})
	}
}

func TestHostileNameIsTakenAsItIs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := gossiptest.NewNetwork(1)
		a := join(t, network, 1)
		name := strings.Repeat("<script>", 31) + "\x00\n\xff\"'&;"
		network.Inject(address(66), beatOf(t, func(n *node.Node) { n.Name = name }, "web"))
		a.mustSee(t, "after it", name+" up")
	})
}

func TestReplay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := gossiptest.NewNetwork(1)
		a := join(t, network, 1)
		old := beatOf(t, nil, "web")
		network.Inject(address(66), old)
		network.Inject(address(66), beatOf(t, func(n *node.Node) { n.Sequence, n.State = 2, node.Leaving }, "web"))
		a.mustSee(t, "first", "stranger leaving")
		time.Sleep(2 * time.Hour)
		a.mustSee(t, "gone", "")
		network.Inject(address(66), old)
		a.mustSee(t, "played again", "")
		if got := a.Counters().Dropped[gossip.DropReplay]; got != 1 {
			t.Errorf("%d replays counted, want 1", got)
		}
	})
}

func TestClone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := gossiptest.NewNetwork(1)
		a := join(t, network, 1)
		synctest.Wait() // until it has announced its address
		twin := beatOf(t, func(n *node.Node) { n.ID, n.Boot = a.id, 7 }, "web")
		for range 10 {
			network.Inject(address(66), twin)
			time.Sleep(time.Second)
		}
		a.mustSee(t, "a twin is no peer", "")
		lines := a.log.with("a clone of state_dir?")
		if len(lines) != 1 || !strings.Contains(lines[0], "our_address=10.58.4.1:80 their_address=10.58.4.66:80") {
			t.Errorf("logged %q", lines)
		}
		if c := a.Counters(); c.Clones != 10 || c.Dropped != [gossip.Reasons]uint64{} {
			t.Errorf("%+v", c)
		}
		clone := func() (found []gossip.Finding) {
			return slices.DeleteFunc(a.Findings(time.Now()), func(f gossip.Finding) bool { return f.Kind != gossip.FindingClone })
		}
		if f := clone(); len(f) != 1 || !strings.Contains(f[0].Text, "at 10.58.4.66:80, whose beats come from 10.58.4.66") ||
			time.Since(f[0].Since) != 10*time.Second {
			t.Errorf("found %+v", f)
		}
		time.Sleep(time.Minute)
		if f := clone(); f != nil {
			t.Errorf("a minute after its last beat: %+v", f)
		}
	})
}

// Who has no key cannot make a node that seals its beats believe in a clone.
func TestWhoHasNoKeyIsNoClone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := gossiptest.NewNetwork(1)
		a := &agent{}
		cfg := a.config(1, network.Transport(address(1)))
		keys, err := wire.NewKeyring("web", []wire.Key{wire.NewKey(1)}, wire.Permissive)
		if err != nil {
			t.Fatal(err)
		}
		cfg.Keys = keys
		cfg.Raise = func(heard uint64) uint64 {
			t.Errorf("the boot is raised above %d", heard)
			return 0
		}
		a.run(t, cfg)
		network.Inject(address(66), beatOf(t, func(n *node.Node) { n.ID, n.Boot = a.id, 1<<40 }, "web"))
		synctest.Wait()
		if c := a.Counters(); c.Clones != 0 || c.Dropped[gossip.DropUnsealed] != 1 {
			t.Errorf("%+v", c)
		}
	})
}

// As long as the clone's boot was the greater one, the original stayed dead for its peers, even when the clone had gone.
func TestOriginalComesBackAfterItsClone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := gossiptest.NewNetwork(1)
		peer := join(t, network, 1)
		a := &agent{}
		cfg := a.config(2, network.Transport(address(2)))
		cfg.Raise = func(heard uint64) uint64 { return heard + 1 }
		a.run(t, cfg)
		time.Sleep(time.Second)
		clone := &agent{}
		cfg = clone.config(3, network.Transport(address(3)))
		cfg.ID, cfg.Boot = a.id, 5000
		clone.run(t, cfg)
		time.Sleep(time.Second)
		clone.Leave(t.Context())
		clone.stop()
		time.Sleep(2 * time.Second)
		nodes := peer.Nodes(time.Now())
		if len(nodes) != 1 || nodes[0].Name != "www2" || nodes[0].State != node.Up || nodes[0].Age(time.Now()) > 1200*time.Millisecond {
			t.Errorf("the peer sees %+v", nodes[0])
		}
		if n := len(a.log.with("a clone of state_dir?")); n != 1 {
			t.Errorf("%d lines about the clone", n)
		}
	})
}

func TestNewcomerKnowsEverybodyAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := gossiptest.NewNetwork(1)
		for n := range byte(9) {
			a := &agent{}
			cfg := a.config(n+1, network.Transport(address(n+1)))
			cfg.Interval = time.Minute
			a.run(t, cfg)
		}
		time.Sleep(10*time.Minute + 7*time.Second)
		late := join(t, network, 66)
		time.Sleep(250 * time.Millisecond)
		if n := len(late.Nodes(time.Now())); n != 9 {
			t.Errorf("it knows %d of 9 nodes, which beat once a minute", n)
		}
	})
}

// Whoever may send a beat could otherwise have requests, cookies and all, sent wherever he likes.
func TestAddressOutsideOfAcceptIsNotTaken(t *testing.T) {
	for _, addr := range []string{"127.0.0.1:6379", "169.254.169.254:80", "203.0.113.9:80", "[2001:db8::1]:80"} {
		synctest.Test(t, func(t *testing.T) {
			network := gossiptest.NewNetwork(1)
			a := join(t, network, 1)
			network.Inject(address(66), beatOf(t, func(n *node.Node) { n.Addr = netip.MustParseAddrPort(addr) }, "web"))
			a.mustSee(t, addr, "")
			if c := a.Counters(); c.Dropped[gossip.DropAddress] != 1 {
				t.Errorf("%s: %+v", addr, c)
			}
			if n := len(a.log.with("announces an address that gossip.accept does not name")); n != 1 {
				t.Errorf("%s: said %d times", addr, n)
			}
		})
	}
}

func TestOwnBeatsAreSilentlyIgnored(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := join(t, gossiptest.NewNetwork(1), 1)
		time.Sleep(time.Minute)
		a.mustSee(t, "alone", "")
		c := a.Counters()
		if c.Sent < 50 || c.Received != c.Sent || c.Dropped != [gossip.Reasons]uint64{} || len(a.log.with("")) != 0 {
			t.Errorf("%+v, logged %q", c, a.log.with(""))
		}
	})
}

func TestTwoTransportsCountOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		red, blue := gossiptest.NewNetwork(1), gossiptest.NewNetwork(2)
		both := func(n byte) *agent {
			a := &agent{}
			return a.run(t, a.config(n, red.Transport(address(n)), blue.Transport(address(n))))
		}
		a, _ := both(1), both(2)
		time.Sleep(10 * time.Second)
		red.Set(gossiptest.Conditions{Loss: 1})
		time.Sleep(time.Minute)
		if age := a.Nodes(time.Now())[0].Age(time.Now()); age > 1100*time.Millisecond {
			t.Errorf("one of two networks is down, and the peer is %v old", age)
		}
		if lines := a.log.with(""); len(lines) != 0 {
			t.Errorf("logged %q", lines)
		}
	})
}

func TestSetAccept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := gossiptest.NewNetwork(1)
		a := join(t, network, 1)
		accept := []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}
		a.SetAccept(accept)
		accept[0] = lan[0] // the list is ours again
		network.Inject(address(66), beatOf(t, nil, "web"))
		a.mustSee(t, "not accepted any more", "")
		there := beatOf(t, func(n *node.Node) { n.Addr = netip.MustParseAddrPort("192.0.2.8:80") }, "web")
		network.Inject(netip.MustParseAddrPort("[::ffff:192.0.2.7]:9"), there)
		a.mustSee(t, "accepted, whatever the form of the address", "stranger up")
	})
}

// broken is a transport that can be made to fail.
type broken struct {
	gossip.Transport
	send, receive atomic.Bool
	closed        atomic.Int32
}

var errDown = errors.New("network is unreachable")

func (b *broken) Send(p []byte) error {
	if b.send.Load() {
		return errDown
	}
	return b.Transport.Send(p)
}

func (b *broken) Receive(p []byte) (int, netip.AddrPort, error) {
	if b.receive.Load() {
		return 0, netip.AddrPort{}, errDown
	}
	return b.Transport.Receive(p)
}

func (b *broken) Close() error {
	b.closed.Add(1)
	return b.Transport.Close()
}

func TestOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := gossiptest.NewNetwork(1)
		link := &broken{Transport: network.Transport(address(1))}
		a, b := &agent{}, join(t, network, 2)
		a.run(t, a.config(1, link))
		for round := 1; round <= 2; round++ {
			link.send.Store(true)
			time.Sleep(time.Minute)
			link.send.Store(false)
			time.Sleep(10 * time.Second)
			if down, up := len(a.log.with("do not leave")), len(a.log.with("again")); down != round || up != round {
				t.Errorf("outage %d: logged %d times that it began, %d that it ended", round, down, up)
			}
			if age := b.Nodes(time.Now())[0].Age(time.Now()); age > 1100*time.Millisecond {
				t.Errorf("after outage %d the peer is %v old", round, age)
			}
		}
		if got := a.Counters().SendErrors; got < 100 {
			t.Errorf("%d errors counted in two minutes", got)
		}
	})
}

func TestBrokenReceiveIsNoBusyLoop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := gossiptest.NewNetwork(1)
		link := &broken{Transport: network.Transport(address(1))}
		link.receive.Store(true)
		a := &agent{}
		a.run(t, a.config(1, link))
		join(t, network, 2)
		time.Sleep(10 * time.Second)
		if got := a.Counters().ReceiveErrors; got < 10 || got > 20 {
			t.Errorf("%d attempts in ten seconds", got)
		}
		if got := a.log.with("cannot be received"); len(got) != 1 {
			t.Errorf("logged %q", got)
		}
		link.receive.Store(false)
		time.Sleep(3 * time.Second)
		a.mustSee(t, "when it works again", "www2 up")
		link.receive.Store(true) // and Run must end all the same, see run
	})
}

func TestRunEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		link := &broken{Transport: gossiptest.NewNetwork(1).Transport(address(1))}
		a := &agent{}
		a.run(t, a.config(1, link))
		time.Sleep(time.Second)
		a.stop()
		if link.closed.Load() != 1 {
			t.Errorf("the transport was closed %d times", link.closed.Load())
		}
		if err := a.Run(t.Context()); err == nil {
			t.Error("a second Run did not refuse")
		}
		late := &broken{Transport: gossiptest.NewNetwork(1).Transport(address(1))}
		a.SetTransports([]gossip.Transport{late})
		if late.closed.Load() != 1 {
			t.Error("a transport that came too late stays open")
		}
	})
}

func TestSetTransports(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		red, blue := gossiptest.NewNetwork(1), gossiptest.NewNetwork(2)
		old := &broken{Transport: red.Transport(address(1))}
		kept := &broken{Transport: red.Transport(address(1))}
		added := &broken{Transport: blue.Transport(address(1))}
		a, b := &agent{}, join(t, blue, 2)
		a.run(t, a.config(1, old, kept))
		time.Sleep(time.Second)
		a.mustSee(t, "on another network", "")
		a.SetTransports([]gossip.Transport{kept, added})
		time.Sleep(2 * time.Second)
		a.mustSee(t, "on both", "www2 up")
		b.mustSee(t, "on both", "www1 up")
		if old.closed.Load() != 1 || kept.closed.Load() != 0 || added.closed.Load() != 0 {
			t.Error("not the one that went was closed, or not it alone")
		}
		a.stop()
		if kept.closed.Load() != 1 || added.closed.Load() != 1 {
			t.Error("Run left a transport open")
		}
	})
}

func TestAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &agent{}
		cfg := a.config(1)
		cfg.Describe = func(time.Time) node.Node { t.Error("asked to describe itself to nobody"); return node.Node{} }
		a.run(t, cfg)
		time.Sleep(time.Minute)
		a.Beat()
		a.Leave(t.Context())
		if c := a.Counters(); c != (gossip.Counters{}) {
			t.Errorf("%+v", c)
		}
	})
}

func TestNodeThatCannotBeAnnounced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := gossiptest.NewNetwork(1)
		a := &agent{}
		cfg := a.config(1, network.Transport(address(1)))
		describe := cfg.Describe
		var unfit atomic.Bool
		cfg.Describe = func(now time.Time) node.Node {
			n := describe(now)
			if unfit.Load() {
				n.Zone = strings.Repeat("z", 40)
			}
			return n
		}
		unfit.Store(true)
		a.run(t, cfg)
		time.Sleep(10 * time.Second)
		if got := a.log.with("cannot be announced"); len(got) != 1 || !strings.Contains(got[0], "40 bytes") {
			t.Errorf("logged %q", got)
		}
		unfit.Store(false)
		time.Sleep(2 * time.Second)
		if c := a.Counters(); c.SendErrors == 0 || c.Sent == 0 {
			t.Errorf("%+v", c)
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
