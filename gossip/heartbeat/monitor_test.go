package heartbeat

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"backhand/gossip"
	"backhand/gossip/gossiptest"
	"backhand/gossip/node"
)

// fixture is a Monitor that runs in a bubble, on a network in memory.
type fixture struct {
	*Monitor
	network *gossiptest.Network
	log     *logBuffer
	self    atomic.Pointer[Message] // what it announces
	changed atomic.Int64            // how often somebody was heard
	stop    context.CancelFunc
	done    chan error
}

type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBuffer) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(b)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// start runs one at 10.58.4.1 that hears and announces at the same group.
func start(t *testing.T) *fixture {
	f := &fixture{network: gossiptest.NewNetwork(1), log: &logBuffer{}, done: make(chan error, 1)}
	f.self.Store(&Message{Ready: 3, Busy: 1})
	m, err := New(Config{
		Accept:  func(a netip.Addr) bool { return netip.MustParsePrefix("10.58.4.0/24").Contains(a) },
		Self:    func(time.Time) Message { return *f.self.Load() },
		Changed: func() { f.changed.Add(1) },
		Log:     slog.New(slog.NewTextHandler(f.log, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	f.Monitor = m
	both := f.transport()
	f.Set(Service{Farm: "web", Port: 80}, Links{Listen: both, Send: both})
	ctx, cancel := context.WithCancel(t.Context())
	f.stop = cancel
	go func() { f.done <- f.Run(ctx) }()
	return f
}

func (f *fixture) transport() gossip.Transport {
	return f.network.Transport(netip.MustParseAddrPort("10.58.4.1:27999"))
}

// end stops it, and checks that nothing is left.
func (f *fixture) end(t *testing.T) {
	t.Helper()
	f.stop()
	if err := <-f.done; err != nil {
		t.Errorf("Run: %v", err)
	}
}

func (f *fixture) inject(from, text string) {
	f.network.Inject(netip.MustParseAddrPort(from+":40000"), []byte(text))
	synctest.Wait()
}

// known returns the names of the hosts beside this one, as an agent has them.
func (f *fixture) known() string {
	self := &node.Node{ID: node.NewID(), Addr: netip.MustParseAddrPort("10.58.4.1:80")}
	var out []string
	for _, n := range f.AppendNodes([]*node.Node{self}, time.Now(), nil)[1:] {
		out = append(out, n.Name)
	}
	slices.Sort(out)
	return strings.Join(out, " ")
}

func TestHearsAndIsHeard(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := start(t)
		other := f.network.Transport(netip.MustParseAddrPort("10.58.4.9:27999"))
		defer other.Close()
		synctest.Wait() // its own first announcement has come back
		before := f.changed.Load()
		f.inject("10.58.4.2", "v=1&ready=75&busy=0")
		if got := f.known(); got != "10.58.4.2" || f.changed.Load() != before+1 {
			t.Errorf("it knows %q, and has said so %d times", got, f.changed.Load()-before)
		}
		if !f.Addrs()[addr("10.58.4.2")] || f.Addrs()[addr("10.58.4.3")] {
			t.Errorf("addresses: %v", f.Addrs())
		}

		time.Sleep(9500 * time.Millisecond) // between two announcements: at the tick itself it may take either word
		f.self.Store(&Message{})
		f.end(t)
		sent := map[string]int{}
		buf := make([]byte, 2000)
		for {
			n, from, err := receiveNow(other, buf)
			if err != nil {
				break
			}
			if from.Addr() == addr("10.58.4.1") {
				sent[string(buf[:n])]++
			}
		}
		// One a second, and the last word; the one at once came before the other was there or after.
		if n := sent["v=1&ready=3&busy=1"]; n != 9 && n != 10 {
			t.Errorf("announced %d times in 9.5 s", n)
		}
		if sent["v=1&ready=0&busy=0"] != 1 || len(sent) != 2 {
			t.Errorf("announced %v, want one last word", sent)
		}
	})
}

// receiveNow returns what has come already.
func receiveNow(t gossip.Transport, b []byte) (n int, from netip.AddrPort, err error) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		n, from, err = t.Receive(b)
	}()
	synctest.Wait()
	select {
	case <-done:
	default:
		_ = t.Close()
		<-done
	}
	return n, from, err
}

