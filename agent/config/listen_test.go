package config

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func TestListenValues(t *testing.T) {
	env := withFiles(t, host("10.58.4.1/24"))
	env.OpenFiles = 1000
	c := good(t, `cluster = 'web'
[[listen]]
address = ':80'
[[listen]]
address = '10.58.4.1:443'
peers = false
certificates = [ { cert = '/c/good.pem', key = '/c/good.key' } ]
proxy_protocol = ['10.0.0.0/8', '192.0.2.1']
connections = 500
connections_per_address = 20
[[listen]]
address = 'unix:/run//backhand/http.sock'
mode = '0600'
`, env)
	want := []Listen{
		{Address: ":80", Peers: true, Connections: 800, Mode: 0o660},
		{
			Address: "10.58.4.1:443", Connections: 500, ConnectionsPerAddress: 20, Mode: 0o660,
			ProxyProtocol: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("192.0.2.1/32")},
		},
		{Address: "unix:/run/backhand/http.sock", Peers: true, Connections: 800, Mode: 0o600},
	}
	comparable := cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })
	if d := cmp.Diff(want, c.Listen, comparable, cmpopts.IgnoreFields(Listen{}, "Certificates")); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	if len(c.Listen[1].Certificates) != 1 || len(c.Listen[0].Certificates) != 0 {
		t.Errorf("certificates: %d and %d", len(c.Listen[0].Certificates), len(c.Listen[1].Certificates))
	}
	const listens = "; listens on :80 and 10.58.4.1:443 (TLS, PROXY, no peers) and unix:/run/backhand/http.sock"
	if got := c.Summary(); !strings.HasSuffix(got, listens) {
		t.Errorf("Summary() = %s, want it to end in %s", got, listens)
	}
}

func TestListenersWithOneKeyCanShareASocket(t *testing.T) {
	for _, row := range []struct {
		a, b string
		same bool
	}{
		{":80", "[::]:80", true},
		{":80", ":080", true},
		{":80", "0.0.0.0:80", false},
		{":80", ":81", false},
		{"127.0.0.1:80", "[::ffff:127.0.0.1]:80", true},
		{"[fd00::1]:80", "[fd00:0::1]:80", true},
		{"unix:/a", "unix:/a", true},
		{"unix:/a", "unix:/b", false},
	} {
		if same := (Listen{Address: row.a}).Key() == (Listen{Address: row.b}).Key(); same != row.same {
			t.Errorf("%s and %s: %v, want %v", row.a, row.b, same, row.same)
		}
	}
}

