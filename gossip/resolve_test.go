package gossip

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

	"github.com/google/go-cmp/cmp"
)

// names is a name service that knows what a test tells it.
type names struct {
	mu      sync.Mutex
	hosts   map[string][]string   // addresses
	srv     map[string][]*net.SRV // by name
	slow    map[string]time.Duration
	asked   map[string]int
	pending int
	most    int // asked at the same time
}

func (n *names) tell(change func(n *names)) {
	n.mu.Lock()
	defer n.mu.Unlock()
	change(n)
}

// count returns how often a name was asked for.
func (n *names) count(name string) int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.asked[name]
}

// busy returns how many lookups are under way, and how many were at most.
func (n *names) busy() (pending, most int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.pending, n.most
}

// ask takes the time that an answer takes.
func (n *names) ask(ctx context.Context, name string) error {
	n.mu.Lock()
	if n.asked == nil {
		n.asked = map[string]int{}
	}
	n.asked[name]++
	n.pending++
	n.most = max(n.most, n.pending)
	slow := n.slow[name]
	n.mu.Unlock()
	defer n.tell(func(n *names) { n.pending-- })
	if slow > 0 && !wait(ctx, slow) {
		return ctx.Err()
	}
	return nil
}

func (n *names) LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error) {
	if err := n.ask(ctx, host); err != nil {
		return nil, err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	all, ok := n.hosts[host]
	if !ok {
		return nil, fmt.Errorf("lookup %s: no such host", host)
	}
	var out []netip.Addr
	for _, a := range all {
		// Like Go's own resolver in some set-ups, it gives IPv4 in the form of IPv6.
		if x := netip.MustParseAddr(a); network == "ip4" && x.Is4() {
			out = append(out, netip.AddrFrom16(x.As16()))
		} else {
			out = append(out, x)
		}
	}
	return out, nil
}

func (n *names) LookupSRV(ctx context.Context, service, proto, name string) (string, []*net.SRV, error) {
	if service != "" || proto != "" {
		return "", nil, errors.New("the name is to be asked for as it is")
	}
	if err := n.ask(ctx, name); err != nil {
		return "", nil, err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	all, ok := n.srv[name]
	if !ok {
		return "", nil, fmt.Errorf("lookup %s: no such host", name)
	}
	return name, all, nil
}

// book is a directory in a test.
type book struct {
	*directory
	t     *testing.T
	names *names
	log   *bytes.Buffer
	cfg   *UnicastConfig
}

// newBook must be called in a synctest bubble. The directory is closed at the end of the test's function by whoever made it.
func newBook(t *testing.T, own string, n *names, peers ...string) *book {
	t.Helper()
	b := &book{t: t, names: n, log: &bytes.Buffer{}}
	b.cfg = &UnicastConfig{
		Listen: netip.MustParseAddrPort(own), Resolver: n,
		Log: slog.New(slog.NewTextHandler(b.log, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey {
				return slog.Attr{}
			}
			return a
		}})),
	}
	b.directory = newDirectory(b.cfg, parsePeers(t, peers...), nil)
	return b
}

func parsePeers(t *testing.T, texts ...string) (out []Peer) {
	t.Helper()
	for _, text := range texts {
		p, err := ParsePeer(text)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, p)
	}
	return out
}

// knows checks the addresses once all that can happen now has happened.
func (b *book) knows(want ...string) {
	b.t.Helper()
	synctest.Wait()
	got := []string{}
	for _, a := range b.now() {
		got = append(got, a.String())
	}
	if d := cmp.Diff(append([]string{}, want...), got); d != "" {
		b.t.Errorf("addresses after %v (-want +got):\n%s", time.Since(bubbleStart()), d)
	}
}

// bubbleStart is when the clock of every synctest bubble starts.
func bubbleStart() time.Time { return time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC) }

// said returns what was logged since the call before.
func (b *book) said() string {
	synctest.Wait()
	defer b.log.Reset()
	return b.log.String()
}

