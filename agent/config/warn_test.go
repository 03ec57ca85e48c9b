package config

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestWarnings(t *testing.T) {
	const head = `cluster = "web"
node.address = "10.58.4.1:80"
gossip.send = ["239.255.221.20:4445"]
gossip.accept = ["10.58.4.0/24"]
`
	trust := "3: beats are not authenticated: whoever can send from an address in gossip.accept can take requests; run 'backhand keygen " +
		`/etc/backhand/keys' and write keys = "/etc/backhand/keys", or keep others out of that network`
	const serve = `cluster = "web"
node.address = "127.0.0.1:80"
[[serve]]
farm = 'a'
`
	for _, row := range []struct {
		name, text string
		want       []string
	}{
		{"beats without keys", head, []string{trust}},
		{"beats with keys", head + "gossip.keys = '/k/good'\n", nil},
		{"keys, and an accept that covers loopback", strings.Replace(head, "10.58.4.0/24", "0.0.0.0/0", 1) + "gossip.keys = '/k/good'\n", nil},
		{"beats that stay on this host", strings.NewReplacer("10.58.4.1", "127.0.0.1").Replace(head), nil},
		{
			"accept covers loopback", `cluster = 'web'
[gossip]
accept = [
  '10.0.0.0/8',
  '0.0.0.0/0',
  '127.0.0.0/8',
  '::1' ]`,
			[]string{
				"5: gossip.accept has 0.0.0.0/0, which covers loopback: every user of this host could pass for a node; leave loopback away but for a trial on one host",
				"6: gossip.accept has 127.0.0.0/8, which covers loopback: every user of this host could pass for a node; leave loopback away but for a trial on one host",
				"7: gossip.accept has ::1/128, which covers loopback: every user of this host could pass for a node; leave loopback away but for a trial on one host",
			},
		},
		{
			"a chain that sorts by gossip", head + `[[route]]
path = '/'
farm = 'web'
chain = ['byAge 6',
'byLoad']`,
			[]string{trust, `9: route.chain: "byLoad" sorts by what every node hears alike, without byRandom and byLogWindow before it: from one beat to the next, all nodes send all requests to the same member; write them before it, or "auto" instead of the whole chain`},
		},
		{
			"a shuffle that the sort undoes", head + `[[route]]
path = '/'
farm = 'web'
chain = ['byAge 6', 'byRandom', 'byCPU']`,
			[]string{trust, `8: route.chain: "byCPU" sorts by what every node hears alike, without byRandom and byLogWindow before it: from one beat to the next, all nodes send all requests to the same member; write them before it, or "auto" instead of the whole chain`},
		},
		{
			"a window that is everybody's", head + `[[route]]
path = '/'
farm = 'web'
chain = ['byAge 6', 'byLogWindow', 'byRandom', 'byCost']`,
			[]string{trust, `8: route.chain: "byCost" sorts by what every node hears alike, without byRandom and byLogWindow before it: from one beat to the next, all nodes send all requests to the same member; write them before it, or "auto" instead of the whole chain`},
		},
		{
			"the seed chain", head + `[[route]]
path = '/'
farm = 'web'
chain = ['removeSelf', 'byAge 6', 'byRandom', 'byLogWindow',
'byLoad']`,
			[]string{trust, `9: route.chain: "byLoad" sorts by what every node hears alike: where a member gets more than about five requests in one gossip.interval (K of 'backhand status'), all run to the same few members; "auto" does not`},
		},
		{"sorts by what nobody else knows", head + `[[route]]
path = '/'
farm = 'web'
chain = ['byAge 6', 'byStat outstanding', 'byExpr (outstanding + 1) / slots', 'byTraffic']`, []string{trust}},
		{"the default chain by its name", head + `[[route]]
path = '/'
farm = 'web'
chain = ['removeSelf', 'auto']`, []string{trust}},
		{
			"a step behind auto, which is several", head + `[[route]]
path = '/'
farm = 'web'
chain = ['auto',
'byAge 2b']`,
			[]string{trust, `9: route.chain: "byAge 2b" drops a member after one or two lost beats; write 3b or more`},
		},
		{
			"a step behind off", head + `[[route]]
path = '/'
farm = 'web'
chain = ['off', 'addSelf', 'addSession',
'byRandom', 'byLogWindow']`,
			[]string{trust, `9: route.chain: "byRandom" stands behind "off", which leaves one, so that it has nothing to choose from: put it before, or leave it away`},
		},
		{
			"a step behind a window of three", `cluster = 'web'
[[farm]]
name = 'x'
member = [{ name = 'a', url = 'http://a' }, { name = 'b', url = 'http://b' }, { name = 'c', url = 'http://c' }]
[[route]]
path = '/'
farm = 'x'
chain = ['byRandom', 'byLogWindow', 'bySession', 'byBusyChildren']`,
			[]string{`8: route.chain: "bySession" stands behind "byLogWindow", which leaves one, so that it has nothing to choose from: put it before, or leave it away`},
		},
		{"a step behind a window of four", `cluster = 'web'
[[farm]]
name = 'x'
member = [{ name = 'a', url = 'http://a' }, { name = 'b', url = 'http://b' }, { name = 'c', url = 'http://c' }, { name = 'd', url = 'http://d' }]
[[route]]
path = '/'
farm = 'x'
chain = ['byRandom', 'byLogWindow', 'byBusyChildren']`, nil},
		{"a step behind a window of who knows how many", head + `[[route]]
path = '/'
farm = 'web'
chain = ['byAge 6', 'byRandom', 'byLogWindow', 'byTraffic']`, []string{trust}},
		{"steps behind a session, which is not always one", head + `[[route]]
path = '/'
farm = 'web'
chain = ['bySession', 'auto']`, []string{trust}},
		{"a farm of one", `cluster = 'web'
[[farm]]
name = 'x'
member = [{ name = 'a', url = 'http://a' }]
[[route]]
path = '/'
farm = 'x'
chain = ['byRandom', 'byLogWindow', 'byBusyChildren']`, nil},
		{"the default chain, which nobody wrote", head + `[[route]]
path = '/'
farm = 'web'`, []string{trust}},
		{"a chain that leaves it to chance", head + `[[route]]
path = '/'
farm = 'web'
chain = ['byAge 6', 'byRandom']`, []string{trust}},
		{
			"byAge with fewer than three beats", head + `[[route]]
path = '/'
farm = 'web'
chain = ['byAge 2b',
'byAge 2.5',
'byAge 3b', 'byAge 3s', 'byAge']`,
			[]string{
				trust,
				`8: route.chain: "byAge 2b" drops a member after one or two lost beats; write 3b or more`,
				`9: route.chain: "byAge 2.5" is less than three beats of 1s; write 3s or more, or 3b`,
			},
		},
		{
			"byAge without argument and a long interval", head + `gossip.interval = '2s'
[[route]]
path = '/'
farm = 'web'
chain = ['byAge']`,
			[]string{trust, `9: route.chain: "byAge" is less than three beats of 2s; write 6s or more, or 3b`},
		},
		{
			"a chain of nodes without byAge", head + `[[route]]
path = '/'
farm = 'web'
chain = ['removeSelf', 'byRandom']`,
			[]string{trust, `8: route.chain has no byAge: nodes that have died stay candidates; write "byAge 6b" as the first step or after removeSelf`},
		},
		{"a chain of physicals without byAge", head + `[[route]]
path = '/'
farm = 'x'
chain = ['byRandom']
[[farm]]
name = 'x'
member = [{ name = 'a', url = 'http://a' }]`, []string{trust}},
		{"a chain that is off", head + `[[route]]
path = '/'
farm = 'web'
chain = ['off']`, []string{trust}},
		{"a capacity of four requests a CPU", serve + `origin = 'http://127.0.0.1:8080'
capacity = 16`, nil},
		{
			"a capacity that is a limit of processes", serve + `workers = 150
origin = 'http://localhost:8080'
capacity = 150`,
			[]string{
				"7: serve.capacity 150 is more than 4 times the CPUs of this host, which are 4: it is what the origin runs at full speed at once, " +
					"not how many processes it has; announcing 150 workers as capacity on 4 cores doubled the mean response time in simulation. " +
					"Leave capacity away and write workers = 150, unless the origin mostly waits for others",
			},
		},
		{"a capacity of an origin on another host", serve + `origin = 'http://10.58.4.9:8080'
capacity = 150`, nil},
		{"workers without a capacity", serve + `origin = 'http://localhost:8080'
workers = 150`, nil},
		{"a node that nobody reaches", head + `[[listen]]
address = '10.58.4.1:8080'`, []string{`2: node.address 10.58.4.1:80 has no [[listen]]: what peers send there would not come in; write [[listen]] address = ":80"`, trust}},
		{"a node that is reached", head + `[[listen]]
address = '0.0.0.0:80'`, []string{trust}},
		{
			"a route below the status page", `cluster = 'web'
[[route]]
path = '/backhand'
farm = 'a'
[[route]]
path = '/backhands'
farm = 'a'
[[serve]]
farm = 'a'
origin = 'http://a'
[node]
address = '10.58.4.1:80'`,
			[]string{`3: route.path "/backhand" is below status.path "/backhand/" and gets no request: move one of them`},
		},
		{
			"a farm that nobody can serve", `cluster = 'web'
[[route]]
path = '/'
farm = 'a'`,
			[]string{`4: route.farm "a" has no [[serve]] and no [[farm]], and without gossip.send or gossip.peers nobody else can serve it; correct the name or add one of them`},
		},
	} {
		t.Run(row.name, func(t *testing.T) {
			c := good(t, row.text, withKeys(host("10.58.4.1/24")), WithAdvice())
			var got []string
			for _, w := range c.Warnings {
				got = append(got, strings.TrimPrefix(w, "f:"))
			}
			if d := cmp.Diff(row.want, got); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
		})
	}
}

