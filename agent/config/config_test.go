package config

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/go-sockaddr"

	"backhand/candidacy"
	"backhand/gossip/node"
)

// host returns an Env with loopback and these addresses on eth0, eth1 and so on.
func host(addrs ...string) Env {
	e := Env{Hostname: "www1", CPUs: 4, Writable: func(dir string) error {
		if strings.HasPrefix(dir, "/readonly") {
			return errors.New("write to " + dir + ": read-only file system")
		}
		return nil
	}}
	e.ReadFile = func(file string) ([]byte, error) { return nil, errors.New("open " + file + ": no such file") }
	e.ReadSecret = func(file string) ([]byte, fs.FileMode, error) {
		return nil, 0, errors.New("open " + file + ": no such file")
	}
	for i, a := range append([]string{"127.0.0.1/8"}, addrs...) {
		name := "lo"
		if i > 0 {
			name = fmt.Sprintf("eth%d", i-1)
		}
		e.Interfaces = append(e.Interfaces, sockaddr.IfAddr{
			SockAddr: sockaddr.MustIPAddr(a), Interface: net.Interface{Name: name, Flags: net.FlagUp},
		})
	}
	return e
}

// found parses the text and returns the mistakes without the file's name.
func found(t *testing.T, text string, env Env, opts ...Option) []string {
	t.Helper()
	_, err := Parse("f", []byte(text), env, candidacy.Builtin(), opts...)
	if err == nil {
		return nil
	}
	var errs *Errors
	if !errors.As(err, &errs) {
		t.Fatalf("the error is a %T, want *Errors", err)
	}
	var out []string
	for l := range strings.SplitSeq(err.Error(), "\n") {
		out = append(out, strings.TrimPrefix(l, "f:"))
	}
	return out
}

// good parses a text that has no mistake.
func good(t *testing.T, text string, env Env, opts ...Option) *Config {
	t.Helper()
	c, err := Parse("f", []byte(text), env, candidacy.Builtin(), opts...)
	if err != nil {
		t.Fatalf("a mistake in a good file:\n%v\nthe file:\n%s", err, text)
	}
	return c
}

func TestFiveMistakesGiveFiveLines(t *testing.T) {
	text := `cluster = "web"

[node]
address = "10.9.9.9:80"

[gossip]
interval = 5

[[route]]
path  = "/"
farm  = "web"
chain = ["byAge 6", "byLaod"]

[[listen]]
adress = ":80"

[proxy]
tries = "3"
`
	want := []string{
		"4: node.address 10.9.9.9 is unreachable, since no interface of this host has it: write one of lo 127.0.0.1, eth0 10.58.4.1",
		`7: gossip.interval is 5 without a unit: write "5s" for seconds`,
		`12: route.chain: step 2: no function is named "byLaod"; 'backhand functions' lists them`,
		"15: listen.adress is not known: did you mean address?",
		"18: proxy.tries is a string: write a whole number from 1 to 16, without quotes",
	}
	for _, ends := range []string{"\n", "\r\n"} {
		got := found(t, strings.ReplaceAll(text, "\n", ends), host("10.58.4.1/24"), ForRun())
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("lines that end in %q (-want +got):\n%s", ends, d)
		}
	}
}

