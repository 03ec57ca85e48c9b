package wire

import (
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"backhand/gossip/node"
)

// statsOf returns statistics of these values, in the order of their names, which have so many bytes.
func statsOf(size int, values ...float64) (stats []node.Stat) {
	for i, v := range values {
		name := "s" + string(rune('a'+i))
		stats = append(stats, node.Stat{Name: name + strings.Repeat("_", size-len(name)), Value: v})
	}
	return stats
}

// mostStats returns as many statistics of one farm, with names as long, as there may be.
func mostStats() []node.Stat {
	return statsOf(node.MaxFarmStatsSize/node.MaxFarmStats, slices.Repeat([]float64{math.MaxFloat64}, node.MaxFarmStats)...)
}

// pushing gives each farm of the node, in turn, one of these.
func pushing(n *node.Node, stats ...[]node.Stat) *node.Node {
	for i := range n.Services {
		n.Services[i].Pushed = stats[i%len(stats)]
	}
	return n
}

func drawPushed(rt *rapid.T) (stats []node.Stat) {
	name := rapid.StringMatching(`[A-Za-z][A-Za-z0-9._-]{0,31}`)
	names := rapid.SliceOfNDistinct(name, 0, node.MaxFarmStats, rapid.ID).Draw(rt, "names")
	slices.Sort(names)
	size := 0
	for _, name := range names {
		if size += len(name); size > node.MaxFarmStatsSize {
			break
		}
		stats = append(stats, node.Stat{Name: name, Value: rapid.Float64Range(0, math.MaxFloat64).Draw(rt, "value") + 0})
	}
	return stats
}

func pushedGolden() map[string]*node.Node {
	return map[string]*node.Node{
		"pushed":            pushing(sample("web"), statsOf(2, 0, 0.5, 1e300)),
		"pushed-some":       pushing(sample("web", "reports", "a", "b"), statsOf(5, 1), nil),
		"pushed-sixty-four": holding(labelled(pushing(fullHouse(), mostStats(), nil, statsOf(2, 7)), mostLabels()...), mostMarks()),
	}
}

func TestGoldenPushed(t *testing.T) {
	for name, n := range pushedGolden() {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join("testdata", name+".hex")
			parts := mustAppend(t, n)
			if *update {
				writeGolden(t, file, parts)
			}
			want := readGolden(t, file)
			if diff := cmp.Diff(want, parts); diff != "" {
				t.Errorf("the bytes of version 1 changed (see -update; say why in the commit):\n%s", diff)
			}
			if diff := cmp.Diff(*n, whole(t, want), byValue); diff != "" {
				t.Errorf("read back: -sent +got\n%s", diff)
			}
		})
	}
}

// TestPushedAsDocumented reads the extension by hand, as the package doc says how.
func TestPushedAsDocumented(t *testing.T) {
	n := sample("web", "reports")
	plain := mustAppend(t, n)[0]
	n.Services[1].Pushed = []node.Stat{{Name: "jobs", Value: 1}, {Name: "q", Value: 2}}
	want := append([]byte("\x03\x00\x19\x01\x02\x04jobs"), 0x3f, 0xf0, 0, 0, 0, 0, 0, 0, 1, 'q', 0x40, 0, 0, 0, 0, 0, 0, 0)
	if got := mustAppend(t, n)[0]; string(got) != string(plain)+string(want) {
		t.Errorf("%x, want %x", got[len(plain):], want)
	}
}