func TestMistakesOfListeners(t *testing.T) {
	for _, row := range []struct {
		name, text string
		want       []string
	}{
		{
			"Unix sockets", `[[listen]]
address = 'unix:'
[[listen]]
address = 'unix:run/a'
[[listen]]
address = 'unix:/run/a/'
[[listen]]
address = 'unix:/run/a'
[[listen]]
address = 'unix:/run/b/../a'
[[listen]]
address = 'unix:/` + strings.Repeat("a", 107) + `'`,
			[]string{
				`3: listen.address is "unix:": write an absolute path behind it, such as "unix:/run/backhand/http.sock"`,
				`5: listen.address is "unix:run/a": write an absolute path behind it, such as "unix:/run/backhand/http.sock"`,
				`7: listen.address is "unix:/run/a/": that is no name of a file`,
				`11: listen.address "unix:/run/b/../a" is taken by "unix:/run/a": leave one away`,
				`13: listen.address is "unix:/` + strings.Repeat("a", 107) + `": the path has 108 bytes: write at most 107`,
			},
		},
		{
			"values of listen", `[[listen]]
address = ':80'
peers = 'no'
proxy_protocol = ['all']
connections = 0
connections_per_address = -1
mode = '0600'
[[listen]]
address = 'unix:/a'
mode = '0888'
[[listen]]
address = 'unix:/b'
mode = 660`,
			[]string{
				"4: listen.peers is a string: write true or false, without quotes",
				`5: listen.proxy_protocol: "all" is neither a CIDR nor an address: write one such as "10.58.4.0/24"`,
				"6: listen.connections is 0: write a number from 1 to 10000000",
				"7: listen.connections_per_address is -1: write a number from 0 to 10000000",
				"8: listen.mode is for Unix sockets: leave it away",
				`11: listen.mode is "0888": write permissions as chmod takes them, from "0" to "0777"`,
				`14: listen.mode is a number: write a string, such as "0660"`,
			},
		},
		{
			"a number or a path for an address, a table for a list", `[[listen]]
address = '80'
[[listen]]
address = '/run/http.sock'
[[listen]]
address = '99999'
[[listen]]
address = ':81'
certificates = { cert = '/c/good.pem', key = '/c/good.key' }`,
			[]string{
				`3: listen.address: "80" has no colon: write ":80" for all addresses of this host`,
				`5: listen.address: "/run/http.sock" is a path: write "unix:/run/http.sock" for a Unix socket`,
				`7: listen.address: "99999" is not an address: write address:port, such as "10.58.4.1:80" or "[fd00::1]:80"`,
				"10: listen.certificates may be there several times: write [[listen.certificates]], or [ { ... } ] in one line",
			},
		},
		{
			"an unknown key of listen", "[[listen]]\naddress = ':80'\nbacklog = 5",
			[]string{"4: listen.backlog is not known: leave it away; listen has address, certificates, connections, connections_per_address, mode, peers, proxy_protocol"},
		},
	} {
		t.Run(row.name, func(t *testing.T) {
			if d := cmp.Diff(row.want, found(t, "cluster = 'web'\n"+row.text, withFiles(t, host("10.58.4.1/24")))); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
		})
	}
}

func TestWarningsOfListeners(t *testing.T) {
	node := func(address, listen string) string {
		return fmt.Sprintf("cluster = 'web'\n[node]\naddress = %q\n[[listen]]\naddress = ':443'\n%s", address, listen)
	}
	pair := "certificates = [ { cert = '/c/good.pem', key = '/c/good.key' } ]"
	for _, row := range []struct {
		name, text string
		want       []string
	}{
		{"https and certificates go together", node("https://10.58.4.1:443", pair), nil},
		{
			"a node whose hops would be refused", node("10.58.4.1:443", "peers = false"),
			[]string{`f:3: node.address 10.58.4.1:443 is the [[listen]] ":443", which has peers = false: hops of other nodes would be refused there; leave peers away, or let node.address name another one`},
		},
		{
			"a node of which https is not said", node("10.58.4.1:443", pair),
			[]string{`f:3: node.address 10.58.4.1:443 is the [[listen]] ":443", which speaks TLS: write https:// before the address`},
		},
		{
			"a node that cannot speak https", node("https://10.58.4.1:443", ""),
			[]string{`f:3: node.address is https://10.58.4.1:443, and the [[listen]] ":443" has no certificates: add them, or leave https:// away`},
		},
		{
			"more connections than files", "cluster = 'web'\n[[listen]]\naddress = ':80'\nconnections = 1001",
			[]string{"f:4: listen.connections is 1001, and this process may have 1000 files open: raise that limit (ulimit -n, LimitNOFILE), or write less than 1000"},
		},
		{
			"addresses are counted where there are none", "cluster = 'web'\n[[listen]]\naddress = 'unix:/a'\nconnections_per_address = 5",
			[]string{"f:4: listen.connections_per_address does nothing at a Unix socket, whose clients have no address: leave it away, or have proxy_protocol say who they are"},
		},
		{
			"addresses are counted that a PROXY header names",
			"cluster = 'web'\n[[listen]]\naddress = 'unix:/a'\nconnections_per_address = 5\nproxy_protocol = ['0.0.0.0']", nil,
		},
	} {
		t.Run(row.name, func(t *testing.T) {
			env := withFiles(t, host("10.58.4.1/24"))
			env.OpenFiles = 1000
			if d := cmp.Diff(row.want, good(t, row.text, env).Warnings); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
		})
	}
}

