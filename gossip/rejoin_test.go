//go:build linux

package gossip_test

import (
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"backhand/gossip"
	"backhand/gossip/gossiptest/lab"
)

// reporter sees what a host reports by IGMP that it has joined.
type reporter struct {
	t  *testing.T
	fd int
}

func newReporter(t *testing.T, h *lab.Host) *reporter {
	t.Helper()
	r := &reporter{t: t}
	// In the byte order of the network; what the host itself sends comes only to who wants all protocols.
	all := binary.NativeEndian.Uint16(binary.BigEndian.AppendUint16(nil, unix.ETH_P_ALL))
	err := h.Do(func() (err error) {
		ifi, err := net.InterfaceByName(h.Dev)
		if err != nil {
			return err
		}
		if r.fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, int(all)); err != nil {
			return err
		}
		return errors.Join(
			unix.Bind(r.fd, &unix.SockaddrLinklayer{Protocol: all, Ifindex: ifi.Index}),
			unix.SetsockoptTimeval(r.fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Usec: 50_000}),
		)
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Close(r.fd) })
	return r
}

// joins waits that long at most for a report that the group was joined.
func (r *reporter) joins(group netip.Addr, within time.Duration) bool {
	b := make([]byte, 2048)
	for end := time.Now().Add(within); time.Now().Before(end); {
		n, _, err := unix.Recvfrom(r.fd, b, 0)
		switch {
		case errors.Is(err, unix.EAGAIN), errors.Is(err, unix.EINTR):
		case err != nil:
			r.t.Fatal(err)
		case reportsJoin(b[:n], group):
			return true
		}
	}
	return false
}

// reportsJoin reads a packet of IPv4: a report of IGMPv3 (RFC 3376, section 4.2) with a record that the group is listened to
// from now on.
func reportsJoin(b []byte, group netip.Addr) bool {
	const igmp, report, changeToExclude = 2, 0x22, 4
	if len(b) < 20 || b[0]>>4 != 4 || b[9] != igmp {
		return false
	}
	b = b[4*int(b[0]&15):]
	if len(b) < 8 || b[0] != report {
		return false
	}
	for b = b[8:]; len(b) >= 8; b = b[min(len(b), 8+4*int(b[1])+4*int(binary.BigEndian.Uint16(b[2:]))):] {
		if b[0] == changeToExclude && netip.AddrFrom4([4]byte(b[4:8])) == group {
			return true
		}
	}
	return false
}

// Joining again is worth something only if switches hear of it.
func TestRejoinIsReported(t *testing.T) {
	h := lab.New(t, 1).Host(1)
	r := newReporter(t, h)
	tr := groupAt(t, h, "239.255.221.20:4445,1", h.Addr)
	group := netip.MustParseAddr("239.255.221.20")
	if !r.joins(group, 5*time.Second) {
		t.Fatal("the first join was not reported")
	}
	lab.Eventually(t, 15*time.Second, func() error {
		if r.joins(group, 2*time.Second) {
			return errors.New("the first join is still being reported")
		}
		return nil
	})
	again, ok := tr.(interface{ Rejoin() error })
	if !ok {
		t.Fatal("the group cannot be joined again")
	}
	if err := again.Rejoin(); err != nil {
		t.Fatal(err)
	}
	if !r.joins(group, 5*time.Second) {
		t.Error("that it was joined again was not reported")
	}
	send(t, tr, "still here")
	hearsFirst(t, tr, "still here")

	all := groupAt(t, h, "10.58.4.255:4446", h.Addr)
	if err := all.(interface{ Rejoin() error }).Rejoin(); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("broadcast was joined again: %v", err)
	}
	if err := tr.Close(); err != nil {
		t.Fatal(err)
	}
	if again.Rejoin() == nil {
		t.Error("a group was joined with a closed socket")
	}
}

// The way of a group at a host is that by its interface, and it is lost when that is.
func TestWayAtAHost(t *testing.T) {
	l := lab.New(t, 1)
	h := l.Host(1)
	way := func() (way string, err error) {
		dst, err := gossip.ParseDestination("239.255.221.20:4445,1")
		if err != nil {
			return "", err
		}
		err = h.Do(func() (err error) {
			way, err = gossip.SocketConfig{Destination: dst, Source: netip.MustParseAddr("10.58.4.1")}.Way()
			return err
		})
		return way, err
	}
	first, err := way()
	if err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		name   string
		change func()
		lost   bool
		same   bool
	}{
		{"down", h.LinkDown, true, false},
		{"up", h.LinkUp, false, true},
		{"the cable is pulled", func() { l.Cut(1) }, true, false},
		{"and plugged in", func() { l.Heal(1) }, false, true},
		{"another name", func() { h.Rename("lan0") }, false, false},
		{"its old name", func() { h.Rename("eth0") }, false, true},
		{"gone", h.Unplug, true, false},
		{"another one in its place", h.Plug, false, false},
		{"another address", func() { h.Readdress(netip.MustParseAddr("10.58.4.9")) }, true, false},
	} {
		step.change()
		lab.Eventually(t, 5*time.Second, func() error {
			got, err := way()
			if (err != nil) != step.lost || (got == first) != step.same {
				return errors.Join(errors.New(step.name+": "+got), err)
			}
			return nil
		})
	}
}
