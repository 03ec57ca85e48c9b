package doctor

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/fstest"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"backhand/gossip"
	"backhand/gossip/gossiptest"
	"backhand/gossip/node"
)

// bed is a network in memory with peers on it, and a doctor on 10.58.4.1.
type bed struct {
	t       *testing.T
	network *gossiptest.Network
	peers   map[string]*gossip.Gossiper // by address
	mu      sync.Mutex
	asked   []string // of the peers' pages
	x       *examination
}

// newBed starts agents at those addresses. It must be called in a bubble.
func newBed(t *testing.T, peers ...string) *bed {
	b := &bed{t: t, network: gossiptest.NewNetwork(1), peers: map[string]*gossip.Gossiper{}}
	for i, a := range peers {
		b.start(byte(2+i), addrPort(a))
	}
	f := healthy()
	b.x = &examination{
		facts: &Facts{Config: f.Config}, self: node.ID{99},
		opt: Options{
			For: 3 * time.Second, Page: "/backhand/",
			Agent: func(context.Context) (*Agent, error) { return nil, errors.New("no agent answers") },
		},
		sys: system{
			proc: fstest.MapFS{}, interfaces: func() ([]Interface, error) { return f.Interfaces, nil },
			open: func(gossip.Destination, gossip.SocketConfig) (gossip.Transport, error) {
				return b.network.Transport(addrPort("10.58.4.1:40000")), nil
			},
			sniff: func(string, netip.AddrPort) (sniffer, error) { return nil, fs.ErrPermission },
			dial:  b.dial,
		},
	}
	return b
}

// start starts an agent without a web server until the test ends.
func (b *bed) start(id byte, a netip.AddrPort) {
	g, err := gossip.New(gossip.Config{
		Cluster: "web", ID: node.ID{id}, Boot: 1, Accept: []netip.Prefix{prefix("10.58.4.0/24")},
		Transports: []gossip.Transport{b.network.Transport(a)},
		Describe: func(now time.Time) node.Node {
			return node.Node{Name: "www" + string('0'+rune(id)), Addr: netip.AddrPortFrom(a.Addr(), 80), State: node.Up, Stats: node.Stats{CPUs: 1}}
		},
	})
	if err != nil {
		b.t.Fatal(err)
	}
	b.peers[a.Addr().String()] = g
	ctx, cancel := context.WithCancel(b.t.Context())
	done := make(chan error)
	go func() { done <- g.Run(ctx) }()
	b.t.Cleanup(func() { cancel(); <-done })
}

