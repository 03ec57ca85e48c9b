//go:build linux

package lab

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/ipv4"
)

var group = netip.MustParseAddrPort("239.255.221.20:4445")

// probe is a host's socket in the group.
type probe struct {
	host *Host
	conn *ipv4.PacketConn
}

func newProbe(t *testing.T, h *Host) *probe {
	t.Helper()
	c, err := h.ListenPacket(t.Context(), "udp4", fmt.Sprintf("0.0.0.0:%d", group.Port()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	ifi, err := h.Interface()
	if err != nil {
		t.Fatal(err)
	}
	p := ipv4.NewPacketConn(c)
	err = errors.Join(
		p.JoinGroup(ifi, net.UDPAddrFromAddrPort(group)),
		p.SetMulticastInterface(ifi),
		p.SetMulticastLoopback(false),
		p.SetMulticastTTL(1),
	)
	if err != nil {
		t.Fatal(err)
	}
	return &probe{h, p}
}

func (p *probe) send(t *testing.T, text string) {
	t.Helper()
	if _, err := p.conn.WriteTo([]byte(text), nil, net.UDPAddrFromAddrPort(group)); err != nil {
		t.Fatalf("send from %s: %v", p.host.Name, err)
	}
}

// hear returns all that comes, as "text from address", up to and including the text last, or what came within 5 s.
func (p *probe) hear(t *testing.T, last string) []string {
	t.Helper()
	if err := p.conn.SetReadDeadline(time.Now().Add(5 * time.Second)); err != nil {
		t.Fatal(err)
	}
	var heard []string
	b := make([]byte, 1500)
	for {
		n, _, from, err := p.conn.ReadFrom(b)
		if err != nil {
			t.Logf("%s: %v", p.host.Name, err)
			return heard
		}
		text := string(b[:n])
		heard = append(heard, text+" from "+from.(*net.UDPAddr).IP.String())
		if text == last {
			return heard
		}
	}
}

// Three hosts and a foreign one send to the group; each subtest leaves the lab as it was.
func TestMulticast(t *testing.T) {
	l := New(t, 3)
	l.AddForeign(netip.MustParsePrefix("192.168.77.9/24"))
	var probes []*probe
	for _, h := range l.Hosts() {
		probes = append(probes, newProbe(t, h))
	}
	one, two, three, other := probes[0], probes[1], probes[2], probes[3]
	t.Run("multicast reaches every host", func(t *testing.T) {
		for _, from := range probes {
			from.send(t, "hello")
			for _, ear := range probes {
				if ear != from {
					want(t, ear.hear(t, "hello"), "hello from "+from.host.Addr.String())
				}
			}
		}
	})
	t.Run("a host whose cable is pulled is not heard and does not hear", func(t *testing.T) {
		l.Cut(1)
		want(t, exchange(t, one, two, three), "z from 10.58.4.2")
		l.Heal(1)
		wire(t, one, three)
		drain(t, one, two)
		want(t, exchange(t, one, two, three), "a from 10.58.4.1", "z from 10.58.4.2")
		want(t, one.hear(t, "z"), "z from 10.58.4.2") // and nothing from while it was cut
		drain(t, two)
	})
	t.Run("an interface that was down comes back with its group and its routes", func(t *testing.T) {
		three.host.LinkDown()
		if _, err := three.conn.WriteTo([]byte("lost"), nil, net.UDPAddrFromAddrPort(group)); err == nil {
			t.Error("sending worked with the interface down")
		}
		three.host.LinkUp()
		wire(t, three, one)
		drain(t, two, three, other)
		want(t, exchange(t, other, two, three), "a from 192.168.77.9", "z from 10.58.4.2")
		drain(t, one, two, other)
	})
	t.Run("a muted host hears, a deaf one is heard", func(t *testing.T) {
		one.host.Mute("udp")
		want(t, exchange(t, one, two, three), "z from 10.58.4.2")
		want(t, one.hear(t, "z"), "z from 10.58.4.2")
		one.host.Clear()
		one.host.Deafen("udp")
		want(t, exchange(t, one, two, three), "a from 10.58.4.1", "z from 10.58.4.2")
		one.host.Clear()
		want(t, exchange(t, two, three, one), "a from 10.58.4.2", "z from 10.58.4.3")
		drain(t, two, three, other)
	})
	t.Run("half of what comes is lost, then nothing", func(t *testing.T) {
		three.host.Lose(50)
		for range 400 {
			one.send(t, "a")
		}
		three.host.Clear()
		one.send(t, "z")
		// 200 of 400 with a standard deviation of 10.
		if n := len(three.hear(t, "z")); n < 120 || n > 280 {
			t.Errorf("%d of 400 came through, want about half", n)
		}
	})
}

func TestProgramsAtHosts(t *testing.T) {
	l := New(t, 3)
	foreign := l.AddForeign(netip.MustParsePrefix("192.168.77.9/24"))
	t.Run("a client at one host, a program at another", func(t *testing.T) {
		ln, err := l.Host(2).Listen(t.Context(), "tcp", "10.58.4.2:80")
		if err != nil {
			t.Fatal(err)
		}
		serve(t, ln)
		for _, from := range []*Host{l.Host(1), foreign} {
			if got := get(t, from.HTTPClient(t), "10.58.4.2"); got != from.Addr.String() {
				t.Errorf("from %s the program saw %q, want %v", from.Name, got, from.Addr)
			}
		}
		via := l.Host(3).Forward(t, "10.58.4.2:80")
		if got := get(t, http.DefaultClient, via); got != "10.58.4.3" {
			t.Errorf("through a forward from host 3 the program saw %q", got)
		}
		if _, err := l.Host(1).Dial(t.Context(), "tcp", "www2:80"); !errors.Is(err, errNoNames) {
			t.Errorf("a name was looked up: %v", err)
		}
	})
	t.Run("a command runs at its host", func(t *testing.T) {
		out, err := l.Host(2).Command(t.Context(), "ip", "-o", "-4", "addr", "show", "dev", "eth0").Output()
		if err != nil || !strings.Contains(string(out), "10.58.4.2/24") {
			t.Errorf("ip addr: %v: %s", err, out)
		}
		p := l.Host(2).Start(t, "sh", "-c", "echo ready; exec sleep 1000")
		if err := p.WaitFor(t.Context(), "ready"); err != nil {
			t.Error(err)
		}
	})
}

// exchange has two send in turn, "a" and "z", and says what the third heard.
func exchange(t *testing.T, first, second, ear *probe) []string {
	t.Helper()
	first.send(t, "a")
	second.send(t, "z")
	return ear.hear(t, "z")
}

func want(t *testing.T, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("heard %q, want %q", got, want)
	}
}

// wire sends from the one until the other hears, and leaves both without anything more to read of it.
func wire(t *testing.T, from, ear *probe) {
	t.Helper()
	Eventually(t, 5*time.Second, func() error {
		from.send(t, "ping")
		if err := ear.conn.SetReadDeadline(time.Now().Add(50 * time.Millisecond)); err != nil {
			return err
		}
		_, _, _, err := ear.conn.ReadFrom(make([]byte, 1500))
		return err
	})
	drain(t, ear)
}

// drain reads what has arrived already.
func drain(t *testing.T, probes ...*probe) {
	t.Helper()
	for _, p := range probes {
		for {
			if err := p.conn.SetReadDeadline(time.Now().Add(10 * time.Millisecond)); err != nil {
				t.Fatal(err)
			}
			if _, _, _, err := p.conn.ReadFrom(make([]byte, 1500)); err != nil {
				break
			}
		}
	}
}

// serve answers with the address of the client.
func serve(t *testing.T, ln net.Listener) {
	s := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host, _, _ := net.SplitHostPort(r.RemoteAddr)
		fmt.Fprint(w, host)
	})}
	done := make(chan error)
	go func() { done <- s.Serve(ln) }()
	t.Cleanup(func() {
		s.Close()
		<-done
	})
}