func TestProxyValues(t *testing.T) {
	c := good(t, `cluster = 'web'
[proxy]
total = '2m'
response_idle = '1s'
tunnel_idle = '24h'
client_head = '1s'
client_idle = '2s'
max_body = '10MiB'
max_head = '8KiB'
max_fields = 50
max_line = 1000
upgrade = ['WebSocket', 'mqtt/5']
`, host())
	want := Proxy{
		Tries: 3, Upgrade: []string{"websocket", "mqtt/5"}, Connect: time.Second, ResponseHead: time.Minute, ResponseIdle: time.Second,
		Total: 2 * time.Minute, TunnelIdle: 24 * time.Hour, ClientHead: time.Second, ClientIdle: 2 * time.Second,
		Idle: time.Minute, Drain: 30 * time.Second, MaxBody: 10 << 20, MaxHead: 8 << 10, MaxFields: 50, MaxLine: 1000,
	}
	if d := cmp.Diff(want, c.Proxy); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	if c := good(t, "cluster = 'web'\nproxy.upgrade = []", host()); c.Proxy.Upgrade == nil || len(c.Proxy.Upgrade) != 0 {
		t.Errorf("an empty list of protocols is %#v", c.Proxy.Upgrade)
	}
	if c := good(t, "cluster = 'web'\nproxy.max_head = '4KiB'", host()); c.Proxy.MaxLine != 4<<10 {
		t.Errorf("max_line is %d, want no more than max_head", c.Proxy.MaxLine)
	}
}

func TestReachValues(t *testing.T) {
	env := withFiles(t, host("10.58.4.1/24"))
	c := good(t, `cluster = 'web'
[node]
address = '10.58.4.1:80'
ca = '/c/bundle.pem'
server_name = 'agents.internal.'
[[serve]]
farm = 'web'
origin = 'https://127.0.0.1'
server_name = '10.58.4.1'
send_proxy = 'v2'
connections = 7
queue = '2s'
idle = '1m'
[[farm]]
name = 'x'
send_proxy = 'v1'
ca = '/c/good.pem'
member = [ { name = 'a', url = 'h2c://10.58.4.9' }, { name = 'b', url = 'https://10.58.4.9' } ]
[[route]]
path = '/'
farm = 'x'
retry_on = [503, 502]
`, env)
	if n := c.Node.Identity; n.ServerName != "agents.internal" || n.CA != "/c/bundle.pem" || n.Roots == nil {
		t.Errorf("the agents' identity is %+v", n)
	}
	s := c.Serve[0]
	want := Reach{Identity: Identity{ServerName: "10.58.4.1"}, SendProxy: 2, Connections: 7, Queue: 2 * time.Second, Idle: time.Minute}
	if s.Reach != want || s.Origin.String() != "https://127.0.0.1:443" {
		t.Errorf("the origin is %v with %+v, want %+v", s.Origin, s.Reach, want)
	}
	f := c.Farm[0]
	if f.Reach.SendProxy != 1 || f.Reach.Identity.Roots == nil || f.Reach.Connections != 1024 || f.Reach.Queue != time.Second ||
		f.Reach.Idle != 4*time.Second {
		t.Errorf("the farm is reached by %+v", f.Reach)
	}
	if a, b := f.Member[0].URL.String(), f.Member[1].URL.String(); a != "h2c://10.58.4.9:80" || b != "https://10.58.4.9:443" {
		t.Errorf("members are %s and %s", a, b)
	}
	if d := cmp.Diff([]int{503, 502}, c.Route[0].RetryOn); d != "" {
		t.Errorf("retry_on (-want +got):\n%s", d)
	}
	if len(c.Warnings) != 0 {
		t.Errorf("warnings: %q", c.Warnings)
	}
}