// dial connects to the page of a peer, which lists what that has heard.
func (b *bed) dial(_ context.Context, _, address string) (net.Conn, error) {
	host, _, _ := net.SplitHostPort(address)
	g := b.peers[host]
	if g == nil {
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}
	}
	b.mu.Lock()
	b.asked = append(b.asked, host)
	b.mu.Unlock()
	ours, theirs := net.Pipe()
	go func() {
		defer theirs.Close()
		req, err := http.ReadRequest(bufio.NewReader(theirs))
		if err != nil || req.URL.Path != "/backhand/view.json" || req.Host != address {
			_, _ = fmt.Fprintf(theirs, "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
			return
		}
		var rows []string
		for _, n := range g.Nodes(time.Now()) {
			rows = append(rows, row(n.ID.String(), fmt.Sprint(time.Since(n.Heard).Seconds())))
		}
		body := strings.Replace(page(strings.Join(rows, ",")), "2026-11-22T07:00:37Z", time.Now().UTC().Format(time.RFC3339Nano), 1)
		_, _ = fmt.Fprintf(theirs, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
	}()
	return ours, nil
}

func (b *bed) examine() *Report {
	b.t.Helper()
	if err := b.x.run(b.t.Context()); err != nil {
		b.t.Fatal(err)
	}
	return Judge(b.x.facts)
}

// states returns how each check went.
func states(r *Report) map[string]State {
	all := map[string]State{}
	for _, c := range r.Checks {
		all[c.Check] = c.State
	}
	return all
}

func TestExamineWithoutAnAgent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t, "10.58.4.2:4445", "10.58.4.3:4445")
		time.Sleep(time.Minute) // their quick beats are long over: what comes quickly answers ours
		r := b.examine()
		want := map[string]State{
			"configuration": OK, "agent": Note, "interface": OK, "mtu": OK, "port": OK, "sending": OK, "ttl": OK, "loopback": OK,
			"cluster": OK, "accept": OK, "peers": OK, "hears": OK,
		}
		if diff := cmp.Diff(want, states(r)); diff != "" {
			t.Errorf("%s\n%v", diff, r)
		}
		if r.Verdict != "All is well: 2 peers are heard and hear this host." {
			t.Error(r.Verdict)
		}
		f := b.x.facts
		if l := f.Links[0]; l.Sent != 5 || l.Own != 5 { // at 0, 0.2, 0.4, 1.4 and 2.4 s
			t.Errorf("%d beats left and %d came back, want 5", l.Sent, l.Own)
		}
		// Nobody can choose what the peers know of it.
		for from, g := range b.peers {
			nodes := g.Nodes(time.Now())
			i := slices.IndexFunc(nodes, func(n *node.Node) bool { return n.ID == b.x.self })
			if i < 0 {
				t.Errorf("%s has not heard the doctor", from)
				continue
			}
			n := nodes[i]
			if n.Name != "doctor on www1" || n.State != node.Leaving || len(n.Services) != 0 || n.Addr != f.Address {
				t.Errorf("%s heard %+v", from, n)
			}
		}
		// Each of them answers our first beats at once, 200 ms apart: those of a second's rhythm would be 3 or 4.
		for _, s := range f.Links[0].Sources {
			if s.Count[taken] < 5 {
				t.Errorf("%v has sent %d beats", s.From, s.Count[taken])
			}
		}
	})
}

func TestExamineBesideAnAgent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t, "10.58.4.2:4445")
		b.start(1, addrPort("10.58.4.1:4445"))
		sent := uint64(100)
		b.x.opt.Agent = func(context.Context) (*Agent, error) {
			a := healthy().withAgent().Agent
			a.Sent, a.Rejected, a.Nodes = sent, []Count{{"cidr", sent / 10}}, nil
			sent += 50
			return a, nil
		}
		r := b.examine()
		if diff := cmp.Diff(map[string]State{
			"configuration": OK, "agent": OK, "interface": OK, "mtu": OK, "port": OK, "sending": OK, "ttl": OK, "loopback": OK,
			"cluster": OK, "accept": OK, "peers": OK, "hears": OK,
		}, states(r)); diff != "" {
			t.Errorf("%s\n%v", diff, r)
		}
		f := b.x.facts
		if f.Agent.Sent != 50 || f.Agent.Rejected[0].N != 5 {
			t.Errorf("in the meantime it sent %d and dropped %v, want 50 and 5", f.Agent.Sent, f.Agent.Rejected)
		}
		for _, n := range b.peers["10.58.4.2"].Nodes(time.Now()) {
			if n.ID == b.x.self {
				t.Error("the doctor sent beats of its own")
			}
		}
	})
}

func TestExamineOneWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t, "10.58.4.2:4445", "10.58.4.3:4445")
		b.peers["10.58.4.2"].SetAccept([]netip.Prefix{prefix("10.58.4.2/32")})
		r := b.examine()
		if s := states(r); s["peers"] != OK || s["hears"] != Fail || r.Failed != 1 || !strings.Contains(r.Verdict, "one-way: www2 (10.58.4.2) is heard") {
			t.Errorf("%+v", r)
		}
	})
}

func TestExamineAlone(t *testing.T) {
	for _, c := range []struct {
		name  string
		alter func(b *bed)
		want  State
	}{
		{"nobody else is there", func(*bed) {}, Fail},
		{"the network is cut", func(b *bed) {
			b.start(2, addrPort("10.58.4.2:4445"))
			b.network.Partition([]netip.Addr{addr("10.58.4.2")})
		}, Fail},
		{"nothing to examine", func(b *bed) { b.x.facts.Send = nil }, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBed(t)
				c.alter(b)
				r := b.examine()
				if got := states(r)["peers"]; got != c.want || len(b.asked) > 0 {
					t.Errorf("peers: %q, want %q; asked %v\n%+v", got, c.want, b.asked, r)
				}
			})
		})
	}
}