// How busy the cluster is, a running agent knows.
func TestARunningAgentDoesNotWarnOfTheHerd(t *testing.T) {
	c := good(t, `cluster = "web"
node.address = "127.0.0.1:80"
gossip.send = ["239.255.221.20:4445"]
gossip.accept = ["10.58.4.0/24"]
[[route]]
path = "/"
farm = "web"
chain = ["byAge 6", "byLoad"]
[[listen]]
address = "127.0.0.1:80"`, host(), ForRun())
	if len(c.Warnings) > 0 {
		t.Errorf("warnings are %q", c.Warnings)
	}
}

// What is right on many a host is not said at each start.
func TestARunningAgentDoesNotWarnOfCapacity(t *testing.T) {
	c := good(t, `cluster = "web"
node.address = "127.0.0.1:80"
[[serve]]
farm = "a"
origin = "http://127.0.0.1:8080"
capacity = 1000
[[listen]]
address = "127.0.0.1:80"`, host(), ForRun())
	if len(c.Warnings) > 0 {
		t.Errorf("warnings are %q", c.Warnings)
	}
}

func TestStateDirFallback(t *testing.T) {
	env := host()
	env.Writable = func(string) error { return errNowhere }
	c := good(t, `cluster = 'web'
[node]
`, env)
	if c.Node.StateDir != "" || len(c.Warnings) != 1 || !strings.HasPrefix(c.Warnings[0], "f:2: no state_dir: nowhere: ") {
		t.Errorf("node is %+v, the warnings are %q", c.Node, c.Warnings)
	}
}

func TestTemplates(t *testing.T) {
	env := host("10.58.4.1/24", "10.58.5.1/24", "fd00::1/64")
	text := `cluster = 'web'
[node]
address = 'https://{{ GetAllInterfaces | include "network" "10.58.4.0/24" | attr "address" }}:443'
[gossip]
accept = ['{{ GetAllInterfaces | exclude "name" "lo" | join "string" " " }}', '{{ GetInterfaceIP "eth1" }}']
`
	c := good(t, text, env)
	if !c.Node.TLS || c.Node.Address.String() != "10.58.4.1:443" {
		t.Errorf("node is %+v", c.Node)
	}
	var accept []string
	for _, a := range c.Gossip.Accept {
		accept = append(accept, a.String())
	}
	if d := cmp.Diff([]string{"10.58.4.0/24", "10.58.5.0/24", "fd00::/64", "10.58.5.1/32"}, accept); d != "" {
		t.Errorf(`accept (-want +got):
%s`, d)
	}
	c = good(t, `cluster = 'web'
node.address = '[{{ GetAllInterfaces | include "type" "IPv6" | attr "address" }}]:80'`, env)
	if c.Node.Address.String() != "[fd00::1]:80" {
		t.Errorf("node.address is %v", c.Node.Address)
	}
}
