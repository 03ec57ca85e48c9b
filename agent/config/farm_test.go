package config

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"backhand/candidacy"
	"backhand/gossip/node"
)

// The text begins on line 2, as that of the other mistakes.
func TestMistakesOfFarms(t *testing.T) {
	testMistakes(t, []mistakeRow{
		{
			"every key of a farm and a member may be there", `[[farm]]
name = 'reports'
chain = ['byStat stat.load1', 'byRandom']
expect_update = '30s'
forward_off = 'archive'
forward_down = 'https://www.example.com/sorry.html?why=down'
check = '/health'
check_interval = '2s'
check_status = ['200-299', 401, '404']
rise = 3
fall = 1
member = [ { name = 'app01', url = 'http://a', weight = 2, labels = ['gpu', 'rack=7'], expect_update = '0s', forward_off = 'archive', forward_down = 'http://b/' } ]
[[farm]]
name = 'archive'
check = 'tcp'
member = [ { name = 'app01', url = 'https://a' } ]
[athena]
listen = ':4446'`, nil,
		},
		{
			"expect_update", `[[farm]]
name = 'a'
expect_update = 30
member = [
  { name = 'x', url = 'http://x', expect_update = '500ms' },
  { name = 'y', url = 'http://y', expect_update = '25h' } ]`,
			[]string{
				`4: farm.expect_update is 30 without a unit: write "30s" for seconds`,
				`6: farm.member.expect_update is 500ms: write a duration from 1s to 24h, or "0s" for never`,
				"7: farm.member.expect_update is 25h: write a duration from 0s to 24h",
			},
		},
		{
			"weight and labels", `[[farm]]
name = 'a'
member = [
  { name = 'x', url = 'http://x', weight = 0 },
  { name = 'y', url = 'http://y', labels = 'gpu' },
  { name = 'z', url = 'http://z', labels = ['=7', 'a b', 'rack=7 8', 'gpu', 'gpu=1', 3] } ]`,
			[]string{
				"5: farm.member.weight is 0: write a number above 0 and up to 1e+06",
				`6: farm.member.labels is a string: write a list, ["gpu"]`,
				`7: farm.member.labels: element 6 is a number: write a string, such as "gpu" or "rack=7"`,
				`7: farm.member.labels has "=7", with a key of 0 bytes: write 1 to 32, and = before a value`,
				`7: farm.member.labels has the key "a b": write only letters, digits, dots, dashes and underscores`,
				`7: farm.member.labels has the value "7 8": leave blanks and control characters away, so that a chain can name it`,
				`7: farm.member.labels has "gpu" twice: leave one away`,
			},
		},
		{
			"more labels than a node may have, and long ones", `[[farm]]
name = 'a'
[[farm.member]]
name = 'x'
url = 'http://x'
labels = [` + manyLabels(17) + `]
[[farm.member]]
name = 'y'
url = 'http://y'
labels = ['` + strings.Repeat("k", 33) + `', 'k=` + strings.Repeat("v", 33) + `']`,
			[]string{
				"7: farm.member.labels has 17 labels: write at most 16",
				`11: farm.member.labels has "` + strings.Repeat("k", 33) + `", with a key of 33 bytes: write 1 to 32, and = before a value`,
				`11: farm.member.labels has a value of 33 bytes for "k": write at most 32`,
			},
		},
		{
			"checks", `[[farm]]
name = 'a'
check = 'health'
check_interval = '50ms'
rise = 0
fall = 101
member = [ { name = 'x', url = 'http://x' } ]`,
			[]string{
				`4: farm.check is "health": write a path that begins with /, such as "/health", or "tcp" for a connection`,
				"5: farm.check_interval is 50ms: write a duration from 100ms to 1h",
				"6: farm.rise is 0: write a number from 1 to 100",
				"7: farm.fall is 101: write a number from 1 to 100",
			},
		},
		{
			"statuses of checks", `[[farm]]
name = 'a'
check = '/health'
check_status = [
  199, 600, 'x', '2xx', '299-200',
  '200-', '-299', '200-299-399', '+20', '200-600',
  2.5, true, 200 ]
member = [ { name = 'x', url = 'http://x' } ]
[[farm]]
name = 'b'
check = '/health'
check_status = 200
member = [ { name = 'x', url = 'http://x' } ]
[[farm]]
name = 'c'
check = '/health'
check_status = []
member = [ { name = 'x', url = 'http://x' } ]
[[farm]]
name = 'd'
check = '/health'
check_status = [` + strings.Repeat("200, ", 65) + `]
member = [ { name = 'x', url = 'http://x' } ]`,
			append(wrongStatuses(),
				`13: farm.check_status is a number: write a list of statuses and ranges, such as ["200-299", 401]`,
				`18: farm.check_status is empty, and no answer would be good: write such as ["200-299", 401], or leave it away for 200 to 399`,
				"23: farm.check_status has 65 elements: write at most 64, ranges of statuses",
			),
		},
		{
			"forwards that are none", `[[farm]]
name = 'a'
forward_off = 'www.example.com/sorry.html'
forward_down = 'ftp://a/'
[[farm]]
name = 'b'
forward_off = 'http://u:p@a/'
forward_down = 'http://a/#b'
[[farm]]
name = 'c'
forward_off = 'http:///x'
forward_down = 'http://a:99999/'
[[farm]]
name = 'd'
forward_off = 'http://a/ü'
forward_down = 3
member = [ { name = 'x', url = 'http://x', forward_down = 'a b' } ]`,
			[]string{
				`4: farm.forward_off is "www.example.com/sorry.html": write the name of a farm, or a complete URL such as "https://www.example.com/sorry.html"`,
				`5: farm.forward_down is "ftp://a/", and only http, https is spoken there: write one such as "https://www.example.com/sorry.html"`,
				`8: farm.forward_off is "http://u:p@a/", want a host and no user or fragment: write one such as "https://www.example.com/sorry.html"`,
				`9: farm.forward_down is "http://a/#b", want a host and no user or fragment: write one such as "https://www.example.com/sorry.html"`,
				`12: farm.forward_off is "http:///x", want a host and no user or fragment: write one such as "https://www.example.com/sorry.html"`,
				`13: farm.forward_down is "http://a:99999/": the port is "99999": write a number from 1 to 65535`,
				`17: farm.forward_down is a number: write a string, such as "archive", a farm, or "https://www.example.com/sorry.html"`,
				`18: farm.member.forward_down is "a b": write the name of a farm, or a complete URL such as "https://www.example.com/sorry.html"`,
			},
		},
		{
			"forwards that lead in circles, each told once", `[[farm]]
name = 'a'
forward_off = 'b'
forward_down = 'b'
[[farm]]
name = 'b'
forward_down = 'c'
[[farm]]
name = 'c'
forward_off = 'a'
[[farm]]
name = 'd'
forward_off = 'd'
[[farm]]
name = 'e'
forward_off = 'a'`,
			[]string{
				"2: the forwards of farm a lead in a circle: a, b, c, a: let one of them lead to a URL, or leave it away",
				"12: the forwards of farm d lead in a circle: d, d: let one of them lead to a URL, or leave it away",
			},
		},
		{
			"a forward to nobody, to ourselves, and of a member to its own farm", `[[farm]]
name = 'a'
forward_off = 'archive'
forward_down = 'http://10.58.4.1/sorry'
member = [
  { name = 'x', url = 'http://x', forward_off = 'a' },
  { name = 'y', url = 'http://y', forward_down = 'nobody' } ]
[[listen]]
address = ':80'`,
			[]string{
				`4: farm.forward_off names farm "archive", which has no [[serve]] and no [[farm]], and without gossip.send or gossip.peers nobody else can serve it; correct the name or add one of them`,
				`5: farm.forward_down http://10.58.4.1/sorry is this agent itself, which listens on ":80": name the farm that it would choose from, or another host`,
				`7: farm.member "x" has a forward to its own farm "a": leave it away, since the chain picks another member of the farm then`,
				`8: farm.member.forward_down names farm "nobody", which has no [[serve]] and no [[farm]], and without gossip.send or gossip.peers nobody else can serve it; correct the name or add one of them`,
			},
		},
		{
			"a farm that says nothing of itself and has no members", `[[farm]]
name = 'a'
expect_update = '30s'`,
			[]string{`2: farm.member is missing: write member = [ { name = "app01", url = "http://10.58.4.21:8080" } ]`},
		},
		{
			"a chain of a farm", `[[farm]]
name = 'a'
chain = ['byAge 6',
'byLod']
[[farm]]
name = 'b'
chain = []`,
			[]string{
				`5: farm.chain: step 2: no function is named "byLod"; 'backhand functions' lists them`,
				`8: farm.chain has no step: leave it away for the default chain, or write ["off"] to balance nothing`,
			},
		},
	})
}

