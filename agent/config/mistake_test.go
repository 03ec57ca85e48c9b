package config

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Each text follows a first line that says cluster = "web", so that it begins on line 2, and is read on a host with lo
// 127.0.0.1, eth0 10.58.4.1 and eth1 10.58.5.1.
type mistakeRow struct {
	name, text string
	want       []string
}

var mistakes = []mistakeRow{
	{"a file with the cluster alone is good", "", nil},

	// Keys and types.
	{"an unknown key that is like another", `[gossip]
intervall = '1s'`, []string{"3: gossip.intervall is not known: did you mean interval?"}},
	{
		"an unknown key that is like no other", "[log]\nlevel = 3",
		[]string{"3: log.level is not known: leave it away; log has access, format"},
	},
	{
		"an unknown table", `[node]
name = 'a'

[mod_perl]
listen = 'x'
`,
		[]string{"5: mod_perl is not known: leave it away; the top of the file has agent_check, athena, cluster, cookie, farm, gossip, heartbeat, listen, log, mirror, node, proxy, route, serve, status"},
	},
	{"a key of a table at the top", "tries = 3", []string{"2: tries is not known: leave it away; the top of the file has agent_check, athena, cluster, cookie, farm, gossip, heartbeat, listen, log, mirror, node, proxy, route, serve, status"}},
	{"a quoted key that is not known", `"tr ies" = 3`, []string{`2: "tr ies" is not known: leave it away; the top of the file has agent_check, athena, cluster, cookie, farm, gossip, heartbeat, listen, log, mirror, node, proxy, route, serve, status`}},
	{"a dotted key that is not known", "proxy.triess = 3", []string{"2: proxy.triess is not known: did you mean tries?"}},
	{"a number for a string", "[node]\nname = 7", []string{`3: node.name is a number: write a string, such as "www1"`}},
	{"a table for a string", "[node.name]\na = 1", []string{`2: node.name is a table: write a string, such as "www1"`}},
	{"a date for a string", `[node]
name = 1979-05-27`, []string{`3: node.name is a date: write a string, such as "www1"`}},
	{"a string for a list", `[[route]]
path = '/'
farm = 'a'
host = 'www'`, []string{`5: route.host is a string: write a list, ["www"]`}},
	{"a number for a list", "[status]\nallow = 3", []string{`3: status.allow is a number: write a list of strings, such as ["10.58.4.0/24"]`}},
	{
		"a number in a list", `[status]
allow = [
'::1',
3,
]`,
		[]string{`5: status.allow: element 2 is a number: write a string, such as "10.58.4.0/24"`},
	},
	{"a string for a number", "[proxy]\ntries = '3'", []string{"3: proxy.tries is a string: write a whole number from 1 to 16, without quotes"}},
	{"a fraction for a whole number", "[proxy]\ntries = 1.5", []string{"3: proxy.tries is a number: write a whole number from 1 to 16, without quotes"}},
	{"a number out of range", "[proxy]\ntries = 17", []string{"3: proxy.tries is 17: write a number from 1 to 16"}},
	{"a list for a table", "log = []", []string{"2: log is there once only: write [log]"}},
	{"a table with two brackets instead of one", `[[proxy]]
tries = 99`, []string{"2: proxy is there once only: write [proxy]"}},
	{"a string for a table", "log = 'x'", []string{"2: log is a string: write a table, [log]"}},
	{
		"a table with one bracket instead of two", `[listen]
address = 'x'`,
		[]string{"2: listen may be there several times: write [[listen]], or [ { ... } ] in one line", `3: listen.address: "x" is not an address: write address:port, such as "10.58.4.1:80" or "[fd00::1]:80"`},
	},
	{"a number for tables", "listen = 3", []string{"2: listen is a number: write tables, [[listen]]"}},
	{"a list of strings for tables", "listen = [':80']", []string{"2: listen: element 1 is a string: write a table, { ... }"}},

	// Durations.
	{"a bare number", `[gossip]
interval = 5`, []string{`3: gossip.interval is 5 without a unit: write "5s" for seconds`}},
	{"a bare fraction", `[gossip]
interval = 0.5`, []string{`3: gossip.interval is 0.5 without a unit: write "0.5s" for seconds`}},
	{"a number of milliseconds, most likely", "[gossip]\ninterval = 500", []string{
		`3: gossip.interval is 500 without a unit: write a duration from 100ms to 1m, such as "1s"`,
	}},
	{"a bare number in quotes", `[gossip]
interval = '5'`, []string{`3: gossip.interval is "5" without a unit: write "5s" for seconds`}},
	{"no duration", `[proxy]
idle = 'long'`, []string{`3: proxy.idle is "long", which is no duration: write one such as "1m"`}},
	{"a boolean for a duration", "[proxy]\nidle = true", []string{`3: proxy.idle is true or false: write a duration, such as "1m"`}},
	{"too short", `[gossip]
interval = '99ms'`, []string{"3: gossip.interval is 99ms: write a duration from 100ms to 1m"}},
	{"too long", `[proxy]
response_head = '25h'`, []string{"3: proxy.response_head is 25h: write a duration from 100ms to 24h"}},
	{"negative", `[proxy]
drain = '-1s'`, []string{"3: proxy.drain is -1s: write a duration from 0s to 1h"}},

	// Node.
	{"an address without port", `[node]
address = '10.58.4.1'`, []string{`3: node.address: "10.58.4.1" has no port: write address:port, such as "10.58.4.1:80"`}},
	{"an IPv6 address without port", `[node]
address = 'fd00::1'`, []string{`3: node.address: "fd00::1" has no port: write address:port, such as "[fd00::1]:80"`}},
	{"a port of 0", `[node]
address = '10.58.4.1:0'`, []string{`3: node.address: the port is "0": write a number from 1 to 65535`}},
	{"a port by name", `[node]
address = '10.58.4.1:http'`, []string{`3: node.address: the port is "http": write a number from 1 to 65535`}},
	{"a name for an address", `[node]
address = 'www1:80'`, []string{`3: node.address: "www1" is not an IP address: write it in figures`}},
	{"an address with a zone", `[node]
address = '[fe80::1%eth0]:80'`, []string{`3: node.address: "fe80::1%eth0" has a zone, which other hosts cannot use: write an address without %eth0`}},
	{
		"an address of another host", `[node]
address = 'https://10.9.9.9:443'`,
		[]string{"3: node.address 10.9.9.9 is unreachable, since no interface of this host has it: write one of lo 127.0.0.1, eth0 10.58.4.1, eth1 10.58.5.1"},
	},
	{
		"all addresses", `[node]
address = ':80'`,
		[]string{`3: node.address ":80" names no host: write the address by which peers reach this host, one of lo 127.0.0.1, eth0 10.58.4.1, eth1 10.58.5.1`},
	},
	{"an empty name", "[node]\nname = ''", []string{"3: node.name has 0 bytes: write 1 to 255"}},
	{"a long zone", "[node]\nzone = '" + strings.Repeat("z", 33) + "'", []string{"3: node.zone has 33 bytes: write at most 32"}},
	{"a speed of nothing", "[node]\nspeed = 0", []string{"3: node.speed is 0: write a number above 0 and up to 1e+09"}},
	{"a speed in words", "[node]\nspeed = 'fast'", []string{"3: node.speed is a string: write a number above 0 and up to 1e+09, without quotes"}},
	{
		"a state_dir that cannot be written", `[node]
state_dir = '/readonly/b'`,
		[]string{`3: node.state_dir "/readonly/b" cannot be written: write to /readonly/b: read-only file system: give it to the user that the agent runs as, or leave state_dir away`},
	},
	{"a relative state_dir", `[node]
state_dir = 'state'`, []string{`3: node.state_dir is "state": write a path that begins with /`}},

	// Templates.
	{
		"a template that matches nothing", `[node]
address = '{{ GetAllInterfaces | include "network" "10.77.0.0/16" | attr "address" }}:80'`,
		[]string{"3: node.address: the template matches nothing: choose among the addresses of this host, lo 127.0.0.1, eth0 10.58.4.1, eth1 10.58.5.1"},
	},
	{
		"a template of which attr would take the first", `[node]
address = '{{ GetAllInterfaces | include "network" "10.58.0.0/16" | attr "address" }}:80'`,
		[]string{"3: node.address: the template matches several addresses: eth0 10.58.4.1, eth1 10.58.5.1: narrow it with include, or join all with join \"string\" \" \" where a list will do"},
	},
	{
		"a template that joins several", `[node]
address = '{{ GetAllInterfaces | include "network" "10.58.0.0/16" | join "address" " " }}:80'`,
		[]string{"3: node.address: the template matches several addresses, 10.58.4.1 10.58.5.1: narrow it with include until one of lo 127.0.0.1, eth0 10.58.4.1, eth1 10.58.5.1 is left"},
	},
	{
		"a template that gives no address", `[node]
address = '{{ GetAllInterfaces | include "name" "eth0" | attr "string" }}:80'`,
		[]string{`3: node.address: the template gives "10.58.4.1/24", which is no address: end it with attr "address"`},
	},
	{
		"a template without port", `[node]
address = '{{ GetAllInterfaces | attr "address" }}'`,
		[]string{"3: node.address: there is no port behind the template: write {{ ... }}:80"},
	},
	{"a template without end", `[node]
address = '{{ GetAllInterfaces :80'`, []string{"3: node.address: the template has no end: close it with }}"}},
	{
		"a template with an unknown function", `[node]
address = '{{ GetEth0 }}:80'`,
		[]string{`3: node.address: the template cannot be evaluated: template: template:1: function "GetEth0" not defined: correct it as the manual of go-sockaddr says`},
	},
	{
		"a template in accept that matches nothing", `[gossip]
accept = ['10.1.1.1', '{{ GetAllInterfaces | include "name" "wlan" | join "string" " " }}']`,
		[]string{"3: gossip.accept: the template matches nothing: choose among the addresses of this host, lo 127.0.0.1, eth0 10.58.4.1, eth1 10.58.5.1"},
	},

	// Gossip.
	{
		"send alone", `[gossip]
send = ['239.255.221.20:4445']`,
		[]string{
			`3: gossip.send without gossip.accept: nobody would be heard: write accept = ["10.58.4.0/24"], the network of the other hosts`,
			`3: gossip.send without node.address: write [node] address = "10.58.4.1:80", where peers reach this host`,
		},
	},
	{
		"an empty accept", `node.address = '10.58.4.1:80'
[gossip]
send = ['239.255.221.20:4445']
accept = []`,
		[]string{`5: gossip.accept is empty: nobody would be heard: write accept = ["10.58.4.0/24"], the network of the other hosts`},
	},
	{
		"a destination that is none", `node.address = '10.58.4.1:80'
gossip.accept = ['10.58.4.0/24']
[[listen]]
address=':80'
[[serve]]
farm='a'
origin='http://127.0.0.1:8080'
`,
		nil,
	},
	{
		"destinations of which two are wrong and one is there twice", `node.address = '10.58.4.1:80'
gossip.accept = ['10.58.4.0/24']
gossip.send = [
  '239.255.221.20', # no port
  '239.255.221.20:4445,300',
  '239.255.221.20:4445,1', '239.255.221.20:4445,2',
]`,
		[]string{
			`5: gossip.send: destination "239.255.221.20": want address:port[,ttl], such as 239.255.221.20:4445,1 or [ff05::db8:4445]:4445,1`,
			`6: gossip.send: destination "239.255.221.20:4445,300": the TTL is "300", want a number of hops from 0 to 255`,
			`7: gossip.send has 239.255.221.20:4445 twice: leave one away`,
		},
	},
	{"neither CIDR nor address", `[gossip]
accept = ['10.58.4.0/33']`, []string{`3: gossip.accept: "10.58.4.0/33" is neither a CIDR nor an address: write one such as "10.58.4.0/24"`}},
	{
		"an interface that is not there", `[gossip]
interface = 'wlan0'`,
		[]string{`3: gossip.interface "wlan0" is not on this host: write one of lo 127.0.0.1, eth0 10.58.4.1, eth1 10.58.5.1`},
	},
	{
		"a source of another host", `[gossip]
source = '10.9.9.9'`,
		[]string{"3: gossip.source 10.9.9.9 is on no interface of this host: write one of lo 127.0.0.1, eth0 10.58.4.1, eth1 10.58.5.1"},
	},
	{
		"a source that is no address", `[gossip]
source = 'fe80::1%eth0'`,
		[]string{`3: gossip.source is "fe80::1%eth0": write an address of this host, one of lo 127.0.0.1, eth0 10.58.4.1, eth1 10.58.5.1`},
	},

	// Serve and farm.
	{
		"serve without anything", `node.address = '10.58.4.1:80'
[[serve]]`,
		[]string{`3: serve.farm is missing: write farm = "web"`, `3: serve.origin is missing: write origin = "http://127.0.0.1:8080"`},
	},
	{
		"serve without address", `[[serve]]
farm = 'a'
origin = 'http://127.0.0.1:8080'`,
		[]string{`2: serve without node.address: write [node] address = "10.58.4.1:80", where peers reach this host`},
	},
	{
		"a farm served twice, two defaults", `node.address = '10.58.4.1:80'
[[serve]]
farm = 'a'
origin = 'http://127.0.0.1:8080'
default = true
[[serve]]
farm = 'a'
origin = 'http://127.0.0.1:8081'
default = true`,
		[]string{`8: serve.farm "a" is served twice: leave one [[serve]] away`, "10: serve.default is there twice: mark one [[serve]] only"},
	},
	{
		"values of serve", `node.address = '10.58.4.1:80'
[[serve]]
farm = 'farm of a name with more than thirty-two bytes'
origin = '127.0.0.1:8080'
capacity = 0
workers = 0
check = 'health'
status_url = 'https://a/'
default = 'yes'`,
		[]string{
			"4: serve.farm has 46 bytes: write 1 to 32",
			`5: serve.origin is "127.0.0.1:8080", which is no URL: write one such as "http://127.0.0.1:8080"`,
			"6: serve.capacity is 0: write a number above 0 and up to 1e+06",
			"7: serve.workers is 0: write a number from 1 to 1000000",
			`8: serve.check is "health": write a path that begins with /, such as "/health"`,
			`9: serve.status_url is "https://a/", and only http is spoken there: write one such as "http://127.0.0.1:8080/server-status?auto"`,
			"10: serve.default is a string: write true or false, without quotes",
		},
	},
	{
		"infinite capacity", `node.address = '10.58.4.1:80'
[[serve]]
farm = 'a'
origin = 'http://a:1'
capacity = inf`,
		[]string{"6: serve.capacity is +Inf: write a number above 0 and up to 1e+06"},
	},
	{
		"origins that are no base", `[[farm]]
name = 'a'
member = [
{ name = 'a', url = 'http://a:80/path?query' },
{ name = 'b', url = 'http://a:0' },
{ name = 'c', url = 'http://u@a' },
{ name = 'd', url = 'http://a b/' },
{ name = 'e', url = 'http://a_b!/' }]`,
		[]string{
			`5: farm.member.url is "http://a:80/path?query": leave ? and what is behind it away; the request's own query is used`,
			`6: farm.member.url is "http://a:0": the port is "0": write a number from 1 to 65535`,
			`7: farm.member.url is "http://u@a", want a host and no user or fragment: write one such as "http://127.0.0.1:8080"`,
			`8: farm.member.url is "http://a b/", which is no URL: write one such as "http://127.0.0.1:8080"`,
			`9: farm.member.url is "http://a_b!/", and its host is neither a name nor an address: write one such as "http://127.0.0.1:8080"`,
		},
	},
	{
		"an origin with a path", `node.address = '10.58.4.1:80'
[[serve]]
farm = 'a'
origin = 'http://a:80/path'
[[serve]]
farm = 'b'
origin = 'http://a:80?'`,
		[]string{
			`5: serve.origin is "http://a:80/path": leave away what stands behind the port; the request's own path is used`,
			`8: serve.origin is "http://a:80?": leave away what stands behind the port; the request's own path is used`,
		},
	},
	{
		"an origin that is our own listener on all addresses", `node.address = '10.58.4.1:80'
[[serve]]
farm = 'a'
origin = 'http://127.0.0.1'
[[listen]]
address = ':80'`,
		[]string{`5: serve.origin http://127.0.0.1:80 is this agent itself, which listens on ":80": write the address of the web server, and let it use another port`},
	},
	{
		"an origin that is our own listener by the host's name", `node.address = '10.58.4.1:80'
[[serve]]
farm = 'a'
origin = 'http://WWW1:80'
[[listen]]
address = '10.58.5.1:80'`,
		[]string{`5: serve.origin http://WWW1:80 is this agent itself, which listens on "10.58.5.1:80": write the address of the web server, and let it use another port`},
	},
	{
		"an origin on another port, address or host", `node.address = '10.58.4.1:80'
[[serve]]
farm = 'a'
origin = 'http://127.0.0.1:80'
[[serve]]
farm = 'b'
origin = 'http://10.58.4.9:80'
[[serve]]
farm = 'c'
origin = 'http://localhost:8080'
[[serve]]
farm = 'd'
origin = 'http://[::1]:90'
[[listen]]
address = '10.58.4.1:80'
[[listen]]
address = '0.0.0.0:90'`,
		nil,
	},
	{
		"a member that is our own listener", `[[farm]]
name = 'a'
[[farm.member]]
name = 'me'
url = 'http://10.58.4.1'
[[listen]]
address = '[::]:80'`,
		[]string{`6: farm.member.url http://10.58.4.1:80 is this agent itself, which listens on "[::]:80": write a [[serve]] for the web server of this host`},
	},
	{
		"farms", `[[farm]]
name = 'a'
member = []
[[farm]]
name = 'a'
[[farm.member]]
name = 'x'
url = 'http://a'
[[farm.member]]
name = 'x'
[[farm]]
member = 3`,
		[]string{
			`4: farm.member is missing: write member = [ { name = "app01", url = "http://10.58.4.21:8080" } ]`,
			`6: farm.name "a" is there twice: put all members into one [[farm]]`,
			`10: farm.member.url is missing: write url = "http://10.58.4.21:8080"`,
			`11: farm.member.name "x" is there twice in the farm: give each its own name`,
			`12: farm.name is missing: write name = "web"`,
			"13: farm.member is a number: write tables, [[farm.member]]",
		},
	},

	{
		"a capacity of a member that is none", `[[farm]]
name = 'a'
member = [
{ name = 'a', url = 'http://a', capacity = 8 },
{ name = 'b', url = 'http://b', capacity = -1 },
{ name = 'c', url = 'http://c', capacity = '8' },
{ name = 'd', url = 'http://d', capacty = 8 }]`,
		[]string{
			"6: farm.member.capacity is -1: write a number above 0 and up to 1e+06",
			"7: farm.member.capacity is a string: write a number above 0 and up to 1e+06, without quotes",
			"8: farm.member.capacty is not known: did you mean capacity?",
		},
	},

	// Listen, status, log, proxy.
	{
		"listeners", `[[listen]]
address = '10.9.9.9:80'
[[listen]]
address = ':80'
[[listen]]
address = '10.58.4.1:80'
[[listen]]
address = '80'
[[listen]]
address = 'localhost:80'
[[listen]]
`,
		[]string{
			`3: listen.address "10.9.9.9:80" is no address of this host: write ":80" for all, or one of lo 127.0.0.1, eth0 10.58.4.1, eth1 10.58.5.1`,
			`7: listen.address "10.58.4.1:80" is taken by ":80": leave one away`,
			`9: listen.address: "80" has no colon: write ":80" for all addresses of this host`,
			`11: listen.address: "localhost" is not an IP address: write it in figures`,
			`12: listen.address is missing: write address = ":80"`,
		},
	},
	{
		"status", `[status]
path = '/backhand'
allow = ['10.0.0.0/8', 'all']`,
		[]string{
			`3: status.path is "/backhand": write a path that begins and ends with /, such as "/backhand/"`,
			`4: status.allow: "all" is neither a CIDR nor an address: write one such as "10.58.4.0/24"`,
		},
	},
	{"a status page that takes everything", "[status]\npath = '/'", []string{`3: status.path is "/": write a path that begins and ends with /, such as "/backhand/"`}},
	{"a relative log", `[log]
access = 'log'`, []string{`3: log.access is "log": write a path that begins with /, or "-" for standard output`}},
	{"a proxy that is no address", `[proxy]
trusted_proxies = ['a']`, []string{`3: proxy.trusted_proxies: "a" is neither a CIDR nor an address: write one such as "10.58.4.0/24"`}},

	// Spellings of TOML.
	{
		"a string that has lines like headers", `[node]
name = '''
[[route]]
[x]
'''
zone = 3
[proxy]
tries = 0`,
		[]string{`7: node.zone is a number: write a string, such as "rack1"`, "9: proxy.tries is 0: write a number from 1 to 16"},
	},
	{
		"inline routes", `route = [
  { path = '/', farm = 'a' },
  { path = '/b', farm = 'a b' }, # [
  { path = 'c', farm = 'a' } ]`,
		[]string{
			`4: route.farm is "a b": write only letters, digits, dots, dashes and underscores`,
			`5: route.path is "c": write a path that begins with /`,
		},
	},
	{"headers with blanks and quotes", "  [ \"proxy\" ] # [x]\n  tries = 0\n\t[[ listen ]]\naddress=':0'", []string{"3: proxy.tries is 0: write a number from 1 to 16", `5: listen.address: the port is "0": write a number from 1 to 65535`}},
	{
		"the third of repeated routes", `[[route]]
path = '/a'
farm = 'a'
[[route]]
path = '/b'
farm = 'a'
[[route]]
path = '/c'
farm = 3
[[route]]
path = '/d'
farm = 'a'`,
		[]string{`10: route.farm is a number: write a string, such as "web"`},
	},

	// What is no TOML.
	{
		"a value that is missing", `[node]
name =
[proxy]
tries = 0`,
		[]string{
			"3: this is no good TOML: expected value but found '\\n' instead: correct it first, the rest of the file may then be read",
			"5: proxy.tries is 0: write a number from 1 to 16",
		},
	},
	{
		"a list that is not closed", `[[route]]
path = '/'
farm = 'a'
chain = ['byAge 6'
[proxy]
tries = 0
`,
		[]string{"", "7: proxy.tries is 0: write a number from 1 to 16"},
	},
	{
		"more lines that look like headers than we look at", "[node]\nname = [\n" + strings.Repeat("['x'],\n", 250) + "]",
		[]string{"2: this is no good TOML: more than 200 lines that start with [ and begin no table: correct it first, the rest of the file may then be read"},
	},
	{
		"a table that is there twice", `[log]
access = 'a'
[log]
access = '-'
`,
		[]string{"4: this is no good TOML: Key 'log' has already been defined: correct it first, the rest of the file may then be read"},
	},
}