func TestDefaults(t *testing.T) {
	text := `cluster = "web"
[node]
address = "https://10.58.4.1:443"
[gossip]
send = ["239.255.221.20:4445"]
accept = ["10.58.4.7/24", "10.1.1.1"]
[[serve]]
farm = "web"
origin = "http://127.0.0.1/"
[[route]]
host = ["WWW.Example.com."]
path = "/app/"
farm = "web"
`
	c := good(t, text, host("10.58.4.1/24"))
	if c.Node.Name != "www1" || !c.Node.TLS || c.Node.Address.String() != "10.58.4.1:443" || c.Node.StateDir != "/var/lib/backhand" {
		t.Errorf("node is %+v", c.Node)
	}
	want := Gossip{
		Send:     c.Gossip.Send,
		Accept:   []netip.Prefix{netip.MustParsePrefix("10.58.4.0/24"), netip.MustParsePrefix("10.1.1.1/32")},
		Interval: time.Second,
		Source:   c.Node.Address.Addr(),
	}
	byText := cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })
	if d := cmp.Diff(want, c.Gossip, byText, cmp.Comparer(func(a, b netip.Addr) bool { return a == b }),
		cmp.Comparer(func(a, b netip.AddrPort) bool { return a == b })); d != "" {
		t.Errorf("gossip (-want +got):\n%s", d)
	}
	if s := c.Serve[0]; s.Capacity != 4 || s.Origin.String() != "http://127.0.0.1:80" {
		t.Errorf("serve is %+v, want the CPUs as capacity, and the port in the origin", s)
	}
	r := c.Route[0]
	if r.Path != "/app" || r.Host[0] != "www.example.com" || r.WhenEmpty != "" {
		t.Errorf("route is %+v", r)
	}
	if d := cmp.Diff(candidacy.DefaultChain(), r.Chain.Text()); d != "" {
		t.Errorf("chain (-default +got):\n%s", d)
	}
	if c.Status.Path != "/backhand/" || len(c.Status.Allow) != 2 || !c.Status.Allow[0].Contains(netip.MustParseAddr("127.0.0.1")) {
		t.Errorf("status is %+v", c.Status)
	}
	proxy := Proxy{
		Tries: 3, Upgrade: []string{"websocket"}, Connect: time.Second, ResponseHead: time.Minute, ResponseIdle: 10 * time.Minute,
		TunnelIdle: time.Hour, ClientHead: 10 * time.Second, ClientIdle: time.Minute, Idle: time.Minute, Drain: 30 * time.Second,
		MaxHead: 64 << 10, MaxFields: 128, MaxLine: 16 << 10,
	}
	if d := cmp.Diff(proxy, c.Proxy, byText); d != "" {
		t.Errorf("proxy (-want +got):\n%s", d)
	}
}

func TestValues(t *testing.T) {
	text := `cluster = "web"
node.name = "a"
node.zone = "rack1"
node.labels = { rack = "r1", gpu = "", "a.b" = "ü=1" }
node.speed = 123.5
node."state_dir" = "/srv/b/../backhand/"
log = { access = "-" }
proxy = { trusted_proxies = ["10.0.0.0/8"], tries = 5, connect = "20ms", response_head = "2m", idle = "1h", drain = "0s" }
[[serve]] # the first
farm = "a"
origin = 'http://localhost:8080'
capacity = 2.5
workers = 150
check = "/health?deep=1"
status_url = "http://localhost:8080/server-status?auto"
[[serve]]
farm = "b"
origin = "http://[::1]:8081"
capacity = 8
default = true
[[farm]]
name = "x"
member = [ { name = "m", url = "http://a", capacity = 2.5 }, { name = "n", url = "http://b" } ]
[[route]]
path = "/"
farm = "a"
[[route]]
path = "/b"
farm = "a"
error_on = [503, 599]
[[route]]
path = "/c"
farm = "a"
error_on = []
[node.x]
`
	// The last line makes "node" a table of both spellings, which is no TOML; without it the file is good.
	if got := found(t, text, host("10.58.4.1/24")); len(got) == 0 {
		t.Error("a table that is defined twice is no mistake")
	}
	text = strings.TrimSuffix(text, "[node.x]\n")
	text = strings.Replace(text, "node.name", "node.address = '10.58.4.1:80'\nnode.name", 1)
	c := good(t, text, host("10.58.4.1/24"))
	if c.Node.Name != "a" || c.Node.Zone != "rack1" || c.Node.StateDir != "/srv/backhand" {
		t.Errorf("node is %+v", c.Node)
	}
	labels := []node.Label{{Key: "a.b", Value: "ü=1"}, {Key: "gpu"}, {Key: "rack", Value: "r1"}}
	if d := cmp.Diff(labels, c.Node.Labels); d != "" || c.Node.Speed != 123.5 {
		t.Errorf("speed is %v, labels (-want +got):\n%s", c.Node.Speed, d)
	}
	if m := c.Farm[0].Member; m[0].Capacity != 2.5 || m[1].Capacity != 0 {
		t.Errorf("the members are %+v", m)
	}
	errorOn := [][]int{{500, 502, 503, 504}, {503, 599}, {}}
	if d := cmp.Diff(errorOn, [][]int{c.Route[0].ErrorOn, c.Route[1].ErrorOn, c.Route[2].ErrorOn}); d != "" {
		t.Errorf("error_on (-want +got):\n%s", d)
	}
	a, b := c.Serve[0], c.Serve[1]
	if a.Capacity != 2.5 || a.Workers != 150 || a.Check != "/health?deep=1" || a.StatusURL.String() != "http://localhost:8080/server-status?auto" {
		t.Errorf("the first serve is %+v", a)
	}
	if b.Capacity != 8 || !b.Default || a.Default || b.Origin.String() != "http://[::1]:8081" {
		t.Errorf("the second serve is %+v", b)
	}
	if c.Log.Access != "-" || c.Proxy.Tries != 5 || c.Proxy.Drain != 0 || c.Proxy.Idle != time.Hour || len(c.Proxy.TrustedProxies) != 1 {
		t.Errorf("log is %+v, proxy %+v", c.Log, c.Proxy)
	}
}

