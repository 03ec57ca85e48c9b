package memberlist

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	hashicorp "github.com/hashicorp/memberlist"
)

// anybody accepts every address but those of one network.
func anybody(a netip.Addr) bool { return !netip.MustParsePrefix("192.0.2.0/24").Contains(a) }

func testRoster() (*roster, *time.Time) {
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	r := newRoster("10.0.0.1:4446", 4447, anybody)
	r.now = func() time.Time { return now }
	return r, &now
}

// nodeAt is what the library tells of a member at the address.
func nodeAt(at string) *hashicorp.Node {
	a := netip.MustParseAddrPort(at)
	return &hashicorp.Node{Name: at, Addr: net.IP(a.Addr().AsSlice()), Port: a.Port(), Meta: appendMeta(nil, a.Port()+1)}
}

// alive does what the library does for a member that is said to be alive.
func (r *roster) alive(n *hashicorp.Node) error {
	if err := r.NotifyAlive(n); err != nil {
		return err
	}
	r.NotifyJoin(n)
	return nil
}

func (r *roster) sorted() string {
	var all []string
	for _, to := range r.destinations() {
		all = append(all, to.String())
	}
	slices.Sort(all)
	return strings.Join(all, " ")
}

func TestRosterSendsToTheLive(t *testing.T) {
	r, _ := testRoster()
	check := func(when, want string) {
		t.Helper()
		if got := r.sorted(); got != want {
			t.Errorf("%s: beats go to %q, want %q", when, got, want)
		}
	}
	for _, at := range []string{"10.0.0.1:4446", "10.0.0.2:4446", "10.0.0.3:4446"} {
		if err := r.alive(nodeAt(at)); err != nil {
			t.Fatal(err)
		}
	}
	check("all alive, and we are one of them", "10.0.0.2:4447 10.0.0.3:4447")
	r.NotifyLeave(nodeAt("10.0.0.3:4446"))
	check("one dead", "10.0.0.2:4447")
	r.NotifyLeave(nodeAt("10.0.0.3:4446"))
	r.NotifyLeave(nodeAt("10.0.0.77:4446"))
	check("dead twice, and one that nobody knows", "10.0.0.2:4447")
	n := nodeAt("10.0.0.2:4446")
	n.Meta = appendMeta(nil, 9000)
	r.NotifyUpdate(n)
	check("one that moved its port", "10.0.0.2:9000")
	if err := r.alive(nodeAt("10.0.0.3:4446")); err != nil {
		t.Fatal(err)
	}
	check("one that is back", "10.0.0.2:9000 10.0.0.3:4447")
	if err := r.alive(nodeAt("192.0.2.9:4446")); err == nil {
		t.Error("a member outside of gossip.accept was taken in")
	}
	r.accept = func(a netip.Addr) bool { return a != netip.MustParseAddr("10.0.0.3") }
	r.refresh()
	check("one that is not accepted any more", "10.0.0.2:9000")
}

func TestRosterIsBounded(t *testing.T) {
	t.Run("members", func(t *testing.T) {
		r, now := testRoster()
		for i := range MaxMembers {
			if err := r.alive(nodeAt(fmt.Sprintf("10.1.%d.%d:4446", i/256, i%256))); err != nil {
				t.Fatalf("member %d: %v", i, err)
			}
		}
		if err := r.alive(nodeAt("10.2.0.0:4446")); err == nil {
			t.Error("there is room for one more")
		}
		if err := r.alive(nodeAt("10.1.0.5:4446")); err != nil {
			t.Errorf("a member that is known: %v", err)
		}
		r.NotifyLeave(nodeAt("10.1.0.0:4446"))
		if err := r.alive(nodeAt("10.2.0.0:4446")); err != nil {
			t.Errorf("in place of one that is dead: %v", err)
		}
		_ = now
	})
	t.Run("members at one address", func(t *testing.T) {
		r, _ := testRoster()
		for i := range MaxAtAddress {
			if err := r.alive(nodeAt(fmt.Sprintf("10.1.0.1:%d", 1000+i))); err != nil {
				t.Fatalf("member %d: %v", i, err)
			}
		}
		if err := r.alive(nodeAt("10.1.0.1:999")); err == nil {
			t.Error("there is room for one more")
		}
		if err := r.alive(nodeAt("10.1.0.2:999")); err != nil {
			t.Errorf("at another address: %v", err)
		}
	})
	t.Run("the dead, until the library has forgotten them", func(t *testing.T) {
		r, now := testRoster()
		for i := range maxKnown {
			n := nodeAt(fmt.Sprintf("10.%d.%d.%d:4446", 1+i>>16, i>>8&255, i&255))
			if err := r.alive(n); err != nil {
				t.Fatalf("member %d: %v", i, err)
			}
			r.NotifyLeave(n)
		}
		if err := r.alive(nodeAt("10.9.0.0:4446")); err == nil {
			t.Error("there is room for one more")
		}
		if err := r.alive(nodeAt("10.1.0.0:4446")); err != nil {
			t.Errorf("one that is back: %v", err)
		}
		*now = now.Add(2 * time.Minute)
		if err := r.alive(nodeAt("10.9.0.0:4446")); err != nil {
			t.Errorf("two minutes later: %v", err)
		}
	})
}

func TestRosterAfterARestart(t *testing.T) {
	old, now := testRoster()
	for _, at := range []string{"10.0.0.2:4446", "10.0.0.3:4446", "10.0.0.4:4446"} {
		if err := old.alive(nodeAt(at)); err != nil {
			t.Fatal(err)
		}
	}
	old.NotifyLeave(nodeAt("10.0.0.4:4446"))
	r, _ := testRoster()
	r.succeed(old)
	if got, want := r.sorted(), "10.0.0.2:4447 10.0.0.3:4447"; got != want {
		t.Errorf("beats go to %q, want %q", got, want)
	}
	if r.count() != 0 {
		t.Error("it takes them for live, and asks nobody")
	}
	if n, some := r.missed(10); n != 3 || len(some) != 3 {
		t.Errorf("%d are called, want all 3", n)
	}
	if err := r.alive(nodeAt("10.0.0.2:4446")); err != nil {
		t.Fatal(err)
	}
	r.settle()
	if got, want := r.sorted(), "10.0.0.2:4447"; got != want {
		t.Errorf("once it has met somebody, beats go to %q, want %q", got, want)
	}
	*now = now.Add(missedFor)
	if n, _ := old.missed(10); n != 0 {
		t.Errorf("%d are still called a day later", n)
	}
}

func TestRosterTellsOfATurn(t *testing.T) {
	r, _ := testRoster()
	turned := func() bool {
		select {
		case <-r.turned:
			return true
		default:
			return false
		}
	}
	for _, at := range []string{"10.0.0.2:4446", "10.0.0.3:4446"} {
		if err := r.alive(nodeAt(at)); err != nil {
			t.Fatal(err)
		}
	}
	if !turned() {
		t.Error("it does not tell that somebody is there")
	}
	r.NotifyLeave(nodeAt("10.0.0.2:4446"))
	if turned() {
		t.Error("it tells that we are alone, and we are not")
	}
	r.NotifyLeave(nodeAt("10.0.0.3:4446"))
	if !turned() {
		t.Error("it does not tell that we are alone")
	}
}
