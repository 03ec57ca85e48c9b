//go:build linux

package lab

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os"
	"runtime"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// Do runs f on a thread that is inside the host's network, and returns its error. A socket that f opens belongs to the
// host for good. f must not end its goroutine (t.Fatal), and what it starts in other goroutines is outside.
func (h *Host) Do(f func() error) error {
	done := make(chan error, 1)
	go func() { done <- h.do(f) }()
	return <-done
}

func (h *Host) do(f func() error) error {
	runtime.LockOSThread() // the thread dies with the goroutine, unless it was brought back
	home, err := os.Open("/proc/thread-self/ns/net")
	if err != nil {
		return err
	}
	defer home.Close()
	ns, err := os.Open("/run/netns/" + h.Namespace)
	if err != nil {
		return err
	}
	defer ns.Close()
	if err := unix.Setns(int(ns.Fd()), unix.CLONE_NEWNET); err != nil {
		return fmt.Errorf("enter the network of %s: %w", h.Name, err)
	}
	err = f()
	if unix.Setns(int(home.Fd()), unix.CLONE_NEWNET) == nil {
		runtime.UnlockOSThread()
	}
	return err
}

// errNoNames says why an address is refused: a lab has no name service, and Go would ask the machine's own in another
// goroutine.
var errNoNames = errors.New("want an IP address and a port")

// Dial connects from this host, as [net.Dialer] does. The address must be numeric.
func (h *Host) Dial(ctx context.Context, network, address string) (net.Conn, error) {
	return inside(h, "dial", address, func() (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, address)
	})
}

// Listen listens for connections at this host. The address must be numeric.
func (h *Host) Listen(ctx context.Context, network, address string) (net.Listener, error) {
	return inside(h, "listen", address, func() (net.Listener, error) {
		return (&net.ListenConfig{}).Listen(ctx, network, address)
	})
}

// ListenPacket opens a datagram socket at this host that shares its port with others (SO_REUSEADDR), such as an agent's
// gossip port. The address must be numeric.
func (h *Host) ListenPacket(ctx context.Context, network, address string) (net.PacketConn, error) {
	return inside(h, "listen", address, func() (net.PacketConn, error) {
		return (&net.ListenConfig{Control: shareAddress}).ListenPacket(ctx, network, address)
	})
}

// Interface returns the host's interface to the wire, as x/net/ipv4 wants it for a group.
func (h *Host) Interface() (*net.Interface, error) {
	var ifi *net.Interface
	err := h.Do(func() (err error) {
		ifi, err = net.InterfaceByName(h.Dev)
		return err
	})
	return ifi, err
}

// HTTPClient returns a client at this host. URLs need numeric hosts; set Request.Host for another name. It follows no
// redirects, and gives up after 30 s.
func (h *Host) HTTPClient(t testing.TB) *http.Client {
	transport := &http.Transport{DialContext: h.Dial, DisableCompression: true}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{
		Transport:     transport,
		Timeout:       30 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

func inside[T any](h *Host, verb, address string, open func() (T, error)) (T, error) {
	var socket T
	if _, err := netip.ParseAddrPort(address); err != nil {
		return socket, fmt.Errorf("%s %q at %s: %w", verb, address, h.Name, errNoNames)
	}
	err := h.Do(func() (err error) {
		socket, err = open()
		return err
	})
	return socket, err
}

func shareAddress(_, _ string, c syscall.RawConn) error {
	var err error
	return errors.Join(c.Control(func(fd uintptr) {
		err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEADDR, 1)
	}), err)
}