func get(t *testing.T, client *http.Client, host string) string {
	t.Helper()
	resp, err := client.Get("http://" + host + "/")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

func TestTwoLabsSideBySide(t *testing.T) {
	a, b := New(t, 1), NewOn(t, netip.MustParsePrefix("10.99.0.0/24"), 2)
	if a.prefix == b.prefix || b.Host(2).Addr != netip.MustParseAddr("10.99.0.2") {
		t.Errorf("labs %s and %s, the second's host 2 is %v", a.prefix, b.prefix, b.Host(2).Addr)
	}
}

// A test that is killed cannot clean up: the janitor does.
func TestLabOfAKilledTestIsRemoved(t *testing.T) {
	if os.Getenv("LAB_TO_BE_KILLED") != "" {
		l := New(t, 1)
		l.Host(1).Start(t, "sleep", "1000")
		fmt.Printf("lab %s stands\n", l.prefix)
		<-t.Context().Done()
	}
	Need(t, "root", "ip", "nft")
	cmd := exec.Command(os.Args[0], "-test.run=^TestLabOfAKilledTestIsRemoved$")
	cmd.Env = append(os.Environ(), "LAB_TO_BE_KILLED=yes")
	child := Start(t, cmd)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := child.WaitFor(ctx, " stands\n"); err != nil {
		t.Fatal(err)
	}
	words := strings.Fields(child.Output())
	prefix := words[slices.Index(words, "stands")-1]
	if err := child.Signal(os.Kill); err != nil {
		t.Fatal(err)
	}
	Eventually(t, 10*time.Second, func() error {
		if left, _ := filepath.Glob("/run/netns/" + prefix + "-*"); len(left) > 0 {
			return fmt.Errorf("still there: %v", left)
		}
		return nil
	})
}
