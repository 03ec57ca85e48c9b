package config

import (
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// neighbourHead is what a host needs that serves farm web and hears others; [heartbeat] or [agent_check] begins on line 9.
const neighbourHead = `node.address = "10.58.4.1:80"
[gossip]
accept = ["10.58.4.0/24"]
[[serve]]
farm = "web"
origin = "http://127.0.0.1:8080"
# line 8
`

func TestHeartbeat(t *testing.T) {
	c := good(t, "cluster = 'web'\n"+neighbourHead+`[heartbeat]
listen = "239.0.1.1:27999"
send = "239.0.1.2:27998,4"
port = 8080
capacity = 2.5
`, host("10.58.4.1/24"))
	h := c.Heartbeat
	if !h.Listens() || !h.Sends() || h.Farm != "web" || h.Port != 8080 || h.Capacity != 2.5 ||
		h.Listen.String() != "239.0.1.1:27999,1" || h.Send.String() != "239.0.1.2:27998,4" {
		t.Errorf("got %+v", h)
	}
	c = good(t, `cluster = 'web'
gossip = { accept = ["10.58.4.0/24"], interface = "eth0" }
heartbeat = { listen = "239.0.1.1:27999", farm = "other" }
`, host("10.58.4.1/24"))
	if h := c.Heartbeat; h.Farm != "other" || h.Port != 80 || h.Capacity != 0 || h.Sends() {
		t.Errorf("the defaults are %+v", h)
	}
	if h := good(t, "cluster = 'web'", host()).Heartbeat; h.Listens() || h.Sends() {
		t.Errorf("without [heartbeat]: %+v", h)
	}
}

func TestAgentCheck(t *testing.T) {
	env := host("10.58.4.1/24")
	c := good(t, "cluster = 'web'\n"+neighbourHead+"[agent_check]\nlisten = '10.58.4.1:4447'\n", env)
	if a := c.AgentCheck; a.Listen != "10.58.4.1:4447" || a.Farm != "web" || len(a.Allow) != 1 || a.Allow[0] != c.Gossip.Accept[0] {
		t.Errorf("got %+v", a)
	}
	c = good(t, "cluster = 'web'\n"+neighbourHead+"[agent_check]\nlisten = ':4447'\nfarm = 'web'\nallow = ['10.58.9.9', '::1']\n", env)
	want := []netip.Prefix{netip.MustParsePrefix("10.58.9.9/32"), netip.MustParsePrefix("::1/128")}
	if d := cmp.Diff(want, c.AgentCheck.Allow, cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })); d != "" {
		t.Errorf("allow (-want +got):\n%s", d)
	}
}

// An agent that only announces may do it to Apache or HAProxy alone.
func TestAnnounceToNeighboursAlone(t *testing.T) {
	const sends = "there is no gossip.send and no gossip.peers, so there is nowhere to announce: " +
		`write [gossip] send = ["239.255.221.20:4445,1"]`
	for text, want := range map[string][]string{
		"":                                      {"3: " + sends},
		"[heartbeat]\nsend = '239.0.1.1:27999'": nil,
		"[agent_check]\nlisten = ':80'":         nil, // the port of a [[listen]] that does not count
		"[heartbeat]\nlisten = '239.0.1.1:27999'": {"3: " + sends},
	} {
		got := found(t, "cluster = 'web'\n"+neighbourHead+text+"\n[[listen]]\naddress = ':80'\n", host("10.58.4.1/24"), ForAnnounce())
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%q (-want +got):\n%s", text, d)
		}
	}
}