// A peer may announce where it likes; the doctor connects to no address that is not accepted.
func TestExamineAsksNobodyElse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t)
		h := www(8)
		h.Addr = addrPort("192.0.2.1:80")
		go func() {
			time.Sleep(time.Second)
			b.network.Inject(addrPort("10.58.4.8:4445"), announced(t, h, "web", nil))
			far := www(9)
			b.network.Inject(addrPort("192.0.2.9:4445"), announced(t, far, "web", nil))
		}()
		r := b.examine()
		if len(b.x.facts.Answers) != 0 || states(r)["address"] != Fail {
			t.Errorf("asked %v\n%+v", b.x.facts.Answers, r)
		}
	})
}

func TestExamineIsInterrupted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t, "10.58.4.2:4445")
		b.x.opt.For = time.Hour
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start := time.Now()
		if err := b.x.run(ctx); !errors.Is(err, context.DeadlineExceeded) || time.Since(start) > 2*time.Second {
			t.Errorf("%v after %v", err, time.Since(start))
		}
	})
}

func TestExaminePortIsTaken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t)
		b.x.sys.proc = proc()
		b.x.sys.open = func(d gossip.Destination, _ gossip.SocketConfig) (gossip.Transport, error) {
			return nil, fmt.Errorf("listen on port %d: %w", d.Addr.Port(), os.NewSyscallError("bind", syscall.EADDRINUSE))
		}
		r := b.examine()
		i := slices.IndexFunc(r.Checks, func(c Result) bool { return c.Check == "port" })
		if i < 0 || r.Checks[i].State != Fail || !strings.Contains(r.Checks[i].Text, "backhand (pid 12) and dnsmasq (pid 7)") {
			t.Errorf("%+v", r)
		}
	})
}

// fakeWire has seen these.
type fakeWire struct {
	from   []netip.Addr
	closed chan struct{}
}

func (w *fakeWire) next() (netip.Addr, error) {
	if len(w.from) == 0 {
		<-w.closed
		return netip.Addr{}, net.ErrClosed
	}
	a := w.from[0]
	w.from = w.from[1:]
	return a, nil
}

func (w *fakeWire) Close() error { close(w.closed); return nil }

func TestExamineTheWire(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t, "10.58.4.2:4445")
		b.x.sys.sniff = func(ifi string, to netip.AddrPort) (sniffer, error) {
			if ifi != "eth0" || to != addrPort("239.255.221.20:4445") {
				t.Errorf("listens on %s for %v", ifi, to)
			}
			return &fakeWire{[]netip.Addr{addr("10.58.4.2"), addr("10.58.4.7"), addr("10.58.4.2")}, make(chan struct{})}, nil
		}
		r := b.examine()
		want := []Arrival{{addr("10.58.4.2"), 2}, {addr("10.58.4.7"), 1}}
		if l := b.x.facts.Links[0]; !slices.Equal(l.Wire, want) || states(r)["firewall"] != Fail || states(r)["peers"] != OK {
			t.Errorf("%+v\n%+v", l, r)
		}
	})
}

func TestExamineAnotherInterface(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t)
		f := healthy().second()
		b.x.sys.interfaces = func() ([]Interface, error) { return f.Interfaces, nil }
		other := gossiptest.NewNetwork(2)
		b.x.sys.open = func(_ gossip.Destination, c gossip.SocketConfig) (gossip.Transport, error) {
			if c.Interface == "eth1" {
				return other.Transport(addrPort("10.9.9.1:40000")), nil
			}
			return b.network.Transport(addrPort("10.58.4.1:40000")), nil
		}
		b.network = other
		b.start(2, addrPort("10.9.9.2:4445"))
		b.network = gossiptest.NewNetwork(3)
		r := b.examine()
		if got := b.x.facts.Links[0].Elsewhere; !slices.Equal(got, []Elsewhere{{"eth1", addr("10.9.9.2")}}) || states(r)["elsewhere"] != Fail {
			t.Errorf("%v\n%+v", got, r)
		}
	})
}