// Each farm and its statistics are in the same part, whatever the node is called; and where that makes more parts than there
// may be, all farms arrive nevertheless.
func TestStatisticsAreInThePartOfTheirFarm(t *testing.T) {
	labelsAndKeys := func(n *node.Node) *node.Node { return holding(labelled(n, mostLabels()...), mostMarks()) }
	for name, tc := range map[string]struct {
		n    *node.Node
		told bool
	}{
		"some of each of 64 farms":                {pushing(fullHouse(), statsOf(10, 1, 2, 3)), true},
		"some of each, beside labels and keys":    {labelsAndKeys(pushing(fullHouse(), statsOf(10, 1, 2, 3))), true},
		"all of each of 63 farms":                 {pushing(firstFarms(fullHouse(), 63), mostStats()), true},
		"all of each of 64 farms":                 {pushing(fullHouse(), mostStats()), true},
		"all of each of 64, beside labels, keys":  {labelsAndKeys(pushing(fullHouse(), mostStats())), false},
		"all of one farm, beside labels and keys": {labelsAndKeys(pushing(firstFarms(fullHouse(), 1), mostStats())), true},
	} {
		t.Run(name, func(t *testing.T) {
			for _, keys := range []*Keyring{nil, mustRing(t, "web", Enforce, keyOf(1))} {
				parts := mustSeal(t, tc.n, keys)
				if len(parts) > MaxParts {
					t.Fatalf("%d parts", len(parts))
				}
				want := *tc.n
				want.Key = keys.Sealing()
				if !tc.told {
					want.Services = slices.Clone(want.Services)
					pushing(&want, nil)
				}
				if diff := cmp.Diff(want, wholeOf(t, parts, keys), byValue); diff != "" {
					t.Errorf("-sent +got\n%s", diff)
				}
			}
		})
	}
}

func firstFarms(n *node.Node, farms int) *node.Node {
	n.Services = n.Services[:farms]
	return n
}

func TestTheNextBeatHasNoStatisticsOfTheLast(t *testing.T) {
	p, beat := NewParser(web), Beat{}
	for _, stats := range [][][]node.Stat{
		{statsOf(4, 1, 2, 3), statsOf(4, 4)}, {nil, statsOf(5, 5, 6)}, {nil}, {statsOf(3, 7), nil},
	} {
		n := pushing(sample("web", "reports"), stats...)
		if err := p.Parse(mustAppend(t, n)[0], nil, &beat); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(*n, beat.Node, byValue); diff != "" {
			t.Errorf("-sent +got\n%s", diff)
		}
	}
}

// A node must not fall silent because of what somebody has pushed.
func TestStatisticsOutOfBoundsAreLeftOut(t *testing.T) {
	long := strings.Repeat("x", node.MaxStatName)
	named := func(name string) node.Stat { return node.Stat{Name: name, Value: 1} }
	for name, tc := range map[string]struct{ pushed, want []node.Stat }{
		"as they should be":      {statsOf(3, 1, 2), statsOf(3, 1, 2)},
		"a name of 32 bytes":     {[]node.Stat{named(long)}, []node.Stat{named(long)}},
		"a name of 33 bytes":     {[]node.Stat{named("a"), named(long + "x")}, []node.Stat{named("a")}},
		"a name of none":         {[]node.Stat{named(""), named("a")}, []node.Stat{named("a")}},
		"a name with a newline":  {[]node.Stat{named("a"), named("b\n")}, []node.Stat{named("a")}},
		"a name twice":           {[]node.Stat{named("a"), {Name: "a", Value: 9}, named("b")}, []node.Stat{named("a"), named("b")}},
		"names out of order":     {[]node.Stat{named("b"), named("a"), named("c")}, []node.Stat{named("b"), named("c")}},
		"NaN":                    {statsOf(3, math.NaN(), 2), statsOf(3, math.NaN(), 2)[1:]},
		"infinity":               {statsOf(3, 1, math.Inf(1)), statsOf(3, 1)},
		"less than nothing":      {statsOf(3, -1, 2), statsOf(3, -1, 2)[1:]},
		"minus zero":             {statsOf(3, math.Copysign(0, -1)), statsOf(3, 0)},
		"17 of them":             {statsOf(3, make([]float64, 17)...), statsOf(3, make([]float64, 16)...)},
		"names of 385 bytes":     {append(mostStats()[:15], named("t"+long[:24])), mostStats()[:15]},
		"all of them are no use": {[]node.Stat{named("1"), named("-")}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			n := pushing(sample("web", "reports"), tc.pushed, statsOf(4, 4))
			got := whole(t, mustAppend(t, n))
			if diff := cmp.Diff(*pushing(n, tc.want, statsOf(4, 4)), got, byValue); diff != "" {
				t.Errorf("-want +got\n%s", diff)
			}
		})
	}
}