func TestWhatIsNotTaken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := start(t)
		for range 3 {
			f.inject("192.0.2.1", "v=1&ready=75&busy=0")
			f.inject("10.58.4.2", "v=1&ready=75")
			f.inject("10.58.4.2", "v=1&ready=75&busy=0&x="+strings.Repeat("x", 3000))
		}
		if got := f.known(); got != "" {
			t.Errorf("it knows %q", got)
		}
		if got := f.Dropped(); got != [Reasons]uint64{DropCIDR: 3, DropMalformed: 6} {
			t.Errorf("dropped %v", got)
		}
		for _, said := range []string{"gossip.accept does not name", "no heartbeats of Apache"} {
			if n := strings.Count(f.log.String(), said); n != 1 {
				t.Errorf("said %d times: %s", n, said)
			}
		}
		time.Sleep(logEvery)
		f.inject("192.0.2.1", "v=1&ready=75&busy=0")
		if n := strings.Count(f.log.String(), "gossip.accept does not name"); n != 2 {
			t.Errorf("a minute later said %d times", n)
		}
		f.end(t)
	})
}

func TestMoreHostsThanThereIsRoomFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := start(t)
		for port := 1; port <= maxPorts+3; port++ {
			f.inject("10.58.4.2", string(Message{Ready: 1, Port: uint16(port)}.Append(nil)))
		}
		if got := f.Dropped()[DropFull]; got != 3 {
			t.Errorf("%d dropped", got)
		}
		if n := strings.Count(f.log.String(), "more hosts send heartbeats"); n != 1 {
			t.Errorf("said %d times", n)
		}
		f.end(t)
	})
}

func TestOtherLinksWhileItRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := start(t)
		f.inject("10.58.4.2", "v=1&ready=1&busy=0")
		first := f.Links().Listen

		second := f.transport()
		f.Set(Service{Farm: "web", Port: 80}, Links{Listen: second, Send: f.transport()})
		synctest.Wait()
		if err := first.Send(nil); err == nil {
			t.Error("the link that is not used any more is open")
		}
		f.inject("10.58.4.3", "v=1&ready=1&busy=0")
		if got := f.known(); got != "10.58.4.2 10.58.4.3" {
			t.Errorf("it knows %q, want the one from before and the new one", got)
		}

		f.Set(Service{Farm: "web", Port: 80}, Links{Send: f.Links().Send})
		f.inject("10.58.4.4", "v=1&ready=1&busy=0") // comes by the link that only sends
		if got := f.known(); got != "" {
			t.Errorf("nobody is listened to, and it knows %q", got)
		}
		f.Set(Service{}, Links{})
		f.end(t)

		late := f.transport()
		f.Set(Service{}, Links{Listen: late})
		if err := late.Send(nil); err == nil {
			t.Error("a link that came too late is open")
		}
	})
}

// deaf is a transport whose network is down.
type deaf struct {
	gossip.Transport
	mu   sync.Mutex
	down bool
}

func (d *deaf) set(down bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.down = down
}

func (d *deaf) fails() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.down {
		return errors.New("network is unreachable")
	}
	return nil
}

func (d *deaf) Send(b []byte) error {
	if err := d.fails(); err != nil {
		return err
	}
	return d.Transport.Send(b)
}

func (d *deaf) Receive(b []byte) (int, netip.AddrPort, error) {
	if err := d.fails(); err != nil {
		return 0, netip.AddrPort{}, err
	}
	return d.Transport.Receive(b)
}

func TestNetworkThatIsDownForAWhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := start(t)
		d := &deaf{Transport: f.transport(), down: true}
		f.Set(Service{Farm: "web", Port: 80}, Links{Listen: d, Send: d})
		time.Sleep(10 * time.Second)
		d.set(false)
		time.Sleep(3 * time.Second)
		f.inject("10.58.4.2", "v=1&ready=1&busy=0")
		if got := f.known(); got != "10.58.4.2" {
			t.Errorf("after the outage it knows %q", got)
		}
		for _, said := range []string{"do not leave this host", "leave this host again"} {
			if n := strings.Count(f.log.String(), said); n != 1 {
				t.Errorf("said %d times: %s", n, said)
			}
		}
		d.set(true)
		f.end(t)
	})
}

func TestRunsOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := start(t)
		synctest.Wait()
		if err := f.Run(t.Context()); err == nil {
			t.Error("it runs twice")
		}
		f.end(t)
	})
	if _, err := New(Config{}); err == nil {
		t.Error("without whom to believe there is no error")
	}
}
