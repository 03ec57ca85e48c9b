package agent

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"backhand/agent/config"
	"backhand/gossip"
)

func TestASCIILine(t *testing.T) {
	for in, want := range map[string]string{
		"connect: connection refused":   "connect: connection refused",
		"a\nb\r\tc\x00":                 `a\nb\r\tc\x00`,
		`GET "/x": status 500 # really`: `GET "/x": status 500 # really`,
		"grün":                          `gr\u00fcn`,
		strings.Repeat("x", 300):        strings.Repeat("x", 100),
		"\xff":                          `\xff`,
		"":                              "",
	} {
		if got := asciiLine(in); got != want {
			t.Errorf("%q is %q, want %q", in, got, want)
		}
	}
}

func TestAskers(t *testing.T) {
	k := askers{since: map[netip.Addr]time.Time{}}
	a, b, now := netip.MustParseAddr("10.58.4.9"), netip.MustParseAddr("10.58.4.8"), time.Unix(1, 0)
	at := func(d time.Duration) time.Time { return now.Add(d) }
	check := func(what string, from netip.Addr, at time.Time, want bool) {
		t.Helper()
		if got := k.ready(from, at); got != want {
			t.Errorf("%s: said ready: %v", what, got)
		}
	}
	check("who asks first may have drained us before we started", a, at(0), true)
	check("within the minute", a, at(readyFor-1), true)
	check("after the minute its operator has the say", a, at(readyFor), false)
	k.drain(a)
	check("after a drain, however long that was", a, at(24*time.Hour), true)
	check("another one that has not asked yet", b, at(24*time.Hour), true)
	check("after that minute", a, at(24*time.Hour+readyFor), false)
	for i := range 3 * maxAskers {
		k.ready(netip.AddrFrom4([4]byte{10, 1, byte(i >> 8), byte(i)}), now)
	}
	if len(k.since) > maxAskers {
		t.Errorf("it remembers %d", len(k.since))
	}
}

// pipe is the agent's end of a connection in memory, from that address.
type pipe struct {
	net.Conn
	from net.Addr
}

func (p pipe) RemoteAddr() net.Addr { return p.from }

// idleCheck is the check of an agent that serves nothing, which everybody of 10.58.4.0/24 may ask.
func idleCheck() *agentCheck {
	a := &Agent{log: quiet}
	a.config.Store(&config.Config{AgentCheck: config.AgentCheck{Farm: "web", Allow: []netip.Prefix{netip.MustParsePrefix("10.58.4.0/24")}}})
	a.serves.Store(&[]*serve{})
	return newAgentCheck(a)
}

// ask has the check talk to a client in memory, of which f makes something, and returns for how long.
func ask(t *testing.T, c *agentCheck, from string, f func(client net.Conn)) time.Duration {
	client, server := net.Pipe()
	start := time.Now()
	done := make(chan struct{})
	go func() {
		defer close(done)
		c.talk(pipe{server, net.TCPAddrFromAddrPort(netip.MustParseAddrPort(from + ":40000"))})
	}()
	f(client)
	<-done
	_ = client.Close()
	return time.Since(start)
}

func TestWhoMayAsk(t *testing.T) {
	c := idleCheck()
	for from, want := range map[string]string{
		"10.58.4.9": "stopped #this agent is about to stop\n", "[::ffff:10.58.4.9]": "stopped #this agent is about to stop\n",
		"10.58.5.9": "", "[2001:db8::1]": "",
	} {
		ask(t, c, from, func(client net.Conn) {
			if got, err := io.ReadAll(client); string(got) != want || err != nil {
				t.Errorf("%s hears %q, %v; want %q", from, got, err, want)
			}
		})
	}
}

func TestWhoAsksAndDoesNotListenIsCutOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		took := ask(t, idleCheck(), "10.58.4.9", func(net.Conn) {})
		if took != checkTime {
			t.Errorf("it took %v", took)
		}
	})
}

// checked is an agent that HAProxy may ask at the second address, and its origin.
const checked = `{head}
[[serve]]
farm = "web"
origin = %q
capacity = 4
[gossip]
interval = "100ms"
[agent_check]
listen = %q
allow = [%q]
`

// line asks an agent over TCP as HAProxy does, with something to say of its own.
func line(addr string) (string, error) {
	conn, err := net.DialTimeout("tcp", addr, 5*time.Second)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(5 * time.Second))
	if _, err := conn.Write([]byte(strings.Repeat("web", 50) + "\n")); err != nil {
		return "", err
	}
	b, err := io.ReadAll(conn)
	return string(b), err
}

func (f *fixture) hears(addr, want string) {
	f.t.Helper()
	f.eventually(func() error {
		got, err := line(addr)
		if err != nil || !strings.HasPrefix(got, want) || strings.Count(got, "\n") != 1 {
			return fmt.Errorf("HAProxy hears %q, %v; want %q", got, err, want)
		}
		return nil
	})
}

