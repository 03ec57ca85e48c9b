package heartbeat

import (
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"backhand/gossip"
	"backhand/gossip/node"
)

// t0 is when the tests begin.
func t0() time.Time { return time.Unix(1_700_000_000, 0) }

func addr(s string) netip.Addr { return netip.MustParseAddr(s) }

// web is a table for hosts that serve farm web at port 80, four requests at once.
func web() *table {
	t := newTable()
	t.setService(Service{Farm: "web", Port: 80, Capacity: 4})
	return t
}

// names returns the names of the hosts that are listed beside these nodes.
func names(t *table, now time.Time, nodes ...*node.Node) []string {
	var out []string
	for _, n := range t.append(nodes, now, nil)[len(nodes):] {
		out = append(out, n.Name)
	}
	slices.Sort(out)
	return out
}

func TestHostBecomesANode(t *testing.T) {
	tab := web()
	tab.observe(Message{Ready: 75, Busy: 5}, addr("10.58.4.2"), t0())
	tab.observe(Message{Ready: 70, Busy: 10}, addr("10.58.4.2"), t0().Add(time.Second))
	nodes := tab.append(nil, t0().Add(3*time.Second), nil)
	if len(nodes) != 1 {
		t.Fatalf("%d nodes", len(nodes))
	}
	// The id is the same on every agent and for ever: sessions and hashes of chains go by it.
	id, err := node.ParseID("91ab08d1494267a6d2eb5f2c2745844c")
	if err != nil {
		t.Fatal(err)
	}
	want := &node.Node{
		ID: id, Boot: uint64(t0().UnixMilli()), Sequence: 2, Name: "10.58.4.2", Addr: netip.MustParseAddrPort("10.58.4.2:80"),
		Direct: true, Untrusted: true, State: node.Up, Interval: time.Second, Heard: t0().Add(time.Second), From: addr("10.58.4.2"),
		Services: []node.Service{{
			Farm: "web", Ready: true, Slots: 4, Workers: 80, Busy: 10, InFlight: 10, Average: 10,
		}},
	}
	if d := cmp.Diff(want, nodes[0], cmp.Comparer(func(a, b netip.Addr) bool { return a == b }),
		cmp.Comparer(func(a, b netip.AddrPort) bool { return a == b })); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	if age := nodes[0].Age(t0().Add(3 * time.Second)); age != 2*time.Second {
		t.Errorf("it is %v old", age)
	}
	if again := tab.append(nil, t0().Add(4*time.Second), nil); again[0] != nodes[0] {
		t.Error("without a message between them, two looks give two nodes")
	}
}

func TestHostWithoutWorkersIsNotReady(t *testing.T) {
	tab := web()
	tab.observe(Message{}, addr("10.58.4.2"), t0())
	tab.observe(Message{Busy: 5}, addr("10.58.4.3"), t0())
	for _, n := range tab.append(nil, t0(), nil) {
		ready := n.Name == "10.58.4.3" // all of its workers are busy, and a request may wait for one
		if s := n.Services[0]; s.Ready != ready || (s.Why == "") != ready {
			t.Errorf("%s: %+v", n.Name, s)
		}
	}
}