func TestMistakes(t *testing.T) { testMistakes(t, mistakes) }

// An empty wanted line stands for any.
func testMistakes(t *testing.T, rows []mistakeRow) {
	t.Helper()
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			got := found(t, "cluster = \"web\"\n"+row.text, host("10.58.4.1/24", "10.58.5.1/24"))
			want := append([]string(nil), row.want...)
			for i := range want {
				if want[i] == "" && i < len(got) {
					want[i] = got[i]
				}
			}
			if d := cmp.Diff(want, got); d != "" {
				t.Errorf(`(-want +got):
%s
of the text:
%s`, d, row.text)
			}
		})
	}
}

func TestMistakesOfTheCluster(t *testing.T) {
	for text, want := range map[string]string{
		"":                 `1: cluster is missing: write cluster = "web", alike on all hosts`,
		"\n[node]\n":       `1: cluster is missing: write cluster = "web", alike on all hosts`,
		"\ncluster = ''":   `2: cluster is empty: write a name, such as "web", alike on all hosts`,
		"cluster = 7":      `1: cluster is a number: write a string, such as "web"`,
		"cluter = 'web'\n": "1: cluter is not known: did you mean cluster?",
		"cluster = '" + strings.Repeat("c", 65) + "'": "1: cluster has 65 bytes: write at most 64",
	} {
		if d := cmp.Diff([]string{want}, found(t, text, host())); d != "" {
			t.Errorf("%q (-want +got):\n%s", text, d)
		}
	}
}
