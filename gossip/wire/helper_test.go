package wire

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"net/netip"
	"os"
	"runtime/debug"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"backhand/gossip/node"
)

// sample returns a node with farms of the given names, with something in every field.
func sample(farms ...string) *node.Node {
	n := &node.Node{
		ID: node.ID{0xa1, 0xb2, 15: 0xff}, Boot: 1_790_000_000_000, Sequence: 42,
		Name: "www1", Zone: "rack-7", Addr: netip.MustParseAddrPort("10.58.4.2:80"),
		State: node.Up, VersionMin: VersionMin, VersionMax: VersionMax, ConfigHash: 0x0102030405060708,
		Interval: time.Second, SampleAge: 12 * time.Millisecond,
		Stats: node.Stats{
			CPUs: 8, Speed: 3.5, Load1: 0.75, CPUIdle: 0.9, Pressure: 0.01, MemTotal: 16 << 30, MemAvailable: 9 << 30,
			SendLate: 350 * time.Microsecond, Dispatched: 12.5,
		},
	}
	for _, f := range farms {
		n.Services = append(n.Services, node.Service{
			Farm: f, Ready: true, Slots: 8, Mu: 25.5, Workers: 150, Busy: 3, InFlight: 2, Average: 1.5,
			Arrivals: 40, Completions: 39.5, Errors: 0.5, Refusals: 0.25, Served: 123456, ServeTime: 40 * time.Millisecond,
		})
	}
	return n
}

func farms(n int) []string {
	var names []string
	for i := range n {
		names = append(names, fmt.Sprintf("farm-%02d", i))
	}
	return names
}

func fullHouse() *node.Node {
	n := sample(farms(node.MaxFarms)...)
	n.Name, n.Zone = strings.Repeat("<script>alert(1)</script>", 11)[:node.MaxName], strings.Repeat("z", node.MaxZone)
	n.Addr = netip.MustParseAddrPort("[2001:db8::2]:443")
	n.TLS, n.Direct, n.State = true, true, node.Draining
	for i := range n.Services {
		s := &n.Services[i]
		s.Farm += strings.Repeat("x", node.MaxFarm-len(s.Farm))
		s.Ready, s.Why = false, strings.Repeat("w", node.MaxWhy)
	}
	return n
}

// mustAppend also checks what holds for every beat that is sent unsealed.
func mustAppend(t testing.TB, n *node.Node) [][]byte {
	t.Helper()
	parts := mustSeal(t, n, nil)
	for i, b := range parts {
		if len(b) > MaxDatagram-nonceSize-tagSize {
			t.Fatalf("part %d has %d bytes, which leaves no room for nonce and tag", i+1, len(b))
		}
	}
	return parts
}

// mustSeal also checks what holds for every beat that is sent.
func mustSeal(t testing.TB, n *node.Node, keys *Keyring) [][]byte {
	t.Helper()
	parts, err := Append(nil, n, web, keys)
	if err != nil {
		t.Fatal(err)
	}
	for i, b := range parts {
		if len(b) > MaxDatagram {
			t.Fatalf("part %d has %d bytes", i+1, len(b))
		}
	}
	return parts
}

// whole puts the parts of a beat that is not sealed together.
func whole(t testing.TB, parts [][]byte) node.Node {
	t.Helper()
	return wholeOf(t, parts, nil)
}

// wholeOf puts the parts of a beat together.
func wholeOf(t testing.TB, parts [][]byte, keys *Keyring) node.Node {
	t.Helper()
	var all node.Node
	p := NewParser(web)
	for i, b := range parts {
		var beat Beat
		if err := p.Parse(b, keys, &beat); err != nil {
			t.Fatalf("part %d of %d: %v", i+1, len(parts), err)
		}
		if int(beat.Part) != i+1 || int(beat.Parts) != len(parts) {
			t.Fatalf("part %d of %d says it is %d of %d", i+1, len(parts), beat.Part, beat.Parts)
		}
		services := append(all.Services, beat.Node.Services...)
		labels, held := beat.Node.Labels, beat.Node.Keys
		if head := beat.Node; i > 0 {
			if labels != nil || held != nil {
				t.Fatalf("part %d has labels or keys: %v, %v", i+1, labels, held)
			}
			labels, held = all.Labels, all.Keys
			all.Services, head.Services, all.Labels, all.Keys = nil, nil, nil, nil
			if diff := cmp.Diff(all, head, byValue); diff != "" {
				t.Fatalf("node block of part %d differs from the first: %s", i+1, diff)
			}
		}
		all = beat.Node
		all.Services, all.Labels, all.Keys = services, labels, held
	}
	return all
}

// byValue compares addresses as values, and takes no farms for no farms, and no labels or statistics for none.
var byValue = cmp.Options{cmpopts.EquateComparable(netip.AddrPort{}, netip.Addr{}), cmpopts.EquateEmpty()}