func TestAddressesOfPeers(t *testing.T) {
	hosts := map[string][]string{
		"web":      {"10.58.4.3", "10.58.4.2", "fd58:4::2"},
		"six":      {"fd58:4::3"},
		"odd":      {"224.0.0.1", "0.0.0.0", "255.255.255.255", "ff05::1", "fe80::1", "10.58.4.4"},
		"self":     {"10.58.4.1", "fd58:4::1"},
		"a.target": {"10.58.4.5"},
		"b.target": {"10.58.4.6", "10.58.4.7"},
	}
	srv := map[string][]*net.SRV{
		"_bh._udp.x":    {{Target: "b.target", Port: 2}, {Target: "a.target", Port: 1}, {Target: "b.target", Port: 3}},
		"_gone._udp.x":  {{Target: ".", Port: 0}},
		"_part._udp.x":  {{Target: "nobody", Port: 1}, {Target: "a.target", Port: 9}, {Target: "a.target", Port: 0}},
		"_spoof._udp.x": {{Target: "no name!", Port: 1}, {Target: strings.Repeat("x", 300), Port: 1}, {Target: "a.target", Port: 8}},
	}
	for name, tc := range map[string]struct {
		own   string
		peers []string
		want  []string
		warns bool
	}{
		"addresses as they stand":            {"10.58.4.1:4445", []string{"10.58.4.9:1", "10.58.4.2:2"}, []string{"10.58.4.9:1", "10.58.4.2:2"}, false},
		"our own is left out":                {"10.58.4.1:4445", []string{"10.58.4.1:4445", "10.58.4.2:4445"}, []string{"10.58.4.2:4445"}, false},
		"our own address with another port":  {"10.58.4.1:4445", []string{"10.58.4.1:4446"}, []string{"10.58.4.1:4446"}, false},
		"all addresses of a name, in order":  {"10.58.4.1:4445", []string{"web:7"}, []string{"10.58.4.2:7", "10.58.4.3:7"}, false},
		"the same from an IPv6 socket":       {"[fd58:4::1]:4445", []string{"web:7"}, []string{"[fd58:4::2]:7"}, false},
		"a name that is ourselves":           {"10.58.4.1:4445", []string{"self:4445"}, nil, false},
		"a name twice over":                  {"10.58.4.1:4445", []string{"web:7", "10.58.4.3:7", "web:7"}, []string{"10.58.4.2:7", "10.58.4.3:7"}, false},
		"addresses that are no host's":       {"10.58.4.1:4445", []string{"odd:7"}, []string{"10.58.4.4:7"}, false},
		"addresses that are no host's, IPv6": {"[fd58:4::1]:4445", []string{"odd:7"}, nil, true},
		"a name of the other family":         {"10.58.4.1:4445", []string{"six:7", "10.58.4.2:7"}, []string{"10.58.4.2:7"}, true},
		"an address of the other family":     {"10.58.4.1:4445", []string{"[fd58:4::9]:7", "10.58.4.2:7"}, []string{"10.58.4.2:7"}, false},
		"SRV records":                        {"10.58.4.1:4445", []string{"_bh._udp.x"}, []string{"10.58.4.5:1", "10.58.4.6:2", "10.58.4.7:2", "10.58.4.6:3", "10.58.4.7:3"}, false},
		"SRV records that name nothing":      {"10.58.4.1:4445", []string{"_gone._udp.x"}, nil, true},
		"SRV records, some of no host":       {"10.58.4.1:4445", []string{"_part._udp.x"}, []string{"10.58.4.5:9"}, true},
		"SRV records with nonsense":          {"10.58.4.1:4445", []string{"_spoof._udp.x"}, []string{"10.58.4.5:8"}, false},
		"an unknown name among others":       {"10.58.4.1:4445", []string{"nobody:1", "_no._udp.x", "web:1"}, []string{"10.58.4.2:1", "10.58.4.3:1"}, true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBook(t, tc.own, &names{hosts: hosts, srv: srv}, tc.peers...)
				defer b.close()
				b.knows(tc.want...)
				if said := b.said(); (said != "") != tc.warns {
					t.Errorf("it said:\n%s", said)
				}
			})
		})
	}
}

func TestNamesAreLookedUpAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := &names{hosts: map[string][]string{"web": {"10.58.4.2"}}}
		b := newBook(t, "10.58.4.1:4445", n, "web:4445")
		defer b.close()
		b.knows("10.58.4.2:4445")
		n.tell(func(n *names) { n.hosts["web"] = []string{"10.58.4.3", "10.58.4.4"} })
		time.Sleep(lookupEvery * 8 / 10)
		b.knows("10.58.4.2:4445")
		time.Sleep(lookupEvery * 3 / 10)
		b.knows("10.58.4.3:4445", "10.58.4.4:4445")
		time.Sleep(time.Hour)
		synctest.Wait()
		if got := n.count("web"); got < 110 || got > 133 { // 120 in an hour, give or take a tenth
			t.Errorf("asked %d times in an hour", got)
		}
		if said := b.said(); said != "" {
			t.Errorf("it said:\n%s", said)
		}
	})
}

func TestNameThatCannotBeLookedUpKeepsItsAddresses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := &names{
			hosts: map[string][]string{"web": {"10.58.4.2"}, "a": {"10.58.4.5"}, "b": {"10.58.4.6"}},
			srv:   map[string][]*net.SRV{"_bh._udp.x": {{Target: "a", Port: 1}, {Target: "b", Port: 1}}},
		}
		b := newBook(t, "10.58.4.1:4445", n, "web:4445", "_bh._udp.x")
		defer b.close()
		all := []string{"10.58.4.2:4445", "10.58.4.5:1", "10.58.4.6:1"}
		b.knows(all...)
		srv := n.srv
		n.tell(func(n *names) { n.hosts, n.srv = nil, nil })
		time.Sleep(time.Hour)
		b.knows(all...)
		said := b.said()
		if got := strings.Count(said, "cannot be looked up"); got != 2 || strings.Count(said, "\n") != 2 {
			t.Errorf("it said, of two names:\n%s", said)
		}
		// Of the hosts that records name, one comes back at another address, one is no more, and one cannot be looked up.
		n.tell(func(n *names) {
			n.srv = srv
			n.hosts = map[string][]string{"a": {"10.58.4.7"}, "web": {"10.58.4.2"}}
		})
		time.Sleep(time.Minute)
		b.knows("10.58.4.2:4445", "10.58.4.7:1", "10.58.4.6:1")
		if said := b.said(); strings.Count(said, "can be looked up again") != 1 || !strings.Contains(said, "name=web addresses=1") {
			t.Errorf("it said:\n%s", said)
		}
		n.tell(func(n *names) { n.srv = map[string][]*net.SRV{"_bh._udp.x": {{Target: "a", Port: 1}}} })
		time.Sleep(time.Minute)
		b.knows("10.58.4.2:4445", "10.58.4.7:1")
		if said := b.said(); strings.Count(said, "can be looked up again") != 1 {
			t.Errorf("it said:\n%s", said)
		}
	})
}

// A host may start before its network does: then the first answer must not be half a minute away.
func TestNameIsTriedAgainSoon(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := &names{}
		b := newBook(t, "10.58.4.1:4445", n, "web:4445")
		defer b.close()
		var at []time.Duration
		for range 900 { // tenths of seconds
			synctest.Wait()
			if n.count("web") > len(at) {
				at = append(at, time.Since(bubbleStart()))
			}
			time.Sleep(100 * time.Millisecond)
		}
		if len(at) < 7 {
			t.Fatalf("asked after %v", at)
		}
		for i, want := range []time.Duration{1, 2, 4, 8, 16, 30} {
			want *= time.Second
			if pause := at[i+1] - at[i]; pause < want*9/10-100*time.Millisecond || pause > want*11/10+100*time.Millisecond {
				t.Errorf("pause %d is %v, want about %v", i+1, pause, want)
			}
		}
	})
}

func TestSlowNamesHoldUpNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := &names{hosts: map[string][]string{}, slow: map[string]time.Duration{}}
		var peers, fast []string
		for i := range 20 {
			host := fmt.Sprintf("web%d", i)
			n.hosts[host] = []string{fmt.Sprintf("10.58.5.%d", i)}
			if i < 5 {
				n.slow[host] = time.Hour
			} else {
				fast = append(fast, fmt.Sprintf("10.58.5.%d:4445", i))
			}
			peers = append(peers, host+":4445")
		}
		b := newBook(t, "10.58.4.1:4445", n, peers...)
		b.knows(fast...)
		if _, most := n.busy(); most > lookupsMost {
			t.Errorf("%d lookups at a time, want at most %d", most, lookupsMost)
		}
		time.Sleep(lookupTime)
		if said := b.said(); strings.Count(said, "cannot be looked up") != 5 {
			t.Errorf("after %v it said:\n%s", lookupTime, said)
		}
		time.Sleep(lookupAgain * 3 / 2)
		synctest.Wait()
		before := time.Now()
		pending, _ := n.busy()
		b.close()
		if took := time.Since(before); took != 0 || pending != 5 {
			t.Errorf("with %d lookups under way it ended after %v", pending, took)
		}
		if after, _ := n.busy(); after != 0 {
			t.Errorf("%d lookups go on after the end", after)
		}
	})
}

func TestTooManyAddresses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := &names{hosts: map[string][]string{}}
		for i := range MaxPeers + 100 {
			n.hosts["web"] = append(n.hosts["web"], netip.AddrFrom4([4]byte{10, 60, byte(i >> 8), byte(i)}).String())
		}
		n.hosts["rest"] = []string{"10.61.0.1"}
		b := newBook(t, "10.58.4.1:4445", n, "10.58.4.2:4445", "web:4445", "rest:4445")
		defer b.close()
		synctest.Wait()
		got := b.now()
		if len(got) != MaxPeers || got[0].String() != "10.58.4.2:4445" || got[MaxPeers-1].String() != "10.60.3.254:4445" {
			t.Errorf("%d addresses, from %v to %v", len(got), got[0], got[len(got)-1])
		}
		time.Sleep(time.Hour)
		if said := b.said(); strings.Count(said, "too many addresses") != 1 {
			t.Errorf("it said:\n%s", said)
		}
		n.tell(func(n *names) { n.hosts["web"] = []string{"10.60.0.0"} })
		time.Sleep(time.Minute)
		b.knows("10.58.4.2:4445", "10.60.0.0:4445", "10.61.0.1:4445")
	})
}

func TestNewPeersKeepWhatIsKnown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := &names{hosts: map[string][]string{"web": {"10.58.4.2"}, "old": {"10.58.4.3"}, "new": {"10.58.4.4"}}}
		b := newBook(t, "10.58.4.1:4445", n, "web:4445", "old:4445", "10.58.4.9:4445")
		b.knows("10.58.4.2:4445", "10.58.4.3:4445", "10.58.4.9:4445")
		n.tell(func(n *names) { n.slow = map[string]time.Duration{"web": time.Second, "new": time.Second} })
		before := b.directory
		before.close()
		b.directory = newDirectory(b.cfg, parsePeers(t, "10.58.4.8:4445", "web:4445", "new:4445"), before)
		defer func() { b.close() }()
		b.knows("10.58.4.8:4445", "10.58.4.2:4445")
		time.Sleep(time.Second)
		b.knows("10.58.4.8:4445", "10.58.4.2:4445", "10.58.4.4:4445")
		asked := n.count("old")
		time.Sleep(time.Hour)
		synctest.Wait()
		if n.count("old") != asked {
			t.Error("a name that is not there any more is looked up still")
		}
	})
}
