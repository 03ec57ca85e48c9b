package doctor

import (
	"net/netip"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"backhand/gossip/node"
	"backhand/gossip/wire"
)

var byValue = cmp.Options{cmpopts.EquateComparable(netip.AddrPort{}, netip.Addr{}), cmpopts.EquateEmpty()}

// announced returns the datagram of a node, in that cluster and sealed by those keys.
func announced(t *testing.T, h Heard, cluster string, keys *wire.Keyring) []byte {
	t.Helper()
	n := node.Node{
		ID: h.ID, Name: h.Name, Addr: h.Addr, Boot: 1, Sequence: 1, State: node.Up, VersionMin: 1, VersionMax: 1, Interval: 1e9,
		Stats: node.Stats{CPUs: 1}, Keys: keys.Held(),
	}
	parts, err := wire.Append(nil, &n, wire.HashCluster(cluster), keys)
	if err != nil {
		t.Fatal(err)
	}
	return parts[0]
}

// noted returns the datagram of a note.
func noted(t *testing.T, id node.ID, keys *wire.Keyring) []byte {
	t.Helper()
	b, err := wire.AppendNote(nil, &wire.Note{ID: id, Boot: 1, Sequence: 1, Payload: []byte("a note")}, wire.HashCluster("web"), keys)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func keyring(t *testing.T, cluster string, mode wire.Mode, keys ...wire.Key) *wire.Keyring {
	t.Helper()
	k, err := wire.NewKeyring(cluster, keys, mode)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestTally(t *testing.T) {
	one, two := wire.NewKey(1), wire.NewKey(2)
	enforce := keyring(t, "web", wire.Enforce, one)
	two2 := www(2)
	sealed := two2
	sealed.Key, sealed.Keys = 1, enforce.Held()
	own := www(1)
	other := own
	other.ID = node.ID{77} // the agent of this host, which could not be asked for its id
	elsewhere := own
	elsewhere.Addr = addrPort("10.58.4.2:80")
	clone := elsewhere
	clone.From = addr("10.58.4.2")
	at := func(from string, k kind, key uint8, nodes ...Heard) []Source {
		s := beats(from, k, 1, nodes...)
		s.KeyID = key
		return []Source{s}
	}
	for _, c := range []struct {
		name    string
		b       []byte
		from    string
		keys    *wire.Keyring
		own     int
		sources []Source
		clones  []Heard
	}{
		{"a beat", announced(t, two2, "web", nil), "10.58.4.2", nil, 0, at("10.58.4.2", taken, 0, two2), nil},
		{"of an address in IPv6 form", announced(t, two2, "web", nil), "::ffff:10.58.4.2", nil, 0, at("10.58.4.2", taken, 0, two2), nil},
		{"a sealed beat", announced(t, two2, "web", enforce), "10.58.4.2", enforce, 0, at("10.58.4.2", taken, 0, sealed), nil},
		{"a sealed beat, and no key", announced(t, two2, "web", enforce), "10.58.4.2", nil, 0, at("10.58.4.2", notHeld, 1), nil},
		{"of a key that is not held", announced(t, two2, "web", keyring(t, "web", wire.Enforce, two)), "10.58.4.2", enforce, 0, at("10.58.4.2", notHeld, 2), nil},
		{"of another key of that number", announced(t, two2, "web", keyring(t, "web", wire.Enforce, wire.NewKey(1))), "10.58.4.2", enforce, 0, at("10.58.4.2", forged, 1), nil},
		{"an unsealed beat, and only sealed ones are taken", announced(t, two2, "web", nil), "10.58.4.2", enforce, 0, at("10.58.4.2", unsealed, 0), nil},
		{"an unsealed beat, and any is taken", announced(t, two2, "web", nil), "10.58.4.2", keyring(t, "web", wire.Permissive, one), 0, at("10.58.4.2", taken, 0, two2), nil},
		{"of another cluster", announced(t, two2, "wbe", nil), "10.58.4.2", nil, 0, at("10.58.4.2", otherCluster, 0), nil},
		{"of another version", append([]byte("BKHD\x07"), make([]byte, 100)...), "10.58.4.2", nil, 0, at("10.58.4.2", otherVersion, 0), nil},
		{"no beat", []byte("hello, is this the right port?"), "10.58.4.2", nil, 0, at("10.58.4.2", noBeat, 0), nil},
		{"nothing", nil, "10.58.4.2", nil, 0, at("10.58.4.2", noBeat, 0), nil},
		{"a beat that was cut off", announced(t, two2, "web", nil)[:60], "10.58.4.2", nil, 0, at("10.58.4.2", malformed, 0), nil},
		{"our own", announced(t, own, "web", nil), "10.58.4.1", nil, 1, nil, nil},
		{"of the agent of this host, whose id is not known", announced(t, other, "web", nil), "10.58.4.1", nil, 1, nil, nil},
		{"of another agent on this host", announced(t, two2, "web", nil), "10.58.4.1", nil, 0, at("10.58.4.1", taken, 0, func() Heard { h := two2; h.From = addr("10.58.4.1"); return h }()), nil},
		{"our own agent's, which has other keys by now", announced(t, own, "web", enforce), "10.58.4.1", nil, 1, at("10.58.4.1", notHeld, 1), nil},
		{"a note", noted(t, node.ID{2}, nil), "10.58.4.2", nil, 0, at("10.58.4.2", taken, 0), nil},
		{"a sealed note, and no key", noted(t, node.ID{2}, enforce), "10.58.4.2", nil, 0, at("10.58.4.2", notHeld, 1), nil},
		{"a note of our own", noted(t, node.ID{1}, nil), "10.58.4.1", nil, 0, nil, nil},
		{"a note with our own id, from another host", noted(t, node.ID{1}, nil), "10.58.4.2", nil, 0, at("10.58.4.2", taken, 0), nil},
		{"a note that was cut off", noted(t, node.ID{2}, nil)[:50], "10.58.4.2", nil, 0, at("10.58.4.2", malformed, 0), nil},
		{"our own id, from another host", announced(t, elsewhere, "web", nil), "10.58.4.2", nil, 0, nil, []Heard{clone}},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := healthy()
			x := &examination{facts: f, self: node.ID{99}, opt: Options{Keys: c.keys}}
			f.Agent = &Agent{ID: node.ID{1}.String()}
			y := x.newTally()
			y.take(c.b, addr(c.from))
			if y.own != c.own {
				t.Errorf("%d of our own, want %d", y.own, c.own)
			}
			if diff := cmp.Diff(c.sources, y.sorted(), byValue); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff(c.clones, y.clones, byValue); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// What strangers make up does not fill the memory, and is seen to be too much.
func TestTallyIsBounded(t *testing.T) {
	x := &examination{facts: healthy(), self: node.ID{99}}
	y := x.newTally()
	a := addr("172.16.0.0")
	for range maxSources + 10 {
		y.take([]byte("garbage, but long enough"), a)
		a = a.Next()
	}
	h := www(2)
	for i := range byte(maxNodes + 10) {
		h.ID = node.ID{2, i}
		y.take(announced(t, h, "web", nil), addr("172.16.0.0"))
	}
	if len(y.sources) != maxSources || !y.more || len(y.sorted()[0].Nodes) != maxNodes {
		t.Errorf("%d sources (more: %v), %d nodes", len(y.sources), y.more, len(y.sorted()[0].Nodes))
	}
	l := Link{Crowded: true, Wire: []Arrival{{addr("10.58.4.9"), 1}}}
	if got := l.lost(); got != nil {
		t.Errorf("who found no room is taken for lost: %v", got)
	}
}

// The keys that a node holds are in the first part of a beat alone.
func TestLaterPartsKeepTheKeys(t *testing.T) {
	h := www(2)
	h.Keys = []node.KeyMark{{ID: 1, Mark: 7}}
	var s Source
	s.note(h)
	later := www(2)
	later.State = node.Draining
	s.note(later)
	if len(s.Nodes) != 1 || !slices.Equal(s.Nodes[0].Keys, h.Keys) || s.Nodes[0].State != node.Draining {
		t.Errorf("got %+v", s.Nodes)
	}
}
