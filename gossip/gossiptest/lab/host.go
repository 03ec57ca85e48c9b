//go:build linux

package lab

import (
	"context"
	"net/netip"
	"os/exec"
	"strconv"
	"syscall"
	"testing"
)

// Host is one host of a lab.
type Host struct {
	lab *Lab

	Number    int          // from 1
	Name      string       // host1
	Addr      netip.Addr   // its address on the wire
	Prefix    netip.Prefix // the same with the length of its network
	Dev       string       // its interface to the wire: eth0
	Namespace string       // as ip netns knows it
}

// port is the host's port at the switch.
func (h *Host) port() string { return "p" + strconv.Itoa(h.Number) }

// Command returns a command that runs the program at this host. The host shares everything but the network with the
// machine: files, processes, and the host name.
func (h *Host) Command(ctx context.Context, name string, args ...string) *exec.Cmd {
	return exec.CommandContext(ctx, "ip", append([]string{"netns", "exec", h.Namespace, name}, args...)...)
}

// Start starts the program at this host; see the function [Start] for its end. All programs of a lab that end with the same
// test are told so at once, and then waited for.
func (h *Host) Start(t testing.TB, name string, args ...string) *Process {
	t.Helper()
	p := Start(t, h.Command(context.Background(), name, args...))
	h.lab.running[t] = append(h.lab.running[t], p)
	t.Cleanup(func() {
		for _, p := range h.lab.running[t] {
			p.tell()
		}
	})
	return p
}

func ownSession() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setsid: true} }
