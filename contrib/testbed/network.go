package main

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// network is a number of hosts on one bridge, each a network namespace; the bridge lives in one, too. Nothing of the
// machine's own network is touched.
type network struct {
	prefix  string // of the names of the namespaces, and of nobody else's
	alive   io.Closer
	janitor *exec.Cmd
}

// The hosts are in 10.58.4.0/24: members from 1 on, fronts from 101 on.
const (
	subnet     = "10.58.4."
	firstFront = 101
	clientHost = 250
	maxHosts   = 99 // members, and fronts
)

func memberHost(i int) int { return 1 + i }

func frontHost(i int) int { return firstFront + i }

func address(host int) string { return subnet + strconv.Itoa(host) }

// janitor removes the namespaces of the prefix $1, and ends what runs in them, when its standard input ends: also when
// this process is gone, for whatever reason.
const janitor = `
read -r _
for ns in $(ip netns list | cut -d' ' -f1); do
	case $ns in "$1"-*) ;; *) continue ;; esac
	for pid in $(ip netns pids "$ns"); do kill -9 "$pid"; done
	ip netns delete "$ns"
done`

// newNetwork makes the hosts of so many members and fronts, and one of the client.
func newNetwork(members, fronts int) (*network, error) {
	var random [3]byte
	_, _ = rand.Read(random[:])
	n := &network{prefix: "bt" + hex.EncodeToString(random[:])}
	n.janitor = exec.Command("sh", "-c", janitor, "testbed-janitor", n.prefix)
	n.janitor.SysProcAttr = &syscall.SysProcAttr{Setsid: true} // so that Ctrl-C at a terminal does not reach it
	alive, err := n.janitor.StdinPipe()
	if err != nil {
		return nil, err
	}
	if err := n.janitor.Start(); err != nil {
		return nil, err
	}
	n.alive = alive
	if err := n.make(members, fronts); err != nil {
		return nil, errors.Join(err, n.close())
	}
	return n, nil
}

func (n *network) make(members, fronts int) error {
	bridge := n.prefix + "-switch"
	if err := ip("netns", "add", bridge); err != nil {
		return err
	}
	// Without snooping the bridge floods multicast as a simple switch does, and nothing ages out in a long run.
	if err := ip("-n", bridge, "link", "add", "br0", "up", "type", "bridge", "mcast_snooping", "0"); err != nil {
		return err
	}
	hosts := []int{clientHost}
	for i := range members {
		hosts = append(hosts, memberHost(i))
	}
	for i := range fronts {
		hosts = append(hosts, frontHost(i))
	}
	for _, h := range hosts {
		if err := n.add(bridge, h); err != nil {
			return err
		}
	}
	for _, h := range hosts {
		if err := n.introduce(h, hosts); err != nil {
			return err
		}
	}
	return nil
}

// hardware returns the MAC address of a host.
func hardware(host int) string { return fmt.Sprintf("02:00:0a:3a:04:%02x", host) }

// introduce tells a host where the others are. The kernel has but one table of neighbours for all namespaces, which
// holds 1,024 of those that it found out by itself, and answers nobody when it is full.
func (n *network) introduce(host int, others []int) error {
	var lines strings.Builder
	for _, o := range others {
		if o != host {
			fmt.Fprintf(&lines, "neigh replace %s lladdr %s nud permanent dev eth0\n", address(o), hardware(o))
		}
	}
	cmd := exec.Command("ip", "-n", n.host(host), "-batch", "-")
	cmd.Stdin = strings.NewReader(lines.String())
	return said(cmd)
}

// add plugs a host into the bridge. The route is for those who do not choose the interface for multicast themselves.
func (n *network) add(bridge string, host int) error {
	name, port := n.host(host), fmt.Sprintf("p%d", host)
	if err := ip("netns", "add", name); err != nil {
		return err
	}
	if err := ip("-n", bridge, "link", "add", port, "type", "veth", "peer", "name", "eth0", "address", hardware(host),
		"netns", name); err != nil {
		return err
	}
	if err := ip("-n", bridge, "link", "set", port, "master", "br0", "up"); err != nil {
		return err
	}
	cmd := exec.Command("ip", "-n", name, "-batch", "-")
	cmd.Stdin = strings.NewReader("link set lo up\naddr add " + address(host) + "/24 dev eth0\nlink set eth0 up\n" +
		"route add 224.0.0.0/4 dev eth0\n")
	return said(cmd)
}

// lose makes a host lose that many of a hundred of the datagrams that come to it from others, each by chance.
func (n *network) lose(host, percent int) error {
	return said(n.command(host, "nft", fmt.Sprintf(`
		add table inet testbed
		add chain inet testbed in { type filter hook input priority 0; }
		add rule inet testbed in iifname eth0 ip saddr != %s meta l4proto udp numgen random mod 100 < %d drop`, address(host), percent)))
}

func (n *network) host(i int) string { return fmt.Sprintf("%s-%d", n.prefix, i) }

// command returns a command that runs at a host.
func (n *network) command(host int, argv ...string) *exec.Cmd {
	return exec.Command("ip", append([]string{"netns", "exec", n.host(host)}, argv...)...)
}

func (n *network) close() error {
	err := errors.Join(n.alive.Close(), n.janitor.Wait())
	if left, _ := filepath.Glob("/run/netns/" + n.prefix + "-*"); len(left) > 0 {
		err = errors.Join(err, fmt.Errorf("still there: %s", strings.Join(left, " ")))
	}
	return err
}

func ip(args ...string) error { return said(exec.Command("ip", args...)) }

// said runs a command and returns what it said, if it did not go well.
func said(cmd *exec.Cmd) error {
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w: %s", strings.Join(cmd.Args, " "), err, strings.TrimSpace(string(out)))
	}
	return nil
}

// needs returns what the machine lacks.
func needs(programs []string) error {
	var errs []error
	if uid := os.Geteuid(); uid != 0 {
		errs = append(errs, fmt.Errorf("network namespaces need root: run it as root, not as user %d", uid))
	}
	for _, p := range programs {
		if _, err := exec.LookPath(p); err != nil {
			errs = append(errs, fmt.Errorf("%s is not installed: Debian package %s", p, packageOf(p)))
		}
	}
	return errors.Join(errs...)
}

func packageOf(program string) string {
	switch program {
	case "ip":
		return "iproute2"
	case "nft":
		return "nftables"
	}
	return program
}