func manyLabels(n int) string {
	all := make([]string, n)
	for i := range all {
		all[i] = fmt.Sprintf("'k%02d'", i)
	}
	return strings.Join(all, ", ")
}

func TestFarms(t *testing.T) {
	c := good(t, `cluster = 'web'
[[farm]]
name = 'reports'
expect_update = '30s'
check = '/health?deep=1'
check_interval = '500ms'
check_status = ['200-203', 401, '599']
rise = 1
fall = 3
forward_off = 'archive'
forward_down = 'https://www.example.com/sorry.html'
member = [
  { name = 'app01', url = 'http://a', capacity = 4, weight = 0.5, labels = ['rack=7', 'gpu'], forward_down = 'http://b:8080/?x=1' },
  { name = 'app02', url = 'http://b', expect_update = '0s' },
  { name = 'app03', url = 'http://c', expect_update = '1m' } ]
[[farm]]
name = 'archive'
check = 'tcp'
chain = ['byRandom']
member = [ { name = 'app02', url = 'http://b:81' } ]
[[farm]]
name = 'web'
forward_down = 'archive'
[athena]
listen = '127.0.0.1:4446'
`, host("10.58.4.1/24"))
	f := c.Farm[0]
	if f.ExpectUpdate != 30*time.Second || f.Check != (Check{Path: "/health?deep=1", Status: f.Check.Status, Interval: 500 * time.Millisecond, Rise: 1, Fall: 3}) {
		t.Errorf("the farm is %+v", f)
	}
	for status, want := range map[int]bool{
		0: false, 199: false, 200: true, 203: true, 204: false, 400: false, 401: true, 402: false, 598: false, 599: true, 600: false, 1 << 40: false,
	} {
		if got := f.Check.Status.Has(status); got != want {
			t.Errorf("%d is a good answer: %v", status, got)
		}
	}
	for status, want := range map[int]bool{101: false, 199: false, 200: true, 399: true, 400: false, -1: false} {
		if got := c.Farm[1].Check.Status.Has(status); got != want {
			t.Errorf("by default %d is a good answer: %v", status, got)
		}
	}
	if f.Forwards.Off.Farm != "archive" || f.Forwards.Off.URL != nil || f.Forwards.Down.URL.String() != "https://www.example.com/sorry.html" {
		t.Errorf("its forwards are %+v", f.Forwards)
	}
	if d := cmp.Diff(candidacy.DefaultChain(), f.Chain.Text()); d != "" {
		t.Errorf("its chain (-default +got):\n%s", d)
	}
	m := f.Member
	if m[0].Weight != 0.5 || m[0].Capacity != 4 || m[1].Weight != 1 || m[0].Forwards.Down.URL.String() != "http://b:8080/?x=1" || !m[1].Forwards.Down.IsZero() {
		t.Errorf("its members are %+v", m)
	}
	if d := cmp.Diff([]node.Label{{Key: "gpu"}, {Key: "rack", Value: "7"}}, m[0].Labels); d != "" {
		t.Errorf("labels (-want +got):\n%s", d)
	}
	for i, want := range []time.Duration{30 * time.Second, 0, time.Minute} {
		if m[i].ExpectUpdate != want {
			t.Errorf("%s is expected to push within %v, want %v", m[i].Name, m[i].ExpectUpdate, want)
		}
	}
	if a := c.Farm[1]; a.Check != (Check{TCP: true, Interval: time.Second, Rise: 2, Fall: 2}) || a.Chain.Text()[0] != "byRandom" || a.ExpectUpdate != 0 {
		t.Errorf("the second farm is %+v", a)
	}
	if web := c.Farm[2]; len(web.Member) != 0 || web.Check.On() || web.Forwards.Down.Farm != "archive" {
		t.Errorf("the farm of nodes is %+v", web)
	}
}