func TestParseRefusesStatistics(t *testing.T) {
	farm := func(place, count byte, stats ...node.Stat) []byte {
		b := []byte{place, count}
		for _, s := range stats {
			b = append(append(b, byte(len(s.Name))), s.Name...)
			b = appendFloat(b, s.Value)
		}
		return b
	}
	extension := func(farms ...[]byte) []byte {
		all := slices.Concat(farms...)
		return append([]byte{pushedType, byte(len(all) >> 8), byte(len(all))}, all...)
	}
	a, b := node.Stat{Name: "a", Value: 1}, node.Stat{Name: "b"}
	long := strings.Repeat("x", 33)
	one := farm(0, 1, a)
	for name, tc := range map[string]struct {
		more []byte
		want error
	}{
		"as it should be":         {extension(farm(0, 2, a, b), farm(2, 1, a)), nil},
		"an empty list":           {extension(), nil},
		"above 1e15":              {extension(farm(0, 1, node.Stat{Name: "a", Value: math.MaxFloat64})), nil},
		"two lists":               {append(extension(one), extension(farm(1, 1, a))...), ErrMalformed},
		"a farm that is not here": {extension(farm(3, 1, a)), ErrMalformed},
		"a farm twice":            {extension(one, one), ErrMalformed},
		"farms out of order":      {extension(farm(1, 1, a), one), ErrMalformed},
		"a farm with none":        {extension(farm(0, 0)), ErrMalformed},
		"fewer than it says":      {extension(farm(0, 2, a)), ErrMalformed},
		"more than it says":       {extension(farm(0, 1, a, b)), ErrMalformed},
		"17 of a farm":            {extension(farm(0, 17, statsOf(2, make([]float64, 17)...)...)), ErrMalformed},
		"names of 385 bytes": {
			extension(farm(0, 16, append(mostStats()[:15], node.Stat{Name: "t" + long[:24]})...)), ErrMalformed,
		},
		"a name twice":            {extension(farm(0, 2, a, a)), ErrMalformed},
		"names out of order":      {extension(farm(0, 2, b, a)), ErrMalformed},
		"no name":                 {extension(farm(0, 1, node.Stat{})), ErrMalformed},
		"a name of 33 bytes":      {extension(farm(0, 1, node.Stat{Name: long})), ErrMalformed},
		"a name with a newline":   {extension(farm(0, 1, node.Stat{Name: "a\nb"})), ErrMalformed},
		"a name with a zero":      {extension(farm(0, 1, node.Stat{Name: "a\x00"})), ErrMalformed},
		"a name that is a number": {extension(farm(0, 1, node.Stat{Name: "12"})), ErrMalformed},
		"a name in no ASCII":      {extension(farm(0, 1, node.Stat{Name: "größe"})), ErrMalformed},
		"NaN":                     {extension(farm(0, 1, node.Stat{Name: "a", Value: math.NaN()})), ErrMalformed},
		"infinity":                {extension(farm(0, 1, node.Stat{Name: "a", Value: math.Inf(1)})), ErrMalformed},
		"less than nothing":       {extension(farm(0, 1, node.Stat{Name: "a", Value: -1})), ErrMalformed},
		"minus zero":              {extension(farm(0, 1, node.Stat{Name: "a", Value: math.Copysign(0, -1)})), ErrMalformed},
		"a place alone":           {extension([]byte{0}), ErrMalformed},
		"a name cut short":        {extension([]byte{0, 1, 5, 'a'}), ErrMalformed},
		"a value cut short":       {extension(one[:len(one)-1]), ErrMalformed},
		"longer than the beat":    {[]byte{pushedType, 0, 20, 0, 1, 1, 'a'}, ErrMalformed},
	} {
		t.Run(name, func(t *testing.T) {
			b := append(mustAppend(t, sample("web", "reports", "x"))[0], tc.more...)
			if err := NewParser(web).Parse(b, nil, new(Beat)); !errors.Is(err, tc.want) {
				t.Errorf("%v, want %v", err, tc.want)
			}
		})
	}
	later := mustAppend(t, fullHouse())[1]
	var beat Beat
	err := NewParser(web).Parse(append(later, extension(one)...), nil, &beat)
	if err != nil || len(beat.Node.Services[0].Pushed) != 1 {
		t.Errorf("in a later part: %v", err)
	}
	front := mustAppend(t, sample())[0]
	if err := NewParser(web).Parse(append(front, extension(one)...), nil, &beat); !errors.Is(err, ErrMalformed) {
		t.Errorf("of a node without farms: %v", err)
	}
}

