package node

import (
	"net/netip"
	"net/url"
	"testing"
	"time"
)

func TestUnfit(t *testing.T) {
	up := func(change func(*Node)) *Member {
		n := with(newNode(1, "www1", "web"), change)
		return &Member{Node: n, Service: &n.Services[0]}
	}
	for _, row := range []struct {
		name   string
		member *Member
		want   string
	}{
		{"a node that is up and ready is fit", up(func(*Node) {}), ""},
		{"a silent one, too", up(func(n *Node) { n.Heard = start().Add(-time.Hour) }), ""},
		{"a draining one is not", up(func(n *Node) { n.State = Draining }), "draining"},
		{"a leaving one is not", up(func(n *Node) { n.State = Leaving }), "leaving"},
		{"nor one of unknown state", up(func(n *Node) { n.State = 77 }), "state unknown"},
		{"nor one whose origin is down", up(func(n *Node) { n.Services[0].Ready = false }), "origin down"},
		{
			"the reason is told",
			up(func(n *Node) { n.Services[0].Ready, n.Services[0].Why = false, "HTTP 500" }), "origin down: HTTP 500",
		},
		{"a physical is always fit", &Member{URL: parseURL("http://app1")}, ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			if got := row.member.Unfit(); got != row.want {
				t.Errorf("unfit: %q, want %q", got, row.want)
			}
		})
	}
}

func TestAge(t *testing.T) {
	n := newNode(1, "www1", "web")
	n.SampleAge = 200 * time.Millisecond
	for _, row := range []struct {
		name   string
		member Member
		after  time.Duration
		want   time.Duration
	}{
		{"it is the time since the beat and the age of its figures", Member{Node: n}, 2 * time.Second, 2200 * time.Millisecond},
		{"a clock that went backwards makes it no less than that of the figures", Member{Node: n}, -time.Hour, 200 * time.Millisecond},
		{"ours is always zero", Member{Node: n, Self: true}, time.Hour, 0},
		{"that of a physical, too", Member{URL: parseURL("http://app1")}, time.Hour, 0},
	} {
		t.Run(row.name, func(t *testing.T) {
			if got := row.member.Age(start().Add(row.after)); got != row.want {
				t.Errorf("age %v, want %v", got, row.want)
			}
		})
	}
}

func TestAddresses(t *testing.T) {
	at := func(s string) *Member { return &Member{Node: &Node{Addr: netip.MustParseAddrPort(s)}} }
	physical := func(s string) *Member { return &Member{URL: parseURL(s)} }
	for _, row := range []struct {
		name           string
		member         *Member
		addr, hostPort string
	}{
		{"a node", at("10.0.0.5:8080"), "10.0.0.5", "10.0.0.5:8080"},
		{"a node with IPv6", at("[2001:db8::5]:80"), "2001:db8::5", "[2001:db8::5]:80"},
		{"a physical by address", physical("http://10.0.0.7:8080/x"), "10.0.0.7", "10.0.0.7:8080"},
		{"a physical at the default port", physical("http://10.0.0.7"), "10.0.0.7", "10.0.0.7:80"},
		{"a physical at the default port of https", physical("https://10.0.0.7/"), "10.0.0.7", "10.0.0.7:443"},
		{"a physical with IPv6", physical("http://[2001:db8::7]"), "2001:db8::7", "[2001:db8::7]:80"},
		{"a physical by name has no address", physical("https://app1.example.com"), "", "app1.example.com:443"},
	} {
		t.Run(row.name, func(t *testing.T) {
			addr, ok := row.member.Addr()
			if ok != (row.addr != "") || ok && addr.String() != row.addr {
				t.Errorf("address %v, %v, want %q", addr, ok, row.addr)
			}
			if got := row.member.HostPort(); got != row.hostPort {
				t.Errorf("connects to %s, want %s", got, row.hostPort)
			}
		})
	}
}

func TestPathsOfMembers(t *testing.T) {
	for _, row := range []struct{ name, url, want string }{
		{"none", "http://app1:8080", ""},
		{"a slash alone", "http://app1:8080/", ""},
		{"a path", "http://app1:8080/app", "/app"},
		{"a slash at its end", "http://app1:8080/app/v2/", "/app/v2"},
		{"encoded as it is there", "http://app1:8080/a%2fb/%c3%A9", "/a%2fb/%c3%A9"},
		{"an encoded slash at its end", "http://app1:8080/a%2F", "/a%2F"},
		{"without its query", "http://app1:8080/app?x", "/app"},
	} {
		s := NewSnapshot(Parts{Live: NewLiveSet(), Physicals: []Physical{{Farm: "web", Name: "app1", URL: parseURL(row.url)}}})
		if got := s.Farm("web").Members[0].Path(); got != row.want {
			t.Errorf("%s: the path of %s is %q, want %q", row.name, row.url, got, row.want)
		}
	}
	n := &Node{ID: ID{1}, State: Up, Services: []Service{{Farm: "web", Ready: true}}}
	if got := NewSnapshot(Parts{Live: NewLiveSet(), Nodes: []*Node{n}}).Farm("web").Members[0].Path(); got != "" {
		t.Errorf("a node has the path %q", got)
	}
}

func TestStatsOfAPhysicalAreZero(t *testing.T) {
	if got := (&Member{URL: parseURL("http://app1")}).Stats(); *got != (Stats{}) {
		t.Errorf("got %+v", got)
	}
	n := &Node{Stats: Stats{Load1: 3}}
	if got := (&Member{Node: n}).Stats(); got != &n.Stats {
		t.Errorf("got %+v", got)
	}
}

func TestStatesHaveNames(t *testing.T) {
	for s, want := range map[State]string{0: "unknown", Up: "up", Draining: "draining", Leaving: "leaving", 9: "unknown"} {
		if s.String() != want {
			t.Errorf("state %d is %q, want %q", s, s, want)
		}
	}
}

func TestHostPort(t *testing.T) {
	for in, want := range map[string]string{
		"http://a":          "a:80",
		"http://a:81":       "a:81",
		"http://[::1]":      "[::1]:80",
		"http://[::1]:8080": "[::1]:8080",
		"http://127.0.0.1":  "127.0.0.1:80",
		"http://localhost:": "localhost:80",
		"https://a":         "a:443",
	} {
		u, err := url.Parse(in)
		if err != nil {
			t.Fatal(err)
		}
		if got := HostPort(u); got != want {
			t.Errorf("HostPort(%q) = %q, want %q", in, got, want)
		}
	}
}