func TestMistakesAboutHeartbeats(t *testing.T) {
	testMistakes(t, []mistakeRow{
		{"a heartbeat that does nothing", neighbourHead + "[heartbeat]\n", []string{
			`9: heartbeat does nothing: write listen = "239.0.1.1:27999" to hear hosts with Apache's mod_heartbeat, send = "239.0.1.1:27999" to be heard by mod_heartmonitor, or both`,
		}},
		{"what is not known", neighbourHead + "[heartbeat]\nlisten = '239.0.1.1:27999'\ninterval = '1s'", []string{
			"11: heartbeat.interval is not known: leave it away; heartbeat has capacity, farm, listen, port, send",
		}},
		{"no group", neighbourHead + "[heartbeat]\nlisten = '10.58.4.1:27999'", []string{
			`10: heartbeat.listen is "10.58.4.1:27999": write a multicast group of IPv4, 224.0.0.0 to 239.255.255.255, as in Apache's HeartbeatListen, such as "239.0.1.1:27999"`,
		}},
		{"a group of IPv6", neighbourHead + "[heartbeat]\nsend = '[ff05::1]:27999'", []string{
			`10: heartbeat.send is "[ff05::1]:27999": write a multicast group of IPv4, 224.0.0.0 to 239.255.255.255, as in Apache's HeartbeatListen, such as "239.0.1.1:27999"`,
		}},
		{"no port", neighbourHead + "[heartbeat]\nlisten = '239.0.1.1'", []string{
			"10: heartbeat.listen: destination \"239.0.1.1\": want address:port[,ttl], such as 239.255.221.20:4445,1 or [ff05::db8:4445]:4445,1",
		}},
		{"a list of groups", neighbourHead + "[heartbeat]\nlisten = ['239.0.1.1:27999']", []string{
			`10: heartbeat.listen is a list: write a string, such as "239.0.1.1:27999"`,
		}},
		{"port and capacity out of range", neighbourHead + "[heartbeat]\nlisten = '239.0.1.1:27999'\nport = 0\ncapacity = -1", []string{
			"11: heartbeat.port is 0: write a number from 1 to 65535",
			"12: heartbeat.capacity is -1: write a number above 0 and up to 1e+06",
		}},
		{"a farm that nobody knows which it is", `node.address = "10.58.4.1:80"
gossip.accept = ["10.58.4.0/24"]
heartbeat.listen = "239.0.1.1:27999"`, []string{`4: heartbeat.farm is missing: write farm = "web"`}},
		{"announcing what is not served", neighbourHead + "[heartbeat]\nsend = '239.0.1.1:27999'\nfarm = 'shop'", []string{
			`10: heartbeat.send announces how busy this host is with farm "shop", which it does not serve: add a [[serve]], or leave send away`,
		}},
		{"nobody is believed", `node.address = "10.58.4.1:80"
heartbeat = { listen = "239.0.1.1:27999", farm = "web" }`, []string{
			`3: heartbeat.listen without gossip.accept: nobody would be heard: write [gossip] accept = ["10.58.4.0/24"], the network of the other hosts`,
		}},
		{"the group of the beats", `node.address = "10.58.4.1:80"
gossip = { accept = ["10.58.4.0/24"], send = ["239.0.1.1:27999,2"] }
heartbeat = { listen = "239.0.1.1:27999", farm = "web" }`, []string{
			"4: heartbeat.listen 239.0.1.1:27999 is in gossip.send, too, and the two would not understand each other: give each a group or a port of its own",
		}},
		{"no way out", `gossip.accept = ["10.58.4.0/24"]
heartbeat = { listen = "239.0.1.1:27999", farm = "web" }`, []string{
			`3: heartbeat without node.address: write [node] address = "10.58.4.1:80", where peers reach this host, or [gossip] interface = "eth0", by which heartbeats come and go`,
		}},
		{"a heartbeat twice", neighbourHead + "[[heartbeat]]\nlisten = '239.0.1.1:27999'", []string{
			"9: heartbeat is there once only: write [heartbeat]",
		}},
	})
}