func TestPortsOfOneAddressAreHosts(t *testing.T) {
	tab := web()
	for _, port := range []uint16{0, 8080, 80, 8080} {
		tab.observe(Message{Ready: 1, Port: port}, addr("10.58.4.2"), t0())
	}
	if d := cmp.Diff([]string{"10.58.4.2", "10.58.4.2:8080"}, names(tab, t0())); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

func TestSilentHostsAreListedForAnHour(t *testing.T) {
	tab := web()
	tab.observe(Message{Ready: 1}, addr("10.58.4.2"), t0())
	if got := names(tab, t0().Add(gossip.Shown-1)); len(got) != 1 {
		t.Errorf("before the hour is over: %v", got)
	}
	if got := names(tab, t0().Add(gossip.Shown)); got != nil {
		t.Errorf("after the hour: %v", got)
	}
	if len(tab.hosts)+len(tab.ports) > 0 {
		t.Errorf("left behind: %v %v", tab.hosts, tab.ports)
	}
}

func TestClockThatWasSetBack(t *testing.T) {
	tab := web()
	tab.observe(Message{Ready: 1}, addr("10.58.4.2"), t0().Add(24*time.Hour))
	nodes := tab.append(nil, t0(), nil)
	if len(nodes) != 1 || !nodes[0].Heard.Equal(t0()) {
		t.Errorf("got %+v, want its silence to count from now", nodes)
	}
	if got := names(tab, t0().Add(gossip.Shown)); got != nil {
		t.Errorf("an hour later: %v", got)
	}
}

// fill makes the table full of hosts that were heard at that time.
func fill(tab *table, at time.Time) {
	for i := range MaxHosts {
		tab.observe(Message{Ready: 1}, netip.AddrFrom4([4]byte{10, 1, byte(i >> 8), byte(i)}), at)
	}
}

func TestOnlySilenceMakesRoom(t *testing.T) {
	tab := web()
	fill(tab, t0())
	if n := len(tab.hosts); n != MaxHosts {
		t.Fatalf("%d hosts", n)
	}
	newcomer := addr("10.58.4.2")
	if tab.observe(Message{Ready: 1}, newcomer, t0().Add(roomAfter-1)) {
		t.Error("a newcomer took the place of the living")
	}
	later := t0().Add(roomAfter - 1)
	tab.observe(Message{Ready: 1}, addr("10.1.0.7"), later) // one of them goes on
	if !tab.observe(Message{Ready: 2}, addr("10.1.0.7"), later) {
		t.Error("one that is known is not heard any more")
	}
	if !tab.observe(Message{Ready: 1}, newcomer, t0().Add(roomAfter+roomEvery)) {
		t.Error("there is no room, though all but one are silent")
	}
	if got := names(tab, t0().Add(roomAfter+roomEvery)); !slices.Equal(got, []string{"10.1.0.7", "10.58.4.2"}) {
		t.Errorf("listed: %v", got)
	}
}

func TestOneAddressTakesNotAllTheRoom(t *testing.T) {
	tab := web()
	taken := 0
	for port := uint16(1); port < 200; port++ {
		if tab.observe(Message{Ready: 1, Port: port}, addr("10.58.4.2"), t0()) {
			taken++
		}
	}
	if taken != maxPorts || len(tab.hosts) != maxPorts {
		t.Errorf("%d ports of one address were taken, %d are known; want %d", taken, len(tab.hosts), maxPorts)
	}
	if !tab.observe(Message{Ready: 1}, addr("10.58.4.3"), t0()) {
		t.Error("another address has no room")
	}
	if !tab.observe(Message{Ready: 1, Port: 999}, addr("10.58.4.2"), t0().Add(2*roomAfter)) {
		t.Error("silence makes no room at one address")
	}
}

func TestReloadedService(t *testing.T) {
	tab := web()
	tab.observe(Message{Ready: 1}, addr("10.58.4.2"), t0())
	tab.observe(Message{Ready: 1, Port: 8080}, addr("10.58.4.3"), t0())
	before := tab.append(nil, t0(), nil)

	tab.setService(Service{Farm: "shop", Port: 80, Capacity: 8})
	for _, n := range tab.append(nil, t0(), nil) {
		if s := n.Services[0]; s.Farm != "shop" || s.Slots != 8 {
			t.Errorf("%s serves %+v after the farm was renamed", n.Name, s)
		}
	}
	if s := before[0].Services[0]; s.Farm != "web" {
		t.Errorf("a node that was given out has changed: %+v", s)
	}
	tab.setService(Service{Farm: "shop", Port: 81})
	if got := names(tab, t0()); !slices.Equal(got, []string{"10.58.4.3:8080"}) {
		t.Errorf("after the port was changed: %v, want those that say their own", got)
	}
}

func TestWhoIsVouchedForWins(t *testing.T) {
	beats := func(at string, state node.State, silent time.Duration, farms ...string) *node.Node {
		n := &node.Node{ID: node.NewID(), Addr: netip.MustParseAddrPort(at), State: state, Interval: time.Second}
		n.Heard = t0().Add(-silent)
		for _, f := range farms {
			n.Services = append(n.Services, node.Service{Farm: f})
		}
		return n
	}
	plain, ported := Message{Ready: 1}, Message{Ready: 1, Port: 8080}
	for _, row := range []struct {
		what   string
		m      Message
		other  *node.Node
		listed bool
	}{
		{"a node at the same address", plain, beats("10.58.4.2:80", node.Up, 0, "web"), false},
		{"that drains", plain, beats("10.58.4.2:80", node.Draining, 0, "web"), false},
		{"that is silent, since a heartbeat does not raise the dead", plain, beats("10.58.4.2:80", node.Up, 30*time.Minute, "web"), false},
		{"that has just left", plain, beats("10.58.4.2:80", node.Leaving, time.Second, "web"), false},
		{"that left long ago, and Apache has its place", plain, beats("10.58.4.2:80", node.Leaving, 4*time.Second, "web"), true},
		{"an agent whose origin it is", plain, beats("10.58.4.2:8081", node.Up, 0, "web"), false},
		{"an agent of the same host, for another farm", plain, beats("10.58.4.2:8081", node.Up, 0, "shop"), true},
		{"an agent of the same host, and it says its own port", ported, beats("10.58.4.2:80", node.Up, 0, "web"), true},
		{"a node at that port", ported, beats("10.58.4.2:8080", node.Up, 0, "shop"), false},
		{"a node of another host", plain, beats("10.58.4.3:80", node.Up, 0, "web"), true},
	} {
		tab := web()
		tab.observe(row.m, addr("10.58.4.2"), t0())
		if got := names(tab, t0(), row.other); (len(got) == 1) != row.listed {
			t.Errorf("%s: listed %v, want %v", row.what, got, row.listed)
		}
	}
}

func TestNodeThatTookTheIDOfAHost(t *testing.T) {
	tab := web()
	tab.observe(Message{Ready: 1}, addr("10.58.4.2"), t0())
	thief := &node.Node{ID: idOf(netip.MustParseAddrPort("10.58.4.2:80")), Addr: netip.MustParseAddrPort("10.9.9.9:80")}
	if got := names(tab, t0(), thief); got != nil {
		t.Errorf("two nodes of one id: %v", got)
	}
}

func TestPhysicalOfTheFileWins(t *testing.T) {
	tab := web()
	tab.observe(Message{Ready: 1}, addr("10.58.4.2"), t0())
	for _, row := range []struct {
		farm, url string
		listed    int
	}{
		{"web", "http://10.58.4.2:80", 0},
		{"web", "http://10.58.4.2", 0},
		{"web", "http://10.58.4.2:81", 1},
		{"web", "http://www2", 1},
		{"shop", "http://10.58.4.2:80", 1},
	} {
		u, err := url.Parse(row.url)
		if err != nil {
			t.Fatal(err)
		}
		if got := tab.append(nil, t0(), []node.Physical{{Farm: row.farm, URL: u}}); len(got) != row.listed {
			t.Errorf("beside %s of %s: %d hosts, want %d", row.url, row.farm, len(got), row.listed)
		}
	}
}

func TestIDs(t *testing.T) {
	seen := map[node.ID]string{}
	for _, s := range []string{"10.58.4.2:80", "10.58.4.2:8", "10.58.4.20:80", "[2001:db8::1]:80", "10.58.4.2:8080"} {
		id := idOf(netip.MustParseAddrPort(s))
		if was, ok := seen[id]; ok || id.IsZero() {
			t.Errorf("%s has the id of %q", s, was)
		}
		seen[id] = s
	}
}

func BenchmarkObserve(b *testing.B) {
	tab := web()
	fill(tab, t0())
	text := []byte("v=1&ready=75&busy=5")
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		m, err := Parse(text)
		if err != nil {
			b.Fatal(err)
		}
		tab.observe(m, netip.AddrFrom4([4]byte{10, 1, byte(i>>8) & 3, byte(i)}), t0())
	}
}

func TestReasons(t *testing.T) {
	var all []string
	for r := range Reasons + 1 {
		all = append(all, fmt.Sprint(r))
	}
	if got := strings.Join(all, " "); got != "cidr malformed full unknown" {
		t.Errorf("reasons are %q", got)
	}
}
