//go:build linux

package lab

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// Lab is a number of hosts on one wire. Its methods are for the goroutine of its test; those of its hosts that take no
// testing.TB and return an error may be called by any.
type Lab struct {
	t      testing.TB
	prefix string // of the names of its namespaces, and of nobody else's
	subnet netip.Prefix
	hosts  []*Host
	// foreign are networks on the same wire to which the hosts have a route.
	foreign []netip.Prefix
	running map[testing.TB][]*Process // by the test that they end with
}

// New makes a lab in the network 10.58.4.0/24: host i has 10.58.4.i. Several labs can stand side by side.
func New(t testing.TB, hosts int) *Lab {
	t.Helper()
	return NewOn(t, netip.MustParsePrefix("10.58.4.0/24"), hosts)
}

// NewOn makes a lab in another IPv4 network, which must be /24: host i, from 1 to 99, has its i-th address.
func NewOn(t testing.TB, subnet netip.Prefix, hosts int) *Lab {
	t.Helper()
	if !subnet.Addr().Is4() || subnet.Bits() != 24 || hosts < 1 || hosts > 99 {
		t.Fatalf("a lab of %d hosts in %v: want 1 to 99 hosts in an IPv4 network of 24 bits", hosts, subnet)
	}
	Need(t, "root", "ip", "nft")
	Lock(t)
	var random [3]byte
	_, _ = rand.Read(random[:])
	l := &Lab{
		t: t, prefix: "bh" + hex.EncodeToString(random[:]), subnet: subnet.Masked(), running: map[testing.TB][]*Process{},
	}
	l.watch()
	if out, err := exec.Command("ip", "netns", "add", l.namespace("switch")).CombinedOutput(); err != nil {
		missing(t, fmt.Errorf("needs network namespaces: ip netns add: %w: %s", err, out))
	}
	l.at("switch", "link", "set", "lo", "up")
	// Without snooping the bridge floods multicast as a simple switch does, and nothing ages out in a long run.
	l.at("switch", "link", "add", "br0", "type", "bridge", "mcast_snooping", "0")
	l.at("switch", "link", "set", "br0", "up")
	for i := 1; i <= hosts; i++ {
		addr := l.subnet.Addr().As4()
		addr[3] = byte(i)
		l.add(netip.PrefixFrom(netip.AddrFrom4(addr), subnet.Bits()))
	}
	return l
}

// add plugs a host with the address into the next port of the switch.
func (l *Lab) add(addr netip.Prefix) *Host {
	l.t.Helper()
	n := len(l.hosts) + 1
	h := &Host{lab: l, Number: n, Name: "host" + strconv.Itoa(n), Prefix: addr, Addr: addr.Addr(), Dev: "eth0"}
	h.Namespace = l.namespace(h.Name)
	l.ip("netns", "add", h.Namespace)
	l.at(h.Name, "link", "set", "lo", "up")
	l.plug(h)
	l.hosts = append(l.hosts, h)
	return h
}

// plug puts an interface into the host, and its cable into the switch.
func (l *Lab) plug(h *Host) {
	l.t.Helper()
	l.at("switch", "link", "add", h.port(), "type", "veth", "peer", "name", h.Dev, "netns", h.Namespace)
	l.at("switch", "link", "set", h.port(), "master", "br0", "up")
	l.at(h.Name, "addr", "add", h.Prefix.String(), "dev", h.Dev)
	l.at(h.Name, "link", "set", h.Dev, "up")
	l.route(h)
}

// AddForeign adds a host whose address, such as 192.168.77.9/24, lies outside the lab's network, on the same wire: its
// beats arrive, and it can connect. Every host gets a route to the foreign network, since without one the kernel
// silently drops what comes from there (rp_filter 1 and 2, which many distributions set).
func (l *Lab) AddForeign(addr netip.Prefix) *Host {
	l.t.Helper()
	if !addr.Addr().Is4() || l.subnet.Overlaps(addr) {
		l.t.Fatalf("foreign host %v: want an IPv4 address outside %v", addr, l.subnet)
	}
	h := l.add(addr)
	l.foreign = append(l.foreign, addr.Masked())
	for _, other := range l.hosts {
		l.route(other)
	}
	return h
}

// route gives the host its routes to the networks that it is not in. They vanish when its interface goes down.
func (l *Lab) route(h *Host) {
	l.t.Helper()
	for _, network := range append([]netip.Prefix{l.subnet}, l.foreign...) {
		if !network.Contains(h.Addr) {
			l.at(h.Name, "route", "replace", network.String(), "dev", h.Dev)
		}
	}
}

// Host returns host i, from 1; foreign hosts count on from the others.
func (l *Lab) Host(i int) *Host {
	l.t.Helper()
	if i < 1 || i > len(l.hosts) {
		l.t.Fatalf("host %d of a lab of %d", i, len(l.hosts))
	}
	return l.hosts[i-1]
}

// Hosts returns all hosts in the order of their numbers.
func (l *Lab) Hosts() []*Host { return append([]*Host(nil), l.hosts...) }

func (l *Lab) namespace(name string) string { return l.prefix + "-" + name }

// ip runs the command ip; if it fails, the test ends.
func (l *Lab) ip(args ...string) {
	l.t.Helper()
	l.run("ip", args...)
}

// at runs ip inside the namespace of a host or of the switch.
func (l *Lab) at(name string, args ...string) {
	l.t.Helper()
	l.ip(append([]string{"-n", l.namespace(name)}, args...)...)
}

// nft runs a script of nftables inside the namespace of a host or of the switch.
func (l *Lab) nft(name, script string) {
	l.t.Helper()
	l.run("ip", "netns", "exec", l.namespace(name), "nft", script)
}

func (l *Lab) run(name string, args ...string) {
	l.t.Helper()
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		l.t.Fatalf("%s %s: %v: %s", name, strings.Join(args, " "), err, out)
	}
}

// janitor waits until its standard input ends, which it does when the lab is closed, and also when the process of the test
// is gone, for whatever reason. Then it removes the namespaces of the prefix $1 with what still runs in them, but
// for the process of the test, $2, which may have a thread there.
const janitor = `
read -r _
for ns in $(ip netns list | cut -d' ' -f1); do
	case $ns in "$1"-*) ;; *) continue ;; esac
	for pid in $(ip netns pids "$ns"); do [ "$pid" = "$2" ] || kill -9 "$pid"; done
	ip netns delete "$ns"
done`

// watch starts the janitor and has the test close the lab at its end.
func (l *Lab) watch() {
	l.t.Helper()
	cmd := exec.Command("sh", "-c", janitor, "lab-janitor", l.prefix, strconv.Itoa(os.Getpid()))
	cmd.SysProcAttr = ownSession() // so that Ctrl-C at a terminal does not reach it
	alive, err := cmd.StdinPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		l.t.Fatalf("start the lab's janitor: %v", err)
	}
	l.t.Cleanup(func() {
		if err := l.close(alive, cmd); err != nil {
			l.t.Errorf("remove the lab %s: %v", l.prefix, err)
		}
	})
}

func (l *Lab) close(alive io.Closer, janitor *exec.Cmd) error {
	err := errors.Join(alive.Close(), janitor.Wait())
	if left, _ := filepath.Glob("/run/netns/" + l.prefix + "-*"); len(left) > 0 {
		err = errors.Join(err, fmt.Errorf("still there: %s", strings.Join(left, " ")))
	}
	return err
}