func TestMistakesAboutAgentCheck(t *testing.T) {
	testMistakes(t, []mistakeRow{
		{"an agent_check without address", neighbourHead + "[agent_check]\nfarm = 'web'", []string{
			`9: agent_check.listen is missing: write listen = "10.58.4.1:4447"`,
		}},
		{"an address without port", neighbourHead + "[agent_check]\nlisten = '10.58.4.1'", []string{
			`10: agent_check.listen: "10.58.4.1" has no port: write address:port, such as "10.58.4.1:80"`,
		}},
		{"another host's address", neighbourHead + "[agent_check]\nlisten = '10.9.9.9:4447'", []string{
			`10: agent_check.listen "10.9.9.9:4447" is no address of this host: write ":4447" for all, or one of lo 127.0.0.1, eth0 10.58.4.1, eth1 10.58.5.1`,
		}},
		{"a port that a listener has", neighbourHead + "[agent_check]\nlisten = '10.58.4.1:80'\n[[listen]]\naddress = ':80'", []string{
			`10: agent_check.listen "10.58.4.1:80" is taken by the [[listen]] ":80": give each its own port`,
		}},
		{"a farm that is not served", neighbourHead + "[agent_check]\nlisten = ':4447'\nfarm = 'shop'", []string{
			`11: agent_check.farm "shop" is not served by this host, so that there is nothing to say of it: add a [[serve]], or leave [agent_check] away`,
		}},
		{"nobody may ask", neighbourHead + "[agent_check]\nlisten = ':4447'\nallow = []", []string{
			`11: agent_check.allow is empty: nobody could ask: write allow = ["10.58.4.9"], the address of HAProxy`,
		}},
		{"nobody is said who may ask", `node.address = "10.58.4.1:80"
[[serve]]
farm = "web"
origin = "http://127.0.0.1:8080"
[agent_check]
listen = ":4447"`, []string{
			`6: agent_check without allow or gossip.accept: nobody could ask: write allow = ["10.58.4.9"], the address of HAProxy`,
		}},
		{"a name for a network", neighbourHead + "[agent_check]\nlisten = ':4447'\nallow = ['haproxy']", []string{
			`11: agent_check.allow: "haproxy" is neither a CIDR nor an address: write one such as "10.58.4.0/24"`,
		}},
	})
}

func TestWarningsAboutNeighbours(t *testing.T) {
	const proof = `10: heartbeats of Apache carry no proof of origin, whatever keys there are: whoever can send from an address in gossip.accept can take requests of farm "web"; keep others out of that network`
	for _, row := range []struct {
		name, text string
		want       []string
	}{
		{"who is heard", "[heartbeat]\nlisten = '239.0.1.1:27999'\n", []string{proof}},
		{"nobody is heard", "[heartbeat]\nsend = '239.0.1.1:27999'\nport = 81\ncapacity = 2", []string{
			`11: heartbeat.port is about hosts that are heard, and there is no heartbeat.listen: leave it away, or write listen = "239.0.1.1:27999"`,
			`12: heartbeat.capacity is about hosts that are heard, and there is no heartbeat.listen: leave it away, or write listen = "239.0.1.1:27999"`,
		}},
		{"HAProxy alone", "[agent_check]\nlisten = ':4447'", nil},
		{"a route whose farm only Apache's hosts serve", `[heartbeat]
listen = '239.0.1.1:27999'
farm = 'shop'
[[route]]
path = '/'
farm = 'shop'
`, []string{`10: heartbeats of Apache carry no proof of origin, whatever keys there are: whoever can send from an address in gossip.accept can take requests of farm "shop"; keep others out of that network`}},
	} {
		var got []string
		for _, w := range good(t, "cluster = 'web'\n"+neighbourHead+row.text, host("10.58.4.1/24")).Warnings {
			got = append(got, w[len("f:"):])
		}
		if d := cmp.Diff(row.want, got); d != "" {
			t.Errorf("%s (-want +got):\n%s", row.name, d)
		}
	}
}

func TestSummaryOfNeighbours(t *testing.T) {
	c := good(t, "cluster = 'web'\n"+neighbourHead+`[heartbeat]
listen = "239.0.1.1:27999"
send = "239.0.1.2:27998,4"
[agent_check]
listen = ":4447"
`, host("10.58.4.1/24"))
	want := `cluster "web": node www1 at 10.58.4.1:80 serves web; 0 routes; no beats are sent; hears Apache's heartbeats to ` +
		"239.0.1.1:27999; tells Apache at 239.0.1.2:27998; answers HAProxy at :4447"
	if got := c.Summary(); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}
