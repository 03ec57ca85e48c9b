package gossiptest

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"backhand/gossip"
)

var (
	one   = netip.MustParseAddrPort("10.0.0.1:4445")
	two   = netip.MustParseAddrPort("10.0.0.2:4445")
	three = netip.MustParseAddrPort("10.0.0.3:4445")
)

func TestNetworkIsATransport(t *testing.T) {
	n := NewNetwork(1)
	TestGroup(t, one.Addr(), func(*testing.T) gossip.Transport { return n.Transport(one) })
}

// collect returns what has come up to now, by its first byte.
func collect(tr gossip.Transport) string {
	synctest.Wait()
	var got []byte
	for range len(tr.(*transport).in) {
		b := make([]byte, 1)
		if _, _, err := tr.Receive(b); err != nil {
			break
		}
		got = append(got, b...)
	}
	return string(got)
}

func sendAll(t *testing.T, tr gossip.Transport, text string) {
	t.Helper()
	for _, b := range []byte(text) {
		if err := tr.Send([]byte{b}); err != nil {
			t.Fatal(err)
		}
	}
}

const alphabet = "abcdefghijklmnopqrstuvwxyz"

func TestConditions(t *testing.T) {
	sorted := func(s string) string { b := []byte(s); slices.Sort(b); return string(b) }
	for name, tc := range map[string]struct {
		conditions Conditions
		after      time.Duration
		holds      func(got string) bool
	}{
		"good":         {Conditions{}, 0, func(s string) bool { return s == alphabet }},
		"all lost":     {Conditions{Loss: 1}, time.Hour, func(s string) bool { return s == "" }},
		"half lost":    {Conditions{Loss: 0.5}, 0, func(s string) bool { return len(s) > 5 && len(s) < 21 }},
		"all twice":    {Conditions{Duplicate: 1}, 0, func(s string) bool { return len(s) == 52 }},
		"not there":    {Conditions{Delay: time.Second}, 999 * time.Millisecond, func(s string) bool { return s == "" }},
		"there by now": {Conditions{Delay: time.Second}, time.Second, func(s string) bool { return sorted(s) == alphabet }},
		"out of order": {Conditions{Jitter: time.Second}, time.Second, func(s string) bool {
			return s != alphabet && sorted(s) == alphabet
		}},
	} {
		t.Run(name, func(t *testing.T) {
			run := func() (got string) {
				synctest.Test(t, func(t *testing.T) {
					n := NewNetwork(7)
					a, b := n.Transport(one), n.Transport(two)
					n.Set(tc.conditions)
					sendAll(t, a, alphabet)
					time.Sleep(tc.after)
					got = collect(b)
				})
				return got
			}
			first := run()
			if !tc.holds(first) {
				t.Errorf("got %q", first)
			}
			if again := run(); again != first {
				t.Errorf("the same seed gave %q, then %q", first, again)
			}
		})
	}
}

func TestPartition(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := NewNetwork(1)
		a, b, c := n.Transport(one), n.Transport(two), n.Transport(three)
		heard := func() string { return fmt.Sprintf("%s %s %s", collect(a), collect(b), collect(c)) }

		n.Partition([]netip.Addr{one.Addr(), two.Addr()}, []netip.Addr{three.Addr()})
		sendAll(t, a, "x")
		sendAll(t, c, "y")
		if got := heard(); got != "x x y" {
			t.Errorf("cut: %q", got)
		}
		n.Partition()
		sendAll(t, c, "z")
		if got := heard(); got != "z z z" {
			t.Errorf("healed: %q", got)
		}
	})
}

func TestInboxIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := NewNetwork(1)
		a := n.Transport(one)
		for range 2 * inbox {
			n.Inject(two, []byte("x"))
		}
		if got := len(collect(a)); got != inbox {
			t.Errorf("%d datagrams wait, want %d", got, inbox)
		}
	})
}
