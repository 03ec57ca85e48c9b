package agent

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"backhand/agent/config"
	"backhand/gossip/node"
)

func numbered(numbers ...byte) (nodes []*node.Node) {
	for _, n := range numbers {
		nodes = append(nodes, &node.Node{ID: node.ID{15: n}, Boot: 1, Sequence: 1, Interval: time.Second})
	}
	return nodes
}

// show returns the nodes by their numbers, those that are kept with a plus.
func show(nodes []*node.Node) string {
	var out []string
	for _, n := range nodes {
		text := fmt.Sprint(n.ID[15])
		if n.Kept {
			text += "+"
		}
		out = append(out, text)
	}
	slices.Sort(out)
	return strings.Join(out, " ")
}

func suspectsOf(numbers ...byte) map[node.ID]netip.AddrPort {
	all := map[node.ID]netip.AddrPort{}
	for _, n := range numbers {
		all[node.ID{15: n}] = netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, n}), 80)
	}
	return all
}

func TestKeeper(t *testing.T) {
	k := newKeeper()
	steps := []struct {
		name     string
		nodes    []byte
		suspects []byte
		answers  map[byte]bool // to those that are asked
		asked    string
		want     string
	}{
		{
			"before anybody was asked nobody is kept",
			[]byte{1, 2, 3, 4},
			[]byte{1, 2, 3},
			map[byte]bool{1: true, 2: true, 3: false},
			"1 2 3", "1 2 3 4",
		},
		{"who answered is kept", []byte{1, 2, 3, 4}, []byte{1, 2, 3}, nil, "1 2 3", "1+ 2+ 3 4"},
		{"also when it is listed no more", []byte{2, 4}, []byte{1, 2, 3}, nil, "1 2", "1+ 2+ 4"},
		{"until it does not answer", []byte{2, 4}, []byte{1, 2, 3}, map[byte]bool{1: false}, "1 2", "1+ 2+ 4"},
		{"then it is gone", []byte{2, 4}, []byte{1, 2, 3}, nil, "2", "2+ 4"},
		{"who is heard is not kept", []byte{2, 3, 4}, []byte{3}, map[byte]bool{2: true, 3: true}, "3", "2 3 4"},
		{"nor asked", []byte{2, 3, 4}, []byte{3}, nil, "3", "2 3+ 4"},
	}
	for _, s := range steps {
		k.mu.Lock()
		got := k.replace(numbered(s.nodes...), suspectsOf(s.suspects...))
		k.mu.Unlock()
		if show(got) != s.want {
			t.Errorf("%s: %s, want %s", s.name, show(got), s.want)
		}
		var asked []string
		for id, addr := range k.toAsk(suspectsOf(s.suspects...)) {
			asked = append(asked, fmt.Sprint(id[15]))
			if addr.Addr().As4()[3] != id[15] {
				t.Errorf("%v is asked at %v", id, addr)
			}
		}
		slices.Sort(asked)
		if got := strings.Join(asked, " "); got != s.asked {
			t.Errorf("%s: %s are asked, want %s", s.name, got, s.asked)
		}
		for n, accepted := range s.answers {
			k.note(node.ID{15: n}, accepted)
		}
	}
}

// What is published of a kept node is the same as long as nothing else is known of it.
func TestKeptIsMadeOnce(t *testing.T) {
	k := newKeeper()
	again := func(nodes []*node.Node) *node.Node {
		k.mu.Lock()
		defer k.mu.Unlock()
		return k.replace(nodes, suspectsOf(1))[0]
	}
	again(numbered(1))
	k.note(node.ID{15: 1}, true)
	source := numbered(1)
	first := again(slices.Clone(source))
	if second := again(slices.Clone(source)); first != second || source[0].Kept || !first.Kept {
		t.Errorf("another one, or the node itself, was marked")
	}
	source = numbered(1)
	source[0].Sequence = 2
	if third := again(source); third == first || third.Sequence != 2 || !third.Kept {
		t.Errorf("%+v was published of a newer one", third)
	}
}

func TestAskAll(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	here := netip.MustParseAddrPort(ln.Addr().String())
	closed := netip.MustParseAddrPort(freePort(t))
	a := &Agent{keeper: newKeeper(), kick: make(chan struct{}, 1)}
	cfg := &config.Config{}
	cfg.Node.Address = netip.MustParseAddrPort("127.0.0.1:80")
	a.config.Store(cfg)
	nodes, suspects := []*node.Node{}, map[node.ID]netip.AddrPort{}
	for i := range 200 {
		id := node.ID{14: 1, 15: byte(i)}
		suspects[id] = here
		if i%2 == 1 {
			suspects[id] = closed
		}
		nodes = append(nodes, &node.Node{ID: id})
	}
	a.keeper.replace(nodes, suspects)
	a.askAll(t.Context(), suspects)
	kept := 0
	for _, n := range a.keeper.replace(nodes, suspects) {
		if n.Kept {
			kept++
		}
		if n.Kept != (n.ID[15]%2 == 0) {
			t.Errorf("node %d is kept: %v", n.ID[15], n.Kept)
		}
	}
	select {
	case <-a.kick:
	default:
		t.Error("nobody was told that somebody answered")
	}
	for range 100 { // each connection was closed at once
		conn, err := ln.Accept()
		if err != nil {
			t.Fatal(err)
		}
		_ = conn.SetReadDeadline(time.Now().Add(10 * time.Second))
		if n, err := conn.Read(make([]byte, 1)); n != 0 || err == nil {
			t.Errorf("%d bytes came", n)
		}
		conn.Close()
	}
}

func TestAskAllEndsWithItsContext(t *testing.T) {
	a := &Agent{keeper: newKeeper(), kick: make(chan struct{}, 1)}
	cfg := &config.Config{}
	cfg.Node.Address = netip.MustParseAddrPort("127.0.0.1:80")
	a.config.Store(cfg)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	began := time.Now()
	a.askAll(ctx, suspectsOf(1, 2, 3))
	if took := time.Since(began); took > time.Second/2 {
		t.Errorf("it took %v", took)
	}
}