func TestWarningsOfFarms(t *testing.T) {
	const engine = "[athena]\nlisten = '127.0.0.1:4446'\n" // lines 2 and 3
	for _, row := range []struct {
		name, text string
		want       []string
	}{
		{
			"statistics are expected sooner than anybody pushes them", engine + `[[farm]]
name = 'a'
expect_update = '2s'
member = [ { name = 'x', url = 'http://x', expect_update = '3s' } ]`,
			[]string{"6: farm.expect_update is 2s: who pushes once in 1s is out as soon as one or two pushes are late; write three times as long as it is from one push to the next, or more"},
		},
		{
			"keys of a check without one", engine + `[[farm]]
name = 'a'
fall = 3
member = [ { name = 'x', url = 'http://x' } ]`,
			[]string{`6: farm.fall is about checks, and there is no farm.check: leave it away, or write check = "/health"`},
		},
		{
			"good statuses without a check", engine + `[[farm]]
name = 'a'
check_status = [200]
member = [ { name = 'x', url = 'http://x' } ]`,
			[]string{`6: farm.check_status is about checks, and there is no farm.check: leave it away, or write check = "/health"`},
		},
		{
			"good statuses of a connection", engine + `[[farm]]
name = 'a'
check = 'tcp'
check_status = [200]
member = [ { name = 'x', url = 'http://x' } ]`,
			[]string{`7: farm.check_status is about the answer to a path, and farm.check is "tcp": leave it away, or write a path there`},
		},
		{
			"what concerns servers without an agent, in a farm of nodes", engine + `[[farm]]
name = 'a'
forward_off = 'http://b/'
expect_update = '10s'
check = 'tcp'`,
			[]string{
				"7: farm.expect_update is about servers without an agent, and the farm has no member that is one: leave it away, since nodes tell of themselves",
				"8: farm.check is about servers without an agent, and the farm has no member that is one: leave it away, since nodes tell of themselves",
			},
		},
		{
			"a chain for those who ask, whom nobody answers", `[[farm]]
name = 'a'
chain = ['byRandom']
member = [ { name = 'x', url = 'http://x' } ]`,
			[]string{"4: farm.chain is for programs that ask for members, and there is no [athena] that they could ask: requests go by route.chain; leave it away, or add [athena]"},
		},
		{
			"a chain that has nothing to choose from", engine + `[[farm]]
name = 'a'
chain = ['byRandom', 'byLogWindow', 'byBusyChildren']
member = [ { name = 'x', url = 'http://x' }, { name = 'y', url = 'http://y' } ]`,
			[]string{`6: farm.chain: "byBusyChildren" stands behind "byLogWindow", which leaves one, so that it has nothing to choose from: put it before, or leave it away`},
		},
		{
			"names that a query takes for escaped, and that of this node", engine + `[[farm]]
name = 'East'
member = [ { name = 'www1', url = 'http://x' } ]`,
			[]string{
				`5: farm.name "East" begins with E, by which a query says that what follows is escaped: programs must ask for "EEast"; another name is easier`,
				`6: farm.member.name "www1" is the name of this node, too: what is told of it counts for the member, and not for the node; give the member another name`,
			},
		},
		{"the same without an engine", `[[farm]]
name = 'East'
member = [ { name = 'www1', url = 'http://x' } ]`, nil},
		{
			"a rewritten route to a farm that is not there", `[[route]]
path = '/'
to = 'http://web/app/'`,
			[]string{`4: route.to "web" has no [[serve]] and no [[farm]], and without gossip.send or gossip.peers nobody else can serve it; correct the name or add one of them`},
		},
	} {
		t.Run(row.name, func(t *testing.T) {
			testWarnings(t, row.text, row.want)
		})
	}
}

// testWarnings compares the warnings about a text that begins on line 2.
func testWarnings(t *testing.T, text string, want []string) {
	t.Helper()
	c := good(t, "cluster = 'web'\n"+text, host("10.58.4.1/24"), WithAdvice())
	var got []string
	for _, w := range c.Warnings {
		got = append(got, strings.TrimPrefix(w, "f:"))
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}
