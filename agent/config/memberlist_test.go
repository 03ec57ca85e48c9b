package config

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"backhand/candidacy"
)

func TestMemberlist(t *testing.T) {
	for _, row := range []struct {
		name, text string
		want       string // bind, port for beats, address that is advertised, seeds
	}{
		{"nothing", "", "none"},
		{"an empty table takes the address of the node", "[gossip.memberlist]", "10.58.4.1:4446 4447 10.58.4.1:4446 []"},
		{
			"one line of everything", "memberlist = { bind = '10.58.5.1:5000', beat_port = 6000, advertise = '203.0.113.7:7000', join = ['10.58.4.9:4446', 'Web.example.com:5000', '_backhand._udp.example.com'] }",
			"10.58.5.1:5000 6000 203.0.113.7:7000 [10.58.4.9:4446 web.example.com:5000 _backhand._udp.example.com]",
		},
		{"another port alone", "[gossip.memberlist]\nbind = ':5000'", "10.58.4.1:5000 5001 10.58.4.1:5000 []"},
		{"all addresses of the host", "[gossip.memberlist]\nbind = '0.0.0.0:5000'", "0.0.0.0:5000 5001 10.58.4.1:5000 []"},
		{"all, of IPv6 too", "[gossip.memberlist]\nbind = '[::]:4446'", "[::]:4446 4447 10.58.4.1:4446 []"},
		{
			"a template", `[gossip.memberlist]
bind = '{{ GetAllInterfaces | include "network" "10.58.5.0/24" | attr "address" }}:4446'`, "10.58.5.1:4446 4447 10.58.5.1:4446 []",
		},
		{"a seed without a port", "[gossip.memberlist]\njoin = ['10.58.4.9', 'fd58::9']", "10.58.4.1:4446 4447 10.58.4.1:4446 [10.58.4.9:4446 [fd58::9]:4446]"},
		{"ourselves among the seeds, as in a file for all hosts", "[gossip.memberlist]\njoin = ['10.58.4.1:4446']", "10.58.4.1:4446 4447 10.58.4.1:4446 [10.58.4.1:4446]"},
	} {
		t.Run(row.name, func(t *testing.T) {
			c := good(t, "cluster = 'web'\nnode.address = '10.58.4.1:80'\n[gossip]\naccept = ['10.58.0.0/16']\n"+row.text,
				host("10.58.4.1/24", "10.58.5.1/24"))
			got := "none"
			if m := c.Gossip.Memberlist; m != nil {
				got = fmt.Sprintf("%v %d %v %v", m.Bind, m.BeatPort, m.Advertise, m.Join)
				if c.Gossip.Alone() {
					t.Error("it is taken for alone")
				}
				if !c.Exposed() {
					t.Error("it is taken for a trial on this host alone")
				}
				if want := "memberlist finds from " + m.Advertise.String(); !strings.Contains(c.Summary(), want) {
					t.Errorf("the summary is %q, want %q in it", c.Summary(), want)
				}
			}
			if got != row.want {
				t.Errorf("got %s, want %s", got, row.want)
			}
		})
	}
}

func TestMistakesOfMemberlist(t *testing.T) {
	const all = "lo 127.0.0.1, eth0 10.58.4.1"
	for _, row := range []struct {
		name, text string
		want       []string
	}{
		{"an unknown key", "[gossip.memberlist]\nbinds = ':1'", []string{"7: gossip.memberlist.binds is not known: did you mean bind?"}},
		{"no table", "memberlist = true", []string{"6: gossip.memberlist is true or false: write a table, [gossip.memberlist]"}},
		{"several", "[[gossip.memberlist]]\nbind = ':1'", []string{"6: gossip.memberlist is there once only: write [gossip.memberlist]"}},
		{
			"an address of another host", "[gossip.memberlist]\nbind = '10.58.4.9:4446'",
			[]string{"7: gossip.memberlist.bind 10.58.4.9 is on no interface of this host: write one of " + all},
		},
		{
			"no port", "[gossip.memberlist]\nbind = '10.58.4.1'",
			[]string{`7: gossip.memberlist.bind: "10.58.4.1" has no port: write address:port, such as "10.58.4.1:80"`},
		},
		{
			"beats at the same port", "[gossip.memberlist]\nbeat_port = 4446",
			[]string{"7: gossip.memberlist.beat_port is 4446, which is that of bind: write another one"},
		},
		{
			"beats at no port", "[gossip.memberlist]\nbeat_port = 0",
			[]string{"7: gossip.memberlist.beat_port is 0: write a number from 1 to 65535"},
		},
		{
			"no port left for beats", "[gossip.memberlist]\nbind = ':65535'",
			[]string{"7: gossip.memberlist.bind has the last port, and beats need one too: write beat_port = one from 1 to 65534"},
		},
		{
			"advertised nowhere", "[gossip.memberlist]\nadvertise = '0.0.0.0:4446'",
			[]string{`7: gossip.memberlist.advertise "0.0.0.0:4446" names no host: write the address by which other hosts reach this one`},
		},
		{
			"a seed that is none", "[gossip.memberlist]\njoin = ['http://10.58.4.9:4446']",
			[]string{`7: gossip.memberlist.join: peer "http://10.58.4.9:4446": want address:port, name:port, or the name of SRV records, ` +
				`such as 10.58.4.9:4445, web.example.com:4445 or _backhand._udp.example.com`},
		},
		{
			"a seed twice", "[gossip.memberlist]\njoin = ['10.58.4.9', '10.58.4.9:4446']",
			[]string{"7: gossip.memberlist.join has 10.58.4.9:4446 twice: leave one away"},
		},
		{
			"too many seeds", "[gossip.memberlist]\njoin = [" + seeds(maxJoin+1) + "]",
			[]string{"7: gossip.memberlist.join has 65 elements: write at most 64; one that answers is enough"},
		},
	} {
		t.Run(row.name, func(t *testing.T) {
			got := found(t, "cluster = 'web'\nnode.address = '10.58.4.1:80'\n\n[gossip]\naccept = ['10.58.4.0/24']\n"+row.text, host("10.58.4.1/24"))
			if d := cmp.Diff(row.want, got); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
		})
	}
}

// seeds returns that many, as elements of a list.
func seeds(n int) string {
	var all []string
	for i := range n {
		all = append(all, fmt.Sprintf("'10.58.4.%d'", i+1))
	}
	return strings.Join(all, ", ")
}

func TestMemberlistNeedsAnAddressAndSomebodyToAccept(t *testing.T) {
	got := found(t, "cluster = 'web'\n[gossip.memberlist]\n", host("10.58.4.1/24"))
	want := []string{
		`2: gossip.memberlist without gossip.accept: nobody would be heard: write accept = ["10.58.4.0/24"], the network of the other hosts`,
		`2: gossip.memberlist without node.address: write [node] address = "10.58.4.1:80", where peers reach this host`,
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

func TestASeedThatIsNotAcceptedIsOdd(t *testing.T) {
	c, err := Parse("f", []byte(`cluster = 'web'
node.address = '10.58.4.1:80'
[gossip]
accept = ['10.58.4.0/24']
keys = '/k/good'
[gossip.memberlist]
join = ['10.58.9.9', 'members.example.com:4446']
`), withKeys(host("10.58.4.1/24")), candidacy.Builtin())
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"f:7: gossip.memberlist.join has 10.58.9.9:4446, which gossip.accept does not name: it is not called; add that network"}
	if d := cmp.Diff(want, c.Warnings); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}
