package gossip

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"backhand/gossip/node"
)

// life says when a peer beats: from the start, or from born on, to until; and again from again on. Seconds.
type life struct {
	born, until, again float64
	left               float64 // it says then that it leaves, and is silent
	interval           float64 // default 1
}

// at returns the peer as it is known at that time; nil if it was not heard yet. All beat at other fractions of a second.
func (l life) at(number int, now float64) *node.Node {
	every := l.interval
	if every == 0 {
		every = 1
	}
	heard := -1.0
	n := &node.Node{
		ID: node.ID{15: byte(number)}, Boot: 1, State: node.Up, Interval: seconds(every),
		Addr: netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 58, 4, byte(number)}), 80),
	}
	for t := l.born + float64(number)/10; t <= now; t += every {
		switch {
		case l.left != 0 && t >= l.left:
			n.State = node.Leaving
			heard = l.left
		case t <= l.until, l.again != 0 && t >= l.again:
			heard = t
		}
		if n.State == node.Leaving {
			break
		}
	}
	if heard < 0 {
		return nil
	}
	n.Heard = epoch().Add(seconds(heard))
	return n
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

func epoch() time.Time { return time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC) }

// peersAt returns all that are known then.
func peersAt(lives []life, now float64) (nodes []*node.Node) {
	for i, l := range lives {
		if n := l.at(i+1, now); n != nil {
			nodes = append(nodes, n)
		}
	}
	return nodes
}

func TestSuspicion(t *testing.T) {
	to := func(until ...float64) (lives []life) {
		for _, u := range until {
			lives = append(lives, life{until: u})
		}
		return lives
	}
	const ever = 1000
	for _, tc := range []struct {
		name  string
		peers []life
		at    float64
		want  string // suspects, by number
	}{
		{"while all are heard nobody is suspected", to(ever, ever, ever), 100, ""},
		{"three that fall silent at once are suspects", to(10, 10, 10), 13, "1 2 3"},
		{"as long as a beat of each may have been lost they are not", to(10, 10, 10), 11.3, ""},
		{"two are dropped as ever", to(10, 10), 30, ""},
		{"one that lives on proves that the others are dead", to(10, 10, 10, ever), 30, ""},
		{"so does one that dies later", to(10, 10, 10, 20), 40, ""},
		{"one after the other is no silence of all", to(10, 14, 18, 22), 40, ""},
		{"within two intervals of one another is at once", to(10, 10.5, 11), 15, "1 2 3"},
		{"who had been silent before is no suspect", to(10, 10, 10, 3), 15, "1 2 3"},
		{"nor who has left", []life{{until: 10}, {until: 10}, {until: 10}, {until: 10, left: 10}}, 15, "1 2 3"},
		{"two, and one that has left, are too few", []life{{until: 10}, {until: 10}, {until: 10, left: 10}}, 15, ""},
		{"it lasts as long as the silence", to(10, 10, 10), 600, "1 2 3"},
		{
			"with its first beat a node is a suspect no more",
			[]life{{until: 10, again: 20}, {until: 10}, {until: 10}, {until: 10}},
			22, "2 3 4",
		},
		{
			"half of them heard is not most",
			[]life{{until: 10, again: 20}, {until: 10, again: 20}, {until: 10}, {until: 10}},
			22, "3 4",
		},
		{
			"once most are heard the others are dead",
			[]life{{until: 10, again: 20}, {until: 10, again: 20}, {until: 10, again: 20}, {until: 10}},
			22, "",
		},
		{
			"who leaves while it lasts is a suspect no more",
			[]life{{until: 10, left: 20}, {until: 10}, {until: 10}, {until: 10}},
			25, "2 3 4",
		},
		{
			"newcomers in their place end it",
			[]life{{until: 10}, {until: 10}, {until: 10}, {born: 20, until: ever}, {born: 20, until: ever}},
			25, "",
		},
		{
			"a slow beat is waited for",
			[]life{{until: 100, interval: 10}, {until: 100, interval: 10}, {until: 100, interval: 10}},
			112, "",
		},
		{
			"but not for ever",
			[]life{{until: 100, interval: 10}, {until: 100, interval: 10}, {until: 100, interval: 10}},
			123, "1 2 3",
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			g := &Gossiper{}
			for now := 0.0; now <= tc.at; now += 0.25 {
				g.suspicion.look(peersAt(tc.peers, now), epoch().Add(seconds(now)))
			}
			var got []string
			for id, addr := range g.Suspects(epoch().Add(seconds(tc.at))) {
				if addr.Addr().As4()[3] != id[15] {
					t.Errorf("node %v is asked at %v", id, addr)
				}
				got = append(got, fmt.Sprint(id[15]))
			}
			slices.Sort(got)
			if strings.Join(got, " ") != tc.want {
				t.Errorf("suspects %q, want %q", got, tc.want)
			}
		})
	}
}

// A node that was heard once while nobody else is, and then no more, is as good as the others.
func TestSuspectAgain(t *testing.T) {
	var s suspicion
	peers := []life{{until: 10, again: 20}, {until: 10}, {until: 10}}
	for now := 0.0; now <= 40; now += 0.25 {
		if now > 21 {
			peers[0] = life{until: 20.5}
		}
		s.look(peersAt(peers, now), epoch().Add(seconds(now)))
	}
	g := &Gossiper{suspicion: s}
	if got := g.Suspects(epoch().Add(40 * time.Second)); len(got) != 3 {
		t.Errorf("%d suspects, want all three", len(got))
	}
}

func TestHeardLooksNoFurtherThanItMust(t *testing.T) {
	table := NewTable(node.ID{1}, 1)
	now := epoch()
	if table.heard(now) {
		t.Error("somebody is heard in an empty table")
	}
	for i := range 5 {
		n := life{until: 10}.at(i+1, 10)
		table.nodes[n.ID] = &entry{heard: n.Heard, interval: n.Interval}
	}
	if !table.heard(now.Add(11 * time.Second)) {
		t.Error("nobody is heard a second after the last beat")
	}
	if table.heard(now.Add(13 * time.Second)) {
		t.Error("somebody is heard three seconds after the last beat")
	}
	if got := table.peek(); len(got) != 5 {
		t.Errorf("%d nodes, want 5", len(got))
	}
}