func TestHashIsOfTheText(t *testing.T) {
	a, b := good(t, "cluster = 'web'", host()), good(t, "cluster = 'web'", host())
	other := good(t, "cluster = 'web' ", host())
	if a.Hash != b.Hash || a.Hash == other.Hash {
		t.Errorf("hashes are %x and %x of one text, %x of another", a.Hash, b.Hash, other.Hash)
	}
}

func TestRunAndAnnounceNeedOtherThings(t *testing.T) {
	text := "cluster = 'web'\n"
	listens := "1: there is no [[listen]], so no request could come in: write [[listen]] address = \":80\"; only 'backhand announce' needs none"
	if d := cmp.Diff([]string{listens}, found(t, text, host(), ForRun())); d != "" {
		t.Errorf("ForRun (-want +got):\n%s", d)
	}
	announces := []string{
		`1: there is no [[serve]], so there is nothing to announce: write [[serve]] farm = "web", origin = "http://127.0.0.1:80"`,
		`1: there is no gossip.send and no gossip.peers, so there is nowhere to announce: write [gossip] send = ["239.255.221.20:4445,1"]`,
	}
	if d := cmp.Diff(announces, found(t, text, host(), ForAnnounce())); d != "" {
		t.Errorf("ForAnnounce (-want +got):\n%s", d)
	}
	if got := found(t, text+"[[listen]]\naddress = ':80'", host(), ForRun()); got != nil {
		t.Errorf("a file with [[listen]] gives %q", got)
	}
	// Here the web server keeps port 80, and the file may still have the [[listen]] of the other hosts.
	announced := text + "node.address = '10.58.4.1:80'\ngossip = { send = ['239.255.221.20:4445'], accept = ['10.58.4.0/24'] }\n" +
		"[[serve]]\nfarm = 'a'\norigin = 'http://10.58.4.1:80'\n[[listen]]\naddress = ':80'\n"
	if got := found(t, announced, host("10.58.4.1/24"), ForAnnounce()); got != nil {
		t.Errorf("a web server that is announced gives %q", got)
	}
	if got := found(t, announced, host("10.58.4.1/24"), ForRun()); len(got) != 1 || !strings.Contains(got[0], "is this agent itself") {
		t.Errorf("the same file gives an agent that takes requests %q", got)
	}
}