// appendFloat appends any number, as nobody who keeps to the format would.
func appendFloat(b []byte, f float64) []byte {
	bits := math.Float64bits(f)
	for shift := 56; shift >= 0; shift -= 8 {
		b = append(b, byte(bits>>shift))
	}
	return b
}

func TestStatisticsAllocateNothing(t *testing.T) {
	n := pushing(fullHouse(), mostStats(), statsOf(10, 1, 2, 3))
	parts := mustAppend(t, n)
	p, beats := NewParser(web), make([]Beat, len(parts))
	if got := testing.AllocsPerRun(100, func() {
		var err error
		if parts, err = Append(parts[:0], n, web, nil); err != nil {
			t.Fatal(err)
		}
		for i := range parts {
			if err := p.Parse(parts[i], nil, &beats[i]); err != nil {
				t.Fatal(err)
			}
		}
	}); got != 0 {
		t.Errorf("%v allocations for a beat that is written and read", got)
	}
}

func FuzzPushed(f *testing.F) {
	for _, n := range pushedGolden() {
		if n = firstFarms(n, 1); n.Services[0].Pushed != nil {
			f.Add(appendPushed(nil, n.Services)[3:])
		}
	}
	f.Fuzz(func(t *testing.T, value []byte) {
		b := mustAppend(t, sample("web", "reports", "x"))[0]
		b = append(b, pushedType, byte(len(value)>>8), byte(len(value)))
		b = append(b, value...)
		var beat Beat
		err := NewParser(web).Parse(b, nil, &beat)
		if err != nil {
			if want := reason(err); want != ErrMalformed && !(want == ErrSize && len(b) > MaxDatagram) {
				t.Fatalf("%v", err)
			}
			return
		}
		for i := range beat.Node.Services {
			names := 0
			for _, s := range beat.Node.Services[i].Pushed {
				if names += len(s.Name); !node.ValidStatName(s.Name) || !(s.Value >= 0 && s.Value <= math.MaxFloat64) {
					t.Fatalf("%q = %v was taken", s.Name, s.Value)
				}
			}
			if n := len(beat.Node.Services[i].Pushed); n > node.MaxFarmStats || names > node.MaxFarmStatsSize {
				t.Fatalf("%d statistics were taken, with names of %d bytes", n, names)
			}
		}
		if diff := cmp.Diff(beat.Node, whole(t, mustAppend(t, &beat.Node)), byValue); diff != "" {
			t.Fatalf("-first +again\n%s", diff)
		}
	})
}

func BenchmarkParsePushed(b *testing.B) {
	for _, stats := range []int{0, 4, 16} {
		b.Run(fmt.Sprintf("%d statistics", stats), func(b *testing.B) {
			datagram := mustAppend(b, pushing(sample("web"), statsOf(8, make([]float64, stats)...)))[0]
			p, beat := NewParser(web), Beat{}
			b.ReportAllocs()
			for b.Loop() {
				if err := p.Parse(datagram, nil, &beat); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