func TestMistakesOfLimits(t *testing.T) {
	text := `cluster = 'web'
[node]
address = '10.58.4.1:80'
server_name = 'a b'
[proxy]
total = '25h'
tunnel_idle = 5
max_body = '10 potatoes'
max_head = '2MiB'
max_fields = 1
max_line = '65KiB'
upgrade = ['h2c', 'a b', 'websocket', 'WebSocket', 'x/']
client_head = true
[[serve]]
farm = 'a'
origin = 'h2://a'
send_proxy = 2
connections = 0
queue = 0
idle = '2h'
[[farm]]
name = 'b'
send_proxy = 'v3'
member = [ { name = 'c', url = 'http://c' } ]
[[route]]
path = '/'
farm = 'a'
retry_on = [500, '503', 502, 502]
[[route]]
path = '/b'
farm = 'a'
retry_on = 503
`
	want := []string{
		`4: node.server_name is "a b": write a host name or an IP address, such as "app.internal"`,
		`6: proxy.total is 25h: write a duration from 0s to 24h`,
		`7: proxy.tunnel_idle is 5 without a unit: write "5s" for seconds`,
		`8: proxy.max_body is "10 potatoes": write one of the units B, KiB, MiB, GiB, TiB, kB, MB, GB or TB, such as "10MiB"`,
		`9: proxy.max_head is 2MiB: write a size from 1KiB to 1MiB`,
		`10: proxy.max_fields is 1: write a number from 8 to 4096`,
		`11: proxy.max_line is 65KiB: write a size from 256B to 64KiB`,
		`12: proxy.upgrade: "h2c": requests in such a connection would take no route: leave it away`,
		`12: proxy.upgrade: "a b": write the name of a protocol, such as "websocket"`,
		`12: proxy.upgrade has "WebSocket" twice: leave one away`,
		`12: proxy.upgrade: "x/": write the name of a protocol, such as "websocket"`,
		`13: proxy.client_head is true or false: write a duration, such as "10s"`,
		`16: serve.origin is "h2://a", and only http, https, h2c is spoken there: write one such as "http://127.0.0.1:8080"`,
		`17: serve.send_proxy is a number: write a string, such as "v2"`,
		`18: serve.connections is 0: write a number from 1 to 1000000`,
		`19: serve.queue is 0 without a unit: write a duration from 1ms to 10m, such as "1s"`,
		`20: serve.idle is 2h: write a duration from 100ms to 1h`,
		`23: farm.send_proxy is "v3": write "v1" or "v2"`,
		`28: route.retry_on has 500: write only 502, 503, 504`,
		`28: route.retry_on has a string in its list: write only 502, 503, 504, without quotes`,
		`28: route.retry_on has 502 twice: leave one away`,
		`32: route.retry_on is a number: write a list with only 502, 503, 504 in it, such as [502]`,
	}
	if d := cmp.Diff(want, found(t, text, host("10.58.4.1/24"))); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

func TestSizes(t *testing.T) {
	for text, want := range map[string]int64{
		"0": -1, "5": -1, "5B": 5, "5 kb": 5000, "5KiB": 5 << 10, "5kib": 5 << 10, "10MiB": 10 << 20, "2GB": 2e9, "1TiB": 1 << 40,
		"": -1, "MiB": -1, "-1B": -1, "1.5MiB": -1, "8192PiB": -1, "99999999999999999999B": -1, "1m": -1, "1 MiB ": 1 << 20,
	} {
		got, err := parseSize(text)
		if err != nil {
			got = -1
		}
		if got != want {
			t.Errorf("%q is %d, %v; want %d", text, got, err, want)
		}
	}
	for n, want := range map[int64]string{0: "0", 1: "1B", 1000: "1kB", 1024: "1KiB", 1 << 50: "1PiB", 1500: "1500B", 3 << 20: "3MiB"} {
		if got := sizeText(n); got != want {
			t.Errorf("%d is written as %s, want %s", n, got, want)
		}
	}
}

func FuzzSize(f *testing.F) {
	for _, s := range []string{"10MiB", "5 kb", "", "8191PiB", "-1B"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		n, err := parseSize(text)
		if err != nil {
			return
		}
		if n < 0 {
			t.Fatalf("%q is %d", text, n)
		}
		if again, err := parseSize(sizeText(n)); n > 0 && (err != nil || again != n) {
			t.Fatalf("%q is %d, written as %q, which is %d, %v", text, n, sizeText(n), again, err)
		}
	})
}