func drawNode(rt *rapid.T) *node.Node {
	text := func(label string, low, high int) string {
		return string(rapid.SliceOfN(rapid.Byte(), low, high).Draw(rt, label))
	}
	figure := func(label string, most float64) float64 { return rapid.Float64Range(0, most).Draw(rt, label) + 0 }
	duration := func(label string, unit time.Duration) time.Duration {
		return time.Duration(rapid.Uint32().Draw(rt, label)) * unit
	}
	addr := rapid.OneOf(
		rapid.Map(rapid.SliceOfN(rapid.Byte(), 4, 4), func(b []byte) netip.Addr { return netip.AddrFrom4([4]byte(b)) }),
		rapid.Map(rapid.SliceOfN(rapid.Byte(), 16, 16), func(b []byte) netip.Addr { return netip.AddrFrom16([16]byte(b)) }),
	).Filter(reachable).Draw(rt, "address")
	total := rapid.Uint64().Draw(rt, "memory")
	n := &node.Node{
		ID: node.ID(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(rt, "id")), Boot: rapid.Uint64Max(MaxCounter-1).Draw(rt, "boot"),
		Sequence: rapid.Uint64Max(MaxCounter-1).Draw(rt, "sequence"),
		Name:     text("name", 0, node.MaxName), Zone: text("zone", 0, node.MaxZone),
		Addr: netip.AddrPortFrom(addr, rapid.Uint16Min(1).Draw(rt, "port")),
		TLS:  rapid.Bool().Draw(rt, "tls"), Direct: rapid.Bool().Draw(rt, "direct"),
		State:      rapid.SampledFrom([]node.State{node.Up, node.Draining, node.Leaving}).Draw(rt, "state"),
		VersionMin: 1, VersionMax: rapid.Uint8Min(1).Draw(rt, "version"), ConfigHash: rapid.Uint64().Draw(rt, "hash"),
		Interval:  time.Duration(rapid.IntRange(100, 60000).Draw(rt, "interval")) * time.Millisecond,
		SampleAge: duration("age", time.Millisecond),
		Stats: node.Stats{
			CPUs: int(rapid.Uint16Min(1).Draw(rt, "cpus")), Speed: figure("speed", maxFigure), Load1: figure("load", maxFigure),
			CPUIdle: figure("idle", 1), Pressure: figure("pressure", 1), MemTotal: total,
			MemAvailable: rapid.Uint64Max(total).Draw(rt, "available"), SendLate: duration("late", time.Microsecond),
			Dispatched: figure("dispatched", maxFigure),
		},
	}
	n.ID[0] |= 1
	keys := rapid.SliceOfNDistinct(rapid.SliceOfN(rapid.Byte(), 1, node.MaxLabel), 0, node.MaxLabels,
		func(b []byte) string { return string(b) }).Draw(rt, "keys")
	slices.SortFunc(keys, bytes.Compare)
	for size := 0; len(keys) > 0; keys = keys[1:] {
		l := node.Label{Key: string(keys[0]), Value: text("value", 0, node.MaxLabel)}
		if size += len(l.Key) + len(l.Value); size > node.MaxLabelsSize {
			break
		}
		n.Labels = append(n.Labels, l)
	}
	for _, id := range slices.Sorted(slices.Values(rapid.SliceOfNDistinct(rapid.Uint8Min(1), 0, node.MaxKeys,
		func(id uint8) uint8 { return id }).Draw(rt, "key numbers"))) {
		n.Keys = append(n.Keys, node.KeyMark{ID: id, Mark: rapid.Uint32().Draw(rt, "mark")})
	}
	for _, f := range rapid.SliceOfNDistinct(rapid.SliceOfN(rapid.Byte(), 1, node.MaxFarm), 0, node.MaxFarms,
		func(b []byte) string { return string(b) }).Draw(rt, "farms") {
		n.Services = append(n.Services, node.Service{
			Farm: string(f), Ready: rapid.Bool().Draw(rt, "ready"), Why: text("why", 0, node.MaxWhy),
			Slots: figure("slots", maxFigure), Mu: figure("mu", 1e3), Average: figure("average", 1e6),
			Arrivals: figure("arrivals", 1e6), Completions: figure("completions", 1e6),
			Errors: figure("errors", 1e6), Refusals: figure("refusals", 1e6),
			Workers:  rapid.IntRange(0, maxCount).Draw(rt, "workers"),
			Busy:     rapid.IntRange(0, maxCount).Draw(rt, "busy"),
			InFlight: rapid.IntRange(0, maxCount).Draw(rt, "in flight"),
			Served:   rapid.Uint64().Draw(rt, "served"), ServeTime: duration("serve time", time.Microsecond),
			Pushed: drawPushed(rt),
		})
	}
	return n
}

// keyOf returns the key of that number, the same each time.
func keyOf(id uint8) Key {
	k := Key{ID: id}
	for i := range k.Secret {
		k.Secret[i] = id + byte(3*i)
	}
	return k
}

func keysOf(ids ...uint8) (keys []Key) {
	for _, id := range ids {
		keys = append(keys, keyOf(id))
	}
	return keys
}

func receiveOnly(k Key) Key {
	k.ReceiveOnly = true
	return k
}

func mustRing(t testing.TB, cluster string, mode Mode, keys ...Key) *Keyring {
	t.Helper()
	k, err := NewKeyring(cluster, keys, mode)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// race reports whether the tests run with -race, with which a sync.Pool forgets things at random.
func race() bool {
	info, _ := debug.ReadBuildInfo()
	return slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"})
}

// A golden file has one datagram a line, in hexadecimal digits.
func writeGolden(t *testing.T, file string, parts [][]byte) {
	var out strings.Builder
	for _, b := range parts {
		fmt.Fprintf(&out, "%x\n", b)
	}
	if err := os.WriteFile(file, []byte(out.String()), 0o644); err != nil {
		t.Fatal(err)
	}
}

func readGolden(t testing.TB, file string) [][]byte {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var parts [][]byte
	for line := range strings.Lines(string(text)) {
		b, err := hex.DecodeString(strings.TrimSpace(line))
		if err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		parts = append(parts, b)
	}
	return parts
}
