package config

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"backhand/candidacy"
)

func TestAthena01IsOffByDefault(t *testing.T) {
	a := good(t, "cluster = 'web'", host()).Athena
	if a.On() || len(a.Listen) != 0 || a.Chain != nil || a.Update != nil {
		t.Errorf("without [athena] it is %+v", a)
	}
}

func TestAthena02PathIsAthenaByDefaultAndCanBeChanged(t *testing.T) {
	for text, want := range map[string]string{
		"":                    "/athena",
		"path = '/ath'":       "/ath",
		"path = '/ath/'":      "/ath",
		"path = '/my/athena'": "/my/athena",
	} {
		if got := good(t, "cluster = 'web'\n[athena]\nlisten = ':4446'\n"+text, host()).Athena.Path; got != want {
			t.Errorf("%q gives the path %q, want %q", text, got, want)
		}
	}
}

func TestAthenaSettings(t *testing.T) {
	inside, apps := netip.MustParsePrefix("10.58.4.0/24"), netip.MustParsePrefix("10.58.5.7/32")
	loop := loopback()
	for _, row := range []struct {
		name, text string
		want       Athena
		summary    string
	}{
		{
			"the defaults: loopback may do all", "listen = '127.0.0.1:4446'",
			Athena{Listen: []string{"127.0.0.1:4446"}, Path: "/athena", Balance: loop, Status: loop, Update: loop, Mirror: loop},
			"; answers programs at 127.0.0.1:4446/athena",
		},
		{
			"several addresses, one by a template", `listen = ['{{ GetAllInterfaces | include "network" "10.58.4.0/24" | attr "address" }}:4446', '[::1]:4446', '127.0.0.1:4446']
allow = ['10.58.4.7/24']`,
			Athena{
				Listen: []string{"10.58.4.1:4446", "[::1]:4446", "127.0.0.1:4446"}, Path: "/athena",
				Balance: []netip.Prefix{inside}, Status: []netip.Prefix{inside}, Update: []netip.Prefix{inside}, Mirror: []netip.Prefix{inside},
			},
			"; answers programs at 10.58.4.1:4446 and [::1]:4446 and 127.0.0.1:4446/athena",
		},
		{
			"a network for each part", `listen = ':4446'
allow = ['10.58.4.0/24']
allow_update = ['10.58.5.7']
allow_mirror = []`,
			Athena{
				Listen: []string{":4446"}, Path: "/athena",
				Balance: []netip.Prefix{inside}, Status: []netip.Prefix{inside}, Update: []netip.Prefix{apps}, Mirror: nil,
			},
			"; answers programs at :4446/athena",
		},
	} {
		t.Run(row.name, func(t *testing.T) {
			c := good(t, "cluster = 'web'\n[athena]\n"+row.text, host("10.58.4.1/24"))
			got := c.Athena
			if d := cmp.Diff(candidacy.DefaultChain(), got.Chain.Text()); d != "" {
				t.Errorf("the chain (-default +got):\n%s", d)
			}
			got.Chain = nil
			if d := cmp.Diff(row.want, got, cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
			if !strings.HasSuffix(c.Summary(), row.summary) {
				t.Errorf("the summary is %q, want it to end in %q", c.Summary(), row.summary)
			}
		})
	}
}

func TestMistakesOfAthena(t *testing.T) {
	testMistakes(t, []mistakeRow{
		{"no address", "[athena]\npath = '/ath'", []string{`2: athena.listen is missing: write listen = "10.58.4.1:4446"`}},
		{"no address in the list", "[athena]\nlisten = []", []string{`3: athena.listen is empty: write listen = "10.58.4.1:4446", or leave [athena] away`}},
		{"a number for an address", "[athena]\nlisten = 4446", []string{`3: athena.listen is a number: write a string, such as "10.58.4.1:4446"`}},
		{
			"addresses that are none of this host's, or taken", `[athena]
listen = [
  '10.9.9.9:4446',
  '10.58.4.1',
  ':80',
  '10.58.4.1:4447',
  '10.58.4.1:4446',
  ':4446' ]
allow = ['10.58.4.0/24']
[[listen]]
address = '10.58.4.1:80'
[agent_check]
listen = ':4447'
allow = ['10.58.4.0/24']
farm = 'web'
[[serve]]
farm = 'web'
origin = 'http://127.0.0.1:8080'
[node]
address = '10.58.4.1:80'`,
			[]string{
				`4: athena.listen "10.9.9.9:4446" is no address of this host: write ":4446" for all, or one of lo 127.0.0.1, eth0 10.58.4.1, eth1 10.58.5.1`,
				`5: athena.listen: "10.58.4.1" has no port: write address:port, such as "10.58.4.1:80"`,
				`6: athena.listen ":80" is taken by the [[listen]] "10.58.4.1:80": give each its own port`,
				`7: athena.listen "10.58.4.1:4447" is taken by agent_check.listen ":4447": give each its own port`,
				`9: athena.listen ":4446" is taken by athena.listen "10.58.4.1:4446": give each its own port`,
			},
		},
		{
			"more addresses than there may be", "[athena]\nlisten = [" + strings.Repeat("':1', ", 17) + "]",
			[]string{"3: athena.listen has 17 addresses: write at most 16"},
		},
		{"a path without a name", "[athena]\nlisten = ':4446'\npath = '/'", []string{`4: athena.path is "/": write a path with a name in it, such as "/athena"`}},
		{"a path that is none", "[athena]\nlisten = ':4446'\npath = 'athena'", []string{`4: athena.path is "athena": write a path that begins with /`}},
		{
			"networks that are none", "[athena]\nlisten = ':4446'\nallow = ['inside']\nallow_update = '10.0.0.0/8'",
			[]string{
				`4: athena.allow: "inside" is neither a CIDR nor an address: write one such as "10.58.4.0/24"`,
				`5: athena.allow_update is a string: write a list, ["10.0.0.0/8"]`,
			},
		},
		{"nobody may do anything", "[athena]\nlisten = ':4446'\nallow = []", []string{
			`4: athena.allow is empty: nobody could ask: write allow = ["10.58.4.0/24"], or leave [athena] away`,
		}},
		{"nobody may do anything but one part", "[athena]\nlisten = ':4446'\nallow = []\nallow_status = ['10.0.0.0/8']", nil},
		{"a key that is misspelt", "[athena]\nlisten = ':4446'\nallow_balanc = []", []string{"4: athena.allow_balanc is not known: did you mean allow_balance?"}},
		{
			"a member, an origin and a forward that are the engine, which strangers would reach by loopback", `[athena]
listen = '127.0.0.1:4446'
[[farm]]
name = 'a'
forward_off = 'http://localhost:4446/athena/status/phys'
member = [ { name = 'x', url = 'http://127.0.0.1:4446' } ]
[node]
address = '10.58.4.1:80'
[[serve]]
farm = 'web'
origin = 'http://127.0.0.1:4446'`,
			[]string{
				`6: farm.forward_off http://localhost:4446/athena/status/phys is this agent itself, which listens on "127.0.0.1:4446": name the farm that it would choose from, or another host`,
				`7: farm.member.url http://127.0.0.1:4446 is this agent itself, which listens on "127.0.0.1:4446": write a [[serve]] for the web server of this host`,
				`12: serve.origin http://127.0.0.1:4446 is this agent itself, which listens on "127.0.0.1:4446": write the address of the web server, and let it use another port`,
			},
		},
	})
}

func TestWarningsOfAthena(t *testing.T) {
	for _, row := range []struct {
		name, text string
		want       []string
	}{
		{"all may ask, and the applications tell", "[athena]\nlisten = ':4446'\nallow = ['0.0.0.0/0']\nallow_update = ['10.58.4.0/24']\nallow_mirror = []", nil},
		{"all may tell, and only this host can reach it", "[athena]\nlisten = ['127.0.0.1:4446', '[::1]:4446']\nallow = ['0.0.0.0/0', '::/0']", nil},
		{
			"everybody may tell", "[athena]\nlisten = ['127.0.0.1:4446', '10.58.4.1:4446']\nallow = ['10.0.0.0/8', '::/0']",
			[]string{"4: athena.allow is everybody, and not only this host can reach athena.listen: whoever does can take all members out of service; name the network of those who may, or listen on 127.0.0.1"},
		},
		{
			"everybody may tell, as a part of its own", "[athena]\nlisten = ':4446'\nallow_update = ['0.0.0.0/0']",
			[]string{"4: athena.allow_update is everybody, and not only this host can reach athena.listen: whoever does can take all members out of service; name the network of those who may, or listen on 127.0.0.1"},
		},
		{
			"nobody can reach it", "[athena]\nlisten = '10.58.4.1:4446'",
			[]string{`2: athena.allow is loopback alone, and athena.listen 10.58.4.1:4446 can be reached from there by nobody: write allow = ["10.58.4.0/24"], the network of those who ask, or listen on 127.0.0.1`},
		},
	} {
		t.Run(row.name, func(t *testing.T) { testWarnings(t, row.text, row.want) })
	}
}

// A balancer that programs ask and that proxies nothing is an agent, too.
func TestAthenaAloneNeedsNoListen(t *testing.T) {
	text := "cluster = 'jobs'\n[athena]\nlisten = '127.0.0.1:4446'\n[[farm]]\nname = 'jobs'\nmember = [ { name = 'a', url = 'http://a' } ]\n"
	if got := found(t, text, host(), ForRun()); got != nil {
		t.Errorf("got %q", got)
	}
}
