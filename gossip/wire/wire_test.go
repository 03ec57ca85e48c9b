package wire

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"math"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"backhand/gossip/node"
)

var update = flag.Bool("update", false, "write the golden datagrams anew")

var web = HashCluster("web")

func TestGolden(t *testing.T) {
	left := sample("web")
	left.State, left.Zone, left.ConfigHash, left.Stats = node.Leaving, "", 0, node.Stats{CPUs: 1}
	for name, n := range map[string]*node.Node{
		"one-farm":    sample("web"),
		"pure-front":  sample(),
		"leaving":     left,
		"sixty-four":  fullHouse(),
		"three-farms": sample("web", "reports", "\x00\xff"),

		"labels":            labelled(sample("web"), node.Label{Key: "gpu"}, node.Label{Key: "rack", Value: "r1"}),
		"labels-pure-front": labelled(sample(), node.Label{Key: "\x00\xff", Value: "<b>\n"}),
		"labels-sixty-four": labelled(fullHouse(), mostLabels()...),

		"keys":            holding(sample("web"), marksOf(1, 2, 255)),
		"keys-sixty-four": holding(labelled(fullHouse(), mostLabels()...), mostMarks()),
	} {
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

func TestOneFarmAlwaysFits(t *testing.T) {
	n := fullHouse()
	parts := mustAppend(t, n)
	for _, b := range parts {
		var beat Beat
		if err := NewParser(web).Parse(b, nil, &beat); err != nil || len(beat.Node.Services) == 0 {
			t.Fatalf("part %d has no farm (%v)", beat.Part, err)
		}
	}
	n.Services = n.Services[:1]
	n.Labels = mostLabels()
	if got := len(mustAppend(t, n)); got != 1 {
		t.Errorf("a node with one farm and 480 bytes of labels, all names as long as may be, makes %d parts", got)
	}
}

func TestAppendUsesBuffersAgain(t *testing.T) {
	n := labelled(fullHouse(), mostLabels()...)
	parts := mustAppend(t, n)
	want := whole(t, parts)
	if got := testing.AllocsPerRun(100, func() {
		var err error
		if parts, err = Append(parts[:0], n, web, nil); err != nil {
			t.Fatal(err)
		}
	}); got != 0 {
		t.Errorf("%v allocations a beat, want 0", got)
	}
	if diff := cmp.Diff(want, whole(t, parts), byValue); diff != "" {
		t.Error(diff)
	}
}

func TestParseAllocatesNothingForWhatItKnows(t *testing.T) {
	a, b := mustAppend(t, sample("web", "reports"))[0], mustAppend(t, labelled(fullHouse(), mostLabels()...))[0]
	p, beat := NewParser(web), Beat{}
	parse := func() {
		for _, datagram := range [][]byte{a, b} {
			if err := p.Parse(datagram, nil, &beat); err != nil {
				t.Fatal(err)
			}
		}
	}
	if got := testing.AllocsPerRun(100, parse); got != 0 {
		t.Errorf("%v allocations for beats of two nodes by turns, want 0", got)
	}
}

func TestParserForgetsMadeUpNames(t *testing.T) {
	p := NewParser(web)
	for i := range 3 * maxNames {
		n := sample()
		n.Name = fmt.Sprintf("made-up-%d", i)
		var beat Beat
		if err := p.Parse(mustAppend(t, n)[0], nil, &beat); err != nil || beat.Node.Name != n.Name {
			t.Fatalf("%q, %v", beat.Node.Name, err)
		}
		if len(p.names) > maxNames {
			t.Fatalf("%d names are remembered, want at most %d", len(p.names), maxNames)
		}
	}
}

func TestParseKeepsNoReference(t *testing.T) {
	n := labelled(sample("web"), mostLabels()...)
	b := mustAppend(t, n)[0]
	var beat Beat
	if err := NewParser(web).Parse(b, nil, &beat); err != nil {
		t.Fatal(err)
	}
	for i := range b {
		b[i] = 0xee
	}
	if diff := cmp.Diff(*n, beat.Node, byValue); diff != "" {
		t.Errorf("the beat changed with the buffer:\n%s", diff)
	}
}

func TestAppendRefuses(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(*node.Node)
		want   string
	}{
		"no id":                    {func(n *node.Node) { n.ID = node.ID{} }, "node id"},
		"name of 256 bytes":        {func(n *node.Node) { n.Name = strings.Repeat("n", 256) }, "256 bytes"},
		"zone of 33 bytes":         {func(n *node.Node) { n.Zone = strings.Repeat("z", 33) }, "33 bytes"},
		"no address":               {func(n *node.Node) { n.Addr = netip.AddrPort{} }, "address and port"},
		"address of everybody":     {func(n *node.Node) { n.Addr = netip.MustParseAddrPort("0.0.0.0:80") }, "address and port"},
		"group as address":         {func(n *node.Node) { n.Addr = netip.MustParseAddrPort("239.1.1.1:80") }, "address and port"},
		"address with zone":        {func(n *node.Node) { n.Addr = netip.MustParseAddrPort("[fe80::1%eth0]:80") }, "address and port"},
		"no port":                  {func(n *node.Node) { n.Addr = netip.MustParseAddrPort("10.1.1.1:0") }, "address and port"},
		"no state":                 {func(n *node.Node) { n.State = 0 }, "state 0"},
		"no versions":              {func(n *node.Node) { n.VersionMin = 0 }, "versions 0 to 1"},
		"interval of 99 ms":        {func(n *node.Node) { n.Interval = 99 * time.Millisecond }, "99ms"},
		"interval of an hour":      {func(n *node.Node) { n.Interval = time.Hour }, "1h0m0s"},
		"farm without a name":      {func(n *node.Node) { n.Services[0].Farm = "" }, `farm ""`},
		"farm name of 33 bytes":    {func(n *node.Node) { n.Services[0].Farm = strings.Repeat("f", 33) }, "1 to 32 bytes"},
		"farm that is there twice": {func(n *node.Node) { n.Services = append(n.Services, n.Services[0]) }, "twice"},
		"65 farms":                 {func(n *node.Node) { n.Services = sample(farms(65)...).Services }, "65 farms"},
		"17 labels":                {func(n *node.Node) { n.Labels = labelsOf(17, 2, 0) }, "more than 16 labels"},
		"label without a key":      {func(n *node.Node) { n.Labels = []node.Label{{Value: "r1"}} }, "without a key"},
		"key of 33 bytes":          {func(n *node.Node) { n.Labels = labelsOf(1, 33, 0) }, "more than 32 bytes"},
		"value of 33 bytes":        {func(n *node.Node) { n.Labels = labelsOf(1, 2, 33) }, "more than 32 bytes"},
		"481 bytes of labels": {func(n *node.Node) {
			n.Labels = mostLabels()
			n.Labels[15].Value += "x"
		}, "more than 480 bytes"},
		"label that is there twice": {func(n *node.Node) { n.Labels = []node.Label{{Key: "a"}, {Key: "a"}} }, "a key twice"},
		"labels out of order":       {func(n *node.Node) { n.Labels = []node.Label{{Key: "b"}, {Key: "a"}} }, "order of their keys"},
	} {
		t.Run(name, func(t *testing.T) {
			n := sample("web")
			tc.change(n)
			parts, err := Append(nil, n, web, nil)
			if err == nil || !strings.Contains(err.Error(), tc.want) || len(parts) != 0 {
				t.Errorf("%d parts, %v; want none and an error about %q", len(parts), err, tc.want)
			}
		})
	}
}

func TestAppendBringsFiguresIntoBounds(t *testing.T) {
	n := sample("web")
	n.Addr = netip.MustParseAddrPort("[::ffff:10.58.4.2]:80")
	n.SampleAge = 100 * 24 * time.Hour
	n.Stats = node.Stats{
		CPUs: -1, Speed: math.NaN(), Load1: math.Inf(1), CPUIdle: 1.5, Pressure: -0.1,
		MemTotal: 10, MemAvailable: 11, SendLate: -time.Second, Dispatched: math.Inf(-1),
	}
	s := &n.Services[0]
	s.Why, s.Workers, s.Busy, s.ServeTime = strings.Repeat("w", 100), -1, math.MaxInt, 1000*time.Hour
	s.Mu = math.Copysign(0, -1)

	want := sample("web")
	want.SampleAge = math.MaxUint32 * time.Millisecond
	want.Stats = node.Stats{CPUs: 1, Load1: maxFigure, CPUIdle: 1, MemTotal: 10, MemAvailable: 10}
	s = &want.Services[0]
	s.Why, s.Workers, s.Busy, s.ServeTime = strings.Repeat("w", 64), 0, maxCount, math.MaxUint32*time.Microsecond
	s.Mu = 0
	if diff := cmp.Diff(*want, whole(t, mustAppend(t, n)), byValue); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}

// Places in the datagram of sample("web"), whose address is of IPv4.
const (
	body     = headerSize
	nodeAt   = body + 4
	addrAt   = nodeAt + 115
	nameAt   = addrAt + 4 + 2
	farmsAt  = nameAt + 1 + len("www1") + 1 + len("rack-7")
	farmAt   = farmsAt + 1 + 2
	figures  = farmAt + 1 + len("web") + 1 + 1
	countsAt = figures + 7*8
)

func TestParseRefuses(t *testing.T) {
	set := func(at int, bytes ...byte) func([]byte) []byte {
		return func(b []byte) []byte {
			copy(b[at:], bytes)
			return b
		}
	}
	size := func(n int) func([]byte) []byte {
		return func(b []byte) []byte { return append(b, make([]byte, 65507)...)[:n] }
	}
	nan, inf := []byte{0x7f, 0xf8, 0, 0, 0, 0, 0, 1}, []byte{0x7f, 0xf0, 0, 0, 0, 0, 0, 0}
	minus, two := []byte{0xbf, 0xf0, 0, 0, 0, 0, 0, 0}, []byte{0x40, 0, 0, 0, 0, 0, 0, 0}
	for name, tc := range map[string]struct {
		change func([]byte) []byte
		want   error
	}{
		"no bytes":                  {size(0), ErrSize},
		"1 byte":                    {size(1), ErrSize},
		"15 bytes":                  {size(15), ErrSize},
		"1201 bytes":                {size(1201), ErrSize},
		"65507 bytes":               {size(65507), ErrSize},
		"other magic":               {set(0, 'X'), ErrMagic},
		"version 0":                 {set(4, 0), ErrVersion},
		"version 2":                 {set(4, 2), ErrVersion},
		"version 255":               {set(4, 255), ErrVersion},
		"other cluster":             {set(8, 0), ErrCluster},
		"sealed":                    {set(5, sealedFlag, 7), ErrSeal},
		"header shorter than known": {set(7, 15), ErrMalformed},
		"header longer than beat":   {func(b []byte) []byte { b[7] = 255; return b[:100] }, ErrMalformed},
		"header only":               {size(16), ErrMalformed},
		"part 0":                    {set(body, 0), ErrMalformed},
		"part 2 of 1":               {set(body, 2), ErrMalformed},
		"part 1 of 65":              {set(body+1, 65), ErrMalformed},
		"node block too long":       {set(body+2, 0xff, 0xff), ErrMalformed},
		"node block too short":      {set(body+2, 0, 100), ErrMalformed},
		"id of zeros":               {set(nodeAt, make([]byte, 16)...), ErrMalformed},
		"boot that ends all":        {set(nodeAt+16, 0, 1), ErrMalformed},
		"sequence that ends all":    {set(nodeAt+24, 0, 1), ErrMalformed},
		"interval of 99 ms":         {set(nodeAt+36, 0, 0, 0, 99), ErrMalformed},
		"interval of 60001 ms":      {set(nodeAt+36, 0, 0, 0xea, 0x61), ErrMalformed},
		"state 0":                   {set(nodeAt+40, 0), ErrMalformed},
		"state 4":                   {set(nodeAt+40, 4), ErrMalformed},
		"versions from 0":           {set(nodeAt+41, 0), ErrMalformed},
		"versions from 2 to 1":      {set(nodeAt+41, 2), ErrMalformed},
		"no CPU":                    {set(nodeAt+52, 0, 0), ErrMalformed},
		"speed is no number":        {set(nodeAt+54, nan...), ErrMalformed},
		"load is infinite":          {set(nodeAt+62, inf...), ErrMalformed},
		"load is negative":          {set(nodeAt+62, minus...), ErrMalformed},
		"load is minus zero":        {set(nodeAt+62, 0x80, 0, 0, 0, 0, 0, 0, 0), ErrMalformed},
		"idle twice over":           {set(nodeAt+70, two...), ErrMalformed},
		"pressure twice over":       {set(nodeAt+78, two...), ErrMalformed},
		"more memory than there is": {set(nodeAt+94, 0xff), ErrMalformed},
		"dispatched is no number":   {set(nodeAt+106, nan...), ErrMalformed},
		"address of 5 bytes":        {set(addrAt-1, 5), ErrMalformed},
		"address 0.0.0.0":           {set(addrAt, 0, 0, 0, 0), ErrMalformed},
		"address of a group":        {set(addrAt, 239, 1, 1, 1), ErrMalformed},
		"address of broadcast":      {set(addrAt, 255, 255, 255, 255), ErrMalformed},
		"port 0":                    {set(addrAt+4, 0, 0), ErrMalformed},
		"name too long for block":   {set(nameAt, 200), ErrMalformed},
		"more farms than blocks":    {set(farmsAt, 2), ErrMalformed},
		"255 farms":                 {set(farmsAt, 255), ErrMalformed},
		"fewer farms than blocks":   {set(farmsAt, 0), ErrMalformed},
		"farm block too long":       {set(farmsAt+1, 0xff, 0xff), ErrMalformed},
		"farm block too short":      {set(farmsAt+1, 0, 10), ErrMalformed},
		"farm without a name":       {set(farmAt, 0), ErrMalformed},
		"rate is no number":         {set(figures, nan...), ErrMalformed},
		"rate above 1e15":           {set(figures, 0x7f, 0xe0), ErrMalformed},
		"more workers than an int":  {set(countsAt, 0x80, 0, 0, 0), ErrMalformed},
		"extension cut short":       {func(b []byte) []byte { return append(b, 9, 0, 4, 1, 2, 3) }, ErrMalformed},
		"extension without length":  {func(b []byte) []byte { return append(b, 9) }, ErrMalformed},
	} {
		t.Run(name, func(t *testing.T) {
			b := tc.change(bytes.Clone(mustAppend(t, sample("web"))[0]))
			if err := NewParser(web).Parse(b, nil, new(Beat)); !errors.Is(err, tc.want) {
				t.Errorf("%v, want %v", err, tc.want)
			}
		})
	}
}

func TestParseRefusesLongAndDoubleNames(t *testing.T) {
	// What Append would refuse to write is put together block by block.
	build := func(zone string, services ...node.Service) []byte {
		n := sample()
		b := append(appendHeader(nil, web, 0), 1, 1)
		at := len(b)
		b = appendNode(b, n)
		b = appendText(b[:len(b)-1-len(n.Zone)], zone, 255)
		b[at], b[at+1] = byte((len(b)-at-2)>>8), byte(len(b)-at-2)
		b = append(b, byte(len(services)))
		for i := range services {
			b = appendFarm(b, &services[i])
		}
		return b
	}
	for name, tc := range map[string]struct {
		b    []byte
		want error
	}{
		"as it should be":  {build("rack-7", node.Service{Farm: "a"}, node.Service{Farm: "b"}), nil},
		"zone of 33 bytes": {build(strings.Repeat("z", 33)), ErrMalformed},
		"farm twice":       {build("", node.Service{Farm: "a"}, node.Service{Farm: "a"}), ErrMalformed},
	} {
		t.Run(name, func(t *testing.T) {
			if err := NewParser(web).Parse(tc.b, nil, new(Beat)); !errors.Is(err, tc.want) {
				t.Errorf("%v, want %v", err, tc.want)
			}
		})
	}
}

func TestParseRefusesWhatIsCutAnywhere(t *testing.T) {
	for _, b := range mustAppend(t, fullHouse()) {
		for n := range b {
			want := ErrMalformed
			if n < headerSize {
				want = ErrSize
			}
			if err := NewParser(web).Parse(b[:n], nil, new(Beat)); !errors.Is(err, want) {
				t.Fatalf("%d of %d bytes: %v, want %v", n, len(b), err, want)
			}
		}
	}
}

func TestParseSkipsWhatItDoesNotKnow(t *testing.T) {
	n := labelled(sample("web"), node.Label{Key: "gpu"})
	b := mustAppend(t, sample("web"))[0]
	labels := appendLabels(nil, n.Labels)
	grow := func(b []byte, at, length int, more ...byte) []byte {
		b = append(b[:at:at], append(more, b[at:]...)...)
		b[length] += byte(len(more)) // none of these lengths overflows its low byte
		return b
	}
	for name, later := range map[string][]byte{
		"flags and key id":  func() []byte { b := bytes.Clone(b); b[5], b[6] = 0xfc, 9; return b }(),
		"longer header":     grow(bytes.Clone(b), headerSize, 7, 1, 2, 3),
		"longer node block": grow(bytes.Clone(b), farmsAt, body+3, 1, 2, 3),
		"longer farm block": grow(bytes.Clone(b), len(b), farmAt-1, 1, 2, 3),
		"extensions":        append(bytes.Clone(b), 200, 0, 3, 1, 2, 3, 0, 0, 0, 255, 0, 1, 1),
	} {
		t.Run(name, func(t *testing.T) {
			later := append(append(later, labels...), 254, 0, 1, 1)
			var beat Beat
			if err := NewParser(web).Parse(later, nil, &beat); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(*n, beat.Node, byValue); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestRoundTrip(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		n := drawNode(rt)
		if diff := cmp.Diff(*n, whole(t, mustAppend(t, n)), byValue); diff != "" {
			rt.Fatalf("-sent +got\n%s", diff)
		}
	})
}

func reason(err error) error {
	for _, r := range []error{
		ErrSize, ErrMagic, ErrVersion, ErrCluster, ErrUnsealed, ErrSeal, ErrForged, ErrMalformed,
	} {
		if errors.Is(err, r) {
			return r
		}
	}
	return nil
}