func TestLoad(t *testing.T) {
	file := filepath.Join(t.TempDir(), "backhand.toml")
	if _, err := Load(file, candidacy.Builtin()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a file that is not there gives %v", err)
	}
	text := "cluster = 'web'\n[node]\naddress = '{{ GetAllInterfaces | include \"name\" \"^lo$\" | " +
		"include \"network\" \"127.0.0.0/8\" | limit 1 | attr \"address\" }}:80'\nstate_dir = '" + t.TempDir() + "/new/dir'\n[gossip]\n" +
		"interface = 'lo'\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := Load(file, candidacy.Builtin())
	if err != nil {
		t.Fatal(err)
	}
	if c.Path != file || c.Node.Address.String() != "127.0.0.1:80" || c.Node.Name == "" {
		t.Errorf("path is %q, node %+v", c.Path, c.Node)
	}
	if err := os.WriteFile(file, []byte(text+strings.Repeat("#", MaxSize)), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(file, candidacy.Builtin()); err == nil || !strings.Contains(err.Error(), "too large") {
		t.Errorf("a large file gives %v", err)
	}
}

func TestStateDirOfTheRealSystem(t *testing.T) {
	env, err := System()
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	got := found(t, "cluster = 'web'\nnode.state_dir = '"+file+"'", env)
	if len(got) != 1 || !strings.HasPrefix(got[0], "2: node.state_dir ") || !strings.Contains(got[0], "is not a directory") {
		t.Errorf("a file as state_dir gives %q", got)
	}
	got = found(t, "cluster = 'web'\nnode.state_dir = '"+file+"/below'", env)
	if len(got) != 1 || !strings.HasPrefix(got[0], "2: node.state_dir ") {
		t.Errorf("a directory below a file as state_dir gives %q", got)
	}
	if env.CPUs < 1 {
		t.Errorf("there are %v CPUs", env.CPUs)
	}
}

func TestExamplesAreGood(t *testing.T) {
	files, err := filepath.Glob("../../contrib/examples/*.toml")
	if err != nil || len(files) < 5 {
		t.Fatalf("examples are %q, %v; want at least five", files, err)
	}
	models, err := filepath.Glob("../../contrib/examples/athena/*.toml")
	if err != nil || len(models) != 5 {
		t.Fatalf("files of mod_athena's models are %q, %v; want five", models, err)
	}
	files = append(files, models...)
	hosts := map[string]Env{
		"seed-balancer.toml": host("10.58.4.1/24"),
		"seed-backend.toml":  host("10.58.4.2/24"),
		"everyone-both.toml": host("10.58.4.2/24"),
		"physicals.toml":     host("10.58.4.1/24"),
		"announce.toml":      host("10.58.4.3/24"),
		"cookie.toml":        withCookieKeys(host("10.58.4.1/24")),

		"model1.toml":           host("10.58.4.1/24"),
		"model2.toml":           host("10.58.4.1/24"),
		"model3.toml":           host("10.58.4.1/24"),
		"model4-primary.toml":   host("10.58.4.1/24"),
		"model4-secondary.toml": host("10.58.4.2/24"),
	}
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(text), "\n[[policy]]") {
			continue // no agent's file, but a scenario of the simulator's, which tests it
		}
		t.Run(filepath.Base(f), func(t *testing.T) {
			env, ok := hosts[filepath.Base(f)]
			if !ok {
				t.Fatal("nothing says on which host this example is to be read: add it above")
			}
			opt := ForRun()
			if strings.HasPrefix(filepath.Base(f), "announce") {
				opt = ForAnnounce()
			}
			c := good(t, string(text), env, opt)
			for _, w := range c.Warnings {
				if !strings.Contains(w, "not authenticated") && !strings.Contains(w, "route.chain sorts") {
					t.Errorf("an example has the warning %q", w)
				}
			}
		})
	}
}

func TestSeedExampleIsTheSeed(t *testing.T) {
	text, err := os.ReadFile("../../contrib/examples/seed-balancer.toml")
	if err != nil {
		t.Fatal(err)
	}
	c := good(t, string(text), host("10.58.4.1/24"))
	want := `cluster "web": node www1 at 10.58.4.1:80 serves nothing itself; 1 route; beats go to 239.255.221.20:4445,1; listens on :80`
	if got := c.Summary(); got != want {
		t.Errorf("Summary() = %s\nwant        %s", got, want)
	}
	chain := []string{"removeSelf", "byAge 6", "byRandom", "byLogWindow", "byLoad"}
	if d := cmp.Diff(chain, c.Route[0].Chain.Text()); d != "" {
		t.Errorf("chain (-seed +got):\n%s", d)
	}
}