func TestAgentCheck(t *testing.T) {
	o, addr := origin(t, "o1"), freePort(t)
	f := start(t, fmt.Sprintf(checked, o.URL, addr, "127.0.0.1"), Options{})
	f.hears(addr, "100% up ready\n")
	do := func(what string) {
		t.Helper()
		if err := f.client().Do(t.Context(), what); err != nil {
			t.Fatal(err)
		}
	}
	do("drain")
	f.hears(addr, "drain\n")
	do("undrain")
	f.hears(addr, "100% up ready\n")
	f.check.askers.mu.Lock()
	for from := range f.check.askers.since {
		f.check.askers.since[from] = time.Now().Add(-readyFor) // a minute later
	}
	f.check.askers.mu.Unlock()
	f.hears(addr, "100% up\n")

	o.Close()
	f.hears(addr, "down #origin down: connect: ")
	do("drain")
	f.hears(addr, "down #origin down: connect: ")
}

func TestAgentCheckTellsTheLoad(t *testing.T) {
	entered, release := make(chan struct{}, 8), make(chan struct{})
	slow := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		entered <- struct{}{}
		<-release
	}))
	defer slow.Close()
	defer close(release)
	addr := freePort(t)
	f := start(t, fmt.Sprintf(checked, slow.URL, addr, "127.0.0.1"), Options{})
	f.eventually(func() error {
		f.check.free.mu.Lock()
		defer f.check.free.mu.Unlock()
		if f.check.free.at.IsZero() {
			return errors.New("it has not measured anything yet")
		}
		return nil
	})
	for range 4 { // of 4 slots
		go func() { _, _, _ = get(f.url + "/") }()
	}
	for range 4 {
		<-entered
	}
	f.hears(addr, "9") // less and less, as slowly as it should
	f.hears(addr, "8")
}

func TestAgentCheckOverReloads(t *testing.T) {
	o, first, second := origin(t, "o1"), freePort(t), freePort(t)
	f := start(t, fmt.Sprintf(checked, o.URL, first, "127.0.0.1"), Options{})
	reload := func(text string) error {
		f.write(text)
		return f.client().Do(t.Context(), "reload")
	}
	silent := func(addr string) {
		t.Helper()
		f.eventually(func() error {
			if got, err := line(addr); err == nil {
				return fmt.Errorf("%s still says %q", addr, got)
			}
			return nil
		})
	}
	f.hears(first, "100% up")
	if err := reload(fmt.Sprintf(checked, o.URL, second, "127.0.0.1")); err != nil {
		t.Fatal(err)
	}
	f.hears(second, "100% up")
	silent(first)

	_, port, _ := net.SplitHostPort(second)
	if err := reload(fmt.Sprintf(checked, o.URL, ":"+port, "127.0.0.1")); err != nil {
		t.Fatalf("all addresses instead of one: %v", err)
	}
	f.hears(second, "100% up")

	// A port that is taken changes nothing, not even where the one before had to make room first.
	taken := listenOn(t, "tcp", "127.0.0.2:0")
	err := reload(fmt.Sprintf(checked, o.URL, taken.Addr().String(), "127.0.0.1"))
	if err == nil || !strings.Contains(err.Error(), "agent_check: listen") || !strings.Contains(err.Error(), "the port is in use") {
		t.Errorf("a port that is taken: %v", err)
	}
	f.hears(second, "100% up")

	if err := reload(fmt.Sprintf(checked, o.URL, ":"+port, "10.58.4.9")); err != nil {
		t.Fatal(err)
	}
	f.eventually(func() error {
		if got, err := line(second); err == nil && got != "" {
			return fmt.Errorf("who may not ask hears %q", got)
		}
		return nil
	})
	text, _, _ := strings.Cut(checked, "[agent_check]")
	if err := reload(fmt.Sprintf(text, o.URL)); err != nil {
		t.Fatal(err)
	}
	silent(second)
}

func TestNoMoreThanSoManyAskAtOnce(t *testing.T) {
	o, addr := origin(t, "o1"), freePort(t)
	f := start(t, fmt.Sprintf(checked, o.URL, addr, "127.0.0.1"), Options{})
	f.hears(addr, "100% up")
	for range checkConns {
		f.check.conns <- struct{}{}
	}
	if got, err := line(addr); got != "" {
		t.Errorf("one too many hears %q, %v", got, err)
	}
	for range checkConns {
		<-f.check.conns
	}
	f.hears(addr, "100% up")
}

func TestFarewell(t *testing.T) {
	var alone, beats, apache, haproxy config.Config
	beats.Gossip.Interval, beats.Gossip.Send = 5*time.Second, make([]gossip.Destination, 1)
	apache.Heartbeat.Send.Addr = netip.MustParseAddrPort("239.0.1.1:27999")
	haproxy.AgentCheck.Listen = ":4447"
	for _, row := range []struct {
		cfg  *config.Config
		want time.Duration
	}{{&alone, 0}, {&beats, 5 * time.Second}, {&apache, 1100 * time.Millisecond}, {&haproxy, askEvery}} {
		if got := farewell(row.cfg); got != row.want {
			t.Errorf("%v, want %v", got, row.want)
		}
	}
}
