package node

import (
	"math"
	"testing"
	"time"
)

func TestFarmAddsUpWhatIsAnnounced(t *testing.T) {
	member := func(id byte, change func(*Node)) *Node { return with(newNode(id, "www", "web"), change) }
	serves := func(slots, mu, average float64) func(*Node) {
		return func(n *Node) { n.Services[0].Slots, n.Services[0].Mu, n.Services[0].Average = slots, mu, average }
	}
	silent := member(4, serves(100, 100, 100))
	silent.Heard = start().Add(-7 * time.Second)
	silent.Interval = time.Second
	f := NewSnapshot(Parts{
		Taken: start(), Self: ID{1}, Live: NewLiveSet(),
		Nodes: []*Node{
			member(1, serves(4, 10, 6)), member(2, serves(4, 20, 2)), member(3, serves(2, 5, 2)),
			silent, member(5, serves(4, 0, 9)),
		},
	}).Farm("web")
	if want := 10 / (40. + 80 + 10); math.Abs(f.Level-want) > 1e-9 || f.Mu != 10 {
		t.Errorf("level %v, mu %v, want %v, 10: the silent and those without a rate do not count", f.Level, f.Mu, want)
	}
	empty := NewSnapshot(Parts{Taken: start(), Live: NewLiveSet(), Nodes: []*Node{member(5, serves(4, 0, 9))}}).Farm("web")
	if empty.Level != 0 || empty.Mu != 0 {
		t.Errorf("level %v and mu %v of nothing", empty.Level, empty.Mu)
	}
}

func TestShareOfAFront(t *testing.T) {
	front := func(id byte, dispatched float64) *Node {
		return with(newNode(id, "www", "web"), func(n *Node) { n.Stats.Dispatched = dispatched })
	}
	for _, row := range []struct {
		name   string
		nodes  []*Node
		share  float64
		fronts int
	}{
		{"alone it is all", []*Node{front(1, 50)}, 1, 1},
		{"at the start it is all", []*Node{front(1, 0), front(2, 0)}, 1, 1},
		{"what it dispatches of what all do", []*Node{front(1, 30), front(2, 10), front(3, 0)}, 0.75, 2},
		{"never less than if all did the same", []*Node{front(1, 0), front(2, 30), front(3, 30)}, 1 / 3., 3},
		{"the silent do not count", []*Node{front(1, 10), with(front(2, 90), func(n *Node) { n.Heard = start().Add(-time.Hour) })}, 1, 1},
	} {
		t.Run(row.name, func(t *testing.T) {
			f := newFleet(&Parts{Taken: start(), Self: ID{1}}, row.nodes)
			if math.Abs(f.Share-row.share) > 1e-9 || f.Fronts != row.fronts {
				t.Errorf("share %v of %d fronts, want %v of %d", f.Share, f.Fronts, row.share, row.fronts)
			}
		})
	}
}

func TestSinceWhenAMemberMayBeChosen(t *testing.T) {
	live := NewLiveSet()
	see := func(seconds float64, change func(*Node)) time.Time {
		n := with(newNode(2, "www2", "web"), change)
		return NewSnapshot(Parts{Taken: at(seconds), Self: ID{1}, Nodes: []*Node{n}, Live: live}).Farm("web").Members[0].Live.Since()
	}
	same := func(*Node) {}
	for _, step := range []struct {
		name   string
		at     float64
		change func(*Node)
		want   time.Time
	}{
		{"since it was first seen", 1, same, at(1)},
		{"that stays", 5, same, at(1)},
		{"not while it drains", 6, func(n *Node) { n.State = Draining }, time.Time{}},
		{"anew when it is back", 8, same, at(8)},
		{"anew when it has started anew", 9, func(n *Node) { n.Boot = 99 }, at(9)},
	} {
		if got := see(step.at, step.change); !got.Equal(step.want) {
			t.Errorf("%s: since %v, want %v", step.name, got, step.want)
		}
	}
}

func TestWhatAMemberSaidBeforeItStartedAnewIsForgotten(t *testing.T) {
	live := NewLiveSet()
	see := func(seconds float64, boot uint64) *Live {
		n := with(newNode(2, "www2", "web"), func(n *Node) { n.Boot = boot })
		return NewSnapshot(Parts{Taken: at(seconds), Self: ID{1}, Nodes: []*Node{n}, Live: live}).Farm("web").Members[0].Live
	}
	l := see(1, 1)
	l.Heard(Load{InFlight: 50, Slots: 4, Mu: 10}, at(1))
	if see(2, 1); l.LastHeard().InFlight != 50 {
		t.Errorf("heard %+v while it goes on", l.LastHeard())
	}
	if see(3, 2); l.LastHeard().At != 0 {
		t.Errorf("heard %+v after it started anew", l.LastHeard())
	}
}

func TestHashesAreTheSameForEver(t *testing.T) {
	// Other values would make other subsets and other byHash owners in half of a cluster during an upgrade.
	if a, b := hash([]byte("web/app1")), Mix(1); a != 0xf5a87fa21671dd22 || b != 0x910a2dec89025cc1 {
		t.Errorf("%#x, %#x", a, b)
	}
}

func TestAllReachable(t *testing.T) {
	live := NewLiveSet()
	f := NewSnapshot(Parts{Taken: start(), Live: live, Nodes: []*Node{newNode(2, "www2", "web"), newNode(3, "www3", "web")}}).Farm("web")
	if !f.AllReachable(start()) {
		t.Error("nothing has failed yet")
	}
	f.Members[1].Live.ConnectFailed(start())
	if f.AllReachable(start()) || f.AllReachable(at(0.9)) || !f.AllReachable(at(1)) {
		t.Error("want one unreachable for a second")
	}
	if (&Farm{}).AllReachable(start()) {
		t.Error("of a farm that no snapshot made nobody knows")
	}
}
